#include "compiler/base/diag.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *printed(const struct diags *d)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    ncc_diag_print(d, to);
    fclose(to);
    return text;
}

static void expect(const struct diags *d, const char *wanted)
{
    char *text = printed(d);
    assert_string_equal(text, wanted);
    free(text);
}

struct scene {
    struct exit out;
    struct arena arena;
    struct diags diags;
};

static int begin(void **state)
{
    static struct scene scene;
    scene.out = (struct exit){0};
    scene.arena = ncc_arena_make(&scene.out);
    ncc_diag_init(&scene.diags, &scene.arena);
    *state = &scene;
    return setjmp(scene.out.env);
}

static int end(void **state)
{
    struct scene *s = *state;
    ncc_arena_release(&s->arena);
    return 0;
}

static void has_the_form_of_the_manual(void **state)
{
    struct diags *d = &((struct scene *)*state)->diags;
    ncc_diag_error(d, FAULT_INPUT, (struct place){"m.tflite", "conv_3", "conv2d"}, "the weights must be constant",
                   "freeze the graph before exporting it", "weights come from node '%s'", "reshape_1");
    expect(d, "m.tflite: node 'conv_3' (conv2d): error: the weights must be constant\n"
              "    found: weights come from node 'reshape_1'\n"
              "    try: freeze the graph before exporting it\n");
}

static void leaves_out_what_is_missing(void **state)
{
    struct diags *d = &((struct scene *)*state)->diags;
    ncc_diag_warn(d, (struct place){.file = "a.png"}, "grey", NULL, NULL);
    ncc_diag_note(d, (struct place){.node = "n1"}, "moved", NULL, "%d", 3);
    ncc_diag_error(d, FAULT_USAGE, (struct place){.op = "Add"}, "odd", "even", NULL);
    ncc_diag_error(d, FAULT_INPUT, (struct place){0}, "bare", NULL, NULL);
    expect(d, "a.png: warning: grey\n"
              "node 'n1': note: moved\n"
              "    found: 3\n"
              "Add: error: odd\n"
              "    try: even\n"
              "error: bare\n");
}

static void counts_and_finds_the_first_fault(void **state)
{
    struct diags *d = &((struct scene *)*state)->diags;
    ncc_diag_warn(d, (struct place){0}, "w", NULL, NULL);
    ncc_diag_note(d, (struct place){0}, "n", NULL, NULL);
    assert_int_equal(d->n_errors, 0);
    ncc_diag_error(d, FAULT_NO_FIT, (struct place){0}, "large", NULL, NULL);
    ncc_diag_error(d, FAULT_INPUT, (struct place){0}, "bad", NULL, NULL);
    assert_int_equal(d->n_errors, 2);
    assert_int_equal(d->n_warnings, 1);
    assert_int_equal(ncc_diag_first_fault(d), FAULT_NO_FIT);
}

static void prints_equal_messages_once(void **state)
{
    struct diags *d = &((struct scene *)*state)->diags;
    for (int i = 0; i < 3; i++) {
        ncc_diag_warn(d, (struct place){.file = "f"}, "same", NULL, "%d", 1);
        ncc_diag_warn(d, (struct place){.file = "f"}, "same", NULL, "%d", 10 + i);
    }
    ncc_diag_note(d, (struct place){.file = "f"}, "same", NULL, "%d", 1);
    expect(d, "f: warning: same (3 times)\n    found: 1\n"
              "f: warning: same\n    found: 10\n"
              "f: warning: same\n    found: 11\n"
              "f: warning: same\n    found: 12\n"
              "f: note: same\n    found: 1\n");
}

static void keeps_so_many_of_each_kind(void **state)
{
    struct diags *d = &((struct scene *)*state)->diags;
    for (int i = 0; i < 503; i++)
        ncc_diag_warn(d, (struct place){0}, "a warning", NULL, NULL);
    for (int i = 0; i < 500; i++)
        ncc_diag_error(d, FAULT_USAGE, (struct place){0}, "an error", NULL, NULL);
    assert_int_equal(d->n_warnings, 503);
    assert_int_equal(d->n_errors, 500);
    assert_int_equal(ncc_diag_first_fault(d), FAULT_USAGE);
    expect(d, "warning: a warning (500 times)\nerror: an error (500 times)\n3 more messages are not shown\n");
}

static void copies_text_and_tames_control_characters(void **state)
{
    struct diags *d = &((struct scene *)*state)->diags;
    char name[] = "a\033[2Jb\xc3\xa9", rule[] = "rule";
    ncc_diag_error(d, FAULT_INPUT, (struct place){.node = name}, rule, NULL, NULL);
    memset(name, 'x', 3);
    memset(rule, 'x', 3);
    expect(d, "node 'a?[2Jb\xc3\xa9': error: rule\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(has_the_form_of_the_manual, begin, end),
        cmocka_unit_test_setup_teardown(leaves_out_what_is_missing, begin, end),
        cmocka_unit_test_setup_teardown(counts_and_finds_the_first_fault, begin, end),
        cmocka_unit_test_setup_teardown(prints_equal_messages_once, begin, end),
        cmocka_unit_test_setup_teardown(keeps_so_many_of_each_kind, begin, end),
        cmocka_unit_test_setup_teardown(copies_text_and_tames_control_characters, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
