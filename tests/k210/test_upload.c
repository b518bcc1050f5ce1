/* Maps whose rows do not fill their lines, and how they come into KPU RAM: whether rows are made longer first, what
 * that saves, and that the results are the same. */
#include "tests/k210/compiled.h"

#include <ncc/sim.h>

#include <stdio.h>

static const struct k210_options v4 = {.runtime = NCC_KPU_RUNTIME_V4, .output_quantize_threshold = 1024};

static const char net[] = "input %%x f32 1x%dx%dx%d !q(0.015686274509803921, 128)\n"
                          "const %%w f32 8x%dx3x3 = random 1\n"
                          "%%y = conv2d(%%x, %%w, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                          "output %%y\n";

static void make(struct net *n, int c, int h, int w)
{
    char text[400];
    snprintf(text, sizeof text, net, c, h, w, c);
    net_open(n);
    net_parse(n, text);
}

/* Lowered on the KPU; how many uploads there are. */
static int n_uploads(struct net *n, const struct k210_options *o)
{
    struct graph *g = ncc_graph_copy(n->g, &n->arena, &n->diags);
    net_force_on_kpu(g);
    assert_true(ncc_k210_lower(g, o, &n->scratch) && ncc_graph_verify(g, "lower"));
    return net_count(g, OP_kpu_upload);
}

static void in_lines_where_it_pays(void **unused)
{
    (void)unused;
    static const struct {
        int c, h, w, uploads; /* 0: fed as it is */
    } cases[] = {{3, 96, 96, 3},  {1, 20, 33, 1}, {5, 40, 100, 1}, {3, 224, 224, 3},
                 {3, 64, 128, 0}, {3, 32, 32, 0}, {1, 28, 28, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net n;
        make(&n, cases[i].c, cases[i].h, cases[i].w);
        assert_int_equal(n_uploads(&n, &v4), cases[i].uploads);
        struct k210_options o = v4;
        const double us = ncc_k210_input_us(n.g->inputs.v[0], &o);
        o.short_of_ram = true;
        const double as_it_is = ncc_k210_input_us(n.g->inputs.v[0], &o);
        assert_true(cases[i].uploads ? us < 0.5 * as_it_is : us == as_it_is);
        assert_int_equal(n_uploads(&n, &o), 0);
        o = v4;
        o.kmodel_v3 = true;
        o.runtime = NCC_KPU_RUNTIME_V3;
        assert_int_equal(n_uploads(&n, &o), 0);
        o.kmodel_v3 = false;
        o.runtime = NCC_KPU_RUNTIME_NCC; /* to which it is all the same */
        assert_int_equal(n_uploads(&n, &o), 0);
        net_close(&n);
    }
}

static void same_results(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("upload");
    struct ncc_sim *sim = ncc_sim_new();
    for (int i = 0; i < 12; i++) {
        uint64_t state = seed * 1000003 + (uint64_t)i;
        struct net n;
        make(&n, net_int(&state, 1, 6), net_int(&state, 4, 40), net_int(&state, 33, 140));
        struct k210_options o = v4;
        const struct compiled lines = compile_net(&n, &o, true, seed, "in lines");
        o.short_of_ram = true;
        const struct compiled plain = compile_net(&n, &o, true, seed, "as it is");
        const struct value *y = n.g->outputs.v[0].value;
        const void *const *a = compiled_run(&n, &lines, lines.codes, seed, sim);
        const void *const *b = compiled_run(&n, &plain, plain.codes, seed, sim);
        assert_memory_equal(a[0], b[0], (size_t)ncc_shape_count(y->shape) * sizeof(float));
        net_close(&n);
    }
    ncc_sim_free(sim);
}

/* What is below a map of few rows means nothing, and so it is the map again: runs of bytes, not a pad. */
static void few_rows(void **unused)
{
    (void)unused;
    for (int rows = 1; rows < 4; rows++) {
        struct net n;
        make(&n, 5, rows, 24);
        struct graph *g = net_lowered(&n, &v4, true);
        assert_int_equal(net_count(g, OP_pad), 0);
        assert_int_equal(net_count(g, OP_concat), 1);
        net_expect_same(&n, g, 3, "few rows");
        net_close(&n);
        make(&n, 5, rows, 100); /* these rows are made longer, too */
        g = net_lowered(&n, &v4, true);
        assert_int_equal(net_count(g, OP_pad), 0);
        assert_int_equal(net_count(g, OP_concat), 2);
        net_expect_same(&n, g, 3, "few long rows");
        struct k210_options v3 = v4;
        v3.kmodel_v3 = true;
        assert_int_equal(net_count(net_lowered(&n, &v3, true), OP_pad), 1);
        net_close(&n);
    }
}

/* A constant beside a map is uploaded as codes, in whole lines or as it is. */
static void constants_beside_maps(void **unused)
{
    (void)unused;
    const uint64_t seed = net_seed("constants");
    struct ncc_sim *sim = ncc_sim_new();
    static const int size[][2] = {{8, 8}, {20, 33}, {96, 96}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        char text[400];
        const int h = size[i][0], w = size[i][1];
        snprintf(text, sizeof text,
                 "input %%x f32 1x4x%dx%d !q(0.015686274509803921, 128)\nconst %%k f32 1x3x%dx%d = random 2\n"
                 "const %%w f32 5x7x1x1 = random 1\n%%a = relu(%%x)\n%%c = concat(%%a, %%k) axis=1\n"
                 "%%y = conv2d(%%c, %%w, _)\noutput %%y\n",
                 h, w, h, w);
        struct net n;
        net_open(&n);
        net_parse(&n, text);
        const struct compiled c = compile_net(&n, &v4, true, seed, "a constant");
        char why[200] = "";
        const struct tensor *want = net_evaluate(&n.arena, n.g, seed, false);
        const void *const *got = compiled_run(&n, &c, c.codes, seed, sim);
        if (!compiled_same(n.g, want, got, 0.05, 0, why))
            fail_msg("%dx%d: %s", h, w, why);
        net_close(&n);
    }
    ncc_sim_free(sim);
}

/* Products of several matrices, of which those on one side are constant, on the CPU. */
static void constant_matrices(void **unused)
{
    (void)unused;
    static const char *const texts[] = {
        "input %x f32 1x3x5x4 !q(0.015686274509803921, 128)\nconst %k f32 1x3x1x5 = random 1\n"
        "%y = matmul(%k, %x, _)\noutput %y\n",
        "input %x f32 1x3x2x5 !q(0.015686274509803921, 128)\nconst %k f32 1x3x5x4 = random 1\n"
        "%y = matmul(%x, %k, _)\noutput %y\n"};
    const uint64_t seed = net_seed("matrices");
    struct ncc_sim *sim = ncc_sim_new();
    for (int i = 0; i < 2; i++) {
        struct net n;
        net_open(&n);
        net_parse(&n, texts[i]);
        const struct compiled c = compile_net(&n, &v4, false, seed, "matrices");
        char why[200] = "";
        const struct tensor *want = net_evaluate(&n.arena, n.g, seed, false);
        if (!compiled_same(n.g, want, compiled_run(&n, &c, c.codes, seed, sim), 0.02, 0, why))
            fail_msg("%s", why);
        net_close(&n);
    }
    ncc_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_lines_where_it_pays), cmocka_unit_test(same_results),
                                       cmocka_unit_test(few_rows), cmocka_unit_test(constants_beside_maps),
                                       cmocka_unit_test(constant_matrices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
