/* Measuring: a thing against a reference in the same run, so that a figure says something on any machine and survives
 * other work on it. The reference is the matrix product that the compiler itself uses (compiler/base/gemm.h).
 */
#ifndef NCC_BENCH_MEASURE_H
#define NCC_BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "bench_sim: 2 cores, AMD EPYC": the first line of each program's output. */
void bench_heading(const char *program);

/* The folder of models: NCC_ZOO, or the one beside the sources; NULL, and a note, when it is missing. */
const char *bench_zoo(void);

/* Sets how many threads the library uses from now on; 0: all cores. */
void bench_use_threads(int n);

double bench_cpu_seconds(void); /* of the process, all threads */
double bench_wall_seconds(void);

struct bench_job {
    void (*run)(void *ctx);
    void *ctx;
};

enum bench_clock {
    BENCH_CPU, /* for work of one thread: other programs do not count */
    BENCH_WALL
};

struct bench_ratio {
    double seconds, reference; /* medians, of one run each */
    double ratio;              /* median of reference / seconds: 1 is as fast as the reference, 2 twice as fast */
};

/* Runs both in turns. */
struct bench_ratio bench_compare(struct bench_job job, struct bench_job reference, enum bench_clock clock);

/* A matrix product m x n x k, `repeats` times. */
struct bench_gemm {
    int m, n, k, repeats;
    float *a, *b, *c;
};

struct bench_gemm bench_gemm_make(int m, int n, int k);
void bench_gemm_run(void *gemm); /* as a job */
void bench_gemm_free(struct bench_gemm *g);

/* Memory filled with numbers that every run makes alike; never NULL, free() it. Floats lie in -1..1. */
float *bench_floats(size_t n);
uint8_t *bench_bytes(size_t n);

/* Keeps the least of ratios by kind, for a summary. */
struct bench_least {
    const char *kind;
    double ratio;
};
void bench_keep_least(struct bench_least *rows, int n, const char *kind, double ratio);
void bench_print_least(const struct bench_least *rows, int n);

#endif
