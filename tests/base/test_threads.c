/* Parallel loops, matrix products and progress. */
#include "compiler/base/gemm.h"
#include "compiler/base/parallel.h"
#include "compiler/base/progress.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 1000 };

struct visit {
    int times[ITEMS], inner[ITEMS];
    int bad_thread;
};

static void visit_inner(void *ctx, int i, int thread)
{
    struct visit *v = ctx;
    __atomic_add_fetch(&v->inner[i], 1, __ATOMIC_RELAXED);
    if (thread < 0 || thread >= ncc_parallel_threads())
        __atomic_add_fetch(&v->bad_thread, 1, __ATOMIC_RELAXED);
}

static void visit_one(void *ctx, int i, int thread)
{
    struct visit *v = ctx;
    __atomic_add_fetch(&v->times[i], 1, __ATOMIC_RELAXED);
    visit_inner(ctx, i, thread);
    if (i < 10)
        ncc_parallel_for(ITEMS, visit_inner, ctx);
}

static void visits_each_item_once(void **state)
{
    (void)state;
    static const char *const threads[] = {"1", "2", "7"};
    for (int t = 0; t < 3; t++) {
        struct visit v = {0};
        setenv("NCC_THREADS", threads[t], 1);
        assert_int_equal(ncc_parallel_threads(), atoi(threads[t]));
        ncc_parallel_for(0, visit_one, &v);
        ncc_parallel_for(-1, visit_one, &v);
        ncc_parallel_for(ITEMS, visit_one, &v);
        for (int i = 0; i < ITEMS; i++) {
            assert_int_equal(v.times[i], 1);
            assert_int_equal(v.inner[i], 11);
        }
        assert_int_equal(v.bad_thread, 0);
    }
    unsetenv("NCC_THREADS");
}

static void ignores_bad_thread_counts(void **state)
{
    (void)state;
    unsetenv("NCC_THREADS");
    const int usual = ncc_parallel_threads();
    assert_true(usual >= 1);
    static const char *const bad[] = {"", "0", "-3", "two", "2x"};
    for (int i = 0; i < 5; i++) {
        setenv("NCC_THREADS", bad[i], 1);
        assert_int_equal(ncc_parallel_threads(), usual);
    }
    setenv("NCC_THREADS", "99999999999", 1);
    assert_true(ncc_parallel_threads() >= usual);
    unsetenv("NCC_THREADS");
}

struct product {
    int m, n, k, lda, ldb, ldc, accumulate;
    float *a, *b, *c, *wanted, *bound; /* bound: sum of magnitudes, which scales the rounding error */
};

static unsigned seed(void)
{
    const char *text = getenv("NCC_SEED");
    return text ? (unsigned)strtoul(text, NULL, 0) : 1;
}

static float *random_floats(size_t n)
{
    float *v = test_malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    return v;
}

static struct product make_product(void)
{
    struct product p = {.m = 1 + rand() % 40, .n = 1 + rand() % 70, .k = rand() % 90, .accumulate = rand() % 2};
    p.lda = p.k + 1 + rand() % 3, p.ldb = p.n + rand() % 3, p.ldc = p.n + rand() % 3;
    p.a = random_floats((size_t)(p.m * p.lda));
    p.b = random_floats((size_t)((p.k + 1) * p.ldb));
    p.c = random_floats((size_t)(p.m * p.ldc));
    p.wanted = random_floats((size_t)(p.m * p.ldc));
    p.bound = random_floats((size_t)(p.m * p.ldc));
    memcpy(p.wanted, p.c, (size_t)(p.m * p.ldc) * sizeof *p.c);
    for (int i = 0; i < p.m; i++)
        for (int j = 0; j < p.n; j++) {
            double sum = p.accumulate ? p.c[i * p.ldc + j] : 0, size = fabs(sum);
            for (int k = 0; k < p.k; k++) {
                sum += (double)p.a[i * p.lda + k] * p.b[k * p.ldb + j];
                size += fabs((double)p.a[i * p.lda + k] * p.b[k * p.ldb + j]);
            }
            p.wanted[i * p.ldc + j] = (float)sum;
            p.bound[i * p.ldc + j] = (float)size;
            if (!p.accumulate)
                p.c[i * p.ldc + j] = NAN; /* the old content must not matter */
        }
    return p;
}

static void multiply(void *ctx, int i, int thread)
{
    (void)thread;
    const struct product *p = (const struct product *)ctx + i;
    ncc_gemm(p->m, p->n, p->k, p->a, p->lda, p->b, p->ldb, p->c, p->ldc, p->accumulate);
}

static void check_product(const struct product *p, int index)
{
    for (int i = 0; i < p->m; i++)
        for (int j = 0; j < p->ldc; j++) {
            const int at = i * p->ldc + j;
            const float error = fabsf(p->c[at] - p->wanted[at]);
            const float allowed = j < p->n ? p->bound[at] * 1e-5f : 0.0f; /* what lies between rows is untouched */
            if (!(error <= allowed))
                fail_msg("product %d, row %d column %d: error %g, NCC_SEED=%u", index, i, j, (double)error, seed());
        }
}

static void products_agree_with_plain_loops(void **state)
{
    (void)state;
    enum { N = 200 };
    static struct product p[N];
    srand(seed());
    setenv("NCC_THREADS", "4", 1);
    for (int i = 0; i < N; i++)
        p[i] = make_product();
    ncc_parallel_for(N, multiply, p);
    unsetenv("NCC_THREADS");
    for (int i = 0; i < N; i++) {
        check_product(&p[i], i);
        test_free(p[i].a), test_free(p[i].b), test_free(p[i].c), test_free(p[i].wanted), test_free(p[i].bound);
    }
}

static void step(void *ctx, int i, int thread)
{
    (void)i, (void)thread;
    ncc_progress_step(ctx);
}

static void progress_counts(void **state)
{
    (void)state;
    struct progress p = ncc_progress_begin("working", ITEMS, true);
    assert_false(p.on);
    ncc_parallel_for(ITEMS, step, &p);
    assert_int_equal(p.done, ITEMS);
    ncc_progress_end(&p);
}

/* The same product from several threads at once is the same product. (A matrix library without locks around its buffers
 * fails here once in a while.) */
enum { ROWS = 16, COLUMNS = 64, INNER = 27, PRODUCTS = 20000 };

struct products {
    float a[ROWS * INNER], b[INNER * COLUMNS], want[ROWS * COLUMNS];
    int n_wrong;
};

static void multiply_once(void *ctx, int i, int thread)
{
    (void)i;
    (void)thread;
    struct products *p = ctx;
    float got[ROWS * COLUMNS];
    ncc_gemm(ROWS, COLUMNS, INNER, p->a, INNER, p->b, COLUMNS, got, COLUMNS, 0);
    if (memcmp(got, p->want, sizeof got) != 0)
        __atomic_add_fetch(&p->n_wrong, 1, __ATOMIC_RELAXED);
}

static void products_do_not_disturb_each_other(void **state)
{
    (void)state;
    static struct products p;
    for (int i = 0; i < ROWS * INNER; i++)
        p.a[i] = (float)(i * 37 % 101 - 50);
    for (int i = 0; i < INNER * COLUMNS; i++)
        p.b[i] = (float)(i * 53 % 97 - 48);
    ncc_gemm(ROWS, COLUMNS, INNER, p.a, INNER, p.b, COLUMNS, p.want, COLUMNS, 0);
    setenv("NCC_THREADS", "4", 1);
    ncc_parallel_for(PRODUCTS, multiply_once, &p);
    unsetenv("NCC_THREADS");
    assert_int_equal(p.n_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_do_not_disturb_each_other),
        cmocka_unit_test(visits_each_item_once),
        cmocka_unit_test(ignores_bad_thread_counts),
        cmocka_unit_test(products_agree_with_plain_loops),
        cmocka_unit_test(progress_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
