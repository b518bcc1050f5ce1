/* A slice seen as runs: stretches of elements that follow each other in the input and in the output.
 *
 *     input   . . . . . .      rows 1..2, columns 1..3:   2 runs of 3, at 7 and 13
 *             . V V V . .      rows 1..2, all columns:    1 run of 12, at 6: a view
 *             . V V V . .
 */
#ifndef NCC_OPS_SLICE_H
#define NCC_OPS_SLICE_H

#include "compiler/ir/op.h"

struct slice_runs {
    int64_t n, length; /* runs, and elements of each */
};

/* False: the slice is empty, or steps over elements. */
bool ncc_slice_runs(const struct node *n, struct slice_runs *out);

/* Where run i begins in the input, in elements. */
int64_t ncc_slice_run_at(const struct node *n, const struct slice_runs *r, int64_t i);

/* A kernel that copies runs (concat) beats one that goes element by element (strided_slice), and the 20 bytes that a run
 * takes in a kmodel are worth it. */
static inline bool ncc_slice_copies_runs(const struct slice_runs *r)
{
    return r->length >= 16 && r->n <= 8192;
}

#endif
