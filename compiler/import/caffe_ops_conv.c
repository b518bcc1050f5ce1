/* Convolutions, inner products and pools. */
#include "compiler/import/caffe.h"
#include "compiler/ops/attrs.h"

enum { MAX_WINDOW = 1 << 15 }; /* kernels, strides, pads */

struct pair {
    int h, w;
};

/* A parameter of both dimensions: once for both or once for each, or by the fields of the two. */
struct spatial {
    const char *name;
    size_t n;
    const int32_t *v;
    bool has_h, has_w;
    int h, w;
    int low;
    int otherwise; /* when it is not given */
};

static bool read_spatial(struct cf_build *b, struct spatial s, struct pair *out)
{
    *out = (struct pair){s.otherwise, s.otherwise};
    if (s.n > 2)
        return ncc_caffe_refuse(b, "only windows of two dimensions are supported", NULL, "%s has %zu numbers", s.name,
                                s.n);
    if (s.n > 0)
        *out = (struct pair){s.v[0], s.v[s.n - 1]};
    if (s.has_h || s.has_w)
        *out = (struct pair){s.has_h ? s.h : s.otherwise, s.has_w ? s.w : s.otherwise};
    return ncc_caffe_within(b, s.name, out->h, s.low, MAX_WINDOW) &&
           ncc_caffe_within(b, s.name, out->w, s.low, MAX_WINDOW);
}

/* ---- convolutions ---- */

struct conv {
    struct value *x;
    struct pair kernel, stride, pad, dilation;
    int group, n_out;
    bool has_bias;
};

static bool read_conv(struct cf_build *b, struct conv *c)
{
    const Caffe__Convolution *p = CF_PARAM(b, convolution_param, convolution);
    const struct spatial kernel = {"kernel_size",
                                   p->n_kernel_size,
                                   p->kernel_size,
                                   p->has_kernel_h,
                                   p->has_kernel_w,
                                   p->kernel_h,
                                   p->kernel_w,
                                   1,
                                   0};
    const struct spatial stride = {"stride",    p->n_stride, p->stride, p->has_stride_h, p->has_stride_w, p->stride_h,
                                   p->stride_w, 1,           1};
    const struct spatial pad = {"pad", p->n_pad, p->pad, p->has_pad_h, p->has_pad_w, p->pad_h, p->pad_w, 0, 0};
    const struct spatial dilation = {
        .name = "dilation", .n = p->n_dilation, .v = p->dilation, .low = 1, .otherwise = 1};
    int axis;
    c->x = ncc_caffe_map(b, 0);
    if (!c->x || !read_spatial(b, kernel, &c->kernel) || !read_spatial(b, stride, &c->stride) ||
        !read_spatial(b, pad, &c->pad) || !read_spatial(b, dilation, &c->dilation) ||
        !ncc_caffe_axis(b, p->axis, 4, &axis) || !ncc_caffe_within(b, "axis", axis, 1, 1))
        return false;
    const int channels = c->x->shape.dim[1];
    c->group = b->row->detail ? channels : p->group; /* depthwise by its type */
    c->n_out = p->num_output;
    c->has_bias = p->bias_term;
    if (!ncc_caffe_within(b, "num_output", c->n_out, 1, 1 << 20) ||
        !ncc_caffe_within(b, "group", c->group, 1, channels))
        return false;
    if (channels % c->group || c->n_out % c->group)
        return ncc_caffe_refuse(b, "the channels and num_output must be multiples of group", NULL,
                                "%d channels to %d in %d groups", channels, c->n_out, c->group);
    return true;
}

/* w is out x in / group for a convolution, in x out / group for a deconvolution. */
static bool give_conv(struct cf_build *b, const struct conv *c, enum op op, const void *attrs, struct shape w)
{
    struct value *in[3] = {c->x, ncc_caffe_weights(b, 0, w, "weights"), NULL};
    if (in[1] && c->has_bias)
        in[2] = ncc_caffe_weights(b, 1, ncc_shape_make(1, &c->n_out), "bias");
    if (!in[1] || (c->has_bias && !in[2]))
        return false;
    return ncc_caffe_give(b, 0, ncc_caffe_op(b, op, NULL, attrs, in, c->has_bias ? 3 : 2));
}

bool ncc_caffe_build_convolution(struct cf_build *b)
{
    struct conv c;
    if (!read_conv(b, &c))
        return false;
    const struct conv2d_attrs attrs = {
        .stride_h = c.stride.h,
        .stride_w = c.stride.w,
        .pad_top = c.pad.h,
        .pad_left = c.pad.w,
        .pad_bottom = c.pad.h,
        .pad_right = c.pad.w,
        .dil_h = c.dilation.h,
        .dil_w = c.dilation.w,
        .groups = c.group,
    };
    const struct shape w = ncc_shape_4(c.n_out, c.x->shape.dim[1] / c.group, c.kernel.h, c.kernel.w);
    return give_conv(b, &c, OP_conv2d, &attrs, w);
}

bool ncc_caffe_build_deconvolution(struct cf_build *b)
{
    struct conv c;
    if (!read_conv(b, &c))
        return false;
    const struct conv2d_transpose_attrs attrs = {
        .stride_h = c.stride.h,
        .stride_w = c.stride.w,
        .pad_top = c.pad.h,
        .pad_left = c.pad.w,
        .pad_bottom = c.pad.h,
        .pad_right = c.pad.w,
        .dil_h = c.dilation.h,
        .dil_w = c.dilation.w,
        .groups = c.group,
    };
    const struct shape w = ncc_shape_4(c.x->shape.dim[1], c.n_out / c.group, c.kernel.h, c.kernel.w);
    return give_conv(b, &c, OP_conv2d_transpose, &attrs, w);
}

/* ---- inner products ---- */

/* The weights as rows x columns, from columns x rows. */
static struct value *transposed(struct cf_build *b, const float *w, int rows, int columns)
{
    float *to = NCC_NEW(b->m->arena, float, (int64_t)rows *columns);
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < columns; k++)
            to[(int64_t)i * columns + k] = w[(int64_t)k * rows + i];
    return ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "weights"), DT_F32,
                     ncc_shape_make(2, (const int[]){rows, columns}), to);
}

/* All dimensions from `axis` on are one row of the product. */
bool ncc_caffe_build_inner_product(struct cf_build *b)
{
    const Caffe__InnerProduct *p = CF_PARAM(b, inner_product_param, inner_product);
    struct value *x = ncc_caffe_in(b, 0);
    int axis;
    if (!ncc_caffe_axis(b, p->axis, x->shape.rank, &axis) ||
        !ncc_caffe_within(b, "num_output", p->num_output, 1, 1 << 20))
        return false;
    struct shape front = {.rank = axis}, out = {.rank = axis + 1};
    int64_t rest = ncc_shape_count(x->shape);
    for (int i = 0; i < axis; i++) {
        front.dim[i] = out.dim[i] = x->shape.dim[i];
        rest /= x->shape.dim[i];
    }
    out.dim[axis] = p->num_output;
    const int n_rows = (int)ncc_shape_count(front), n_in = (int)rest, n_out = p->num_output;
    const struct shape stored =
        ncc_shape_make(2, p->transpose ? (const int[]){n_in, n_out} : (const int[]){n_out, n_in});
    const float *w = ncc_caffe_numbers(b, 0, stored);
    if (!w)
        return false;
    struct value *in[3] = {ncc_caffe_reshape(b, "rows", x, ncc_shape_make(2, (const int[]){n_rows, n_in}))};
    in[1] = p->transpose ? ncc_caffe_weights(b, 0, stored, "weights") : transposed(b, w, n_in, n_out);
    in[2] = p->bias_term ? ncc_caffe_weights(b, 1, ncc_shape_make(1, &n_out), "bias") : NULL;
    if (p->bias_term && !in[2])
        return false;
    struct value *y = ncc_caffe_op(b, OP_matmul, NULL, NULL, in, p->bias_term ? 3 : 2);
    return ncc_caffe_give(b, 0, ncc_caffe_reshape(b, "shape", y, out));
}

/* ---- pools ---- */

/* One dimension of a pool. */
struct span {
    int in, kernel, stride, pad;
    int out;
    int over; /* by how much the last window reaches beyond the padded map */
};

/* Caffe rounds the size up, so that a last window may reach beyond the padded map. If either dimension is padded, a
 * last window that would begin behind the map and its padding in front is left out again. */
static bool fit_window(struct cf_build *b, struct span *p, bool floor, bool is_padded)
{
    const int room = p->in + 2 * p->pad - p->kernel, up = floor ? 0 : p->stride - 1;
    if (room + up < 0)
        return ncc_caffe_refuse(b, "the window must fit into the padded map", NULL, "%d into %d with %d on each side",
                                p->kernel, p->in, p->pad);
    p->out = (room + up) / p->stride + 1;
    if (is_padded && (p->out - 1) * p->stride >= p->in + p->pad)
        p->out--;
    p->over = (p->out - 1) * p->stride + p->kernel - p->in - 2 * p->pad;
    if (p->over < 0)
        p->over = 0;
    if (p->over >= p->kernel)
        return ncc_caffe_refuse(b, "each window must hold a part of the map",
                                "a stride that is not larger than the window", "stride %d, window %d", p->stride,
                                p->kernel);
    return true;
}

static bool read_pool(struct cf_build *b, const Caffe__Pooling *p, struct value *x, struct span *v, struct span *h)
{
    struct pair kernel = {x->shape.dim[2], x->shape.dim[3]}, stride = {1, 1}, pad = {0, 0};
    const struct spatial kernel_of = {"kernel_size",
                                      p->has_kernel_size,
                                      &p->kernel_size,
                                      p->has_kernel_h,
                                      p->has_kernel_w,
                                      p->kernel_h,
                                      p->kernel_w,
                                      1,
                                      0};
    const struct spatial stride_of = {
        "stride", p->has_stride, &p->stride, p->has_stride_h, p->has_stride_w, p->stride_h, p->stride_w, 1, 1};
    const struct spatial pad_of = {"pad", p->has_pad, &p->pad, p->has_pad_h, p->has_pad_w, p->pad_h, p->pad_w, 0, 0};
    if (!p->global_pooling && (!read_spatial(b, kernel_of, &kernel) || !read_spatial(b, stride_of, &stride) ||
                               !read_spatial(b, pad_of, &pad)))
        return false;
    if (pad.h >= kernel.h || pad.w >= kernel.w)
        return ncc_caffe_refuse(b, "pad must be smaller than the window", NULL, "%dx%d around a window of %dx%d", pad.h,
                                pad.w, kernel.h, kernel.w);
    const bool floor = p->round_mode == CAFFE__POOLING__ROUNDING__FLOOR || !p->ceil_mode;
    *v = (struct span){.in = x->shape.dim[2], .kernel = kernel.h, .stride = stride.h, .pad = pad.h};
    *h = (struct span){.in = x->shape.dim[3], .kernel = kernel.w, .stride = stride.w, .pad = pad.w};
    const bool is_padded = pad.h > 0 || pad.w > 0;
    return fit_window(b, v, floor, is_padded) && fit_window(b, h, floor, is_padded);
}

/* A mean counts the padding, but nothing that lies beyond it: where windows reach beyond, the padding is made part of
 * the map. */
static struct value *pad_apart(struct cf_build *b, struct value *x, struct span *v, struct span *h)
{
    const struct pad_attrs attrs = {
        .before = {4, {0, 0, v->pad, h->pad}},
        .after = {4, {0, 0, v->pad, h->pad}},
        .mode = PAD_CONSTANT,
    };
    v->pad = h->pad = 0;
    return ncc_caffe_op(b, OP_pad, "pad", &attrs, &x, 1);
}

bool ncc_caffe_build_pooling(struct cf_build *b)
{
    const Caffe__Pooling *p = CF_PARAM(b, pooling_param, pooling);
    struct value *x = ncc_caffe_map(b, 0);
    struct span v, h;
    const bool mean = p->pool == CAFFE__POOLING__METHOD__AVE;
    if (!x || !ncc_caffe_within(b, "pool", (int)p->pool, CAFFE__POOLING__METHOD__MAX, CAFFE__POOLING__METHOD__AVE) ||
        !read_pool(b, p, x, &v, &h))
        return false;
    if (b->layer->n_out > 1 && b->layer->out[1]->needed)
        return ncc_caffe_refuse(b, "the places of the maxima (the second top) are not supported", NULL, NULL);
    const bool is_padded = v.pad > 0 || h.pad > 0;
    const bool apart = mean && is_padded && (v.over > 0 || h.over > 0);
    if (apart)
        x = pad_apart(b, x, &v, &h);
    const struct pool_attrs attrs = {
        .kernel_h = v.kernel,
        .kernel_w = h.kernel,
        .stride_h = v.stride,
        .stride_w = h.stride,
        .pad_top = v.pad,
        .pad_left = h.pad,
        .pad_bottom = v.pad + v.over,
        .pad_right = h.pad + h.over,
        .count_pad = mean && is_padded && !apart,
    };
    return ncc_caffe_give(b, 0, ncc_caffe_op(b, mean ? OP_avg_pool : OP_max_pool, NULL, &attrs, &x, 1));
}
