/* The inner loops of the simulator, one set per kind of processor. All sets give the same results.
 *
 * Input is held in cells of 32 bits: one position, `unit` channels side by side, 8 or 16 bits each. A row of cells is
 * continuous memory, so that a tap of the kernel is a fixed distance in it (grid.h). Weights are cells too:
 *
 *     x[unit][position]        w[block of output channels][unit][tap][channel of the block]
 *
 * One cell of x times one cell of w is the sum of `unit` products. */
#ifndef NCC_SIM_KERNEL_H
#define NCC_SIM_KERNEL_H

#include "kpu/arith.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SIM_STEP = 16,     /* positions come in multiples of this */
    SIM_MAX_TILE = 32, /* positions per call of dot */
    SIM_MAX_BLOCK = 8, /* output channels per call of dot */
    SIM_MAX_TAPS = 9,
};

#define SIM_INLINE static inline __attribute__((always_inline))

/* The activation table for fast look-up. */
struct sim_act {
    int64_t x_start[NCC_KPU_SEGMENTS];
    int64_t param[NCC_KPU_SEGMENTS]; /* y_mul << 16 | shift << 8 | bias */

    /* The same for batch-norm outputs between SIM_NARROW and -SIM_NARROW, exclusive: starts beyond moved to these.
     * Valid when `narrow`: no segment that starts below has a slope, for which the start would count. */
    bool narrow;
    int narrow_top; /* the search for a segment begins with this bit of its number: no narrow value lies in those above
                     */
    int32_t narrow_start[NCC_KPU_SEGMENTS];
    int32_t narrow_param[NCC_KPU_SEGMENTS];

    /* y_mul / 2^shift and bias, for a first guess in floating point; the slope is NaN where it is negative, because the
     * chip rounds negative products in its own way. */
    float guess_slope[NCC_KPU_SEGMENTS];
    float guess_bias[NCC_KPU_SEGMENTS];
};

/* A guess (v - start) * slope + bias between 0 and 256 is off by 256 * 3 * 2^-24 at most. When it lies further than
 * this from the middle between two codes, it rounds to the code; all others must be computed exactly. */
#define SIM_GUESS_MARGIN 0x1p-13f

#define SIM_NARROW (INT64_C(1) << 30)

/* Sums of products of a block of output channels at n positions: acc[channel * SIM_MAX_TILE + position]. */
struct sim_dot {
    const uint32_t *x, *w;
    const int32_t *tap_off; /* in cells */
    int n_taps, n_units;
    size_t unit_stride; /* in cells */
    int n;              /* SIM_STEP or tile */
    int32_t *acc;
};

/* Taps of one channel of a depthwise layer. */
struct sim_taps {
    const int32_t *tap_off; /* in cells */
    int n_taps;
    int32_t w[SIM_MAX_TAPS];
};

/* What follows the sums: out[i] = table(batch norm(dot[i] + x_term[i] + constant)) for n positions. Accumulator and
 * batch-norm output must be known to fit 36 bits. */
struct sim_post {
    const int32_t *dot;
    const int64_t *x_term;
    const int32_t *x_low; /* the lower halves of x_term */
    int64_t constant;
    struct ncc_kpu_bn bn;
    const struct sim_act *act;
    bool narrow; /* the accumulator is known to fit 32 bits, the batch-norm output to be narrow, and act->narrow is set
                  */
    int n;       /* a multiple of SIM_STEP */
    uint8_t *out;
};

struct ncc_sim_kernel {
    const char *name;
    bool (*available)(void);
    int unit;        /* channels per cell: 4 of 8 bits or 2 of 16 */
    int w_offset;    /* taken off each weight to make it fit a cell: 0, or */
    uint32_t w_flip; /* 128, which is to flip these bits of a cell */
    int block;       /* output channels per call of dot */
    int tile;        /* positions per call of dot */
    void (*dot)(const struct sim_dot *d);
    /* One channel of a depthwise layer: acc[i] = sum over taps of x[i + tap_off[t]] * w[t], for n positions, a multiple
     * of SIM_STEP. 0 <= x <= 255, and w fits 16 bits. */
    void (*depthwise)(const struct sim_taps *taps, const int32_t *x, int n, int32_t *acc);
    void (*post)(const struct sim_post *p);
};

extern const struct ncc_sim_kernel ncc_sim_kernel_plain, ncc_sim_kernel_avx2, ncc_sim_kernel_avx512;

/* All sets, best first; the last is always available. */
const struct ncc_sim_kernel *const *ncc_sim_kernels(int *n);

/* The first available one. */
const struct ncc_sim_kernel *ncc_sim_kernel_best(void);

struct ncc_sim;
/* For tests and benchmarks: uses this set, which must be available. */
void ncc_sim_use_kernel(struct ncc_sim *sim, const struct ncc_sim_kernel *kernel);

#endif
