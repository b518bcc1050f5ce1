/* Random pieces whose channels are split, put together and into another order, as ShuffleNets have them. */
#include "tests/k210/net_pieces.h"

static const struct conv2d_attrs pointwise = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};

struct value *net_exchange(struct graph *g, struct value *x, int a)
{
    const int *d = x->shape.dim;
    const struct reshape_attrs cut = {{5, {1, a, d[1] / a, d[2], d[3]}}}, join = {{4, {1, d[1], d[2], d[3]}}};
    const struct transpose_attrs t = {{5, {0, 2, 1, 3, 4}}};
    x = NCC_OP(g, OP_reshape, "cut", &cut, x);
    return NCC_OP(g, OP_reshape, "join", &join, NCC_OP(g, OP_transpose, "exchange", &t, x));
}

static struct value *slice(struct graph *g, struct value *x, int begin, int count, int step)
{
    const int *d = x->shape.dim;
    const struct slice_attrs s = {
        .begin = {4, {0, begin, 0, 0}}, .size = {4, {1, count, d[2], d[3]}}, .stride = {4, {1, step, 1, 1}}};
    return NCC_OP(g, OP_slice, "part", &s, x);
}

static struct value *depthwise(struct graph *g, uint64_t *state, struct value *x, int stride)
{
    const int c = x->shape.dim[1];
    const struct conv2d_attrs a = {.stride_h = stride, .stride_w = stride, .pad_top = 1, .pad_left = 1, .pad_bottom = 1,
                                   .pad_right = 1, .dil_h = 1, .dil_w = 1, .groups = c};
    return net_conv(g, state, x, a, c, 3, 3);
}

/* ShuffleNet V2's: half of the channels pass, half go through layers, and both are mixed. */
static struct value *unit(struct graph *g, uint64_t *state, struct value *x)
{
    const int half = x->shape.dim[1] / 2;
    const struct concat_attrs channels = {1};
    struct value *y;
    if (net_int(state, 0, 1)) {
        const struct split_attrs two = {1, {2, {half, half}}};
        struct node *n = ncc_node_new(g, OP_split, "split", &two, &x, 1);
        x = n->out[0];
        y = n->out[1];
    } else {
        y = slice(g, x, half, half, 1);
        x = slice(g, x, 0, half, 1);
    }
    y = net_conv(g, state, y, pointwise, half, 1, 1);
    y = depthwise(g, state, net_unary(g, state, y), 1);
    y = NCC_OP(g, OP_concat, "both", &channels, x, net_conv(g, state, y, pointwise, half, 1, 1));
    return net_exchange(g, y, 2);
}

/* Any channels in any order, some twice. */
static struct value *gather(struct graph *g, uint64_t *state, struct value *x)
{
    const int c = x->shape.dim[1], n = net_int(state, 1, c + 2);
    const struct gather_attrs channels = {1};
    int32_t *list = NCC_NEW(g->arena, int32_t, n);
    for (int i = 0; i < n; i++)
        list[i] = net_int(state, -c, c - 1);
    return NCC_OP(g, OP_gather, "gather", &channels, x, ncc_const(g, "list", DT_I32, ncc_shape_make(1, &n), list));
}

static struct value *reader(struct graph *g, uint64_t *state, struct value *x)
{
    switch (net_int(state, 0, 4)) {
    case 0:
        return net_conv(g, state, x, pointwise, net_int(state, 1, 9), 1, 1);
    case 1:
        return depthwise(g, state, x, net_int(state, 1, 2));
    case 2:
        return net_unary(g, state, x);
    case 3:
        return NCC_OP(g, OP_add, "sum", NULL, x, net_conv(g, state, x, pointwise, x->shape.dim[1], 1, 1));
    default:
        return x;
    }
}

struct value *net_shuffle(struct graph *g, uint64_t *state, struct value *x)
{
    const int a = net_int(state, 2, 4), b = net_int(state, 2, 7), n_units = net_int(state, 1, 3);
    switch (net_int(state, 0, 3)) {
    case 0:
        x = net_exchange(g, net_conv(g, state, x, pointwise, a * b, 1, 1), a);
        return reader(g, state, x);
    case 1:
        x = gather(g, state, net_conv(g, state, x, pointwise, a * b, 1, 1));
        return reader(g, state, x);
    case 2:
        x = net_conv(g, state, x, pointwise, a * b, 1, 1);
        x = slice(g, x, net_int(state, 0, a - 1), b, net_int(state, 1, a));
        return reader(g, state, x);
    default:
        x = net_conv(g, state, x, pointwise, 2 * b * net_int(state, 1, 3), 1, 1);
        for (int i = 0; i < n_units; i++)
            x = unit(g, state, x);
        return reader(g, state, x);
    }
}
