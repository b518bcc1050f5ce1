/* Scales chosen together: the weights of sums are whole codes, at next to no cost for the operands, and zero points
 * that a layer needs to be equal are those with which it errs least. */
#include "compiler/k210/kpu_integer.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/assign.h"

#include "tests/quant/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { C = 4, SIZE = 8 };

static struct exit out_of_memory;

struct world {
    struct arena arena;
    struct diags diags;
    struct graph *g;
    struct value *a, *b, *both, *y; /* y: what the layer makes of a and b side by side */
};

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    (void)ctx;
    uint64_t state = (uint64_t)(sample * 2 + input + 1) * 0x9e3779b97f4a7c15u;
    for (int64_t i = 0; i < ncc_shape_count(to->shape); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ((float *)to->data)[i] = (float)((double)(state >> 40) / (1 << 24) * 2 - 1);
    }
    return true;
}

static struct value *layer(struct world *w, struct value *x, struct kpu_conv_attrs a, float *weights)
{
    a.h = a.w = SIZE;
    struct value *c = ncc_const(w->g, "w", DT_F32, ncc_shape_4(C, x->shape.dim[1], a.kernel, a.kernel), weights);
    struct value *y = NCC_OP(w->g, OP_kpu_conv, "layer", &a, x, c);
    assert_non_null(y);
    return y;
}

/* C channels with values in -size..size, or 0..size behind a ReLU; one scale for all, where a download reads them. */
static struct value *operand(struct world *w, const char *name, double size, bool relu, bool one_scale)
{
    struct value *x = ncc_graph_input(w->g, name, DT_F32, ncc_shape_4(1, C, SIZE, SIZE));
    x->mem = MEM_KPU;
    x->window = (struct window){.h = SIZE, .w = SIZE, .outside = OUT_ZERO};
    float *weights = NCC_NEW(&w->arena, float, C *C);
    for (int c = 0; c < C; c++)
        weights[c * C + c] = (float)(size / (c + 1)); /* the channels differ */
    struct kpu_conv_attrs a = {.kernel = 1};
    if (relu)
        a.act = (struct act_chain){1, {{OP_relu, NULL}}};
    struct value *v = layer(w, x, a, weights);
    if (one_scale)
        ncc_graph_output(w->g, NCC_OP(w->g, OP_kpu_download, "down", NULL, v), name);
    return v;
}

/* y[c] = a[c] + factor * b[c] in one layer. */
static void build_sum(struct world *w, double size, double factor, bool one_scale)
{
    memset(w, 0, sizeof *w);
    w->arena = ncc_arena_make(&out_of_memory);
    ncc_diag_init(&w->diags, &w->arena);
    w->g = ncc_graph_new(&w->arena, &w->diags, "test");
    w->a = operand(w, "a", 1, true, one_scale);
    w->b = operand(w, "b", size, false, one_scale);
    w->both = NCC_OP(w->g, OP_kpu_concat, "both", NULL, w->a, w->b);
    float *weights = NCC_NEW(&w->arena, float, C * 2 * C);
    for (int c = 0; c < C; c++) {
        weights[c * 2 * C + c] = 1;
        weights[c * 2 * C + C + c] = (float)factor;
    }
    w->y = layer(w, w->both, (struct kpu_conv_attrs){.kernel = 1}, weights);
    ncc_graph_output(w->g, NCC_OP(w->g, OP_kpu_download, "down", NULL, w->y), "y");
}

static void assign(struct world *w, bool joint)
{
    struct observations seen;
    const struct observe_options o = {.histograms = true, .quiet = true};
    assert_true(ncc_quant_observe(w->g, &(struct samples){.feed = feed, .ctx = NULL, .n = 4}, &o, &w->arena, &seen));
    const struct assign_options options = {.method = RANGE_MINMAX, .joint = joint ? JOINT_CONCAT | JOINT_SUM : 0};
    assert_true(ncc_quant_assign(w->g, &seen, &options, &w->arena));
}

/* How far the smaller weight of channel c is from a whole code. */
static double off_code(const struct world *w, int c, double factor)
{
    const double a = ncc_quant_scale(&w->a->quant, c), b = fabs(factor) * ncc_quant_scale(&w->b->quant, c);
    const double codes = fmin(a, b) / fmax(a, b) * (factor < 0 ? 127 : 255);
    return fabs(codes - rint(codes));
}

/* Signal to noise of the weights of the layer that makes y. */
static double weights_db(struct world *w)
{
    struct layer_quality quality;
    w->both->dtype = DT_U8;
    assert_non_null(ncc_k210_integer_layer(w->g, w->y->def, NULL, &quality));
    return quality.weight_sqnr_db;
}

/* Weights that are nearly whole stay so, as enlarging a scale would cost more than they err. */
static void test_sums(void **state)
{
    (void)state;
    random_start("joint scales");
    enum { ROUNDS = 60 };
    int n_whole = 0, n_left = 0;
    double most_left = 0, db_before = 0, db_after = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const double size = exp2(random_between(-3, 3)), factor = i % 4 == 3 ? -1 : i % 4 == 2 ? 0.7 : 1;
        const bool one_scale = i % 2;
        static struct world apart, joint;
        build_sum(&apart, size, factor, one_scale);
        build_sum(&joint, size, factor, one_scale);
        assign(&apart, false);
        assign(&joint, true);
        assert_int_equal(joint.a->quant.n_channels, one_scale ? 1 : C);
        for (int c = 0; c < C; c++) {
            const double off = off_code(&joint, c, factor);
            bool same = true;
            for (int k = 0; k < 2; k++) {
                const struct quant *before = k ? &apart.b->quant : &apart.a->quant;
                const struct quant *after = k ? &joint.b->quant : &joint.a->quant;
                const double grown = ncc_quant_scale(after, c) / ncc_quant_scale(before, c);
                assert_true(grown >= 1 && grown < 1.15); /* one part in a code of 8 or more */
                assert_true(ncc_quant_zero(after, c) == ncc_quant_zero(before, c));
                same = same && grown == 1;
            }
            assert_true(off < 1e-3 || same);
            n_whole += off < 1e-3;
            n_left += off >= 1e-3;
            most_left = fmax(most_left, off);
        }
        db_before += fmin(weights_db(&apart), 100) / ROUNDS;
        db_after += fmin(weights_db(&joint), 100) / ROUNDS;
        ncc_arena_release(&apart.arena);
        ncc_arena_release(&joint.arena);
    }
    printf("sums: %d weights of %d whole, others %.2f codes off at most; signal to noise of weights %.1f dB, apart %.1f\n",
           n_whole, n_whole + n_left, most_left, db_after, db_before);
    assert_true(n_whole > 3 * n_left && most_left < 0.25 && db_after > db_before + 6);
}

/* Codes that somebody relies on, and layers that are more than sums. */
static void test_left_alone(void **state)
{
    (void)state;
    static struct world w[2];
    for (int kind = 0; kind < 2; kind++) {
        for (int joint = 0; joint < 2; joint++) {
            build_sum(&w[joint], 0.77, 1, false);
            if (kind == 0) {
                w[joint].a->range = w[joint].b->range = (struct range){true, 0, 1};
            } else { /* another row reads channel 0 as well */
                float *weights = NCC_NEW(&w[joint].arena, float, C * 2 * C);
                memcpy(weights, w[joint].y->def->in[1]->data, sizeof *weights * C * 2 * C);
                weights[2 * C] = 0.3f;
                ncc_node_set_input(w[joint].y->def, 1,
                                   ncc_const(w[joint].g, "w", DT_F32, ncc_shape_4(C, 2 * C, 1, 1), weights),
                                   &w[joint].arena);
            }
            assign(&w[joint], joint);
        }
        for (int c = 0; c < C; c++) {
            assert_true(ncc_quant_scale(&w[0].a->quant, c) == ncc_quant_scale(&w[1].a->quant, c));
            assert_true(ncc_quant_scale(&w[0].b->quant, c) == ncc_quant_scale(&w[1].b->quant, c));
        }
        ncc_arena_release(&w[0].arena);
        ncc_arena_release(&w[1].arena);
    }
}

/* a is 0..1, b is -1..1, and a 3x3 layer reads them with weights of the given sizes. */
static void build_concat(struct world *w, double of_a, double of_b, bool joint)
{
    build_sum(w, 1, 1, false);
    float *weights = NCC_NEW(&w->arena, float, C * 2 * C * 9);
    for (int i = 0; i < C * 2 * C * 9; i++)
        weights[i] = (float)(i / 9 % (2 * C) < C ? of_a : of_b);
    struct value *y = layer(w, w->both, (struct kpu_conv_attrs){.kernel = 3}, weights);
    ncc_graph_output(w->g, NCC_OP(w->g, OP_kpu_download, "down", NULL, y), "z");
    assign(w, joint);
}

/* The zero point of both lies between what each would have alone, nearer to what larger weights read. */
static void test_zero_points(void **state)
{
    (void)state;
    static struct world apart;
    build_concat(&apart, 1, 1, false);
    const double shared = apart.a->quant.scale[0];
    double before = 128;
    for (double of_a = 0.01; of_a < 200; of_a *= 3) {
        static struct world w;
        build_concat(&w, of_a, 1, true);
        const double zero = w.a->quant.zero_point[0];
        assert_true(zero == w.b->quant.zero_point[0] && zero > 0 && zero <= before);
        assert_true(w.a->quant.n_channels == C && w.a->quant.scale[0] < shared);
        before = zero;
        ncc_arena_release(&w.arena);
    }
    assert_true(before < 64);
    assert_true(apart.a->quant.n_channels == 1 && apart.b->quant.scale[0] == shared);
    ncc_arena_release(&apart.arena);
}

int main(void)
{
    if (setjmp(out_of_memory.env)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_left_alone),
                                       cmocka_unit_test(test_zero_points)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
