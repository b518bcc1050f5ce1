/* What random networks are made of. */
#include "tests/k210/net_pieces.h"

#include <math.h>

struct value *net_constant(struct graph *g, uint64_t *state, struct shape s, double size, double shift)
{
    const int64_t n = ncc_shape_count(s);
    float *v = NCC_NEW(g->arena, float, n);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)(size * net_normal(state) + shift);
    return ncc_const(g, "k", DT_F32, s, v);
}

static bool is_map(const struct value *x)
{
    return x->shape.rank == 4;
}

struct value *net_conv(struct graph *g, uint64_t *state, struct value *x, struct conv2d_attrs a, int out_c, int kh,
                       int kw)
{
    const int in_g = x->shape.dim[1] / a.groups;
    struct value *w = net_constant(g, state, ncc_shape_4(out_c, in_g, kh, kw), 1 / sqrt(in_g * kh * kw), 0);
    struct value *b = net_int(state, 0, 3) ? net_constant(g, state, ncc_shape_make(1, &out_c), 0.2, 0) : NULL;
    return NCC_OP(g, OP_conv2d, "conv", &a, x, w, b);
}

void net_pad(uint64_t *state, int size, int kernel, int dilation, int stride, enum net_padding style, int *before,
             int *after)
{
    const int extent = (kernel - 1) * dilation + 1, out = (size + stride - 1) / stride;
    const int same = (out - 1) * stride + extent - size;
    *before = *after = 0;
    if (style == NET_SAME && same > 0) {
        *before = same / 2;
        *after = same - same / 2;
    } else if (style == NET_SYMMETRIC) {
        *before = *after = (extent - 1) / 2;
    } else if (style == NET_ANY_PAD) {
        *before = net_int(state, 0, extent - 1);
        *after = net_int(state, 0, extent - 1);
    }
    if (size + *before + *after < extent)
        *after = extent - size - *before;
}

static struct value *append_conv(struct graph *g, uint64_t *state, struct value *x, int groups, int multiplier)
{
    static const int strides[] = {1, 1, 1, 2, 2, 4, 3};
    const int in_c = x->shape.dim[1], h = x->shape.dim[2], w = x->shape.dim[3];
    const int kh = net_int(state, 1, 7), kw = net_int(state, 0, 2) ? kh : net_int(state, 1, 7);
    const int stride = strides[net_int(state, 0, 6)], style = net_int(state, 0, 3);
    const int dil = stride == 1 && net_int(state, 0, 3) == 0 ? net_int(state, 2, 3) : 1;
    const int stride_w = net_int(state, 0, 7) ? stride : net_int(state, 1, 3);
    struct conv2d_attrs a = {.stride_h = stride, .stride_w = stride_w, .dil_h = dil, .dil_w = dil, .groups = groups};
    net_pad(state, h, kh, dil, stride, style, &a.pad_top, &a.pad_bottom);
    net_pad(state, w, kw, dil, stride_w, style, &a.pad_left, &a.pad_right);
    const int out_c = groups == 1  ? net_int(state, 1, 19)
                      : multiplier ? in_c * multiplier
                                   : groups * net_int(state, 1, 3);
    return net_conv(g, state, x, a, out_c, kh, kw);
}

struct value *net_pointwise(struct graph *g, uint64_t *state, struct value *x)
{
    const struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    return net_conv(g, state, x, a, net_int(state, 1, 17), 1, 1);
}

static struct value *append_depthwise_3x3(struct graph *g, uint64_t *state, struct value *x)
{
    const int stride = net_int(state, 1, 2), style = net_int(state, 1, 2);
    struct conv2d_attrs a = {.stride_h = stride, .stride_w = stride, .dil_h = 1, .dil_w = 1, .groups = x->shape.dim[1]};
    net_pad(state, x->shape.dim[2], 3, 1, stride, style, &a.pad_top, &a.pad_bottom);
    net_pad(state, x->shape.dim[3], 3, 1, stride, style, &a.pad_left, &a.pad_right);
    return net_conv(g, state, x, a, x->shape.dim[1], 3, 3);
}

/* A number of groups that divides the channels; the channels themselves only if that is all there is. */
static int some_divisor(uint64_t *state, int c)
{
    int d[32], n = 0;
    for (int i = 2; i < c && n < 32; i++)
        if (c % i == 0)
            d[n++] = i;
    return n ? d[net_int(state, 0, n - 1)] : c;
}

static struct value *append_mean(struct graph *g, uint64_t *state, struct value *x)
{
    const struct reduce_attrs a = {net_int(state, 0, 3) ? REDUCE_MEAN : REDUCE_SUM, {2, {2, 3}}, true};
    return NCC_OP(g, OP_reduce, "mean", &a, x);
}

/* Any size and stride; pads as the frameworks have them, ceil mode among them, or any that leave each window a pixel.
 */
static struct value *append_pool(struct graph *g, uint64_t *state, struct value *x)
{
    static const int sizes[] = {2, 2, 2, 3, 3, 4, 5, 6, 8}, strides[] = {1, 1, 2, 2, 2, 4};
    if (net_int(state, 0, 6) == 0)
        return append_mean(g, state, x);
    const int h = x->shape.dim[2], w = x->shape.dim[3], k = sizes[net_int(state, 0, 8)];
    const int k_w = net_int(state, 0, 2) ? k : net_int(state, 1, 4);
    const int s = strides[net_int(state, 0, 5)], style = net_int(state, 0, 3);
    struct pool_attrs a = {.kernel_h = k, .kernel_w = k_w, .stride_h = s, .stride_w = s};
    net_pad(state, h, k, 1, s, style, &a.pad_top, &a.pad_bottom);
    net_pad(state, w, k_w, 1, s, style, &a.pad_left, &a.pad_right);
    a.count_pad = net_int(state, 0, 1);
    const int last_h = (h + a.pad_top + a.pad_bottom - k) / s * s;
    const int last_w = (w + a.pad_left + a.pad_right - k_w) / s * s;
    if (last_h >= h + a.pad_top || last_w >= w + a.pad_left)
        return x; /* a window beyond the map */
    return NCC_OP(g, net_int(state, 0, 2) ? OP_max_pool : OP_avg_pool, "pool", &a, x);
}

struct value *net_unary(struct graph *g, uint64_t *state, struct value *x)
{
    const struct clip_attrs six = {0, 1.5f};
    const struct leaky_relu_attrs slope = {(float)net_real(state, 0.05, 0.5)};
    const struct elu_attrs elu = {1};
    switch (net_int(state, 0, 9)) {
    case 0:
        return NCC_OP(g, OP_clip, "clip", &six, x);
    case 1:
        return NCC_OP(g, OP_leaky_relu, "leaky", &slope, x);
    case 2:
        return NCC_OP(g, OP_sigmoid, "sigmoid", NULL, x);
    case 3:
        return NCC_OP(g, OP_tanh, "tanh", NULL, x);
    case 4:
        return NCC_OP(g, OP_hard_swish, "swish", NULL, x);
    case 5:
        return NCC_OP(g, OP_abs, "abs", NULL, x);
    case 6:
        return NCC_OP(g, OP_elu, "elu", &elu, x);
    case 7:
        return NCC_OP(g, OP_neg, "neg", NULL, x);
    default:
        return NCC_OP(g, OP_relu, "relu", NULL, x);
    }
}

static struct value *append_affine(struct graph *g, uint64_t *state, struct value *x)
{
    const int kind = net_int(state, 0, 3), c = x->shape.dim[1];
    const bool one = net_int(state, 0, 1) || !is_map(x), left = net_int(state, 0, 1);
    const struct shape s = one ? (struct shape){0} : ncc_shape_4(1, c, 1, 1);
    struct value *k =
        kind < 2 ? net_constant(g, state, s, 0.5, 0) : net_constant(g, state, s, 0.1, kind == 3 ? 1 : -0.8);
    static const enum op ops[] = {OP_add, OP_sub, OP_mul, OP_div};
    return left && kind != 3 ? NCC_OP(g, ops[kind], "affine", NULL, k, x) : NCC_OP(g, ops[kind], "affine", NULL, x, k);
}

static struct value *append_prelu(struct graph *g, uint64_t *state, struct value *x)
{
    const struct shape s = net_int(state, 0, 3) ? ncc_shape_4(1, x->shape.dim[1], 1, 1) : ncc_shape_4(1, 1, 1, 1);
    return NCC_OP(g, OP_prelu, "prelu", NULL, x, net_constant(g, state, s, 0.3, 0.2));
}

/* Zero channels, alone or in front of a sum with a convolution. */
static struct value *append_channel_pad(struct graph *g, uint64_t *state, struct value *x)
{
    const struct pad_attrs p = {.before = {4, {0, net_int(state, 0, 3), 0, 0}},
                                .after = {4, {0, net_int(state, 1, 5), 0, 0}}};
    struct value *y = NCC_OP(g, OP_pad, "pad", &p, x);
    if (net_int(state, 0, 1))
        return y;
    const struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    return NCC_OP(g, OP_add, "sum", NULL, net_conv(g, state, x, a, y->shape.dim[1], 1, 1), y);
}

/* A diamond: x and a convolution of it, or two convolutions, summed. */
static struct value *append_sum(struct graph *g, uint64_t *state, struct value *x)
{
    const int c = x->shape.dim[1], k = net_int(state, 0, 2) * 2 + 1;
    const struct conv2d_attrs a = {.stride_h = 1,
                                   .stride_w = 1,
                                   .pad_top = k / 2,
                                   .pad_left = k / 2,
                                   .pad_bottom = k / 2,
                                   .pad_right = k / 2,
                                   .dil_h = 1,
                                   .dil_w = 1,
                                   .groups = 1};
    struct value *y = net_conv(g, state, x, a, c, k, k);
    if (net_int(state, 0, 1))
        y = net_unary(g, state, y);
    struct value *z = net_int(state, 0, 1) ? x : net_conv(g, state, x, a, c, k, k);
    static const enum op ops[] = {OP_add, OP_add, OP_add, OP_sub, OP_maximum, OP_minimum};
    y = NCC_OP(g, ops[net_int(state, 0, 5)], "sum", NULL, y, z);
    return net_int(state, 0, 1) ? net_unary(g, state, y) : y;
}

/* Branches side by side; a branch may be x itself, or appear twice. */
static struct value *append_concat(struct graph *g, uint64_t *state, struct value *x)
{
    struct value *part[4];
    const int n = net_int(state, 2, 4);
    for (int i = 0; i < n; i++) {
        const int kind = net_int(state, 0, 4);
        part[i] = kind == 0 ? x : kind == 1 && i > 0 ? part[i - 1] : net_pointwise(g, state, x);
        if (part[i]->def && net_int(state, 0, 2) == 0)
            part[i] = net_unary(g, state, part[i]);
    }
    const struct concat_attrs a = {1};
    struct value *y = ncc_op(g, OP_concat, "concat", &a, part, n);
    return net_int(state, 0, 1) ? append_conv(g, state, y, 1, 0) : y;
}

static struct value *append_block(struct graph *g, uint64_t *state, struct value *x)
{
    x = append_depthwise_3x3(g, state, x);
    if (net_int(state, 0, 3))
        x = net_unary(g, state, x);
    return net_pointwise(g, state, x);
}

/* Any stride, pads and groups, the strides alike or not; often with a function behind it. */
static struct value *append_transposed(struct graph *g, uint64_t *state, struct value *x)
{
    const int in_c = x->shape.dim[1], h = x->shape.dim[2], w = x->shape.dim[3];
    const int groups = net_int(state, 0, 2) ? 1 : net_int(state, 0, 1) ? in_c : some_divisor(state, in_c);
    const int stride = net_int(state, 1, 3), stride_w = net_int(state, 0, 3) ? stride : net_int(state, 1, 3);
    /* Phases without a tap are constant, and their roundings all the same: not for statistics. */
    const int kh = net_int(state, stride, 5), kw = net_int(state, stride_w, 5), dil = net_int(state, 0, 5) ? 1 : 2;
    struct conv2d_transpose_attrs a = {
        .stride_h = stride, .stride_w = stride_w, .dil_h = dil, .dil_w = dil, .groups = groups};
    const int full_h = (h - 1) * a.stride_h + (kh - 1) * dil + 1, full_w = (w - 1) * a.stride_w + (kw - 1) * dil + 1;
    a.pad_top = net_int(state, 0, full_h > 2 ? 2 : full_h - 1);
    a.pad_bottom = net_int(state, 0, full_h - a.pad_top > 2 ? 2 : full_h - a.pad_top - 1);
    a.pad_left = net_int(state, 0, full_w > 2 ? 2 : full_w - 1);
    a.pad_right = net_int(state, 0, full_w - a.pad_left > 2 ? 2 : full_w - a.pad_left - 1);
    a.out_pad_h = net_int(state, 0, a.stride_h - 1);
    a.out_pad_w = net_int(state, 0, a.stride_w - 1);
    const int out_g = net_int(state, 1, groups > 1 ? 2 : 6), out_c = out_g * groups;
    struct value *k = net_constant(g, state, ncc_shape_4(in_c, out_g, kh, kw), 1 / sqrt(in_c / groups * kh * kw), 0);
    struct value *b = net_int(state, 0, 2) ? net_constant(g, state, ncc_shape_make(1, &out_c), 0.2, 0) : NULL;
    struct value *y = NCC_OP(g, OP_conv2d_transpose, "deconv", &a, x, k, b);
    return net_int(state, 0, 1) ? net_unary(g, state, y) : y;
}

static struct value *append_blocks(struct graph *g, uint64_t *state, struct value *x)
{
    const int block = net_int(state, 1, 3), h = x->shape.dim[2], w = x->shape.dim[3];
    if (net_int(state, 0, 1) && h % block == 0 && w % block == 0) {
        const struct space_to_depth_attrs a = {block};
        return NCC_OP(g, OP_space_to_depth, "s2d", &a, x);
    }
    const struct depth_to_space_attrs a = {block, net_int(state, 0, 1)};
    const struct conv2d_attrs one = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    if (a.crd || x->shape.dim[1] % (block * block))
        x = net_conv(g, state, x, one, block * block * net_int(state, 1, 4), 1, 1);
    x = NCC_OP(g, OP_depth_to_space, "d2s", &a, x);
    return net_int(state, 0, 1) ? net_unary(g, state, x) : x;
}

/* To more than 1024 channels and back, with something done to all of them; only small maps. */
static struct value *append_wide(struct graph *g, uint64_t *state, struct value *x)
{
    if (x->shape.dim[2] * x->shape.dim[3] > 25)
        return append_conv(g, state, x, 1, 0);
    const struct conv2d_attrs one = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    struct value *wide = net_conv(g, state, x, one, net_int(state, 1025, 1200), 1, 1);
    switch (net_int(state, 0, 3)) {
    case 0:
        wide = net_unary(g, state, wide);
        break;
    case 1:
        wide = append_depthwise_3x3(g, state, wide);
        break;
    case 2:
        wide = NCC_OP(g, OP_add, "sum", NULL, wide, net_conv(g, state, x, one, wide->shape.dim[1], 1, 1));
        break;
    default:
        break;
    }
    return net_pointwise(g, state, wide);
}

static struct value *append_matmul(struct graph *g, uint64_t *state, struct value *x)
{
    const int k = x->shape.dim[1], m = net_int(state, 1, 40);
    const int shape[2] = {k, m};
    struct value *b = net_int(state, 0, 2) ? net_constant(g, state, ncc_shape_make(1, &m), 0.2, 0) : NULL;
    return NCC_OP(g, OP_matmul, "fc", NULL, x, net_constant(g, state, ncc_shape_make(2, shape), 1 / sqrt(k), 0), b);
}

/* A vector from a map goes through a reshape, which stays on the CPU. */
static struct value *append_vector(struct graph *g, uint64_t *state, struct value *x)
{
    if (is_map(x)) {
        const int n = (int)ncc_shape_count(x->shape);
        if (n > 1024)
            return append_pool(g, state, x);
        const struct reshape_attrs r = {{2, {1, n}}};
        x = NCC_OP(g, OP_reshape, "flat", &r, x);
    }
    x = append_matmul(g, state, x);
    return net_int(state, 0, 1) ? net_unary(g, state, x) : x;
}

static struct value *append_resize(struct graph *g, uint64_t *state, struct value *x)
{
    const int h = x->shape.dim[2], w = x->shape.dim[3], factor = net_int(state, 2, 4);
    const int convention = net_int(state, 0, 2);
    const struct resize_attrs a = {.mode = net_int(state, 0, 2) ? RESIZE_BILINEAR : RESIZE_NEAREST,
                                   .out_h = net_int(state, 0, 4) ? h * factor : net_int(state, 1, 2 * h),
                                   .out_w = net_int(state, 0, 4) ? w * factor : net_int(state, 1, 2 * w),
                                   .align_corners = convention == 1,
                                   .half_pixel = convention == 2};
    x = NCC_OP(g, OP_resize, "resize", &a, x);
    return net_int(state, 0, 1) ? net_pointwise(g, state, x) : x;
}

static struct value *append_gate(struct graph *g, uint64_t *state, struct value *x)
{
    const struct conv2d_attrs one = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    struct value *v = x;
    if (net_int(state, 0, 1)) {
        const struct reduce_attrs mean = {.kind = REDUCE_MEAN, .axes = {2, {2, 3}}, .keep_dims = true};
        v = NCC_OP(g, OP_reduce, "mean", &mean, x);
    }
    v = net_conv(g, state, v, one, x->shape.dim[1], 1, 1);
    v = net_int(state, 0, 1) ? NCC_OP(g, OP_sigmoid, "gate", NULL, v) : net_unary(g, state, v);
    return net_int(state, 0, 1) ? NCC_OP(g, OP_mul, "scaled", NULL, x, v) : NCC_OP(g, OP_mul, "scaled", NULL, v, x);
}

/* The pixels of a map as rows, in the order of the frameworks that put channels last. */
static struct value *append_rows(struct graph *g, uint64_t *state, struct value *x)
{
    const int c = x->shape.dim[1], pixels = x->shape.dim[2] * x->shape.dim[3];
    const struct transpose_attrs last = {{4, {0, 2, 3, 1}}};
    const struct reshape_attrs rows = {{2, {pixels, c}}}, batched = {{3, {1, pixels, c}}};
    x = NCC_OP(g, OP_transpose, "last", &last, x);
    x = NCC_OP(g, OP_reshape, "rows", net_int(state, 0, 1) ? &rows : &batched, x);
    const int m = net_int(state, 1, 20), shape[2] = {c, m};
    struct value *b = net_int(state, 0, 2) ? net_constant(g, state, ncc_shape_make(1, &m), 0.2, 0) : NULL;
    x = NCC_OP(g, OP_matmul, "product", NULL, x, net_constant(g, state, ncc_shape_make(2, shape), 1 / sqrt(c), 0), b);
    if (net_int(state, 0, 1))
        x = net_unary(g, state, x);
    const struct reshape_attrs map = {{4, {1, m, pixels, 1}}};
    const struct transpose_attrs first = {{3, {0, 2, 1}}};
    const struct reshape_attrs three = {{3, {1, pixels, m}}};
    x = NCC_OP(g, OP_reshape, "three", &three, x);
    return NCC_OP(g, OP_reshape, "map", &map, NCC_OP(g, OP_transpose, "first", &first, x));
}

struct value *net_append(struct graph *g, uint64_t *state, struct value *x, enum net_kind kind)
{
    if (!is_map(x))
        return append_vector(g, state, x);
    const bool grows = kind == NET_TRANSPOSED || kind == NET_BLOCKS || kind == NET_RESIZE;
    if (grows && x->shape.dim[2] * x->shape.dim[3] > 500)
        kind = NET_CONV; /* others behind it should still fit KPU RAM */
    switch (kind) {
    case NET_CONV:
        return append_conv(g, state, x, 1, 0);
    case NET_DEPTHWISE:
        return append_conv(g, state, x, x->shape.dim[1], net_int(state, 0, 3) ? 1 : 2);
    case NET_GROUPS:
        return append_conv(g, state, x, some_divisor(state, x->shape.dim[1]), 0);
    case NET_POOL:
        return append_pool(g, state, x);
    case NET_UNARY:
        return net_unary(g, state, x);
    case NET_AFFINE:
        return append_affine(g, state, x);
    case NET_PRELU:
        return append_prelu(g, state, x);
    case NET_CHANNEL_PAD:
        return append_channel_pad(g, state, x);
    case NET_SUM:
        return append_sum(g, state, x);
    case NET_CONCAT:
        return append_concat(g, state, x);
    case NET_TRANSPOSED:
        return append_transposed(g, state, x);
    case NET_BLOCKS:
        return append_blocks(g, state, x);
    case NET_WIDE:
        return append_wide(g, state, x);
    case NET_RESIZE:
        return append_resize(g, state, x);
    case NET_GATE:
        return append_gate(g, state, x);
    case NET_SHUFFLE:
        return net_shuffle(g, state, x);
    case NET_ROWS:
        return append_rows(g, state, x);
    case NET_BLOCK:
        return append_block(g, state, x);
    default:
        return append_vector(g, state, x);
    }
}

static struct value *random_input(struct graph *g, uint64_t *state)
{
    static const int sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 20, 31, 33, 40};
    static const int channels[] = {1, 2, 3, 4, 5, 7, 8, 11, 13};
    const int h = sizes[net_int(state, 0, 16)], w = net_int(state, 0, 2) ? h : sizes[net_int(state, 0, 16)];
    struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_4(1, channels[net_int(state, 0, 8)], h, w));
    double *q = NCC_NEW(g->arena, double, 2);
    q[0] = 4.0 / 255;
    q[1] = net_int(state, 0, 2) ? 128 : net_int(state, 0, 255);
    x->quant = (struct quant){1, &q[0], &q[1]};
    return x;
}

void net_random(struct net *n, uint64_t *state, int index)
{
    ncc_diag_init(&n->diags, &n->arena);
    n->g = ncc_graph_new(&n->arena, &n->diags, "random");
    struct value *x = random_input(n->g, state);
    const int round = index / N_NET_KINDS, length = round % 2 == 0 ? 1 : net_int(state, 2, 5);
    struct value *v = round % 4 == 2 ? net_pointwise(n->g, state, x) : x; /* so that it starts in the KPU */
    for (int i = 0; i < length; i++) {
        struct value *before = v;
        v = net_append(n->g, state, v,
                       i == 0 ? (enum net_kind)(index % N_NET_KINDS)
                              : (enum net_kind)net_int(state, 0, N_NET_KINDS - 1));
        if (i > 0 && before->def && net_int(state, 0, 5) == 0 && before != v)
            ncc_graph_output(n->g, before, "early");
    }
    if (!v->def)
        v = net_unary(n->g, state, v);
    ncc_graph_output(n->g, v, "y");
    ncc_graph_sweep(n->g);
}
