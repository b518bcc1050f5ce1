/* The page of ncc eval: it holds what was measured, and nothing that would break it. */
#include "compiler/report/judgement.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void add_layer(struct judgement *j, struct arena *a, const char *name, double own, double total,
                      const char *reason)
{
    const struct judged_layer l = {.name = name,
                                   .op = "conv 1x1",
                                   .own_db = own,
                                   .total_db = total,
                                   .input_db = INFINITY,
                                   .output_db = 40,
                                   .used = 0.5,
                                   .n_channels = 8,
                                   .reason = reason};
    NCC_PUSH(a, &j->layers, l);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* No attribute of the drawing may be infinite or no number, and all elements are closed. */
static void check_form(const char *text)
{
    static const char *const lacks[] = {"http:",  "https:",  "src=",    "<script", "@import", "url(", "=\"nan",
                                        "=\"inf", "=\"-nan", "=\"-inf", ",nan",    ",inf",    ",-inf"};
    for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++)
        if (strstr(text, lacks[i]))
            fail_msg("the page holds '%s'", lacks[i]);
    static const char *const pairs[][2] = {{"<table>", "</table>"}, {"<tr", "</tr>"}, {"<svg", "</svg>"},
                                           {"<a ", "</a>"},         {"<p", "</p>"},   {"<td", "</td>"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!(strcmp(pairs[i][0], "<p") == 0 ? count(text, "<p>") + count(text, "<p ") == count(text, "</p>")
                                             : count(text, pairs[i][0]) == count(text, pairs[i][1])))
            fail_msg("%s is not always closed", pairs[i][0]);
}

static void test_page(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct judgement j = {.model = "net & co", .kmodel = "a<b>.kmodel", .data_text = "3 samples", .n_layer_samples = 3};
    const struct judged_output output = {.name = "out\"1",
                                         .shape = ncc_shape_make(2, (int[]){1, 4}),
                                         .mean_cosine = 0.99,
                                         .worst_cosine = 0.98,
                                         .worst_sample = "s<1>",
                                         .sqnr_db = INFINITY,
                                         .scale = 1,
                                         .agreement = 75};
    NCC_PUSH(&a, &j.outputs, output);
    add_layer(&j, &a, "first", 45, 45, NULL);
    add_layer(&j, &a, "<worst>", -3, 12, "outliers take up the range & more");
    add_layer(&j, &a, "silent", -INFINITY, -INFINITY, "no signal");
    add_layer(&j, &a, "exact", INFINITY, 11.5, NULL);
    add_layer(&j, &a, "fine", 95, 11.5, NULL);
    const struct judged_gain gains[] = {{"as given", 30}, {"--no-equalise", 28.5}, {"--no-slices", NAN}};
    for (int i = 0; i < 3; i++)
        NCC_PUSH(&a, &j.gains, gains[i]);
    const char *text = ncc_judgement_html(&j, &a);
    check_form(text);
    static const char *const holds[] = {"net &amp; co",
                                        "a&lt;b&gt;.kmodel",
                                        "out&quot;1",
                                        "75.0 %",
                                        "&lt;worst&gt;",
                                        "outliers take up the range &amp; more",
                                        "1 &lt;worst&gt;, conv 1x1: -3.0 dB alone, 12.0 dB with all before it",
                                        "exact dB alone, 11.5 dB",
                                        "-1.50",
                                        "does not compile",
                                        "<polyline",
                                        "</html>\n"};
    for (size_t i = 0; i < sizeof holds / sizeof *holds; i++)
        if (!strstr(text, holds[i]))
            fail_msg("the page does not hold '%s'", holds[i]);
    assert_int_equal(count(text, "class=\"rank\""), 2); /* layers with a reason */
    assert_int_equal(count(text, "class=\"dot\""), 5);
    assert_int_equal(count(text, "<tr id=\"j"), 5);
    ncc_arena_release(&a);
}

/* Networks of any depth. */
static void test_sizes(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 40, 1500};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct exit out = {0};
        struct arena a = ncc_arena_make(&out);
        struct judgement j = {.model = "m", .kmodel = "k", .data_text = "d"};
        for (int i = 0; i < sizes[s]; i++)
            add_layer(&j, &a, "layer", 30 + i % 7, 20 + i % 3, i % 5 ? NULL : "coarse");
        const char *text = ncc_judgement_html(&j, &a);
        check_form(text);
        assert_int_equal(count(text, "class=\"dot\""), sizes[s]);
        ncc_arena_release(&a);
    }
}

/* Without layers it says why. */
static void test_no_layers(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    const struct judgement j = {.model = "m", .kmodel = "k", .data_text = "d", .no_layers = "other bytes"};
    const char *text = ncc_judgement_html(&j, &a);
    check_form(text);
    assert_true(strstr(text, "are not shown: other bytes") && !strstr(text, "<svg"));
    ncc_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_no_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
