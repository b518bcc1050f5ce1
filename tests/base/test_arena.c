#include "compiler/base/arena.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned seed(void)
{
    const char *text = getenv("NCC_SEED");
    return text ? (unsigned)strtoul(text, NULL, 0) : 1;
}

/* Random sizes and alignments: memory is aligned, zero, and no request overwrites another. */
static void gives_separate_zeroed_memory(void **state)
{
    (void)state;
    enum { N = 3000 };
    static struct {
        unsigned char *at;
        size_t size;
    } got[N];
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    assert_int_equal(setjmp(out.env), 0);
    srand(seed());
    for (int i = 0; i < N; i++) {
        const size_t align = (size_t)1 << rand() % 7;
        got[i].size = (size_t)(rand() % 50 ? rand() % 300 : rand() % 300000);
        got[i].at = ncc_arena_alloc(&a, got[i].size, 1, align);
        assert_non_null(got[i].at);
        assert_int_equal((uintptr_t)got[i].at % align, 0);
        for (size_t k = 0; k < got[i].size; k++)
            if (got[i].at[k] != 0)
                fail_msg("byte %zu of request %d is not zero, NCC_SEED=%u", k, i, seed());
        if (got[i].size > 0)
            memset(got[i].at, i % 255 + 1, got[i].size);
    }
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < got[i].size; k++)
            if (got[i].at[k] != i % 255 + 1)
                fail_msg("byte %zu of request %d was overwritten, NCC_SEED=%u", k, i, seed());
    assert_true(out.used > 0);
    assert_int_equal(out.used, out.peak);
    ncc_arena_release(&a);
    assert_int_equal(out.used, 0);
    assert_true(out.peak > 0);
}

/* Random marks and requests: what was there before a mark stays, what came after is zero when it is handed out again.
 */
static void rewinds(void **state)
{
    (void)state;
    enum { KEPT = 40, TRIED = 60 };
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    assert_int_equal(setjmp(out.env), 0);
    srand(seed());
    unsigned char *kept[KEPT];
    size_t size[KEPT];
    for (int i = 0; i < KEPT; i++) {
        const size_t used = out.used;
        const struct arena_mark m = ncc_arena_mark(&a);
        for (int k = rand() % TRIED; k > 0; k--) {
            const size_t n = (size_t)(rand() % 9 ? rand() % 3000 : rand() % 300000) + 1;
            memset(ncc_arena_alloc(&a, n, 1, 8), 0xFF, n);
        }
        ncc_arena_rewind(&a, &m);
        assert_int_equal(out.used, used);
        size[i] = (size_t)(rand() % 20000) + 1;
        kept[i] = ncc_arena_alloc(&a, size[i], 1, 8);
        for (size_t k = 0; k < size[i]; k++)
            if (kept[i][k] != 0)
                fail_msg("byte %zu of request %d is not zero, NCC_SEED=%u", k, i, seed());
        memset(kept[i], i + 1, size[i]);
    }
    for (int i = 0; i < KEPT; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(kept[i][k], i + 1);
    ncc_arena_release(&a);
    assert_int_equal(out.used, 0);
}

/* What was rewound serves the next attempt: the system is not asked again, which only the address sanitizer does
 * without. */
static void keeps_what_was_rewound(void **state)
{
    (void)state;
#ifndef __SANITIZE_ADDRESS__
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    assert_int_equal(setjmp(out.env), 0);
    NCC_NEW(&a, char, 1);
    const struct arena_mark m = ncc_arena_mark(&a);
    char *first[9];
    for (int i = 0; i < 9; i++) {
        char *block = NULL;
        for (int k = 0; k < 1000; k++)
            block = memset(NCC_NEW(&a, char, 1000), 0xFF, 1000);
        first[i] = block;
        ncc_arena_rewind(&a, &m);
        assert_ptr_equal(first[i], first[0]);
    }
    assert_true(a.spare_size > 0);
    ncc_arena_release(&a);
    assert_int_equal(a.spare_size, 0);
#endif
}

static void needs_few_blocks(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    assert_int_equal(setjmp(out.env), 0);
    assert_int_equal(out.n_allocs, 0);
    for (int i = 0; i < 1000000; i++)
        *NCC_NEW(&a, int, 1) = i;
    assert_in_range(out.n_allocs, 1, 8); /* 64 KiB doubled up to 4 MiB */
    const long before = out.n_allocs;
    NCC_NEW(&a, char, 100 << 20);
    assert_int_equal(out.n_allocs, before + 1);
    NCC_NEW(&a, int, 1);
    assert_int_equal(out.n_allocs, before + 1); /* the big block did not push the common one aside */
    ncc_arena_release(&a);
    *NCC_NEW(&a, int, 1) = 1;
    ncc_arena_release(&a);
    assert_int_equal(out.used, 0);
}

static void empty_requests_are_valid(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    assert_int_equal(setjmp(out.env), 0);
    char *first = NCC_NEW(&a, char, 0);
    char *second = NCC_NEW(&a, char, 0);
    assert_non_null(first);
    assert_ptr_not_equal(first, second);
    ncc_arena_release(&a);
}

/* 1 when the request left by the exit. */
static int leaves(struct exit *out, size_t n, size_t size)
{
    struct arena a = ncc_arena_make(out);
    if (setjmp(out->env)) {
        ncc_arena_release(&a);
        return 1;
    }
    memset(ncc_arena_alloc(&a, n, size, 8), 1, n * size);
    ncc_arena_release(&a);
    return 0;
}

static void respects_the_limit(void **state)
{
    (void)state;
    struct exit out = {.limit = 1 << 20};
    assert_int_equal(leaves(&out, 1000, 1000), 0);
    assert_int_equal(leaves(&out, (1 << 20) - 1000, 1), 0); /* a doubled block would not have fitted */
    assert_int_equal(leaves(&out, 1 << 20, 1), 1);          /* the header comes on top */
    assert_true(out.peak <= out.limit);
    assert_int_equal(out.used, 0);
    struct exit tight = {.limit = 1000};
    assert_int_equal(leaves(&tight, 10, 10), 0);
    assert_int_equal(leaves(&tight, 1001, 1), 1);
}

static void absurd_sizes_leave(void **state)
{
    (void)state;
    struct exit out = {0};
    assert_int_equal(leaves(&out, SIZE_MAX, 1), 1);
    assert_int_equal(leaves(&out, SIZE_MAX / 2, 3), 1);
    assert_int_equal(leaves(&out, (size_t)-1, sizeof(int)), 1);
    assert_int_equal(leaves(&out, SIZE_MAX - 40, 1), 1);
    assert_int_equal(out.used, 0);
}

static void work(struct arena *a, struct arena *b)
{
    struct {
        int *v;
        int n, cap;
    } array = {0};
    for (int i = 0; i < 40000; i++)
        NCC_PUSH(a, &array, i);
    for (int i = 0; i < 40000; i++)
        assert_int_equal(array.v[i], i);
    for (int i = 0; i < 10; i++)
        NCC_NEW(b, char, 30000);
}

/* The n-th block fails, for every n until none does: all memory comes back each time. */
static void every_block_may_fail(void **state)
{
    (void)state;
    static struct exit out;
    static struct arena a, b;
    static long n;
    for (n = 1;; n++) {
        out = (struct exit){.fail_at = n};
        a = ncc_arena_make(&out);
        b = ncc_arena_make(&out);
        const int failed = setjmp(out.env);
        if (!failed)
            work(&a, &b);
        else
            assert_int_equal(out.n_allocs, n);
        ncc_arena_release(&a);
        ncc_arena_release(&b);
        assert_int_equal(out.used, 0);
        if (!failed)
            break;
    }
    assert_true(n > 5);
    assert_int_equal(out.n_allocs, n - 1);
}

static void makes_strings(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    assert_int_equal(setjmp(out.env), 0);
    assert_string_equal(ncc_arena_printf(&a, "%s-%03d", "x", 7), "x-007");
    assert_string_equal(ncc_arena_copy(&a, "abcdef", 3), "abc");
    assert_string_equal(ncc_arena_copy(&a, NULL, 0), "");
    const char *wide = ncc_arena_printf(&a, "%200000d", 5);
    assert_int_equal(strlen(wide), 200000);
    assert_int_equal(wide[199999], '5');
    ncc_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_separate_zeroed_memory),
        cmocka_unit_test(rewinds),
        cmocka_unit_test(keeps_what_was_rewound),
        cmocka_unit_test(needs_few_blocks),
        cmocka_unit_test(empty_requests_are_valid),
        cmocka_unit_test(respects_the_limit),
        cmocka_unit_test(absurd_sizes_leave),
        cmocka_unit_test(every_block_may_fail),
        cmocka_unit_test(makes_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
