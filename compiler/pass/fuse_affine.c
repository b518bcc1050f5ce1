/* fuse_affine: what is left of batch norms, scales, biases and input preprocessing vanishes in
 * weights and biases.
 *
 * An affine node computes scale[c] * x + shift[c] with constants that depend on nothing but the
 * channel: dimension 1 of a convolution's map, the last one of a matrix product. It goes
 *   into the layer above:  w[c] * scale[c],  b[c] * scale[c] + shift[c]
 *   into the layer below:  w[.][c] * scale[c],  b + sum of w[.][c] * shift[c], the latter only
 *                          where no padding stands for some of the terms
 * Two in a row become one. All is computed in double precision and stored in single.
 */
#include "compiler/pass/match.h"
#include "compiler/pass/passes.h"
#include "compiler/pass/rewrite.h"

#include <math.h>

/* ---- affine nodes ---- */

struct affine {
    enum op op;
    struct value *x;
    bool x_second;  /* c - x */
    const float *c; /* NULL: neg */
    int step;       /* 0: one constant for all channels */
};

static double constant_at(const struct affine *a, int channel)
{
    return a->c[channel * a->step];
}

static double scale_at(const struct affine *a, int channel)
{
    if (a->op == OP_mul)
        return constant_at(a, channel);
    if (a->op == OP_div)
        return 1 / constant_at(a, channel);
    return a->op == OP_neg || a->x_second ? -1 : 1;
}

static double shift_at(const struct affine *a, int channel)
{
    if (a->op == OP_add)
        return constant_at(a, channel);
    if (a->op == OP_sub)
        return a->x_second ? constant_at(a, channel) : -constant_at(a, channel);
    return 0;
}

static bool all_finite(const struct affine *a, int n_channels)
{
    for (int i = 0; i < n_channels; i++) {
        if (!isfinite(scale_at(a, i)) || !isfinite(shift_at(a, i)))
            return false;
    }
    return true;
}

static bool has_shift(const struct affine *a, int n_channels)
{
    for (int i = 0; i < n_channels; i++) {
        if (shift_at(a, i) != 0)
            return true;
    }
    return false;
}

/* The varying operand of a node that may be affine, or NULL. */
static struct value *operand(const struct node *n)
{
    if (n->op == OP_neg)
        return n->in[0];
    if (n->op != OP_add && n->op != OP_sub && n->op != OP_mul && n->op != OP_div)
        return NULL;
    const int side = ncc_match_constant_side(n);
    return side < 0 || (side == 0 && n->op == OP_div) ? NULL : n->in[1 - side];
}

static bool read_affine(const struct node *n, int axis, struct affine *a)
{
    struct value *x = operand(n);
    if (!x || axis < 0 || axis >= x->shape.rank)
        return false;
    *a = (struct affine){.op = n->op, .x = x};
    if (n->op != OP_neg) {
        const int side = n->in[0] == x ? 1 : 0;
        if (!ncc_match_per_axis(n->in[side], x->shape, axis))
            return false;
        a->c = n->in[side]->data;
        a->step = ncc_shape_count(n->in[side]->shape) > 1;
        a->x_second = side == 0 && n->op == OP_sub;
    }
    return all_finite(a, x->shape.dim[axis]);
}

/* ---- layers ---- */

/* Where channels stand in the weights of a layer: the index of an element counts kernel positions
 * fastest, then the second dimension, then the first. */
struct weights {
    const float *w;
    int64_t n;
    int dim0, dim1, n_taps, groups;
    bool in_first; /* conv2d_transpose and matmul: the first dimension is that of inputs */
};

static struct weights weights_of(const struct node *layer)
{
    const struct shape s = layer->in[1]->shape;
    struct weights w = {layer->in[1]->data, ncc_shape_count(s), s.dim[0], s.dim[1], 1, 1, layer->op != OP_conv2d};
    if (layer->op != OP_matmul)
        w.n_taps = s.dim[2] * s.dim[3];
    if (layer->op == OP_conv2d)
        w.groups = ((const struct conv2d_attrs *)layer->attrs)->groups;
    if (layer->op == OP_conv2d_transpose)
        w.groups = ((const struct conv2d_transpose_attrs *)layer->attrs)->groups;
    return w;
}

/* The channel on the side of the first dimension, and on the other, within its group's range. */
static int first_channel(const struct weights *w, int64_t i)
{
    return (int)(i / ((int64_t)w->dim1 * w->n_taps));
}

static int second_channel(const struct weights *w, int64_t i)
{
    const int group = first_channel(w, i) / (w->dim0 / w->groups);
    return group * w->dim1 + (int)(i / w->n_taps % w->dim1);
}

static int out_channel(const struct weights *w, int64_t i)
{
    return w->in_first ? second_channel(w, i) : first_channel(w, i);
}

static int in_channel(const struct weights *w, int64_t i)
{
    return w->in_first ? first_channel(w, i) : second_channel(w, i);
}

static int n_out_channels(const struct weights *w)
{
    return w->in_first ? w->dim1 * w->groups : w->dim0;
}

static struct value *scale_weights(struct graph *g, const struct node *layer, const struct affine *a,
                                   int (*channel_of)(const struct weights *, int64_t))
{
    const struct weights w = weights_of(layer);
    if (a->op == OP_add || (a->op == OP_sub && !a->x_second))
        return layer->in[1];
    float *to = NCC_NEW(g->arena, float, w.n);
    for (int64_t i = 0; i < w.n; i++)
        to[i] = (float)(w.w[i] * scale_at(a, channel_of(&w, i)));
    return ncc_const(g, layer->in[1]->name, DT_F32, layer->in[1]->shape, to);
}

static const float *bias_of(const struct node *layer)
{
    return layer->n_in > 2 && layer->in[2] ? layer->in[2]->data : NULL;
}

static struct value *make_bias(struct graph *g, const struct node *layer, int n, const float *data)
{
    const char *name = bias_of(layer) ? layer->in[2]->name : ncc_name(g, layer->name, "bias");
    return ncc_const(g, name, DT_F32, (struct shape){.rank = 1, .dim = {n}}, data);
}

static int channel_axis(const struct node *layer, const struct value *v)
{
    return layer->op == OP_matmul ? v->shape.rank - 1 : 1;
}

/* ---- into the layer above ---- */

static struct value *bias_above(struct graph *g, const struct node *layer, const struct affine *a)
{
    const struct weights w = weights_of(layer);
    const int n = n_out_channels(&w);
    const float *old = bias_of(layer);
    if (!old && !has_shift(a, n))
        return NULL;
    float *to = NCC_NEW(g->arena, float, n);
    for (int i = 0; i < n; i++)
        to[i] = (float)((old ? old[i] : 0) * scale_at(a, i) + shift_at(a, i));
    return make_bias(g, layer, n, to);
}

static bool into_layer_above(struct graph *g, struct node *n)
{
    const struct value *x = operand(n);
    const struct node *layer = x ? x->def : NULL;
    struct affine a;
    if (!layer || !ncc_match_is_layer(layer) || !ncc_value_only_use(g, x) ||
        !read_affine(n, channel_axis(layer, x), &a))
        return false;
    struct value *in[3] = {layer->in[0], scale_weights(g, layer, &a, out_channel), bias_above(g, layer, &a)};
    return ncc_match_become(g, n, ncc_op(g, layer->op, layer->name, layer->attrs, in, 3), layer);
}

/* ---- into the layer below ---- */

static bool has_border(const struct node *layer)
{
    if (layer->op == OP_conv2d) {
        const struct conv2d_attrs *a = layer->attrs;
        return a->pad_top || a->pad_left || a->pad_bottom || a->pad_right;
    }
    return layer->op == OP_conv2d_transpose; /* its border is made of fewer terms */
}

static struct value *bias_below(struct graph *g, const struct node *layer, const struct affine *a)
{
    const struct weights w = weights_of(layer);
    const int n = n_out_channels(&w);
    const float *old = bias_of(layer);
    double *sum = NCC_NEW(g->arena, double, n);
    float *to = NCC_NEW(g->arena, float, n);
    for (int64_t i = 0; i < w.n; i++)
        sum[out_channel(&w, i)] += w.w[i] * shift_at(a, in_channel(&w, i));
    for (int i = 0; i < n; i++)
        to[i] = (float)((old ? old[i] : 0) + sum[i]);
    return make_bias(g, layer, n, to);
}

static bool into_layer_below(struct graph *g, struct node *n)
{
    const struct value *y = n->in[0];
    const struct node *d = y->def;
    struct affine a;
    if (!d || !ncc_match_is_layer(n) || !ncc_value_only_use(g, y) || !read_affine(d, channel_axis(n, y), &a))
        return false;
    const bool shifts = has_shift(&a, y->shape.dim[channel_axis(n, y)]);
    if (shifts && has_border(n))
        return false;
    struct value *bias = n->n_in > 2 ? n->in[2] : NULL;
    struct value *in[3] = {a.x, scale_weights(g, n, &a, in_channel), shifts ? bias_below(g, n, &a) : bias};
    return ncc_match_become(g, n, ncc_op(g, n->op, n->name, n->attrs, in, 3), d);
}

/* ---- above a pool, when a layer above the pool takes it ---- */

#define MAX_POOLS 8

static const struct node *layer_above_pools(const struct graph *g, const struct value *v)
{
    for (int i = 0; i < MAX_POOLS && v->def && ncc_value_only_use(g, v); i++) {
        if (v->def->op != OP_max_pool && v->def->op != OP_avg_pool)
            return ncc_match_is_layer(v->def) ? v->def : NULL;
        v = v->def->in[0];
    }
    return NULL;
}

static bool never_decreases(const struct affine *a, int n_channels)
{
    for (int i = 0; i < n_channels; i++) {
        if (scale_at(a, i) < 0)
            return false;
    }
    return true;
}

static bool has_pads(const struct pool_attrs *a)
{
    return a->pad_top || a->pad_left || a->pad_bottom || a->pad_right;
}

/* A mean that counts zeros around the map is not shifted by what its elements are. */
static bool commutes(const struct affine *a, const struct node *pool, int n_channels)
{
    const struct pool_attrs *p = pool->attrs;
    if (pool->op == OP_max_pool)
        return never_decreases(a, n_channels);
    return !p->count_pad || !has_pads(p) || !has_shift(a, n_channels);
}

static bool above_pool(struct graph *g, struct node *n)
{
    const struct value *x = operand(n);
    struct affine a;
    if (!x || !layer_above_pools(g, x) || ncc_match_is_layer(x->def) || !read_affine(n, 1, &a) ||
        !commutes(&a, x->def, x->shape.dim[1]))
        return false;
    const struct node *pool = x->def;
    struct value *in[2] = {n->in[0], n->n_in > 1 ? n->in[1] : NULL};
    in[in[0] == x ? 0 : 1] = pool->in[0];
    struct node *affine = ncc_match_again(g, n, in, n->n_in);
    return affine && ncc_match_replace(g, n, ncc_match_again_1(g, pool, affine->out[0]));
}

/* ---- two in a row ---- */

/* n and the node above it, both `x op constant`, op as given; their operands. */
static bool read_pair(const struct graph *g, const struct node *n, enum op above_op, struct value **x,
                      struct value **c_above, struct value **c)
{
    const int side = ncc_match_constant_side(n);
    const struct node *above = side < 0 ? NULL : ncc_match_only(g, n->in[1 - side], above_op);
    const int side_above = above ? ncc_match_constant_side(above) : -1;
    if (side_above < 0)
        return false;
    *x = above->in[1 - side_above];
    *c_above = above->in[side_above];
    *c = n->in[side];
    return true;
}

/* (x + a) + b = x + (a + b), (x * a) * b = x * (a * b) */
static bool merge_equal(struct graph *g, struct node *n)
{
    struct value *x, *c[2];
    if (!read_pair(g, n, n->op, &x, &c[0], &c[1]))
        return false;
    const struct node *above = n->in[ncc_is_const(n->in[0]) ? 1 : 0]->def;
    struct value *both = ncc_match_compute(g, n->op, c[1]->name, NULL, c, 2);
    return both && ncc_match_become(g, n, NCC_OP(g, n->op, n->name, NULL, x, both), above);
}

/* (x + a) * b = x * b + a * b, when the scale meets another one there. */
static bool scale_first(struct graph *g, struct node *n)
{
    struct value *x, *c[2];
    if (!read_pair(g, n, OP_add, &x, &c[0], &c[1]))
        return false;
    const struct node *before = ncc_match_only(g, x, OP_mul);
    if (!before || ncc_match_constant_side(before) < 0)
        return false;
    const struct node *above = n->in[ncc_is_const(n->in[0]) ? 1 : 0]->def;
    struct value *shift = ncc_match_compute(g, OP_mul, c[0]->name, NULL, c, 2);
    struct value *scaled = NCC_OP(g, OP_mul, n->name, NULL, x, c[1]);
    return shift && scaled && ncc_match_become(g, n, NCC_OP(g, OP_add, above->name, NULL, scaled, shift), above);
}

bool ncc_pass_fuse_affine(struct graph *g, struct arena *scratch)
{
    static const struct rewrite set[] = {
        {"into_layer_above", ANY_OP, into_layer_above},
        {"merge_shifts", OP_add, merge_equal},
        {"merge_scales", OP_mul, merge_equal},
        {"scale_first", OP_mul, scale_first},
        {"above_pool", ANY_OP, above_pool},
        {"into_layer_below", ANY_OP, into_layer_below},
    };
    (void)scratch;
    return ncc_rewrite_run(g, set, NCC_COUNT(set));
}
