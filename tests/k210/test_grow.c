/* Canvases that get more rows: maps of odd sizes in front of a pick, of every layout, in real numbers and in codes; and
 * that it does not take a layer for each group of channels. */
#include "tests/k210/compiled.h"

#include "compiler/ops/attrs.h"

#include <ncc/sim.h>

#include <stdio.h>
#include <stdlib.h>

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

static struct value *convolution(struct graph *g, uint64_t *state, struct value *x, int out_c, int stride)
{
    const struct shape s = ncc_shape_4(out_c, x->shape.dim[1], 1, 1);
    float *w = NCC_NEW(g->arena, float, ncc_shape_count(s));
    for (int64_t i = 0; i < ncc_shape_count(s); i++)
        w[i] = (float)net_normal(state);
    const struct conv2d_attrs a = {.stride_h = stride, .stride_w = stride, .dil_h = 1, .dil_w = 1, .groups = 1};
    return NCC_OP(g, OP_conv2d, stride > 1 ? "strided" : "conv", &a, x, ncc_const(g, "w", DT_F32, s, w), NULL);
}

/* A map of c channels in KPU RAM, and what reads every other pixel of it, the last one too. */
static void make(struct net *n, uint64_t *state, int c, int h, int w)
{
    ncc_diag_init(&n->diags, &n->arena);
    struct graph *g = n->g = ncc_graph_new(&n->arena, &n->diags, "grow");
    struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_4(1, 3, h, w));
    x = convolution(g, state, x, c, 1);
    ncc_graph_output(g, convolution(g, state, x, 4, net_int(state, 0, 2) ? 2 : 4), "y");
}

static void make_any(struct net *n, uint64_t *state)
{
    const int h = 2 * net_int(state, 2, 20) + 1, w = net_int(state, 4, 70);
    make(n, state, net_int(state, 1, h * w > 400 ? 20 : 90), h, w);
}

static void in_real_numbers(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("grow");
    for (int i = 0; i < 150; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        char name[40];
        snprintf(name, sizeof name, "case %d", i);
        struct net n;
        net_open(&n);
        make_any(&n, &state);
        net_expect_same(&n, net_lowered(&n, &options, false), state, name);
        net_close(&n);
    }
}

static void in_codes(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("grow, codes");
    struct ncc_sim *sim = ncc_sim_new();
    for (int i = 0; i < 40; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        char name[40], why[200] = "";
        snprintf(name, sizeof name, "case %d", i);
        struct net n;
        net_open(&n);
        make_any(&n, &state);
        const struct compiled c = compile_net(&n, &options, true, state, name);
        ncc_sim_scramble(sim, state);
        const void **got = compiled_run(&n, &c, c.codes, state, sim);
        if (!compiled_same(c.codes, net_evaluate(&n.arena, c.codes, state, false), got, 1e-5, 0, why))
            fail_msg("%s: %s", name, why);
        net_close(&n);
    }
    ncc_sim_free(sim);
}

/* No more than a third as many layers as there are groups, the two convolutions among them. */
static void in_few_layers(void **unused)
{
    (void)unused;
    static const struct {
        int c, h, w, groups;
    } cases[] = {
        {192, 4, 4, 48}, /* pieces of whole groups, so that a pick leaves 4 rows */
        {192, 7, 7, 48}, /* in classes, and the last group by itself */
        {96, 15, 20, 48},
        {64, 9, 40, 64},
    };
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        uint64_t state = 1;
        struct net n;
        net_open(&n);
        make(&n, &state, cases[i].c, cases[i].h, cases[i].w);
        const struct graph *g = net_lowered(&n, &options, false);
        print_message("%d x %d x %d: %d layers\n", cases[i].c, cases[i].h, cases[i].w, net_count(g, OP_kpu_conv));
        assert_true(net_count(g, OP_kpu_conv) <= cases[i].groups / 3);
        net_close(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_real_numbers),
        cmocka_unit_test(in_codes),
        cmocka_unit_test(in_few_layers),
    };
    return cmocka_run_group_tests_name("grow", tests, NULL, NULL);
}
