/* The part of the pass `simplify` that deals with slices: rewrites for its table. */
#ifndef NCC_PASS_SLICED_H
#define NCC_PASS_SLICED_H

#include "compiler/pass/rewrite.h"

/* slice, slice -> one. */
bool ncc_sliced_merge(struct graph *g, struct node *n);

/* concat of the phases of a map: every b-th row and column of all channels, once from each of the first b x b pixels
 * -> space_to_depth, and the channels in the order of the parts. */
bool ncc_sliced_to_blocks(struct graph *g, struct node *n);

#endif
