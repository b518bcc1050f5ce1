/* The page of ncc eval: it holds what was measured, and nothing that would break it. */
#include "compiler/report/judgement.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
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
                                   .worst_output = -1,
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

static void add_effect(struct judgement *j, int layer, const double *db, int worst, double share)
{
    struct judged_layer *l = &j->layers.v[layer];
    l->outputs_db = db;
    l->worst_output = worst;
    l->share = share;
}

static void check_holds(const char *text, const char *const *what, int n)
{
    for (int i = 0; i < n; i++)
        if (!strstr(text, what[i]))
            fail_msg("there is no '%s'", what[i]);
}

static const char *text_of(const struct judgement *j, struct arena *a)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    ncc_judgement_text(j, out);
    fclose(out);
    const char *copy = ncc_arena_printf(a, "%s", text);
    free(text);
    return copy;
}

/* Layers are ranked by what they cost an output, not by their own error; both are told. */
static void test_effects(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct judgement j = {
        .model = "m", .kmodel = "k", .data_text = "3 samples", .n_layer_samples = 3, .n_effect_samples = 2};
    const struct judged_output outputs[] = {{.name = "left<>", .worst_sample = "s"},
                                            {.name = "right", .worst_sample = "s"}};
    for (int i = 0; i < 2; i++)
        NCC_PUSH(&a, &j.outputs, outputs[i]);
    add_layer(&j, &a, "noisy", 12, 12, "the codes are coarse");
    add_layer(&j, &a, "decisive", 42, 12, "rounding of the weights");
    add_layer(&j, &a, "exact", INFINITY, 12, NULL);
    add_layer(&j, &a, "unknown", 20, 12, "outliers");
    static const double noisy[] = {61.25, 70}, decisive[] = {INFINITY, 31.5}, exact[] = {INFINITY, INFINITY},
                        unknown[] = {NAN, NAN};
    add_effect(&j, 0, noisy, 0, 3);
    add_effect(&j, 1, decisive, 1, 97);
    add_effect(&j, 2, exact, 0, 0);
    add_effect(&j, 3, unknown, -1, 0);
    int worst[3];
    assert_int_equal(ncc_judgement_worst(&j, worst, 3), 2);
    assert_int_equal(worst[0], 1);
    assert_int_equal(worst[1], 0);
    assert_int_equal(ncc_judgement_worst(&j, worst, 1), 1);
    assert_int_equal(worst[0], 1);

    const char *html = ncc_judgement_html(&j, &a);
    check_form(html);
    static const char *const in_html[] = {"31.5 dB at right",
                                          "61.2 dB at left&lt;&gt;",
                                          "What costs the outputs most",
                                          "<td class=\"n\">97 %</td><td>right</td>",
                                          "97.0 %",
                                          "on 2 samples"};
    check_holds(html, in_html, 6);
    assert_int_equal(count(html, "class=\"effect\""), 3); /* of two layers, and the key */
    assert_int_equal(count(html, "class=\"rank\""), 2);

    const char *text = text_of(&j, &a);
    static const char *const in_text[] = {"what costs the outputs most ", "\ndecisive                                  31.5   97.0%  right ",
                                          "  42.0\n    rounding of the weights\nnoisy", "on 2"};
    check_holds(text, in_text, 4);

    const char *json = ncc_judgement_json(&j, &a);
    static const char *const in_json[] = {"\"effect_samples\":\t2", "\"outputs_db\":\t31.5",
                                          "\"worst_output\":\t\"right\"", "\"share_percent\":\t97",
                                          "\"each_output_db\":\t[null, 31.5]"};
    check_holds(json, in_json, 5);
    ncc_arena_release(&a);
}

/* Where they are left out it says why, and ranks by the own error. */
static void test_no_effects(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct judgement j = {
        .model = "m", .kmodel = "k", .data_text = "d", .n_layer_samples = 1, .no_effects = "too much"};
    add_layer(&j, &a, "better", 30, 12, "coarse");
    add_layer(&j, &a, "worse", 12, 12, "coarse");
    int worst[2];
    assert_int_equal(ncc_judgement_worst(&j, worst, 2), 2);
    assert_int_equal(worst[0], 1);
    const char *text = text_of(&j, &a);
    static const char *const in_text[] = {"not shown: too much", "least precise layers\nworse"};
    check_holds(text, in_text, 2);
    const char *html = ncc_judgement_html(&j, &a);
    check_form(html);
    static const char *const in_html[] = {"is not shown: too much", "Where precision is lost"};
    check_holds(html, in_html, 2);
    assert_null(strstr(html, "class=\"effect\""));
    assert_non_null(strstr(ncc_judgement_json(&j, &a), "\"no_effects\""));
    ncc_arena_release(&a);
}

/* The table fits a terminal, whatever is in it. */
static void test_width(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct judgement j = {.model = "m", .kmodel = "k", .data_text = "d", .n_layer_samples = 64, .n_effect_samples = 64};
    static const double db[] = {-100.5};
    add_layer(&j, &a, "a_long_name_of_a_layer_that_was_made_of_several_others/pool", -100.5, -100.5, NULL);
    add_effect(&j, 0, db, 0, 100);
    j.layers.v[0].op = "conv 1x1, leaky_relu, max 2x2 and more";
    j.layers.v[0].clipped = 100;
    const char *text = text_of(&j, &a);
    const char *table = strstr(text, "\nlayers,");
    assert_non_null(table);
    size_t length;
    for (const char *line = table + 1; *line; line += length + 1) {
        length = strcspn(line, "\n");
        assert_true(length <= 120);
    }
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
        cmocka_unit_test(test_page),  cmocka_unit_test(test_effects), cmocka_unit_test(test_no_effects),
        cmocka_unit_test(test_width), cmocka_unit_test(test_sizes),   cmocka_unit_test(test_no_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
