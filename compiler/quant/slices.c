/* One value in slices. The header has the arithmetic. */
#include "compiler/quant/slices.h"

#include "compiler/ops/attrs.h"

#include <math.h>

/* ---- what can be sliced ---- */

/* A convolution that becomes one KPU layer. */
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

static bool is_sliceable_act(const struct node *n)
{
    const struct clip_attrs *clip = n->attrs;
    const int64_t channels = n->out[0]->shape.dim[1];
    switch (n->op) {
    case OP_relu:
    case OP_leaky_relu:
        return true;
    case OP_clip:
        return clip->min == 0 && clip->max > 0;
    case OP_prelu:
        return ncc_is_const(n->in[1]) &&
               (ncc_shape_count(n->in[1]->shape) == 1 || ncc_shape_count(n->in[1]->shape) == channels);
    default:
        return false;
    }
}

bool ncc_quant_can_slice(const struct graph *g, struct value *y, struct sliceable *out)
{
    if (!y->def || y->shape.rank != 4 || ncc_value_is_output(g, y) || !y->uses)
        return false;
    for (const struct use *u = y->uses; u; u = u->next)
        if (u->index != 0 || !is_conv(u->node))
            return false;
    *out = (struct sliceable){.y = y, .a = y->def, .max = INFINITY};
    if (is_sliceable_act(y->def)) {
        if (y->def->op == OP_clip)
            out->max = ((const struct clip_attrs *)y->def->attrs)->max;
        out->act = y->def;
        out->a = y->def->in[0]->def;
        if (!ncc_value_only_use(g, out->act->in[0]))
            return false;
    }
    return is_conv(out->a);
}

struct slicing ncc_quant_slicing(double lo, double hi, int n)
{
    struct slicing best = {0};
    for (int up = 0; up <= n; up++) {
        const int down = n - up;
        const bool reaches = (up || hi <= 0) && (down || lo >= 0);
        const double width = fmax(up ? hi / up : 0, down ? -lo / down : 0);
        if (reaches && width > 0 && isfinite(width) && (best.width == 0 || width < (double)best.width))
            best = (struct slicing){.up = up, .down = down, .width = (float)width};
    }
    return best;
}

/* ---- rewriting ---- */

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

/* What f multiplies negative values by. */
static float slope_of(const struct sliceable *s, int c)
{
    if (!s->act)
        return 1;
    if (s->act->op == OP_leaky_relu)
        return ((const struct leaky_relu_attrs *)s->act->attrs)->alpha;
    if (s->act->op != OP_prelu)
        return 0;
    const struct value *v = s->act->in[1];
    return ((const float *)v->data)[ncc_shape_count(v->shape) == 1 ? 0 : c];
}

/* One copy of a convolution's channel, or what a reader makes of it. */
struct part {
    float gain;   /* of A's channel */
    float offset; /* taken off it */
    float weight; /* of B, times this */
};

/* Negative slices see -|slope| z: not below zero where z is. A negative slope makes y positive there. */
static struct part part_of(const struct sliceable *s, struct slicing how, int c, int k)
{
    const float gain = how.gain ? how.gain[c] : 1;
    if (k < how.up)
        return (struct part){gain, (float)k * how.width, 1 / gain};
    const float slope = slope_of(s, c);
    return (struct part){-fabsf(slope) * gain, (float)(k - how.up) * how.width, (slope < 0 ? 1 : -1) / gain};
}

static struct node *renewed(struct graph *g, const struct node *n, struct value *x, struct shape shape, const float *w,
                            const float *bias)
{
    struct conv2d_attrs attrs = *(const struct conv2d_attrs *)n->attrs;
    attrs.groups = 1;
    const int n_out = shape.dim[0];
    struct value *const in[] = {x, ncc_const(g, n->in[1]->name, DT_F32, shape, w),
                                ncc_const(g, ncc_name(g, n->name, "bias"), DT_F32, ncc_shape_make(1, &n_out), bias)};
    struct node *y = ncc_node_new(g, OP_conv2d, n->name, &attrs, in, 3);
    if (y) {
        y->origin = n->origin;
        y->out[0]->name = n->out[0]->name;
    }
    return y;
}

static float bias_of(const struct node *n, int o)
{
    return n->n_in > 2 && n->in[2] ? ((const float *)n->in[2]->data)[o] : 0;
}

/* A with every channel once per slice. */
static struct node *make_slices(struct graph *g, const struct sliceable *s, struct slicing how)
{
    const struct shape *shape = &s->a->in[1]->shape;
    const int n = how.up + how.down, n_out = shape->dim[0] * n, n_in = s->a->in[0]->shape.dim[1];
    const int taps = shape->dim[2] * shape->dim[3];
    float *w = NCC_NEW(g->arena, float, (size_t)n_out *n_in *taps), *bias = NCC_NEW(g->arena, float, n_out);
    for (int o = 0; o < n_out; o++) {
        const struct part part = part_of(s, how, o / n, o % n);
        bias[o] = part.gain * bias_of(s->a, o / n) - part.offset;
        for (int i = 0; i < n_in; i++) {
            const float *from = weights_of(s->a, o / n, i);
            for (int t = 0; from && t < taps; t++)
                w[((size_t)o * n_in + i) * taps + t] = part.gain * from[t];
        }
    }
    return renewed(g, s->a, s->a->in[0], ncc_shape_4(n_out, n_in, shape->dim[2], shape->dim[3]), w, bias);
}

/* A reader that reads the slices x. */
static struct node *read_slices(struct graph *g, const struct node *b, const struct sliceable *s, struct slicing how,
                                struct value *x)
{
    const struct shape *shape = &b->in[1]->shape;
    const int n = how.up + how.down, n_out = shape->dim[0], n_in = x->shape.dim[1];
    const int taps = shape->dim[2] * shape->dim[3];
    float *w = NCC_NEW(g->arena, float, (size_t)n_out *n_in *taps), *bias = NCC_NEW(g->arena, float, n_out);
    for (int o = 0; o < n_out; o++) {
        bias[o] = bias_of(b, o);
        for (int i = 0; i < n_in; i++) {
            const float *from = weights_of(b, o, i / n), factor = part_of(s, how, i / n, i % n).weight;
            for (int t = 0; from && t < taps; t++)
                w[((size_t)o * n_in + i) * taps + t] = factor * from[t];
        }
    }
    return renewed(g, b, x, ncc_shape_4(n_out, n_in, shape->dim[2], shape->dim[3]), w, bias);
}

bool ncc_quant_slice_value(struct graph *g, const struct sliceable *s, struct slicing how)
{
    const struct clip_attrs range = {0, how.width};
    struct node *first = s->act ? s->act : s->a;
    g->cursor = first;
    struct node *a = make_slices(g, s, how);
    struct node *clip = a ? ncc_node_new(g, OP_clip, ncc_name(g, first->name, "slices"), &range, &a->out[0], 1) : NULL;
    bool good = clip;
    if (clip) {
        clip->origin = first->origin;
        clip->out[0]->name = s->y->name;
        /* Room that no sample showed is kept; behind a clip channels had better have scales of their own. */
        if (isinf(s->max))
            clip->out[0]->range = (struct range){true, 0, how.width};
    }
    while (good && s->y->uses) {
        struct node *b = s->y->uses->node;
        g->cursor = b;
        struct node *with = read_slices(g, b, s, how, clip->out[0]);
        good = with;
        if (good) {
            ncc_value_replace(g, b->out[0], with->out[0]);
            ncc_node_remove(g, b);
        }
    }
    g->cursor = NULL;
    if (!good)
        return false;
    if (s->act)
        ncc_node_remove(g, s->act);
    ncc_node_remove(g, s->a);
    return true;
}
