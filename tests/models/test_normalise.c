/* A norm by channel in the graph: fed with x, it computes what the graph without computes from (x - mean) / std. */
#include "compiler/normalise.h"

#include "compiler/ir/eval.h"
#include "compiler/ir/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char text[] =
    "graph \"norm\"\ninput %x f32 1x3x5x6\nconst %w f32 4x3x3x3 = random 1\nconst %b f32 4 = random 2\n"
    "%c = conv2d(%x, %w, %b) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n%r = relu(%c)\n"
    "%t = transpose(%x) perm=[0,2,3,1]\noutput %r \"r\"\noutput %t \"t\"\n";

static const struct ncc_channel_norm norm = {3, {0.5f, 0.25f, -1}, {2, 0.125f, -1}};

struct run {
    bool normalised; /* feed (x - mean) / std */
    float out[2][4 * 5 * 6];
};

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    const struct run *r = ctx;
    (void)sample;
    (void)input;
    for (int i = 0; i < 3 * 5 * 6; i++) {
        const float x = (float)(i * 37 % 101) / 101;
        ((float *)to->data)[i] = r->normalised ? (x - norm.mean[i / 30]) / norm.std[i / 30] : x;
    }
    return true;
}

static void keep(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    struct run *r = ctx;
    (void)sample;
    (void)thread;
    for (int k = 0; k < 2; k++)
        memcpy(r->out[k], outputs[k]->data, (size_t)ncc_shape_count(outputs[k]->shape) * sizeof(float));
}

static void evaluate(const struct graph *g, struct run *r)
{
    struct evaluator *e = ncc_eval_open(g, EVAL_FAST, 0);
    assert_non_null(e);
    assert_true(ncc_eval_run(e, &(struct samples){.feed = feed, .ctx = r, .n = 1},
                             &(const struct eval_hooks){.ctx = r, .done = keep}));
    ncc_eval_close(e);
}

struct world {
    struct compilation c;
    struct ncc_compile_options o;
};

static void begin(struct world *w, struct ncc_channel_norm by_channel)
{
    ncc_compile_defaults(&w->o);
    w->o.has_norm = true;
    w->o.by_channel = by_channel;
    ncc_compilation_open(&w->c, &w->o, stdout, stderr);
    ncc_diag_init(&w->c.diags, &w->c.arena);
    w->c.graph = ncc_text_parse(text, "test", &w->c.arena, &w->c.diags);
    assert_non_null(w->c.graph);
}

static void same_results(void **state)
{
    (void)state;
    struct world w;
    static struct run want = {.normalised = true}, got;
    begin(&w, norm);
    evaluate(w.c.graph, &want);
    assert_true(ncc_normalise_inputs(&w.c) && ncc_graph_verify(w.c.graph, "normalise"));
    evaluate(w.c.graph, &got);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < (k ? 90 : 120); i++)
            assert_true(fabsf(want.out[k][i] - got.out[k][i]) <= 1e-5f * (1 + fabsf(want.out[k][i])));
    ncc_compilation_close(&w.c);
}

static void left_alone(void **state)
{
    (void)state;
    struct world w;
    begin(&w, (struct ncc_channel_norm){0});
    const int n = ncc_graph_n_nodes(w.c.graph);
    assert_true(ncc_normalise_inputs(&w.c));
    assert_int_equal(ncc_graph_n_nodes(w.c.graph), n);
    ncc_compilation_close(&w.c);
    begin(&w, norm);
    w.c.k210.float_input = true; /* the samples are prepared, and the firmware prepares its own */
    assert_true(ncc_normalise_inputs(&w.c));
    assert_int_equal(ncc_graph_n_nodes(w.c.graph), n);
    ncc_compilation_close(&w.c);
}

static void wrong_channels(void **state)
{
    (void)state;
    struct world w;
    begin(&w, (struct ncc_channel_norm){2, {0}, {1, 1}});
    assert_false(ncc_normalise_inputs(&w.c));
    assert_int_equal(w.c.diags.n_errors, 1);
    ncc_compilation_close(&w.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_results), cmocka_unit_test(left_alone),
                                       cmocka_unit_test(wrong_channels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
