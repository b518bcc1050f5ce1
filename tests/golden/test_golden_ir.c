/* Golden tests of passes: input and expected output in one file.
 *
 *     # pass: fuse_pad            a pass by its name, or `canonical` for all of them
 *     input %x f32 1x3x8x8
 *     ...
 *     ---
 *     the graph as it is printed after the pass
 *
 * Each file is also checked numerically: the graph before and after must give the same on
 * random inputs. With NCC_GOLDEN_UPDATE=1 in the environment, expectations are rewritten
 * instead of compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/base/file.h"
#include "compiler/ir/text.h"
#include "compiler/pass/pass.h"
#include "tests/pass/same.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-5

static const char divider[] = "\n---\n";

struct golden {
    const char *path;
    const char *head;     /* up to the divider, which it does not contain */
    const char *expected; /* behind it */
    char pass[64];
};

static void read_golden(struct golden *file, struct arena *a, struct diags *d)
{
    struct bytes text;
    assert_true(ncc_file_read(file->path, 1 << 20, a, d, &text));
    const char *all = (const char *)text.data, *cut = strstr(all, divider);
    if (sscanf(all, "# pass: %63s", file->pass) != 1)
        fail_msg("%s: the first line must be '# pass: NAME'", file->path);
    file->head = cut ? ncc_arena_copy(a, all, (size_t)(cut - all)) : all;
    file->expected = cut ? cut + strlen(divider) : "";
}

/* False also when there is no such pass. */
static bool run_passes(const char *name, struct graph *g, struct arena *scratch)
{
    const bool all = strcmp(name, "canonical") == 0;
    int n_run = 0;
    for (int i = -1; i < ncc_pass_n_canonical; i++) {
        const struct pass *p = i < 0 ? &ncc_pass_ranges : &ncc_pass_canonical[i];
        if (!all && strcmp(name, p->name) != 0)
            continue;
        n_run++;
        if (!p->run(g, scratch) || !ncc_graph_verify(g, p->name))
            return false;
    }
    return n_run > 0;
}

/* ---- differences ---- */

static int split_lines(const char *text, const char **lines, int max)
{
    int n = 0;
    for (const char *at = text; *at && n < max; n++) {
        lines[n] = at;
        const char *end = strchr(at, '\n');
        at = end ? end + 1 : at + strlen(at);
    }
    return n;
}

static bool same_line(const char *a, const char *b)
{
    const size_t n = strcspn(a, "\n");
    return n == strcspn(b, "\n") && memcmp(a, b, n) == 0;
}

static void print_line(char mark, const char *line)
{
    fprintf(stderr, "    %c %.*s\n", mark, (int)strcspn(line, "\n"), line);
}

/* The longest common sequence of lines is kept, the rest marked. */
#define MAX_LINES 200
static void print_difference(const char *expected, const char *is)
{
    static int common[MAX_LINES + 1][MAX_LINES + 1];
    const char *a[MAX_LINES], *b[MAX_LINES];
    const int n_a = split_lines(expected, a, MAX_LINES), n_b = split_lines(is, b, MAX_LINES);
    memset(common, 0, sizeof common);
    for (int i = n_a - 1; i >= 0; i--) {
        for (int j = n_b - 1; j >= 0; j--) {
            const int skip = common[i + 1][j] > common[i][j + 1] ? common[i + 1][j] : common[i][j + 1];
            common[i][j] = same_line(a[i], b[j]) ? common[i + 1][j + 1] + 1 : skip;
        }
    }
    fprintf(stderr, "    (- expected, + is)\n");
    for (int i = 0, j = 0; i < n_a || j < n_b;) {
        if (i < n_a && j < n_b && same_line(a[i], b[j])) {
            print_line(' ', a[i++]);
            j++;
        } else if (j == n_b || (i < n_a && common[i + 1][j] >= common[i][j + 1])) {
            print_line('-', a[i++]);
        } else {
            print_line('+', b[j++]);
        }
    }
}

/* ---- one file ---- */

static void give_up(const struct diags *d, const struct golden *file, const char *what)
{
    ncc_diag_print(d, stderr);
    fail_msg("%s (%s): %s", file->path, file->pass, what);
}

static void check(struct golden *file, struct arena *a, struct diags *d)
{
    char why[300];
    struct arena scratch = ncc_arena_make(a->exit);
    read_golden(file, a, d);
    struct graph *g = ncc_text_parse(file->head, file->path, a, d);
    if (!g || !ncc_graph_verify(g, "parse"))
        give_up(d, file, "cannot be read");
    const struct graph *before = ncc_graph_copy(g, a, d);
    if (!run_passes(file->pass, g, &scratch))
        give_up(d, file, "the pass fails");
    ncc_arena_release(&scratch);
    const uint64_t seed = same_seed(1);
    if (!same_meaning(before, g, 2, seed, TOLERANCE, why))
        fail_msg("%s: the pass changes the meaning (NCC_SEED=%llu): %s", file->path, (unsigned long long)seed, why);
    const char *is = ncc_text_print(g, false, a);
    if (strcmp(is, file->expected) == 0)
        return;
    if (!getenv("NCC_GOLDEN_UPDATE")) {
        print_difference(file->expected, is);
        fail_msg("%s: the graph is not the expected one", file->path);
    }
    const char *text = ncc_arena_printf(a, "%s%s%s", file->head, divider, is);
    assert_true(ncc_file_write(file->path, text, strlen(text), d));
}

static void test_file(void **state)
{
    struct golden file = {.path = *state};
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct diags d;
    ncc_diag_init(&d, &a);
    assert_int_equal(setjmp(out.env), 0);
    check(&file, &a, &d);
    assert_int_equal(d.n_errors, 0);
    ncc_arena_release(&a);
}

int main(void)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    struct diags d;
    struct paths paths = {0};
    setenv("NCC_THREADS", "1", 0); /* the graphs are smaller than the work of starting threads */
    ncc_diag_init(&d, &a);
    if (setjmp(out.env) || !ncc_file_list(NCC_SOURCE_DIR "/tests/golden", &a, &d, &paths))
        return 1;
    struct CMUnitTest *tests = NCC_NEW(&a, struct CMUnitTest, paths.n);
    size_t n = 0;
    for (int i = 0; i < paths.n; i++) {
        if (strcmp(ncc_file_extension(paths.v[i]), "ncc") != 0)
            continue;
        tests[n++] =
            (struct CMUnitTest){ncc_file_base(paths.v[i]), test_file, NULL, NULL, (void *)(uintptr_t)paths.v[i]};
    }
    if (n == 0)
        return 1;
    const int n_failed = _cmocka_run_group_tests("golden", tests, n, NULL, NULL);
    ncc_arena_release(&a);
    return n_failed;
}
