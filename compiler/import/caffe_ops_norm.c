/* Over axes: softmax, reductions and norms, of which most are made of other operators. */
#include "compiler/import/caffe.h"
#include "compiler/ops/attrs.h"

#include <string.h>

bool ncc_caffe_build_softmax(struct cf_build *b)
{
    const Caffe__Softmax *p = CF_PARAM(b, softmax_param, softmax);
    struct value *x = ncc_caffe_in(b, 0);
    struct softmax_attrs attrs = {.beta = 1};
    if (!ncc_caffe_axis(b, p->axis, x->shape.rank, &attrs.axis))
        return false;
    return ncc_caffe_give(b, 0, ncc_caffe_op(b, OP_softmax, NULL, &attrs, &x, 1));
}

static struct value *reduce(struct cf_build *b, const char *suffix, struct value *x, int kind, int axis, bool keep)
{
    struct reduce_attrs attrs = {.kind = kind, .keep_dims = keep};
    for (int i = axis; i < x->shape.rank; i++)
        attrs.axes.v[attrs.axes.n++] = i;
    return ncc_caffe_op(b, OP_reduce, suffix, &attrs, &x, 1);
}

/* All axes from `axis` on disappear. */
bool ncc_caffe_build_reduction(struct cf_build *b)
{
    const Caffe__Reduction *p = CF_PARAM(b, reduction_param, reduction);
    struct value *x = ncc_caffe_in(b, 0);
    int axis;
    if (!ncc_caffe_axis(b, p->axis, x->shape.rank, &axis) || !ncc_caffe_within(b, "operation", (int)p->operation, 1, 4))
        return false;
    if (p->operation == CAFFE__REDUCTION__OPERATION__ASUM)
        x = ncc_caffe_unary(b, OP_abs, "abs", x);
    if (p->operation == CAFFE__REDUCTION__OPERATION__SUMSQ)
        x = ncc_caffe_unary(b, OP_square, "square", x);
    const int kind = p->operation == CAFFE__REDUCTION__OPERATION__MEAN ? REDUCE_MEAN : REDUCE_SUM;
    const bool scaled = p->coeff != 1;
    x = x ? reduce(b, scaled ? "sum" : NULL, x, kind, axis, false) : NULL;
    if (scaled)
        x = ncc_caffe_binary(b, OP_mul, NULL, x, ncc_caffe_scalar(b, p->coeff, "coeff"));
    return ncc_caffe_give(b, 0, x);
}

/* The place of the largest element along an axis, of equal ones the last, or its value; without an axis that of all
 * elements behind the batch, [n, 1, 1], or place and value, [n, 2, 1]. */
bool ncc_caffe_build_arg_max(struct cf_build *b)
{
    const Caffe__ArgMax *p = CF_PARAM(b, argmax_param, arg_max);
    struct value *x = ncc_caffe_in(b, 0);
    struct shape flat = ncc_shape_make(2, (const int[]){x->shape.rank ? x->shape.dim[0] : 1, 1});
    int axis = 1;
    if (!ncc_caffe_within(b, "top_k", p->top_k, 1, 1) ||
        (p->has_axis && !ncc_caffe_axis(b, p->axis, x->shape.rank, &axis)))
        return false;
    flat.dim[1] = (int)(ncc_shape_count(x->shape) / flat.dim[0]);
    x = p->has_axis ? x : ncc_caffe_reshape(b, "flat", x, flat);
    const bool takes_value = p->out_max_val, takes_place = !takes_value || !p->has_axis;
    const struct arg_max_attrs place_attrs = {.axis = axis, .keep_dims = true, .last = true};
    const struct reduce_attrs value_attrs = {.kind = REDUCE_MAX, .axes = {1, {axis}}, .keep_dims = true};
    const struct cast_attrs to_real = {DT_F32};
    struct value *parts[2];
    int n = 0;
    if (takes_place) {
        struct value *place = ncc_caffe_op(b, OP_arg_max, "place", &place_attrs, &x, 1);
        parts[n++] = ncc_caffe_op(b, OP_cast, takes_value ? "number" : NULL, &to_real, &place, 1);
    }
    if (takes_value)
        parts[n++] = ncc_caffe_op(b, OP_reduce, takes_place ? "value" : NULL, &value_attrs, &x, 1);
    const struct concat_attrs beside = {1};
    struct value *y = n == 1 ? parts[0] : ncc_caffe_op(b, OP_concat, "both", &beside, parts, n);
    if (!p->has_axis)
        y = ncc_caffe_reshape(b, "shape", y, ncc_shape_make(3, (const int[]){flat.dim[0], n, 1}));
    return ncc_caffe_give(b, 0, y);
}

/* ---- local response ---- */

/* k + alpha * mean of neighbouring channels, where those outside count as 0: a convolution. */
static struct value *across_channels(struct cf_build *b, struct value *x, const Caffe__LRN *p)
{
    enum { MOST = 1 << 12 };
    const struct conv2d_attrs plain = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    const int n = x->shape.dim[1], reach = p->local_size / 2;
    if (!ncc_caffe_within(b, "the number of channels", n, 1, MOST))
        return NULL;
    float *w = NCC_NEW(b->m->arena, float, (int64_t)n *n), *k = NCC_NEW(b->m->arena, float, n);
    for (int out = 0; out < n; out++) {
        k[out] = p->k;
        for (int in = 0; in < n; in++)
            w[(int64_t)out * n + in] = in >= out - reach && in <= out + reach ? p->alpha / (float)p->local_size : 0;
    }
    struct value *const in[] = {
        x,
        ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "neighbours"), DT_F32, ncc_shape_4(n, n, 1, 1), w),
        ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "k"), DT_F32, ncc_shape_make(1, &n), k),
    };
    return ncc_caffe_op(b, OP_conv2d, "base", &plain, in, 3);
}

/* 1 + alpha * mean of neighbouring pixels, with zeros around the map, which count. */
static struct value *within_channel(struct cf_build *b, struct value *x, const Caffe__LRN *p)
{
    const int size = p->local_size, reach = size / 2;
    const struct pool_attrs attrs = {size, size, 1, 1, reach, reach, reach, reach, true};
    x = ncc_caffe_op(b, OP_avg_pool, "mean", &attrs, &x, 1);
    x = ncc_caffe_binary(b, OP_mul, "part", x, ncc_caffe_scalar(b, p->alpha, "alpha"));
    return ncc_caffe_binary(b, OP_add, "base", x, ncc_caffe_scalar(b, 1, "one"));
}

/* x * base^-beta. The base is positive; logarithm and exponential are functions that the KPU's tables take. */
bool ncc_caffe_build_lrn(struct cf_build *b)
{
    const Caffe__LRN *p = CF_PARAM(b, lrn_param, lrn);
    struct value *x = ncc_caffe_map(b, 0);
    if (!x || !ncc_caffe_within(b, "local_size", p->local_size, 1, 1 << 10))
        return false;
    if (p->local_size % 2 == 0)
        return ncc_caffe_refuse(b, "local_size must be odd", NULL, "%d", p->local_size);
    struct value *y = ncc_caffe_unary(b, OP_square, "square", x);
    y = p->norm_region == CAFFE__LRN__REGION__ACROSS_CHANNELS ? across_channels(b, y, p) : within_channel(b, y, p);
    y = ncc_caffe_unary(b, OP_log, "log", y);
    y = ncc_caffe_binary(b, OP_mul, "power", y, ncc_caffe_scalar(b, -p->beta, "beta"));
    return ncc_caffe_give(b, 0, ncc_caffe_binary(b, OP_mul, NULL, x, ncc_caffe_unary(b, OP_exp, "factor", y)));
}

/* ---- whole maps ---- */

/* (x - mean) / (sqrt(variance) + eps), of each channel or of all together */
bool ncc_caffe_build_mvn(struct cf_build *b)
{
    const Caffe__MVN *p = CF_PARAM(b, mvn_param, mvn);
    struct value *x = ncc_caffe_map(b, 0);
    if (!x)
        return false;
    const int axis = p->across_channels ? 1 : 2;
    struct value *mean = reduce(b, "mean", x, REDUCE_MEAN, axis, true);
    struct value *centred = ncc_caffe_binary(b, OP_sub, p->normalize_variance ? "centred" : NULL, x, mean);
    if (!p->normalize_variance || !centred)
        return ncc_caffe_give(b, 0, centred);
    struct value *y = ncc_caffe_unary(b, OP_square, "square", centred);
    y = y ? reduce(b, "variance", y, REDUCE_MEAN, axis, true) : NULL;
    y = ncc_caffe_unary(b, OP_sqrt, "deviation", y);
    y = ncc_caffe_binary(b, OP_add, "eps", y, ncc_caffe_scalar(b, p->eps, "eps"));
    return ncc_caffe_give(b, 0, ncc_caffe_binary(b, OP_div, NULL, centred, y));
}

/* x / sqrt(sum of the squares + eps) * scale, the sum over the channels of each pixel or over the whole map; one scale
 * or one per channel */
bool ncc_caffe_build_normalize(struct cf_build *b)
{
    const Caffe__Normalize *p = CF_PARAM(b, norm_param, normalize);
    struct value *x = ncc_caffe_map(b, 0);
    if (!x)
        return false;
    const int n = p->channel_shared ? 1 : x->shape.dim[1];
    const float *factors = ncc_caffe_numbers(b, 0, ncc_shape_make(1, &n));
    struct value *factor = ncc_caffe_along(b, x, 1, p->channel_shared ? 0 : 1, factors, "factor");
    const struct reduce_attrs attrs = {
        .kind = REDUCE_SUM,
        .axes = {p->across_spatial ? 3 : 1, {1, 2, 3}},
        .keep_dims = true,
    };
    struct value *y = factor ? ncc_caffe_unary(b, OP_square, "square", x) : NULL;
    y = ncc_caffe_op(b, OP_reduce, "sum", &attrs, &y, 1);
    y = ncc_caffe_binary(b, OP_add, "eps", y, ncc_caffe_scalar(b, p->eps, "eps"));
    y = ncc_caffe_binary(b, OP_mul, "normal", x, ncc_caffe_unary(b, OP_rsqrt, "rsqrt", y));
    return ncc_caffe_give(b, 0, ncc_caffe_binary(b, OP_mul, NULL, y, factor));
}
