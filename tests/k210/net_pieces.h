/* Small parts that random networks are put together from. */
#ifndef NCC_TESTS_K210_NET_PIECES_H
#define NCC_TESTS_K210_NET_PIECES_H

#include "compiler/ops/attrs.h"
#include "tests/k210/net.h"

/* Normal numbers: shift + size * N(0, 1). */
struct value *net_constant(struct graph *g, uint64_t *state, struct shape s, double size, double shift);

/* Weights that keep the size of the values: variance 1 / (taps that one output reads). A bias three times of four. */
struct value *net_conv(struct graph *g, uint64_t *state, struct value *x, struct conv2d_attrs a, int out_c, int kh,
                       int kw);

/* Padding that the frameworks know: none, same (TensorFlow's, more behind), symmetric; or anything up to the kernel. */
enum net_padding { NET_VALID, NET_SAME, NET_SYMMETRIC, NET_ANY_PAD };
void net_pad(uint64_t *state, int size, int kernel, int dilation, int stride, enum net_padding style, int *before,
             int *after);

struct value *net_unary(struct graph *g, uint64_t *state, struct value *x);     /* any function */
struct value *net_pointwise(struct graph *g, uint64_t *state, struct value *x); /* 1x1, 1..17 outputs */

/* net_channels.c: a channel shuffle as exporters write it, [1, a, b, ..] to [1, b, a, ..]; and a random piece with
 * such. */
struct value *net_exchange(struct graph *g, struct value *x, int a);
struct value *net_shuffle(struct graph *g, uint64_t *state, struct value *x);

#endif
