/* Between eval.c and eval_graph.c: one node with scratch memory that the caller owns. */
#ifndef NCC_IR_EVAL_NODE_H
#define NCC_IR_EVAL_NODE_H

#include "compiler/ir/eval.h"

size_t ncc_eval_scratch(const struct node *n, enum eval_mode mode); /* bytes, to be 64-byte aligned */
void ncc_eval_with(const struct eval_args *a, enum eval_mode mode);

/* Whether n stands between codes of a model in fixed point, and its operator can compute on them; then `c` has their
 * grids and limits. What of a graph this concerns: eval_codes.c. */
bool ncc_eval_find_codes(const struct graph *g, const struct node *n, struct code_args *c);

#endif
