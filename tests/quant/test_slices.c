/* Channels in slices: the graph computes the same as before. */
#include "compiler/ir/eval.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/slices.h"

#include "tests/quant/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { H = 9, W = 12, MAX_OUT = 64 * H * W };

static struct exit out_of_memory;

struct world {
    struct arena arena;
    struct diags diags;
    struct graph *g;
    float in[3 * H * W], out[MAX_OUT];
};

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    (void)sample, (void)input;
    memcpy(to->data, ((struct world *)ctx)->in, sizeof(float) * (size_t)ncc_shape_count(to->shape));
    return true;
}

static void see(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    (void)sample, (void)thread;
    struct world *w = ctx;
    if (v == w->g->outputs.v[0].value)
        memcpy(w->out, t->data, sizeof(float) * (size_t)ncc_shape_count(t->shape));
}

static void run(struct world *w)
{
    const struct eval_hooks hooks = {.ctx = w, .feed = feed, .see = see};
    struct evaluator *e = ncc_eval_open(w->g, EVAL_REFERENCE, 0);
    assert_true(e && ncc_eval_run(e, 1, &hooks));
    ncc_eval_close(e);
}

static struct value *conv(struct world *w, struct value *x, int out_c, bool depthwise, int kernel, int stride)
{
    const int n_in = depthwise ? 1 : x->shape.dim[1], n = out_c * n_in * kernel * kernel;
    float *weights = NCC_NEW(&w->arena, float, n), *bias = NCC_NEW(&w->arena, float, out_c);
    for (int i = 0; i < n; i++)
        weights[i] = (float)random_between(-1.5, 2);
    for (int i = 0; i < out_c; i++)
        bias[i] = (float)random_between(-2, 3);
    const int pad = kernel / 2;
    const struct conv2d_attrs a = {stride, stride, pad, pad, pad, pad, 1, 1, depthwise ? x->shape.dim[1] : 1};
    struct value *y = NCC_OP(w->g, OP_conv2d, "conv", &a, x,
                             ncc_const(w->g, "w", DT_F32, ncc_shape_4(out_c, n_in, kernel, kernel), weights),
                             ncc_const(w->g, "b", DT_F32, ncc_shape_make(1, &out_c), bias));
    assert_non_null(y);
    return y;
}

static struct value *clip(struct world *w, struct value *x, float max)
{
    return NCC_OP(w->g, OP_clip, "clip", (&(struct clip_attrs){0, max}), x);
}

/* The first layers of a MobileNet whose second block has `c` channels. */
static void build(struct world *w, int c, float max)
{
    memset(w, 0, sizeof *w);
    w->arena = ncc_arena_make(&out_of_memory);
    ncc_diag_init(&w->diags, &w->arena);
    w->g = ncc_graph_new(&w->arena, &w->diags, "test");
    for (int i = 0; i < 3 * H * W; i++)
        w->in[i] = (float)random_between(-1, 1);
    struct value *x = ncc_graph_input(w->g, "x", DT_F32, ncc_shape_4(1, 3, H, W));
    x = clip(w, conv(w, x, 8, false, 3, 1), max);
    x = clip(w, conv(w, x, 8, true, 3, 1), max);
    x = clip(w, conv(w, x, c, false, 1, 1), max);
    x = clip(w, conv(w, x, c, true, 3, 2), max);
    x = conv(w, x, 32, false, 1, 1);
    ncc_graph_output(w->g, x, "y");
}

static int widest(const struct graph *g)
{
    int c = 0;
    for (const struct node *n = g->first; n; n = n->next)
        if (n->op == OP_clip && n->out[0]->shape.dim[1] > c)
            c = n->out[0]->shape.dim[1];
    return c;
}

static void test_same_results(void **state)
{
    (void)state;
    static struct world w;
    build(&w, 16, 6);
    run(&w);
    static float before[MAX_OUT];
    memcpy(before, w.out, sizeof before);
    assert_true(ncc_quant_slice(w.g));
    run(&w);
    assert_int_equal(widest(w.g), 48);
    for (const struct node *n = w.g->first; n; n = n->next)
        if (n->op == OP_clip)
            assert_true(((const struct clip_attrs *)n->attrs)->max <= 3);
    double size = 0;
    for (int i = 0; i < MAX_OUT; i++)
        size = fmax(size, fabs((double)before[i]));
    for (int i = 0; i < MAX_OUT; i++)
        if (fabs((double)w.out[i] - (double)before[i]) > size * 1e-5)
            fail_msg("element %d: %g instead of %g", i, (double)w.out[i], (double)before[i]);
    ncc_arena_release(&w.arena);
}

/* Many channels, and no clip at all. */
static void test_left_alone(void **state)
{
    (void)state;
    static struct world w;
    build(&w, 40, 6);
    assert_true(ncc_quant_slice(w.g));
    assert_int_equal(widest(w.g), 40);
    ncc_arena_release(&w.arena);
    build(&w, 16, INFINITY);
    assert_true(ncc_quant_slice(w.g));
    assert_int_equal(widest(w.g), 16);
    ncc_arena_release(&w.arena);
}

int main(void)
{
    if (setjmp(out_of_memory.env)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    random_start("slices");
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_results), cmocka_unit_test(test_left_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
