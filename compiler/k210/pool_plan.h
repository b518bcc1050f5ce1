/* A max pool of any size as a chain of the pools that the chip has, and of maxima of two neighbours where it has none.
 *
 * Let x be the map, and y(r) the largest of x(r - p) .. x(r - p + m - 1) at stride s, for rows and columns with an m and p
 * of their own. The steps:
 *
 *     grow      code 9, max of 2x2 at stride 1:  x'(r) = max(x(r), x(r + 1))        m - 1 of x' remain
 *     reduce    code 1 or 3, 2x2 or 4x4 at as much stride                           m, p and s divided by 2 or 4
 *     pick      code 5 or 7                                                         s divided
 *     along     rows or columns alone, as grow; two layers (max_along.c)            m - 1 remain in that direction
 *     shift     with any of these, by the layer's weights: x(r - 1) instead of x(r)   p - 1 remains
 *
 *     3x3, stride 2, no pad         grow, reduce
 *     3x3, stride 2, pad 1          grow, shift + reduce
 *     5x5, stride 1, pad 2          grow, shift + grow, shift + grow, grow
 *     8x8, stride 2, pad 3          grow, shift + grow, reduce, grow, shift + grow
 *     3x2, stride 1                 grow, along rows
 *     3x2, stride 2                 along rows, reduce
 *
 * Rows beyond the map must not count. Beyond the canvas's edge the pools ignore them, and a shift brings in the lowest
 * code. A shift loses the last row, so the first step at each size does not shift (unless the pool looks nowhere but
 * back): once grown, the last row's value also stands in the row before it.
 *
 * A window that spans the map may as well be larger, and the stride of a single output is free:
 *
 *     25x5 of a map of 25x5         as 32x32 at stride 32: reduce by 4, 4, 2
 *
 * Checked in tests/k210/test_pool_plan.c against the plain definition.
 */
#ifndef NCC_K210_POOL_PLAN_H
#define NCC_K210_POOL_PLAN_H

#include "compiler/ops/attrs.h"
#include "kpu/layer.h"

enum pool_along { ALONG_BOTH, ALONG_ROWS, ALONG_COLUMNS }; /* rows: of pixels below each other */

struct pool_step {
    enum pool_along along; /* but for BOTH there is no code, and the larger of two neighbours is taken */
    int code;              /* enum ncc_kpu_pool */
    int stride;            /* of the code */
    int row, col;          /* 0 or -1: the pixel that is read */
    bool covered_row, covered_col; /* what a shift pushes over the edge also stands before it */
    int h, w;              /* rows and columns of the result that later steps read, those beyond the map included */
    int begin_h, begin_w;  /* at those before these, windows of later steps begin */
};

#define NCC_MAX_POOL_STEPS 32

struct pool_plan {
    int n;
    struct pool_step step[NCC_MAX_POOL_STEPS];
};

/* Rows (or columns) that `n` results of the step see, counted after the shift. */
int ncc_pool_step_reads(const struct pool_step *s, bool rows, int n);

/* `in` and `out`: shapes of the map and of the result. False: too large, or a stride without codes; also for a pool of
 * single pixels at stride 1. */
bool ncc_pool_plan(const struct pool_attrs *a, const struct shape *in, const struct shape *out, struct pool_plan *plan);

#endif
