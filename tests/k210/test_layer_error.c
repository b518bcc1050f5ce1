/* Errors of layers: against the simulator's outputs, and with one layer damaged on purpose. */
#include "compiler/quant/layer_error.h"
#include "compiler/quant/range.h"
#include "kpu/arith.h"
#include "tests/k210/compiled.h"

#include <ncc/sim.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N_SAMPLES = 3 };

static struct layer_errors measure_some(struct net *n, const struct compiled *c, uint64_t seed, int n_samples,
                                        bool brief)
{
    struct net_feeding f = {c->real, seed};
    struct layer_errors e;
    const struct samples samples = net_samples(&f, n_samples);
    const struct layer_error_options o = {.quiet = true, .brief = brief};
    assert_true(ncc_quant_layer_errors(c->real, c->codes, &samples, &o, &n->arena, &e));
    return e;
}

static struct layer_errors measure(struct net *n, const struct compiled *c, uint64_t seed)
{
    return measure_some(n, c, seed, N_SAMPLES, false);
}

static const struct layer_error *error_of(const struct layer_errors *e, const struct node *n)
{
    for (int i = 0; i < e->n; i++)
        if (e->v[i].node == n)
            return &e->v[i];
    return NULL;
}

static double real_at(const struct value *v, const void *data, int64_t i)
{
    if (v->dtype == DT_F32)
        return (double)((const float *)data)[i];
    return (((const uint8_t *)data)[i] - ncc_quant_zero(&v->quant, 0)) * ncc_quant_scale(&v->quant, 0);
}

/* The squared error of output k, from the simulator and plain loops. */
static double output_noise(struct net *n, const struct compiled *c, int k, uint64_t seed)
{
    double noise = 0;
    struct ncc_sim *sim = ncc_sim_new();
    for (int s = 0; s < N_SAMPLES; s++) {
        const struct tensor *want = net_evaluate(&n->arena, c->real, seed + (uint64_t)s, false);
        const void **got = compiled_run(n, c, c->codes, seed + (uint64_t)s, sim);
        const struct value *v = c->real->outputs.v[k].value, *codes = c->codes->outputs.v[k].value;
        for (int64_t i = 0, count = ncc_shape_count(v->shape); i < count; i++) {
            const double e = real_at(codes, got[k], i) - (double)((const float *)want[v->id].data)[i];
            noise += e * e;
        }
    }
    ncc_sim_free(sim);
    return noise;
}

/* The layer whose result an output is, behind what only moves it. */
static const struct node *maker_of(const struct compiled *c, int k)
{
    const struct value *v = c->codes->outputs.v[k].value;
    while (v->def && (v->def->op == OP_dequantize || v->def->op == OP_kpu_download))
        v = v->def->in[0];
    return v->def;
}

/* A float kernel's sums become codes, moved or not: evaluator and runtime add in different orders, and a code may tip
 * over. */
static bool rounds_float_sums(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next) {
        const struct node *d = n->op == OP_quantize ? n->in[0]->def : NULL;
        while (d && (ncc_op_desc(d->op)->flags & (OP_UNARY | OP_SAME_QUANT | OP_ALIAS)))
            d = d->in[0]->def;
        if (d && ncc_op_desc(d->op)->macs)
            return true;
    }
    return false;
}

static void test_outputs(void **state)
{
    (void)state;
    const uint64_t seed = net_seed("layer errors");
    int n_compared = 0;
    for (int i = 0; i < 3 * N_NET_KINDS; i++) {
        struct net n;
        uint64_t random = seed * 1000003 + (uint64_t)i;
        net_open(&n);
        net_random(&n, &random, i);
        const struct k210_options o = {.output_quantize_threshold = 1 << 20};
        const struct compiled c = compile_net(&n, &o, true, random, "layer errors");
        const struct layer_errors e = measure(&n, &c, random + 100);
        for (int k = 0; !rounds_float_sums(c.codes) && k < c.codes->outputs.n; k++) {
            const struct layer_error *made = error_of(&e, maker_of(&c, k));
            if (!made || made->sum.n != N_SAMPLES * ncc_shape_count(c.real->outputs.v[k].value->shape))
                continue; /* made of several, or cropped behind the layer */
            const double noise = output_noise(&n, &c, k, random + 100);
            if (fabs(made->sum.total - noise) > 1e-3 * noise + 1e-9 * made->sum.signal)
                fail_msg("case %d: total error %g, simulator %g", i, made->sum.total, noise);
            n_compared++;
        }
        net_close(&n);
    }
    assert_true(n_compared > N_NET_KINDS / 2);
}

/* Outputs that nothing computes are exact, whatever their type. */
static void test_constant_outputs(void **state)
{
    (void)state;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x4x8x8 !q(0.0157, 128)\nconst %w f32 4x4x1x1 = random 3\nconst %k f32 1x7 = random 4\n"
                  "%a = conv2d(%x, %w, _)\noutput %a\noutput %k\n");
    const struct k210_options o = {.runtime = NCC_KPU_RUNTIME_V4};
    const struct compiled c = compile_net(&n, &o, true, 1, "constant output");
    const struct layer_errors e = measure(&n, &c, 1);
    assert_int_equal(e.n_outputs, 2);
    assert_true(e.outputs[0].total > 0);
    assert_true(e.outputs[1].total == 0);
    net_close(&n);
}

/* Three layers; the seed makes their weights. */
static struct compiled compile_chain(struct net *n, uint64_t seed)
{
    const int k = (int)(seed % 1000) * 3;
    char text[800];
    snprintf(
        text, sizeof text,
        "input %%x f32 1x8x16x16 !q(0.003921568627, 0)\n"
        "const %%u f32 12x8x3x3 = random %d\nconst %%v f32 9x12x3x3 = random %d\nconst %%w f32 8x9x1x1 = random %d\n"
        "%%a = conv2d(%%x, %%u, _)\n%%b = relu(%%a)\n%%c = conv2d(%%b, %%v, _)\n%%d = relu(%%c)\n"
        "%%e = conv2d(%%d, %%w, _)\noutput %%e\n",
        k, k + 1, k + 2);
    net_parse(n, text);
    const struct k210_options o = {.output_quantize_threshold = 1 << 20};
    return compile_net(n, &o, true, seed, "chain");
}

/* The results of a layer become eight codes or more larger. */
static void damage(struct net *n, const struct node *layer)
{
    struct node *node = (struct node *)(uintptr_t)layer;
    assert_int_equal(node->op, OP_kpu_layer);
    const int64_t *words = node->in[2]->data;
    int64_t *changed = NCC_NEW(&n->arena, int64_t, node->in[2]->shape.dim[0]);
    for (int i = 0; i < node->in[2]->shape.dim[0]; i++) {
        struct ncc_kpu_bn bn = ncc_kpu_bn_unpack((uint64_t)words[i]);
        bn.add += 1 << 15;
        changed[i] = (int64_t)ncc_kpu_bn_pack(bn);
    }
    node->in[2]->data = changed;
}

/* A layer whose batch-norm words are wrong has an error of its own; the others only inherit it. */
static void test_blame(void **state)
{
    (void)state;
    struct net n;
    const uint64_t seed = net_seed("blame");
    net_open(&n);
    const struct compiled c = compile_chain(&n, seed);
    const struct layer_errors good = measure(&n, &c, seed);
    assert_int_equal(good.n, 3);
    const int bad = good.n / 2;
    damage(&n, good.v[bad].node);
    const struct layer_errors e = measure(&n, &c, seed);
    for (int i = 0; i < e.n; i++) {
        const struct layer_sums *was = &good.v[i].sum, *is = &e.v[i].sum;
        if (i == bad)
            assert_true(is->own > 2 * was->own);
        else
            assert_true(is->own == was->own);
        if (i < bad)
            assert_true(is->total == was->total);
    }
    net_close(&n);
}

/* In brief: the same, as far as it goes; of the least precise layer all that its reason is made of. */
static void test_brief(void **state)
{
    (void)state;
    struct net n;
    const uint64_t seed = net_seed("in brief");
    net_open(&n);
    const struct compiled c = compile_chain(&n, seed);
    damage(&n, measure(&n, &c, seed).v[1].node);
    for (int n_samples = 1; n_samples <= N_SAMPLES; n_samples += N_SAMPLES - 1) {
        const struct layer_errors all = measure_some(&n, &c, seed, n_samples, false);
        const struct layer_errors brief = measure_some(&n, &c, seed, n_samples, true);
        const struct layer_error *least = ncc_layer_least_precise(&all);
        assert_int_equal(brief.n, all.n);
        assert_non_null(least);
        assert_true(brief.outputs[0].total == all.outputs[0].total && brief.outputs[0].total > 0);
        for (int i = 0; i < all.n; i++) {
            const struct layer_error *a = &all.v[i], *b = &brief.v[i];
            assert_true(b->sum.own == a->sum.own && b->sum.signal == a->sum.signal && b->sum.n == a->sum.n);
            if (a != least)
                continue;
            assert_ptr_equal(ncc_layer_least_precise(&brief), b);
            assert_true(b->sum.input == a->sum.input && b->sum.output == a->sum.output && a->sum.output > 0);
            assert_true(b->sum.clipped == a->sum.clipped && b->used == a->used && b->n_silent == a->n_silent);
        }
    }
    net_close(&n);
}

static void test_reasons(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct layer_error e = {
        .sum = {.signal = 1000, .own = 10, .input = 1, .output = 8, .clipped = 7, .n = 200, .n_clipped = 5},
        .used = 1,
        .n_channels = 4};
    assert_non_null(strstr(ncc_layer_reason(&e, &a), "2.5 % of the results saturate"));
    e.sum.clipped = 0;
    e.used = 0.1;
    assert_non_null(strstr(ncc_layer_reason(&e, &a), "99.9 % of the results lie in 10 %"));
    e.sum.input = 9;
    e.n_silent = 2;
    assert_non_null(strstr(ncc_layer_reason(&e, &a), "the codes of the input"));
    assert_non_null(strstr(ncc_layer_reason(&e, &a), "2 of 4 channels never"));
    e.sum.input = e.sum.output = 1;
    assert_non_null(strstr(ncc_layer_reason(&e, &a), "rounding of the weights"));
    e.sum.own = 0;
    assert_null(ncc_layer_reason(&e, &a));
    ncc_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outputs), cmocka_unit_test(test_constant_outputs), cmocka_unit_test(test_blame),
        cmocka_unit_test(test_brief),   cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
