/* One real model from its file to the outputs of its kmodel in the simulator, held against those of other programs. */
#ifndef NCC_TESTS_MODELS_ZOO_JOB_H
#define NCC_TESTS_MODELS_ZOO_JOB_H

#include <stdbool.h>
#include <stdint.h>

/* KWS01_REAL: as real numbers; LARGE_DIGITS: 64 x 64, three planes. */
enum set { NO_LABELS, IC01, VWW01, KWS01, KWS01_REAL, DIGITS, LARGE_DIGITS };

struct model {
    const char *name;
    const char *calib; /* a folder of pictures in the zoo; "ic": planar copies of datasets/ic_calib; NULL: the stored
                          inputs; "none": the model is quantised and needs no samples */
    enum set labels;
    int64_t main_limit; /* 0: none */
};

struct result {
    double est, kpu, copy, cpu; /* ms */
    int64_t kpu_peak, kpu_bound, main, bytes;
    int crossings;
    bool optimal;
    double mean_cosine, worst_cosine, float_top1, top1; /* percent */
    double agreement;                                   /* of two other programs: a cosine */
    double sqnr;                                        /* dB, mean over outputs and samples; equal ones count as 100 */
};

bool zoo_is_quantised(const struct model *m);

/* Compiles the model, runs it on the stored inputs and on its labelled set, the latter also in the evaluator. What
 * cannot be compiled or run fails the test. */
struct result zoo_run(const struct model *m);

#endif
