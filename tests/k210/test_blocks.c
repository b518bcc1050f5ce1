/* Blocks of published networks, from real numbers to the simulator: the figures that decide whether such a network is
 * quick, its crossings between KPU and main memory above all, and that it still means the same. */
#include "tests/k210/compiled.h"
#include "tests/k210/net_pieces.h"

#include "compiler/k210/cost.h"
#include "compiler/quant/compare.h"

#include <ncc/sim.h>

#include <math.h>
#include <stdio.h>

static struct conv2d_attrs same(int kernel, int stride, int groups)
{
    const int pad = kernel / 2;
    return (struct conv2d_attrs){.stride_h = stride, .stride_w = stride, .pad_top = pad, .pad_left = pad,
                                 .pad_bottom = pad, .pad_right = pad, .dil_h = 1, .dil_w = 1, .groups = groups};
}

static struct value *conv(struct graph *g, uint64_t *state, struct value *x, int out_c, int kernel, int stride)
{
    return net_conv(g, state, x, same(kernel, stride, 1), out_c, kernel, kernel);
}

static struct value *depthwise(struct graph *g, uint64_t *state, struct value *x, int kernel, int stride)
{
    const int c = x->shape.dim[1];
    return net_conv(g, state, x, same(kernel, stride, c), c, kernel, kernel);
}

static struct value *relu(struct graph *g, struct value *x)
{
    return NCC_OP(g, OP_relu, "relu", NULL, x);
}

static struct value *input(struct graph *g, int c, int h, int w)
{
    static const double scale = 1.0 / 64, zero = 128;
    struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_4(1, c, h, w));
    x->quant = (struct quant){1, &scale, &zero};
    return x;
}

/* ---- ShuffleNets ---- */

static const struct concat_attrs channels = {1};

static struct value *shuffle_unit(struct graph *g, uint64_t *state, struct value *x)
{
    const int half = x->shape.dim[1] / 2;
    const struct split_attrs two = {1, {2, {half, half}}};
    struct node *n = ncc_node_new(g, OP_split, "split", &two, &x, 1);
    struct value *y = relu(g, conv(g, state, n->out[1], half, 1, 1));
    y = relu(g, conv(g, state, depthwise(g, state, y, 3, 1), half, 1, 1));
    return net_exchange(g, NCC_OP(g, OP_concat, "both", &channels, n->out[0], y), 2);
}

static struct value *shuffle_down(struct graph *g, uint64_t *state, struct value *x, int out_c)
{
    struct value *a = relu(g, conv(g, state, depthwise(g, state, x, 3, 2), out_c / 2, 1, 1));
    struct value *b = depthwise(g, state, relu(g, conv(g, state, x, out_c / 2, 1, 1)), 3, 2);
    b = relu(g, conv(g, state, b, out_c / 2, 1, 1));
    return net_exchange(g, NCC_OP(g, OP_concat, "both", &channels, a, b), 2);
}

/* 0.5x, two of its stages. */
static struct value *shufflenet_v2(struct graph *g, uint64_t *state)
{
    struct value *x = relu(g, conv(g, state, input(g, 3, 56, 56), 24, 3, 2));
    x = shuffle_down(g, state, x, 48);
    for (int i = 0; i < 3; i++)
        x = shuffle_unit(g, state, x);
    x = shuffle_down(g, state, x, 96);
    for (int i = 0; i < 5; i++)
        x = shuffle_unit(g, state, x);
    return relu(g, conv(g, state, x, 64, 1, 1));
}

/* Grouped 1x1 convolutions, mixed in between. */
static struct value *shufflenet_v1(struct graph *g, uint64_t *state)
{
    struct value *x = relu(g, conv(g, state, input(g, 3, 28, 28), 48, 3, 2));
    for (int i = 0; i < 3; i++) {
        struct value *y = relu(g, net_conv(g, state, x, same(1, 1, 3), 24, 1, 1));
        y = depthwise(g, state, net_exchange(g, y, 3), 3, 1);
        x = relu(g, NCC_OP(g, OP_add, "sum", NULL, x, net_conv(g, state, y, same(1, 1, 3), 48, 1, 1)));
    }
    return conv(g, state, x, 32, 1, 1);
}

/* ---- others ---- */

/* Large: a mean of many channels, and few classes. */
static struct value *classifier(struct graph *g, uint64_t *state)
{
    struct value *x = relu(g, conv(g, state, input(g, 16, 25, 5), 64, 1, 1));
    const struct reduce_attrs mean = {REDUCE_MEAN, {2, {2, 3}}, true};
    const struct reshape_attrs vector = {{2, {1, 64}}};
    const int out = 12;
    x = NCC_OP(g, OP_reshape, "vector", &vector, NCC_OP(g, OP_reduce, "mean", &mean, x));
    return NCC_OP(g, OP_matmul, "classes", NULL, x, net_constant(g, state, ncc_shape_make(2, (int[]){64, out}), 0.2, 0),
                  net_constant(g, state, ncc_shape_make(1, &out), 0.2, 0));
}

/* Weighted sums of maps at several depths, as feature pyramids have them. */
static struct value *weighted_sum(struct graph *g, uint64_t *state)
{
    struct value *x = relu(g, conv(g, state, input(g, 3, 20, 20), 24, 3, 1)), *sum = NULL;
    for (int i = 0; i < 4; i++) {
        struct value *y = relu(g, conv(g, state, x, 24, 1, 1));
        y = NCC_OP(g, OP_mul, "weighted", NULL, y, net_constant(g, state, ncc_shape_4(1, 24, 1, 1), 0.3, 1));
        sum = sum ? NCC_OP(g, i % 2 ? OP_add : OP_sub, "sum", NULL, sum, y) : y;
    }
    return conv(g, state, relu(g, sum), 8, 1, 1);
}

static struct value *hard_swish(struct graph *g, struct value *x)
{
    return NCC_OP(g, OP_hard_swish, "swish", NULL, x);
}

/* Wider, depthwise 5x5, a gate of each channel, narrower, and the input added. */
static struct value *gated_block(struct graph *g, uint64_t *state, struct value *x, int wide, int kernel, int out_c,
                                 int stride)
{
    const struct reduce_attrs mean = {REDUCE_MEAN, {2, {2, 3}}, true};
    const float three = 3, sixth = 1.0f / 6;
    const struct clip_attrs six = {0, 6};
    struct value *y = hard_swish(g, conv(g, state, x, wide, 1, 1));
    y = hard_swish(g, depthwise(g, state, y, kernel, stride));
    struct value *v = relu(g, conv(g, state, NCC_OP(g, OP_reduce, "mean", &mean, y), wide / 4, 1, 1));
    v = conv(g, state, v, wide, 1, 1);
    v = NCC_OP(g, OP_add, "plus", NULL, v, ncc_const_copy(g, "three", DT_F32, (struct shape){0}, &three));
    v = NCC_OP(g, OP_mul, "over", NULL, NCC_OP(g, OP_clip, "six", &six, v),
               ncc_const_copy(g, "sixth", DT_F32, (struct shape){0}, &sixth));
    y = conv(g, state, NCC_OP(g, OP_mul, "gated", NULL, y, v), out_c, 1, 1);
    return stride == 1 && out_c == x->shape.dim[1] ? NCC_OP(g, OP_add, "sum", NULL, x, y) : y;
}

/* MobileNet V3's: two blocks. */
static struct value *mobilenet_v3(struct graph *g, uint64_t *state)
{
    struct value *x = hard_swish(g, conv(g, state, input(g, 3, 56, 56), 16, 3, 2));
    x = gated_block(g, state, x, 48, 5, 24, 2);
    x = gated_block(g, state, x, 72, 5, 24, 1);
    return conv(g, state, x, 32, 1, 1);
}

/* Two depthwise layers of MobileNet V1 whose picks move into what follows; TensorFlow's pads: the picks are in odd
 * rows. */
static struct value *mobilenet_v1(struct graph *g, uint64_t *state)
{
    struct value *x = relu(g, conv(g, state, input(g, 3, 56, 56), 64, 1, 1));
    for (int out_c = 128; out_c <= 256; out_c *= 2) {
        struct conv2d_attrs a = same(3, 2, x->shape.dim[1]);
        a.pad_top = a.pad_left = 0;
        x = relu(g, net_conv(g, state, x, a, a.groups, 3, 3));
        x = relu(g, conv(g, state, x, out_c, 1, 1));
    }
    return x;
}

/* Inception's: four branches, one of them an average pool that leaves the padding out. */
static struct value *inception(struct graph *g, uint64_t *state)
{
    const struct pool_attrs three = {.kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1, .pad_top = 1,
                                     .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
    struct value *x = relu(g, conv(g, state, input(g, 3, 35, 35), 96, 3, 1)), *part[3];
    part[0] = relu(g, conv(g, state, x, 32, 1, 1));
    part[1] = relu(g, conv(g, state, relu(g, conv(g, state, x, 24, 1, 1)), 32, 3, 1));
    part[2] = relu(g, conv(g, state, NCC_OP(g, OP_avg_pool, "pool", &three, x), 16, 1, 1));
    return conv(g, state, ncc_op(g, OP_concat, "branches", &channels, part, 3), 16, 1, 1);
}

/* A recogniser of text, half as wide as CRNN: pools that halve the rows alone. */
static struct value *text_lines(struct graph *g, uint64_t *state)
{
    const struct pool_attrs both = {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2},
                            rows = {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 1, .pad_left = 1, .pad_right = 1};
    struct value *x = relu(g, conv(g, state, input(g, 1, 32, 100), 32, 3, 1));
    x = relu(g, conv(g, state, NCC_OP(g, OP_max_pool, "pool", &both, x), 64, 3, 1));
    x = relu(g, conv(g, state, NCC_OP(g, OP_max_pool, "pool", &both, x), 128, 3, 1));
    x = NCC_OP(g, OP_max_pool, "rows", &rows, relu(g, conv(g, state, x, 128, 3, 1)));
    x = relu(g, conv(g, state, x, 256, 3, 1));
    x = NCC_OP(g, OP_max_pool, "rows", &rows, relu(g, conv(g, state, x, 256, 3, 1)));
    const struct conv2d_attrs valid = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    return relu(g, net_conv(g, state, x, valid, 256, 2, 2));
}

static struct value *along(struct graph *g, uint64_t *state, struct value *x, int out_c, int kh, int kw)
{
    struct conv2d_attrs a = same(1, 1, 1);
    a.pad_top = a.pad_bottom = kh / 2;
    a.pad_left = a.pad_right = kw / 2;
    return net_conv(g, state, x, a, out_c, kh, kw);
}

/* LPRNet's first two blocks, for number plates: a pool that halves the columns alone. */
static struct value *number_plates(struct graph *g, uint64_t *state)
{
    const struct pool_attrs largest = {.kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1},
                            columns = {.kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 2};
    const struct conv2d_attrs valid = same(1, 1, 1);
    struct value *x = relu(g, net_conv(g, state, input(g, 3, 24, 94), valid, 64, 3, 3));
    x = NCC_OP(g, OP_max_pool, "largest", &largest, x);
    for (int i = 0; i < 2; i++) {
        x = relu(g, conv(g, state, x, 32, 1, 1));
        x = relu(g, along(g, state, x, 32, 3, 1));
        x = relu(g, along(g, state, x, 32, 1, 3));
        x = relu(g, conv(g, state, x, 64, 1, 1));
        x = NCC_OP(g, OP_max_pool, "columns", &columns, x);
    }
    return relu(g, conv(g, state, x, 64, 1, 1));
}

/* ---- the table ---- */

/* Gates that hardly vary, of channels that are from large to a thirtieth of that. */
static struct value *uneven_gates(struct graph *g, uint64_t *state)
{
    const struct reduce_attrs mean = {REDUCE_MEAN, {2, {2, 3}}, true};
    enum { C = 32 };
    float size[C];
    for (int c = 0; c < C; c++)
        size[c] = exp2f((float)-(c % 6));
    struct value *x = relu(g, conv(g, state, input(g, 3, 20, 20), C, 3, 1));
    x = NCC_OP(g, OP_mul, "sizes", NULL, x, ncc_const_copy(g, "size", DT_F32, ncc_shape_4(1, C, 1, 1), size));
    struct value *gate = conv(g, state, NCC_OP(g, OP_reduce, "mean", &mean, x), C, 1, 1);
    x = NCC_OP(g, OP_mul, "gated", NULL, x, NCC_OP(g, OP_sigmoid, "gate", NULL, gate));
    for (int c = 0; c < C; c++)
        size[c] = 1 / size[c];
    return NCC_OP(g, OP_mul, "even", NULL, x, ncc_const_copy(g, "size", DT_F32, ncc_shape_4(1, C, 1, 1), size));
}

static const struct block {
    const char *name;
    struct value *(*build)(struct graph *g, uint64_t *state);
    int crossings; /* at most */
    double sqnr;   /* in decibels, at least */
    double ms;     /* estimate for the KPU, at most; 0: any */
} blocks[] = {
    {"ShuffleNet V2, two stages", shufflenet_v2, 0, 25, 0},
    {"ShuffleNet V1, three units", shufflenet_v1, 0, 25, 0},
    {"classes of a mean", classifier, 0, 25, 0},
    {"weighted sum of four maps", weighted_sum, 0, 25, 0},
    {"Inception, average pool in a branch", inception, 0, 25, 2},
    {"gates of channels of different sizes", uneven_gates, 2, 20, 0},
    {"MobileNet V3, two blocks with gates", mobilenet_v3, 4, 18, 0}, /* down and up again for each gate */
    {"MobileNet V1, two picks in odd rows", mobilenet_v1, 0, 25, 2},
    {"CRNN, pools of stride 2x1", text_lines, 0, 25, 5},
    {"LPRNet, pools of stride 1x2", number_plates, 0, 25, 8},
};

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4, .output_quantize_threshold = 1024};

/* Copies between the memories besides those of inputs and outputs. */
static int crossings(const struct graph *g)
{
    return net_count_crossings(g) + net_count(g, OP_kpu_download) - g->outputs.n;
}

static double kpu_ms(const struct graph *g)
{
    double us = 0;
    for (const struct node *n = g->first; n; n = n->next)
        us += n->op == OP_kpu_conv ? ncc_cost_layer_us(n, options.runtime) : 0;
    return us / 1e3;
}

static void run_blocks(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("blocks");
    struct ncc_sim *sim = ncc_sim_new();
    int n_bad = 0;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        const struct block *b = &blocks[i];
        uint64_t state = seed * 1000003 + i;
        struct net n;
        net_open(&n);
        ncc_diag_init(&n.diags, &n.arena);
        n.g = ncc_graph_new(&n.arena, &n.diags, b->name);
        ncc_graph_output(n.g, b->build(n.g, &state), "y");
        const struct compiled c = compile_net(&n, &options, false, state, b->name);
        const struct tensor *want = &net_evaluate(&n.arena, n.g, state, false)[n.g->outputs.v[0].value->id];
        const void **got = compiled_run(&n, &c, c.codes, state, sim);
        const double db = ncc_sqnr_db(want->data, got[0], (size_t)ncc_shape_count(want->shape));
        const int n_crossings = crossings(c.real);
        const double ms = kpu_ms(c.real);
        const bool bad = n_crossings > b->crossings || db < b->sqnr || (b->ms > 0 && ms > b->ms);
        print_message("%s%s: %d crossings, %d KPU layers, %.2f ms, %.1f dB\n", bad ? "BAD: " : "", b->name, n_crossings,
                      net_count(c.real, OP_kpu_conv), ms, db);
        n_bad += bad;
        net_close(&n);
    }
    ncc_sim_free(sim);
    assert_int_equal(n_bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(run_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
