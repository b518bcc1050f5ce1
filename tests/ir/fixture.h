/* An arena and diagnostics for one test. */
#ifndef NCC_TESTS_IR_FIXTURE_H
#define NCC_TESTS_IR_FIXTURE_H

#include "compiler/ir/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct exit exit;
    struct arena a;
    struct diags d;
};

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->a = ncc_arena_make(&f->exit);
    ncc_diag_init(&f->d, &f->a);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    ncc_arena_release(&f->a);
    free(f);
    return 0;
}

/* The graph of a text that must be right. */
static inline struct graph *parse(struct fixture *f, const char *text)
{
    struct graph *g = ncc_text_parse(text, "test", &f->a, &f->d);
    ncc_diag_print(&f->d, stderr);
    assert_non_null(g);
    return g;
}

static inline struct node *node_named(const struct graph *g, const char *name)
{
    for (struct node *n = g->first; n; n = n->next)
        if (strcmp(n->name, name) == 0)
            return n;
    fail_msg("no node '%s'", name);
    return NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
