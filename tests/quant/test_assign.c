/* Observing a graph, and which values share their codes. */
#include "compiler/ops/attrs.h"
#include "compiler/quant/assign.h"
#include "compiler/quant/by_channel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct exit out_of_memory;

struct world {
    struct arena arena;
    struct diags diags;
    struct graph *g;
    struct observations seen;
};

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->arena = ncc_arena_make(&out_of_memory);
    ncc_diag_init(&w->diags, &w->arena);
    w->g = ncc_graph_new(&w->arena, &w->diags, "test");
}

/* Input 0 of sample s is in -1 .. s + 1 (a tenth of them exact zeros), input i in 0 .. i. */
static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    const int64_t n = ncc_shape_count(to->shape);
    float *x = to->data;
    (void)ctx;
    for (int64_t i = 0; i < n; i++) {
        const double u = (double)((i * 7919 + sample * 31 + 17) % 10007) / 10006;
        x[i] = (float)(input ? u * input : i % 10 ? u * (sample + 2) - 1 : 0);
    }
    return true;
}

static bool bad_feed(void *ctx, int sample, int input, struct tensor *to)
{
    feed(ctx, sample, input, to);
    ((float *)to->data)[3] = NAN;
    return true;
}

static void observe(struct world *w, int n_samples)
{
    const struct observe_options o = {.histograms = true, .quiet = true};
    assert_true(
        ncc_quant_observe(w->g, &(struct samples){.feed = feed, .ctx = NULL, .n = n_samples}, &o, &w->arena, &w->seen));
}

static void assign_with(struct world *w, struct assign_options options)
{
    observe(w, 3);
    assert_true(ncc_quant_assign(w->g, &w->seen, &options, &w->arena));
}

static void assign(struct world *w)
{
    assign_with(w, (struct assign_options){.method = RANGE_MINMAX, .joint = JOINT_CONCAT | JOINT_SUM});
}

static bool same(const struct value *a, const struct value *b)
{
    return a->quant.n_channels == 1 && b->quant.n_channels == 1 && a->quant.scale[0] == b->quant.scale[0] &&
           a->quant.zero_point[0] == b->quant.zero_point[0];
}

static struct value *canvas(struct world *w, const char *name, int c, int h, int width)
{
    struct value *v = ncc_graph_input(w->g, name, DT_F32, ncc_shape_4(1, c, h, width));
    v->mem = MEM_KPU;
    v->window = (struct window){.h = h, .w = width, .outside = OUT_ZERO};
    return v;
}

/* out_c x in_c weights; the value at the centre tap, or at tap 5 when `aside`. */
static struct value *conv(struct world *w, struct value *x, struct kpu_conv_attrs a, int out_c, bool aside)
{
    const int n_in = a.depthwise ? 1 : x->shape.dim[1], taps = a.kernel * a.kernel;
    float *weights = NCC_NEW(&w->arena, float, out_c *n_in *taps);
    for (int o = 0; o < out_c; o++)
        for (int i = 0; i < n_in; i++)
            if (!a.copy || a.depthwise || i == (o + 1) % n_in)
                weights[(o * n_in + i) * taps + (taps == 1 ? 0 : aside ? 5 : 4)] = a.copy ? 1 : 0.5f;
    struct value *c = ncc_const(w->g, "w", DT_F32, ncc_shape_4(out_c, n_in, a.kernel, a.kernel), weights);
    a.h = x->shape.dim[2];
    a.w = x->shape.dim[3];
    struct value *y = NCC_OP(w->g, OP_kpu_conv, "conv", &a, x, c);
    assert_non_null(y);
    return y;
}

static const struct kpu_conv_attrs relu_1x1 = {.kernel = 1, .act = {.n = 1, .step = {{OP_relu, NULL}}}};
static const struct kpu_conv_attrs linear_1x1 = {.kernel = 1};
static const struct kpu_conv_attrs linear_3x3 = {.kernel = 3};

/* ---- observing ---- */

static void test_observe_threads(void **state)
{
    (void)state;
    struct observation first[3];
    static struct histogram hist[3];
    for (int threads = 1; threads <= 4; threads++) {
        char text[12];
        snprintf(text, sizeof text, "%d", threads);
        setenv("NCC_THREADS", text, 1);
        struct world w;
        begin(&w);
        struct value *x = ncc_graph_input(w.g, "x", DT_F32, ncc_shape_4(1, 3, 40, 50));
        struct value *y = NCC_OP(w.g, OP_tanh, "tanh", NULL, x);
        struct value *z = NCC_OP(w.g, OP_exp, "exp", NULL, y);
        ncc_graph_output(w.g, z, "z");
        observe(&w, 9);
        const struct value *v[] = {x, y, z};
        for (int i = 0; i < 3; i++) {
            const struct observation *o = &w.seen.v[v[i]->id];
            assert_int_equal(o->n, 9 * 6000);
            if (threads == 1) {
                first[i] = *o;
                hist[i] = *o->hist;
            }
            assert_true(o->min == first[i].min && o->max == first[i].max);
            assert_memory_equal(o->hist, &hist[i], sizeof hist[i]);
        }
        ncc_arena_release(&w.arena);
    }
    unsetenv("NCC_THREADS");
}

static void test_observe_bad(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    struct value *x = ncc_graph_input(w.g, "x", DT_F32, ncc_shape_4(1, 3, 4, 5));
    ncc_graph_output(w.g, NCC_OP(w.g, OP_neg, "negative", NULL, x), "y");
    const struct observe_options o = {.quiet = true};
    assert_true(
        ncc_quant_observe(w.g, &(struct samples){.feed = bad_feed, .ctx = NULL, .n = 2}, &o, &w.arena, &w.seen));
    assert_int_equal(w.diags.n_warnings, 2);
    assert_non_null(strstr(w.diags.first->found, "2 of 120 elements of 'x'"));
    assert_int_equal(w.seen.v[x->id].n, 118);
    assert_null(w.seen.v[x->id].hist);
    ncc_arena_release(&w.arena);
}

/* ---- assigning ---- */

static void test_plain(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    struct value *x = ncc_graph_input(w.g, "x", DT_F32, ncc_shape_4(1, 3, 8, 8));
    struct value *y = NCC_OP(w.g, OP_relu, "relu", NULL, x);
    const struct pool_attrs p = {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2};
    struct value *pooled = NCC_OP(w.g, OP_max_pool, "pool", &p, y);
    ncc_graph_output(w.g, pooled, "y");
    assign(&w);
    assert_true(x->range.known && x->range.lo < -0.99f && x->range.hi > 2.9f && x->range.hi <= 3);
    assert_true(x->quant.zero_point[0] > 60 && x->quant.zero_point[0] < 66);
    assert_true(y->quant.zero_point[0] == 0 && y->range.hi == x->range.hi);
    assert_true(same(y, pooled));
    assert_false(same(x, y));
    ncc_arena_release(&w.arena);
}

static void test_given(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    static const double scale = 0.5, zero = 127.25;
    struct value *x = ncc_graph_input(w.g, "x", DT_F32, ncc_shape_4(1, 2, 4, 4));
    x->quant = (struct quant){1, &scale, &zero};
    struct value *up = NCC_OP(w.g, OP_kpu_upload, "up", (&(struct kpu_upload_attrs){.h = 4, .w = 4}), x);
    struct value *moved = conv(&w, up, (struct kpu_conv_attrs){.kernel = 3, .depthwise = true, .copy = true}, 2, true);
    struct value *y = NCC_OP(w.g, OP_kpu_download, "down", NULL, moved);
    struct value *known = NCC_OP(w.g, OP_tanh, "tanh", NULL, y);
    known->range = (struct range){true, -1, 1};
    ncc_graph_output(w.g, known, "y");
    assign(&w);
    assert_true(same(x, up) && same(x, moved) && same(x, y));
    assert_true(y->quant.scale[0] == 0.5 && y->quant.zero_point[0] == 127.25);
    assert_true(fabs(known->quant.scale[0] * 255 - 2) < 0.02);
    ncc_arena_release(&w.arena);
}

/* Two branches of different range side by side. `reader` decides what is left of the difference. */
struct branches {
    struct value *a, *b, *both, *out;
};

static struct branches side_by_side(struct world *w, struct kpu_conv_attrs of_a, struct kpu_conv_attrs of_b)
{
    begin(w);
    struct value *x = canvas(w, "x", 3, 6, 8), *z = canvas(w, "z", 3, 6, 8);
    struct branches s = {.a = conv(w, x, of_a, 3, false), .b = conv(w, z, of_b, 5, false)};
    s.both = NCC_OP(w->g, OP_kpu_concat, "concat", NULL, s.a, s.b);
    assert_int_equal(s.both->shape.dim[1], 9); /* W 8: channel 3 is an unused slot */
    return s;
}

static void check_mixed(const struct branches *s, const struct value *v)
{
    assert_int_equal(v->quant.n_channels, 9);
    for (int c = 0; c < 9; c++) {
        const struct value *from = c < 4 ? s->a : s->b;
        assert_true(v->quant.scale[c] == from->quant.scale[0] && v->quant.zero_point[c] == from->quant.zero_point[0]);
    }
}

/* The codes cover what was seen. */
static void check_reach(const struct world *w, const struct value *v)
{
    const struct observation *o = &w->seen.v[v->id];
    const double scale = v->quant.scale[0], zero = v->quant.zero_point[0];
    assert_true(-zero * scale <= (double)o->min + 1e-6 && (255 - zero) * scale >= (double)o->max - 1e-6);
}

static void test_concat(void **state)
{
    (void)state;
    struct world w;
    struct branches s = side_by_side(&w, relu_1x1, linear_1x1);
    ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, conv(&w, s.both, linear_1x1, 2, false)), "y");
    assign(&w);
    assert_false(same(s.a, s.b));
    check_mixed(&s, s.both);
    ncc_arena_release(&w.arena);

    /* A 3x3 layer that looks aside needs equal zero points; both are 0 behind a ReLU. */
    s = side_by_side(&w, relu_1x1, relu_1x1);
    ncc_graph_output(w.g, conv(&w, s.both, linear_3x3, 2, true), "y");
    assign(&w);
    assert_false(same(s.a, s.b));
    check_mixed(&s, s.both);
    ncc_arena_release(&w.arena);

    /* If they are not equal, the branches get one. (x reaches below zero, z does not.) */
    s = side_by_side(&w, linear_1x1, relu_1x1);
    ncc_graph_output(w.g, conv(&w, s.both, linear_3x3, 2, true), "y");
    assign(&w);
    assert_false(same(s.a, s.b));
    check_mixed(&s, s.both);
    assert_true(s.a->quant.zero_point[0] > 0 && s.a->quant.zero_point[0] == s.b->quant.zero_point[0]);
    check_reach(&w, s.a);
    check_reach(&w, s.b);
    ncc_arena_release(&w.arena);

    /* Without scales that are chosen together, the branches share their codes. */
    s = side_by_side(&w, linear_1x1, relu_1x1);
    ncc_graph_output(w.g, conv(&w, s.both, linear_3x3, 2, true), "y");
    assign_with(&w, (struct assign_options){.method = RANGE_MINMAX});
    assert_true(same(s.a, s.b) && same(s.a, s.both));
    assert_true(s.a->quant.zero_point[0] > 0);
    ncc_arena_release(&w.arena);

    /* Centre taps only: a 1x1 layer in a 3x3 coat. */
    s = side_by_side(&w, linear_1x1, relu_1x1);
    ncc_graph_output(w.g, conv(&w, s.both, linear_3x3, 2, false), "y");
    assign(&w);
    assert_false(same(s.a, s.b));
    ncc_arena_release(&w.arena);

    /* Main memory has one pair for a tensor. */
    s = side_by_side(&w, linear_1x1, relu_1x1);
    ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, s.both), "y");
    assign(&w);
    assert_true(same(s.a, s.b) && same(s.a, s.both));
    assert_true(same(s.a, w.g->outputs.v[0].value));
    ncc_arena_release(&w.arena);
}

/* Copies and slices hand on the pairs of the channels that they take. */
static void test_moved_concat(void **state)
{
    (void)state;
    struct world w;
    struct branches s = side_by_side(&w, relu_1x1, linear_1x1);
    struct value *shuffled = conv(&w, s.both, (struct kpu_conv_attrs){.kernel = 1, .copy = true}, 9, false);
    struct value *part =
        NCC_OP(w.g, OP_kpu_slice, "part", (&(struct kpu_slice_attrs){.begin = 4, .count = 5}), shuffled);
    ncc_graph_output(w.g, conv(&w, part, linear_1x1, 2, false), "y");
    assign(&w);
    assert_int_equal(shuffled->quant.n_channels, 9);
    for (int c = 0; c < 9; c++) /* output c comes from channel c + 1 */
        assert_true(shuffled->quant.scale[c] == s.both->quant.scale[(c + 1) % 9]);
    assert_int_equal(part->quant.n_channels, 5);
    for (int c = 0; c < 5; c++)
        assert_true(part->quant.scale[c] == shuffled->quant.scale[4 + c]);
    ncc_arena_release(&w.arena);
}

static void test_cpu_concat(void **state)
{
    (void)state;
    for (int uploaded = 0; uploaded < 2; uploaded++) {
        struct world w;
        begin(&w);
        struct value *x = ncc_graph_input(w.g, "x", DT_F32, ncc_shape_4(1, 2, 4, 4));
        struct value *z = ncc_graph_input(w.g, "z", DT_F32, ncc_shape_4(1, 2, 4, 4));
        struct value *a = NCC_OP(w.g, OP_tanh, "tanh", NULL, x), *b = NCC_OP(w.g, OP_exp, "exp", NULL, z);
        struct value *both = NCC_OP(w.g, OP_concat, "concat", (&(struct concat_attrs){.axis = 1}), a, b);
        struct value *y = both;
        if (uploaded)
            y = NCC_OP(w.g, OP_kpu_upload, "up", (&(struct kpu_upload_attrs){.h = 4, .w = 4}), both);
        ncc_graph_output(w.g, y, "y");
        assign(&w);
        assert_true(same(a, b) == uploaded && same(a, both) == uploaded);
        ncc_arena_release(&w.arena);
    }
}

/* ---- scales by channel ---- */

/* What the act leaves of three channels of very different size, and its readers. */
static struct value *of_three_sizes(struct world *w, struct act_chain act)
{
    static const float weights[9] = {1, 0, 0, 0, 0.1f, 0, 0, 0, -1};
    begin(w);
    struct value *x = ncc_graph_input(w->g, "x", DT_F32, ncc_shape_4(1, 3, 6, 8));
    struct value *up = NCC_OP(w->g, OP_kpu_upload, "up", (&(struct kpu_upload_attrs){.h = 6, .w = 8}), x);
    const struct kpu_conv_attrs a = {.kernel = 1, .act = act, .h = 6, .w = 8};
    struct value *c = ncc_const(w->g, "w", DT_F32, ncc_shape_4(3, 3, 1, 1), weights);
    return NCC_OP(w->g, OP_kpu_conv, "sizes", &a, up, c);
}

static void check_by_channel(const struct world *w, const struct value *y, bool by_channel)
{
    assert_int_equal(y->quant.n_channels, by_channel ? 3 : 1);
    if (!by_channel)
        return;
    const struct observation *o = &w->seen.v[y->id];
    const double zero = y->quant.zero_point[0], whole = fmax(zero > 0 ? -(double)o->min / zero : 0,
                                                             zero < 255 ? (double)o->max / (255 - zero) : 0);
    assert_true(zero == rint(zero) && zero >= 0 && zero < 255 && (zero > 0) == (o->min < 0));
    for (int c = 0; c < 3; c++) {
        assert_true(o->channel_min[c] >= o->min && o->channel_max[c] <= o->max);
        assert_true(y->quant.zero_point[c] == zero);
        const double own = fmax(zero > 0 ? -(double)o->channel_min[c] / zero : 0,
                                (double)o->channel_max[c] / (255 - zero));
        const double n = (double)o->n / 3, room = 1 + fmax(log(780300 / (n * log(n))), 0) / log(n);
        const double need = fmin(whole, own * room);
        assert_true(own > 0 && fabs(y->quant.scale[c] / sqrt(need * whole) - 1) < 1e-6);
    }
    assert_true(y->quant.scale[1] < y->quant.scale[0]);
}

static void test_by_channel(void **state)
{
    (void)state;
    static const struct clip_attrs six = {0, 2}, both = {-1, 2};
    static const struct leaky_relu_attrs leaky = {0.1f};
    static const struct { struct act_chain act; bool good; } chains[] = {
        {{.n = 1, .step = {{OP_relu, NULL}}}, true},
        {{.n = 1, .step = {{OP_clip, &six}}}, true},
        {{.n = 2, .step = {{OP_relu, NULL}, {OP_clip, &both}}}, true},
        {{.n = 0}, true},
        {{.n = 1, .step = {{OP_leaky_relu, &leaky}}}, true},
        {{.n = 1, .step = {{OP_clip, &both}}}, false}, /* ends that would move with the scale */
        {{.n = 2, .step = {{OP_leaky_relu, &leaky}, {OP_clip, &six}}}, true},
        {{.n = 2, .step = {{OP_leaky_relu, &leaky}, {OP_clip, &both}}}, false},
        {{.n = 2, .step = {{OP_relu, NULL}, {OP_tanh, NULL}}}, false},
    };
    struct world w;
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        struct value *y = of_three_sizes(&w, chains[i].act);
        struct value *read = conv(&w, y, linear_3x3, 2, true);
        ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, read), "y");
        assign(&w);
        check_by_channel(&w, y, chains[i].good);
        assert_int_equal(read->quant.n_channels, 1);
        if (chains[i].good && y->quant.zero_point[0] == 0) /* the clip must not be lost */
            assert_true(y->quant.scale[0] * 255 <= 2.0001 || chains[i].act.n == 1);
        ncc_arena_release(&w.arena);
    }
    /* What leaves the chip has one scale. */
    struct value *y = of_three_sizes(&w, chains[0].act);
    conv(&w, y, linear_1x1, 2, false);
    ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, y), "y");
    assign(&w);
    check_by_channel(&w, y, false);
    ncc_arena_release(&w.arena);
    /* Copies hand the scales on, channel by channel. */
    y = of_three_sizes(&w, chains[0].act);
    struct value *moved = conv(&w, y, (struct kpu_conv_attrs){.kernel = 1, .copy = true}, 3, false);
    ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, conv(&w, moved, linear_1x1, 2, false)), "y");
    assign(&w);
    check_by_channel(&w, y, true);
    assert_int_equal(moved->quant.n_channels, 3);
    for (int c = 0; c < 3; c++)
        assert_true(moved->quant.scale[c] == y->quant.scale[(c + 1) % 3]);
    ncc_arena_release(&w.arena);
    /* A layer that computes with the lines of all channels as one map, or with a copy of it, has one factor for them. */
    static const struct kpu_view_attrs views[] = {{.c = 1, .canvas_h = 6, .canvas_w = 64, .h = 6, .w = 64},
                                                  {.c = 3, .canvas_h = 6, .canvas_w = 9, .h = 6, .w = 8}};
    for (int i = 0; i < 4; i++) {
        const bool own = i % 2, copied = i / 2;
        y = of_three_sizes(&w, chains[0].act);
        struct value *view = NCC_OP(w.g, OP_kpu_view, "view", &views[own], y);
        if (copied)
            view = conv(&w, view, (struct kpu_conv_attrs){.kernel = 3, .depthwise = true, .copy = true}, own ? 3 : 1, false);
        struct value *beside = ncc_op(w.g, OP_kpu_concat, "beside", NULL, &view, 1);
        ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, conv(&w, beside, linear_1x1, 2, false)), "y");
        assign(&w);
        check_by_channel(&w, y, own);
        assert_int_equal(view->quant.n_channels, own ? 3 : 1);
        ncc_arena_release(&w.arena);
    }
}

/* As many ways lead to the layer that reads in the end as there are subsets of the levels. */
static void test_many_ways_to_a_reader(void **state)
{
    (void)state;
    enum { LEVELS = 60 };
    static const struct act_chain relu = {.n = 1, .step = {{OP_relu, NULL}}};
    for (int leaves = 0; leaves < 2; leaves++) {
        struct world w;
        struct value *y = of_three_sizes(&w, relu), *v = y;
        for (int i = 0; i < LEVELS; i++) {
            v = ncc_op(w.g, OP_kpu_concat, "twice", NULL, (struct value *[]){v, v}, 2);
            v = NCC_OP(w.g, OP_kpu_slice, "once", (&(struct kpu_slice_attrs){0, 3}), v);
        }
        v = leaves ? v : conv(&w, v, linear_1x1, 2, false);
        ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, v), "y");
        assert_int_equal(ncc_quant_by_channel(w.g, y), !leaves);
        ncc_arena_release(&w.arena);
    }
}

/* ---- layers that only cut ---- */

/* y = relu(-2 x) or so. */
static struct value *cut(struct world *w, struct value *x, float tap, float other, float bias, struct act_chain act)
{
    const int c = x->shape.dim[1];
    const struct kpu_conv_attrs a = {.kernel = 3, .depthwise = true, .act = act, .h = x->shape.dim[2], .w = x->shape.dim[3]};
    float *weights = NCC_NEW(&w->arena, float, c * 9), *b = NCC_NEW(&w->arena, float, c);
    for (int i = 0; i < c; i++) {
        weights[9 * i + 4] = tap;
        weights[9 * i + 5] = other;
        b[i] = bias;
    }
    return NCC_OP(w->g, OP_kpu_conv, "cut", &a, x, ncc_const(w->g, "w", DT_F32, ncc_shape_4(c, 1, 3, 3), weights),
                  ncc_const(w->g, "b", DT_F32, ncc_shape_make(1, &c), b));
}

static void test_cuts(void **state)
{
    (void)state;
    static const struct clip_attrs clip = {0, 1};
    static const struct {
        float tap, other, bias;
        struct act_chain act;
        bool kept;
    } cases[] = {
        {-2, 0, 0, {.n = 1, .step = {{OP_relu, NULL}}}, true},
        {1, 0, 0, {.n = 1, .step = {{OP_relu, NULL}}}, true},
        {1, 0.5f, 0, {.n = 1, .step = {{OP_relu, NULL}}}, false},
        {1, 0, 0.25f, {.n = 1, .step = {{OP_relu, NULL}}}, false},
        {1, 0, 0, {.n = 1, .step = {{OP_clip, &clip}}}, false},
        {0, 0, 0, {.n = 1, .step = {{OP_relu, NULL}}}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct value *x = of_three_sizes(&w, (struct act_chain){.n = 0});
        struct value *y = cut(&w, x, cases[i].tap, cases[i].other, cases[i].bias, cases[i].act);
        ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, conv(&w, y, linear_3x3, 2, true)), "y");
        assign(&w);
        assert_true(x->quant.n_channels == 3 && x->quant.zero_point[0] > 0);
        bool kept = y->quant.n_channels == 3;
        for (int c = 0; kept && c < 3; c++)
            kept = y->quant.zero_point[c] == 0 && y->quant.scale[c] == x->quant.scale[c] * fabs((double)cases[i].tap);
        assert_int_equal(kept, cases[i].kept);
        ncc_arena_release(&w.arena);
    }
    /* Where one scale has to do, it is the input's only if that has one. */
    struct world w;
    struct value *x = of_three_sizes(&w, (struct act_chain){.n = 0});
    struct value *y = cut(&w, x, 1, 0, 0, cases[1].act);
    ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, y), "y");
    assign(&w);
    assert_true(x->quant.n_channels == 3 && y->quant.n_channels == 1);
    ncc_arena_release(&w.arena);
}

/* What a layer makes is seen through the view that reads it: rows beyond its window do not count. */
static void test_shown(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    struct value *x = canvas(&w, "x", 1, 8, 64);
    const struct kpu_view_attrs some = {.c = 1, .canvas_h = 8, .canvas_w = 64, .h = 2, .w = 5}, all = {.c = 1, .canvas_h = 8, .canvas_w = 64, .h = 8, .w = 64};
    struct value *part = NCC_OP(w.g, OP_kpu_view, "some", &some, conv(&w, x, linear_1x1, 1, false));
    struct value *whole = NCC_OP(w.g, OP_kpu_view, "all", &all, conv(&w, x, linear_1x1, 1, false));
    ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, conv(&w, part, linear_3x3, 1, false)), "y");
    ncc_graph_output(w.g, NCC_OP(w.g, OP_kpu_download, "down", NULL, conv(&w, whole, linear_3x3, 1, false)), "z");
    assign(&w);
    assert_true(same(part, part->def->in[0]) && same(whole, whole->def->in[0]));
    assert_true(part->quant.scale[0] < 0.9 * whole->quant.scale[0]);
    ncc_arena_release(&w.arena);
}

/* Scales of channels that were given, and what goes out in another order: no download has them. */
static void test_given_channels(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    struct value *y = conv(&w, canvas(&w, "x", 2, 8, 8), linear_1x1, 2, false);
    struct value *exchanged = conv(&w, y, (struct kpu_conv_attrs){.kernel = 3, .copy = true}, 2, false);
    struct value *down = NCC_OP(w.g, OP_kpu_download, "down", NULL, exchanged);
    ncc_graph_output(w.g, down, "y");
    static const double scale[] = {0.5, 0.25}, zero[] = {128, 128};
    y->quant = (struct quant){2, scale, zero};
    assign(&w);
    assert_true(same(y, down) && same(y, exchanged) && y->quant.scale[0] >= 0.5);
    ncc_arena_release(&w.arena);
}

static void test_nothing_seen(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    struct value *x = ncc_graph_input(w.g, "x", DT_F32, ncc_shape_4(1, 2, 4, 4));
    ncc_graph_output(w.g, x, "y");
    w.seen = (struct observations){0};
    assert_true(ncc_quant_assign(w.g, &w.seen, &(struct assign_options){.method = RANGE_L2}, &w.arena));
    assert_int_equal(w.diags.n_warnings, 1);
    assert_true(x->quant.n_channels == 1 && x->quant.zero_point[0] == 0);
    ncc_arena_release(&w.arena);
}

int main(void)
{
    if (setjmp(out_of_memory.env)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_observe_threads), cmocka_unit_test(test_observe_bad),
        cmocka_unit_test(test_plain),           cmocka_unit_test(test_given),
        cmocka_unit_test(test_concat),          cmocka_unit_test(test_moved_concat),
        cmocka_unit_test(test_by_channel),
        cmocka_unit_test(test_many_ways_to_a_reader),
        cmocka_unit_test(test_cpu_concat),      cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_shown),           cmocka_unit_test(test_given_channels),
        cmocka_unit_test(test_nothing_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
