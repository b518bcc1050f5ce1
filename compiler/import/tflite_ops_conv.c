/* Layers with weights and windows. They work on N x C x H x W and turn TFLite's weights once, at import. */
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

/* One spatial dimension of a window. */
struct extent {
    int in, kernel, stride, dilation;
    int before, after; /* padding */
};

/* SAME: as many outputs as strides fit into the input; what is missing is padded, the odd one behind. */
static bool pad_extent(struct build *b, int padding, struct extent *e)
{
    const int64_t reach = ((int64_t)e->kernel - 1) * e->dilation + 1;
    if (e->stride < 1 || e->dilation < 1 || e->kernel < 1 || reach > INT32_MAX)
        return ncc_tflite_refuse(b, "kernel, stride and dilation must be at least 1", NULL, "%d, %d, %d", e->kernel,
                                 e->stride, e->dilation);
    if (padding != TF_SAME && padding != TF_VALID)
        return ncc_tflite_refuse(b, "the padding must be SAME or VALID", NULL, "padding %d", padding);
    const int64_t n_out = ((int64_t)e->in + e->stride - 1) / e->stride;
    const int64_t missing = (n_out - 1) * e->stride + reach - e->in;
    const int total = padding == TF_SAME && missing > 0 ? (int)missing : 0;
    e->before = total / 2;
    e->after = total - e->before;
    return true;
}

/* [batch][rows][columns] to [batch][columns][rows], in tiles that stay in the cache. */
static float *transposed(struct arena *a, const float *from, int64_t batch, int64_t rows, int64_t columns)
{
    enum { TILE = 16 };
    float *to = ncc_arena_alloc(a, (size_t)(batch * rows * columns), sizeof *to, 64);
    for (int64_t n = 0; n < batch; n++) {
        const float *in = from + n * rows * columns;
        float *out = to + n * rows * columns;
        for (int64_t r0 = 0; r0 < rows; r0 += TILE)
            for (int64_t c0 = 0; c0 < columns; c0 += TILE)
                for (int64_t c = c0; c < c0 + TILE && c < columns; c++)
                    for (int64_t r = r0; r < r0 + TILE && r < rows; r++)
                        out[c * rows + r] = in[r * columns + c];
    }
    return to;
}

/* A constant in another order: transposed as above unless that changes nothing. */
static struct value *turned(struct build *b, const struct value *w, int64_t batch, int64_t rows, int64_t columns,
                            struct shape shape)
{
    const void *data = w->data;
    if (rows != 1 && columns != 1)
        data = transposed(b->m->arena, w->data, batch, rows, columns);
    return ncc_const(b->m->graph, w->name, DT_F32, shape, data);
}

static int option(struct build *b, int field, int missing)
{
    return ncc_fb_i32(&b->m->fb, b->options, field, missing);
}

static int padding_option(struct build *b, int field)
{
    return ncc_fb_i8(&b->m->fb, b->options, field, TF_SAME);
}

static void dilate(const struct build *b, struct extent *v, struct extent *h)
{
    if (!b->dilated)
        return;
    v->dilation = b->dilated->h.dilation, v->before = b->dilated->h.before, v->after = b->dilated->h.after;
    h->dilation = b->dilated->w.dilation, h->before = b->dilated->w.before, h->after = b->dilated->w.after;
}

bool ncc_tflite_is_plain_conv(struct tflite *m, const struct tf_operator *op)
{
    struct build b = {.m = m, .op = op, .options = ncc_fb_table(&m->fb, op->table, F_operator_options)};
    if (op->code->row->builder == ncc_tflite_build_conv)
        return padding_option(&b, F_conv_padding) == TF_VALID && option(&b, F_conv_stride_h, 0) == 1 &&
               option(&b, F_conv_stride_w, 0) == 1 && option(&b, F_conv_dilation_h, 1) == 1 &&
               option(&b, F_conv_dilation_w, 1) == 1;
    return op->code->row->builder == ncc_tflite_build_depthwise &&
           padding_option(&b, F_depthwise_padding) == TF_VALID && option(&b, F_depthwise_stride_h, 0) == 1 &&
           option(&b, F_depthwise_stride_w, 0) == 1 && option(&b, F_depthwise_dilation_h, 1) == 1 &&
           option(&b, F_depthwise_dilation_w, 1) == 1;
}

static bool give_conv(struct build *b, struct value *x, struct value *w, const struct extent *h,
                      const struct extent *v, int groups)
{
    const struct conv2d_attrs attrs = {
        .stride_h = v->stride, .stride_w = h->stride,
        .pad_top = v->before, .pad_left = h->before, .pad_bottom = v->after, .pad_right = h->after,
        .dil_h = v->dilation, .dil_w = h->dilation,
        .groups = groups,
    };
    struct value *bias;
    /* one scale for all channels is the older kernel */
    x = ncc_tflite_hybrid(b, 0, 1, ncc_tflite_in(b, 1)->scale.n == 1, x);
    if (!x || !ncc_tflite_bias(b, 2, w->shape.dim[0], 0, 1, &bias))
        return false;
    return ncc_tflite_give_map(b, 0, ncc_tflite_op(b, OP_conv2d, NULL, &attrs, (struct value *[]){x, w, bias}, 3));
}

/* weights [out][h][w][in]; fewer input channels than x has mean groups */
bool ncc_tflite_build_conv(struct build *b)
{
    struct value *x = ncc_tflite_map(b, 0), *w = ncc_tflite_weights(b, 1, 4);
    if (!x || !w)
        return false;
    const int out_c = w->shape.dim[0], kh = w->shape.dim[1], kw = w->shape.dim[2], in_c = w->shape.dim[3];
    struct extent v = {x->shape.dim[2], kh, option(b, F_conv_stride_h, 0), option(b, F_conv_dilation_h, 1), 0, 0};
    struct extent h = {x->shape.dim[3], kw, option(b, F_conv_stride_w, 0), option(b, F_conv_dilation_w, 1), 0, 0};
    const int padding = padding_option(b, F_conv_padding);
    if (!pad_extent(b, padding, &v) || !pad_extent(b, padding, &h))
        return false;
    dilate(b, &v, &h);
    const int groups = x->shape.dim[1] / in_c;
    if (groups * in_c != x->shape.dim[1] || out_c % groups != 0)
        return ncc_tflite_refuse(b, "the weights must fit the input's channels", NULL,
                                 "%d channels, weights for %d to %d", x->shape.dim[1], in_c, out_c);
    w = turned(b, w, out_c, (int64_t)kh * kw, in_c, ncc_shape_4(out_c, in_c, kh, kw));
    ncc_tflite_keep_codes(b, 1, 0, w);
    return give_conv(b, x, w, &h, &v, groups);
}

/* weights [1][h][w][in * multiplier] */
bool ncc_tflite_build_depthwise(struct build *b)
{
    struct value *x = ncc_tflite_map(b, 0), *w = ncc_tflite_weights(b, 1, 4);
    if (!x || !w)
        return false;
    const int kh = w->shape.dim[1], kw = w->shape.dim[2], out_c = w->shape.dim[3], in_c = x->shape.dim[1];
    struct extent v = {x->shape.dim[2], kh, option(b, F_depthwise_stride_h, 0),
                       option(b, F_depthwise_dilation_h, 1), 0, 0};
    struct extent h = {x->shape.dim[3], kw, option(b, F_depthwise_stride_w, 0),
                       option(b, F_depthwise_dilation_w, 1), 0, 0};
    const int padding = padding_option(b, F_depthwise_padding);
    if (!pad_extent(b, padding, &v) || !pad_extent(b, padding, &h))
        return false;
    dilate(b, &v, &h);
    if (w->shape.dim[0] != 1 || out_c % in_c != 0)
        return ncc_tflite_refuse(b, "the weights must be 1 x height x width x a multiple of the input's channels", NULL,
                                 "%d channels, weights for %d", in_c, out_c);
    w = turned(b, w, 1, (int64_t)kh * kw, out_c, ncc_shape_4(out_c, 1, kh, kw));
    ncc_tflite_keep_codes(b, 1, 3, w);
    return give_conv(b, x, w, &h, &v, in_c);
}

/* What to cut from the full result of a transposed convolution, or to add, so that `e->in` (here: of the result)
 * is left. The pads are those of the convolution that it reverses. */
static bool cut_extent(struct build *b, int padding, int n_in, struct extent *e, int *add)
{
    if (!pad_extent(b, padding, e))
        return false;
    const int64_t whole = ((int64_t)n_in - 1) * e->stride + e->kernel;
    const int64_t after = whole - e->before - e->in;
    if (after < -e->stride || whole <= e->before || whole > INT32_MAX)
        return ncc_tflite_refuse(b, "the output's size must be one that the input, kernel and stride can give", NULL,
                                 "%d from %d", e->in, n_in);
    e->after = after > 0 ? (int)after : 0;
    *add = after < 0 ? (int)-after : 0;
    return true;
}

/* inputs: shape of the result, weights [out][h][w][in], x, bias */
bool ncc_tflite_build_transpose_conv(struct build *b)
{
    struct ints shape;
    struct value *x = ncc_tflite_map(b, 2), *w = ncc_tflite_weights(b, 1, 4), *bias;
    if (!x || !w || !ncc_tflite_ints(b, 0, &shape))
        return false;
    const int out_c = w->shape.dim[0], kh = w->shape.dim[1], kw = w->shape.dim[2], in_c = w->shape.dim[3];
    if (shape.n != 4 || shape.v[1] < 1 || shape.v[2] < 1 || shape.v[3] != out_c || in_c != x->shape.dim[1])
        return ncc_tflite_refuse(b, "the weights must fit the channels of input and result", NULL,
                                 "%d channels, weights for %d to %d", x->shape.dim[1], in_c, out_c);
    struct extent v = {shape.v[1], kh, option(b, F_transpose_conv_stride_h, 0), 1, 0, 0};
    struct extent h = {shape.v[2], kw, option(b, F_transpose_conv_stride_w, 0), 1, 0, 0};
    const int padding = padding_option(b, F_transpose_conv_padding);
    struct conv2d_transpose_attrs attrs = {.dil_h = 1, .dil_w = 1, .groups = 1};
    if (!cut_extent(b, padding, x->shape.dim[2], &v, &attrs.out_pad_h) ||
        !cut_extent(b, padding, x->shape.dim[3], &h, &attrs.out_pad_w) || !ncc_tflite_bias(b, 3, out_c, 2, 1, &bias))
        return false;
    attrs.stride_h = v.stride, attrs.stride_w = h.stride;
    attrs.pad_top = v.before, attrs.pad_bottom = v.after, attrs.pad_left = h.before, attrs.pad_right = h.after;
    w = turned(b, w, 1, (int64_t)out_c * kh * kw, in_c, ncc_shape_4(in_c, out_c, kh, kw));
    ncc_tflite_keep_codes(b, 1, 0, w);
    return ncc_tflite_give_map(
        b, 0, ncc_tflite_op(b, OP_conv2d_transpose, NULL, &attrs, (struct value *[]){x, w, bias}, 3));
}

/* MediaPipe's own: a transposed convolution of floats without a shape of the result. Its options are three integers:
 * padding (1 SAME, 2 VALID), stride_w, stride_h. Of the whole result SAME cuts what stands here, the odd pixel behind. */
static bool cut_whole(struct build *b, int padding, struct extent *e)
{
    if (e->stride < 1 || (padding != 1 && padding != 2))
        return ncc_tflite_refuse(b, "the padding must be SAME or VALID, and the stride at least 1", NULL,
                                 "padding %d, stride %d", padding, e->stride);
    const int more = e->kernel - (e->in - 1) % e->stride - 1, cut = padding == 1 && more > 0 ? more : 0;
    e->before = cut / 2;
    e->after = cut - e->before;
    return true;
}

/* inputs: x, weights [out][h][w][in], bias */
bool ncc_tflite_build_transpose_conv_bias(struct build *b)
{
    enum { N_OPTIONS = 3 };
    struct value *x = ncc_tflite_map(b, 0), *w = ncc_tflite_weights(b, 1, 4), *bias;
    struct fb_vector o = ncc_fb_vector(&b->m->fb, b->op->table, F_operator_custom_options, 1);
    if (!x || !w || !ncc_tflite_bias(b, 2, w->shape.dim[0], 0, 1, &bias))
        return false;
    const int out_c = w->shape.dim[0], kh = w->shape.dim[1], kw = w->shape.dim[2], in_c = w->shape.dim[3];
    if (in_c != x->shape.dim[1] || o.n < N_OPTIONS * 4)
        return ncc_tflite_refuse(b, "there must be padding and strides, and the weights must fit the channels", NULL,
                                 "%d bytes of options, %d channels, weights for %d", o.n, x->shape.dim[1], in_c);
    o.n /= 4, o.item_size = 4;
    struct extent v = {x->shape.dim[2], kh, ncc_fb_vector_i32(o, 2), 1, 0, 0};
    struct extent h = {x->shape.dim[3], kw, ncc_fb_vector_i32(o, 1), 1, 0, 0};
    if (!cut_whole(b, ncc_fb_vector_i32(o, 0), &v) || !cut_whole(b, ncc_fb_vector_i32(o, 0), &h))
        return false;
    const struct conv2d_transpose_attrs attrs = {
        .stride_h = v.stride, .stride_w = h.stride,
        .pad_top = v.before, .pad_bottom = v.after, .pad_left = h.before, .pad_right = h.after,
        .dil_h = 1, .dil_w = 1, .groups = 1,
    };
    w = turned(b, w, 1, (int64_t)out_c * kh * kw, in_c, ncc_shape_4(in_c, out_c, kh, kw));
    return ncc_tflite_give_map(
        b, 0, ncc_tflite_op(b, OP_conv2d_transpose, NULL, &attrs, (struct value *[]){x, w, bias}, 3));
}

/* weights [out][in], constant or computed; x is cut into rows of `in` elements */
bool ncc_tflite_build_fully_connected(struct build *b)
{
    struct tf_tensor *t = ncc_tflite_in(b, 0);
    struct value *w = ncc_tflite_native(b, 1), *bias;
    if (!w || !t)
        return false;
    if (ncc_fb_i8(&b->m->fb, b->options, F_fully_connected_weights_format, 0) != 0)
        return ncc_tflite_refuse(b, "shuffled weights are not supported", "export the model again", NULL);
    if (w->shape.rank != 2 || w->dtype != DT_F32)
        return ncc_tflite_refuse(b, "the weights must be real numbers with 2 dimensions", NULL, "%s, %d dimensions",
                                 ncc_dtype_name(w->dtype), w->shape.rank);
    const int n = w->shape.dim[0], k = w->shape.dim[1];
    const int64_t count = ncc_shape_count(t->shape);
    if (!ncc_tflite_bias(b, 2, n, 0, 1, &bias))
        return false;
    if (count % k != 0)
        return ncc_tflite_refuse(b, "the weights must fit the input", NULL, "weights for %d inputs, and there are %lld",
                                 k, (long long)count);
    const struct shape rows = ncc_shape_make(2, (const int[]){(int)(count / k), k});
    struct value *x = ncc_tflite_native(b, 0);
    if (x && !ncc_shape_equal(x->shape, rows)) {
        const struct reshape_attrs attrs = {.shape = {2, {rows.dim[0], k}}};
        x = ncc_tflite_op(b, OP_reshape, "rows", &attrs, &x, 1);
    }
    x = ncc_tflite_hybrid(b, 0, 1, !ncc_fb_bool(&b->m->fb, b->options, F_fully_connected_asymmetric, false), x);
    const struct transpose_attrs turn = {{2, {1, 0}}};
    w = ncc_is_const(w) ? turned(b, w, 1, n, k, ncc_shape_make(2, (const int[]){k, n}))
                        : ncc_tflite_op(b, OP_transpose, "columns", &turn, &w, 1);
    if (!w)
        return false;
    if (ncc_is_const(w))
        ncc_tflite_keep_codes(b, 1, 0, w);
    struct value *y = x ? ncc_tflite_op(b, OP_matmul, NULL, NULL, (struct value *[]){x, w, bias}, 3) : NULL;
    struct form f = {y, ncc_layout_identity(2)};
    const bool keep = ncc_fb_bool(&b->m->fb, b->options, F_fully_connected_keep_num_dims, false);
    if (y && keep && t->shape.rank > 0 && t->shape.dim[t->shape.rank - 1] == k) {
        struct shape shape = t->shape;
        shape.dim[shape.rank - 1] = n;
        f = ncc_tflite_reshape(b, f, shape);
    }
    return ncc_tflite_give(b, 0, f);
}

bool ncc_tflite_build_pool(struct build *b)
{
    struct value *x = ncc_tflite_map(b, 0);
    if (!x)
        return false;
    struct extent v = {x->shape.dim[2], option(b, F_pool_kernel_h, 0), option(b, F_pool_stride_h, 0), 1, 0, 0};
    struct extent h = {x->shape.dim[3], option(b, F_pool_kernel_w, 0), option(b, F_pool_stride_w, 0), 1, 0, 0};
    const int padding = padding_option(b, F_pool_padding);
    if (!pad_extent(b, padding, &v) || !pad_extent(b, padding, &h))
        return false;
    const struct pool_attrs attrs = {
        .kernel_h = v.kernel, .kernel_w = h.kernel, .stride_h = v.stride, .stride_w = h.stride,
        .pad_top = v.before, .pad_left = h.before, .pad_bottom = v.after, .pad_right = h.after,
    };
    if (b->row->detail != TF_L2_POOL)
        return ncc_tflite_give_map(b, 0, ncc_tflite_op(b, (enum op)b->row->detail, NULL, &attrs, &x, 1));
    x = ncc_tflite_op(b, OP_square, "squares", NULL, &x, 1);
    x = x ? ncc_tflite_op(b, OP_avg_pool, "mean", &attrs, &x, 1) : NULL;
    return ncc_tflite_give_map(b, 0, x ? ncc_tflite_op(b, OP_sqrt, NULL, NULL, &x, 1) : NULL);
}
