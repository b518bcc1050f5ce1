/* Between eval.c and eval_graph.c: one node with scratch memory that the caller owns. */
#ifndef NCC_IR_EVAL_NODE_H
#define NCC_IR_EVAL_NODE_H

#include "compiler/ir/eval.h"

size_t ncc_eval_scratch(const struct node *n, enum eval_mode mode); /* bytes, to be 64-byte aligned */
void ncc_eval_with(const struct eval_args *a, enum eval_mode mode);

#endif
