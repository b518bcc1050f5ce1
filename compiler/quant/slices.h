/* Slices: a value whose rounding costs the outputs much is carried in several sets of channels with finer codes.
 *
 *     conv A  ->  y = f(z)  ->  conv B, ...      f: nothing, ReLU, leaky ReLU, PReLU, or a clip that starts at 0
 *
 *                        ______ 2d                 slice 0 (+):  clip(y,      0, d)
 *                       /                          slice 1 (+):  clip(y - d,  0, d)
 *     -d   ____________/ 0   d                     slice 0 (-):  clip(-y,     0, d)
 *
 *     y = sum of the positive slices - sum of the negative ones         for values from -N d to P d
 *
 * A makes every channel once per slice (all are linear in z where they are neither 0 nor d, so one function serves all
 * of them), B reads the slices with weights of either sign. In real numbers nothing changes within the range that the
 * samples showed, plus headroom (range.h); that range becomes a known one; codes are as much finer as d is smaller than
 * the whole range. Slices are 0 where y is 0, so that a pad stays a pad. Channels with little of the range are
 * multiplied by a gain first, which gives them the scales of by_channel.h.
 *
 * A max pool may stand between f and the readers. Slices that rise with y go through it, so the negative ones are
 *
 *     d - clip(y + (k + 1) d, 0, d)                 d where y is 0: no reader may pad with zeros
 *
 * A PReLU with a negative slope a is not below zero, and has slices of both its sides, of z and of a z. Of these one is
 * 0 wherever the other is not, until they are pooled; then the larger counts, for which one more layer is made:
 *
 *     max(p, q) = p + max(q - p, 0)                 slice by slice; readers read p and the maximum
 *
 * Which values: the rounding of each one that few channels carry is tried alone in the real graph, and what it does to
 * the outputs is held against what the rounding of all values does (slice_choice.c). It is the first layers of a
 * network, mostly, whose errors meet all others.
 */
#ifndef NCC_QUANT_SLICES_H
#define NCC_QUANT_SLICES_H

#include "compiler/ir/eval.h"

/* A value that could be sliced. */
struct sliceable {
    struct value *y;   /* what the readers read */
    struct node *pool; /* max_pool that makes it, or NULL */
    struct node *act;  /* in front of that, NULL: the convolution itself makes what is pooled or read */
    struct node *a;    /* conv2d */
    float max;         /* where f clips; INFINITY: nowhere. Slices must not reach beyond it */
};

struct slicing {
    int up, down;      /* positive and negative slices */
    float width;       /* d */
    const float *gain; /* NULL, or by channel: what is sliced is gain y; readers divide by it */
};

/* Channels that are made in place of y's, and how many more say which of two pooled ones is larger. */
struct slice_counts {
    int made, larger;
};

/* Whether y is made by a convolution and read by nothing but convolutions, with such a function and a pool between
 * them. */
bool ncc_quant_can_slice(const struct graph *g, struct value *y, struct sliceable *out);

/* The narrowest slices with which n of them reach from lo to hi (lo <= 0 <= hi), at least one on either side that has
 * values. width 0: n do not suffice, or there is nothing to slice. */
struct slicing ncc_quant_slicing(double lo, double hi, int n);

struct slice_counts ncc_quant_slice_counts(const struct sliceable *s, struct slicing how);

/* Rewrites the graph for one value. False: no memory (reported). */
bool ncc_quant_slice_value(struct graph *g, const struct sliceable *s, struct slicing how);

/* What may have finer codes; a set. */
enum finer {
    FINER_VALUES = 1 << 0,  /* in slices */
    FINER_OUTPUTS = 1 << 1, /* staggered (staggered.h); the runtime must be able to take means */
};

/* Chooses what has finer codes, and makes it so. On the canonical graph. False: feed said so, or no memory (reported).
 */
bool ncc_quant_make_finer(struct graph *g, unsigned what, const struct samples *samples, struct arena *scratch);

#endif
