/* Legalising, inside: rewrites of the canonical graph that suit the KPU and mean the same on any device. One file per
 * subject, one function per rewrite, in the manner of pass/rewrite.h: the root is the node that is given.
 */
#ifndef NCC_K210_LEGALISE_H
#define NCC_K210_LEGALISE_H

#include "compiler/k210/k210.h"
#include "compiler/ops/attrs.h"

/* ---- legal_phases.c: what makes maps larger ---- */

/* conv2d_transpose -> convolution of the small map, whose channels are the phases; then interleaving. */
bool ncc_legal_transposed(struct graph *g, struct node *n);
/* depth_to_space: unary functions behind it go in front of it; then interleaving. Channels that come channel by channel
 * (crd) are put into the other order by the convolution that makes them. */
bool ncc_legal_unary_first(struct graph *g, struct node *n);
bool ncc_legal_depth_to_space(struct graph *g, struct node *n);
/* space_to_depth -> convolution with one-hot kernels. */
bool ncc_legal_space_to_depth(struct graph *g, struct node *n);

/* [1, rows * columns * C, H, W], channels ordered (row phase, column phase, channel) -> [1, C, H * rows, W * columns],
 * of which the upper left h x w are kept. */
struct value *ncc_legal_interleave(struct graph *g, const char *name, struct value *x, int rows, int columns, int h,
                                   int w);

/* The unary functions behind v, each the only reader of the one before; they commute with everything that only moves
 * elements. Returns the value behind the last. */
struct unaries {
    int n;
    struct node *v[NCC_MAX_ACT];
};
struct value *ncc_legal_unaries(const struct graph *g, struct value *v, struct unaries *out);
struct value *ncc_legal_apply(struct graph *g, const struct unaries *u, struct value *x);

#endif
