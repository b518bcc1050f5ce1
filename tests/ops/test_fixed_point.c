/* TFLite's fixed point: roundings by hand, functions against the mathematical library. */
#include "compiler/ops/fixed_point.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static double value(struct fx f)
{
    return ldexp(f.mul, f.shift - 31);
}

static void factors_have_31_bits(void **state)
{
    (void)state;
    static const struct {
        double real;
        int32_t mul;
        int shift;
    } cases[] = {
        {1, 1 << 30, 1},         {0.25, 1 << 30, -1},       {0.75, 3 << 29, 0}, {0, 0, 0},
        {-0.75, -(3 << 29), 0},  {1 - 0x1p-40, 1 << 30, 1}, /* rounded up to the next power */
        {0x1p-32, 1 << 30, -31}, {0x1p-33, 0, 0},           {INFINITY, 0, 0},   {NAN, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fx f = ncc_fx_of(cases[i].real);
        assert_int_equal(f.mul, cases[i].mul);
        assert_int_equal(f.shift, cases[i].shift);
    }
    for (double x = 1e-9; x < 1e9; x *= 1.37)
        assert_true(fabs(value(ncc_fx_of(x)) / x - 1) <= 0x1p-31);
}

static void products_round_half_up(void **state)
{
    (void)state;
    assert_int_equal(ncc_fx_high(1, 1 << 30), 1);  /* 1/2 */
    assert_int_equal(ncc_fx_high(-1, 1 << 30), 0); /* -1/2 */
    assert_int_equal(ncc_fx_high(3, 1 << 30), 2);
    assert_int_equal(ncc_fx_high(-3, 1 << 30), -1);
    assert_int_equal(ncc_fx_high(INT32_MAX, INT32_MAX), INT32_MAX - 1);
    assert_int_equal(ncc_fx_high(INT32_MIN, INT32_MIN), INT32_MAX);
    assert_int_equal(ncc_fx_high(INT32_MIN, INT32_MAX), -INT32_MAX);
}

static void quotients_round_half_away(void **state)
{
    (void)state;
    static const int want[][3] = {{5, 1, 3}, {-5, 1, -3}, {4, 1, 2}, {6, 2, 2}, {-6, 2, -2}, {5, 2, 1}, {-7, 2, -2}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_int_equal(ncc_fx_divide(want[i][0], want[i][1]), want[i][2]);
    assert_int_equal(ncc_fx_divide(-123, 0), -123);
    assert_int_equal(ncc_fx_divide(INT32_MIN, 31), -1);
    assert_int_equal(ncc_fx_divide(INT32_MAX, 31), 1);
}

static void factors_round_twice(void **state)
{
    (void)state;
    const struct fx quarter = ncc_fx_of(0.25), six = ncc_fx_of(6);
    static const int x[] = {1, 2, 3, 5, -1, -2, -3, -5}, want[] = {1, 1, 1, 2, 0, -1, -1, -1};
    for (int i = 0; i < 8; i++)
        assert_int_equal(ncc_fx_times(x[i], quarter), want[i]);
    assert_int_equal(ncc_fx_times(-7, six), -42);
    /* behind sums of 64 bits: 15 bits, and once */
    assert_int_equal(ncc_fx_times_wide(2, quarter), 1);
    assert_int_equal(ncc_fx_times_wide(1, quarter), 0);
    assert_int_equal(ncc_fx_times_wide(-2, quarter), 0);
    assert_int_equal(ncc_fx_times_wide(-3, quarter), -1);
    assert_int_equal(ncc_fx_times_wide(1 << 30, ncc_fx_of(1 - 0x1p-20)), (1 << 30) - (1 << 15)); /* 0x7FFF / 2^15 */
    assert_int_equal(ncc_fx_times_wide(INT64_C(1) << 40, ncc_fx_of(0x1p-20)), 1 << 20);
}

static void expect_near(const char *what, double x, double got, double want, double most)
{
    if (!(fabs(got - want) <= most))
        fail_msg("%s of %.12g is %.12g instead of %.12g", what, x, got, want);
}

static void functions_are_near(void **state)
{
    (void)state;
    for (int64_t x = -INT64_C(0x7fffff00); x <= 0x7fffff00; x += 9999991) {
        const int32_t raw = (int32_t)x;
        const double q4 = ldexp(raw, -27);
        if (raw <= 0) {
            expect_near("exp", ldexp(raw, -26), ldexp(ncc_fx_exp(raw, 5), -31), exp(ldexp(raw, -26)), 1e-6);
            expect_near("exp", q4, ldexp(ncc_fx_exp(raw, 4), -31), exp(q4), 1e-6);
        } else {
            expect_near("1 / (1 + x)", ldexp(raw, -31), ldexp(ncc_fx_one_over_one_plus(raw), -31),
                        1 / (1 + ldexp(raw, -31)), 1e-7);
            int exponent;
            const double share = ldexp(ncc_fx_reciprocal(raw, 12, &exponent), -31);
            expect_near("1 / x", ldexp(raw, -19), ldexp(share, -exponent) * ldexp(raw, -19), 1, 1e-7);
            expect_near("1 / sqrt", raw, value(ncc_fx_inverse_sqrt(raw)) * sqrt(raw), 1, 1e-5);
        }
        expect_near("logistic", q4, ldexp(ncc_fx_logistic(raw), -31), 1 / (1 + exp(-q4)), 1e-6);
        expect_near("tanh", q4, ldexp(ncc_fx_tanh(raw), -31), tanh(q4), 1e-6);
    }
    for (int x = 2; x < 100000; x += 7)
        expect_near("1 / sqrt", x, value(ncc_fx_inverse_sqrt(x)) * sqrt(x), 1, 1e-5);
    assert_int_equal(ncc_fx_exp(0, 5), INT32_MAX);
    assert_int_equal(ncc_fx_logistic(0), 1 << 30);
    assert_int_equal(ncc_fx_tanh(0), 0);
    assert_int_equal(ncc_fx_inverse_sqrt(0).mul, INT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_have_31_bits),      cmocka_unit_test(products_round_half_up),
        cmocka_unit_test(quotients_round_half_away), cmocka_unit_test(factors_round_twice),
        cmocka_unit_test(functions_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
