#include "compiler/base/gemm.h"
#include "compiler/ops/on_codes.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct conv2d_transpose_attrs, stride_h, ATTR_INT, 1),
    ATTR(struct conv2d_transpose_attrs, stride_w, ATTR_INT, 1),
    ATTR(struct conv2d_transpose_attrs, pad_top, ATTR_INT, 0),
    ATTR(struct conv2d_transpose_attrs, pad_left, ATTR_INT, 0),
    ATTR(struct conv2d_transpose_attrs, pad_bottom, ATTR_INT, 0),
    ATTR(struct conv2d_transpose_attrs, pad_right, ATTR_INT, 0),
    ATTR(struct conv2d_transpose_attrs, out_pad_h, ATTR_INT, 0),
    ATTR(struct conv2d_transpose_attrs, out_pad_w, ATTR_INT, 0),
    ATTR(struct conv2d_transpose_attrs, dil_h, ATTR_INT, 1),
    ATTR(struct conv2d_transpose_attrs, dil_w, ATTR_INT, 1),
    ATTR(struct conv2d_transpose_attrs, groups, ATTR_INT, 1),
    {0},
};

/* 0 when it is not a valid size. */
static int out_size(int64_t in, int64_t before, int64_t after, int64_t out_pad, int64_t kernel, int64_t stride,
                    int64_t dilation)
{
    const int64_t most = 32767; /* what a kmodel takes */
    if (before < 0 || after < 0 || out_pad < 0 || kernel < 1 || stride < 1 || dilation < 1)
        return 0;
    if (in > most || before > most || after > most || out_pad > most || kernel > most || stride > most ||
        dilation > most)
        return 0;
    const int64_t out = (in - 1) * stride + (kernel - 1) * dilation + 1 + out_pad - before - after;
    return in < 1 || out < 1 || out > NCC_MAX_ELEMENTS ? 0 : (int)out;
}

static bool infer(struct infer *i)
{
    const struct conv2d_transpose_attrs *p = i->node->attrs;
    if (!ncc_infer_need_all_f32(i) || !ncc_infer_need_rank(i, 0, 4) || !ncc_infer_need_rank(i, 1, 4))
        return false;
    const int *x = i->in[0]->shape.dim, *w = i->in[1]->shape.dim;
    if (p->groups < 1 || x[1] < 1 || x[1] % p->groups != 0)
        return ncc_infer_refuse(i, "%d groups must divide the %d input channels", p->groups, x[1]);
    if (w[0] != x[1] || w[1] < 1 || w[1] > NCC_MAX_ELEMENTS / p->groups)
        return ncc_infer_refuse(i, "the weights must have %d input channels, not %d", x[1], w[0]);
    if (!ncc_infer_need_bias(i, 2, w[1] * p->groups, DT_F32))
        return false;
    const int h = out_size(x[2], p->pad_top, p->pad_bottom, p->out_pad_h, w[2], p->stride_h, p->dil_h);
    const int wide = out_size(x[3], p->pad_left, p->pad_right, p->out_pad_w, w[3], p->stride_w, p->dil_w);
    if (h < 1 || wide < 1)
        return ncc_infer_refuse(i, "strides, pads and dilation must leave something of the result");
    i->out[0].shape = ncc_shape_4(x[0], w[1] * p->groups, h, wide);
    return true;
}

/* Sizes of one call. Input pixel (y, x) adds to output (y * stride - pad + ky * dil, ...). */
struct geometry {
    const struct conv2d_transpose_attrs *p;
    int n, in_c, in_h, in_w, out_c, out_h, out_w, kernel_h, kernel_w;
};

static struct geometry geometry_of(const struct node *n, struct shape x, struct shape w, struct shape y)
{
    return (struct geometry){n->attrs,  x.dim[0], x.dim[1], x.dim[2], x.dim[3],
                             y.dim[1], y.dim[2], y.dim[3], w.dim[2], w.dim[3]};
}

static void start_with_bias(const struct eval_args *a, const struct geometry *s)
{
    const float *bias = a->node->n_in > 2 && a->in[2] ? a->in[2]->data : NULL;
    float *y = a->out[0]->data;
    for (int n = 0; n < s->n; n++)
        for (int c = 0; c < s->out_c; c++)
            for (int64_t k = 0; k < (int64_t)s->out_h * s->out_w; k++)
                *y++ = bias ? bias[c] : 0.0f;
}

/* Adds x * w[kernel] around one input pixel of one pair of channels. */
static void scatter(const struct geometry *s, const float *w, float x, int iy, int ix, float *y)
{
    for (int ky = 0; ky < s->kernel_h; ky++) {
        for (int kx = 0; kx < s->kernel_w; kx++) {
            const int oy = iy * s->p->stride_h - s->p->pad_top + ky * s->p->dil_h;
            const int ox = ix * s->p->stride_w - s->p->pad_left + kx * s->p->dil_w;
            if (oy >= 0 && oy < s->out_h && ox >= 0 && ox < s->out_w)
                y[(int64_t)oy * s->out_w + ox] += x * w[ky * s->kernel_w + kx];
        }
    }
}

static void eval(const struct eval_args *a)
{
    const struct geometry s = geometry_of(a->node, a->in[0]->shape, a->in[1]->shape, a->out[0]->shape);
    const int in_group = s.in_c / s.p->groups, out_group = s.out_c / s.p->groups, taps = s.kernel_h * s.kernel_w;
    const float *x = a->in[0]->data, *w = a->in[1]->data;
    start_with_bias(a, &s);
    for (int64_t map = 0; map < (int64_t)s.n * s.in_c; map++) {
        const int n = (int)(map / s.in_c), ic = (int)(map % s.in_c);
        for (int oc = 0; oc < out_group; oc++) {
            const int64_t out_map = (int64_t)n * s.out_c + ic / in_group * out_group + oc;
            float *y = (float *)a->out[0]->data + out_map * s.out_h * s.out_w;
            for (int iy = 0; iy < s.in_h; iy++)
                for (int ix = 0; ix < s.in_w; ix++)
                    scatter(&s, w + ((int64_t)ic * out_group + oc) * taps, x[(map * s.in_h + iy) * s.in_w + ix], iy, ix,
                            y);
        }
    }
}

/* ---- as a matrix product: spread[out_group * taps][pixels] = w' * x, then added where it belongs ---- */

#define BAND_ELEMENTS (1 << 18)

static int band_rows(const struct geometry *s)
{
    const int64_t row = (int64_t)(s->out_c / s->p->groups) * s->kernel_h * s->kernel_w * s->in_w;
    const int64_t rows = BAND_ELEMENTS / row;
    return rows < 1 ? 1 : rows > s->in_h ? s->in_h : (int)rows;
}

/* Weights of a group, [in_group][taps of all outputs], with rows and columns exchanged. */
static void turn(const float *w, int rows, int columns, float *to)
{
    for (int c = 0; c < columns; c++)
        for (int r = 0; r < rows; r++)
            *to++ = w[(int64_t)r * columns + c];
}

static void add_row(const struct geometry *s, const float *from, int kx, float *row)
{
    for (int ix = 0; ix < s->in_w; ix++) {
        const int ox = ix * s->p->stride_w - s->p->pad_left + kx * s->p->dil_w;
        if (ox >= 0 && ox < s->out_w)
            row[ox] += from[ix];
    }
}

static void add_band(const struct geometry *s, const float *spread, int y0, int rows, float *y)
{
    for (int oc = 0; oc < s->out_c / s->p->groups; oc++, y += (int64_t)s->out_h * s->out_w) {
        for (int ky = 0; ky < s->kernel_h; ky++) {
            for (int kx = 0; kx < s->kernel_w; kx++) {
                for (int r = 0; r < rows; r++, spread += s->in_w) {
                    const int oy = (y0 + r) * s->p->stride_h - s->p->pad_top + ky * s->p->dil_h;
                    if (oy >= 0 && oy < s->out_h)
                        add_row(s, spread, kx, y + (int64_t)oy * s->out_w);
                }
            }
        }
    }
}

static void eval_fast(const struct eval_args *a)
{
    const struct geometry s = geometry_of(a->node, a->in[0]->shape, a->in[1]->shape, a->out[0]->shape);
    const int groups = s.p->groups, in_group = s.in_c / groups, out_group = s.out_c / groups;
    const int m = out_group * s.kernel_h * s.kernel_w, pixels = s.in_h * s.in_w, rows = band_rows(&s);
    float *turned = a->scratch, *spread = turned + (int64_t)m * in_group;
    start_with_bias(a, &s);
    for (int g = 0; g < s.n * groups; g++) {
        const float *x = (const float *)a->in[0]->data + (int64_t)g * in_group * pixels;
        float *y = (float *)a->out[0]->data + (int64_t)g * out_group * s.out_h * s.out_w;
        turn((const float *)a->in[1]->data + (int64_t)(g % groups) * in_group * m, in_group, m, turned);
        for (int y0 = 0; y0 < s.in_h; y0 += rows) {
            const int n = rows < s.in_h - y0 ? rows : s.in_h - y0;
            ncc_gemm(m, n * s.in_w, in_group, turned, in_group, x + (int64_t)y0 * s.in_w, pixels, spread, n * s.in_w,
                     0);
            add_band(&s, spread, y0, n, y);
        }
    }
}

static struct geometry of_node(const struct node *n)
{
    return geometry_of(n, n->in[0]->shape, n->in[1]->shape, n->out[0]->shape);
}

static size_t scratch(const struct node *n)
{
    const struct geometry s = of_node(n);
    const size_t m = (size_t)(s.out_c / s.p->groups) * (size_t)s.kernel_h * (size_t)s.kernel_w;
    return m * sizeof(float) * ((size_t)(s.in_c / s.p->groups) + (size_t)band_rows(&s) * (size_t)s.in_w);
}

/* ---- on codes: steps of x, steps of w, sums in 64 bits ---- */

struct sums {
    int64_t *sum; /* [out_c][out_h][out_w] */
    int32_t *x, *w;
};

static int64_t n_sums(const struct geometry *s)
{
    return (int64_t)s->out_c * s->out_h * s->out_w;
}

static int64_t n_weights(const struct geometry *s)
{
    return (int64_t)s->in_c * (s->out_c / s->p->groups) * s->kernel_h * s->kernel_w;
}

static size_t codes_scratch(const struct code_args *c)
{
    const struct geometry s = of_node(c->real->node);
    return (size_t)n_sums(&s) * sizeof(int64_t) +
           (size_t)((int64_t)s.in_c * s.in_h * s.in_w + n_weights(&s)) * sizeof(int32_t);
}

/* weights [in][out][h][w] */
static void read_steps(const struct code_args *c, const struct geometry *s, const struct weight_codes *w,
                       const float *maps, const struct sums *to)
{
    const float *weights = c->real->in[1]->data;
    const int taps = s->kernel_h * s->kernel_w, out_group = s->out_c / s->p->groups;
    for (int64_t i = 0; i < (int64_t)s->in_c * s->in_h * s->in_w; i++)
        to->x[i] = ncc_step_of(c->in[0], maps[i]);
    for (int64_t i = 0; i < n_weights(s); i++)
        to->w[i] = (int32_t)rintf(weights[i] / ncc_weight_scale(w, (int)(i / taps % out_group)));
    for (int64_t i = 0; i < n_sums(s); i++)
        to->sum[i] = 0;
}

/* Adds x * w around all pixels of one pair of maps. */
static void scatter_steps(const struct geometry *s, const int32_t *x, const int32_t *w, int64_t *sum)
{
    for (int ky = 0; ky < s->kernel_h; ky++) {
        for (int kx = 0; kx < s->kernel_w; kx++, w++) {
            for (int iy = 0; iy < s->in_h; iy++) {
                const int oy = iy * s->p->stride_h - s->p->pad_top + ky * s->p->dil_h;
                if (oy < 0 || oy >= s->out_h)
                    continue;
                for (int ix = 0; ix < s->in_w; ix++) {
                    const int ox = ix * s->p->stride_w - s->p->pad_left + kx * s->p->dil_w;
                    if (ox >= 0 && ox < s->out_w)
                        sum[(int64_t)oy * s->out_w + ox] += (int64_t)x[(int64_t)iy * s->in_w + ix] * *w;
                }
            }
        }
    }
}

static bool eval_codes(const struct code_args *c)
{
    const struct eval_args *a = c->real;
    const struct geometry s = of_node(a->node);
    const int64_t in_map = (int64_t)s.in_h * s.in_w, out_map = (int64_t)s.out_h * s.out_w;
    struct weight_codes w;
    if (!ncc_has_grid(c->in[0]) || s.p->groups != 1 || !ncc_weight_codes(a->node->in[1], 1, &w))
        return false;
    struct sums t = {.sum = a->scratch};
    t.x = (int32_t *)(void *)(t.sum + n_sums(&s));
    t.w = t.x + s.in_c * in_map;
    const float *bias = a->node->n_in > 2 && a->in[2] ? a->in[2]->data : NULL;
    float *y = a->out[0]->data;
    for (int n = 0; n < s.n; n++) {
        read_steps(c, &s, &w, (const float *)a->in[0]->data + n * s.in_c * in_map, &t);
        for (int ic = 0; ic < s.in_c; ic++)
            for (int oc = 0; oc < s.out_c; oc++)
                scatter_steps(&s, t.x + ic * in_map, t.w + ((int64_t)ic * s.out_c + oc) * s.kernel_h * s.kernel_w,
                              t.sum + oc * out_map);
        for (int oc = 0; oc < s.out_c; oc++, y += out_map) {
            const float scale = ncc_weight_scale(&w, oc);
            ncc_finish_wide_sums(c, ncc_channel_codes(c, scale, bias ? bias + oc : NULL, false), t.sum + oc * out_map,
                                 out_map, y);
        }
    }
    return true;
}

static double macs(const struct node *n)
{
    const struct geometry s = of_node(n);
    return (double)s.n * s.in_c * s.in_h * s.in_w * (s.out_c / s.p->groups) * s.kernel_h * s.kernel_w;
}

const struct op_desc ncc_op_conv2d_transpose = {
    .name = "conv2d_transpose",
    .doc = "transposed convolution: every input pixel adds its weighted kernel to the result",
    .tflite = "TRANSPOSE_CONV,Convolution2DTransposeBias",
    .onnx = "ConvTranspose",
    .caffe = "Deconvolution",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    NCC_ATTRS(conv2d_transpose_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_fast = eval_fast,
    .scratch = scratch,
    .macs = macs,
    .eval_codes = eval_codes,
    .codes_scratch = codes_scratch,
};
