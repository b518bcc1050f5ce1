/* Element by element. */
#include "compiler/import/caffe.h"
#include "compiler/ops/attrs.h"

#include <math.h>

/* ---- one operand ---- */

bool ncc_caffe_build_unary(struct cf_build *b)
{
    return ncc_caffe_give(b, 0, ncc_caffe_unary(b, (enum op)b->row->detail, NULL, ncc_caffe_in(b, 0)));
}

bool ncc_caffe_build_relu(struct cf_build *b)
{
    const Caffe__ReLU *p = CF_PARAM(b, relu_param, re_lu);
    const struct leaky_relu_attrs attrs = {p->negative_slope};
    struct value *x = ncc_caffe_in(b, 0);
    if (p->negative_slope == 0)
        return ncc_caffe_give(b, 0, ncc_caffe_unary(b, OP_relu, NULL, x));
    return ncc_caffe_give(b, 0, ncc_caffe_op(b, OP_leaky_relu, NULL, &attrs, &x, 1));
}

static bool give_clipped(struct cf_build *b, float min, float max)
{
    const struct clip_attrs attrs = {min, max};
    struct value *x = ncc_caffe_in(b, 0);
    if (!(min <= max))
        return ncc_caffe_refuse(b, "min must not be larger than max", NULL, "%g, %g", (double)min, (double)max);
    return ncc_caffe_give(b, 0, ncc_caffe_op(b, OP_clip, NULL, &attrs, &x, 1));
}

bool ncc_caffe_build_relu6(struct cf_build *b)
{
    return give_clipped(b, 0, 6);
}

bool ncc_caffe_build_clip(struct cf_build *b)
{
    const Caffe__Clip *p = CF_PARAM(b, clip_param, clip);
    return give_clipped(b, p->min, p->max);
}

bool ncc_caffe_build_elu(struct cf_build *b)
{
    const Caffe__ELU *p = CF_PARAM(b, elu_param, elu);
    const struct elu_attrs attrs = {p->alpha};
    struct value *x = ncc_caffe_in(b, 0);
    return ncc_caffe_give(b, 0, ncc_caffe_op(b, OP_elu, NULL, &attrs, &x, 1));
}

/* One slope, or one per channel. */
bool ncc_caffe_build_prelu(struct cf_build *b)
{
    const Caffe__PReLU *p = CF_PARAM(b, prelu_param, pre_lu);
    struct value *x = ncc_caffe_in(b, 0);
    if (x->shape.rank < 2)
        return ncc_caffe_refuse(b, "the bottom must have channels", NULL, "%d dimensions", x->shape.rank);
    const int n = p->channel_shared ? 1 : x->shape.dim[1];
    const float *slopes = ncc_caffe_numbers(b, 0, ncc_shape_make(1, &n));
    struct value *slope = ncc_caffe_along(b, x, 1, p->channel_shared ? 0 : 1, slopes, "slope");
    return ncc_caffe_give(b, 0, ncc_caffe_binary(b, OP_prelu, NULL, x, slope));
}

/* shift + scale * x, without what does nothing. */
static struct value *affine(struct cf_build *b, struct value *x, float scale, float shift)
{
    if (scale != 1)
        x = ncc_caffe_binary(b, OP_mul, "scale", x, ncc_caffe_scalar(b, scale, "factor"));
    if (shift != 0)
        x = ncc_caffe_binary(b, OP_add, "shift", x, ncc_caffe_scalar(b, shift, "offset"));
    return x;
}

/* (shift + scale * x) ^ power */
bool ncc_caffe_build_power(struct cf_build *b)
{
    const Caffe__Power *p = CF_PARAM(b, power_param, power);
    struct value *x = affine(b, ncc_caffe_in(b, 0), p->scale, p->shift);
    if (p->power == 2)
        x = ncc_caffe_unary(b, OP_square, NULL, x);
    else if (p->power != 1)
        x = ncc_caffe_binary(b, OP_pow, NULL, x, ncc_caffe_scalar(b, p->power, "power"));
    return ncc_caffe_give(b, 0, x);
}

/* The natural logarithm of the base; -1 means e. */
static bool log_of_base(struct cf_build *b, float base, float *out)
{
    *out = base == -1 ? 1 : logf(base);
    if (base == -1 || (base > 0 && base != 1 && isfinite(base)))
        return true;
    return ncc_caffe_refuse(b, "the base must be positive and not 1, or -1 for e", NULL, "%g", (double)base);
}

/* base ^ (shift + scale * x) */
bool ncc_caffe_build_exp(struct cf_build *b)
{
    const Caffe__Exp *p = CF_PARAM(b, exp_param, exp);
    float log_base;
    if (!log_of_base(b, p->base, &log_base))
        return false;
    struct value *x = affine(b, ncc_caffe_in(b, 0), p->scale * log_base, p->shift * log_base);
    return ncc_caffe_give(b, 0, ncc_caffe_unary(b, OP_exp, NULL, x));
}

/* log_base(shift + scale * x) */
bool ncc_caffe_build_log(struct cf_build *b)
{
    const Caffe__Exp *p = CF_PARAM(b, log_param, exp);
    float log_base;
    if (!log_of_base(b, p->base, &log_base))
        return false;
    struct value *x = ncc_caffe_unary(b, OP_log, NULL, affine(b, ncc_caffe_in(b, 0), p->scale, p->shift));
    return ncc_caffe_give(b, 0, affine(b, x, 1 / log_base, 0));
}

/* x * sigmoid(beta * x) */
bool ncc_caffe_build_swish(struct cf_build *b)
{
    const Caffe__Swish *p = CF_PARAM(b, swish_param, swish);
    struct value *x = ncc_caffe_in(b, 0);
    struct value *gate = ncc_caffe_unary(b, OP_sigmoid, "sigmoid", affine(b, x, p->beta, 0));
    return ncc_caffe_give(b, 0, ncc_caffe_binary(b, OP_mul, NULL, x, gate));
}

/* ---- factors and offsets ---- */

/* (x - mean) / sqrt(variance + eps). The blobs are sums of as many as the third blob says. */
bool ncc_caffe_build_batch_norm(struct cf_build *b)
{
    const Caffe__BatchNorm *p = CF_PARAM(b, batch_norm_param, batch_norm);
    struct value *x = ncc_caffe_in(b, 0);
    const int n = x->shape.rank > 1 ? x->shape.dim[1] : 1, axis = x->shape.rank > 1, one = 1;
    const float *mean = ncc_caffe_numbers(b, 0, ncc_shape_make(1, &n));
    const float *variance = mean ? ncc_caffe_numbers(b, 1, ncc_shape_make(1, &n)) : NULL;
    const float *count = variance ? ncc_caffe_numbers(b, 2, ncc_shape_make(1, &one)) : NULL;
    if (!count)
        return false;
    float *scale = NCC_NEW(b->m->arena, float, n), *shift = NCC_NEW(b->m->arena, float, n);
    const double part = *count == 0 ? 0 : 1 / (double)*count;
    for (int i = 0; i < n; i++) {
        const double factor = 1 / sqrt((double)variance[i] * part + (double)p->eps);
        scale[i] = (float)factor;
        shift[i] = (float)(-(double)mean[i] * part * factor);
        if (!isfinite(scale[i]))
            return ncc_caffe_refuse(b, "the variance and eps must not be negative or zero together",
                                    "train the model again, or set eps", "channel %d: variance %g, eps %g", i,
                                    (double)variance[i] * part, (double)p->eps);
    }
    x = ncc_caffe_binary(b, OP_mul, "scale", x, ncc_caffe_along(b, x, axis, axis, scale, "factor"));
    x = x ? ncc_caffe_binary(b, OP_add, NULL, x, ncc_caffe_along(b, x, axis, axis, shift, "offset")) : NULL;
    return ncc_caffe_give(b, 0, x);
}

/* Which axes of the first bottom factors and offsets go along: n_axes of them (-1: all) from axis on. */
struct along {
    int axis, n_axes;
    struct shape shape; /* of these axes */
};

static bool find_along(struct cf_build *b, const struct value *x, int axis, int n_axes, struct along *out)
{
    if (!ncc_caffe_axis(b, axis, x->shape.rank, &out->axis))
        return false;
    const int most = x->shape.rank - out->axis;
    out->n_axes = n_axes == -1 ? most : n_axes;
    if (out->n_axes < 0 || out->n_axes > most)
        return ncc_caffe_refuse(b, "num_axes must be -1, or not more than the bottom has from the axis on", NULL,
                                "%d of %d", n_axes, most);
    out->shape = ncc_shape_make(out->n_axes, x->shape.dim + out->axis);
    return true;
}

/* The second bottom with dimensions of 1 behind, as many as the first has. */
static struct value *second_along(struct cf_build *b, const struct value *x, int axis, struct along *out)
{
    struct value *y = ncc_caffe_in(b, 1);
    if (!find_along(b, x, axis, y->shape.rank, out))
        return NULL;
    struct shape shape = y->shape;
    while (shape.rank < x->shape.rank - out->axis)
        shape.dim[shape.rank++] = 1;
    return ncc_caffe_reshape(b, "broadcast", y, shape);
}

/* Broadcasting must not make the first bottom larger. */
static struct value *combine(struct cf_build *b, enum op op, const char *suffix, struct value *x, struct value *y)
{
    struct value *v = ncc_caffe_binary(b, op, suffix, x, y);
    if (!v || ncc_shape_equal(v->shape, x->shape))
        return v;
    char text[2][80];
    ncc_caffe_refuse(b, "the second bottom must have the dimensions of the first from the axis on", NULL, "%s and %s",
                     ncc_shape_text(x->shape, text[0]), ncc_shape_text(y->shape, text[1]));
    return NULL;
}

/* Blob k along the axes. */
static struct value *blob_along(struct cf_build *b, struct value *x, int k, const struct along *a, const char *suffix)
{
    return ncc_caffe_along(b, x, a->axis, a->n_axes, ncc_caffe_numbers(b, k, a->shape), suffix);
}

bool ncc_caffe_build_scale(struct cf_build *b)
{
    const Caffe__Scale *p = CF_PARAM(b, scale_param, scale);
    struct value *x = ncc_caffe_in(b, 0), *factor;
    struct along a;
    const bool own = b->layer->n_in == 1;
    if (own)
        factor = find_along(b, x, p->axis, p->num_axes, &a) ? blob_along(b, x, 0, &a, "factor") : NULL;
    else
        factor = second_along(b, x, p->axis, &a);
    struct value *offset = p->bias_term && factor ? blob_along(b, x, own, &a, "offset") : NULL;
    if (!factor || (p->bias_term && !offset))
        return false;
    struct value *y = combine(b, OP_mul, p->bias_term ? "scale" : NULL, x, factor);
    return ncc_caffe_give(b, 0, p->bias_term ? ncc_caffe_binary(b, OP_add, NULL, y, offset) : y);
}

bool ncc_caffe_build_bias(struct cf_build *b)
{
    const Caffe__Bias *p = CF_PARAM(b, bias_param, bias);
    struct value *x = ncc_caffe_in(b, 0), *offset;
    struct along a;
    if (b->layer->n_in == 1)
        offset = find_along(b, x, p->axis, p->num_axes, &a) ? blob_along(b, x, 0, &a, "offset") : NULL;
    else
        offset = second_along(b, x, p->axis, &a);
    return ncc_caffe_give(b, 0, offset ? combine(b, OP_add, NULL, x, offset) : NULL);
}

/* ---- several operands ---- */

static bool same_shapes(struct cf_build *b, int first, int last)
{
    char text[2][80];
    const struct shape shape = ncc_caffe_in(b, first)->shape;
    for (int k = first + 1; k <= last; k++)
        if (!ncc_shape_equal(ncc_caffe_in(b, k)->shape, shape))
            return ncc_caffe_refuse(b, "the bottoms must have the same shape", NULL, "%s and %s",
                                    ncc_shape_text(shape, text[0]), ncc_shape_text(ncc_caffe_in(b, k)->shape, text[1]));
    return true;
}

static struct value *weighted(struct cf_build *b, struct value *x, float coeff, const char *suffix)
{
    return coeff == 1 ? x : ncc_caffe_binary(b, OP_mul, suffix, x, ncc_caffe_scalar(b, coeff, "coeff"));
}

bool ncc_caffe_build_eltwise(struct cf_build *b)
{
    static const enum op ops[] = {OP_mul, OP_add, OP_maximum};
    const Caffe__Eltwise *p = CF_PARAM(b, eltwise_param, eltwise);
    const bool has_coeff = p->n_coeff > 0 && p->operation == CAFFE__ELTWISE__OPERATION__SUM;
    const int n = b->layer->n_in;
    if (!ncc_caffe_within(b, "operation", (int)p->operation, 0, 2) || !same_shapes(b, 0, n - 1))
        return false;
    if (has_coeff && p->n_coeff != (size_t)n)
        return ncc_caffe_refuse(b, "there must be one coeff per bottom, or none", NULL, "%zu for %d", p->n_coeff, n);
    struct value *sum = NULL;
    for (int k = 0; k < n; k++) {
        const float coeff = has_coeff ? p->coeff[k] : 1;
        const bool last = k == n - 1, minus = coeff == -1 && k > 0;
        const char *suffix = last ? NULL : ncc_arena_printf(b->m->arena, "to_%d", k);
        struct value *x = minus
                              ? ncc_caffe_in(b, k)
                              : weighted(b, ncc_caffe_in(b, k), coeff, ncc_arena_printf(b->m->arena, "weighted_%d", k));
        sum = k == 0 ? x : ncc_caffe_binary(b, minus ? OP_sub : ops[p->operation], suffix, sum, x);
    }
    return ncc_caffe_give(b, 0, sum);
}

/* bottoms: one factor per channel, x, y. factor * x + y */
bool ncc_caffe_build_axpy(struct cf_build *b)
{
    struct value *factor = ncc_caffe_in(b, 0), *x = ncc_caffe_map(b, 1);
    if (!x || !same_shapes(b, 1, 2))
        return false;
    if (ncc_shape_count(factor->shape) != x->shape.dim[1])
        return ncc_caffe_refuse(b, "the first bottom must have one element per channel", NULL, "%lld for %d",
                                (long long)ncc_shape_count(factor->shape), x->shape.dim[1]);
    factor = ncc_caffe_reshape(b, "broadcast", factor, ncc_shape_4(1, x->shape.dim[1], 1, 1));
    x = ncc_caffe_binary(b, OP_mul, "scale", x, factor);
    return ncc_caffe_give(b, 0, ncc_caffe_binary(b, OP_add, NULL, x, ncc_caffe_in(b, 2)));
}
