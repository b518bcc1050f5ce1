/* Graphs that compute with integers are refused where these come from; integers that are only cast are none. */
#include "compiler/import/outline.h"
#include "compiler/ir/text.h"
#include "compiler/pass/pass.h"
#include "compiler/steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* How many values of the graph are refused; `first`, if any, has seen the graph before. */
static int n_refused_after(void (*first)(struct graph *g), const char *text)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct diags d;
    if (setjmp(out.env))
        fail_msg("out of memory");
    ncc_diag_init(&d, &a);
    struct graph *g = ncc_text_parse(text, "test", &a, &d);
    assert_non_null(g);
    if (first) {
        first(g);
        assert_true(ncc_graph_verify(g, "inputs"));
    }
    const bool good = ncc_has_only_real_numbers(g);
    const int n = d.n_errors;
    assert_int_equal(good, n == 0);
    assert_true(n == 0 || ncc_diag_first_fault(&d) == FAULT_INPUT);
    ncc_arena_release(&a);
    return n;
}

static int n_refused(const char *text)
{
    return n_refused_after(NULL, text);
}

static void integers_are_refused(void **state)
{
    (void)state;
    assert_int_equal(n_refused("input %x f32 1x4\n%y = relu(%x)\noutput %y\n"), 0);
    assert_int_equal(n_refused("input %x f32 4x2\nconst %i i32 2 = { 3, 0 }\n%y = gather(%x, %i) axis=0\noutput %y\n"),
                     0);
    assert_int_equal(n_refused("input %x u8 1x4\ninput %z u8 1x4\n%y = minimum(%x, %z)\noutput %y\n"), 2);
    assert_int_equal(n_refused("input %x f32 1x4\n%i = cast(%x) to=i32\n%y = cast(%i) to=f32\noutput %y\n"), 1);
}

static void make_inputs_real(struct graph *g)
{
    ncc_pass_real_inputs(g);
}

/* Bytes that are only cast become real numbers, and their range is known; others stay what they are. */
static void bytes_have_a_range(struct graph *g)
{
    ncc_pass_real_inputs(g);
    const struct range u8 = g->inputs.v[0]->range, i8 = g->inputs.v[1]->range, i32 = g->inputs.v[2]->range;
    assert_true(u8.known && u8.lo == 0 && u8.hi == 255);
    assert_true(i8.known && i8.lo == -128 && i8.hi == 127);
    assert_false(i32.known);
}

static void inputs_that_are_cast_become_real(void **state)
{
    (void)state;
    assert_int_equal(n_refused_after(bytes_have_a_range,
                                     "input %a u8 1x4\ninput %b i8 1x4\ninput %c i32 1x4\n%0 = cast(%a) to=f32\n"
                                     "%1 = cast(%b) to=f32\n%2 = cast(%c) to=f32\n%3 = concat(%0, %1, %2) axis=1\n"
                                     "output %3\n"),
                     0);
    /* moved before the cast, and cast twice */
    assert_int_equal(n_refused_after(make_inputs_real,
                                     "input %a u8 1x2x3x4\n%0 = transpose(%a) perm=[0,2,3,1]\n%1 = cast(%0) to=f32\n"
                                     "%2 = cast(%a) to=f32\n%3 = relu(%1)\noutput %2\noutput %3\n"),
                     0);
    /* also read as integers, and an output of its own */
    assert_int_equal(n_refused_after(make_inputs_real,
                                     "input %a i32 4\n%0 = cast(%a) to=f32\n%1 = add(%a, %a)\n%2 = cast(%1) to=f32\n"
                                     "%3 = add(%0, %2)\noutput %3\n"),
                     1);
    assert_int_equal(n_refused_after(make_inputs_real, "input %a u8 4\n%0 = cast(%a) to=f32\noutput %0\noutput %a\n"),
                     1);
}

/* Real numbers up to "scores", an index of the greatest, and what is done with it. */
static void outline_four(struct graph *g)
{
    static const int tensors[] = {0, 1, 2, 3, 4};
    static const char *const names[] = {"image", "map", "scores", "best", "final"};
    static const bool is_constant[5] = {false};
    static const struct outline_op ops[] = {{"first", "RELU", tensors, tensors + 1, 1, 1, false, false},
                                            {"second", "ABS", tensors + 1, tensors + 2, 1, 1, false, false},
                                            {"third", "ARG_MAX", tensors + 2, tensors + 3, 1, 1, false, false},
                                            {"fourth", "ADD", tensors + 3, tensors + 4, 1, 1, false, false}};
    static const struct outline o = {.ops = ops,
                                     .n_ops = 4,
                                     .tensor_names = names,
                                     .is_constant = is_constant,
                                     .n_tensors = 5,
                                     .inputs = tensors,
                                     .n_inputs = 1,
                                     .outputs = tensors + 4,
                                     .n_outputs = 1};
    g->outline = &o;
    for (struct node *n = g->first; n; n = n->next)
        n->origin = n->op == OP_arg_max ? "other,third" : n->name;
}

static void cuts_are_suggested(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct diags d;
    if (setjmp(out.env))
        fail_msg("out of memory");
    ncc_diag_init(&d, &a);
    struct graph *g = ncc_text_parse("input %x f32 1x4\n%0 = relu(%x) @\"first\"\n%1 = abs(%0) @\"second\"\n"
                                     "%2 = arg_max(%1) axis=1\n%3 = add(%2, %2) @\"fourth\"\noutput %3\n",
                                     "test", &a, &d);
    assert_non_null(g);
    outline_four(g);
    assert_false(ncc_has_only_real_numbers(g));
    const char *suggested = "";
    for (const struct diag *m = d.first; m; m = m->next)
        if (m->remedy && m->severity == SEV_NOTE)
            suggested = m->remedy;
    assert_string_equal(suggested, "--output-tensor 'scores'");
    ncc_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(integers_are_refused),
                                       cmocka_unit_test(inputs_that_are_cast_become_real),
                                       cmocka_unit_test(cuts_are_suggested)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
