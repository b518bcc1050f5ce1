/* Pools of any size, stride, padding and rounding: lowered, they mean the same in real numbers, with junk wherever junk
 * may be; compiled and run on the simulator, a max pool returns codes of its input, the right ones. And any strides in
 * the middle of networks. */
#include "tests/k210/compiled.h"

#include "compiler/ir/text.h"
#include "compiler/k210/legalise.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/range.h"

#include <ncc/sim.h>

#include <stdio.h>
#include <stdlib.h>

enum { MAX_KERNEL = 8, MAX_STRIDE = 6 };

static int cases_from_environment(int otherwise)
{
    const char *text = getenv("NCC_POOLS");
    return text ? atoi(text) : otherwise;
}

/* One direction: any pads smaller than the kernel, and what rounding up adds to them. No window without a pixel. */
static bool choose_line(uint64_t *state, int size, int *kernel, int *stride, int *before, int *after)
{
    *kernel = net_int(state, 1, MAX_KERNEL);
    *stride = net_int(state, 1, MAX_STRIDE);
    *before = net_int(state, 0, 2) ? net_int(state, 0, *kernel / 2) : net_int(state, 0, *kernel - 1);
    *after = net_int(state, 0, 2) ? *before : net_int(state, 0, *kernel - 1);
    const int room = size + *before + *after - *kernel;
    if (room < 0)
        return false;
    if (net_int(state, 0, 1)) /* rounding up */
        *after += (*stride - room % *stride) % *stride;
    return (size + *before + *after - *kernel) / *stride * *stride < size + *before;
}

static bool random_pool(struct net *n, uint64_t *state, enum op op)
{
    static const int sizes[] = {1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 16, 17, 19, 23, 31, 32, 33, 40};
    static const int channels[] = {1, 2, 3, 4, 5, 8, 13, 24, 37};
    const int h = sizes[net_int(state, 0, 18)], w = sizes[net_int(state, 0, 18)];
    struct pool_attrs a = {.count_pad = net_int(state, 0, 1)};
    if (!choose_line(state, h, &a.kernel_h, &a.stride_h, &a.pad_top, &a.pad_bottom) ||
        !choose_line(state, w, &a.kernel_w, &a.stride_w, &a.pad_left, &a.pad_right))
        return false;
    if (net_int(state, 0, 1))
        a.stride_w = a.stride_h;
    if ((w + a.pad_left + a.pad_right - a.kernel_w) / a.stride_w * a.stride_w >= w + a.pad_left)
        return false;
    if (a.kernel_h == 1 && a.kernel_w == 1 && a.stride_h == 1 && a.stride_w == 1)
        return false; /* the pool is its input */
    ncc_diag_init(&n->diags, &n->arena);
    n->g = ncc_graph_new(&n->arena, &n->diags, "pool");
    struct value *x = ncc_graph_input(n->g, "x", DT_F32, ncc_shape_4(1, channels[net_int(state, 0, 8)], h, w));
    x->quant = ncc_quant_make((struct codes){4.0 / 255, net_int(state, 0, 255)}, &n->arena);
    ncc_graph_output(n->g, NCC_OP(n->g, op, "pool", &a, x), "y");
    return true;
}

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

static struct graph *lowered(struct net *n)
{
    return net_lowered(n, &options, true);
}

static void check_codes(struct net *n, uint64_t state, struct ncc_sim *sim)
{
    char why[200];
    const struct compiled c = compile_net(n, &options, true, state, "pool");
    ncc_sim_scramble(sim, state);
    const void **got = compiled_run(n, &c, c.codes, state, sim);
    if (!compiled_same(n->g, net_evaluate(&n->arena, n->g, state, false), got, 1e-6, 0, why))
        fail_msg("%s\n%s\n%s", ncc_text_print(n->g, false, &n->arena), ncc_text_print(c.real, false, &n->arena), why);
}

/* With a stride that the chip has, nothing is left to the CPU. Outputs that begin beyond the map need a wider canvas,
 * which its layout may not have. */
static bool has_form(const struct net *n)
{
    const struct pool_attrs *a = n->g->first->attrs;
    const int *in = n->g->first->in[0]->shape.dim, *out = n->g->first->out[0]->shape.dim;
    return a->stride_h == a->stride_w && (a->stride_h == 1 || a->stride_h == 2 || a->stride_h == 4) &&
           (out[2] - 1) * a->stride_h < in[2] && (out[3] - 1) * a->stride_w < in[3];
}

static bool left_to_the_cpu(struct net *n)
{
    return net_count(lowered(n), n->g->first->op) > 0;
}

static void max_pools(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("max pools");
    const int n_cases = cases_from_environment(300);
    struct ncc_sim *sim = ncc_sim_new();
    int n_pools = 0, n_left = 0;
    for (int i = 0; i < n_cases; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        if (random_pool(&n, &state, OP_max_pool)) {
            net_expect_same(&n, lowered(&n), state, "pool");
            check_codes(&n, state, sim);
            const bool left = left_to_the_cpu(&n);
            if (left && has_form(&n))
                fail_msg("left to the CPU:\n%s %s", ncc_text_print(n.g, false, &n.arena), lowered(&n)->first->reason);
            n_left += left;
            n_pools++;
        }
        net_close(&n);
    }
    ncc_sim_free(sim);
    print_message("%d max pools, %d of them left to the CPU, of other strides\n", n_pools, n_left);
    assert_true(n_pools > n_cases / 3);
}

/* That of average pools whose windows are cut off at few places; whether they count the padding or not. */
static bool has_mean_form(const struct net *n)
{
    const struct pool_attrs *a = n->g->first->attrs;
    return has_form(n) && a->kernel_h <= 5 && a->kernel_w <= 5;
}

static void average_pools(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("average pools");
    const int n_cases = cases_from_environment(300);
    int n_pools = 0, n_left = 0;
    for (int i = 0; i < n_cases; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        if (random_pool(&n, &state, OP_avg_pool)) {
            net_expect_same(&n, lowered(&n), state, "pool");
            const bool left = left_to_the_cpu(&n);
            if (left && has_mean_form(&n))
                fail_msg("left to the CPU:\n%s %s", ncc_text_print(n.g, false, &n.arena), lowered(&n)->first->reason);
            n_left += left;
            n_pools++;
        }
        net_close(&n);
    }
    print_message("%d average pools, %d of them left to the CPU\n", n_pools, n_left);
    assert_true(n_pools > n_cases / 3);
}

/* ---- strides in the middle of a network ---- */

static struct value *conv(struct net *n, uint64_t *state, struct value *x, int out_c, int kh, int kw,
                          struct conv2d_attrs a)
{
    const struct shape s = ncc_shape_4(out_c, x->shape.dim[1], kh, kw);
    float *w = NCC_NEW(&n->arena, float, ncc_shape_count(s));
    for (int64_t i = 0; i < ncc_shape_count(s); i++)
        w[i] = (float)net_normal(state) / (float)(x->shape.dim[1] * kh * kw);
    a.dil_h = a.dil_w = a.groups = 1;
    return NCC_OP(n->g, OP_conv2d, "conv", &a, x, ncc_const(n->g, "w", DT_F32, s, w));
}

/* conv, a convolution or pool of any strides 1..6, relu, conv or pool, and a convolution to a single pixel. */
static void random_middle(struct net *n, uint64_t *state)
{
    const struct conv2d_attrs same = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const int stride_h = net_int(state, 1, MAX_STRIDE), stride_w = net_int(state, 0, 2) ? stride_h : net_int(state, 1, 5);
    const int pad = net_int(state, 0, 1);
    ncc_diag_init(&n->diags, &n->arena);
    n->g = ncc_graph_new(&n->arena, &n->diags, "middle");
    struct value *x =
        ncc_graph_input(n->g, "x", DT_F32, ncc_shape_4(1, net_int(state, 1, 6), net_int(state, 5, 33), net_int(state, 5, 33)));
    x = conv(n, state, x, net_int(state, 2, 9), 3, 3, same);
    const struct conv2d_attrs strided = {stride_h, stride_w, pad, pad, pad, pad, 1, 1, 1};
    const struct pool_attrs pool = {.kernel_h = 3, .kernel_w = 3, .stride_h = stride_h, .stride_w = stride_w};
    const enum op op = net_int(state, 0, 1) ? OP_max_pool : OP_avg_pool;
    x = net_int(state, 0, 1) ? conv(n, state, x, net_int(state, 2, 9), 3, 3, strided) : NCC_OP(n->g, op, "pool", &pool, x);
    x = NCC_OP(n->g, OP_relu, "relu", NULL, x);
    const struct pool_attrs small = {.kernel_h = 2, .kernel_w = 1, .stride_h = 1, .stride_w = 1};
    if (x->shape.dim[2] > 2 && net_int(state, 0, 1))
        x = NCC_OP(n->g, OP_max_pool, "small", &small, x);
    else
        x = conv(n, state, x, net_int(state, 2, 9), 3, 3, same);
    if (x->shape.dim[2] <= 12 && x->shape.dim[3] <= 12)
        x = conv(n, state, x, 3, x->shape.dim[2], x->shape.dim[3], (struct conv2d_attrs){.stride_h = 1, .stride_w = 1});
    ncc_graph_output(n->g, x, "y");
}

static struct node *first_decimation(const struct graph *g)
{
    struct node *n = g->first;
    while (n && !ncc_legal_is_decimation(n))
        n = n->next;
    return n;
}

/* Puts the first decimation off, whatever the estimate says; the graph is to mean the same. */
static bool put_off(struct net *n, uint64_t state)
{
    char why[200] = "";
    struct graph *g = ncc_graph_copy(n->g, &n->arena, &n->diags);
    struct node *first = first_decimation(g);
    if (!first || !ncc_legal_decimate_later(g, first))
        return false;
    assert_true(ncc_graph_verify(g, "decimation"));
    if (!net_same(n->g, net_evaluate(&n->arena, n->g, state, false), g, net_evaluate(&n->arena, g, state, false), 1e-5, why))
        fail_msg("%s\n%s\n%s", ncc_text_print(n->g, false, &n->arena), ncc_text_print(g, false, &n->arena), why);
    n->g = g;
    return true;
}

static void strides_in_the_middle(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("strides in the middle");
    const int n_cases = cases_from_environment(100);
    int n_put_off = 0;
    for (int i = 0; i < n_cases; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        random_middle(&n, &state);
        net_expect_same(&n, lowered(&n), state, "pool");
        if (put_off(&n, state)) {
            net_expect_same(&n, lowered(&n), state, "pool");
            n_put_off++;
        }
        net_close(&n);
    }
    print_message("%d networks, a decimation put off in %d\n", n_cases, n_put_off);
    assert_true(n_put_off > n_cases / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(max_pools), cmocka_unit_test(average_pools),
                                       cmocka_unit_test(strides_in_the_middle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
