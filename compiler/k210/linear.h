/* A convolution as numbers, for rewrites that put several together. */
#ifndef NCC_K210_LINEAR_H
#define NCC_K210_LINEAR_H

#include "compiler/k210/legalise.h"

struct linear {
    struct conv2d_attrs a; /* groups 1: weights are dense */
    int out_c, in_c, kh, kw;
    const float *w; /* [out_c][in_c][kh][kw] */
    const float *b; /* [out_c] */
};

size_t ncc_linear_n_weights(const struct linear *l);

/* Of a conv2d with constant weights. */
struct linear ncc_linear_of(struct graph *g, const struct node *n);
/* The conv2d, named after `like` and in its place in the report; NULL: the operator refused. */
struct value *ncc_linear_node(struct graph *g, const struct node *like, const char *suffix, const struct linear *l,
                              struct value *x);
/* second(first(x)), one of them 1x1; pads and dilation are those of the other, strides multiply. */
struct linear ncc_linear_composed(struct graph *g, const struct linear *first, const struct linear *second);

/* The conv2d behind v if its weights are constant, it may run on the KPU and nobody else reads v; else NULL. */
struct node *ncc_linear_only_conv(const struct graph *g, const struct value *v);

#endif
