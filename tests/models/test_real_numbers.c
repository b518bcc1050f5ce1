/* Graphs that compute with integers are refused, each value with its node. */
#include "compiler/ir/text.h"
#include "compiler/steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* How many values of the graph are refused. */
static int n_refused(const char *text)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct diags d;
    if (setjmp(out.env))
        fail_msg("out of memory");
    ncc_diag_init(&d, &a);
    const struct graph *g = ncc_text_parse(text, "test", &a, &d);
    assert_non_null(g);
    const bool good = ncc_has_only_real_numbers(g);
    const int n = d.n_errors;
    assert_int_equal(good, n == 0);
    assert_true(n == 0 || ncc_diag_first_fault(&d) == FAULT_INPUT);
    ncc_arena_release(&a);
    return n;
}

static void integers_are_refused(void **state)
{
    (void)state;
    assert_int_equal(n_refused("input %x f32 1x4\n%y = relu(%x)\noutput %y\n"), 0);
    assert_int_equal(n_refused("input %x f32 4x2\nconst %i i32 2 = { 3, 0 }\n%y = gather(%x, %i) axis=0\noutput %y\n"),
                     0);
    assert_int_equal(n_refused("input %x u8 1x4\ninput %z u8 1x4\n%y = minimum(%x, %z)\noutput %y\n"), 3);
    assert_int_equal(n_refused("input %x f32 1x4\n%i = cast(%x) to=i32\n%y = cast(%i) to=f32\noutput %y\n"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(integers_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
