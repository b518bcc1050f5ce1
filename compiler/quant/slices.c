#include "compiler/quant/slices.h"

#include "compiler/ops/attrs.h"

#include <math.h>

/* Layers of more channels stay as they are: their errors average out, and slices would cost time. */
enum { MAX_CHANNELS = 16, MAX_NEIGHBOURS = 48 };

/* The canvas of the slices, in bytes of KPU RAM (of 2 MiB). */
enum { MAX_CANVAS = 1 << 18 };

struct pair {
    struct node *a, *clip, *b;
    int c; /* channels between them */
    int slices;
    float m;
};

/* A convolution that a KPU layer computes. */
static bool is_conv(const struct node *n)
{
    if (!n || n->op != OP_conv2d || !ncc_is_const(n->in[1]))
        return false;
    const struct conv2d_attrs *a = n->attrs;
    const struct shape *w = &n->in[1]->shape;
    const bool kernel = w->dim[2] == w->dim[3] && (w->dim[2] == 1 || w->dim[2] == 3) && a->dil_h == 1 && a->dil_w == 1;
    return kernel && (a->groups == 1 || a->groups == n->in[0]->shape.dim[1]) &&
           (n->n_in < 3 || !n->in[2] || ncc_is_const(n->in[2]));
}

/* In the sums of a depthwise layer errors of different channels never cancel. */
static int slices_for(const struct node *reader)
{
    const bool depthwise = ((const struct conv2d_attrs *)reader->attrs)->groups > 1;
    return depthwise || reader->in[0]->shape.dim[1] <= MAX_CHANNELS / 2 ? 3 : 2;
}

static bool is_small(const struct pair *p)
{
    const struct shape *s = &p->b->in[0]->shape;
    return p->c <= MAX_CHANNELS && p->a->in[0]->shape.dim[1] <= MAX_NEIGHBOURS &&
           p->b->out[0]->shape.dim[1] <= MAX_NEIGHBOURS &&
           (int64_t)p->slices * p->c * s->dim[2] * s->dim[3] <= MAX_CANVAS;
}

static bool find_pair(const struct graph *g, struct node *b, struct pair *p)
{
    if (!is_conv(b) || !b->in[0]->def || b->in[0]->def->op != OP_clip || !ncc_value_only_use(g, b->in[0]))
        return false;
    struct node *clip = b->in[0]->def, *a = clip->in[0]->def;
    if (!is_conv(a) || !ncc_value_only_use(g, clip->in[0]))
        return false;
    const struct clip_attrs *range = clip->attrs;
    *p = (struct pair){a, clip, b, b->in[0]->shape.dim[1], slices_for(b), range->max};
    return range->min == 0 && range->max > 0 && isfinite(range->max) && is_small(p);
}

/* The weight of any pair of channels, depthwise or not; all its taps. NULL: there is none. */
static const float *weights_of(const struct node *n, int o, int i)
{
    const struct shape *s = &n->in[1]->shape;
    const int taps = s->dim[2] * s->dim[3], groups = ((const struct conv2d_attrs *)n->attrs)->groups;
    const float *w = n->in[1]->data;
    if (groups == 1)
        return w + ((int64_t)o * s->dim[1] + i) * taps;
    return o / (s->dim[0] / groups) == i ? w + (int64_t)o * taps : NULL;
}

/* The convolution as a regular one, with every output channel `outs` times, bias falling by `step`, and every input
 * channel `ins` times. */
static struct node *widened(struct graph *g, const struct node *n, struct value *x, int outs, float step, int ins)
{
    const struct shape *s = &n->in[1]->shape;
    const int n_out = s->dim[0] * outs, n_in = n->in[0]->shape.dim[1] * ins, taps = s->dim[2] * s->dim[3];
    float *w = NCC_NEW(g->arena, float, (size_t)n_out *n_in *taps), *bias = NCC_NEW(g->arena, float, n_out);
    for (int o = 0; o < n_out; o++) {
        bias[o] = (n->n_in > 2 && n->in[2] ? ((const float *)n->in[2]->data)[o / outs] : 0) - (float)(o % outs) * step;
        for (int i = 0; i < n_in; i++) {
            const float *from = weights_of(n, o / outs, i / ins);
            for (int t = 0; from && t < taps; t++)
                w[((size_t)o * n_in + i) * taps + t] = from[t];
        }
    }
    struct conv2d_attrs attrs = *(const struct conv2d_attrs *)n->attrs;
    attrs.groups = 1;
    const struct shape shape = ncc_shape_4(n_out, n_in, s->dim[2], s->dim[3]);
    struct value *const in[] = {
        x, ncc_const(g, n->in[1]->name, DT_F32, shape, w),
        ncc_const(g, ncc_name(g, n->name, "bias"), DT_F32, ncc_shape_make(1, (int[]){n_out}), bias)};
    struct node *y = ncc_node_new(g, OP_conv2d, n->name, &attrs, in, 3);
    if (y) {
        y->origin = n->origin;
        y->out[0]->name = n->out[0]->name;
    }
    return y;
}

/* Returns B', NULL after an error. */
static struct node *split(struct graph *g, const struct pair *p)
{
    const struct clip_attrs slice = {0, p->m / (float)p->slices};
    g->cursor = p->b;
    struct node *a = widened(g, p->a, p->a->in[0], p->slices, slice.max, 1);
    struct node *clip = a ? ncc_node_new(g, OP_clip, p->clip->name, &slice, &a->out[0], 1) : NULL;
    struct node *b = clip ? widened(g, p->b, clip->out[0], 1, 0, p->slices) : NULL;
    g->cursor = NULL;
    if (!b)
        return NULL;
    clip->origin = p->clip->origin;
    clip->out[0]->name = p->clip->out[0]->name;
    ncc_value_replace(g, p->b->out[0], b->out[0]);
    ncc_node_remove(g, p->b);
    ncc_node_remove(g, p->clip);
    ncc_node_remove(g, p->a);
    return b;
}

bool ncc_quant_slice(struct graph *g)
{
    struct pair p;
    for (struct node *n = g->first; n; n = n->next)
        if (find_pair(g, n, &p)) {
            n = split(g, &p);
            if (!n)
                return false;
        }
    return true;
}
