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
    const bool kernel = w->dim[2] == w->dim[3] && w->dim[2] <= 3 && a->dil_h == 1 && a->dil_w == 1;
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

static bool has_pad(const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    return a->pad_top || a->pad_left || a->pad_bottom || a->pad_right;
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

static bool has_slices_below(const struct sliceable *s)
{
    for (int c = 0; c < s->y->shape.dim[1]; c++)
        if (slope_of(s, c) > 0)
            return true;
    return false;
}

bool ncc_quant_can_slice(const struct graph *g, struct value *y, struct sliceable *out)
{
    bool padded = false;
    if (!y->def || y->shape.rank != 4 || ncc_value_is_output(g, y) || !y->uses)
        return false;
    for (const struct use *u = y->uses; u; u = u->next) {
        if (u->index != 0 || !is_conv(u->node))
            return false;
        padded = padded || has_pad(u->node);
    }
    *out = (struct sliceable){.y = y, .a = y->def, .max = INFINITY};
    if (out->a->op == OP_max_pool) {
        out->pool = out->a;
        out->a = out->pool->in[0]->def;
        if (!out->a || !ncc_value_only_use(g, out->pool->in[0]))
            return false;
    }
    if (is_sliceable_act(out->a)) {
        out->act = out->a;
        if (out->act->op == OP_clip)
            out->max = ((const struct clip_attrs *)out->act->attrs)->max;
        out->a = out->act->in[0]->def;
        if (!ncc_value_only_use(g, out->act->in[0]))
            return false;
    }
    return is_conv(out->a) && !(out->pool && padded && has_slices_below(out));
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

/* ---- parts ---- */

/* A copy of a channel that A makes, or what a reader sees of it. */
struct part {
    int channel;  /* of y */
    float gain;   /* of A's channel */
    float offset; /* taken off it */
    float weight; /* of B, times this */
    float bias;   /* of B, more by its weights times this */
};

/* Of all channels; and pairs of pooled copies, of which readers see how much larger one is than the other, as a part
 * behind the others. */
struct parts {
    struct part *v;
    int n_made, n_larger;
    struct larger {
        int than, what;
    } * larger;
};

static float gain_of(struct slicing how, int c)
{
    return how.gain ? how.gain[c] : 1;
}

static void add_above(struct parts *p, struct slicing how, int c, float slope)
{
    const float gain = gain_of(how, c);
    for (int k = 0; k < how.up; k++)
        p->v[p->n_made++] = (struct part){c, slope * gain, (float)k * how.width, 1 / gain, 0};
}

static void add_below(struct parts *p, struct slicing how, int c, float slope, bool pooled)
{
    const float gain = gain_of(how, c);
    for (int k = 0; k < how.down; k++)
        p->v[p->n_made++] =
            pooled ? (struct part){c, slope * gain, -(float)(k + 1) * how.width, 1 / gain, -how.width / gain}
                   : (struct part){c, -slope * gain, (float)k * how.width, -1 / gain, 0};
}

/* With a negative slope y is not below zero on either side of z. What is pooled is the larger side: that of positive z,
 * and what the other one has more. */
static void add_both_above(struct parts *p, struct slicing how, int c, float slope, bool pooled)
{
    add_above(p, how, c, slope);
    for (int k = 0; k < how.up && pooled; k++) {
        const int b = p->n_made - how.up + k;
        p->v[b].weight = 0;
        p->larger[p->n_larger++] = (struct larger){b - how.up, b};
    }
}

static struct parts parts_of(const struct sliceable *s, struct slicing how, struct arena *a)
{
    const int channels = s->y->shape.dim[1];
    struct parts p = {.v = NCC_NEW(a, struct part, channels * (3 * how.up + how.down)),
                      .larger = NCC_NEW(a, struct larger, channels * how.up)};
    for (int c = 0; c < channels; c++) {
        const float slope = slope_of(s, c);
        add_above(&p, how, c, 1);
        if (slope > 0)
            add_below(&p, how, c, slope, s->pool);
        else if (slope < 0)
            add_both_above(&p, how, c, slope, s->pool);
    }
    for (int i = 0; i < p.n_larger; i++) {
        const int c = p.v[p.larger[i].than].channel;
        p.v[p.n_made + i] = (struct part){.channel = c, .weight = 1 / gain_of(how, c)};
    }
    return p;
}

struct slice_counts ncc_quant_slice_counts(const struct sliceable *s, struct slicing how)
{
    struct slice_counts n = {0, 0};
    for (int c = 0; c < s->y->shape.dim[1]; c++) {
        const float slope = slope_of(s, c);
        n.made += how.up + (slope > 0 ? how.down : slope < 0 ? how.up : 0);
        n.larger += slope < 0 && s->pool ? how.up : 0;
    }
    return n;
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

/* A with all the copies of its channels. */
static struct node *make_slices(struct graph *g, const struct sliceable *s, const struct parts *p)
{
    const struct shape *shape = &s->a->in[1]->shape;
    const int n_out = p->n_made, n_in = s->a->in[0]->shape.dim[1], taps = shape->dim[2] * shape->dim[3];
    float *w = NCC_NEW(g->arena, float, (size_t)n_out *n_in *taps), *bias = NCC_NEW(g->arena, float, n_out);
    for (int o = 0; o < n_out; o++) {
        const struct part *part = &p->v[o];
        bias[o] = part->gain * bias_of(s->a, part->channel) - part->offset;
        for (int i = 0; i < n_in; i++) {
            const float *from = weights_of(s->a, part->channel, i);
            for (int t = 0; from && t < taps; t++)
                w[((size_t)o * n_in + i) * taps + t] = part->gain * from[t];
        }
    }
    return renewed(g, s->a, s->a->in[0], ncc_shape_4(n_out, n_in, shape->dim[2], shape->dim[3]), w, bias);
}

/* A reader that reads the slices x. */
static struct node *read_slices(struct graph *g, const struct node *b, const struct parts *p, struct value *x)
{
    const struct shape *shape = &b->in[1]->shape;
    const int n_out = shape->dim[0], n_in = p->n_made + p->n_larger, taps = shape->dim[2] * shape->dim[3];
    float *w = NCC_NEW(g->arena, float, (size_t)n_out *n_in *taps), *bias = NCC_NEW(g->arena, float, n_out);
    for (int o = 0; o < n_out; o++) {
        bias[o] = bias_of(b, o);
        for (int i = 0; i < n_in; i++) {
            const struct part *part = &p->v[i];
            const float *from = weights_of(b, o, part->channel);
            for (int t = 0; from && t < taps; t++) {
                w[((size_t)o * n_in + i) * taps + t] = part->weight * from[t];
                bias[o] += part->bias * from[t];
            }
        }
    }
    return renewed(g, b, x, ncc_shape_4(n_out, n_in, shape->dim[2], shape->dim[3]), w, bias);
}

/* x, and beside it max(b - a, 0) of every pair of channels. NULL: no memory (reported). */
static struct value *with_larger(struct graph *g, const struct sliceable *s, const struct parts *p, struct value *x)
{
    const int n_in = p->n_made, n_out = p->n_larger;
    if (!n_out)
        return x;
    const struct conv2d_attrs attrs = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    const struct concat_attrs channels = {1};
    float *w = NCC_NEW(g->arena, float, (size_t)n_out *n_in);
    for (int i = 0; i < n_out; i++) {
        w[(size_t)i * n_in + p->larger[i].than] = -1;
        w[(size_t)i * n_in + p->larger[i].what] = 1;
    }
    const char *name = ncc_name(g, s->pool->name, "larger");
    struct value *more =
        NCC_OP(g, OP_conv2d, name, &attrs, x, ncc_const(g, name, DT_F32, ncc_shape_4(n_out, n_in, 1, 1), w));
    struct node *conv = more ? more->def : NULL;
    more = more ? NCC_OP(g, OP_relu, name, NULL, more) : NULL;
    struct value *both = more ? NCC_OP(g, OP_concat, ncc_name(g, name, "both"), &channels, x, more) : NULL;
    if (both)
        conv->origin = more->def->origin = both->def->origin = s->pool->origin;
    return both;
}

/* What readers read. NULL: no memory (reported). */
static struct value *sliced(struct graph *g, const struct sliceable *s, struct slicing how, const struct parts *p)
{
    const struct clip_attrs range = {0, how.width};
    const struct node *first = s->act ? s->act : s->a;
    const struct node *a = make_slices(g, s, p);
    struct node *clip = a ? ncc_node_new(g, OP_clip, ncc_name(g, first->name, "slices"), &range, &a->out[0], 1) : NULL;
    if (!clip)
        return NULL;
    clip->origin = first->origin;
    clip->out[0]->name = s->pool ? s->pool->in[0]->name : s->y->name;
    /* Room that no sample showed is kept; behind a clip channels had better have scales of their own. */
    if (isinf(s->max))
        clip->out[0]->range = (struct range){true, 0, how.width};
    if (!s->pool)
        return clip->out[0];
    struct node *pool = ncc_node_new(g, OP_max_pool, s->pool->name, s->pool->attrs, clip->out, 1);
    if (!pool)
        return NULL;
    pool->origin = s->pool->origin;
    pool->out[0]->name = s->y->name;
    pool->out[0]->range = clip->out[0]->range;
    return with_larger(g, s, p, pool->out[0]);
}

bool ncc_quant_slice_value(struct graph *g, const struct sliceable *s, struct slicing how)
{
    const struct parts p = parts_of(s, how, g->arena);
    g->cursor = s->y->def;
    struct value *x = sliced(g, s, how, &p);
    bool good = x;
    while (good && s->y->uses) {
        struct node *b = s->y->uses->node;
        g->cursor = b;
        struct node *with = read_slices(g, b, &p, x);
        good = with;
        if (good) {
            ncc_value_replace(g, b->out[0], with->out[0]);
            ncc_node_remove(g, b);
        }
    }
    g->cursor = NULL;
    if (!good)
        return false;
    if (s->pool)
        ncc_node_remove(g, s->pool);
    if (s->act)
        ncc_node_remove(g, s->act);
    ncc_node_remove(g, s->a);
    return true;
}
