/* Lowering keeps the meaning: random networks with every node on the KPU that may be there, in real numbers, with junk
 * wherever junk may be; and more channels than a layer has, with the weights that they should take. */
#include "tests/k210/net.h"

#include "compiler/ops/attrs.h"

#include <stdio.h>

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

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
        const struct graph *g = net_lowered(&n, &options, true);
        net_expect_same(&n, g, state, name);
        int left = 0;
        for (const struct node *k = g->first; k; k = k->next)
            left += !(ncc_op_desc(k->op)->flags & (OP_KPU | OP_SAME_QUANT)) && k->op != OP_pad; /* these only move */
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

#define ACT     "%o = leaky_relu(%y) alpha=0.25\noutput %o\n"
#define POOL    "%o = max_pool(%y) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\noutput %o\n"
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
             "input %%x f32 1x%dx%dx%d\nconst %%w f32 %dx%dx%dx%d = random 1\nconst %%b f32 %d = random 2\n%%y = "
             "conv2d(%%x, "
             "%%w, %%b) pad_top=%d pad_left=%d pad_bottom=%d pad_right=%d stride_h=%d stride_w=%d\n%s",
             e->in_c, e->size, e->size, e->out_c, e->in_c, e->kernel, e->kernel, e->out_c, pad, pad, pad, pad,
             e->stride, e->stride, e->behind);
    struct net n;
    net_open(&n);
    net_parse(&n, text);
    const struct graph *g = net_lowered(&n, &options, true);
    net_expect_same(&n, g, seed, name);
    const int64_t own = (int64_t)e->in_c * e->out_c * e->taps, all = kpu_weights(g);
    print_message("%s: %.2f million weights become %.2f\n", name, (double)own / 1e6, (double)all / 1e6);
    assert_true(all >= own && all <= own + own / 20 + (int64_t)e->n_parts * e->out_c * 128);
    net_close(&n);
}

/* They mean the same as sums of layers, and what adds these has few weights beside theirs: all outputs at once would
 * take n_parts times their square. */
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
    net_parse(&n, "input %x f32 1x1500x1x1\nconst %w f32 300x1500x1x1 = random 1\n%o = conv2d(%x, %w, _) !range(-3, "
                  "5)\noutput %o\n");
    const struct graph *g = net_lowered(&n, &options, true);
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

/* The end of a large classifier: ways that are only tried, and a mean of 2048 channels that is written as regular
 * layers, take no room for weights that nobody reads. */
static void many_channels(void **unused)
{
    (void)unused;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x512x14x14\n"
                  "const %w f32 512x512x3x3 = random 1\n"
                  "const %v f32 2048x512x1x1 = random 2\n"
                  "const %u f32 2048x512x1x1 = random 3\n"
                  "const %m f32 2048x1000 = random 4\n"
                  "%a = conv2d(%x, %w, _) stride_h=2 stride_w=2 pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                  "%b = relu(%a)\n"
                  "%c = conv2d(%b, %v, _)\n"
                  "%d = conv2d(%x, %u, _) stride_h=2 stride_w=2\n"
                  "%e = relu(%d)\n"
                  "%s = add(%c, %e)\n"
                  "%t = relu(%s)\n"
                  "%p = reduce(%t) axes=[2,3]\n"
                  "%o = matmul(%p, %m, _)\n"
                  "output %o\n");
    const size_t before = n.out.used;
    const struct graph *g = net_lowered(&n, &options, true);
    const size_t most = n.out.peak - before;
    const int64_t weights = kpu_weights(g);
    print_message("%.1f million weights become %.1f, in at most %zu MiB\n", 6.5, (double)weights / 1e6, most >> 20);
    assert_true(weights < 10 * 1000 * 1000);
    assert_true(most < (size_t)160 << 20);
    net_close(&n);
}

static const struct value *layer_of_family(const struct graph *g, int family, bool tied)
{
    for (const struct node *n = g->first; n; n = n->next)
        if (n->op == OP_kpu_conv && n->out[0]->family == family &&
            ((const struct kpu_conv_attrs *)n->attrs)->tied == tied)
            return n->out[0];
    return NULL;
}

/* Pieces of one map, of which one is made by way of blocks of pixels, whose codes are the input's: these are nobody
 * else's. */
static void pieces_made_in_two_ways(void **unused)
{
    (void)unused;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x3x63x63 !q(0.015686274509803921, 128)\nconst %w f32 8x3x3x3 = random 1\n"
                  "const %v f32 8x3x11x11 = random 2\n%a = conv2d(%x, %w, _) stride_h=4 stride_w=4\n"
                  "%b = conv2d(%x, %v, _) stride_h=4 stride_w=4 pad_top=4 pad_left=4 pad_bottom=4 pad_right=4\n"
                  "output %a\noutput %b\n");
    struct value *a = n.g->outputs.v[0].value, *b = n.g->outputs.v[1].value;
    a->family = b->family = a->id + 1;
    net_force_on_kpu(n.g);
    assert_true(ncc_k210_lower(n.g, &options, &n.scratch) && ncc_graph_verify(n.g, "lower"));
    int n_tied = 0, n_joined = 0;
    for (const struct node *k = n.g->first; k; k = k->next) {
        const struct value *y = k->out[0];
        n_tied += k->op == OP_kpu_conv && ((const struct kpu_conv_attrs *)k->attrs)->tied;
        n_joined += y->family && layer_of_family(n.g, y->family, false) != y;
        assert_false(y->family && layer_of_family(n.g, y->family, true) && layer_of_family(n.g, y->family, false));
    }
    assert_true(n_tied > 0 && n_joined > 0);
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces_made_in_two_ways), cmocka_unit_test(many_inputs),
                                       cmocka_unit_test(ranges_of_parts), cmocka_unit_test(many_channels),
                                       cmocka_unit_test(random_networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
