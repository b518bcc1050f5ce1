#include "compiler/data/labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct reading {
    struct exit out;
    struct arena arena;
    struct diags diags;
    int label[3], n;
};

static const char *const names[] = {"b_1", "a.2", "c"};

/* Labels for three samples from a file of these bytes. */
static void read_labels(struct reading *r, const char *suffix, const void *data, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/ncc_labels_%ld%s", (long)getpid(), suffix);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    memset(r, 0, sizeof *r);
    r->arena = ncc_arena_make(&r->out);
    ncc_diag_init(&r->diags, &r->arena);
    const struct dataset set = {.n = 3, .name = (const char **)(uintptr_t)names};
    r->n = ncc_data_labels(path, &set, r->label, &r->arena, &r->diags);
    unlink(path);
    assert_int_equal(r->n == 0, r->diags.n_errors > 0);
}

static void expect_text(const char *text, int n, int b, int a, int c)
{
    struct reading r;
    read_labels(&r, ".csv", text, strlen(text));
    assert_int_equal(r.n, n);
    if (n) {
        assert_int_equal(r.label[0], b);
        assert_int_equal(r.label[1], a);
        assert_int_equal(r.label[2], c);
    }
    ncc_arena_release(&r.arena);
}

static void accepted(void **state)
{
    (void)state;
    expect_text("sample,label\nb_1,4\na.2,0\nc,7\n", 3, 4, 0, 7);
    expect_text("c.bin,10,2\nb_1.png,10,3\n", 2, 3, -1, 2);
    expect_text("folder/c.bin,1\r\n\r\nstranger,5\r\n", 1, -1, -1, 1);
    expect_text("3\n1\n2", 3, 3, 1, 2);
    expect_text("3\n", 1, 3, -1, -1);
}

static void refused(void **state)
{
    (void)state;
    expect_text("", 0, 0, 0, 0);
    expect_text("stranger,1\n", 0, 0, 0, 0);
    expect_text("b_1,one\nb_1,two\n", 0, 0, 0, 0);
    expect_text("1\n2\n3\n4\n", 0, 0, 0, 0);
    expect_text("b_1,1\nc,-2\n", 0, 0, 0, 0);
    expect_text("b_1,1\nc,99999999999999999999\n", 0, 0, 0, 0);
    struct reading r;
    read_labels(&r, ".csv", "b_1,1\0\n", 7);
    assert_int_equal(r.n, 0);
    ncc_arena_release(&r.arena);
}

static void arrays(void **state)
{
    (void)state;
    static const char head[] = "\x93NUMPY\1\0\x36\0{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}";
    char file[128];
    size_t size = sizeof head - 1;
    memcpy(file, head, size);
    file[8] = (char)(size - 10);
    memcpy(file + size, "\5\0\11", 3);
    struct reading r;
    read_labels(&r, ".npy", file, size + 3);
    assert_int_equal(r.n, 3);
    assert_true(r.label[0] == 5 && r.label[1] == 0 && r.label[2] == 9);
    ncc_arena_release(&r.arena);
    for (size_t cut = 0; cut < size + 3; cut++) {
        read_labels(&r, ".npy", file, cut);
        assert_int_equal(r.n, 0);
        ncc_arena_release(&r.arena);
    }
    file[size - 4] = '2';
    read_labels(&r, ".npy", file, size + 2);
    assert_int_equal(r.n, 0);
    ncc_arena_release(&r.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(accepted), cmocka_unit_test(refused), cmocka_unit_test(arrays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
