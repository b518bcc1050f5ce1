/* Products of few rows, on each kind of processor that this one can stand for. The file itself is included, since its
 * kinds have no names outside. */
#include "compiler/base/gemm_rows.c"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_M = 14, MAX_K = 40, MAX_N = 150, N_KINDS = 3 };

static float weight[MAX_M * MAX_K], bias[MAX_M], maps[MAX_N + MAX_K];

static void fill_in(void)
{
    uint32_t x = 1;
    float *const all[] = {weight, bias, maps};
    const size_t count[] = {MAX_M * MAX_K, MAX_M, MAX_N + MAX_K};
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < count[i]; k++) {
            x = x * 1664525U + 1013904223U;
            all[i][k] = (float)(int32_t)x / (float)INT32_MAX;
        }
}

static const char *run_kind(int kind, const struct gemm_rows *g)
{
#ifdef HAS_AVX512
    if (kind == 0 && __builtin_cpu_supports("avx512f")) {
        gemm_avx512(g);
        return "avx512";
    }
#endif
#if defined(__x86_64__)
    if (kind == 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        gemm_avx2(g);
        return "avx2";
    }
#endif
    if (kind != 2)
        return NULL;
    gemm_any(g);
    return "any";
}

/* Rows of b lie over each other, as the taps of a convolution do. What is around c must stay. */
static void check(int m, int k, int n, bool with_bias)
{
    enum { GAP = 3 };
    const float *b[MAX_K];
    float fused[MAX_M * MAX_N];
    bool has_fused = false;
    for (int i = 0; i < k; i++)
        b[i] = maps + i;
    for (int kind = 0; kind < N_KINDS; kind++) {
        float c[MAX_M * (MAX_N + GAP)];
        for (size_t i = 0; i < sizeof c / sizeof *c; i++)
            c[i] = 77;
        const struct gemm_rows g = {
            .m = m, .k = k, .n = n, .a = weight, .b = b, .bias = with_bias ? bias : NULL, .c = c, .ldc = n + GAP};
        const char *name = run_kind(kind, &g);
        for (int i = 0; name && i < m * (n + GAP); i++) {
            const int row = i / (n + GAP), at = i % (n + GAP);
            double want = with_bias ? (double)bias[row] : 0;
            for (int t = 0; t < k; t++)
                want += (double)weight[row * k + t] * (double)b[t][at < n ? at : 0];
            if (at < n ? fabs((double)c[i] - want) > 1e-5 : c[i] != 77)
                fail_msg("%s, %d x %d x %d: element %d, %d is %g, not %g", name, m, k, n, row, at, (double)c[i], want);
            if (at >= n || kind > 1)
                continue;
            if (kind == 0)
                fused[row * n + at] = c[i];
            else if (has_fused)
                assert_true(c[i] == fused[row * n + at]); /* bit for bit, however wide */
        }
        has_fused = name && kind == 0;
    }
}

static void test_products(void **state)
{
    (void)state;
    fill_in();
    for (int m = 1; m <= MAX_M; m++)
        for (int n = NCC_GEMM_LEAST_COLUMNS; n <= MAX_N; n += n < 70 ? 1 : 13)
            for (int k = 1; k <= MAX_K; k += 13)
                check(m, k, n, (m + n + k) % 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
