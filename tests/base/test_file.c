#include "compiler/base/file.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
    struct exit out;
    struct arena arena;
    struct diags diags;
    char folder[64];
};

static int begin(void **state)
{
    static struct scene s;
    s.out = (struct exit){0};
    s.arena = ncc_arena_make(&s.out);
    ncc_diag_init(&s.diags, &s.arena);
    strcpy(s.folder, "test_file.XXXXXX");
    *state = &s;
    return setjmp(s.out.env) || !mkdtemp(s.folder);
}

static int end(void **state)
{
    struct scene *s = *state;
    const char *command = ncc_arena_printf(&s->arena, "rm -rf '%s'", s->folder);
    const int status = system(command);
    ncc_arena_release(&s->arena);
    return status;
}

static const char *in(struct scene *s, const char *name)
{
    return ncc_arena_printf(&s->arena, "%s/%s", s->folder, name);
}

static void put(struct scene *s, const char *name, const char *text)
{
    assert_true(ncc_file_write(in(s, name), text, strlen(text), &s->diags));
}

static int count_files(struct scene *s)
{
    struct paths list;
    assert_true(ncc_file_list(s->folder, &s->arena, &s->diags, &list));
    return list.n;
}

static void reads_what_was_written(void **state)
{
    struct scene *s = *state;
    struct bytes got;
    put(s, "x", "first");
    put(s, "x", "second");
    put(s, "empty", "");
    assert_true(ncc_file_read(in(s, "x"), 6, &s->arena, &s->diags, &got));
    assert_int_equal(got.size, 6);
    assert_memory_equal(got.data, "second", 7); /* with the zero behind the end */
    assert_int_equal((uintptr_t)got.data % 16, 0);
    assert_true(ncc_file_read(in(s, "empty"), 0, &s->arena, &s->diags, &got));
    assert_int_equal(got.size, 0);
    assert_non_null(got.data);
    assert_int_equal(count_files(s), 2);
    assert_int_equal(s->diags.n_errors, 0);
}

static void refuses_what_is_no_file(void **state)
{
    struct scene *s = *state;
    struct bytes got;
    put(s, "x", "1234567");
    assert_false(ncc_file_read(in(s, "x"), 6, &s->arena, &s->diags, &got));
    assert_string_equal(s->diags.first->found, "7 bytes, and at most 6 are accepted");
    assert_false(ncc_file_read(in(s, "none"), 6, &s->arena, &s->diags, &got));
    assert_string_equal(s->diags.first->next->found, "No such file or directory");
    assert_false(ncc_file_read(s->folder, 6, &s->arena, &s->diags, &got));
    assert_false(ncc_file_read("/dev/null", 6, &s->arena, &s->diags, &got));
    assert_int_equal(s->diags.n_errors, 4);
    assert_int_equal(ncc_diag_first_fault(&s->diags), FAULT_INPUT);
}

static void failed_writes_leave_nothing(void **state)
{
    struct scene *s = *state;
    assert_int_equal(mkdir(in(s, "sub"), 0755), 0);
    put(s, "sub/keep", "old");
    assert_false(ncc_file_write(in(s, "none/x"), "1", 1, &s->diags));
    assert_string_equal(s->diags.first->found, "No such file or directory");
    assert_false(ncc_file_write(in(s, "sub"), "1", 1, &s->diags));
    assert_false(ncc_file_write("/dev/null", "1", 1, &s->diags));
    assert_false(ncc_file_write(in(s, "sub/keep/x"), "1", 1, &s->diags));
    char name[300];
    memset(name, 'n', sizeof name - 1); /* longer than a file system takes */
    name[sizeof name - 1] = '\0';
    assert_false(ncc_file_write(in(s, name), "1", 1, &s->diags));
    assert_int_equal(s->diags.n_errors, 5);
    assert_int_equal(count_files(s), 1);
}

/* The same is told by looking, which changes nothing. */
static void tells_what_cannot_be_written(void **state)
{
    struct scene *s = *state;
    put(s, "x", "old");
    assert_true(ncc_file_expect_writable(in(s, "x"), &s->diags));
    assert_true(ncc_file_expect_writable(in(s, "new"), &s->diags));
    assert_true(ncc_file_expect_writable("no_folder_named", &s->diags));
    assert_int_equal(s->diags.n_errors, 0);
    assert_false(ncc_file_expect_writable(in(s, "none/x"), &s->diags));
    assert_non_null(strstr(s->diags.first->remedy, "make the folder first"));
    assert_false(ncc_file_expect_writable(in(s, "x/y"), &s->diags));
    assert_false(ncc_file_expect_writable(s->folder, &s->diags));
    assert_false(ncc_file_expect_writable("/dev/null", &s->diags));
    assert_int_equal(s->diags.n_errors, 4);
    assert_int_equal(count_files(s), 1);
}

static void a_read_only_folder_stays_as_it_is(void **state)
{
    struct scene *s = *state;
    if (geteuid() == 0)
        skip(); /* nothing is read-only to the super-user */
    put(s, "keep", "old");
    assert_int_equal(chmod(s->folder, 0500), 0);
    assert_false(ncc_file_write(in(s, "keep"), "new", 3, &s->diags));
    assert_int_equal(chmod(s->folder, 0700), 0);
    struct bytes got;
    assert_true(ncc_file_read(in(s, "keep"), 99, &s->arena, &s->diags, &got));
    assert_string_equal((const char *)got.data, "old");
    assert_int_equal(count_files(s), 1);
}

static void writes_through_a_link(void **state)
{
    struct scene *s = *state;
    struct bytes got;
    struct stat info;
    put(s, "target", "old");
    assert_int_equal(symlink("target", in(s, "link")), 0);
    put(s, "link", "new");
    assert_true(ncc_file_read(in(s, "target"), 99, &s->arena, &s->diags, &got));
    assert_string_equal((const char *)got.data, "new");
    assert_int_equal(lstat(in(s, "link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
}

static void lists_in_byte_order(void **state)
{
    struct scene *s = *state;
    static const char *const names[] = {"b/z", "b/.hidden", "a", "b-c/x", "B", "b/deep/er/y", ".d/x", "b.c"};
    static const char *const wanted[] = {"B", "a", "b-c/x", "b.c", "b/deep/er/y", "b/z"};
    mkdir(in(s, "b"), 0755), mkdir(in(s, "b-c"), 0755), mkdir(in(s, ".d"), 0755);
    mkdir(in(s, "b/deep"), 0755), mkdir(in(s, "b/deep/er"), 0755);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put(s, names[i], "");
    for (int slash = 0; slash < 2; slash++) {
        struct paths list;
        assert_true(ncc_file_list(slash ? in(s, "") : s->folder, &s->arena, &s->diags, &list));
        assert_int_equal(list.n, sizeof wanted / sizeof *wanted);
        for (int i = 0; i < list.n; i++)
            assert_string_equal(list.v[i], in(s, wanted[i]));
    }
}

static void lists_single_files_and_refuses_the_rest(void **state)
{
    struct scene *s = *state;
    struct paths list;
    put(s, "x", "");
    assert_true(ncc_file_list(in(s, "x"), &s->arena, &s->diags, &list));
    assert_int_equal(list.n, 1);
    assert_string_equal(list.v[0], in(s, "x"));
    assert_int_equal(mkdir(in(s, "empty"), 0755), 0);
    assert_true(ncc_file_list(in(s, "empty"), &s->arena, &s->diags, &list));
    assert_int_equal(list.n, 0);
    assert_int_equal(s->diags.n_errors, 0);
    assert_false(ncc_file_list(in(s, "none"), &s->arena, &s->diags, &list));
    assert_false(ncc_file_list("", &s->arena, &s->diags, &list));
    assert_false(ncc_file_list("/dev/null", &s->arena, &s->diags, &list));
    assert_int_equal(symlink("..", in(s, "empty/circle")), 0);
    assert_false(ncc_file_list(s->folder, &s->arena, &s->diags, &list));
    assert_int_equal(s->diags.n_errors, 4);
}

static void takes_paths_apart(void **state)
{
    struct scene *s = *state;
    static const struct {
        const char *path, *base, *stem, *extension;
    } rows[] = {
        {"a/b/c.jpg", "c.jpg", "c", "jpg"},      {"c", "c", "c", ""},         {"a.b/c", "c", "c", ""},
        {"x.tar.gz", "x.tar.gz", "x.tar", "gz"}, {".rc", ".rc", ".rc", ""},   {"/", "", "", ""},
        {"a/.rc.bin", ".rc.bin", ".rc", "bin"},  {"dot.", "dot.", "dot", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(ncc_file_base(rows[i].path), rows[i].base);
        assert_string_equal(ncc_file_stem(rows[i].path, &s->arena), rows[i].stem);
        assert_string_equal(ncc_file_extension(rows[i].path), rows[i].extension);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_what_was_written, begin, end),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_file, begin, end),
        cmocka_unit_test_setup_teardown(failed_writes_leave_nothing, begin, end),
        cmocka_unit_test_setup_teardown(tells_what_cannot_be_written, begin, end),
        cmocka_unit_test_setup_teardown(a_read_only_folder_stays_as_it_is, begin, end),
        cmocka_unit_test_setup_teardown(writes_through_a_link, begin, end),
        cmocka_unit_test_setup_teardown(lists_in_byte_order, begin, end),
        cmocka_unit_test_setup_teardown(lists_single_files_and_refuses_the_rest, begin, end),
        cmocka_unit_test_setup_teardown(takes_paths_apart, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
