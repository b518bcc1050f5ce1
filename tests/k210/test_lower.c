/* Lowering keeps the meaning: random networks with every node on the KPU that may be there, in real numbers, with junk
 * wherever junk may be; and each rewrite by itself, with the layers that it should take. */
#include "tests/k210/net.h"

#include "compiler/ir/text.h"
#include "compiler/ops/attrs.h"
#include "kpu/layer.h"

#include <stdio.h>

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

static void show(const struct graph *g, const char *what, struct arena *a)
{
    fprintf(stderr, "---- %s ----\n%s", what, ncc_text_print(g, false, a));
}

static struct graph *lowered(struct net *n)
{
    struct graph *g = ncc_graph_copy(n->g, &n->arena, &n->diags);
    assert_true(ncc_k210_legalise(g, &options, &n->scratch));
    net_force_on_kpu(g);
    assert_true(ncc_k210_lower(g, &options, &n->scratch));
    return g;
}

/* A layer writes at most one copy to main memory. */
static const char *downloaded_twice(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next) {
        int count = 0;
        for (const struct use *u = n->out[0]->uses; u && n->op == OP_kpu_conv; u = u->next)
            count += u->node->op == OP_kpu_download;
        if (count > 1)
            return n->name;
    }
    return NULL;
}

static void check(struct net *n, const struct graph *g, const char *name, uint64_t seed)
{
    char why[200] = "";
    if (!ncc_graph_verify(g, "lower")) {
        ncc_diag_print(&n->diags, stderr);
        show(n->g, "network", &n->arena);
        show(g, "lowered", &n->arena);
        fail_msg("%s: the lowered graph is broken", name);
    }
    const char *illegal = net_illegal_layer(g);
    const struct tensor *x = net_evaluate(&n->arena, n->g, seed, false);
    const struct tensor *clean = net_evaluate(&n->arena, g, seed, false),
                        *poisoned = net_evaluate(&n->arena, g, seed, true);
    const char *promise = net_broken_promise(g, poisoned);
    const bool same = net_same(n->g, x, g, clean, 1e-5, why) && net_same(n->g, x, g, poisoned, 1e-5, why);
    const char *twice = downloaded_twice(g);
    if (illegal || promise || twice || !same) {
        show(n->g, "network", &n->arena);
        show(g, "lowered", &n->arena);
        fail_msg("%s: %s %s", name,
                 illegal   ? illegal
                 : promise ? "not zero around"
                 : twice   ? "downloaded twice:"
                           : why,
                 promise ? promise
                 : twice ? twice
                         : "");
    }
}

enum { N_NETS = 540 };

static void random_networks(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("lower");
    int n_layers = 0, n_nodes = 0, n_left = 0, whole[N_NET_KINDS] = {0};
    for (int i = 0; i < N_NETS; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        net_random(&n, &state, i);
        char name[40];
        snprintf(name, sizeof name, "network %d", i);
        const struct graph *g = lowered(&n);
        check(&n, g, name, state);
        int left = 0;
        for (const struct node *k = g->first; k; k = k->next)
            left +=
                !(ncc_op_desc(k->op)->flags & (OP_KPU | OP_SAME_QUANT)) && k->op != OP_pad; /* these only move */
        n_layers += net_count(g, OP_kpu_conv);
        n_nodes += ncc_graph_n_nodes(n.g);
        n_left += left;
        whole[i % N_NET_KINDS] += left == 0 && net_count(g, OP_kpu_conv) > 0;
        net_close(&n);
    }
    print_message("%d networks, %d nodes: %d KPU layers, %d nodes left to the CPU\n", N_NETS, n_nodes, n_layers,
                  n_left);
    for (int k = 0; k < N_NET_KINDS; k++)
        if (whole[k] == 0)
            fail_msg("no network of kind %d came out on the KPU as a whole", k);
}

/* ---- one rewrite at a time ---- */

struct expectation {
    const char *name, *text;
    int layers;    /* kpu_conv in all, shifts and copies included; -1: any number */
    int pool;      /* code of the last layer; -1: any */
    int crossings; /* downloads besides the outputs' own: 0 where all stays in KPU RAM */
};

#define SAME "pad_top=1 pad_left=1 pad_bottom=1 pad_right=1"

static const struct expectation expectations[] = {
    {"3x3 same",
     "input %x f32 1x5x9x11\nconst %w f32 7x5x3x3 = random 1\nconst %b f32 7 = random 2\n%y = conv2d(%x, %w, %b) " SAME
     "\noutput %y\n",
     1, 0, 0},
    {"3x3 valid", "input %x f32 1x5x9x11\nconst %w f32 7x5x3x3 = random 1\n%y = conv2d(%x, %w, _)\noutput %y\n", 1, 0,
     0},
    {"2.2 stride 2, symmetric pad, even",
     "input %x f32 1x5x12x10\nconst %w f32 7x5x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     " stride_h=2 stride_w=2\noutput %y\n",
     1, 5, 0},
    {"3.2 stride 2, TensorFlow SAME, even",
     "input %x f32 1x5x12x10\nconst %w f32 7x5x3x3 = random 1\n%y = conv2d(%x, %w, _) pad_bottom=1 pad_right=1 "
     "stride_h=2 stride_w=2\noutput %y\n",
     2, -1, 0},
    {"3.2 the same with many channels",
     "input %x f32 1x64x12x10\nconst %w f32 7x64x3x3 = random 1\n%y = conv2d(%x, %w, _) pad_bottom=1 pad_right=1 "
     "stride_h=2 stride_w=2\noutput %y\n",
     2, 6, 0},
    {"3.3 depthwise stride 2, then 1x1",
     "input %x f32 1x8x12x12\nconst %w f32 8x1x3x3 = random 1\nconst %v f32 6x8x1x1 = random 2\n%y = conv2d(%x, %w, "
     "_) " SAME " stride_h=2 stride_w=2 groups=8\n%z = clip(%y) min=0 max=6\n%o = conv2d(%z, %v, _)\noutput %o\n",
     2, 5, 0},
    {"3.3 depthwise stride 2, TensorFlow SAME, then 1x1",
     "input %x f32 1x8x12x12\nconst %w f32 8x1x3x3 = random 1\nconst %v f32 6x8x1x1 = random 2\n%y = conv2d(%x, %w, _) "
     "pad_bottom=1 pad_right=1 stride_h=2 stride_w=2 groups=8\n%z = relu(%y)\n%o = conv2d(%z, %v, _)\noutput %o\n",
     2, -1, 0},
    {"3.4 odd size, few channels",
     "input %x f32 1x4x15x13\nconst %w f32 4x4x3x3 = random 1\nconst %v f32 6x4x1x1 = random 2\n%y = conv2d(%x, %w, "
     "_) " SAME "\n%z = conv2d(%y, %v, _) stride_h=2 stride_w=2\noutput %z\n",
     3, 6, 0}, /* a shift and 3x3 beat the fixed part of 1x1 */
    {"3.4 odd size, several channel groups",
     "input %x f32 1x12x15x20\nconst %w f32 12x1x3x3 = random 1\nconst %v f32 6x12x1x1 = random 2\n%y = conv2d(%x, %w, "
     "_) " SAME " stride_h=2 stride_w=2 groups=12\n%z = relu(%y)\n%o = conv2d(%z, %v, _)\noutput %o\n",
     -1, 5, 0},
    {"3.5 valid, stride 2",
     "input %x f32 1x3x17x17\nconst %w f32 8x3x3x3 = random 1\n%y = conv2d(%x, %w, _) stride_h=2 stride_w=2\noutput "
     "%y\n",
     -1, -1, 0},
    {"3.7 stride 4",
     "input %x f32 1x3x16x16\nconst %w f32 8x3x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     " stride_h=4 stride_w=4\noutput %y\n",
     1, 7, 0},
    {"4 5x5 same",
     "input %x f32 1x4x12x12\nconst %w f32 5x4x5x5 = random 1\n%y = conv2d(%x, %w, _) pad_top=2 pad_left=2 "
     "pad_bottom=2 pad_right=2\noutput %y\n",
     -1, 0, 0},
    {"4 5x5 valid", "input %x f32 1x4x12x12\nconst %w f32 5x4x5x5 = random 1\n%y = conv2d(%x, %w, _)\noutput %y\n", -1,
     0, 0},
    {"4 5x5 stride 2, TensorFlow SAME, even",
     "input %x f32 1x4x12x12\nconst %w f32 5x4x5x5 = random 1\n%y = conv2d(%x, %w, _) stride_h=2 stride_w=2 pad_top=1 "
     "pad_left=1 pad_bottom=2 pad_right=2\noutput %y\n",
     -1, -1, 0},
    {"4 11x11 stride 4, few channels: blocks of pixels, then 3x3",
     "input %x f32 1x3x64x64\nconst %w f32 16x3x11x11 = random 1\n%y = conv2d(%x, %w, _) stride_h=4 stride_w=4 pad_top=2 "
     "pad_left=2 pad_bottom=2 pad_right=2\noutput %y\n",
     -1, 0, 0},
    {"3.7 stride 2 in one row",
     "input %x f32 1x4x1x12\nconst %w f32 5x4x1x3 = random 1\n%y = conv2d(%x, %w, _) pad_left=1 pad_right=1 "
     "stride_w=2\noutput %y\n",
     1, 5, 0},
    {"10.2 product of a flattened map",
     "input %x f32 1x12x6x6\nconst %v f32 12x12x3x3 = random 3\nconst %w f32 432x10 = random 1\nconst %u f32 10x7 = "
     "random 2\n%a = conv2d(%x, %v, _) " SAME "\n%f = reshape(%a) shape=[1,432]\n%y = matmul(%f, %w, _)\n%z = "
     "relu(%y)\n%o = matmul(%z, %u, _)\noutput %o\n",
     -1, 0, 0},
    {"10 product of many rows",
     "input %x f32 200x24\nconst %w f32 24x40 = random 1\n%y = matmul(%x, %w, _)\n%o = relu(%y)\noutput %o\n", 1, 0,
     0},
    {"4 7x7 same",
     "input %x f32 1x4x12x12\nconst %w f32 5x4x7x7 = random 1\n%y = conv2d(%x, %w, _) pad_top=3 pad_left=3 "
     "pad_bottom=3 pad_right=3\noutput %y\n",
     -1, 0, 0},
    {"4 3x3, dilation 2",
     "input %x f32 1x4x12x12\nconst %w f32 5x4x3x3 = random 1\n%y = conv2d(%x, %w, _) dil_h=2 dil_w=2 pad_top=2 "
     "pad_left=2 pad_bottom=2 pad_right=2\noutput %y\n",
     -1, 0, 0},
    {"4 1x7",
     "input %x f32 1x4x12x12\nconst %w f32 5x4x1x7 = random 1\n%y = conv2d(%x, %w, _) pad_left=3 pad_right=3\noutput "
     "%y\n",
     -1, 0, 0},
    {"4 depthwise 5x5",
     "input %x f32 1x6x12x12\nconst %w f32 6x1x5x5 = random 1\n%y = conv2d(%x, %w, _) groups=6 pad_top=2 pad_left=2 "
     "pad_bottom=2 pad_right=2\noutput %y\n",
     -1, 0, 0},
    {"4 depthwise 5x5, many channels: pieces and sums",
     "input %x f32 1x64x12x12\nconst %w f32 64x1x5x5 = random 1\n%y = conv2d(%x, %w, _) groups=64 pad_top=2 pad_left=2 "
     "pad_bottom=2 pad_right=2\n%o = relu(%y)\noutput %o\n",
     14, 0, 0}, /* with a column of zeros; 6 shifted copies and pieces */
    {"4 the same, with one scale for all channels: line by line",
     "input %x f32 1x64x12x12\nconst %w f32 64x1x5x5 = random 1\n%y = conv2d(%x, %w, _) groups=64 pad_top=2 pad_left=2 "
     "pad_bottom=2 pad_right=2\n%o = hard_swish(%y)\noutput %o\n",
     15, 0, 0}, /* and a copy, since a download belongs to a layer */
    {"4 depthwise 5x5 behind 1x1: with a row of zeros, too",
     "input %x f32 1x8x12x12\nconst %v f32 64x8x1x1 = random 2\nconst %w f32 64x1x5x5 = random 1\n%z = conv2d(%x, %v, _)\n"
     "%y = conv2d(%z, %w, _) groups=64 pad_top=2 pad_left=2 pad_bottom=2 pad_right=2\n%o = hard_swish(%y)\noutput %o\n",
     14, 0, 0}, /* 2 for the row, 1x1, moved, 4 shifted, 4 pieces, sum; copy */
    {"8.3 sum of what has known ranges: line by line",
     "input %x f32 1x256x12x12 !range(-1, 1)\nconst %w f32 256x1x3x3 = random 1\nconst %v f32 3x256x1x1 = random 2\n%y = "
     "conv2d(%x, %w, _) groups=256 " SAME " !range(-3, 3)\n%z = relu(%y) !range(0, 3)\n%s = add(%z, %x) !range(-1, 4)\n%o = "
     "conv2d(%s, %v, _)\noutput %o\n",
     3, 0, 0},
    {"8.3 sum in blocks of channels",
     "input %x f32 1x256x12x12\nconst %w f32 256x1x3x3 = random 1\n%y = conv2d(%x, %w, _) groups=256 " SAME
     "\n%z = relu(%y)\n%o = add(%z, %x)\noutput %o\n",
     13, 0, 0},
    {"5 more outputs than the canvas has room for, nor its layout: through main memory",
     "input %x f32 1x8x16x16\nconst %v f32 8x8x3x3 = random 2\nconst %w f32 8x8x3x3 = random 1\n%a = conv2d(%x, %v, _) " SAME
     "\n%y = conv2d(%a, %w, _) pad_top=4 pad_left=4 pad_bottom=4 pad_right=4 dil_h=2 dil_w=2\noutput %y\n",
     -1, 0, 1},
    {"5 valid after valid",
     "input %x f32 1x4x12x12\nconst %w f32 5x4x3x3 = random 1\nconst %v f32 5x5x3x3 = random 2\n%y = conv2d(%x, %w, "
     "_)\n%z = relu(%y)\n%o = conv2d(%z, %v, _)\noutput %o\n",
     2, 0, 0},
    {"5 same after valid",
     "input %x f32 1x4x12x12\nconst %w f32 5x4x3x3 = random 1\nconst %v f32 5x5x3x3 = random 2\n%y = conv2d(%x, %w, "
     "_)\n%z = sigmoid(%y)\n%o = conv2d(%z, %v, _) " SAME "\noutput %o\n",
     5, 0, 0},
    {"5 more padding than the kernel reaches",
     "input %x f32 1x4x10x10\nconst %w f32 5x4x3x3 = random 1\n%y = conv2d(%x, %w, _) pad_top=2 pad_left=2 "
     "pad_bottom=2 pad_right=2\noutput %y\n",
     -1, 0, 0},
    {"3.4 odd size, 3x3 in several channel groups",
     "input %x f32 1x12x15x15\nconst %w f32 6x12x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     " stride_h=2 stride_w=2\noutput %y\n",
     -1, -1, 0},
    {"10.3 6x6 to 3x3, then depthwise",
     "input %x f32 1x16x6x6\nconst %w f32 16x1x3x3 = random 1\nconst %v f32 20x16x1x1 = random 2\nconst %u f32 "
     "20x1x3x3 = random 3\n%y = conv2d(%x, %w, _) " SAME " groups=16\n%z = conv2d(%y, %v, _) stride_h=2 stride_w=2\n%r = "
     "relu(%z)\n%o = conv2d(%r, %u, _) " SAME " groups=20\noutput %o\n",
     6, 0, 0},
    {"10.3 4x4 to 2x2 to 1x1",
     "input %x f32 1x8x4x4\nconst %w f32 8x8x3x3 = random 1\nconst %v f32 8x8x3x3 = random 2\n%y = conv2d(%x, %w, _) "
     SAME " stride_h=2 stride_w=2\n%z = relu(%y)\n%o = conv2d(%z, %v, _) " SAME " stride_h=2 stride_w=2\noutput %o\n",
     -1, -1, 0},
    {"pool in the layer",
     "input %x f32 1x4x12x12\nconst %w f32 5x4x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     "\n%z = relu(%y)\n%o = max_pool(%z) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\noutput %o\n",
     1, 1, 0},
    {"mean pool behind the layer, joined with it later",
     "input %x f32 1x4x16x16\nconst %w f32 5x4x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     "\n%o = avg_pool(%y) kernel_h=4 kernel_w=4 stride_h=4 stride_w=4\noutput %o\n",
     2, 4, 0},
    {"2.4 pool by itself",
     "input %x f32 1x16x16x16\n%o = max_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\noutput %o\n", -1, 1, 0},
    {"6 max pool 3x3, stride 2: its first step in the layer",
     "input %x f32 1x4x13x13\nconst %w f32 5x4x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     "\n%o = max_pool(%y) kernel_h=3 kernel_w=3 stride_h=2 stride_w=2\noutput %o\n",
     2, 1, 0},
    {"6 max pool 3x3, stride 2, pad 1",
     "input %x f32 1x4x12x12\nconst %w f32 5x4x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     "\n%o = max_pool(%y) kernel_h=3 kernel_w=3 stride_h=2 stride_w=2 " SAME "\noutput %o\n",
     -1, 1, 0},
    {"6 max pool 3x3, stride 2, rounded up, in a window",
     "input %x f32 1x4x14x14\nconst %w f32 5x4x3x3 = random 1\n%y = conv2d(%x, %w, _)\n%o = max_pool(%y) kernel_h=3 "
     "kernel_w=3 stride_h=2 stride_w=2 pad_bottom=1 pad_right=1\noutput %o\n",
     -1, 1, 0},
    {"6 max pool 5x5 same",
     "input %x f32 1x8x13x13\n%o = max_pool(%x) kernel_h=5 kernel_w=5 pad_top=2 pad_left=2 pad_bottom=2 "
     "pad_right=2\noutput %o\n",
     -1, 9, 0},
    {"6 max pool 8x8, stride 2, pad 3",
     "input %x f32 1x4x28x28\n%o = max_pool(%x) kernel_h=8 kernel_w=8 stride_h=2 stride_w=2 pad_top=3 pad_left=3 "
     "pad_bottom=3 pad_right=3\noutput %o\n",
     -1, 9, 0},
    {"6 max pool 2x2, stride 2, rounded up, odd size in several channel groups",
     "input %x f32 1x12x15x15\n%o = max_pool(%x) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2 pad_bottom=1 "
     "pad_right=1\noutput %o\n",
     -1, 1, 0},
    {"6 max pool 3x1",
     "input %x f32 1x8x13x13\n%o = max_pool(%x) kernel_h=3 kernel_w=1 pad_top=1 pad_bottom=1\noutput %o\n", -1, 0, 0},
    {"6 max pool 2x3, stride 2: along columns, and a reduction in the layer that adds",
     "input %x f32 1x8x16x16\n%o = max_pool(%x) kernel_h=2 kernel_w=3 stride_h=2 stride_w=2\noutput %o\n", 3, 1, 0},
    {"6 max pool of a whole map, 25x5",
     "input %x f32 1x12x25x5\n%o = max_pool(%x) kernel_h=25 kernel_w=5\noutput %o\n", -1, 1, 0},
    {"7 average 3x3 same that counts the padding",
     "input %x f32 1x8x13x13\n%o = avg_pool(%x) kernel_h=3 kernel_w=3 count_pad=true " SAME "\noutput %o\n", 1, 0, 0},
    {"7 average 3x3, stride 2",
     "input %x f32 1x8x13x13\n%o = avg_pool(%x) kernel_h=3 kernel_w=3 stride_h=2 stride_w=2\noutput %o\n", 2, -1, 0},
    {"7 global mean, 3x3, then a matrix",
     "input %x f32 1x12x3x3\nconst %w f32 12x12x1x1 = random 1\nconst %v f32 12x5 = random 2\n%y = conv2d(%x, %w, _)\n%m "
     "= reduce(%y) axes=[2,3]\n%o = matmul(%m, %v, _)\noutput %o\n",
     3, 0, 0},
    {"7 global mean, 4x4",
     "input %x f32 1x12x4x4\n%m = reduce(%x) axes=[2,3] keep_dims=true\noutput %m\n", 2, 0, 0},
    {"7 global mean, 8x8 in the layer before",
     "input %x f32 1x12x8x8\nconst %w f32 12x12x1x1 = random 1\n%y = conv2d(%x, %w, _)\n%m = reduce(%y) "
     "axes=[2,3]\noutput %m\n",
     4, 0, 0},
    {"7 global mean, 25x5", "input %x f32 1x12x25x5\n%m = reduce(%x) axes=[2,3]\noutput %m\n", -1, 0, 0},
    {"12 concat whose parts do not fill lines, read by a convolution and a pool",
     "input %x f32 1x3x12x12\nconst %w f32 5x3x1x1 = random 1\nconst %v f32 7x3x1x1 = random 2\nconst %u f32 4x12x3x3 = "
     "random 3\n%a = conv2d(%x, %w, _)\n%b = conv2d(%x, %v, _)\n%c = concat(%a, %b) axis=1\n%o = conv2d(%c, %u, _) " SAME
     "\n%p = max_pool(%c) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\noutput %o\noutput %p\n",
     -1, 1, 0},
    {"12 channels from inside a line on",
     "input %x f32 1x3x12x12\nconst %w f32 16x3x1x1 = random 1\nconst %u f32 4x7x3x3 = random 3\n%a = conv2d(%x, %w, "
     "_)\n%c = slice(%a) begin=[0,6,0,0] size=[1,7,12,12] stride=[1,1,1,1]\n%o = conv2d(%c, %u, _) " SAME "\noutput %o\n",
     2, 0, 0},
    {"12 concat of different windows",
     "input %x f32 1x4x12x12\nconst %w f32 8x4x3x3 = random 1\nconst %v f32 8x4x5x5 = random 2\n%a = conv2d(%x, %w, "
     "_)\n%b = conv2d(%x, %v, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n%c = concat(%a, %b) axis=1\nconst %u f32 "
     "4x16x1x1 = random 3\n%o = conv2d(%c, %u, _)\noutput %o\n",
     -1, 0, 0},
    {"8.3 sum",
     "input %x f32 1x6x12x12\nconst %w f32 6x6x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     "\n%z = relu(%y)\n%s = add(%z, %y)\n%o = relu(%s)\noutput %o\n",
     -1, 0, 0},
    {"3.7 max pool of stride 3, then a single output: decimated by its kernel",
     "input %x f32 1x8x14x14\nconst %v f32 8x8x3x3 = random 3\nconst %w f32 10x8x4x4 = random 1\n%a = conv2d(%x, %v, _) " SAME
     "\n%p = max_pool(%a) kernel_h=3 kernel_w=3 stride_h=3 stride_w=3\n%y = conv2d(%p, %w, _)\noutput %y\n",
     -1, -1, 0},
    {"8.3 difference with the input",
     "input %x f32 1x6x12x12\nconst %w f32 6x6x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     "\n%o = sub(%x, %y)\noutput %o\n",
     -1, 0, 0},
    {"9 prelu", "input %x f32 1x6x12x12\nconst %a f32 1x6x1x1 = random 1\n%o = prelu(%x, %a)\noutput %o\n", 3, 0, 0},
    {"10.1 matmul",
     "input %x f32 1x40\nconst %w f32 40x12 = random 1\nconst %b f32 12 = random 2\n%y = matmul(%x, %w, %b)\n%o = "
     "sigmoid(%y)\noutput %o\n",
     1, 0, 0},
    {"12 concat",
     "input %x f32 1x3x12x12\nconst %w f32 8x3x1x1 = random 1\nconst %v f32 5x3x1x1 = random 2\nconst %u f32 4x13x3x3 "
     "= random 3\n%a = conv2d(%x, %w, _)\n%b = conv2d(%x, %v, _)\n%c = concat(%a, %b) axis=1\n%o = conv2d(%c, %u, "
     "_) " SAME "\noutput %o\n",
     3, 0, 0},
    {"12 groups",
     "input %x f32 1x8x12x12\nconst %w f32 6x4x3x3 = random 1\n%o = conv2d(%x, %w, _) groups=2 " SAME "\noutput %o\n",
     1, 0, 0},
    {"12 channel multiplier, then a function and 1x1, which takes the order",
     "input %x f32 1x64x24x24\nconst %w f32 128x1x3x3 = random 1\nconst %v f32 16x128x1x1 = random 2\n%y = conv2d(%x, %w, "
     "_) groups=64 " SAME "\n%z = relu(%y)\n%o = conv2d(%z, %v, _)\noutput %o\n",
     3, 0, 0},
    {"12 channel multiplier",
     "input %x f32 1x6x12x12\nconst %w f32 12x1x3x3 = random 1\n%o = conv2d(%x, %w, _) groups=6 " SAME "\noutput %o\n",
     -1, 0, 0},
    {"11 transposed, 4x4 stride 2, then 3x3: on pixels set apart",
     "input %x f32 1x5x8x8\nconst %w f32 5x3x4x4 = random 1\nconst %b f32 3 = random 2\nconst %v f32 4x3x3x3 = random "
     "3\n%y = conv2d_transpose(%x, %w, %b) stride_h=2 stride_w=2 " SAME "\n%z = relu(%y)\n%o = conv2d(%z, %v, _) " SAME
     "\noutput %o\n",
     -1, 0, 0},
    {"11 transposed, stride 3, then 3x3: phases, and one CPU step",
     "input %x f32 1x5x8x8\nconst %w f32 5x3x4x4 = random 1\nconst %v f32 4x3x3x3 = random 3\n%y = conv2d_transpose(%x, "
     "%w, _) stride_h=3 stride_w=3 " SAME "\n%z = relu(%y)\n%o = conv2d(%z, %v, _) " SAME "\noutput %o\n",
     2, 0, 1},
    {"11 depth to space, then 3x3: on pixels set apart",
     "input %x f32 1x16x20x20\nconst %w f32 16x16x3x3 = random 1\nconst %v f32 4x4x3x3 = random 3\n%a = conv2d(%x, %w, "
     "_) " SAME "\n%y = depth_to_space(%a) block=2\n%z = relu(%y)\n%o = conv2d(%z, %v, _) " SAME "\noutput %o\n",
     -1, 0, 0},
    {"11 nearest by 2 beside another map, then 3x3",
     "input %x f32 1x6x10x10\ninput %s f32 1x3x20x20\nconst %w f32 6x6x3x3 = random 1\nconst %u f32 5x3x1x1 = random "
     "2\nconst %v f32 4x11x3x3 = random 3\n%a = conv2d(%x, %w, _) " SAME "\n%b = resize(%a) out_h=20 out_w=20\n%t = "
     "conv2d(%s, %u, _)\n%c = concat(%b, %t) axis=1\n%o = conv2d(%c, %v, _) " SAME "\noutput %o\n",
     -1, 0, 0},
    {"11 1x1 of a small map resized and another: a share first",
     "input %x f32 1x96x10x10\ninput %s f32 1x32x20x20\nconst %w f32 96x96x3x3 = random 1\nconst %v f32 16x128x1x1 = random "
     "3\nconst %k f32 16 = random 4\n%a = conv2d(%x, %w, _) " SAME "\n%b = resize(%a) out_h=20 out_w=20\n%c = concat(%b, %s) "
     "axis=1\n%d = conv2d(%c, %v, %k)\n%o = relu(%d)\noutput %o\n",
     -1, 0, 0},
    {"11 nearest by 4 with edges of the canvas, then a sum",
     "input %x f32 1x6x12x12\ninput %s f32 1x6x40x40\nconst %w f32 6x6x3x3 = random 1\nconst %u f32 6x6x1x1 = random "
     "2\n%a = conv2d(%x, %w, _)\n%b = resize(%a) out_h=40 out_w=40\n%t = conv2d(%s, %u, _)\n%o = add(%b, %t)\noutput %o\n",
     -1, 0, 0},
    {"11 transposed, kernel smaller than the stride",
     "input %x f32 1x5x8x8\nconst %w f32 5x3x1x2 = random 1\nconst %b f32 3 = random 2\n%o = conv2d_transpose(%x, %w, "
     "%b) stride_h=2 stride_w=3 out_pad_w=1\noutput %o\n",
     1, 0, 0},
    {"11 transposed, stride 1: a convolution",
     "input %x f32 1x5x8x8\nconst %w f32 5x3x3x3 = random 1\n%o = conv2d_transpose(%x, %w, _) " SAME "\noutput %o\n", 1,
     0, 0},
    {"2.3 space to depth", "input %x f32 1x5x8x8\n%o = space_to_depth(%x) block=2\noutput %o\n", 1, 5, 0},
    {"constants",
     "input %x f32 1x6x12x12\nconst %k f32 6x1x1 = random 1\nconst %m f32 1 = { 2.5 }\n%a = add(%x, %k)\n%b = mul(%a, "
     "%m)\n%o = sub(%m, %b)\noutput %o\n",
     -1, 0, 0},
    {"zero channels in front of a sum",
     "input %x f32 1x4x12x12\nconst %w f32 9x4x3x3 = random 1\n%y = conv2d(%x, %w, _) " SAME
     "\n%p = pad(%x) before=[0,0,0,0] after=[0,5,0,0]\n%s = add(%y, %p)\n%o = relu(%s)\noutput %o\n",
     -1, 0, 0},
    {"more than 64 weight loads",
     "input %x f32 1x512x4x4\nconst %w f32 500x512x3x3 = random 1\n%o = conv2d(%x, %w, _) " SAME "\noutput %o\n", -1, 0,
     0},
    {"1024 channels",
     "input %x f32 1x1024x4x4\nconst %w f32 1024x1024x1x1 = random 1\n%o = conv2d(%x, %w, _)\noutput %o\n", -1, 0, 0},
    {"the greater of two maps: with the ReLU of their difference, exact in codes",
     "input %x f32 1x6x12x12\nconst %w f32 8x6x3x3 = random 1\nconst %v f32 8x6x1x1 = random 2\n%a = conv2d(%x, %w, _) " SAME
     "\n%b = conv2d(%x, %v, _)\n%o = maximum(%a, %b)\noutput %o\n",
     5, 0, 0},
    {"the smaller of two maps",
     "input %x f32 1x6x12x12\nconst %w f32 8x6x3x3 = random 1\nconst %v f32 8x6x1x1 = random 2\n%a = conv2d(%x, %w, _) " SAME
     "\n%b = conv2d(%x, %v, _)\n%o = minimum(%a, %b)\noutput %o\n",
     5, 0, 0},
    {"9 prelu between convolutions: both take halves",
     "input %x f32 1x5x12x12\nconst %w f32 6x5x3x3 = random 1\nconst %b f32 6 = random 4\nconst %a f32 1x6x1x1 = random "
     "2\nconst %v f32 4x6x3x3 = random 3\n%y = conv2d(%x, %w, %b) " SAME "\n%p = prelu(%y, %a)\n%o = conv2d(%p, %v, _) " SAME
     "\noutput %o\n",
     2, 0, 0},
    {"9 prelu behind a convolution, then a pool",
     "input %x f32 1x5x12x12\nconst %w f32 6x5x3x3 = random 1\nconst %a f32 1x6x1x1 = random 2\n%y = conv2d(%x, %w, _) " SAME
     "\n%p = prelu(%y, %a)\n%o = max_pool(%p) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\noutput %o\n",
     2, 1, 0},
    {"8.1 sum of two convolutions: one of both inputs",
     "input %x f32 1x4x12x12\nconst %w f32 8x4x3x3 = random 1\nconst %v f32 8x8x1x1 = random 2\nconst %u f32 8x4x3x3 = "
     "random 3\n%a = conv2d(%x, %w, _) " SAME "\n%r = relu(%a)\n%b = conv2d(%r, %v, _)\n%c = conv2d(%x, %u, _) " SAME
     "\n%s = add(%b, %c)\n%o = relu(%s)\noutput %o\n",
     -1, 0, 0},
    {"8.1 difference of two convolutions of the same",
     "input %x f32 1x4x12x12\nconst %w f32 8x4x3x3 = random 1\nconst %v f32 8x4x1x1 = random 2\n%a = conv2d(%x, %w, _) "
     SAME "\n%b = conv2d(%x, %v, _)\n%o = sub(%b, %a)\noutput %o\n",
     1, 0, 0},
    {"1x1 behind 1x1, nothing between",
     "input %x f32 1x4x12x12\nconst %w f32 8x4x1x1 = random 1\nconst %v f32 8x8x1x1 = random 2\nconst %b f32 8 = random "
     "3\n%a = conv2d(%x, %w, %b)\n%o = conv2d(%a, %v, %b)\noutput %o\n",
     1, 0, 0},
    {"11 bilinear by 2: nearest, a filter and edges",
     "input %x f32 1x4x9x11\nconst %w f32 6x4x3x3 = random 1\n%a = conv2d(%x, %w, _) " SAME
     "\n%o = resize(%a) mode=bilinear out_h=18 out_w=22 half_pixel=true\noutput %o\n",
     -1, 0, 0},
    {"11 bilinear by 4 from corner to corner",
     "input %x f32 1x4x5x9\nconst %w f32 6x4x3x3 = random 1\n%a = conv2d(%x, %w, _) " SAME
     "\n%o = resize(%a) mode=bilinear out_h=17 out_w=33 align_corners=true\noutput %o\n",
     -1, 0, 0},
    {"7 bilinear to a half: means of 2x2",
     "input %x f32 1x4x18x22\nconst %w f32 6x4x3x3 = random 1\n%a = conv2d(%x, %w, _) " SAME
     "\n%o = resize(%a) mode=bilinear out_h=9 out_w=11 half_pixel=true\noutput %o\n",
     2, -1, 0},
    {"3 nearest to a quarter: a pick",
     "input %x f32 1x4x16x24\nconst %w f32 6x4x3x3 = random 1\n%a = conv2d(%x, %w, _) " SAME
     "\n%o = resize(%a) out_h=4 out_w=6\noutput %o\n",
     -1, 7, 0},
    {"11 nearest by 2, one more in front",
     "input %x f32 1x16x20x15\nconst %w f32 6x16x3x3 = random 1\n%a = conv2d(%x, %w, _) " SAME
     "\n%o = resize(%a) out_h=40 out_w=31\noutput %o\n",
     -1, 0, 0},
    {"11 bilinear by 3x2",
     "input %x f32 1x4x9x11\nconst %w f32 6x4x3x3 = random 1\nconst %v f32 4x6x1x1 = random 2\n%a = conv2d(%x, %w, _) " SAME
     "\n%b = resize(%a) mode=bilinear out_h=27 out_w=22 half_pixel=true\n%c = relu(%b)\n%o = conv2d(%c, %v, _)\noutput "
     "%o\n",
     3, 0, 1},
    {"11 nearest, then 1x1 and a function: both before it",
     "input %x f32 1x40x9x9\nconst %w f32 6x40x1x1 = random 1\nconst %v f32 3x6x3x3 = random 2\n%a = resize(%x) out_h=18 "
     "out_w=18\n%b = conv2d(%a, %w, _)\n%c = relu(%b)\n%o = conv2d(%c, %v, _) " SAME "\noutput %o\n",
     -1, 0, 0},
    {"14 product of two maps",
     "input %x f32 1x5x9x9\nconst %w f32 5x5x1x1 = random 1\n%a = conv2d(%x, %w, _)\n%b = sigmoid(%a)\n%o = mul(%x, "
     "%b)\noutput %o\n",
     -1, 0, 0},
    {"14 gate: spread over the map by the CPU",
     "input %x f32 1x16x32x32\ninput %v f32 1x16x1x1\nconst %w f32 16x16x3x3 = random 1\nconst %u f32 16x16x1x1 = random "
     "2\n%a = conv2d(%x, %w, _) " SAME "\n%b = conv2d(%v, %u, _)\n%g = sigmoid(%b)\n%o = mul(%a, %g)\noutput %o\n",
     -1, 0, 1},
    {"8.3 sum of maps at different windows: one moves",
     "input %x f32 1x4x12x12\nconst %w f32 4x4x3x3 = random 1\nconst %v f32 4x4x3x3 = random 2\n%a = conv2d(%x, %w, _)\n%r "
     "= relu(%a)\n%b = conv2d(%x, %v, _) pad_top=1 pad_left=1\n%c = slice(%b) begin=[0,0,0,0] size=[1,4,10,10] "
     "stride=[1,1,1,1]\n%t = relu(%c)\n%s = add(%r, %t)\noutput %s\n",
     -1, 0, 0},
    {"6.2 mean of an odd map: the 1x1 before it on a larger canvas, for many classes",
     "input %x f32 1x8x7x7\nconst %w f32 1024x8x1x1 = random 1\nconst %u f32 1024x900 = random 2\n%y = conv2d(%x, %w, _)\n%r = "
     "relu(%y)\n%m = reduce(%r) axes=[2,3]\n%v = reshape(%m) shape=[1,1024]\n%o = matmul(%v, %u, _)\noutput %o\n",
     -1, -1, 0},
    {"6.2 mean of an odd map: in place, four layers",
     "input %x f32 1x512x7x7\n%o = reduce(%x) axes=[2,3]\noutput %o\n", 4, -1, 0},
    {"6.2 mean of an odd map that somebody else reads",
     "input %x f32 1x16x7x7\nconst %v f32 16x16x3x3 = random 2\nconst %w f32 96x16x1x1 = random 1\n%a = conv2d(%x, %v, _) " SAME
     "\n%b = relu(%a)\n%y = conv2d(%b, %w, _)\n%r = relu(%y)\n%o = reduce(%r) axes=[2,3]\noutput %o\noutput %r\n",
     6, -1, 0},
    {"6.2 mean of an odd map that several layers make",
     "input %x f32 1x8x7x7\nconst %w f32 1100x8x1x1 = random 1\n%y = conv2d(%x, %w, _)\n%r = relu(%y)\n%o = reduce(%r) "
     "axes=[2,3]\noutput %o\n",
     -1, -1, 0},
    {"12 more than 1024 inputs: a sum of two layers",
     "input %x f32 1x1500x4x4\nconst %w f32 20x1500x1x1 = random 1\n%y = conv2d(%x, %w, _)\n%o = relu(%y)\noutput "
     "%o\n",
     3, 0, 0},
    {"12 more than 1024 outputs: two layers",
     "input %x f32 1x8x4x4\nconst %w f32 1500x8x1x1 = random 1\n%y = conv2d(%x, %w, _)\n%o = relu(%y)\noutput %o\n", 2,
     0, 0},
    {"12 copies with more than 1024 channels",
     "input %x f32 1x200x8x8\nconst %w f32 9x200x5x5 = random 1\n%o = conv2d(%x, %w, _) pad_top=2 pad_left=2 "
     "pad_bottom=2 pad_right=2\noutput %o\n",
     -1, 0, 0},
    {"12 sum of maps with more than 1024 channels together",
     "input %x f32 1x4x8x8\nconst %w f32 700x4x1x1 = random 1\nconst %v f32 700x4x1x1 = random 2\nconst %u f32 "
     "3x700x1x1 = random 3\n%a = conv2d(%x, %w, _)\n%b = conv2d(%x, %v, _)\n%c = relu(%a)\n%s = add(%c, %b)\n%o = "
     "conv2d(%s, %u, _)\noutput %o\n",
     -1, 0, 0},
    {"12 depthwise over more than 1024 channels",
     "input %x f32 1x4x8x8\nconst %w f32 1100x4x1x1 = random 1\nconst %v f32 1100x1x3x3 = random 2\nconst %u f32 "
     "3x1100x1x1 = random 3\n%a = conv2d(%x, %w, _)\n%s = conv2d(%a, %v, _) groups=1100 " SAME "\n%o = conv2d(%s, %u, "
     "_)\noutput %o\n",
     -1, 0, 0},
    {"12 matmul with more than 1024 inputs",
     "input %x f32 1x2000\nconst %w f32 2000x30 = random 1\n%o = matmul(%x, %w, _)\noutput %o\n", 3, 0, 0},
};

/* The layer that a map of an output comes from, behind crops, reshapes and downloads. */
static const struct node *last_layer(const struct graph *g)
{
    const struct node *last = NULL;
    for (const struct node *n = g->first; n; n = n->next)
        last = n->op == OP_kpu_conv ? n : last;
    return last;
}

static void one_rewrite(const struct expectation *e)
{
    struct net n;
    net_open(&n);
    net_parse(&n, e->text);
    const struct graph *g = lowered(&n);
    check(&n, g, e->name, 3);
    const struct node *last = last_layer(g);
    if (!last) {
        show(g, e->name, &n.arena);
        fail_msg("%s: nothing on the KPU", e->name);
    }
    const struct kpu_conv_attrs *a = last->attrs;
    const int layers = net_count(g, OP_kpu_conv), crossings = net_count_crossings(g);
    if ((e->layers >= 0 && layers != e->layers) || (e->pool >= 0 && a->pool != e->pool) || crossings != e->crossings) {
        show(g, e->name, &n.arena);
        fail_msg("%s: %d layers, pool code %d, %d crossings", e->name, layers, a->pool, crossings);
    }
    net_close(&n);
}

static void rewrites(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof expectations / sizeof expectations[0]; i++)
        one_rewrite(&expectations[i]);
}

/* Of layers that compute. */
static int64_t kpu_weights(const struct graph *g)
{
    int64_t weights = 0;
    for (const struct node *k = g->first; k; k = k->next)
        if (k->op == OP_kpu_conv && !((const struct kpu_conv_attrs *)k->attrs)->copy)
            weights += ncc_shape_count(k->in[1]->shape);
    return weights;
}

/* A convolution whose inputs, copies included, are more than 1024 channels. */
struct wide_input {
    int in_c, out_c, size, kernel, stride;
    int n_parts, taps; /* ranges of inputs; weights that each pair of channels takes */
    const char *behind;
};

#define ACT "%o = leaky_relu(%y) alpha=0.25\noutput %o\n"
#define POOL "%o = max_pool(%y) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\noutput %o\n"
#define NOTHING "output %y\n"

static const struct wide_input wide_inputs[] = {
    {1280, 1001, 1, 1, 1, 2, 1, NOTHING}, {2050, 300, 5, 1, 1, 3, 1, ACT}, {3900, 101, 3, 1, 1, 4, 1, NOTHING},
    {1026, 70, 7, 3, 1, 2, 9, ACT},       {1283, 17, 6, 3, 2, 2, 9, ACT},  {180, 72, 9, 5, 1, 2, 54, NOTHING},
    {1100, 130, 18, 1, 1, 2, 1, POOL},    {1025, 50, 17, 1, 2, 2, 1, ACT}, {1200, 1100, 1, 1, 1, 2, 1, ACT},
};

static void one_wide_input(const struct wide_input *e, uint64_t seed)
{
    const int pad = e->kernel / 2;
    char text[1000], name[100];
    snprintf(name, sizeof name, "%d to %d channels, %dx%d, kernel %d", e->in_c, e->out_c, e->size, e->size, e->kernel);
    snprintf(text, sizeof text,
             "input %%x f32 1x%dx%dx%d\nconst %%w f32 %dx%dx%dx%d = random 1\nconst %%b f32 %d = random 2\n%%y = conv2d(%%x, "
             "%%w, %%b) pad_top=%d pad_left=%d pad_bottom=%d pad_right=%d stride_h=%d stride_w=%d\n%s",
             e->in_c, e->size, e->size, e->out_c, e->in_c, e->kernel, e->kernel, e->out_c, pad, pad, pad, pad,
             e->stride, e->stride, e->behind);
    struct net n;
    net_open(&n);
    net_parse(&n, text);
    const struct graph *g = lowered(&n);
    check(&n, g, name, seed);
    const int64_t own = (int64_t)e->in_c * e->out_c * e->taps, all = kpu_weights(g);
    print_message("%s: %.2f million weights become %.2f\n", name, (double)own / 1e6, (double)all / 1e6);
    assert_true(all >= own && all <= own + own / 20 + (int64_t)e->n_parts * e->out_c * 128);
    net_close(&n);
}

/* They mean the same as sums of layers, and what adds these has few weights beside theirs: all outputs at once would take
 * n_parts times their square. */
static void many_inputs(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof wide_inputs / sizeof wide_inputs[0]; i++)
        one_wide_input(&wide_inputs[i], 5 + i);
}

/* What a quantised model says of a result holds for all layers that write it in parts. */
static void ranges_of_parts(void **unused)
{
    (void)unused;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x1500x1x1\nconst %w f32 300x1500x1x1 = random 1\n%o = conv2d(%x, %w, _) !range(-3, 5)\noutput %o\n");
    const struct graph *g = lowered(&n);
    int parts = 0;
    for (const struct node *k = g->first; k; k = k->next) {
        if (k->op != OP_kpu_download)
            continue;
        const struct range *r = &k->in[0]->range;
        parts++;
        assert_true(r->known && r->lo == -3 && r->hi == 5);
    }
    assert_true(parts > 1);
    net_close(&n);
}

/* The end of a large classifier: ways that are only tried, and a mean of 2048 channels that is written as regular layers, take
 * no room for weights that nobody reads. */
static void many_channels(void **unused)
{
    (void)unused;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x512x14x14\nconst %w f32 512x512x3x3 = random 1\nconst %v f32 2048x512x1x1 = random 2\nconst %u "
                  "f32 2048x512x1x1 = random 3\nconst %m f32 2048x1000 = random 4\n%a = conv2d(%x, %w, _) stride_h=2 stride_w=2 " SAME
                  "\n%b = relu(%a)\n%c = conv2d(%b, %v, _)\n%d = conv2d(%x, %u, _) stride_h=2 stride_w=2\n%e = relu(%d)\n%s = "
                  "add(%c, %e)\n%t = relu(%s)\n%p = reduce(%t) axes=[2,3]\n%o = matmul(%p, %m, _)\noutput %o\n");
    const size_t before = n.out.used;
    const struct graph *g = lowered(&n);
    const size_t most = n.out.peak - before;
    const int64_t weights = kpu_weights(g);
    print_message("%.1f million weights become %.1f, in at most %zu MiB\n", 6.5, (double)weights / 1e6, most >> 20);
    assert_true(weights < 10 * 1000 * 1000);
    assert_true(most < (size_t)160 << 20);
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rewrites), cmocka_unit_test(many_inputs),
                                       cmocka_unit_test(ranges_of_parts), cmocka_unit_test(many_channels),
                                       cmocka_unit_test(random_networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
