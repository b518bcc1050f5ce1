/* What an operator says of its outputs, with the checks that all operators share. */
#ifndef NCC_IR_INFER_H
#define NCC_IR_INFER_H

#include "compiler/ir/op.h"

struct inferred {
    __typeof__(*((struct infer *)0)->out) out[NCC_MAX_INTS];
    int n_out;
    char error[200]; /* what must hold, when ncc_infer_node returned false */
};

/* Reads op, attrs and inputs of n, not its outputs. False: refused, the reason is in r->error.
 * Descriptors with n_out = -1 have as many outputs as their first list attribute has entries. */
bool ncc_infer_node(const struct node *n, struct inferred *r);

/* Adds the refusal of a node, with its inputs' types as what was found. */
void ncc_infer_report(const struct graph *g, const struct node *n, const struct inferred *r, enum fault fault);

/* The reason of a refusal; returns false, so that `return ncc_infer_refuse(...)` reads well. */
bool ncc_infer_refuse(struct infer *i, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
