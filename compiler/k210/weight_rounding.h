/* Rounding weights by what a layer reads (ir/patches.h): one after another, each taking the code that leaves least of
 * the error in the sums at the gathered places, given what the weights before it have left.
 *
 *     wanted = w + <x, left> / (<x, x> + caution)        x: what this weight reads; left: what the sums still lack
 *
 * Rows (output channels) are independent of each other and may be rounded in parallel.
 */
#ifndef NCC_K210_WEIGHT_ROUNDING_H
#define NCC_K210_WEIGHT_ROUNDING_H

#include "compiler/base/arena.h"
#include "compiler/ir/patches.h"

struct weight_rounding {
    const struct patches *patches;
    const double *power; /* <x, x> of each row of the patches */
    double caution;
    float *left; /* [thread][n_points] */
};

/* `n_rows` of the patches; `n_weights` of one output channel. Memory is from the arena. */
struct weight_rounding ncc_rounding_open(const struct patches *p, int n_rows, int n_weights, struct arena *a);

/* Before the first weight of an output channel. */
void ncc_rounding_begin(const struct weight_rounding *r, int thread);

/* The code of the next weight, w, which reads row `row`; one code is worth `quantum`. A weight of 0 is always w_zero:
 * it may stand before junk. */
int ncc_rounding_code(const struct weight_rounding *r, int thread, int row, double w, double quantum, int w_zero);

#endif
