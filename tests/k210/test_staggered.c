/* Outputs computed several times: the same in real numbers, and finer in codes. */
#include "compiler/quant/layer_error.h"
#include "compiler/quant/staggered.h"
#include "tests/k210/compiled.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_SAMPLES = 64 };

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

static void parse(struct net *n, const char *text)
{
    net_open(n);
    net_parse(n, text);
    assert_true(ncc_graph_verify(n->g, "text"));
}

static struct value *named(const struct graph *g, const char *name)
{
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            if (!strcmp(n->out[i]->name, name))
                return n->out[i];
    fail_msg("there is no %s", name);
    return NULL;
}

/* ---- which ---- */

static void test_possible(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool possible;
    } rows[] = {
        {"input %x f32 1x6x3x3\nconst %w f32 4x6x3x3 = random 1\n%y = conv2d(%x, %w, _)\noutput %y\n", true},
        {"input %x f32 1x6\nconst %w f32 6x4 = random 1\n%y = matmul(%x, %w, _)\noutput %y\n", true},
        {"input %x f32 1x6\nconst %w f32 6x4 = random 1\n%y = matmul(%x, %w, _)\n%z = softmax(%y) axis=1\noutput %z\n", true},
        {"input %x f32 1x6x3x3\nconst %w f32 4x6x3x3 = random 1\n%y = conv2d(%x, %w, _)\n"
         "%z = reshape(%y) shape=[1,4]\noutput %z\noutput %y\n", true},
        /* several rows */
        {"input %x f32 3x6\nconst %w f32 6x4 = random 1\n%y = matmul(%x, %w, _)\noutput %y\n", false},
        /* depthwise */
        {"input %x f32 1x6x3x3\nconst %w f32 6x1x3x3 = random 1\n%y = conv2d(%x, %w, _) groups=6\noutput %y\n", false},
        /* read by a layer as well */
        {"input %x f32 1x6x3x3\nconst %w f32 4x6x3x3 = random 1\nconst %v f32 2x4x1x1 = random 2\n"
         "%y = conv2d(%x, %w, _)\n%z = conv2d(%y, %v, _)\noutput %y\noutput %z\n", false},
        /* a function of the layer's */
        {"input %x f32 1x6x3x3\nconst %w f32 4x6x3x3 = random 1\n%y = conv2d(%x, %w, _)\n%z = sigmoid(%y)\noutput %z\n", false},
        {"input %x f32 1x6\ninput %w f32 6x4\n%y = matmul(%x, %w, _)\noutput %y\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct net n;
        parse(&n, rows[i].text);
        if (ncc_quant_can_stagger(n.g, named(n.g, "y")) != rows[i].possible)
            fail_msg("row %zu: %s", i, rows[i].text);
        net_close(&n);
    }
}

/* ---- the same in real numbers ---- */

static const float *output_of(struct net *n, uint64_t seed)
{
    const struct tensor *t = net_evaluate(&n->arena, n->g, seed, false);
    return t[n->g->outputs.v[0].value->id].data;
}

static void test_same_results(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "input %x f32 1x6x5x4\nconst %w f32 3x6x3x3 = random 1\nconst %b f32 3 = random 2\n"
        "%y = conv2d(%x, %w, %b)\noutput %y\n",
        "input %x f32 1x6x5x4\nconst %w f32 3x6x1x1 = random 1\n%y = conv2d(%x, %w, _)\n"
        "%z = reshape(%y) shape=[1,60]\noutput %z\n",
        "input %x f32 1x9\nconst %w f32 9x5 = random 1\nconst %b f32 5 = random 2\n"
        "%y = matmul(%x, %w, %b)\n%z = softmax(%y) axis=1\noutput %z\n",
    };
    for (int i = 0; i < 12; i++) {
        struct net n;
        parse(&n, texts[i % 3]);
        const float *before = output_of(&n, (uint64_t)i);
        assert_true(ncc_quant_stagger(n.g, named(n.g, "y"), -3, 2, 2 + i / 3 % 3));
        assert_true(ncc_graph_verify(n.g, "stagger"));
        const float *after = output_of(&n, (uint64_t)i);
        for (int64_t k = 0; k < ncc_shape_count(n.g->outputs.v[0].value->shape); k++)
            assert_true(fabsf(before[k] - after[k]) < 1e-5f);
        net_close(&n);
    }
}

/* ---- finer in codes ---- */

/* Weights are whole codes, so that nothing is rounded but the result. Mean squared error of the simulator's outputs. */
static double squared_error(int copies, double lo, double hi)
{
    struct net n;
    parse(&n, "input %x f32 1x8x6x6 !q(0.003921568627, 0)\n"
              "const %w f32 3x8x1x1 = { 1, -1, 1, 1, -1, 1, 1, 1, 1, 1, -1, -1, 1, 1, -1, 1, -1, -1, 1, 1, 1, -1, 1, 1 }\n"
              "const %b f32 3 = { 0.125, -0.25, 0.0625 }\n%y = conv2d(%x, %w, %b)\noutput %y\n");
    if (copies)
        assert_true(ncc_quant_stagger(n.g, named(n.g, "y"), (float)lo, (float)hi, copies));
    const struct compiled c = compile_net(&n, &options, false, 5, "staggered");
    struct net_feeding f = {c.real, 100};
    struct layer_errors e;
    const struct samples samples = net_samples(&f, N_SAMPLES);
    const struct layer_error_options quiet = {.quiet = true};
    assert_true(ncc_quant_layer_errors(c.real, c.codes, &samples, &quiet, &n.arena, &e));
    const double mse = e.outputs[0].total / (double)e.outputs[0].n;
    net_close(&n);
    return mse;
}

static void test_finer(void **state)
{
    (void)state;
    const double lo = -4.25, hi = 6.125, step = (hi - lo) / 255;
    printf("staggered: error over that of one rounding to codes of the same range:");
    for (int copies = 2; copies <= 4; copies++) {
        const double ideal = pow(step / copies, 2) / 12, is = squared_error(copies, lo, hi);
        printf(" %d: 1/%.2f", copies, sqrt(step * step / 12 / is));
        assert_true(is < 1.1 * ideal);
    }
    printf("\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_possible), cmocka_unit_test(test_same_results),
                                       cmocka_unit_test(test_finer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
