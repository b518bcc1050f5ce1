/* The timing model against the measurements it was fitted to (doc/kpu.md section 7). */
#include "kpu/timing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_near(const char *what, double ms, double measured, double percent)
{
    const double error = 100 * fabs(ms / measured - 1);
    if (error > percent)
        print_error("%s: %.3f ms, measured %.3f, off by %.1f %%\n", what, ms, measured, error);
    assert_true(error <= percent);
}

/* A: 3x3, 128 -> 128 channels, 16-bit weights, KPU at 300 MHz. */
static void table_a(void **state)
{
    (void)state;
    static const struct {
        int w, h;
        double ms;
    } rows[] = {
        {4, 4, .339},    {16, 4, .339},   {16, 16, .417},   {32, 16, .692},     {32, 32, 1.138},
        {64, 32, 2.125}, {64, 64, 3.891}, {128, 64, 7.709}, {128, 128, 14.778}, {256, 256, 57.756},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ncc_kpu_shape s = {128, rows[i].h, rows[i].w, 128, 3, false, 0};
        assert_near("table A", ncc_kpu_layer_clocks(&s, 2) / 300e3, rows[i].ms, 5);
    }
}

/* B: a v3 face detector, KPU at 400 MHz; the last layer, whose time contains the DMA of its output, is left out. */
static void table_b(void **state)
{
    (void)state;
    static const struct {
        struct ncc_kpu_shape shape;
        double ms, percent;
    } rows[] = {
        {{3, 240, 320, 16, 3, false, 1}, .206, 3},     {{16, 120, 160, 16, 3, true, 0}, .039, 3.6},
        {{16, 120, 160, 32, 1, false, 1}, .514, 1.5},  {{32, 60, 80, 32, 3, true, 0}, .029, 3.6},
        {{32, 60, 80, 64, 1, false, 0}, .680, 1.5},    {{64, 60, 80, 64, 3, true, 0}, .053, 3.6},
        {{64, 60, 80, 64, 1, false, 1}, 1.328, 1.5},   {{64, 30, 40, 64, 3, true, 0}, .020, 3.6},
        {{64, 30, 40, 128, 1, false, 0}, .704, 2.5},   {{128, 30, 40, 128, 3, true, 0}, .034, 3.6},
        {{128, 30, 40, 128, 1, false, 1}, 1.385, 1.5}, {{128, 15, 20, 128, 3, true, 0}, .016, 3.6},
        {{128, 15, 20, 256, 1, false, 0}, .781, 1.5},  {{256, 15, 20, 256, 3, true, 0}, .025, 3.6},
        {{256, 15, 20, 256, 1, false, 0}, 1.522, 1.5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_near("table B", ncc_kpu_layer_us(&rows[i].shape, NCC_KPU_RUNTIME_V3) / 1e3, rows[i].ms, rows[i].percent);
}

/* C: copies of the v4 runtime. Two of its layers lie between the model's bounds of 5 000 and 10 000 clocks per layer.
 */
static void table_c(void **state)
{
    (void)state;
    assert_near("download", ncc_kpu_download_us(1, 1, 307200, NCC_KPU_RUNTIME_V4) / 1e3, 26.56, 1);
    assert_near("download", ncc_kpu_download_us(1, 1, 76800, NCC_KPU_RUNTIME_V4) / 1e3, 6.69, 1);
    assert_near("upload", ncc_kpu_upload_us(3, 240, 320, NCC_KPU_RUNTIME_V4) / 1e3, .328, 1);
    assert_near("upload", ncc_kpu_upload_us(3, 10, 10, NCC_KPU_RUNTIME_V4) / 1e3, .0198, 1);
    const struct ncc_kpu_shape a = {16, 120, 160, 16, 3, false, 0}, b = {16, 60, 80, 16, 3, false, 0};
    assert_near("layer", ncc_kpu_layer_us(&a, NCC_KPU_RUNTIME_V4) / 1e3, .268, 2.5);
    assert_near("layer", ncc_kpu_layer_us(&b, NCC_KPU_RUNTIME_V4) / 1e3, .099, 6);
}

static void floors(void **state)
{
    (void)state;
    const struct ncc_kpu_shape load_bound = {1024, 4, 4, 1000, 1, false, 0}, small = {1, 4, 4, 4, 3, false, 0};
    const double bytes = 1024 * 1000;
    assert_true(ncc_kpu_layer_clocks(&load_bound, 1) >= bytes / 3.2);
    assert_true(ncc_kpu_layer_clocks(&load_bound, 2) > ncc_kpu_layer_clocks(&load_bound, 1));
    assert_true(ncc_kpu_layer_clocks(&small, 1) >= 4 * 4 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_a),
        cmocka_unit_test(table_b),
        cmocka_unit_test(table_c),
        cmocka_unit_test(floors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
