/* Equalising channels: the graph computes the same as before, and channels that differ in size are evened, whatever
 * stands between the convolutions. */
#include "compiler/ir/eval.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/equalise.h"
#include "compiler/quant/tied.h"

#include "tests/quant/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 8, C = 6, MAX_OUT = 2 * C * 4 * SIZE * SIZE, SAMPLES = 3 };

static struct exit out_of_memory;

struct world {
    struct arena arena;
    struct diags diags;
    struct graph *g;
    struct value *x;
    float in[SAMPLES][3 * SIZE * SIZE];
    int first;             /* of them, that is sample 0 */
    int watch;             /* id of the value whose channels are measured; -1: none */
    double largest[2 * C]; /* of |x| of its channels, over all samples */
    float out[2][MAX_OUT]; /* of the last sample that ran */
};

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    (void)input;
    const struct world *w = ctx;
    memcpy(to->data, w->in[w->first + sample], sizeof w->in[0]);
    return true;
}

static void see(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    (void)sample, (void)thread;
    struct world *w = ctx;
    const size_t n = (size_t)ncc_shape_count(t->shape);
    for (int k = 0; k < w->g->outputs.n; k++)
        if (v == w->g->outputs.v[k].value)
            memcpy(w->out[k], t->data, sizeof(float) * n);
    if (v->id != w->watch)
        return;
    const size_t map = n / (size_t)t->shape.dim[1];
    for (size_t i = 0; i < n; i++)
        w->largest[i / map] = fmax(w->largest[i / map], fabs((double)((const float *)t->data)[i]));
}

/* The samples one after the other: `see` is not made for several at a time. Results of the first stay. */
static void run(struct world *w, const struct value *watch)
{
    const struct eval_hooks hooks = {.ctx = w, .see = see};
    w->watch = watch ? watch->id : -1;
    memset(w->largest, 0, sizeof w->largest);
    for (w->first = SAMPLES - 1; w->first >= 0; w->first--) {
        struct evaluator *e = ncc_eval_open(w->g, EVAL_REFERENCE, 0);
        assert_true(e && ncc_eval_run(e, &(struct samples){.feed = feed, .ctx = w, .n = 1}, &hooks));
        ncc_eval_close(e);
    }
    w->first = 0;
}

static bool equalise(struct world *w, unsigned through)
{
    const struct samples samples = {.feed = feed, .ctx = w, .n = SAMPLES};
    return ncc_quant_equalise(w->g, through, &samples, &w->arena);
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->arena = ncc_arena_make(&out_of_memory);
    ncc_diag_init(&w->diags, &w->arena);
    w->g = ncc_graph_new(&w->arena, &w->diags, "test");
    for (int s = 0; s < SAMPLES; s++)
        for (int i = 0; i < 3 * SIZE * SIZE; i++)
            w->in[s][i] = (float)random_between(-1, 1);
    w->x = ncc_graph_input(w->g, "x", DT_F32, ncc_shape_4(1, 3, SIZE, SIZE));
}

enum kind { REGULAR, GROUPS, DEPTHWISE, TRANSPOSED, N_KINDS };

/* Channel c's weights and bias are of the size spread^-c. */
static struct value *conv(struct world *w, struct value *x, int out_c, enum kind kind, double spread)
{
    const int in_c = x->shape.dim[1], groups = kind == DEPTHWISE ? in_c : kind == GROUPS ? 2 : 1;
    const bool turned = kind == TRANSPOSED;
    const struct shape s = turned ? ncc_shape_4(in_c, out_c, 3, 3) : ncc_shape_4(out_c, in_c / groups, 3, 3);
    const int n = (int)ncc_shape_count(s);
    float *weights = NCC_NEW(&w->arena, float, n), *bias = NCC_NEW(&w->arena, float, out_c);
    for (int i = 0; i < n; i++)
        weights[i] = (float)(random_between(-1, 1) * pow(spread, -(turned ? i / 9 % out_c : i / (n / out_c))));
    for (int i = 0; i < out_c; i++)
        bias[i] = (float)(random_between(-0.3, 0.3) * pow(spread, -i));
    struct value *in[] = {x, ncc_const(w->g, "w", DT_F32, s, weights),
                          ncc_const(w->g, "b", DT_F32, ncc_shape_make(1, &out_c), bias)};
    const struct conv2d_attrs a = {1, 1, 1, 1, 1, 1, 1, 1, groups};
    const struct conv2d_transpose_attrs t = {1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1};
    struct value *y =
        turned ? ncc_op(w->g, OP_conv2d_transpose, "conv", &t, in, 3) : ncc_op(w->g, OP_conv2d, "conv", &a, in, 3);
    assert_non_null(y);
    return y;
}

static struct value *made(struct world *w, enum op op, const void *attrs, struct value *a, struct value *b)
{
    struct value *y = ncc_op(w->g, op, "f", attrs, (struct value *[]){a, b}, b ? 2 : 1);
    assert_non_null(y);
    return y;
}

static const struct pool_attrs pool = {3, 3, 1, 1, 1, 1, 1, 1, false};

static struct value *prelu(struct world *w, struct value *x)
{
    const int c = x->shape.dim[1];
    float *slope = NCC_NEW(&w->arena, float, c);
    for (int i = 0; i < c; i++)
        slope[i] = (float)random_between(-0.5, 1.5);
    return made(w, OP_prelu, NULL, x, ncc_const(w->g, "slope", DT_F32, ncc_shape_make(3, (int[]){c, 1, 1}), slope));
}

/* ---- the same results ---- */

/* One of n values, with so many channels unless that is 0. */
static struct value *any_of(struct value *const *v, int n, int channels)
{
    for (;;) {
        struct value *x = v[random_int(0, n - 1)];
        if (!channels || x->shape.dim[1] == channels)
            return x;
    }
}

/* A value made of some of the n before; maps keep their size, channels stay even and at most 2 C. */
static struct value *grow(struct world *w, struct value **v, int n)
{
    struct value *a = any_of(v, n, 0), *b = any_of(v, n, a->shape.dim[1]), *c = any_of(v, n, 0);
    static const enum op pairs[] = {OP_add, OP_sub, OP_maximum, OP_minimum};
    switch (random_int(0, 9)) {
    case 0:
        return made(w, OP_relu, NULL, a, NULL);
    case 1:
        return prelu(w, a);
    case 2:
        return made(w, random_int(0, 1) ? OP_max_pool : OP_avg_pool, &pool, a, NULL);
    case 3:
        return made(w, pairs[random_int(0, 3)], NULL, a, b);
    case 4:
        return made(w, OP_clip, &(struct clip_attrs){0, 1}, a, NULL);
    case 5:
        if (a->shape.dim[1] + c->shape.dim[1] <= 2 * C)
            return made(w, OP_concat, &(struct concat_attrs){1}, a, c);
        break;
    default:
        break;
    }
    const enum kind kind = (enum kind)random_int(0, N_KINDS - 1);
    return conv(w, a, kind == DEPTHWISE ? a->shape.dim[1] : C, kind, random_between(1, 3));
}

static void compare(const struct world *w, int k, const float *before)
{
    const int n = (int)ncc_shape_count(w->g->outputs.v[k].value->shape);
    double size = 0;
    for (int i = 0; i < n; i++)
        size = fmax(size, fabs((double)before[i]));
    for (int i = 0; i < n; i++)
        if (fabs((double)w->out[k][i] - (double)before[i]) > size * 1e-5)
            fail_msg("output %d, element %d: %g instead of %g", k, i, (double)w->out[k][i], (double)before[i]);
}

static void test_same_results(void **state)
{
    (void)state;
    static struct world w;
    static float before[2][MAX_OUT];
    for (int i = 0; i < 60; i++) {
        begin(&w);
        struct value *v[16] = {conv(&w, w.x, C, REGULAR, 2)};
        int n = 1;
        while (n < 16) {
            v[n] = grow(&w, v, n);
            n++;
        }
        ncc_graph_output(w.g, conv(&w, v[15], 2, REGULAR, 1), "a");
        ncc_graph_output(w.g, v[random_int(8, 15)], "b");
        run(&w, NULL);
        memcpy(before, w.out, sizeof before);
        assert_true(equalise(&w, ~0u));
        assert_true(ncc_graph_verify(w.g, "equalise"));
        run(&w, NULL);
        compare(&w, 0, before[0]);
        compare(&w, 1, before[1]);
        ncc_arena_release(&w.arena);
    }
}

/* ---- evened ---- */

/* Largest of all channels / largest of the smallest one. */
static double unevenness(struct world *w, const struct value *v)
{
    run(w, v);
    double most = 0, least = INFINITY;
    for (int c = 0; c < v->shape.dim[1]; c++) {
        most = fmax(most, w->largest[c]);
        least = fmin(least, w->largest[c]);
    }
    return most / least;
}

enum between {
    PRELU,
    MAX_POOL,
    AVG_POOL,
    CONCAT,
    SUM,
    MAXIMUM,
    RESIZE,
    READERS,
    TURNED,
    N_BETWEEN,
    CLIP,
    OUTPUT,
    KNOWN
};

/* The value that is read behind convolutions whose channels differ 1 : 2^(C - 1). */
static struct value *build(struct world *w, enum between between)
{
    begin(w);
    struct value *a = conv(w, w->x, C, between == TURNED ? TRANSPOSED : REGULAR, 2);
    struct value *b = between == CONCAT || between == SUM || between == MAXIMUM ? conv(w, w->x, C, REGULAR, 2) : NULL;
    struct value *y = between == PRELU      ? prelu(w, a)
                      : between == MAX_POOL ? made(w, OP_max_pool, &pool, a, NULL)
                      : between == AVG_POOL ? made(w, OP_avg_pool, &pool, a, NULL)
                      : between == CONCAT   ? made(w, OP_concat, &(struct concat_attrs){1}, a, b)
                      : between == SUM      ? made(w, OP_add, NULL, a, b)
                      : between == MAXIMUM  ? made(w, OP_maximum, NULL, a, b)
                      : between == RESIZE
                          ? made(w, OP_resize, &(struct resize_attrs){RESIZE_NEAREST, 16, 16, 0, 0}, a, NULL)
                      : between == CLIP ? made(w, OP_clip, &(struct clip_attrs){0, 6}, a, NULL)
                                        : a;
    ncc_graph_output(w->g, conv(w, y, 2, between == TURNED ? TRANSPOSED : REGULAR, 1), "a");
    if (between == READERS)
        ncc_graph_output(w->g, conv(w, y, C, DEPTHWISE, 1), "b");
    if (between == OUTPUT)
        ncc_graph_output(w->g, y, "b");
    if (between == KNOWN)
        y->range.known = true;
    return y;
}

static void test_evened(void **state)
{
    (void)state;
    static struct world w;
    for (int i = 0; i < N_BETWEEN; i++) {
        struct value *y = build(&w, (enum between)i);
        const double before = unevenness(&w, y);
        assert_true(equalise(&w, ~0u));
        const double after = unevenness(&w, y);
        if (after > before / 2)
            fail_msg("%d: channels differ by %g, before by %g", i, after, before);
        ncc_arena_release(&w.arena);
    }
}

/* What may not be multiplied is not: what a clip cuts, an output, a range that is known. */
static void test_left_alone(void **state)
{
    (void)state;
    static struct world w;
    for (int i = CLIP; i <= KNOWN; i++) {
        struct value *y = build(&w, (enum between)i);
        const struct value *weights = y->def->op == OP_clip ? y->def->in[0]->def->in[1] : y->def->in[1];
        assert_true(equalise(&w, ~0u));
        assert_ptr_equal(weights, y->def->op == OP_clip ? y->def->in[0]->def->in[1] : y->def->in[1]);
        ncc_arena_release(&w.arena);
    }
}

/* The weights that make y, or y's operands. */
static const struct value *weights_behind(const struct value *y, int operand)
{
    return ncc_tied_ends(y->def) ? y->def->in[1] : y->def->in[operand]->def->in[1];
}

/* Factors go only through what is chosen: each of these needs its kinds and no others. */
static void test_kinds(void **state)
{
    (void)state;
    static struct world w;
    static const unsigned needs[N_BETWEEN] = {
        [PRELU] = THROUGH_PRELU,  [MAX_POOL] = THROUGH_POOL,
        [AVG_POOL] = THROUGH_POOL, [CONCAT] = THROUGH_CONCAT,
        [SUM] = THROUGH_SUM,      [MAXIMUM] = THROUGH_SUM,
        [RESIZE] = THROUGH_POOL,  [READERS] = THROUGH_READERS | THROUGH_DEPTHWISE | THROUGH_RELU,
        [TURNED] = THROUGH_RELU};
    for (int i = 0; i < N_BETWEEN; i++)
        for (unsigned kind = 1; kind <= THROUGH_READERS; kind *= 2) {
            struct value *y = build(&w, (enum between)i);
            const bool pair = i == CONCAT || i == SUM || i == MAXIMUM;
            const struct value *before[] = {weights_behind(y, 0), pair ? weights_behind(y, 1) : NULL};
            const bool goes = !(needs[i] & kind);
            assert_true(equalise(&w, goes ? needs[i] : ~kind));
            if ((weights_behind(y, 0) != before[0]) != goes || (pair && (weights_behind(y, 1) != before[1]) != goes))
                fail_msg("%d, kind %#x: %s", i, kind, goes ? "not evened" : "evened");
            ncc_arena_release(&w.arena);
        }
}

/* In a concat whose other part is the network's input, the convolution's channels are evened all the same. */
static void test_part_of_concat(void **state)
{
    (void)state;
    static struct world w;
    begin(&w);
    struct value *a = conv(&w, w.x, C, REGULAR, 2);
    struct value *y = made(&w, OP_concat, &(struct concat_attrs){1}, w.x, a);
    ncc_graph_output(w.g, conv(&w, y, 2, REGULAR, 1), "a");
    const double before = unevenness(&w, a);
    assert_true(equalise(&w, ~0u));
    assert_true(unevenness(&w, a) < before / 2);
    ncc_arena_release(&w.arena);
}

int main(void)
{
    if (setjmp(out_of_memory.env)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    random_start("equalise");
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_results), cmocka_unit_test(test_evened),
                                       cmocka_unit_test(test_left_alone), cmocka_unit_test(test_kinds),
                                       cmocka_unit_test(test_part_of_concat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
