/* Pools of any size, stride, padding and rounding: lowered, they mean the same in real numbers, with junk wherever junk may
 * be; compiled and run on the simulator, a max pool returns codes of its input, the right ones. */
#include "tests/k210/compiled.h"

#include "compiler/ir/text.h"
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
    struct graph *g = ncc_graph_copy(n->g, &n->arena, &n->diags);
    assert_true(ncc_k210_legalise(g, &options, &n->scratch));
    net_force_on_kpu(g);
    assert_true(ncc_k210_lower(g, &options, &n->scratch));
    return g;
}

static void check_reals(struct net *n, uint64_t state)
{
    char why[200] = "";
    const struct graph *g = lowered(n);
    assert_true(ncc_graph_verify(g, "lower"));
    const struct tensor *want = net_evaluate(&n->arena, n->g, state, false);
    const struct tensor *got = net_evaluate(&n->arena, g, state, true);
    const char *illegal = net_illegal_layer(g), *promise = net_broken_promise(g, got);
    if (!illegal && !promise && net_same(n->g, want, g, got, 1e-5, why))
        return;
    fail_msg("%s\n%s\n%s %s", ncc_text_print(n->g, false, &n->arena), ncc_text_print(g, false, &n->arena),
             illegal ? illegal : why, promise ? promise : "");
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
            check_reals(&n, state);
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

static void average_pools(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("average pools");
    const int n_cases = cases_from_environment(300);
    int n_pools = 0;
    for (int i = 0; i < n_cases; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        net_open(&n);
        if (random_pool(&n, &state, OP_avg_pool)) {
            check_reals(&n, state);
            n_pools++;
        }
        net_close(&n);
    }
    assert_true(n_pools > n_cases / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(max_pools), cmocka_unit_test(average_pools)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
