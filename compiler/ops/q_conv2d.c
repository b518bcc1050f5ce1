#include "compiler/ops/conv_codes.h"
#include "compiler/ops/fixed.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct q_conv2d_attrs, stride_h, ATTR_INT, 1),
    ATTR(struct q_conv2d_attrs, stride_w, ATTR_INT, 1),
    ATTR(struct q_conv2d_attrs, pad_top, ATTR_INT, 0),
    ATTR(struct q_conv2d_attrs, pad_left, ATTR_INT, 0),
    ATTR(struct q_conv2d_attrs, pad_bottom, ATTR_INT, 0),
    ATTR(struct q_conv2d_attrs, pad_right, ATTR_INT, 0),
    ATTR(struct q_conv2d_attrs, dil_h, ATTR_INT, 1),
    ATTR(struct q_conv2d_attrs, dil_w, ATTR_INT, 1),
    ATTR(struct q_conv2d_attrs, groups, ATTR_INT, 1),
    ATTR(struct q_conv2d_attrs, x_offset, ATTR_INT, 0),
    ATTR(struct q_conv2d_attrs, w_offset, ATTR_INT, 0),
    ATTR(struct q_conv2d_attrs, out_mul, ATTR_INT, 1),
    ATTR(struct q_conv2d_attrs, out_shift, ATTR_INT, 0),
    ATTR(struct q_conv2d_attrs, out_offset, ATTR_INT, 0),
    {0},
};

static bool infer(struct infer *i)
{
    const struct q_conv2d_attrs *p = i->node->attrs;
    if (!ncc_infer_need_dtype(i, 0, DT_U8) || !ncc_infer_need_dtype(i, 1, DT_U8) || !ncc_infer_need_rank(i, 0, 4) ||
        !ncc_infer_need_rank(i, 1, 4))
        return false;
    const int *x = i->in[0]->shape.dim, *w = i->in[1]->shape.dim;
    if (p->groups < 1 || w[0] < 1 || w[1] < 1 || x[1] % p->groups != 0 || w[0] % p->groups != 0 ||
        w[1] != x[1] / p->groups)
        return ncc_infer_refuse(i, "%d groups must divide the channels, and the weights must fit", p->groups);
    if (!ncc_infer_need_bias(i, 2, w[0], DT_I32))
        return false;
    const int h = ncc_infer_window_size(x[2], p->pad_top, p->pad_bottom, w[2], p->stride_h, p->dil_h);
    const int wide = ncc_infer_window_size(x[3], p->pad_left, p->pad_right, w[3], p->stride_w, p->dil_w);
    if (h < 1 || wide < 1)
        return ncc_infer_refuse(i, "the kernel must fit into the padded input, with valid strides and pads");
    i->out[0].shape = ncc_shape_4(x[0], w[0], h, wide);
    return true;
}

/* Taps [first, end) of a kernel that stay inside 0..size-1. */
static void taps_inside(int at, int dilation, int kernel, int size, int *first, int *end)
{
    *first = at >= 0 ? 0 : (-at + dilation - 1) / dilation;
    *end = at >= size ? 0 : (size - 1 - at) / dilation + 1;
    *end = *end < kernel ? *end : kernel;
}

/* Sums are kept modulo 2^32, as the chip's runtime does. */
static int32_t sum_at(const struct eval_args *a, int n, int oc, int oy, int ox)
{
    const struct q_conv2d_attrs *p = a->node->attrs;
    const int *in = a->in[0]->shape.dim, *w = a->in[1]->shape.dim;
    const int y = oy * p->stride_h - p->pad_top, x = ox * p->stride_w - p->pad_left;
    const int first_c = oc / (w[0] / p->groups) * w[1];
    int y0, y1, x0, x1;
    uint32_t sum = a->node->n_in > 2 && a->in[2] ? (uint32_t)((const int32_t *)a->in[2]->data)[oc] : 0;
    taps_inside(y, p->dil_h, w[2], in[2], &y0, &y1);
    taps_inside(x, p->dil_w, w[3], in[3], &x0, &x1);
    for (int c = 0; c < w[1]; c++) {
        const uint8_t *map = (const uint8_t *)a->in[0]->data + ((int64_t)n * in[1] + first_c + c) * in[2] * in[3];
        const uint8_t *taps = (const uint8_t *)a->in[1]->data + ((int64_t)oc * w[1] + c) * w[2] * w[3];
        for (int ky = y0; ky < y1; ky++)
            for (int kx = x0; kx < x1; kx++)
                sum += (map[(int64_t)(y + ky * p->dil_h) * in[3] + x + kx * p->dil_w] + (uint32_t)p->x_offset) *
                       (taps[ky * w[3] + kx] + (uint32_t)p->w_offset);
    }
    return (int32_t)sum;
}

static void eval(const struct eval_args *a)
{
    const struct q_conv2d_attrs *p = a->node->attrs;
    const int *out = a->out[0]->shape.dim;
    uint8_t *to = a->out[0]->data;
    for (int map = 0; map < out[0] * out[1]; map++)
        for (int y = 0; y < out[2]; y++)
            for (int x = 0; x < out[3]; x++) {
                const int32_t sum = sum_at(a, map / out[1], map % out[1], y, x);
                *to++ = ncc_fixed_code((int64_t)ncc_fixed_scale(sum, p->out_mul, p->out_shift) + p->out_offset);
            }
}

/* ---- fast ---- */

static struct convolve_codes codes_of(const struct q_conv2d_attrs *p, struct shape x, struct shape w, struct shape y)
{
    const struct convolve shape = {
        .n = 1, .in_c = x.dim[1], .in_h = x.dim[2], .in_w = x.dim[3],
        .out_c = y.dim[1], .out_h = y.dim[2], .out_w = y.dim[3],
        .kernel_h = w.dim[2], .kernel_w = w.dim[3],
        .stride_h = p->stride_h, .stride_w = p->stride_w, .dil_h = p->dil_h, .dil_w = p->dil_w,
        .top = p->pad_top, .left = p->pad_left, .groups = p->groups,
    };
    return (struct convolve_codes){shape, p->x_offset, p->w_offset};
}

static void eval_fast(const struct eval_args *a)
{
    const struct q_conv2d_attrs *p = a->node->attrs;
    const struct convolve_codes c = codes_of(p, a->in[0]->shape, a->in[1]->shape, a->out[0]->shape);
    const int *in = a->in[0]->shape.dim, *out = a->out[0]->shape.dim;
    const int64_t map = (int64_t)out[2] * out[3], n_sums = out[1] * map;
    const int32_t *bias = a->node->n_in > 2 && a->in[2] ? a->in[2]->data : NULL;
    int32_t *sum = a->scratch;
    uint8_t *to = a->out[0]->data;
    if (!ncc_convolve_codes_fits(&c)) {
        eval(a);
        return;
    }
    for (int n = 0; n < out[0]; n++) {
        const uint8_t *x = (const uint8_t *)a->in[0]->data + (int64_t)n * in[1] * in[2] * in[3];
        ncc_convolve_codes(&c, x, a->in[1]->data, sum, sum + n_sums);
        for (int64_t i = 0; i < n_sums; i++) {
            const int32_t v = (int32_t)((int64_t)sum[i] + (bias ? bias[i / map] : 0));
            *to++ = ncc_fixed_code((int64_t)ncc_fixed_scale(v, p->out_mul, p->out_shift) + p->out_offset);
        }
    }
}

static size_t scratch(const struct node *n)
{
    const struct convolve_codes c = codes_of(n->attrs, n->in[0]->shape, n->in[1]->shape, n->out[0]->shape);
    const int *out = n->out[0]->shape.dim;
    if (!ncc_convolve_codes_fits(&c))
        return 0;
    return (size_t)out[1] * (size_t)out[2] * (size_t)out[3] * sizeof(int32_t) + ncc_convolve_codes_scratch(&c);
}

static double macs(const struct node *n)
{
    const int *w = n->in[1]->shape.dim;
    return (double)ncc_shape_count(n->out[0]->shape) * w[1] * w[2] * w[3];
}

const struct op_desc ncc_op_q_conv2d = {
    .name = "q_conv2d",
    .doc = "convolution of u8 codes in fixed point (quantized_conv2d of the runtime)",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    NCC_ATTRS(q_conv2d_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_fast = eval_fast,
    .scratch = scratch,
    .macs = macs,
};
