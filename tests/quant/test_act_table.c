/* Activation tables against the real functions, over random scales, ranges and parameters. */
#include "compiler/k210/act_table.h"
#include "compiler/ops/attrs.h"
#include "tests/quant/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The table as doc/kpu.md sections 4.3 and 5 describe it, written once more. */
static int plain_table(const struct ncc_kpu_table *t, int64_t v)
{
    int s = 0;
    for (int i = 1; i < 16; i++)
        if (v > t->seg[i].x_start)
            s = i;
    const int64_t product = (v - t->seg[s].x_start) * t->seg[s].y_mul;
    const int shift = t->seg[s].shift;
    int64_t whole = product >> shift;
    const int64_t rest = product - whole * (INT64_C(1) << shift), unit = INT64_C(1) << shift;
    const int sign = product < 0 ? -1 : 1;
    if (2 * rest > unit || (2 * rest == unit && whole % 2 != 0))
        whole += sign;
    whole += t->seg[s].bias;
    return whole < 0 ? 0 : whole > 255 ? 255 : (int)whole;
}

static double ideal(const struct act_target *t, int64_t v)
{
    const double x = (double)v * t->v_scale;
    const double y = t->act->n ? ncc_act_apply(t->act, (float)x) : x;
    const double code = y / t->y_scale + t->y_zero;
    return code < 0 ? 0 : code > 255 ? 255 : code;
}

static void check_form(const struct ncc_kpu_table *t)
{
    assert_null(ncc_kpu_table_check(t));
    assert_true(t->seg[0].y_mul == 0);
    for (int i = 0; i < 16; i++)
        assert_in_range(t->seg[i].shift, 0, 31);
}

/* What a layer would choose: v 2^8 times finer than the steepest code. */
static double scale_of_v(const struct act_chain *act, double lo, double hi, double y_scale, double y_zero)
{
    const double slope = ncc_act_slope(act, lo, hi, -y_zero * y_scale, (255 - y_zero) * y_scale);
    return y_scale * exp2(-8 - fmin(ceil(log2(slope) - 1e-3), 8));
}

struct family {
    const char *name;
    enum op op;
    const void *attrs;                           /* NULL: random ones, if it has any */
    double least_lo, most_lo, least_hi, most_hi; /* random output range */
    double x_lo, x_hi;                           /* of the sum */
    double worst, mean;                          /* what is promised */
    double fitted; /* the squared error of a table fitted to what it sees against that; 0: exact anyway */
};

static const struct leaky_relu_attrs tenth = {0.1f};
static const struct clip_attrs six = {0, 6};
static const struct elu_attrs one = {1};
static const struct swish_attrs silu = {1};
static const struct gelu_attrs by_erf = {false};

static const struct family families[] = {
    {"identity", N_OPS, NULL, -8, 0, 0.1, 8, -100, 100, 0.5005, 0.251, 0},
    {"relu", OP_relu, NULL, -1, 0, 0.1, 8, -100, 100, 0.5005, 0.26, 0},
    {"clip 0..6", OP_clip, &six, -1, 0, 3, 9, -100, 100, 0.5005, 0.26, 0},
    {"leaky_relu 0.1", OP_leaky_relu, &tenth, -3, 0, 0.5, 8, -100, 100, 0.501, 0.255, 0},
    {"leaky_relu", OP_leaky_relu, NULL, -3, 0, 0.5, 8, -100, 100, 0.501, 0.255, 0},
    {"sigmoid", OP_sigmoid, NULL, 0, 0, 0.6, 1, -30, 30, 0.95, 0.38, 0.95},
    {"tanh", OP_tanh, NULL, -1, -0.3, 0.3, 1, -30, 30, 0.9, 0.3, 1.03},
    {"elu", OP_elu, &one, -1, -0.5, 0.5, 6, -60, 60, 0.85, 0.3, 1.02},
    {"softplus", OP_softplus, NULL, 0, 0, 0.5, 8, -30, 30, 1, 0.4, 1.01},
    {"exp", OP_exp, NULL, 0, 0, 0.5, 30, -30, 6, 0.9, 0.4, 0.85},
    {"hard_swish", OP_hard_swish, NULL, -0.375, -0.375, 2, 8, -60, 60, 1.2, 0.7, 0.6},
    {"silu", OP_swish, &silu, -0.279, -0.279, 2, 8, -60, 60, 1.2, 0.7, 0.65},
    {"gelu", OP_gelu, &by_erf, -0.17, -0.17, 2, 8, -60, 60, 1.2, 0.7, 0.9},
    {"mish", OP_mish, NULL, -0.309, -0.309, 2, 8, -60, 60, 1.2, 0.7, 0.65},
};

/* The share of v whose code is not the nearest one, ties aside. */
static double check_points(const struct act_target *t, const struct ncc_kpu_table *table, double worst)
{
    int off = 0;
    const int n = 5000;
    for (int i = 0; i < n; i++) {
        const int64_t v = (int64_t)random_between((double)t->v_min, (double)t->v_max);
        const int got = plain_table(table, v);
        assert_int_equal(got, ncc_kpu_table_apply(table, v));
        if (fabs(got - ideal(t, v)) > worst)
            fail_msg("v %lld: code %d, ideal %g", (long long)v, got, ideal(t, v));
        off += fabs(got - ideal(t, v)) > 0.5001;
    }
    return (double)off / n;
}

static void check_family(const struct family *f)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    double worst = 0, mean = 0;
    const int n = 24;
    for (int i = 0; i < n; i++) {
        struct leaky_relu_attrs leaky = {(float)random_between(0.005, 0.5)};
        const void *attrs = f->attrs ? f->attrs : &leaky;
        const struct act_chain act = {.n = f->op != N_OPS, .step = {{f->op == N_OPS ? OP_relu : f->op, attrs}}};
        const double lo = random_between(f->least_lo, f->most_lo), hi = random_between(f->least_hi, f->most_hi);
        struct act_target t = {.act = &act, .y_scale = (hi - lo) / 255, .y_zero = rint(-lo / (hi - lo) * 255)};
        t.y_zero += random_int(0, 1) * 0.375;
        t.v_scale = scale_of_v(&act, f->x_lo, f->x_hi, t.y_scale, t.y_zero);
        t.v_min = (int64_t)(f->x_lo * random_between(0.3, 1) / t.v_scale);
        t.v_max = (int64_t)(f->x_hi * random_between(0.3, 1) / t.v_scale);
        struct ncc_kpu_table table;
        struct act_fit fit;
        ncc_act_table_fit_seen(&t, &(struct act_seen){0}, &a, &table, &fit);
        check_form(&table);
        check_points(&t, &table, f->worst + 0.01);
        worst = fmax(worst, fit.max_error);
        mean = fmax(mean, fit.mean_error);
    }
    printf("  %-14s largest error %.4f, largest mean error %.4f codes\n", f->name, worst, mean);
    assert_true(worst <= f->worst);
    assert_true(mean <= f->mean);
    ncc_arena_release(&a);
}

static void test_families(void **state)
{
    (void)state;
    random_start("act tables");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        check_family(&families[i]);
}

/* ---- tables for what is seen ---- */

enum { N_SEEN = 4000 };

/* Values of the sum like those in front of an activation: a normal distribution somewhere in the range. */
static void draw(const struct act_target *t, double middle, double width, int64_t *v)
{
    for (int i = 0; i < N_SEEN; i++) {
        const double x = (middle + width * random_normal()) / t->v_scale;
        v[i] = (int64_t)fmin(fmax(x, (double)t->v_min), (double)t->v_max);
    }
}

static double mean_square(const struct act_target *t, const struct ncc_kpu_table *table, const int64_t *v)
{
    double sum = 0;
    for (int i = 0; i < N_SEEN; i++) {
        const double d = plain_table(table, v[i]) - ideal(t, v[i]);
        sum += d * d / N_SEEN;
    }
    return sum;
}

/* On other draws of the same distribution, and never much worse anywhere. */
static void check_seen(const struct family *f)
{
    static int64_t v[2][N_SEEN];
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    double gain = 0, most = 0;
    const int n = 8;
    for (int i = 0; i < n; i++) {
        const struct act_chain act = {.n = 1, .step = {{f->op, f->attrs}}};
        const double lo = random_between(f->least_lo, f->most_lo), hi = random_between(f->least_hi, f->most_hi);
        struct act_target t = {.act = &act, .y_scale = (hi - lo) / 255, .y_zero = rint(-lo / (hi - lo) * 255)};
        t.v_scale = scale_of_v(&act, f->x_lo, f->x_hi, t.y_scale, t.y_zero);
        t.v_min = (int64_t)(f->x_lo / t.v_scale);
        t.v_max = (int64_t)(f->x_hi / t.v_scale);
        const double middle = random_between(-2, 1), width = random_between(0.5, 3);
        draw(&t, middle, width, v[0]);
        draw(&t, middle, width, v[1]);
        struct ncc_kpu_table plain, fitted;
        struct act_fit plain_fit, fit;
        ncc_act_table_fit(&t, &plain, &plain_fit);
        ncc_act_table_fit_seen(&t, &(struct act_seen){N_SEEN, v[0]}, &a, &fitted, &fit);
        check_form(&fitted);
        if (fit.max_error > plain_fit.max_error + 0.51)
            fail_msg("%s: %g codes off, %g without fitting", f->name, fit.max_error, plain_fit.max_error);
        const double ratio = mean_square(&t, &fitted, v[1]) / mean_square(&t, &plain, v[1]);
        most = fmax(most, ratio);
        gain += log(ratio) / n;
    }
    printf("  %-14s squared error fitted / plain: %.3f, at most %.3f\n", f->name, exp(gain), most);
    assert_true(exp(gain) < f->fitted && most < 1.15);
    ncc_arena_release(&a);
}

static void test_seen(void **state)
{
    (void)state;
    random_start("fitted tables");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i].fitted > 0)
            check_seen(&families[i]);
}

/* Nothing but exact ties may differ from rounding half to even or half up. */
static void test_exact(void **state)
{
    (void)state;
    random_start("exact tables");
    for (int i = 0; i < 200; i++) {
        struct clip_attrs clip = {(float)random_between(-2, 0), (float)random_between(0.5, 6)};
        const int kind = i % 3;
        const struct act_chain act = {.n = kind != 0, .step = {{kind == 1 ? OP_relu : OP_clip, &clip}}};
        const double y_scale = random_between(0.001, 0.1);
        const struct act_target t = {.act = &act,
                                     .v_scale = y_scale / 256,
                                     .v_min = -100000,
                                     .v_max = 200000,
                                     .y_scale = y_scale,
                                     .y_zero = random_int(0, 255)};
        struct ncc_kpu_table table;
        struct act_fit fit;
        ncc_act_table_fit(&t, &table, &fit);
        assert_true(fit.n_pieces <= 4);
        assert_true(check_points(&t, &table, 0.5001) == 0);
    }
}

/* A chain of several steps, of which the table shows the whole. */
static void test_chain(void **state)
{
    (void)state;
    random_start("chains");
    struct leaky_relu_attrs leaky = {0.25f};
    struct clip_attrs clip = {-0.5f, 3};
    const struct act_chain act = {.n = 2, .step = {{OP_leaky_relu, &leaky}, {OP_clip, &clip}}};
    const struct act_target t = {
        .act = &act, .v_scale = 0.02 / 256, .v_min = -900000, .v_max = 900000, .y_scale = 0.02, .y_zero = 25};
    struct ncc_kpu_table table;
    struct act_fit fit;
    ncc_act_table_fit(&t, &table, &fit);
    check_form(&table);
    check_points(&t, &table, 0.51);
    assert_true(fit.max_error < 0.51);
    assert_int_equal(plain_table(&table, -900000), 0);
    assert_int_equal(plain_table(&table, 900000), 175);
}

/* A function that falls is fitted with the negated sum, where all products are positive. */
static void test_falling(void **state)
{
    (void)state;
    const struct act_chain act = {.n = 2, .step = {{OP_neg, NULL}, {OP_relu, NULL}}};
    assert_true(ncc_act_falls(&act, -5, 5));
    const struct act_chain relu = {.n = 1, .step = {{OP_relu, NULL}}};
    assert_false(ncc_act_falls(&relu, -5, 5));
    const struct act_chain abs = {.n = 1, .step = {{OP_abs, NULL}}};
    assert_false(ncc_act_falls(&abs, -5, 5));
    const struct act_target t = {
        .act = &act, .v_scale = -0.01 / 256, .v_min = -99999, .v_max = 99999, .y_scale = 0.01, .y_zero = 3};
    struct ncc_kpu_table table;
    struct act_fit fit;
    ncc_act_table_fit(&t, &table, &fit);
    assert_true(fit.max_error <= 0.5001);
    assert_int_equal(fit.n_pieces, 2);
}

static void test_copy(void **state)
{
    (void)state;
    for (int zero = 0; zero < 256; zero++) {
        struct ncc_kpu_table t;
        ncc_act_table_copy(zero, &t);
        check_form(&t);
        for (int q = 0; q < 256; q++)
            assert_int_equal(plain_table(&t, q - zero), q);
    }
}

/* Nothing sensible can be done, but it must not go wrong either. */
static void test_odd_functions(void **state)
{
    (void)state;
    const enum op ops[] = {OP_sin, OP_floor, OP_log, OP_sqrt, OP_rsqrt, OP_square, OP_abs, OP_neg, OP_round};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        const struct act_chain act = {.n = 1, .step = {{ops[i], NULL}}};
        const int64_t far[] = {1, 1000, 1 << 20, INT64_C(1) << 34};
        for (int k = 0; k < 4; k++) {
            const struct act_target t = {
                .act = &act, .v_scale = 1e-4, .v_min = -far[k], .v_max = far[k], .y_scale = 0.02, .y_zero = 100};
            struct ncc_kpu_table table;
            struct act_fit fit;
            ncc_act_table_fit(&t, &table, &fit);
            check_form(&table);
            assert_true(fit.max_error >= 0 && fit.max_error <= 256);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),         cmocka_unit_test(test_families), cmocka_unit_test(test_seen),
        cmocka_unit_test(test_chain),         cmocka_unit_test(test_falling),  cmocka_unit_test(test_copy),
        cmocka_unit_test(test_odd_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
