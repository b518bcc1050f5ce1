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
    float in[3 * H * W], out[2][MAX_OUT];
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
    for (int k = 0; k < 2; k++)
        if (v == w->g->outputs.v[k].value)
            memcpy(w->out[k], t->data, sizeof(float) * (size_t)ncc_shape_count(t->shape));
}

static void run(struct world *w)
{
    const struct eval_hooks hooks = {.ctx = w, .see = see};
    struct evaluator *e = ncc_eval_open(w->g, EVAL_REFERENCE, 0);
    assert_true(e && ncc_eval_run(e, &(struct samples){.feed = feed, .ctx = w, .n = 1}, &hooks));
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

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->arena = ncc_arena_make(&out_of_memory);
    ncc_diag_init(&w->diags, &w->arena);
    w->g = ncc_graph_new(&w->arena, &w->diags, "test");
    for (int i = 0; i < 3 * H * W; i++)
        w->in[i] = (float)random_between(-1, 1);
}

/* f of a convolution's result; 0: nothing. */
static struct value *act(struct world *w, struct value *x, enum op f)
{
    float *slope = NCC_NEW(&w->arena, float, x->shape.dim[1]);
    for (int c = 0; c < x->shape.dim[1]; c++)
        slope[c] = c == 0 ? 0 : (float)random_between(-0.5, 1.5);
    switch (f) {
    case OP_relu:
        return NCC_OP(w->g, f, "f", NULL, x);
    case OP_clip:
        return NCC_OP(w->g, f, "f", (&(struct clip_attrs){0, 6}), x);
    case OP_leaky_relu:
        return NCC_OP(w->g, f, "f", (&(struct leaky_relu_attrs){0.2f}), x);
    case OP_prelu:
        return NCC_OP(w->g, f, "f", NULL, x,
                      ncc_const(w->g, "slope", DT_F32, ncc_shape_make(3, (int[]){x->shape.dim[1], 1, 1}), slope));
    default:
        return x;
    }
}

/* Two readers, one of them depthwise, behind f; and what they make is read again. Returns f's value. */
static struct value *build(struct world *w, int c, enum op f)
{
    begin(w);
    struct value *x = ncc_graph_input(w->g, "x", DT_F32, ncc_shape_4(1, 3, H, W));
    struct value *y = act(w, conv(w, x, c, false, 3, 1), f);
    struct value *z = act(w, conv(w, y, c, true, 3, 2), f);
    ncc_graph_output(w->g, conv(w, z, 5, false, 1, 1), "a");
    ncc_graph_output(w->g, conv(w, y, 4, false, 3, 1), "b");
    return y;
}

/* A pool behind f, and two readers of it without pads, one of them depthwise. Returns the pool's value. */
static struct value *build_pooled(struct world *w, int c, enum op f)
{
    begin(w);
    struct value *x = ncc_graph_input(w->g, "x", DT_F32, ncc_shape_4(1, 3, H, W));
    const struct pool_attrs a = {
        .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .pad_bottom = 1, .pad_right = 1};
    struct value *y = NCC_OP(w->g, OP_max_pool, "pool", &a, act(w, conv(w, x, c, false, 3, 1), f));
    ncc_graph_output(w->g, conv(w, y, c, true, 1, 1), "a");
    ncc_graph_output(w->g, conv(w, y, 4, false, 1, 1), "b");
    return y;
}

static struct value *made_by(const struct world *w, int id)
{
    for (const struct node *n = w->g->first; n; n = n->next)
        if (n->out[0]->id == id)
            return n->out[0];
    return NULL;
}

static void compare(const struct world *w, float *const before[2])
{
    for (int k = 0; k < 2; k++) {
        const int n = (int)ncc_shape_count(w->g->outputs.v[k].value->shape);
        double size = 0;
        for (int i = 0; i < n; i++)
            size = fmax(size, fabs((double)before[k][i]));
        for (int i = 0; i < n; i++)
            if (fabs((double)w->out[k][i] - (double)before[k][i]) > size * 1e-5)
                fail_msg("output %d, element %d: %g instead of %g", k, i, (double)w->out[k][i], (double)before[k][i]);
    }
}

/* One value after the other in slices that reach far enough: the results stay what they were. */
static void test_same_results(void **state)
{
    (void)state;
    static const enum op fs[] = {N_OPS, OP_relu, OP_clip, OP_leaky_relu, OP_prelu};
    static struct world w;
    static float before_a[MAX_OUT], before_b[MAX_OUT];
    for (int i = 0; i < 25; i++) {
        struct value *y = build(&w, random_int(2, 9), fs[i % 5]);
        run(&w);
        memcpy(before_a, w.out[0], sizeof before_a);
        memcpy(before_b, w.out[1], sizeof before_b);
        const int ids[] = {made_by(&w, y->uses->node->out[0]->id)->id, y->id};
        for (int k = 0; k < 2; k++) {
            struct value *v = made_by(&w, ids[k]);
            struct sliceable s;
            if (!ncc_quant_can_slice(w.g, v, &s)) /* the depthwise reader's result, before f */
                continue;
            assert_true(s.max == (s.act && s.act->op == OP_clip ? 6 : INFINITY));
            struct slicing how =
                ncc_quant_slicing(s.max < INFINITY ? 0 : -400, fmin(400, (double)s.max), random_int(2, 5));
            float gain[9];
            for (int c = 0; c < 9; c++)
                gain[c] = (float)random_between(1, 1.2);
            how.gain = s.max < INFINITY || random_int(0, 1) ? NULL : gain;
            assert_true(ncc_quant_slice_value(w.g, &s, how));
        }
        assert_null(made_by(&w, y->id));
        assert_true(ncc_graph_verify(w.g, "slices"));
        run(&w);
        compare(&w, (float *const[]){before_a, before_b});
        ncc_arena_release(&w.arena);
    }
}

/* Both signs of z through a maximum, where slopes are positive, negative or 0. */
static void test_pooled(void **state)
{
    (void)state;
    static const enum op fs[] = {N_OPS, OP_relu, OP_clip, OP_leaky_relu, OP_prelu};
    static struct world w;
    static float before_a[MAX_OUT], before_b[MAX_OUT];
    for (int i = 0; i < 25; i++) {
        struct value *y = build_pooled(&w, random_int(2, 9), fs[i % 5]);
        const int id = y->id;
        run(&w);
        memcpy(before_a, w.out[0], sizeof before_a);
        memcpy(before_b, w.out[1], sizeof before_b);
        struct sliceable s;
        assert_true(ncc_quant_can_slice(w.g, y, &s) && s.pool == y->def && s.a->op == OP_conv2d);
        assert_false(ncc_quant_can_slice(w.g, s.pool->in[0], &(struct sliceable){0}));
        const struct slicing how =
            ncc_quant_slicing(s.max < INFINITY ? 0 : -40, fmin(100, (double)s.max), random_int(2, 5));
        assert_true(ncc_quant_slice_value(w.g, &s, how));
        assert_null(made_by(&w, id));
        assert_true(ncc_graph_verify(w.g, "slices"));
        run(&w);
        compare(&w, (float *const[]){before_a, before_b});
        ncc_arena_release(&w.arena);
    }
}

/* A negative slope makes y positive on either side of z: with slopes of that kind alone there are no slices below. */
static void test_negative_slopes(void **state)
{
    (void)state;
    static struct world w;
    static float before_a[MAX_OUT], before_b[MAX_OUT];
    for (int pooled = 0; pooled < 2; pooled++) {
        struct value *y = (pooled ? build_pooled : build)(&w, 4, OP_prelu);
        struct sliceable s;
        assert_true(ncc_quant_can_slice(w.g, y, &s));
        float *slope = NCC_NEW(&w.arena, float, 4);
        for (int c = 0; c < 4; c++)
            slope[c] = (float)random_between(-2, -0.5);
        s.act->in[1]->data = slope;
        run(&w);
        memcpy(before_a, w.out[0], sizeof before_a);
        memcpy(before_b, w.out[1], sizeof before_b);
        const struct slicing how = ncc_quant_slicing(0, 400, 3);
        const struct slice_counts n = ncc_quant_slice_counts(&s, how);
        assert_true(how.down == 0 && n.made == 4 * 6 && n.larger == (pooled ? 4 * 3 : 0));
        assert_true(ncc_quant_slice_value(w.g, &s, how));
        run(&w);
        compare(&w, (float *const[]){before_a, before_b});
        ncc_arena_release(&w.arena);
    }
}

static void test_slicing(void **state)
{
    (void)state;
    struct slicing s = ncc_quant_slicing(0, 6, 3);
    assert_true(s.up == 3 && s.down == 0 && s.width == 2);
    s = ncc_quant_slicing(-1, 6, 3);
    assert_true(s.up == 2 && s.down == 1 && s.width == 3);
    s = ncc_quant_slicing(-5, 5, 3);
    assert_true(s.up + s.down == 3 && s.up && s.down && s.width == 5);
    assert_true(ncc_quant_slicing(-1, 6, 1).width == 0); /* one cannot hold both signs */
    assert_true(ncc_quant_slicing(0, 0, 3).width == 0);
    assert_true(ncc_quant_slicing(0, (double)INFINITY, 3).width == 0);
}

/* What cannot: an output, another reader, an inner value that more than f reads; and behind a pool, what has slices
 * below zero and a reader that pads. */
static void test_impossible(void **state)
{
    (void)state;
    static struct world w;
    struct sliceable s;
    struct value *y = build(&w, 4, OP_relu);
    assert_true(ncc_quant_can_slice(w.g, y, &s) && s.act == y->def && s.a == y->def->in[0]->def);
    assert_false(ncc_quant_can_slice(w.g, w.g->outputs.v[0].value, &s));
    assert_false(ncc_quant_can_slice(w.g, y->def->in[0], &s)); /* its reader is no convolution */
    ncc_graph_output(w.g, NCC_OP(w.g, OP_sigmoid, "f", NULL, y->def->in[0]), "c");
    assert_false(ncc_quant_can_slice(w.g, y, &s));
    ncc_arena_release(&w.arena);
    y = build(&w, 4, OP_relu);
    ncc_graph_output(w.g, NCC_OP(w.g, OP_sigmoid, "f", NULL, y), "c");
    assert_false(ncc_quant_can_slice(w.g, y, &s));
    ncc_arena_release(&w.arena);
    for (int leaky = 0; leaky < 2; leaky++) {
        y = build_pooled(&w, 4, leaky ? OP_leaky_relu : OP_relu);
        ncc_graph_output(w.g, conv(&w, y, 4, false, 3, 1), "c");
        assert_true(ncc_quant_can_slice(w.g, y, &s) == !leaky);
        ncc_arena_release(&w.arena);
    }
}

static int widest_clip(const struct graph *g)
{
    int c = 0;
    for (const struct node *n = g->first; n; n = n->next)
        if (n->op == OP_clip && n->out[0]->shape.dim[1] > c)
            c = n->out[0]->shape.dim[1];
    return c;
}

/* A few channels that all else follows from are sliced, in every fourth random network or so; many are not. */
static void test_choice(void **state)
{
    (void)state;
    enum { NETWORKS = 20 };
    static struct world w;
    int n_sliced[2] = {0};
    for (int i = 0; i < 2 * NETWORKS; i++) {
        build(&w, i % 2 ? 68 : 4, OP_relu);
        assert_true(
            ncc_quant_make_finer(w.g, FINER_VALUES, &(struct samples){.feed = feed, .ctx = &w, .n = 1}, &w.arena));
        assert_true(ncc_graph_verify(w.g, "slices"));
        n_sliced[i % 2] += widest_clip(w.g) > 0;
        ncc_arena_release(&w.arena);
    }
    assert_true(n_sliced[0] > 0 && n_sliced[1] == 0);
}

/* A PReLU in front of a pool is rounded twice, and takes a layer more: both halves of it go through the pool. Not in
 * all random networks, since some are precise enough. */
static void test_choice_of_halves(void **state)
{
    (void)state;
    enum { C = 16, DEPTH = 7, NETWORKS = 10 };
    const struct pool_attrs a = {.kernel_h = 2, .kernel_w = 2, .stride_h = 1, .stride_w = 1};
    static struct world w;
    int n_sliced = 0;
    for (int k = 0; k < NETWORKS; k++) {
        begin(&w);
        struct value *x = ncc_graph_input(w.g, "x", DT_F32, ncc_shape_4(1, 3, H, W));
        for (int i = 0; i < DEPTH; i++)
            x = NCC_OP(w.g, OP_max_pool, "pool", &a, act(&w, conv(&w, x, C, false, 1, 1), OP_prelu));
        ncc_graph_output(w.g, conv(&w, x, 4, false, 1, 1), "a");
        assert_true(
            ncc_quant_make_finer(w.g, FINER_VALUES, &(struct samples){.feed = feed, .ctx = &w, .n = 1}, &w.arena));
        assert_true(ncc_graph_verify(w.g, "slices"));
        n_sliced += widest_clip(w.g) > C;
        ncc_arena_release(&w.arena);
    }
    assert_true(n_sliced > 0);
}

int main(void)
{
    if (setjmp(out_of_memory.env)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    random_start("slices");
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_results),    cmocka_unit_test(test_slicing),
                                       cmocka_unit_test(test_impossible),      cmocka_unit_test(test_choice),
                                       cmocka_unit_test(test_pooled),          cmocka_unit_test(test_negative_slopes),
                                       cmocka_unit_test(test_choice_of_halves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
