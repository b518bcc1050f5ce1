/* The n-th allocation fails, for every n: the exit is taken and everything is given back. */
#include "compiler/ir/eval.h"
#include "tests/ir/fixture.h"

static const char text[] = "input %x f32 1x3x32x32 !range(-1, 1)\n"
                           "const %w f32 8x3x3x3 = random 7\n"
                           "%y = conv2d(%x, %w, _) stride_h=2 pad_top=1 @\"conv_1\"\n"
                           "%z = relu(%y)\n"
                           "%a, %b = split(%z) axis=1 sizes=[4,4]\n"
                           "const %c f32 300x30 = random 1\n"
                           "%n = neg(%c)\n"
                           "output %b \"b\"\noutput %n\n";

/* Everything that allocates; false when the exit was taken. */
static bool work(struct exit *x)
{
    struct arena a = ncc_arena_make(x);
    struct diags d;
    if (setjmp(x->env)) {
        ncc_arena_release(&a);
        return false;
    }
    ncc_diag_init(&d, &a);
    struct graph *g = ncc_text_parse(text, "t", &a, &d);
    assert_non_null(g);
    assert_true(ncc_graph_verify(g, "parsing"));
    assert_true(ncc_eval_fold(g, node_named(g, "n")));
    g = ncc_graph_copy(g, &a, &d);
    assert_non_null(ncc_text_print(g, true, &a));
    ncc_arena_release(&a);
    return true;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    struct exit x = {0};
    assert_true(work(&x));
    const long n_allocs = x.n_allocs;
    assert_true(n_allocs > 2);
    for (long n = 1; n <= n_allocs; n++) {
        x = (struct exit){.fail_at = n};
        assert_false(work(&x));
        assert_int_equal(x.used, 0);
    }
    x = (struct exit){.fail_at = n_allocs + 1};
    assert_true(work(&x));
}

/* A limit of bytes cuts in at other places than a count of blocks. */
static void each_limit_is_kept(void **state)
{
    (void)state;
    struct exit x = {0};
    assert_true(work(&x));
    for (size_t limit = 1; limit < x.peak; limit += x.peak / 50) {
        struct exit small = {.limit = limit};
        assert_false(work(&small));
        assert_int_equal(small.used, 0);
        assert_true(small.peak <= limit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(each_limit_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
