/* Operators on integers that stand for real numbers. What the graph computes with are the real numbers: quantising is
 * rounding to the nearest one that there is an integer for (fake_quant), and the rest is as for floats. */
#include "compiler/import/onnx.h"
#include "compiler/ir/element.h"
#include "compiler/ops/attrs.h"

#include <string.h>

/* ---- scales and zero points ---- */

/* f32 of one element under the shape [1], of several as they are; NULL: refused. */
static struct value *as_floats(struct ox_build *b, int k, const char *suffix)
{
    struct value *v = ncc_onnx_cast(b, ncc_onnx_in(b, k), DT_F32, suffix);
    if (v && v->shape.rank <= 1 && ncc_shape_count(v->shape) > 0)
        return ncc_onnx_reshape(b, v, ncc_shape_make(1, (int[]){(int)ncc_shape_count(v->shape)}), suffix);
    ncc_onnx_refuse(b, "scales and zero points must be one number, or one for each channel", NULL, "input %d", k);
    return NULL;
}

/* The type is that of the zero point; without one uint8, or what an attribute says. */
static int code_type(struct ox_build *b, int zero)
{
    int type = ncc_onnx_int(b, "output_dtype", ONNX__TENSOR_PROTO__DATA_TYPE__UINT8);
    if (!ncc_onnx_has(b, zero))
        return type;
    if (b->in[zero]->init)
        return b->in[zero]->init->data_type;
    switch (b->in[zero]->v->dtype) {
    case DT_I8:
        return ONNX__TENSOR_PROTO__DATA_TYPE__INT8;
    case DT_I16:
        return ONNX__TENSOR_PROTO__DATA_TYPE__INT16;
    case DT_U8:
        return ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
    default:
        return ONNX__TENSOR_PROTO__DATA_TYPE__UINT16;
    }
}

/* Scale in input k, zero point in k + 1. */
static const struct ox_codes *read_codes(struct ox_build *b, int k, int axis)
{
    struct ox_codes *c = NCC_NEW(b->m->arena, struct ox_codes, 1);
    *c = (struct ox_codes){.axis = axis, .type = code_type(b, k + 1), .scale = as_floats(b, k, "scale")};
    if (ncc_onnx_has(b, k + 1))
        c->zero = as_floats(b, k + 1, "zero");
    if (!c->scale || (ncc_onnx_has(b, k + 1) && !c->zero))
        return NULL;
    if (!ncc_is_const(c->scale) || (c->zero && !ncc_is_const(c->zero))) {
        ncc_onnx_refuse(b, "scales and zero points must be constant", "export the model with static quantisation",
                        NULL);
        return NULL;
    }
    if (c->zero && ncc_shape_count(c->zero->shape) != ncc_shape_count(c->scale->shape)) {
        ncc_onnx_refuse(b, "there must be as many zero points as scales", NULL, NULL);
        return NULL;
    }
    if (ncc_onnx_is_code_type(c->type, &c->qmin, &c->qmax))
        return c;
    ncc_onnx_refuse(b, "values can be quantised to 8 or 16 bits", NULL, "%s", ncc_onnx_type_name(c->type));
    return NULL;
}

static bool same_floats(const struct value *x, const struct value *y)
{
    return x && y ? ncc_is_const(x) && ncc_is_const(y) && ncc_shape_equal(x->shape, y->shape) &&
                        memcmp(x->data, y->data, (size_t)ncc_shape_count(x->shape) * sizeof(float)) == 0
                  : x == y;
}

/* [n] as n x 1 x 1 ..., to be laid over an axis. */
static struct value *along_axis(struct ox_build *b, struct value *v, int axis, int rank, const char *suffix)
{
    struct shape shape = {.rank = rank - axis};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i ? 1 : v->shape.dim[0];
    return v->shape.dim[0] == 1 ? v : ncc_onnx_reshape(b, v, shape, suffix);
}

/* (v - zero) * scale of a tensor of integers; NULL: refused. */
static struct value *real_of_integers(struct ox_build *b, struct value *v, struct value *scale, struct value *zero,
                                      int axis)
{
    const int rank = v ? v->shape.rank : 0, n = scale ? scale->shape.dim[0] : 0;
    if (!v || !scale)
        return NULL;
    if (n != 1 && (!ncc_onnx_axis(b, axis, rank, &axis) || v->shape.dim[axis] != n)) {
        ncc_onnx_refuse(b, "there must be one scale, or one for each channel", NULL, "%d scales", n);
        return NULL;
    }
    v = ncc_onnx_cast(b, v, DT_F32, "real");
    if (zero)
        v = OX_OP(b, OP_sub, "centred", NULL, v, along_axis(b, zero, axis, rank, "zeros"));
    v = v ? OX_OP(b, OP_mul, "scaled", NULL, v, along_axis(b, scale, axis, rank, "scales")) : NULL;
    return v && v->shape.rank != rank ? ncc_onnx_reshape(b, v, ncc_shape_make(rank, NULL), "scalar") : v;
}

/* The real numbers of input k, with scale and zero point in s and s + 1. */
static struct value *real_in(struct ox_build *b, int k, int s, int axis)
{
    const struct ox_tensor *t = b->in[k];
    struct value *scale = as_floats(b, s, "scale");
    struct value *zero = ncc_onnx_has(b, s + 1) ? as_floats(b, s + 1, "zero") : NULL;
    if (!scale || (ncc_onnx_has(b, s + 1) && !zero))
        return NULL;
    if (t->codes && same_floats(t->codes->scale, scale) && same_floats(t->codes->zero, zero))
        return t->v;
    return real_of_integers(b, t->codes ? ncc_onnx_codes(b, t) : t->v, scale, zero, axis);
}

/* Output 0 is v, rounded to what scale and zero point in inputs k and k + 1 allow. */
static bool give_rounded(struct ox_build *b, struct value *v, int k, int axis)
{
    const struct ox_codes *c = v ? read_codes(b, k, axis) : NULL;
    if (!c)
        return false;
    const struct fake_quant_attrs attrs = {.axis = axis, .qmin = c->qmin, .qmax = c->qmax, .half_even = true};
    struct value *in[3] = {v, c->scale, c->zero};
    return ncc_onnx_give_codes(b, 0, ncc_onnx_op(b, OP_fake_quant, "codes", &attrs, in, c->zero ? 3 : 2), c);
}

/* ---- to codes and back ---- */

static bool quant_axis(struct ox_build *b, const struct value *v, int *axis)
{
    const int rank = v->shape.rank;
    if (rank == 0 || ncc_shape_count(ncc_onnx_in(b, 1)->shape) == 1)
        return *axis = 0, true;
    if (ncc_onnx_int(b, "block_size", 0))
        return ncc_onnx_refuse(b, "blocks of scales are not supported", NULL, NULL);
    return ncc_onnx_axis(b, ncc_onnx_int(b, "axis", 1), rank, axis);
}

/* The integers themselves: clip(round(x / scale) + zero). */
static struct value *integers(struct ox_build *b, struct value *x, struct value *scale, struct value *zero,
                              const struct clip_attrs *limits, enum dtype to)
{
    struct value *v = OX_OP(b, OP_round, "whole", NULL, OX_OP(b, OP_div, "steps", NULL, x, scale));
    if (zero)
        v = OX_OP(b, OP_add, "shifted", NULL, v, zero);
    return ncc_onnx_cast(b, OX_OP(b, OP_clip, "limited", limits, v), to, NULL);
}

/* A scale that is only known at run time. */
static bool give_dynamic(struct ox_build *b, struct value *x)
{
    struct value *scale = ncc_onnx_in(b, 1), *zero = ncc_onnx_cast(b, ncc_onnx_in(b, 2), DT_F32, "zero");
    int low, high;
    enum dtype dtype;
    if (!ncc_onnx_is_code_type(code_type(b, 2), &low, &high) || !ncc_onnx_dtype(code_type(b, 2), &dtype) ||
        ncc_shape_count(scale->shape) != 1)
        return ncc_onnx_refuse(b, "a scale that is not constant must be one number, for 8 or 16 bits", NULL, NULL);
    const struct clip_attrs limits = {(float)low, (float)high};
    return ncc_onnx_give(b, 0, integers(b, x, scale, zero, &limits, dtype));
}

bool ncc_onnx_build_quantize(struct ox_build *b)
{
    struct value *x = ncc_onnx_cast(b, ncc_onnx_in(b, 0), DT_F32, "real"), *scale = ncc_onnx_in(b, 1);
    int axis;
    if (!x || !scale || !quant_axis(b, x, &axis))
        return false;
    const bool is_static = ncc_is_const(scale) && (!ncc_onnx_has(b, 2) || ncc_is_const(ncc_onnx_in(b, 2)));
    return is_static ? give_rounded(b, x, 1, axis) : give_dynamic(b, x);
}

bool ncc_onnx_build_dequantize(struct ox_build *b)
{
    int axis;
    return quant_axis(b, b->in[0]->v, &axis) && ncc_onnx_give_codes(b, 0, real_in(b, 0, 1, axis), NULL);
}

/* uint8 with scale and zero point from the least and greatest element of the very tensor. */
bool ncc_onnx_build_dynamic_quantize(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *zero = ncc_onnx_number(b, DT_F32, 0);
    struct reduce_attrs all = {.kind = REDUCE_MAX};
    const struct clip_attrs byte = {0, 255};
    for (int i = 0; i < x->shape.rank; i++)
        all.axes.v[all.axes.n++] = i;
    struct value *high = OX_OP(b, OP_maximum, "high", NULL, OX_OP(b, OP_reduce, "top", &all, x), zero);
    all.kind = REDUCE_MIN;
    struct value *low = OX_OP(b, OP_minimum, "low", NULL, OX_OP(b, OP_reduce, "bottom", &all, x), zero);
    struct value *scale =
        OX_OP(b, OP_div, "scale", NULL, OX_OP(b, OP_sub, "range", NULL, high, low), ncc_onnx_number(b, DT_F32, 255));
    struct value *point = OX_OP(b, OP_div, "steps", NULL, OX_OP(b, OP_sub, "negative", NULL, zero, low), scale);
    point = OX_OP(b, OP_round, "zero_point", NULL, OX_OP(b, OP_clip, "inside", &byte, point));
    return ncc_onnx_give(b, 0, integers(b, x, scale, point, &byte, DT_U8)) && ncc_onnx_give(b, 1, scale) &&
           ncc_onnx_give(b, 2, ncc_onnx_cast(b, point, DT_U8, "zero"));
}

/* ---- layers on codes ---- */

/* The bias counts products: its scale is that of the input times that of the weights. */
static struct value *real_bias(struct ox_build *b, int k)
{
    struct value *scale = OX_OP(b, OP_mul, "product", NULL, as_floats(b, 1, "scale"), as_floats(b, 4, "scale"));
    return scale ? OX_OP(b, OP_mul, "bias", NULL, ncc_onnx_cast(b, b->in[k]->v, DT_F32, "bias"), scale) : NULL;
}

/* x, scale, zero, w, scale, zero, scale and zero of the result, bias */
bool ncc_onnx_build_q_conv(struct ox_build *b)
{
    struct value *x = real_in(b, 0, 1, 1), *w = real_in(b, 3, 4, 0), *bias = NULL;
    if (ncc_onnx_has(b, 8) && !(bias = real_bias(b, 8)))
        return false;
    return x && w && give_rounded(b, ncc_onnx_convolve(b, x, w, bias), 6, 1);
}

/* Scales of matrices are per row of the left one and per column of the right one. */
bool ncc_onnx_build_q_matmul(struct ox_build *b)
{
    struct value *x = real_in(b, 0, 1, b->in[0]->v->shape.rank - 2);
    struct value *w = real_in(b, 3, 4, b->in[3]->v->shape.rank - 1);
    return x && w && give_rounded(b, ncc_onnx_multiply(b, x, w), 6, 0);
}

/* Input k less its zero point, as real numbers. */
static struct value *centred(struct ox_build *b, int k, int zero, int axis)
{
    struct value *v = ncc_onnx_cast(b, ncc_onnx_in(b, k), DT_F32, "real");
    if (!v || !ncc_onnx_has(b, zero))
        return v;
    struct value *z = ncc_onnx_cast(b, ncc_onnx_in(b, zero), DT_F32, "zero");
    if (z && z->shape.rank == 1 && z->shape.dim[0] > 1 && axis >= 0)
        z = along_axis(b, z, axis, v->shape.rank, "zeros");
    return z ? OX_OP(b, OP_sub, "centred", NULL, v, z) : NULL;
}

bool ncc_onnx_build_conv_integer(struct ox_build *b)
{
    struct value *x = centred(b, 0, 2, 1), *w = centred(b, 1, 3, 0);
    return ncc_onnx_give(b, 0, ncc_onnx_cast(b, ncc_onnx_convolve(b, x, w, NULL), DT_I32, "sums"));
}

bool ncc_onnx_build_matmul_integer(struct ox_build *b)
{
    struct value *x = centred(b, 0, 2, ncc_onnx_in(b, 0)->shape.rank - 2);
    struct value *w = centred(b, 1, 3, ncc_onnx_in(b, 1)->shape.rank - 1);
    return ncc_onnx_give(b, 0, ncc_onnx_cast(b, ncc_onnx_multiply(b, x, w), DT_I32, "sums"));
}

/* ---- com.microsoft: the rest of what its quantiser makes ---- */

/* a, scale, zero, b, scale, zero, scale and zero of the result */
bool ncc_onnx_build_q_binary(struct ox_build *b)
{
    struct value *x = real_in(b, 0, 1, 0), *y = real_in(b, 3, 4, 0);
    return x && y && give_rounded(b, OX_OP(b, (enum op)b->row->detail, NULL, NULL, x, y), 6, 0);
}

/* x, scale, zero, scale and zero of the result */
bool ncc_onnx_build_q_unary(struct ox_build *b)
{
    const struct leaky_relu_attrs leaky = {ncc_onnx_float(b, "alpha", 0.01f)};
    const void *attrs = b->row->detail == OP_leaky_relu ? &leaky : NULL;
    struct value *x = real_in(b, 0, 1, 0);
    return x && give_rounded(b, OX_OP(b, (enum op)b->row->detail, NULL, attrs, x), 3, 0);
}

/* x, scale, zero, w, scale, zero, bias, scale and zero of the result, which is real without them */
bool ncc_onnx_build_q_gemm(struct ox_build *b)
{
    static const struct ints turn = {2, {1, 0}};
    const bool turn_x = ncc_onnx_int(b, "transA", 0) != 0, turn_w = ncc_onnx_int(b, "transB", 0) != 0;
    const float alpha = ncc_onnx_float(b, "alpha", 1);
    if (b->in[0]->v->shape.rank != 2 || b->in[3]->v->shape.rank != 2)
        return ncc_onnx_refuse(b, "both operands must be matrices", NULL, "%d and %d dimensions",
                               b->in[0]->v->shape.rank, b->in[3]->v->shape.rank);
    struct value *x = real_in(b, 0, 1, turn_x), *w = real_in(b, 3, 4, !turn_w), *bias = NULL;
    if (turn_x)
        x = ncc_onnx_transpose(b, x, turn, "turned_x");
    if (turn_w)
        w = ncc_onnx_transpose(b, w, turn, "turned_w");
    if (ncc_onnx_has(b, 6) && !(bias = real_bias(b, 6)))
        return false;
    struct value *y = ncc_onnx_multiply(b, x, w);
    if (y && bias)
        y = OX_OP(b, OP_add, "biased", NULL, y, bias);
    if (y && alpha != 1)
        y = OX_OP(b, OP_mul, "alpha", NULL, y, ncc_onnx_number(b, DT_F32, (double)alpha));
    return ncc_onnx_has(b, 7) ? give_rounded(b, y, 7, 0) : ncc_onnx_give_codes(b, 0, y, NULL);
}

/* x, scale, zero, scale and zero of the result. The version of the standard's softmax is an attribute. */
bool ncc_onnx_build_q_softmax(struct ox_build *b)
{
    struct value *x = real_in(b, 0, 1, 0);
    struct softmax_attrs attrs = {.beta = 1};
    if (!x || !ncc_onnx_axis(b, ncc_onnx_int(b, "axis", -1), x->shape.rank, &attrs.axis))
        return false;
    for (int i = attrs.axis + 1; i < x->shape.rank && ncc_onnx_int(b, "opset", 13) < 13; i++)
        if (x->shape.dim[i] != 1)
            return ncc_onnx_refuse(b, "a quantised softmax must be along the last axis", NULL, "axis %d of %d",
                                   attrs.axis, x->shape.rank);
    return give_rounded(b, OX_OP(b, OP_softmax, NULL, &attrs, x), 3, 0);
}

static bool is_channels_last(struct ox_build *b)
{
    return ncc_onnx_int(b, "channels_last", 0) != 0 &&
           !ncc_onnx_refuse(b, "pools must have their channels first", "export the model without channels_last", NULL);
}

bool ncc_onnx_build_q_average_pool(struct ox_build *b)
{
    return !is_channels_last(b) && give_rounded(b, ncc_onnx_average_pool(b, real_in(b, 0, 1, 0)), 3, 0);
}

bool ncc_onnx_build_q_global_average_pool(struct ox_build *b)
{
    return !is_channels_last(b) && give_rounded(b, ncc_onnx_global_pool(b, real_in(b, 0, 1, 0), REDUCE_MEAN), 3, 0);
}

/* scale and zero of the result, then x, scale, zero for each part */
bool ncc_onnx_build_q_concat(struct ox_build *b)
{
    const int n = (b->n_in - 2) / 3;
    struct value **in = NCC_NEW(b->m->arena, struct value *, n + 1);
    struct concat_attrs attrs;
    if (b->n_in % 3 != 2 || n < 1)
        return ncc_onnx_refuse(b, "each part must have a scale and a zero point", NULL, "%d inputs", b->n_in);
    for (int i = 0; i < n; i++)
        if (!(in[i] = real_in(b, 2 + 3 * i, 3 + 3 * i, 0)))
            return false;
    return ncc_onnx_axis(b, ncc_onnx_int(b, "axis", 0), in[0]->shape.rank, &attrs.axis) &&
           give_rounded(b, n == 1 ? in[0] : ncc_onnx_op(b, OP_concat, NULL, &attrs, in, n), 0, 0);
}
