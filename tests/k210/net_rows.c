#include "tests/k210/net_rows.h"

#include "tests/k210/net_pieces.h"

/* ---- convolutions ---- */

static struct conv2d_attrs plain(int groups)
{
    return (struct conv2d_attrs){.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = groups};
}

static struct value *padded(struct graph *g, uint64_t *state, struct value *x, struct conv2d_attrs a, int out_c, int kh,
                            int kw, enum net_padding style)
{
    net_pad(state, x->shape.dim[2], kh, a.dil_h, a.stride_h, style, &a.pad_top, &a.pad_bottom);
    net_pad(state, x->shape.dim[3], kw, a.dil_w, a.stride_w, style, &a.pad_left, &a.pad_right);
    return net_conv(g, state, x, a, out_c, kh, kw);
}

static struct value *same(struct graph *g, uint64_t *state, struct value *x)
{
    const bool depthwise = net_int(state, 0, 2) == 0;
    const int c = x->shape.dim[1], k = depthwise || net_int(state, 0, 1) ? 3 : 1;
    return padded(g, state, x, plain(depthwise ? c : 1), depthwise ? c : net_int(state, 1, 24), k, k, NET_SYMMETRIC);
}

/* Twice, so that pads also stand between layers. */
static struct value *any_padding(struct graph *g, uint64_t *state, struct value *x)
{
    for (int i = 0; i < 2; i++) {
        const bool depthwise = net_int(state, 0, 2) == 0;
        const int c = x->shape.dim[1], style = net_int(state, 0, 1) ? NET_ANY_PAD : NET_VALID;
        x = padded(g, state, x, plain(depthwise ? c : 1), depthwise ? c : net_int(state, 1, 12), 3, 3, style);
    }
    return x;
}

static struct value *stride_2(struct graph *g, uint64_t *state, struct value *x)
{
    const bool depthwise = net_int(state, 0, 1);
    const int c = x->shape.dim[1], k = depthwise || net_int(state, 0, 2) ? 3 : 1;
    struct conv2d_attrs a = plain(depthwise ? c : 1);
    a.stride_h = a.stride_w = 2;
    x = padded(g, state, x, a, depthwise ? c : net_int(state, 1, 16), k, k, net_int(state, NET_VALID, NET_SYMMETRIC));
    if (net_int(state, 0, 1))
        x = NCC_OP(g, OP_relu, "relu", NULL, x);
    return depthwise ? net_pointwise(g, state, x) : x;
}

/* Between 1x1 layers, as in MobileNets: the pick comes in odd rows too, and before or behind the second. */
static struct value *depthwise_stride_2(struct graph *g, uint64_t *state, struct value *x)
{
    x = NCC_OP(g, OP_relu, "relu", NULL, net_conv(g, state, x, plain(1), net_int(state, 5, 33), 1, 1));
    struct conv2d_attrs a = plain(x->shape.dim[1]);
    a.stride_h = a.stride_w = net_int(state, 0, 3) ? 2 : 4;
    x = padded(g, state, x, a, a.groups, 3, 3, net_int(state, NET_VALID, NET_SYMMETRIC));
    return net_conv(g, state, NCC_OP(g, OP_relu, "relu", NULL, x), plain(1), net_int(state, 8, 65), 1, 1);
}

static struct value *any_stride(struct graph *g, uint64_t *state, struct value *x)
{
    static const int strides[][2] = {{3, 3}, {4, 4}, {5, 5}, {1, 2}, {2, 1}, {4, 2}, {2, 3}};
    const int *s = strides[net_int(state, 0, 6)];
    struct conv2d_attrs a = plain(1);
    a.stride_h = s[0];
    a.stride_w = s[1];
    const int k = net_int(state, 1, 5);
    return padded(g, state, x, a, net_int(state, 1, 12), k, k, net_int(state, NET_VALID, NET_ANY_PAD));
}

static struct value *large_kernel(struct graph *g, uint64_t *state, struct value *x)
{
    static const int kernels[][2] = {{5, 5}, {7, 7}, {4, 4}, {10, 4}, {1, 5}, {7, 1}, {2, 3}, {6, 6}};
    const int *k = kernels[net_int(state, 0, 7)], c = x->shape.dim[1];
    const bool depthwise = net_int(state, 0, 4) == 0;
    struct conv2d_attrs a = plain(depthwise ? c : 1);
    a.stride_h = a.stride_w = net_int(state, 0, 2) ? 1 : 2;
    return padded(g, state, x, a, depthwise ? c : net_int(state, 1, 12), k[0], k[1],
                  net_int(state, NET_VALID, NET_ANY_PAD));
}

static struct value *dilated(struct graph *g, uint64_t *state, struct value *x)
{
    const int c = x->shape.dim[1];
    const bool depthwise = net_int(state, 0, 3) == 0;
    struct conv2d_attrs a = plain(depthwise ? c : 1);
    a.dil_h = a.dil_w = net_int(state, 2, 5);
    return padded(g, state, x, a, depthwise ? c : net_int(state, 1, 12), 3, 3, net_int(state, NET_VALID, NET_ANY_PAD));
}

static struct value *grouped(struct graph *g, uint64_t *state, struct value *x)
{
    const int groups = net_int(state, 2, 6), in_g = net_int(state, 1, 5), out_g = net_int(state, 1, 4);
    x = net_conv(g, state, x, plain(1), groups * in_g, 1, 1);
    const int k = net_int(state, 0, 1) ? 3 : 1;
    return padded(g, state, x, plain(groups), groups * out_g, k, k, NET_SAME);
}

static struct value *multiplier(struct graph *g, uint64_t *state, struct value *x)
{
    const int c = x->shape.dim[1];
    x = padded(g, state, x, plain(c), c * net_int(state, 2, 4), 3, 3, NET_SAME);
    return net_int(state, 0, 1) ? net_pointwise(g, state, x) : x;
}

static struct value *wide(struct graph *g, uint64_t *state, struct value *x)
{
    return net_append(g, state, x, NET_WIDE);
}

/* 3x3 with n inputs loads floor(30 KiB / 9 n) outputs at a time, at most 64 times. */
static struct value *many_loads(struct graph *g, uint64_t *state, struct value *x)
{
    const int c = x->shape.dim[1], most = 64 * (30 * 1024 / (9 * c));
    return padded(g, state, x, plain(1), most + net_int(state, 1, 20), 3, 3, NET_SAME);
}

/* ---- matrices ---- */

static struct value *fully_connected(struct graph *g, uint64_t *state, struct value *x)
{
    const struct reshape_attrs flat = {{2, {1, (int)ncc_shape_count(x->shape)}}};
    if (net_int(state, 0, 1))
        return net_append(g, state, NCC_OP(g, OP_reshape, "flat", &flat, x), NET_VECTOR);
    return net_conv(g, state, x, plain(1), net_int(state, 1, 30), x->shape.dim[2], x->shape.dim[3]);
}

static struct value *matrix_of_rows(struct graph *g, uint64_t *state, struct value *x)
{
    return net_append(g, state, x, NET_ROWS);
}

static struct value *transposed(struct graph *g, uint64_t *state, struct value *x)
{
    return net_append(g, state, x, NET_TRANSPOSED);
}

/* ---- element by element ---- */

static struct value *unary(struct graph *g, uint64_t *state, struct value *x)
{
    return net_unary(g, state, x);
}

static struct value *prelu(struct graph *g, uint64_t *state, struct value *x)
{
    x = net_append(g, state, x, NET_PRELU);
    const struct pool_attrs two = {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2};
    const bool pool = net_int(state, 0, 2) == 0 && x->shape.dim[2] > 1 && x->shape.dim[3] > 1;
    return pool ? NCC_OP(g, OP_max_pool, "pool", &two, x) : x;
}

static struct value *affine(struct graph *g, uint64_t *state, struct value *x)
{
    return net_append(g, state, net_append(g, state, x, NET_AFFINE), NET_AFFINE);
}

static struct value *sum(struct graph *g, uint64_t *state, struct value *x)
{
    return net_append(g, state, x, net_int(state, 0, 3) ? NET_SUM : NET_CHANNEL_PAD);
}

/* k a + l b, and three at once. */
static struct value *weighted_sum(struct graph *g, uint64_t *state, struct value *x)
{
    const int c = x->shape.dim[1], n = net_int(state, 2, 3);
    struct value *total = NULL;
    for (int i = 0; i < n; i++) {
        struct value *part = i ? padded(g, state, x, plain(1), c, 3, 3, NET_SAME) : x;
        if (i && net_int(state, 0, 1))
            part = NCC_OP(g, OP_relu, "relu", NULL, part);
        part = NCC_OP(g, OP_mul, "scaled", NULL, part, net_constant(g, state, (struct shape){0}, 0.3, 0.8));
        total = total ? NCC_OP(g, OP_add, "sum", NULL, total, part) : part;
    }
    return net_int(state, 0, 1) ? net_unary(g, state, total) : total;
}

/* ---- channels ---- */

static struct value *channels(struct graph *g, struct value *x, int begin, int count)
{
    const int *d = x->shape.dim;
    const struct slice_attrs a = {{4, {0, begin, 0, 0}}, {4, {1, count, d[2], d[3]}}, {4, {1, 1, 1, 1}}};
    return NCC_OP(g, OP_slice, "part", &a, x);
}

static struct value *concat_and_slice(struct graph *g, uint64_t *state, struct value *x)
{
    if (net_int(state, 0, 1))
        return net_append(g, state, x, NET_CONCAT);
    x = net_conv(g, state, x, plain(1), net_int(state, 2, 19), 1, 1);
    const int c = x->shape.dim[1], at = net_int(state, 1, c - 1);
    struct value *low = channels(g, x, 0, at), *high = channels(g, x, at, c - at);
    low = net_int(state, 0, 1) ? net_pointwise(g, state, low) : net_unary(g, state, low);
    const struct concat_attrs along = {1};
    return NCC_OP(g, OP_concat, "joined", &along, high, low);
}

static struct value *shuffle(struct graph *g, uint64_t *state, struct value *x)
{
    const int groups = net_int(state, 2, 4), each = net_int(state, 1, 6), c = groups * each;
    x = net_conv(g, state, x, plain(1), c, 1, 1);
    const int h = x->shape.dim[2], w = x->shape.dim[3];
    const struct reshape_attrs apart = {{5, {1, groups, each, h, w}}}, together = {{4, {1, c, h, w}}};
    const struct transpose_attrs shuffled = {{5, {0, 2, 1, 3, 4}}};
    x = NCC_OP(g, OP_reshape, "apart", &apart, x);
    x = NCC_OP(g, OP_transpose, "shuffled", &shuffled, x);
    x = NCC_OP(g, OP_reshape, "together", &together, x);
    return net_int(state, 0, 1) ? padded(g, state, x, plain(c), c, 3, 3, NET_SAME) : x;
}

/* ---- pools ---- */

static struct value *pool(struct graph *g, uint64_t *state, struct value *x, enum op op)
{
    const int h = x->shape.dim[2], w = x->shape.dim[3], kh = net_int(state, 2, 6);
    const int kw = net_int(state, 0, 2) ? kh : net_int(state, 1, 6), s = net_int(state, 1, 4);
    const int sw = net_int(state, 0, 2) ? s : net_int(state, 1, 4), style = net_int(state, NET_VALID, NET_SYMMETRIC);
    struct pool_attrs a = {.kernel_h = kh, .kernel_w = kw, .stride_h = s, .stride_w = sw};
    net_pad(state, h, kh, 1, s, style, &a.pad_top, &a.pad_bottom);
    net_pad(state, w, kw, 1, sw, style, &a.pad_left, &a.pad_right);
    a.count_pad = net_int(state, 0, 1);
    const int last_h = (h + a.pad_top + a.pad_bottom - kh) / s * s;
    const int last_w = (w + a.pad_left + a.pad_right - kw) / sw * sw;
    const bool beyond = last_h >= h + a.pad_top || last_w >= w + a.pad_left; /* a window without a pixel */
    return beyond ? net_unary(g, state, x) : NCC_OP(g, op, "pool", &a, x);
}

static struct value *max_pool(struct graph *g, uint64_t *state, struct value *x)
{
    return pool(g, state, x, OP_max_pool);
}

static struct value *average_pool(struct graph *g, uint64_t *state, struct value *x)
{
    return pool(g, state, x, OP_avg_pool);
}

static struct value *whole_mean(struct graph *g, uint64_t *state, struct value *x)
{
    if (net_int(state, 0, 2) == 0)
        x = net_unary(g, state, x);
    const struct reduce_attrs a = {net_int(state, 0, 3) ? REDUCE_MEAN : REDUCE_SUM, {2, {2, 3}}, true};
    return NCC_OP(g, OP_reduce, "mean", &a, x);
}

static struct value *resized(struct graph *g, uint64_t *state, struct value *x)
{
    return net_append(g, state, x, NET_RESIZE);
}

/* To a half, a third, a quarter. */
static struct value *smaller(struct graph *g, uint64_t *state, struct value *x)
{
    x = same(g, state, x);
    const int f = net_int(state, 2, 4), convention = net_int(state, 0, 2), h = (x->shape.dim[2] + f - 1) / f,
              w = (x->shape.dim[3] + f - 1) / f, more = convention == 1 ? 1 - f : 0;
    const struct resize_attrs larger = {.mode = RESIZE_NEAREST, .out_h = h * f + more, .out_w = w * f + more};
    const struct resize_attrs a = {.mode = net_int(state, 0, 2) ? RESIZE_BILINEAR : RESIZE_NEAREST,
                                   .out_h = h,
                                   .out_w = w,
                                   .align_corners = convention == 1,
                                   .half_pixel = convention == 2};
    const bool fits = x->shape.dim[2] == larger.out_h && x->shape.dim[3] == larger.out_w;
    x = NCC_OP(g, OP_resize, "smaller", &a, fits ? x : NCC_OP(g, OP_resize, "larger", &larger, x));
    return net_int(state, 0, 1) ? net_pointwise(g, state, x) : x;
}

static struct value *gate(struct graph *g, uint64_t *state, struct value *x)
{
    return net_append(g, state, x, NET_GATE);
}

/* ---- sizes ---- */

static struct value *large_map(struct graph *g, uint64_t *state, struct value *x)
{
    const int s = net_int(state, 1, 2);
    struct conv2d_attrs a = plain(1);
    a.stride_h = a.stride_w = s;
    x = padded(g, state, x, a, net_int(state, 1, 3), 3, 3, net_int(state, NET_SAME, NET_SYMMETRIC));
    x = NCC_OP(g, OP_relu, "relu", NULL, x);
    a.stride_h = a.stride_w = 2;
    return padded(g, state, x, a, net_int(state, 1, 3), 3, 3, NET_SAME);
}

static struct value *small_map(struct graph *g, uint64_t *state, struct value *x)
{
    x = same(g, state, x);
    return net_int(state, 0, 1) ? stride_2(g, state, x) : any_padding(g, state, x);
}

/* Many pixels, few channels, large strides. */
static struct value *first_layer(struct graph *g, uint64_t *state, struct value *x)
{
    static const int kinds[][2] = {{3, 2}, {5, 2}, {7, 2}, {11, 4}, {4, 4}, {6, 2}};
    const int *k = kinds[net_int(state, 0, 5)];
    struct conv2d_attrs a = plain(1);
    a.stride_h = a.stride_w = k[1];
    x = padded(g, state, x, a, net_int(state, 8, 24), k[0], k[0], net_int(state, NET_VALID, NET_ANY_PAD));
    return NCC_OP(g, OP_relu, "relu", NULL, x);
}

/* What the KPU has no layer for. */
static struct value *cpu_kernel(struct graph *g, uint64_t *state, struct value *x)
{
    static const struct transpose_attrs turned = {{4, {0, 1, 3, 2}}};
    const struct reduce_attrs rows = {REDUCE_MAX, {1, {3}}, true};
    struct value *other = net_conv(g, state, x, plain(1), x->shape.dim[1], 1, 1);
    switch (net_int(state, 0, 3)) {
    case 0:
        return NCC_OP(g, OP_transpose, "turned", &turned, x);
    case 1:
        return NCC_OP(g, OP_reduce, "largest", &rows, x);
    case 2:
        return NCC_OP(g, OP_maximum, "larger", NULL, x, other);
    default:
        return NCC_OP(g, OP_minimum, "smaller", NULL, x, other);
    }
}

/* Trees of three to six operands, some taken twice, with factors and constants in between. */
static struct value *sum_of_many(struct graph *g, uint64_t *state, struct value *x)
{
    const int c = net_int(state, 1, 13), n = net_int(state, 3, 6);
    struct value *v[6];
    for (int i = 0; i < n; i++) {
        v[i] = i && net_int(state, 0, 5) == 0 ? v[i - 1] : NCC_OP(g, OP_relu, "relu", NULL, net_conv(g, state, x, plain(1), c, 1, 1));
        struct value *k = net_constant(g, state, net_int(state, 0, 1) ? ncc_shape_4(1, c, 1, 1) : (struct shape){0}, 0.4, 1);
        if (net_int(state, 0, 2) == 0)
            v[i] = NCC_OP(g, net_int(state, 0, 1) ? OP_mul : OP_sub, "constant", NULL, v[i], k);
        if (net_int(state, 0, 5) == 0)
            v[i] = NCC_OP(g, OP_neg, "neg", NULL, v[i]);
    }
    for (int left = n; left > 1; left--) { /* any two of them */
        const int i = net_int(state, 0, left - 1);
        struct value *one = v[i];
        v[i] = v[left - 1];
        const int k = net_int(state, 0, left - 2);
        v[k] = NCC_OP(g, net_int(state, 0, 2) ? OP_add : OP_sub, "sum", NULL, v[k], one);
    }
    return v[0];
}

/* A product with constants on either side of a mean or sum. */
static struct value *mean_and_product(struct graph *g, uint64_t *state, struct value *x)
{
    const struct reduce_attrs a = {net_int(state, 0, 2) ? REDUCE_MEAN : REDUCE_SUM, {2, {2, 3}}, true};
    const int m = net_int(state, 1, 12), c = x->shape.dim[1];
    if (net_int(state, 0, 2) == 0)
        return NCC_OP(g, OP_reduce, "mean", &a, net_conv(g, state, x, plain(1), m, 1, 1));
    x = NCC_OP(g, OP_reduce, "mean", &a, x);
    if (net_int(state, 0, 1))
        return net_conv(g, state, x, plain(1), m, 1, 1);
    const struct reshape_attrs vector = {{2, {1, c}}}, map = {{4, {1, m, 1, 1}}};
    struct value *w = net_constant(g, state, ncc_shape_make(2, (int[]){c, m}), 0.5, 0);
    struct value *b = net_constant(g, state, ncc_shape_make(1, &m), 0.3, 0);
    x = NCC_OP(g, OP_matmul, "classes", NULL, NCC_OP(g, OP_reshape, "vector", &vector, x), w, b);
    return NCC_OP(g, OP_reshape, "map", &map, x);
}

/* ---- the table ---- */

const struct net_row net_rows[] = {
    {"convolution 1x1, 3x3, depthwise 3x3, 'same'", same, 1, 24, 1, 37, false, false},
    {"other padding, 'valid'", any_padding, 1, 13, 3, 23, false, false},
    {"stride 2", stride_2, 1, 17, 2, 33, false, false},
    {"stride 2 and 4 of depthwise layers", depthwise_stride_2, 3, 9, 5, 66, false, false},
    {"other strides", any_stride, 1, 8, 3, 29, false, false},
    {"kernels up to 7x7, 10x4, 1xN", large_kernel, 1, 8, 4, 24, false, false},
    {"dilated kernels", dilated, 1, 8, 3, 24, false, false},
    {"groups", grouped, 1, 13, 1, 19, false, false},
    {"channel multiplier", multiplier, 1, 11, 2, 19, false, false},
    {"more than 1024 channels", wide, 1, 13, 1, 5, true, false},
    {"more than 64 loads of weights", many_loads, 300, 420, 1, 5, true, false},
    {"fully connected", fully_connected, 1, 40, 1, 6, false, false},
    {"matrix product of rows", matrix_of_rows, 1, 20, 1, 15, false, false},
    {"transposed convolution", transposed, 1, 11, 1, 15, false, false},
    {"functions of one element", unary, 1, 13, 1, 23, false, false},
    {"PReLU", prelu, 1, 13, 1, 23, false, false},
    {"scales, biases, factors", affine, 1, 13, 1, 23, false, false},
    {"add, sub", sum, 1, 13, 1, 23, false, false},
    {"weighted sums", weighted_sum, 1, 13, 1, 17, false, false},
    {"sums of many operands", sum_of_many, 1, 13, 1, 17, false, false},
    {"concat, split, slice", concat_and_slice, 1, 13, 1, 23, false, false},
    {"channel shuffle", shuffle, 1, 13, 1, 19, false, false},
    {"max pools", max_pool, 1, 17, 1, 29, false, false},
    {"average pools", average_pool, 1, 13, 1, 29, false, false},
    {"global means", whole_mean, 1, 17, 1, 33, false, false},
    {"products before and behind means", mean_and_product, 1, 24, 1, 29, false, false},
    {"resize", resized, 1, 11, 1, 15, false, false},
    {"resize to a fraction", smaller, 1, 11, 1, 25, false, false},
    {"squeeze-and-excite gates", gate, 1, 13, 1, 17, false, false},
    {"maps above the limits", large_map, 1, 1, 258, 600, true, true},
    {"maps below 4x4", small_map, 1, 24, 1, 3, false, false},
    {"many pixels, few channels", first_layer, 1, 3, 40, 80, false, false},
    {"CPU kernels between layers", cpu_kernel, 1, 13, 1, 15, false, false},
};
const int net_n_rows = sizeof net_rows / sizeof net_rows[0];

/* A zero point that is not whole (behind mean and std) only where a layer reads it: kernels take whole ones. */
static struct value *row_input(struct graph *g, uint64_t *state, const struct net_row *row, bool to_layer)
{
    const int c = net_int(state, row->min_c, row->max_c), h = net_int(state, row->min_size, row->max_size);
    const int w = net_int(state, 0, 1) ? h : net_int(state, row->min_size, row->max_size);
    struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_4(1, c, h, w));
    double *q = NCC_NEW(g->arena, double, 2);
    q[0] = 4.0 / 255;
    q[1] = net_int(state, 0, 2) ? 128 : to_layer ? net_real(state, 0, 255) : net_int(state, 0, 255);
    x->quant = (struct quant){1, &q[0], &q[1]};
    return x;
}

void net_make_row(struct net *n, uint64_t *state, const struct net_row *row, int index)
{
    ncc_diag_init(&n->diags, &n->arena);
    n->g = ncc_graph_new(&n->arena, &n->diags, row->name);
    const bool led = !row->alone && index % 2;
    struct value *x = row_input(n->g, state, row, led), *y = x;
    if (led)
        y = net_conv(n->g, state, y, plain(1), net_int(state, row->min_c, row->max_c), 1, 1);
    y = row->append(n->g, state, y);
    if (!row->alone && index / 2 % 2 && y->shape.rank == 4)
        y = net_pointwise(n->g, state, y);
    if (!y->def)
        y = net_unary(n->g, state, y);
    ncc_graph_output(n->g, y, "y");
    ncc_graph_sweep(n->g);
}
