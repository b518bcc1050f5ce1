/* CPU kernels: one function per operator fills the body that doc/kmodel.md B.2 draws. */
#include "compiler/emit/emit_cpu.h"

#include <float.h>
#include <math.h>
#include <string.h>

static size_t byte_size(const struct value *v)
{
    return (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype);
}

/* ---- weights ---- */

static const float *bias_or_zeros(struct writing *w, const struct node *n, int count)
{
    return n->n_in > 2 && n->in[2] ? n->in[2]->data : NCC_NEW(w->arena, float, count);
}

static bool constant_weights(struct writing *w, const struct node *n)
{
    if (n->in[1]->data && (n->n_in < 3 || !n->in[2] || n->in[2]->data))
        return true;
    ncc_emit_refuse(w, n, "weights and bias must be constant");
    return false;
}

static struct ncc_km_window conv_window(const struct conv2d_attrs *a, const struct shape *weights)
{
    return (struct ncc_km_window){{a->pad_top, a->pad_bottom},
                                  {a->pad_left, a->pad_right},
                                  weights->dim[2],
                                  weights->dim[3],
                                  a->stride_h,
                                  a->stride_w,
                                  a->dil_h,
                                  a->dil_w};
}

static void emit_conv2d(struct writing *w, const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    struct ncc_km_conv2d b = {.in = ncc_emit_range(w, n->in[0]),
                              .out = ncc_emit_range(w, n->out[0]),
                              .groups = a->groups,
                              .out_channels = n->out[0]->shape.dim[1],
                              .window = conv_window(a, &n->in[1]->shape)};
    ncc_emit_fused_clamp(w->g, n, &b.act);
    if (constant_weights(w, n) && ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        EMIT(w, conv2d, b, n->in[1]->data, byte_size(n->in[1]), bias_or_zeros(w, n, b.out_channels),
             (size_t)b.out_channels * sizeof(float));
}

static void emit_q_conv2d(struct writing *w, const struct node *n)
{
    const struct q_conv2d_attrs *a = n->attrs;
    const struct conv2d_attrs c = {a->stride_h,  a->stride_w, a->pad_top, a->pad_left, a->pad_bottom,
                                   a->pad_right, a->dil_h,    a->dil_w,   a->groups};
    struct ncc_km_quantized_conv2d b = {.in = ncc_emit_range(w, n->in[0]),
                                        .out = ncc_emit_range(w, n->out[0]),
                                        .groups = a->groups,
                                        .out_channels = n->out[0]->shape.dim[1],
                                        .window = conv_window(&c, &n->in[1]->shape),
                                        .in_offset = a->x_offset,
                                        .filter_offset = a->w_offset,
                                        .out_mul = a->out_mul,
                                        .out_shift = a->out_shift,
                                        .out_offset = a->out_offset};
    if (ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        EMIT(w, quantized_conv2d, b, n->in[2]->data, byte_size(n->in[2]), n->in[1]->data, byte_size(n->in[1]));
}

/* Ours are [in_c][out_c / g][kh][kw], the file's [g][out_c / g][in_c / g][kh][kw]. */
static float *swap_channels(struct writing *w, const struct shape *s, int groups, const float *from)
{
    const int in_g = s->dim[0] / groups, out_g = s->dim[1];
    const size_t taps = (size_t)s->dim[2] * s->dim[3];
    float *to = NCC_NEW(w->arena, float, (size_t)s->dim[0] * out_g * taps);
    for (int g = 0; g < groups; g++)
        for (int i = 0; i < in_g; i++)
            for (int o = 0; o < out_g; o++)
                memcpy(to + ((size_t)(g * out_g + o) * in_g + i) * taps,
                       from + ((size_t)(g * in_g + i) * out_g + o) * taps, taps * sizeof *to);
    return to;
}

/* The pad behind the output, less what the output is padded itself: the window slides over it as often as the input is
 * large. */
static int pad_behind(int pad, int out_pad)
{
    return pad > out_pad ? pad - out_pad : 0;
}

static bool reaches_all(struct writing *w, const struct node *n)
{
    const struct conv2d_transpose_attrs *a = n->attrs;
    if (a->out_pad_h - a->pad_bottom < a->stride_h && a->out_pad_w - a->pad_right < a->stride_w)
        return true;
    ncc_emit_refuse(w, n, "the output padding of a transposed convolution must be smaller than its stride");
    return false;
}

static void emit_conv2d_transpose(struct writing *w, const struct node *n)
{
    const struct conv2d_transpose_attrs *a = n->attrs;
    const struct shape *s = &n->in[1]->shape;
    if (!constant_weights(w, n) || !reaches_all(w, n))
        return;
    struct ncc_km_conv2d_transpose b = {.in = ncc_emit_range(w, n->in[0]),
                                        .out = ncc_emit_range(w, n->out[0]),
                                        .groups = a->groups,
                                        .window = {{a->pad_top, pad_behind(a->pad_bottom, a->out_pad_h)},
                                                   {a->pad_left, pad_behind(a->pad_right, a->out_pad_w)},
                                                   s->dim[2],
                                                   s->dim[3],
                                                   a->stride_h,
                                                   a->stride_w,
                                                   a->dil_h,
                                                   a->dil_w},
                                        .act = {-FLT_MAX, FLT_MAX}};
    const int out_c = n->out[0]->shape.dim[1];
    if (ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape) && ncc_emit_shape(w, n, n->out[0]->shape, b.out_shape))
        EMIT(w, conv2d_transpose, b, swap_channels(w, s, a->groups, n->in[1]->data), byte_size(n->in[1]),
             NCC_NEW(w->arena, float, out_c), (size_t)out_c * sizeof(float));
}

static int rows_of(const struct node *n)
{
    const struct shape *a = &n->in[0]->shape;
    return (int)(ncc_shape_count(*a) / a->dim[a->rank - 1]);
}

static void emit_matmul(struct writing *w, const struct node *n)
{
    if (n->in[1]->shape.rank != 2) {
        ncc_emit_refuse(w, n, "the right operand of a matrix product must have two dimensions");
        return;
    }
    struct ncc_km_matmul b = {.a = ncc_emit_range(w, n->in[0]),
                              .b = ncc_emit_range(w, n->in[1]),
                              .out = ncc_emit_range(w, n->out[0]),
                              .a_rows = rows_of(n),
                              .a_cols = n->in[1]->shape.dim[0],
                              .b_cols = n->in[1]->shape.dim[1]};
    ncc_emit_fused_clamp(w->g, n, &b.act);
    EMIT(w, matmul, b, bias_or_zeros(w, n, b.b_cols), (size_t)b.b_cols * sizeof(float), NULL, 0);
}

static void emit_q_matmul(struct writing *w, const struct node *n)
{
    const struct q_matmul_attrs *a = n->attrs;
    const struct ncc_km_quantized_matmul b = {.a = ncc_emit_range(w, n->in[0]),
                                              .b = ncc_emit_range(w, n->in[1]),
                                              .out = ncc_emit_range(w, n->out[0]),
                                              .a_rows = rows_of(n),
                                              .a_cols = n->in[1]->shape.dim[0],
                                              .b_cols = n->in[1]->shape.dim[1],
                                              .a_offset = a->a_offset,
                                              .b_offset = a->b_offset,
                                              .out_mul = a->out_mul,
                                              .out_shift = a->out_shift,
                                              .out_offset = a->out_offset};
    EMIT(w, quantized_matmul, b, n->in[2]->data, byte_size(n->in[2]), NULL, 0);
}

/* ---- windows and reductions ---- */

static void emit_pool(struct writing *w, const struct node *n)
{
    const struct pool_attrs *a = n->attrs;
    const bool max = n->op == OP_max_pool;
    struct ncc_km_reduce_window2d b = {.in = ncc_emit_range(w, n->in[0]),
                                       .out = ncc_emit_range(w, n->out[0]),
                                       .op = max ? NCC_KM_REDUCE_MAX : NCC_KM_REDUCE_MEAN,
                                       .window = {{a->pad_top, a->pad_bottom},
                                                  {a->pad_left, a->pad_right},
                                                  a->kernel_h,
                                                  a->kernel_w,
                                                  a->stride_h,
                                                  a->stride_w,
                                                  1,
                                                  1},
                                       .init = max ? -FLT_MAX : 0};
    ncc_emit_fused_clamp(w->g, n, &b.act);
    if (ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        EMIT(w, reduce_window2d, b, NULL, 0, NULL, 0);
}

static void emit_reduce(struct writing *w, const struct node *n)
{
    const struct reduce_attrs *a = n->attrs;
    static const struct {
        uint32_t op;
        float init;
    } kinds[] = {
        [REDUCE_MEAN] = {NCC_KM_REDUCE_MEAN, 0},
        [REDUCE_SUM] = {NCC_KM_REDUCE_SUM, 0},
        [REDUCE_MAX] = {NCC_KM_REDUCE_MAX, -FLT_MAX},
        [REDUCE_MIN] = {NCC_KM_REDUCE_MIN, FLT_MAX},
    };
    if (a->kind == REDUCE_PROD) {
        ncc_emit_refuse(w, n, "kmodel v4 has no product over an axis");
        return;
    }
    struct ncc_km_reduce b = {.in = ncc_emit_range(w, n->in[0]),
                              .out = ncc_emit_range(w, n->out[0]),
                              .op = kinds[a->kind].op,
                              .init = kinds[a->kind].init};
    if (!ncc_emit_shape(w, n, n->in[0]->shape, b.in_shape))
        return;
    memcpy(b.out_shape, b.in_shape, sizeof b.out_shape);
    for (int i = 0; i < a->axes.n; i++)
        b.out_shape[4 - n->in[0]->shape.rank + a->axes.v[i]] = 1;
    EMIT(w, reduce, b, NULL, 0, NULL, 0);
}

static void emit_softmax(struct writing *w, const struct node *n)
{
    const struct softmax_attrs *a = n->attrs;
    const struct shape *s = &n->in[0]->shape;
    const int row = s->dim[s->rank - 1];
    const struct ncc_km_softmax b = {.in = ncc_emit_range(w, n->in[0]),
                                     .out = ncc_emit_range(w, n->out[0]),
                                     .inner_size = row,
                                     .outer_size = (int32_t)(ncc_shape_count(*s) / row),
                                     .beta = a->beta};
    EMIT(w, softmax, b, NULL, 0, NULL, 0);
}

/* ---- element-wise ---- */

static int binary_op(enum op op)
{
    switch ((int)op) {
    case OP_add:
        return NCC_KM_BINARY_ADD;
    case OP_sub:
        return NCC_KM_BINARY_SUB;
    case OP_mul:
        return NCC_KM_BINARY_MUL;
    case OP_div:
        return NCC_KM_BINARY_DIV;
    case OP_minimum:
        return NCC_KM_BINARY_MIN;
    case OP_maximum:
        return NCC_KM_BINARY_MAX;
    default:
        return -1;
    }
}

static void emit_binary(struct writing *w, const struct node *n)
{
    struct ncc_km_binary b = {.a = ncc_emit_range(w, n->in[0]),
                              .b = ncc_emit_range(w, n->in[1]),
                              .out = ncc_emit_range(w, n->out[0]),
                              .op = (uint32_t)binary_op(n->op)};
    ncc_emit_fused_clamp(w->g, n, &b.act);
    if (ncc_emit_shape(w, n, n->in[0]->shape, b.a_shape) && ncc_emit_shape(w, n, n->in[1]->shape, b.b_shape) &&
        ncc_emit_shape(w, n, n->out[0]->shape, b.out_shape))
        EMIT(w, binary, b, NULL, 0, NULL, 0);
}

static void emit_q_binary(struct writing *w, const struct node *n)
{
    const struct q_binary_attrs *a = n->attrs;
    static const uint32_t ops[] = {
        [BIN_ADD] = NCC_KM_BINARY_ADD, [BIN_SUB] = NCC_KM_BINARY_SUB, [BIN_MUL] = NCC_KM_BINARY_MUL,
        [BIN_DIV] = NCC_KM_BINARY_DIV, [BIN_MIN] = NCC_KM_BINARY_MIN, [BIN_MAX] = NCC_KM_BINARY_MAX};
    struct ncc_km_quantized_binary b = {.a = ncc_emit_range(w, n->in[0]),
                                        .b = ncc_emit_range(w, n->in[1]),
                                        .out = ncc_emit_range(w, n->out[0]),
                                        .op = ops[a->kind],
                                        .a_offset = a->a_offset,
                                        .a_mul = a->a_mul,
                                        .a_shift = a->a_shift,
                                        .b_offset = a->b_offset,
                                        .b_mul = a->b_mul,
                                        .b_shift = a->b_shift,
                                        .out_offset = a->out_offset,
                                        .out_mul = a->out_mul,
                                        .out_shift = a->out_shift};
    if (ncc_emit_shape(w, n, n->in[0]->shape, b.a_shape) && ncc_emit_shape(w, n, n->in[1]->shape, b.b_shape) &&
        ncc_emit_shape(w, n, n->out[0]->shape, b.out_shape))
        EMIT(w, quantized_binary, b, NULL, 0, NULL, 0);
}

static int unary_op(enum op op)
{
    switch ((int)op) {
    case OP_abs:
        return NCC_KM_UNARY_ABS;
    case OP_ceil:
        return NCC_KM_UNARY_CEIL;
    case OP_cos:
        return NCC_KM_UNARY_COS;
    case OP_exp:
        return NCC_KM_UNARY_EXP;
    case OP_floor:
        return NCC_KM_UNARY_FLOOR;
    case OP_log:
        return NCC_KM_UNARY_LOG;
    case OP_neg:
        return NCC_KM_UNARY_NEG;
    case OP_rsqrt:
        return NCC_KM_UNARY_RSQRT;
    case OP_sin:
        return NCC_KM_UNARY_SIN;
    case OP_square:
        return NCC_KM_UNARY_SQUARE;
    default:
        return -1;
    }
}

static void emit_unary(struct writing *w, const struct node *n)
{
    const struct ncc_km_range in = ncc_emit_range(w, n->in[0]), out = ncc_emit_range(w, n->out[0]);
    if (unary_op(n->op) >= 0) {
        const struct ncc_km_unary b = {in, out, (uint32_t)unary_op(n->op)};
        EMIT(w, unary, b, NULL, 0, NULL, 0);
        return;
    }
    uint8_t code[NCC_EMIT_MAX_NNIL];
    const size_t size = ncc_emit_nnil(n, code);
    const struct ncc_km_nnil_unary_method b = {in, out};
    if (size)
        EMIT(w, nnil_unary_method, b, code, size, NULL, 0);
    else
        ncc_emit_refuse(w, n, "kmodel v4 has no such function");
}

static void emit_lookup(struct writing *w, const struct node *n)
{
    const struct ncc_km_table_lookup1d b = {ncc_emit_range(w, n->in[0]), ncc_emit_range(w, n->in[1]),
                                            ncc_emit_range(w, n->out[0])};
    EMIT(w, table_lookup1d, b, NULL, 0, NULL, 0);
}

/* ---- float and codes: the format's scale is in codes per unit ---- */

static void emit_quantize(struct writing *w, const struct node *n)
{
    const struct quant *q = &n->out[0]->quant;
    const struct ncc_km_quantize b = {ncc_emit_range(w, n->in[0]), ncc_emit_range(w, n->out[0]),
                                      (int32_t)lrint(q->zero_point[0]), (float)(1 / q->scale[0])};
    EMIT(w, quantize, b, NULL, 0, NULL, 0);
}

static void emit_dequantize(struct writing *w, const struct node *n)
{
    const struct quant *q = &n->in[0]->quant;
    const struct ncc_km_dequantize b = {ncc_emit_range(w, n->in[0]), ncc_emit_range(w, n->out[0]),
                                        (int32_t)lrint(q->zero_point[0]), (float)(1 / q->scale[0])};
    EMIT(w, dequantize, b, NULL, 0, NULL, 0);
}

/* ---- the table ---- */

typedef void emit_fn(struct writing *w, const struct node *n);

static emit_fn *method_of(const struct node *n)
{
    static emit_fn *const methods[N_OPS] = {
        [OP_conv2d] = emit_conv2d,
        [OP_q_conv2d] = emit_q_conv2d,
        [OP_conv2d_transpose] = emit_conv2d_transpose,
        [OP_matmul] = emit_matmul,
        [OP_q_matmul] = emit_q_matmul,
        [OP_max_pool] = emit_pool,
        [OP_avg_pool] = emit_pool,
        [OP_reduce] = emit_reduce,
        [OP_softmax] = emit_softmax,
        [OP_q_binary] = emit_q_binary,
        [OP_lookup] = emit_lookup,
        [OP_quantize] = emit_quantize,
        [OP_dequantize] = emit_dequantize,
        [OP_transpose] = ncc_emit_transpose,
        [OP_slice] = ncc_emit_slice,
        [OP_pad] = ncc_emit_pad,
        [OP_concat] = ncc_emit_concat,
        [OP_resize] = ncc_emit_resize,
    };
    if (methods[n->op])
        return methods[n->op];
    if (binary_op(n->op) >= 0)
        return emit_binary;
    return ncc_op_desc(n->op)->flags & OP_UNARY ? emit_unary : NULL;
}

void ncc_emit_cpu(struct writing *w, const struct node *n)
{
    emit_fn *emit = method_of(n);
    if (emit)
        emit(w, n);
    else
        ncc_emit_refuse(w, n, "kmodel v4 has no kernel for this operator");
}
