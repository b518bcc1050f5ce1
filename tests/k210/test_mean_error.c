/* Means of the outputs of an integer graph: what was shifted on purpose is found, and taken off again. */
#include "compiler/quant/mean_error.h"
#include "tests/k210/compiled.h"

#include <math.h>
#include <stdio.h>

#include <cmocka.h>

enum { N_SAMPLES = 40, CHANNELS = 6 };

static const double budget = 1e9;

/* Two layers; the last with this activation or none. */
static struct compiled compile_pair(struct net *n, const char *activation, uint64_t seed)
{
    char text[600];
    const int k = (int)(seed % 1000) * 3;
    net_open(n);
    snprintf(text, sizeof text,
             "input %%x f32 1x4x12x12 !q(0.0157, 128)\n"
             "const %%v f32 8x4x3x3 = random %d\nconst %%w f32 %dx8x1x1 = random %d\nconst %%b f32 %d = random %d\n"
             "%%a = conv2d(%%x, %%v, _)\n%%r = relu(%%a)\n%%y = conv2d(%%r, %%w, %%b)\n%s\n",
             k, CHANNELS, k + 1, CHANNELS, k + 2, activation);
    net_parse(n, text);
    const struct k210_options o = {.runtime = NCC_KPU_RUNTIME_V4};
    return compile_net(n, &o, true, seed, "mean errors");
}

static struct mean_errors measure(struct net *n, const struct compiled *c, uint64_t seed, int n_samples, double macs)
{
    struct net_feeding f = {c->real, seed};
    struct mean_errors e;
    const struct samples samples = net_samples(&f, n_samples);
    assert_true(ncc_quant_mean_errors(c->real, c->codes, &samples, macs, &n->arena, &e));
    return e;
}

static void test_found_and_taken_off(void **state)
{
    (void)state;
    const uint64_t seed = net_seed("mean errors");
    for (uint64_t i = 0; i < 10; i++) {
        struct net n;
        const struct compiled c = compile_pair(&n, "output %y", seed * 100 + i);
        const struct mean_errors first = measure(&n, &c, i, N_SAMPLES, budget);
        assert_int_equal(first.n, 1);
        double shift[CHANNELS], back[CHANNELS];
        for (int k = 0; k < CHANNELS; k++) {
            assert_true(fabs(first.v[0].error[k]) < 0.5);
            shift[k] = (double)((i + 1) * (uint64_t)(k + 1) % 7) / 2 - 1.5;
        }
        assert_true(ncc_k210_shift_results(c.codes, first.v[0].layer, shift));
        const struct mean_errors second = measure(&n, &c, i, N_SAMPLES, budget);
        assert_int_equal(second.n, 1);
        for (int k = 0; k < CHANNELS; k++) {
            assert_true(fabs(second.v[0].error[k] - first.v[0].error[k] - shift[k]) < 0.05);
            back[k] = -second.v[0].error[k];
        }
        assert_true(ncc_k210_shift_results(c.codes, second.v[0].layer, back));
        const struct mean_errors last = measure(&n, &c, i, N_SAMPLES, budget);
        for (int k = 0; k < CHANNELS; k++)
            assert_true(fabs(last.v[0].error[k]) < 0.03);
        net_close(&n);
    }
}

/* Where a result is cut off, adding to the sum does not add as much to the mean. */
static void test_only_straight_lines(void **state)
{
    (void)state;
    struct net n;
    const struct compiled c = compile_pair(&n, "%z = relu(%y)\noutput %z", 1);
    assert_int_equal(measure(&n, &c, 1, N_SAMPLES, budget).n, 0);
    net_close(&n);
}

static void test_not_from_few(void **state)
{
    (void)state;
    struct net n;
    const struct compiled c = compile_pair(&n, "output %y", 1);
    assert_int_equal(measure(&n, &c, 1, 16, budget).n, 1);
    assert_int_equal(measure(&n, &c, 1, 15, budget).n, 0);
    const double each = ncc_graph_macs(c.real);
    assert_int_equal(measure(&n, &c, 1, N_SAMPLES, 16.5 * each).n, 1);
    assert_int_equal(measure(&n, &c, 1, N_SAMPLES, 15.5 * each).n, 0);
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_and_taken_off),
        cmocka_unit_test(test_only_straight_lines),
        cmocka_unit_test(test_not_from_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
