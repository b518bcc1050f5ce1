/* CPU kernels of kmodel v3: one function per operator fills the body that doc/kmodel.md A.2 draws. */
#include "compiler/emit/writing_v3.h"

#include <math.h>
#include <string.h>

#define ON_MAIN NCC_KM3_MAIN_OUT

static uint32_t n_of(const struct value *v)
{
    return (uint32_t)ncc_shape_count(v->shape);
}

static uint32_t from(struct writing_v3 *w, const struct node *n)
{
    return ncc_emit_v3_place(w, n, n->in[0]);
}

static uint32_t to(struct writing_v3 *w, const struct node *n)
{
    return ncc_emit_v3_place(w, n, n->out[0]);
}

/* A map of any rank: what stands before the last two dimensions counts as channels. */
static struct ncc_km3_map map_of(const struct value *v)
{
    const struct shape *s = &v->shape;
    const uint32_t w = s->rank > 0 ? (uint32_t)s->dim[s->rank - 1] : 1,
                   h = s->rank > 1 ? (uint32_t)s->dim[s->rank - 2] : 1;
    return (struct ncc_km3_map){w, h, w && h ? n_of(v) / (w * h) : 0};
}

/* ---- codes and numbers: real = code * scale + bias ---- */

static void emit_quantize(struct writing_v3 *w, const struct node *n)
{
    const struct quant *q = &n->out[0]->quant;
    if (q->n_channels != 1) {
        ncc_emit_v3_refuse(w, n, "kmodel v3 quantises with one scale per tensor");
        return;
    }
    const struct ncc_km3_quantize b = {ON_MAIN,         from(w, n),         to(w, n),
                                       n_of(n->out[0]), (float)q->scale[0], (float)(-q->zero_point[0] * q->scale[0])};
    V3_EMIT(w, quantize, b, NULL, 0, NULL, 0);
}

static void emit_dequantize(struct writing_v3 *w, const struct node *n)
{
    const struct quant *q = &n->in[0]->quant;
    const uint32_t count = n_of(n->out[0]), channels = (uint32_t)q->n_channels;
    if (channels == 1) {
        const struct ncc_km3_dequantize b = {ON_MAIN, from(w, n),         to(w, n),
                                             count,   (float)q->scale[0], (float)(-q->zero_point[0] * q->scale[0])};
        V3_EMIT(w, dequantize, b, NULL, 0, NULL, 0);
        return;
    }
    struct ncc_km3_scale *scale = NCC_NEW(w->arena, struct ncc_km3_scale, channels);
    for (uint32_t c = 0; c < channels; c++)
        scale[c] = (struct ncc_km3_scale){(float)q->scale[c], (float)(-q->zero_point[c] * q->scale[c])};
    const struct ncc_km3_channelwise_dequantize b = {ON_MAIN, from(w, n), to(w, n), channels, count / channels};
    V3_EMIT(w, channelwise_dequantize, b, scale, channels * sizeof *scale, NULL, 0);
}

static void emit_lookup(struct writing_v3 *w, const struct node *n)
{
    struct ncc_km3_requantize b = {ON_MAIN, from(w, n), to(w, n), n_of(n->out[0]), {0}};
    memcpy(b.table, n->in[1]->data, sizeof b.table);
    V3_EMIT(w, requantize, b, NULL, 0, NULL, 0);
}

/* ---- arithmetic ---- */

static void emit_add(struct writing_v3 *w, const struct node *n)
{
    if (n->out[0]->dtype != DT_F32 || !ncc_shape_equal(n->in[0]->shape, n->in[1]->shape)) {
        ncc_emit_v3_refuse(w, n, "kmodel v3 adds tensors of equal shapes only");
        return;
    }
    const struct ncc_km3_add b = {ON_MAIN, from(w, n), ncc_emit_v3_place(w, n, n->in[1]), to(w, n), n_of(n->out[0])};
    V3_EMIT(w, add, b, NULL, 0, NULL, 0);
}

/* The activation that can ride along, or -1 for none that the format has. */
static int activation(const struct graph *g, const struct node *n)
{
    struct ncc_km_clamp act;
    if (!ncc_emit_fused_clamp(g, n, &act))
        return NCC_KM3_LINEAR;
    if (act.min != 0)
        return -1;
    return act.max == 6 ? NCC_KM3_RELU6 : act.max >= 3e38f ? NCC_KM3_RELU : -1;
}

static void emit_matmul(struct writing_v3 *w, const struct node *n)
{
    const struct value *weights = n->in[1];
    const int act = activation(w->g, n);
    if (weights->shape.rank != 2 || !weights->data || n_of(n->in[0]) != (uint32_t)weights->shape.dim[0]) {
        ncc_emit_v3_refuse(w, n, "kmodel v3 multiplies one row by a constant matrix only");
        return;
    }
    const uint32_t in_c = (uint32_t)weights->shape.dim[0], out_c = (uint32_t)weights->shape.dim[1];
    float *rows = NCC_NEW(w->arena, float, (size_t)in_c *out_c);
    for (uint32_t o = 0; o < out_c; o++)
        for (uint32_t i = 0; i < in_c; i++)
            rows[(size_t)o * in_c + i] = ((const float *)weights->data)[(size_t)i * out_c + o];
    const bool has_bias = n->n_in > 2 && n->in[2];
    const float *bias = has_bias ? n->in[2]->data : NCC_NEW(w->arena, float, out_c);
    const struct ncc_km3_fully_connected b = {ON_MAIN, from(w, n), to(w, n),
                                              in_c,    out_c,      act < 0 ? NCC_KM3_LINEAR : (uint32_t)act};
    V3_EMIT(w, fully_connected, b, rows, (size_t)in_c * out_c * sizeof *rows, bias, out_c * sizeof *bias);
}

static void emit_softmax(struct writing_v3 *w, const struct node *n)
{
    const struct softmax_attrs *a = n->attrs;
    const struct shape *s = &n->in[0]->shape;
    if (n_of(n->in[0]) != (uint32_t)s->dim[a->axis] || a->beta != 1) {
        ncc_emit_v3_refuse(w, n, "kmodel v3 has softmax of one row, with beta 1");
        return;
    }
    const struct ncc_km3_softmax b = {ON_MAIN, from(w, n), to(w, n), n_of(n->in[0])};
    V3_EMIT(w, softmax, b, NULL, 0, NULL, 0);
}

static void emit_sigmoid(struct writing_v3 *w, const struct node *n)
{
    const struct ncc_km3_logistic b = {ON_MAIN, from(w, n), to(w, n), n_of(n->in[0])};
    V3_EMIT(w, logistic, b, NULL, 0, NULL, 0);
}

/* ---- means ---- */

/* A mean over the last dimensions. */
static void emit_reduce(struct writing_v3 *w, const struct node *n)
{
    const struct reduce_attrs *a = n->attrs;
    const struct shape *s = &n->in[0]->shape;
    uint32_t size = 1;
    bool last = a->kind == REDUCE_MEAN;
    for (int i = 0; i < a->axes.n; i++) {
        size *= (uint32_t)s->dim[a->axes.v[i]];
        last = last && a->axes.v[i] == s->rank - a->axes.n + i;
    }
    if (!last) {
        ncc_emit_v3_refuse(w, n, "kmodel v3 has means over the last dimensions, and no other reduction");
        return;
    }
    const struct ncc_km3_global_average_pool2d b = {ON_MAIN, from(w, n), to(w, n), size, n_of(n->in[0]) / size};
    V3_EMIT(w, global_average_pool2d, b, NULL, 0, NULL, 0);
}

static void emit_avg_pool(struct writing_v3 *w, const struct node *n)
{
    const struct pool_attrs *a = n->attrs;
    const struct ncc_km3_average_pool2d b = {
        ON_MAIN,
        from(w, n),
        to(w, n),
        map_of(n->in[0]),
        map_of(n->out[0]),
        (uint32_t)a->kernel_w,
        (uint32_t)a->kernel_h,
        (uint32_t)a->stride_w,
        (uint32_t)a->stride_h,
        (uint32_t)a->pad_left,
        (uint32_t)a->pad_top,
        NCC_KM3_LINEAR,
    };
    V3_EMIT(w, average_pool2d, b, NULL, 0, NULL, 0);
}

static void emit_max_pool(struct writing_v3 *w, const struct node *n)
{
    const struct pool_attrs *a = n->attrs;
    if (n->out[0]->dtype != DT_U8) {
        ncc_emit_v3_refuse(w, n, "kmodel v3 has max pools of codes only");
        return;
    }
    const struct ncc_km3_quantized_max_pool2d b = {
        ON_MAIN,
        from(w, n),
        to(w, n),
        map_of(n->in[0]),
        map_of(n->out[0]),
        (uint32_t)a->kernel_w,
        (uint32_t)a->kernel_h,
        (uint32_t)a->stride_w,
        (uint32_t)a->stride_h,
        (uint32_t)a->pad_left,
        (uint32_t)a->pad_top,
    };
    V3_EMIT(w, quantized_max_pool2d, b, NULL, 0, NULL, 0);
}

/* ---- moving: pools of one pixel pick pixels ---- */

/* Where and how densely pixels are taken. */
struct picking {
    uint32_t first; /* element of the input that becomes the first of the output */
    uint32_t stride_h, stride_w, pad_top, pad_left;
};

static void emit_pick(struct writing_v3 *w, const struct node *n, struct picking p)
{
    const struct ncc_km3_map in = map_of(n->in[0]), out = map_of(n->out[0]);
    if (n->out[0]->dtype == DT_U8) {
        const struct ncc_km3_quantized_max_pool2d b = {
            ON_MAIN, from(w, n) + p.first, to(w, n), in, out, 1, 1, p.stride_w, p.stride_h, p.pad_left, p.pad_top};
        V3_EMIT(w, quantized_max_pool2d, b, NULL, 0, NULL, 0);
    } else {
        const struct ncc_km3_average_pool2d b = {ON_MAIN,    from(w, n) + p.first * (uint32_t)sizeof(float),
                                                 to(w, n),   in,
                                                 out,        1,
                                                 1,          p.stride_w,
                                                 p.stride_h, p.pad_left,
                                                 p.pad_top,  NCC_KM3_LINEAR};
        V3_EMIT(w, average_pool2d, b, NULL, 0, NULL, 0);
    }
}

static void emit_slice(struct writing_v3 *w, const struct node *n)
{
    const struct slice_attrs *a = n->attrs;
    const struct shape *s = &n->in[0]->shape;
    const int rank = s->rank;
    bool whole = rank >= 1;
    for (int i = 0; i < rank; i++)
        whole = whole && a->stride.v[i] >= 1 &&
                (i >= rank - 2 || (a->begin.v[i] == 0 && a->size.v[i] == s->dim[i] && a->stride.v[i] == 1));
    if (!whole) {
        ncc_emit_v3_refuse(w, n, "kmodel v3 cuts rows and columns out of maps, and nothing else");
        return;
    }
    const struct ncc_km3_map in = map_of(n->in[0]);
    const int y = rank > 1 ? a->begin.v[rank - 2] : 0, x = a->begin.v[rank - 1];
    const struct picking p = {.first = (uint32_t)y * in.w + (uint32_t)x,
                              .stride_h = rank > 1 ? (uint32_t)a->stride.v[rank - 2] : 1,
                              .stride_w = (uint32_t)a->stride.v[rank - 1]};
    if (n->out[0]->dtype == DT_U8 && in.w == 4 && in.h == 4 && n_of(n->out[0]) == in.c) {
        const struct ncc_km3_k210_remove_padding b = {ON_MAIN, from(w, n) + p.first, to(w, n), in.c};
        V3_EMIT(w, k210_remove_padding, b, NULL, 0, NULL, 0);
    } else {
        emit_pick(w, n, p);
    }
}

/* Beyond the edge a pool of codes sees code 0. */
static void emit_pad(struct writing_v3 *w, const struct node *n)
{
    const struct pad_attrs *a = n->attrs;
    const struct quant *q = &n->out[0]->quant;
    const int rank = a->before.n;
    const bool codes = n->out[0]->dtype == DT_U8 && q->n_channels == 1 && a->mode == PAD_CONSTANT &&
                       rint((double)a->value / q->scale[0] + q->zero_point[0]) <= 0;
    bool maps = rank >= 2;
    for (int i = 0; i < rank; i++)
        maps =
            maps && a->before.v[i] >= 0 && a->after.v[i] >= 0 && (i >= rank - 2 || (!a->before.v[i] && !a->after.v[i]));
    if (!codes || !maps)
        ncc_emit_v3_refuse(w, n, "kmodel v3 pads rows and columns of codes with code 0, and nothing else");
    else
        emit_pick(w, n,
                  (struct picking){.stride_h = 1,
                                   .stride_w = 1,
                                   .pad_top = (uint32_t)a->before.v[rank - 2],
                                   .pad_left = (uint32_t)a->before.v[rank - 1]});
}

/* The leading axes go behind the others, as from c, h, w to h, w, c. Axes of one element do not count. */
static bool is_rotation(const struct node *n, uint32_t *rows)
{
    const struct transpose_attrs *a = n->attrs;
    const struct shape *s = &n->in[0]->shape;
    int order[NCC_MAX_RANK], count = 0, turns = 0;
    for (int i = 0; i < a->perm.n; i++)
        if (s->dim[a->perm.v[i]] != 1)
            order[count++] = a->perm.v[i];
    for (int i = 1; i < count; i++)
        turns += order[i] < order[i - 1];
    *rows = 1;
    if (turns == 0)
        return true;
    for (int i = 0; i < count && turns == 1; i++)
        if (order[i] <= order[count - 1])
            *rows *= (uint32_t)s->dim[order[i]];
    return turns == 1 && order[count - 1] < order[0];
}

static void emit_transpose(struct writing_v3 *w, const struct node *n)
{
    uint32_t rows;
    if (n->out[0]->dtype != DT_F32 || !is_rotation(n, &rows)) {
        ncc_emit_v3_refuse(w, n, "kmodel v3 turns c, h, w of floats into h, w, c, and nothing else");
        return;
    }
    const struct ncc_km3_tensorflow_flatten b = {ON_MAIN, from(w, n), to(w, n), {n_of(n->in[0]) / rows, 1, rows}};
    V3_EMIT(w, tensorflow_flatten, b, NULL, 0, NULL, 0);
}

static void emit_concat(struct writing_v3 *w, const struct node *n)
{
    const struct concat_attrs *a = n->attrs;
    const uint32_t element_size = (uint32_t)ncc_dtype_size(n->out[0]->dtype);
    struct ncc_km3_part *part = NCC_NEW(w->arena, struct ncc_km3_part, n->n_in);
    for (int i = 0; i < a->axis; i++)
        if (n->out[0]->shape.dim[i] != 1) {
            ncc_emit_v3_refuse(w, n, "kmodel v3 concatenates along the first dimension that is not 1 only");
            return;
        }
    for (int i = 0; i < n->n_in; i++)
        part[i] = (struct ncc_km3_part){ncc_emit_v3_place(w, n, n->in[i]), n_of(n->in[i]) * element_size};
    const struct ncc_km3_concat b = {ON_MAIN, to(w, n), (uint32_t)n->n_in};
    const uint32_t type = n->out[0]->dtype == DT_U8 ? NCC_KM3_quantized_concat : NCC_KM3_concat;
    ncc_emit_v3_layer(w, type, &b, sizeof b, part, (size_t)n->n_in * sizeof *part, NULL, 0);
}

static void emit_resize(struct writing_v3 *w, const struct node *n)
{
    const struct resize_attrs *a = n->attrs;
    if (a->mode != RESIZE_NEAREST || a->half_pixel || a->align_corners) {
        ncc_emit_v3_refuse(w, n, "kmodel v3 resizes to the nearest, without half pixels or aligned corners");
        return;
    }
    const struct ncc_km3_resize_nearest_neighbor b = {
        ON_MAIN, from(w, n), to(w, n), map_of(n->in[0]), (uint32_t)a->out_w, (uint32_t)a->out_h, 0};
    const uint32_t type =
        n->out[0]->dtype == DT_U8 ? NCC_KM3_quantized_resize_nearest_neighbor : NCC_KM3_resize_nearest_neighbor;
    ncc_emit_v3_layer(w, type, &b, sizeof b, NULL, 0, NULL, 0);
}

/* ---- the table ---- */

typedef void emit_fn(struct writing_v3 *w, const struct node *n);

static emit_fn *method_of(const struct node *n)
{
    static emit_fn *const methods[N_OPS] = {
        [OP_quantize] = emit_quantize,   [OP_dequantize] = emit_dequantize,
        [OP_lookup] = emit_lookup,       [OP_add] = emit_add,
        [OP_matmul] = emit_matmul,       [OP_softmax] = emit_softmax,
        [OP_sigmoid] = emit_sigmoid,     [OP_max_pool] = emit_max_pool,
        [OP_reduce] = emit_reduce,       [OP_avg_pool] = emit_avg_pool,
        [OP_slice] = emit_slice,         [OP_pad] = emit_pad,
        [OP_transpose] = emit_transpose, [OP_concat] = emit_concat,
        [OP_resize] = emit_resize,
    };
    return methods[n->op];
}

/* A clamp that the matrix product before it does on the way. */
static bool is_fused(const struct graph *g, const struct node *n)
{
    struct ncc_km_clamp ignored;
    const struct node *def = n->in[0] ? n->in[0]->def : NULL;
    return def && def->op == OP_matmul && ncc_emit_fused_clamp(g, def, &ignored) == n && activation(g, def) >= 0;
}

void ncc_emit_v3_cpu(struct writing_v3 *w, const struct node *n)
{
    emit_fn *emit = method_of(n);
    if (is_fused(w->g, n))
        return;
    if (emit)
        emit(w, n);
    else
        ncc_emit_v3_refuse(w, n, "kmodel v3 has no kernel for this operator on the CPU");
}
