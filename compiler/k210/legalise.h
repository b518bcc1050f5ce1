/* Legalising, inside: rewrites of the canonical graph that suit the KPU and mean the same on any device. One file per
 * subject, one function per rewrite, in the manner of pass/rewrite.h: the root is the node that is given.
 */
#ifndef NCC_K210_LEGALISE_H
#define NCC_K210_LEGALISE_H

#include "compiler/k210/k210.h"
#include "compiler/ops/attrs.h"

/* Rewrites that pay only sometimes are judged: by what both forms would take. */
struct legaliser {
    struct graph *g;
    const struct k210_options *options;
    struct arena *scratch;
};

/* ---- legal_trial.c ---- */

/* Builds a form of n in g from the values that stand for its sources; NULL: there is none. Constants of n come in by
 * ncc_legal_const, since g is sometimes not n's own graph. */
typedef struct value *legal_form(struct graph *g, const struct node *n, struct value *const *from);

/* Weights take general RAM and flash: a byte counts as much as a clock. */
#define NCC_LEGAL_US_PER_WEIGHT (1e6 / NCC_KPU_CLOCK_HZ)

/* Estimated time of a form of n and its weights, placed as it is best, between neighbours that are on the KPU; where the CPU
 * alone reads the result, with its copy there. INFINITY: there is none. */
double ncc_legal_us(const struct legaliser *l, const struct node *n, struct value *const *from, int n_from,
                    legal_form *form);
/* The constant v in graph g, sharing its data. NULL: NULL. */
struct value *ncc_legal_const(struct graph *g, const struct value *v);

/* n's operator, attributes and constants (inputs 1 and 2) on another x. */
struct value *ncc_legal_again(struct graph *g, const struct node *n, struct value *x);

/* ---- legal_matmul.c ---- */

/* matmul of a flattened map -> valid convolution; matmul of several rows -> 1x1 convolution. */
bool ncc_legal_flat_matmul(const struct legaliser *l, struct node *n);
bool ncc_legal_many_rows(const struct legaliser *l, struct node *n);

/* ---- legal_linear.c, legal_prelu.c ---- */

/* conv2d behind conv2d, one of them 1x1 -> one; add or sub of two -> one; prelu behind conv2d -> halves, which the next
 * conv2d puts together or one of 1x1. */
bool ncc_legal_join_convs(const struct legaliser *l, struct node *n);
bool ncc_legal_add_convs(const struct legaliser *l, struct node *n);
bool ncc_legal_conv_on_halves(const struct legaliser *l, struct node *n);
bool ncc_legal_prelu_in_conv(const struct legaliser *l, struct node *n);
/* prelu behind a layer -> leaky ReLU of a slope that all channels share, for the layer's table; and halves of what is left
 * of the slopes, which all readers put together, or a prelu. */
bool ncc_legal_prelu_in_readers(const struct legaliser *l, struct node *n);
bool ncc_legal_prelu_in_two(const struct legaliser *l, struct node *n);

/* ---- legal_sum.c ---- */

/* A tree of add, sub, neg and constants per channel -> 1x1 conv2d of all its maps side by side. */
bool ncc_legal_sum(const struct legaliser *l, struct node *n);

/* ---- legal_mean.c ---- */

/* matmul or 1x1 conv2d behind the mean or sum of a map -> in front of it; a reduction behind a 1x1 conv2d -> in front. */
bool ncc_legal_mean_last(const struct legaliser *l, struct node *n);
bool ncc_legal_mean_first(const struct legaliser *l, struct node *n);
/* 1x1 conv2d behind an average pool -> in front of it. */
bool ncc_legal_pool_last(const struct legaliser *l, struct node *n);

/* ---- legal_multiplier.c ---- */

/* conv2d with m outputs for each channel -> m depthwise ones and a 1x1 that orders their outputs. */
bool ncc_legal_multiplier(const struct legaliser *l, struct node *n);

/* ---- legal_channels.c ---- */

/* split of channels -> slices; a channel shuffle by transpose -> gather. */
bool ncc_legal_split(struct graph *g, struct node *n);
bool ncc_legal_shuffle(struct graph *g, struct node *n);

/* ---- legal_resize.c ---- */

/* 1x1 conv2d behind resize -> in front of it; bilinear resize -> nearest and a filter; a gate times a map -> product of
 * equal shapes. */
bool ncc_legal_nearest(struct graph *g, struct node *n);
bool ncc_legal_conv_before_resize(const struct legaliser *l, struct node *n);
bool ncc_legal_resized_part(const struct legaliser *l, struct node *n); /* legal_resized_part.c: the same, beside others */
bool ncc_legal_bilinear(const struct legaliser *l, struct node *n);
bool ncc_legal_gate(const struct legaliser *l, struct node *n);

/* ---- legal_smaller.c ---- */

/* resize to a whole fraction -> pool of one or two pixels with a stride. */
bool ncc_legal_smaller(const struct legaliser *l, struct node *n);

/* ---- legal_strides.c ---- */

/* conv2d, avg_pool */
bool ncc_legal_single_output(struct graph *g, struct node *n);
/* conv2d or a pool with a stride that no pick has -> the same with one that there is, and slice; by estimate, or at once:
 * then the slice's result, NULL: not possible. */
bool ncc_legal_has_odd_stride(const struct node *n);
struct value *ncc_legal_split_stride(struct graph *g, struct node *n);
bool ncc_legal_stride(const struct legaliser *l, struct node *n);

/* ---- legal_decimation.c ---- */

/* Slices with a stride (and what ncc_legal_split_stride makes) behind all that follows, by the estimate of the whole graph. */
void ncc_legal_decimations(const struct legaliser *l);
/* Is it one of these? And the node with what follows it in that form, whatever it takes. False: there is no other form. */
bool ncc_legal_is_decimation(const struct node *n);
bool ncc_legal_decimate_later(struct graph *g, struct node *n);

/* ---- legal_phases.c: what makes maps larger ---- */

/* conv2d_transpose -> convolution of the small map, whose channels are the phases; then interleaving on the CPU. Or as
 * legal_apart.c has it. */
bool ncc_legal_transposed(const struct legaliser *l, struct node *n);
/* depth_to_space: unary functions behind it go in front of it; then interleaving, or as in legal_apart.c. Channels that come
 * channel by channel (crd) are put into the other order by the convolution that makes them. */
bool ncc_legal_no_blocks(struct graph *g, struct node *n);
bool ncc_legal_unary_first(struct graph *g, struct node *n);
bool ncc_legal_depth_to_space(const struct legaliser *l, struct node *n);
/* space_to_depth -> convolution with one-hot kernels. */
bool ncc_legal_space_to_depth(struct graph *g, struct node *n);

/* ---- legal_apart.c: the same on the large map, pixels set apart ---- */

legal_form ncc_legal_transposed_apart, ncc_legal_depth_to_space_apart;

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
