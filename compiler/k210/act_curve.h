/* The function that an activation table follows, as a list of places worth looking at: what act_table.c fits to. */
#ifndef NCC_K210_ACT_CURVE_H
#define NCC_K210_ACT_CURVE_H

#include "compiler/k210/act_table.h"

/* The function in codes at v, not clamped but finite; where it is not defined it counts as far below code 0. */
double ncc_act_code(const struct act_target *t, int64_t v);

static inline double ncc_act_clamp(double code)
{
    return code < 0 ? 0 : code > 255 ? 255 : code;
}

/* The part of v_min..v_max outside of which the clamped code no longer changes (by more than 1/100). */
void ncc_act_domain(const struct act_target *t, int64_t *lo, int64_t *hi);

#define NCC_ACT_SAMPLES 2048

/* A table with no more error than this beyond perfect rounding follows the function exactly. */
#define NCC_ACT_EXACT 0.0005

/* Ascending, all different. There are samples where the function passes through whole and half codes, at kinks, on both
 * sides of jumps, and at even distances in between. */
struct act_curve {
    int n;
    int64_t v[NCC_ACT_SAMPLES];
    double code[NCC_ACT_SAMPLES];  /* at v */
    double after[NCC_ACT_SAMPLES]; /* at v + 1: where a piece that starts at v has to be */
};

void ncc_act_sample(const struct act_target *t, struct act_curve *out);

#endif
