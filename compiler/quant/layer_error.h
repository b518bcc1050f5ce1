/* What every layer of an integer graph does to the signal.
 *
 *     real graph     x -> layer -> y                       the lowered graph, with ranges and quants assigned
 *     own error      codes(x) -> integer layer -> y'       exact inputs, rounded to codes: this layer alone
 *     total error    x' -> integer layer -> y''            the inputs as the layers before leave them
 *
 * Values of the two graphs are matched by value->real_id. The own error is taken apart: what rounding the inputs alone
 * would do, what rounding the result alone would do, and the rest, which is the arithmetic (weights and tables).
 *
 * Samples run in parallel; results do not depend on the number of threads.
 */
#ifndef NCC_QUANT_LAYER_ERROR_H
#define NCC_QUANT_LAYER_ERROR_H

#include "compiler/ir/eval.h"

/* Sums of squares over all elements of all samples, inside the window. */
struct layer_sums {
    double signal;     /* of the real result */
    double own, total; /* of the errors; own NAN: an input has no counterpart in the real graph */
    double input;      /* of the error when only the inputs are codes */
    double output;     /* when only the result is; and the part of it that lies beyond the codes' ends: */
    double clipped;
    int64_t n, n_clipped; /* elements; those beyond the ends */
};

struct layer_error {
    const struct node *node; /* of the integer graph */
    struct layer_sums sum;
    int n_channels, n_silent; /* channels; those that never reach half a code, though they are not always zero */
    double used;              /* 99.9 % of the elements lie within this share of the range, 0..1 */
};

struct layer_errors {
    struct layer_error *v; /* in the order of the integer graph; nodes that only move codes are left out */
    int n;
    struct layer_sums *outputs; /* of the graph's outputs, in front of a softmax that makes them: signal, total and n */
    int n_outputs;
};

/* Signal to noise in dB, INFINITY when exact. */
double ncc_layer_db(double signal, double noise);

/* An own error of so many dB is worth no look for its own sake. */
#define NCC_LAYER_GOOD_DB 40

/* Why the own error is what it is, as a text in the arena; NULL when the layer is exact or has no signal. */
const char *ncc_layer_reason(const struct layer_error *e, struct arena *a);

struct layer_error_options {
    bool quiet; /* no progress bar */
    bool brief; /* the outputs, and of layers only n, signal and own; and all but total of the one with the least own_db
                 */
};

/* `samples` are for the real graph. False: feed said so, or no memory (reported). `out` lives in `arena`. */
bool ncc_quant_layer_errors(const struct graph *real, const struct graph *codes, const struct samples *samples,
                            const struct layer_error_options *options, struct arena *arena, struct layer_errors *out);

/* Signal to noise of the layer alone, in dB: INFINITY where there is no signal, NAN where it cannot be told. */
double ncc_layer_own_db(const struct layer_error *e);

/* The layer that has the least of it, if that is worth a look; else NULL. */
const struct layer_error *ncc_layer_least_precise(const struct layer_errors *e);

#endif
