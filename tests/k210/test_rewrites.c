/* Each rewrite of lowering by itself: the files of tests/k210/rewrites hold networks, one behind the other, with the
 * layers that they should take.
 *
 *     == name
 *     expect: 2 layers, pool 5, 0 crossings    # pool: the code of the last layer's; any number may be `any`
 *     input %x f32 1x8x12x12
 *     ...
 *
 * Layers are those of OP_kpu_conv, shifts and copies included; crossings are counted as net_count_crossings does. */
#include "tests/k210/net.h"

#include "compiler/base/file.h"
#include "compiler/ir/text.h"
#include "compiler/ops/attrs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

enum { ANY = -1 };

struct rewrite {
    char name[120];
    int layers, pool, crossings;
    const char *text;
};

static int number(const char *word)
{
    return strcmp(word, "any") == 0 ? ANY : atoi(word);
}

/* Takes the text of one network apart. */
static struct rewrite read_rewrite(const char *text)
{
    struct rewrite r;
    char layers[8], pool[8], crossings[8];
    if (sscanf(text, "%119[^\n] expect: %7s layers, pool %7[^,], %7s crossings", r.name, layers, pool, crossings) != 4)
        fail_msg("a name and 'expect: N layers, pool CODE, N crossings' are needed:\n%s", text);
    r.layers = number(layers);
    r.pool = number(pool);
    r.crossings = number(crossings);
    r.text = strchr(strchr(text, '\n') + 1, '\n');
    return r;
}

static const struct node *last_layer(const struct graph *g)
{
    const struct node *last = NULL;
    for (const struct node *n = g->first; n; n = n->next)
        last = n->op == OP_kpu_conv ? n : last;
    return last;
}

static bool is_as_expected(int expected, int is)
{
    return expected == ANY || expected == is;
}

static void check(const char *text)
{
    struct net n;
    const struct rewrite r = read_rewrite(text);
    net_open(&n);
    net_parse(&n, r.text);
    const struct graph *g = net_lowered(&n, &options, true);
    net_expect_same(&n, g, 3, r.name);
    const struct node *last = last_layer(g);
    const int layers = net_count(g, OP_kpu_conv), crossings = net_count_crossings(g),
              pool = last ? ((const struct kpu_conv_attrs *)last->attrs)->pool : ANY;
    if (!last || !is_as_expected(r.layers, layers) || !is_as_expected(r.pool, pool) ||
        !is_as_expected(r.crossings, crossings)) {
        fprintf(stderr, "---- %s ----\n%s", r.name, ncc_text_print(g, false, &n.arena));
        fail_msg("%s: %d layers, pool code %d, %d crossings", r.name, layers, pool, crossings);
    }
    net_close(&n);
}

static void check_file(void **state)
{
    static const char mark[] = "\n== ";
    struct net n; /* for its memory */
    struct bytes file;
    int n_checked = 0;
    net_open(&n);
    ncc_diag_init(&n.diags, &n.arena);
    assert_true(ncc_file_read(*state, 1 << 20, &n.arena, &n.diags, &file));
    for (const char *at = strstr((const char *)file.data, mark), *next; at; at = next, n_checked++) {
        at += strlen(mark);
        next = strstr(at, mark);
        check(ncc_arena_copy(&n.arena, at, next ? (size_t)(next - at) : strlen(at)));
    }
    assert_true(n_checked > 0);
    net_close(&n);
}

int main(void)
{
    static const char *const names[] = {"kernels", "strides", "products", "elementwise",
                                        "means",   "pools",   "channels", "enlarging"};
    enum { N_FILES = sizeof names / sizeof *names };
    static char paths[N_FILES][300];
    struct CMUnitTest tests[N_FILES];
    for (int i = 0; i < N_FILES; i++) {
        snprintf(paths[i], sizeof paths[i], NCC_SOURCE_DIR "/tests/k210/rewrites/%s.ncc", names[i]);
        tests[i] = (struct CMUnitTest){names[i], check_file, NULL, NULL, paths[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
