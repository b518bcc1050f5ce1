/* Operators along axes: reductions, normalisations, softmax. */
#include "compiler/import/onnx.h"
#include "compiler/ir/element.h"
#include "compiler/ops/attrs.h"

#include <math.h>

static struct value *reduced(struct ox_build *b, int kind, struct value *v, struct ints axes, bool keep,
                             const char *suffix)
{
    const struct reduce_attrs attrs = {.kind = kind, .axes = axes, .keep_dims = keep};
    return v && axes.n ? OX_OP(b, OP_reduce, suffix, &attrs, v) : v;
}

static struct value *with(struct ox_build *b, enum op op, const char *suffix, struct value *v, double x)
{
    return v ? OX_OP(b, op, suffix, NULL, v, ncc_onnx_number(b, v->dtype, x)) : NULL;
}

/* Axes first .. last - 1. */
static struct ints axis_range(int first, int last)
{
    struct ints axes = {0};
    for (int i = first; i < last; i++)
        axes.v[axes.n++] = i;
    return axes;
}

/* ---- reductions ---- */

/* None given means all, unless the node says that it means none. */
static bool reduce_axes(struct ox_build *b, int rank, struct ints *axes)
{
    struct ints list;
    bool has;
    if (!ncc_onnx_ints_or_list(b, 1, "axes", &list, &has))
        return false;
    if (list.n == 0) {
        *axes = ncc_onnx_int(b, "noop_with_empty_axes", 0) ? (struct ints){0} : axis_range(0, rank);
        return true;
    }
    return ncc_onnx_axes(b, &list, rank, axes);
}

bool ncc_onnx_build_reduce(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct ints axes;
    return reduce_axes(b, x->shape.rank, &axes) &&
           ncc_onnx_give(b, 0, reduced(b, b->row->detail, x, axes, ncc_onnx_int(b, "keepdims", 1) != 0, NULL));
}

static struct value *absolute(struct ox_build *b, struct value *x)
{
    if (ncc_element_is_float(x->dtype))
        return OX_OP(b, OP_abs, "abs", NULL, x);
    return OX_OP(b, OP_maximum, "abs", NULL, x, OX_OP(b, OP_sub, "negative", NULL, ncc_onnx_number(b, x->dtype, 0), x));
}

/* log(sum(exp(x))) with the largest taken out first, so that nothing overflows. */
static struct value *log_sum_exp(struct ox_build *b, struct value *x, struct ints axes, bool keep)
{
    struct value *top = reduced(b, REDUCE_MAX, x, axes, true, "top");
    struct value *sum =
        reduced(b, REDUCE_SUM, OX_OP(b, OP_exp, "exp", NULL, OX_OP(b, OP_sub, "low", NULL, x, top)), axes, true, "sum");
    struct value *y = OX_OP(b, OP_add, "kept", NULL, OX_OP(b, OP_log, "log", NULL, sum), top);
    struct shape shape = {0};
    for (int i = 0, k = 0; y && i < y->shape.rank; i++) {
        const bool gone = k < axes.n && axes.v[k] == i;
        k += gone;
        if (!gone || keep)
            shape.dim[shape.rank++] = y->shape.dim[i];
    }
    return ncc_onnx_reshape(b, y, shape, NULL);
}

/* Sums of something, and something of sums. */
bool ncc_onnx_build_reduce_sum_of(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *y = NULL;
    const bool keep = ncc_onnx_int(b, "keepdims", 1) != 0;
    struct ints axes;
    if (!reduce_axes(b, x->shape.rank, &axes))
        return false;
    switch (b->row->detail) {
    case OX_SUM_ABS:
        y = reduced(b, REDUCE_SUM, absolute(b, x), axes, keep, NULL);
        break;
    case OX_SUM_SQUARE:
        y = reduced(b, REDUCE_SUM, OX_OP(b, OP_mul, "square", NULL, x, x), axes, keep, NULL);
        break;
    case OX_ROOT_SUM_SQUARE:
        y = OX_OP(b, OP_sqrt, NULL, NULL,
                  reduced(b, REDUCE_SUM, OX_OP(b, OP_square, "square", NULL, x), axes, keep, "sum"));
        break;
    case OX_LOG_SUM:
        y = OX_OP(b, OP_log, NULL, NULL, reduced(b, REDUCE_SUM, x, axes, keep, "sum"));
        break;
    default:
        y = log_sum_exp(b, x, axes, keep);
        break;
    }
    return ncc_onnx_give(b, 0, y);
}

/* ---- normalisations ---- */

/* A vector per channel under the shape C x 1 x 1 ..., to be laid over a tensor of this rank. */
static struct value *per_channel(struct ox_build *b, int k, int rank, int n)
{
    struct value *v = ncc_onnx_in(b, k);
    struct shape shape = {.rank = rank > 1 ? rank - 1 : 1, .dim = {n}};
    for (int i = 1; i < shape.rank; i++)
        shape.dim[i] = 1;
    if (v->shape.rank == 1 && v->shape.dim[0] == n)
        return ncc_onnx_reshape(b, v, shape, "per_channel");
    ncc_onnx_refuse(b, "there must be one number per channel", NULL, "input %d has %lld for %d", k,
                    (long long)ncc_shape_count(v->shape), n);
    return NULL;
}

static bool epsilon_of(struct ox_build *b, float def, float *eps)
{
    *eps = ncc_onnx_float(b, "epsilon", def);
    return (*eps >= 0 && isfinite(*eps)) ||
           ncc_onnx_refuse(b, "epsilon must be a number that is not negative", NULL, "%g", (double)*eps);
}

/* x * k + (bias - mean * k), k = scale / sqrt(variance + eps): constants, as a rule */
bool ncc_onnx_build_batch_normalization(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *in[5] = {x};
    const int rank = x->shape.rank, n = rank > 1 ? x->shape.dim[1] : 0;
    float eps;
    if (ncc_onnx_int(b, "training_mode", 0) || ncc_onnx_wants(b, 1))
        return ncc_onnx_refuse(b, "batch normalisation must not be in training mode", "export the model for inference",
                               NULL);
    if (rank < 2)
        return ncc_onnx_refuse(b, "the input must have batch and channels", NULL, "%d dimensions", rank);
    for (int i = 1; i < 5; i++)
        if (!(in[i] = per_channel(b, i, rank, n)))
            return false;
    if (!epsilon_of(b, 1e-5f, &eps))
        return false;
    struct value *k = OX_OP(b, OP_sqrt, "deviation", NULL, with(b, OP_add, "variance", in[4], (double)eps));
    k = OX_OP(b, OP_div, "factor", NULL, in[1], k);
    struct value *shift = OX_OP(b, OP_sub, "shift", NULL, in[2], OX_OP(b, OP_mul, "mean", NULL, in[3], k));
    return ncc_onnx_give(b, 0, OX_OP(b, OP_add, NULL, NULL, OX_OP(b, OP_mul, "scaled", NULL, x, k), shift));
}

struct normalised {
    struct value *y, *mean, *factor; /* factor: 1 / deviation */
};

/* Mean 0 and variance 1 over the axes. */
static struct normalised normalise(struct ox_build *b, struct value *x, struct ints axes, float eps, const char *suffix)
{
    struct normalised r;
    r.mean = reduced(b, REDUCE_MEAN, x, axes, true, "mean");
    struct value *centred = OX_OP(b, OP_sub, "centred", NULL, x, r.mean);
    struct value *variance =
        reduced(b, REDUCE_MEAN, OX_OP(b, OP_square, "square", NULL, centred), axes, true, "variance");
    r.factor = OX_OP(b, OP_rsqrt, "factor", NULL, with(b, OP_add, "variance_eps", variance, (double)eps));
    r.y = OX_OP(b, OP_mul, suffix, NULL, centred, r.factor);
    return r;
}

bool ncc_onnx_build_instance_normalization(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const int rank = x->shape.rank, n = rank > 1 ? x->shape.dim[1] : 0;
    float eps;
    if (rank < 3)
        return ncc_onnx_refuse(b, "the input must have batch, channels and pixels", NULL, "%d dimensions", rank);
    struct value *scale = per_channel(b, 1, rank, n), *bias = per_channel(b, 2, rank, n);
    if (!scale || !bias || !epsilon_of(b, 1e-5f, &eps))
        return false;
    const struct normalised r = normalise(b, x, axis_range(2, rank), eps, "normal");
    return ncc_onnx_give(b, 0, OX_OP(b, OP_add, NULL, NULL, OX_OP(b, OP_mul, "scaled", NULL, r.y, scale), bias));
}

/* Channels in groups: n x groups x rest is normalised, and scaled in the shape that it had. */
bool ncc_onnx_build_group_normalization(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const int rank = x->shape.rank, n = rank > 1 ? x->shape.dim[1] : 0, groups = ncc_onnx_int(b, "num_groups", 1);
    float eps;
    if (rank < 3 || groups < 1 || n % groups != 0)
        return ncc_onnx_refuse(b, "the groups must divide the channels of a tensor with pixels", NULL,
                               "%d groups, %d channels, %d dimensions", groups, n, rank);
    const bool per_group = ncc_shape_count(ncc_onnx_in(b, 1)->shape) == groups && groups != n;
    struct value *scale = per_channel(b, 1, rank, per_group ? groups : n);
    struct value *bias = per_channel(b, 2, rank, per_group ? groups : n);
    if (!scale || !bias || !epsilon_of(b, 1e-5f, &eps))
        return false;
    const int64_t per = ncc_shape_count(x->shape) / x->shape.dim[0] / groups;
    struct shape grouped = {3, {x->shape.dim[0], groups, (int)per}};
    struct value *y = normalise(b, ncc_onnx_reshape(b, x, grouped, "groups"), axis_range(2, 3), eps, "normal").y;
    if (per_group) { /* before opset 21: one factor for a group */
        const struct shape flat = {2, {groups, 1}};
        y = OX_OP(b, OP_mul, "scaled", NULL, y, ncc_onnx_reshape(b, scale, flat, "scale"));
        y = OX_OP(b, OP_add, "shifted", NULL, y, ncc_onnx_reshape(b, bias, flat, "bias"));
        return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, y, x->shape, NULL));
    }
    y = ncc_onnx_reshape(b, y, x->shape, "whole");
    return ncc_onnx_give(b, 0, OX_OP(b, OP_add, NULL, NULL, OX_OP(b, OP_mul, "scaled", NULL, y, scale), bias));
}

bool ncc_onnx_build_layer_normalization(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *scale = ncc_onnx_in(b, 1), *bias = ncc_onnx_in(b, 2);
    int axis;
    float eps;
    if (!ncc_onnx_axis(b, ncc_onnx_int(b, "axis", -1), x->shape.rank, &axis) || !epsilon_of(b, 1e-5f, &eps))
        return false;
    const struct normalised r = normalise(b, x, axis_range(axis, x->shape.rank), eps, "normal");
    struct value *y = OX_OP(b, OP_mul, bias ? "scaled" : NULL, NULL, r.y, scale);
    if (bias)
        y = OX_OP(b, OP_add, NULL, NULL, y, bias);
    return ncc_onnx_give(b, 0, y) && ncc_onnx_give(b, 1, r.mean) && ncc_onnx_give(b, 2, r.factor);
}

/* Over batch and pixels unless it says otherwise; the deviation is kept from 0 by 1e-9. */
bool ncc_onnx_build_mean_variance_normalization(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct ints list, axes;
    if (!ncc_onnx_list(b, "axes", &list))
        return false;
    if (list.n == 0)
        list = (struct ints){3, {0, 2, 3}};
    if (!ncc_onnx_axes(b, &list, x->shape.rank, &axes))
        return false;
    struct value *centred = OX_OP(b, OP_sub, "centred", NULL, x, reduced(b, REDUCE_MEAN, x, axes, true, "mean"));
    struct value *variance =
        reduced(b, REDUCE_MEAN, OX_OP(b, OP_square, "square", NULL, centred), axes, true, "variance");
    struct value *deviation = with(b, OP_add, "deviation_eps", OX_OP(b, OP_sqrt, "deviation", NULL, variance), 1e-9);
    return ncc_onnx_give(b, 0, OX_OP(b, OP_div, NULL, NULL, centred, deviation));
}

bool ncc_onnx_build_lp_normalization(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const int p = ncc_onnx_int(b, "p", 2);
    int axis;
    if (p != 1 && p != 2)
        return ncc_onnx_refuse(b, "p must be 1 or 2", NULL, "%d", p);
    if (!ncc_onnx_axis(b, ncc_onnx_int(b, "axis", -1), x->shape.rank, &axis))
        return false;
    const struct l2_normalize_attrs attrs = {axis, 1e-30f};
    if (p == 2)
        return ncc_onnx_give(b, 0, OX_OP(b, OP_l2_normalize, NULL, &attrs, x));
    struct value *sum =
        reduced(b, REDUCE_SUM, OX_OP(b, OP_abs, "abs", NULL, x), axis_range(axis, axis + 1), true, "sum");
    return ncc_onnx_give(b, 0, OX_OP(b, OP_div, NULL, NULL, x, sum));
}

/* ---- softmax and its kin ---- */

bool ncc_onnx_softmax_axis(struct ox_build *b, struct shape *shape, int *axis)
{
    const bool old = b->m->version < 13;
    if (!ncc_onnx_axis(b, ncc_onnx_int(b, "axis", old ? 1 : -1), shape->rank, axis))
        return false;
    int64_t before = 1, behind = 1, rest = 1;
    for (int i = 0; i < shape->rank; i++) {
        before *= i < *axis ? shape->dim[i] : 1;
        behind *= i >= *axis ? shape->dim[i] : 1;
        rest *= i > *axis ? shape->dim[i] : 1;
    }
    if (old && rest != 1) {
        *shape = (struct shape){2, {(int)before, (int)behind}};
        *axis = 1;
    }
    return true;
}

bool ncc_onnx_build_softmax(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct shape shape = x->shape;
    struct softmax_attrs attrs = {.beta = 1};
    if (!ncc_onnx_softmax_axis(b, &shape, &attrs.axis))
        return false;
    struct value *y = OX_OP(b, OP_softmax, NULL, &attrs, ncc_onnx_reshape(b, x, shape, "flat"));
    return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, y, x->shape, "shape"));
}

/* x less the logarithm of the sum of exponentials, the largest x taken out first. */
bool ncc_onnx_build_log_softmax(struct ox_build *b)
{
    struct value *in = ncc_onnx_in(b, 0);
    struct shape shape = in->shape;
    int axis;
    if (!ncc_onnx_softmax_axis(b, &shape, &axis))
        return false;
    struct value *x = ncc_onnx_reshape(b, in, shape, "flat");
    const struct ints axes = {1, {axis}};
    x = OX_OP(b, OP_sub, "low", NULL, x, reduced(b, REDUCE_MAX, x, axes, true, "top"));
    struct value *sum = reduced(b, REDUCE_SUM, OX_OP(b, OP_exp, "exp", NULL, x), axes, true, "sum");
    struct value *y = OX_OP(b, OP_sub, NULL, NULL, x, OX_OP(b, OP_log, "log", NULL, sum));
    return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, y, in->shape, "shape"));
}

/* ---- across channels ---- */

/* [c][c][1][1]: each channel is the mean of itself and its neighbours, where those outside count as 0. */
static struct value *neighbours(struct ox_build *b, int c, int size)
{
    const int before = (size - 1) / 2;
    if (!ncc_onnx_spend(b, (int64_t)c * c))
        return NULL;
    float *w = NCC_NEW(b->m->arena, float, (size_t)c * (size_t)c);
    for (int out = 0; out < c; out++)
        for (int in = 0; in < c; in++)
            w[(size_t)out * (size_t)c + (size_t)in] =
                in >= out - before && in < out - before + size ? 1.0f / (float)size : 0;
    return ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "neighbours"), DT_F32, ncc_shape_4(c, c, 1, 1), w);
}

/* x / (bias + alpha * mean of the squares of neighbouring channels) ^ beta: a convolution takes the mean. */
bool ncc_onnx_build_lrn(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const int size = ncc_onnx_int(b, "size", 0);
    const float alpha = ncc_onnx_float(b, "alpha", 1e-4f), beta = ncc_onnx_float(b, "beta", 0.75f);
    const float bias = ncc_onnx_float(b, "bias", 1);
    if (size < 1 || size > 1 << 10 || x->shape.rank < 2 || ncc_shape_count(x->shape) < 1 || !(bias > 0) ||
        !isfinite(alpha) || !isfinite(beta) || !isfinite(bias))
        return ncc_onnx_refuse(b, "size must be 1 to 1024, bias positive, and the input have channels", NULL,
                               "size %d, bias %g", size, (double)bias);
    const int *d = x->shape.dim;
    const struct conv2d_attrs plain = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    struct shape map = x->shape;
    if (map.rank != 4)
        map = ncc_shape_4(d[0], d[1], 1, (int)(ncc_shape_count(x->shape) / d[0] / d[1]));
    struct value *y = ncc_onnx_reshape(b, OX_OP(b, OP_square, "square", NULL, x), map, "map");
    y = ncc_onnx_reshape(b, OX_OP(b, OP_conv2d, "mean", &plain, y, neighbours(b, d[1], size)), x->shape, "shape");
    y = with(b, OP_add, "base", with(b, OP_mul, "part", y, (double)alpha), (double)bias);
    y = with(b, OP_mul, "power", OX_OP(b, OP_log, "log", NULL, y), -(double)beta); /* the base is positive */
    return ncc_onnx_give(b, 0, OX_OP(b, OP_mul, NULL, NULL, x, OX_OP(b, OP_exp, "factor", NULL, y)));
}

/* Sums of all elements so far: a product with a triangle of ones. */
bool ncc_onnx_build_cum_sum(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const bool exclusive = ncc_onnx_int(b, "exclusive", 0) != 0, reverse = ncc_onnx_int(b, "reverse", 0) != 0;
    double place;
    int axis;
    if (!ncc_onnx_scalar(b, 1, &place) || !ncc_onnx_axis(b, (int)place, x->shape.rank, &axis))
        return false;
    const int n = x->shape.dim[axis], rank = x->shape.rank, side[2] = {n, n};
    if (x->dtype != DT_F32)
        return ncc_onnx_refuse(b, "sums are supported of real numbers", NULL, "%s", ncc_dtype_name(x->dtype));
    if (!ncc_onnx_spend(b, (int64_t)n * n))
        return false;
    float *m = NCC_NEW(b->m->arena, float, (size_t)n *(size_t)n + 1); /* [from][to] */
    for (int from = 0; from < n; from++)
        for (int to = 0; to < n; to++)
            m[(size_t)from * (size_t)n + (size_t)to] =
                (from == to && !exclusive) || (reverse ? from > to : from < to) ? 1 : 0;
    struct ints last = {.n = rank};
    for (int i = 0; i < rank; i++)
        last.v[i] = i == axis ? rank - 1 : i == rank - 1 ? axis : i;
    struct value *y = ncc_onnx_transpose(b, x, last, "turned");
    y = ncc_onnx_multiply(
        b, y, ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "triangle"), DT_F32, ncc_shape_make(2, side), m));
    return ncc_onnx_give(b, 0, ncc_onnx_transpose(b, y, last, "back"));
}
