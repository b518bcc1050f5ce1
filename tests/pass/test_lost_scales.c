/* Scales of a quantised model that the chip does not have: what is told, on both sides of each edge. */
#include "compiler/ir/text.h"
#include "compiler/pass/passes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What known_ranges says of a graph with these scales and codes; "" for nothing. */
static const char *told(const char *scales, const char *attrs)
{
    static char text[2000];
    char source[1000];
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out), scratch = ncc_arena_make(&out);
    struct diags diags;
    ncc_diag_init(&diags, &a);
    snprintf(source, sizeof source,
             "graph \"m\"\ninput %%x f32 1x2x4x4\nconst %%s f32 %s\n%%0 = relu(%%x) @\"relu\"\n"
             "%%1 = fake_quant(%%0, %%s) %s @\"first\"\n%%2 = tanh(%%1) @\"tanh\"\n"
             "%%3 = fake_quant(%%2, %%s) %s @\"second\"\noutput %%3 \"y\"\n",
             scales, attrs, attrs);
    struct graph *g = ncc_text_parse(source, "m", &a, &diags);
    assert_non_null(g);
    assert_true(ncc_pass_known_ranges(g, &scratch));
    text[0] = 0;
    FILE *f = fmemopen(text, sizeof text, "w");
    ncc_diag_print(&diags, f);
    fclose(f);
    assert_int_equal(diags.n_errors, 0);
    ncc_arena_release(&scratch);
    ncc_arena_release(&a);
    return text;
}

static void says(const char *text, const char *what)
{
    if (!strstr(text, what))
        fail_msg("it does not say '%s':\n%s", what, text);
}

static void test_tiny(void **state)
{
    (void)state;
    assert_string_equal(told("1 = { 4e-33 }", "qmin=-128 qmax=127"), ""); /* 255 * 4e-33 = 1.02e-30 */
    const char *text = told("1 = { 3.9e-33 }", "qmin=-128 qmax=127");
    says(text, "node 'first'");
    says(text, "warning: a value must reach beyond 1e-30");
    says(text, "3.9e-33 apart; and 1 more like it");
}

static void test_16_bits(void **state)
{
    (void)state;
    assert_string_equal(told("1 = { 0.01 }", "qmin=-128 qmax=127"), "");
    assert_string_equal(told("1 = { 0.01 }", "qmin=0 qmax=255"), "");
    const char *text = told("1 = { 0.01 }", "qmin=-128 qmax=128");
    says(text, "note: the chip's values have 8 bits");
    says(text, "257 codes");
    says(told("1 = { 0.01 }", "qmin=-32768 qmax=32767"), "65536 codes, 0.01 apart");
}

static void test_channels(void **state)
{
    (void)state;
    assert_string_equal(told("2 = { 0.01, 0.01 }", "axis=1 qmin=-128 qmax=127"), "");
    const char *text = told("2 = { 0.01, 0.02 }", "axis=1 qmin=-128 qmax=127");
    says(text, "note: the channels of a quantised value share one scale");
    says(text, "scales from 0.01 to 0.02");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_16_bits),
        cmocka_unit_test(test_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
