/* The activation table: 16 straight pieces that turn a layer's internal sum v into an output code (doc/kpu.md 4.3, 5).
 *
 * A piece starts at x_start with a whole code as bias, so the pieces are placed where the function passes through a
 * whole code: then the bias costs nothing. Piecewise linear functions (identity, ReLU, clips, leaky ReLU and chains of
 * them) come out exact as far as the slope's integer allows; smooth ones are cut where that makes the largest error
 * smallest.
 *
 * Falling pieces need a negative multiplier, whose products the arithmetic rounds badly (up to one code more,
 * doc/kpu.md 5.1), so flat pieces are preferred where they do as well. Functions that fall as a whole are better served
 * by a negated sum: see `ncc_act_falls`.
 */
#ifndef NCC_K210_ACT_TABLE_H
#define NCC_K210_ACT_TABLE_H

#include "compiler/ir/op.h"
#include "kpu/arith.h"

/* code(v) = act(v * v_scale) / y_scale + y_zero, clamped to 0..255 and rounded */
struct act_target {
    const struct act_chain *act;
    double v_scale;       /* real per quantum of v; negative: v is the negated sum */
    int64_t v_min, v_max; /* what v can be; within 36 bits */
    double y_scale;
    double y_zero; /* not always whole: mean pools, which truncate, want a little more */
};

/* Against the function's value in codes before rounding (clamped to 0..255): perfect rounding has max 0.5, mean 0.25.
 */
struct act_fit {
    double max_error, mean_error;
    int n_pieces; /* used segments, 1..16 */
};

/* `quality` may be NULL. Never fails: a function that 16 pieces cannot follow shows in the quality. */
void ncc_act_table_fit(const struct act_target *t, struct ncc_kpu_table *out, struct act_fit *quality);

/* What v was on samples, in any order. n = 0: nobody knows, and all v where the code changes count alike. */
struct act_seen {
    int n;
    const int64_t *v;
};

/* The same, but where 16 pieces cannot follow exactly, the table with the least expected squared error, whose largest
 * error may be half a code above that of the other; when nothing was seen, no more than that. Needs scratch memory from
 * the arena. */
void ncc_act_table_fit_seen(const struct act_target *t, const struct act_seen *seen, struct arena *a,
                            struct ncc_kpu_table *out, struct act_fit *quality);

/* Compares a table with its target: at both ends of v_min..v_max, and where the code changes in between, at every v if
 * there are at most 2^15, else at as many, spread evenly. */
struct act_fit ncc_act_table_measure(const struct act_target *t, const struct ncc_kpu_table *table);

/* out code = in code when v is (in code - zero): for layers that only move codes. */
void ncc_act_table_copy(int zero, struct ncc_kpu_table *out);

/* The largest |slope| of the chain over the real numbers lo..hi, where its result lies in y_lo..y_hi. */
double ncc_act_slope(const struct act_chain *act, double lo, double hi, double y_lo, double y_hi);

/* Whether the function falls from lo to hi without ever rising. */
bool ncc_act_falls(const struct act_chain *act, double lo, double hi);

#endif
