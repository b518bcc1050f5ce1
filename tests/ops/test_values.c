/* Every operator on numbers worked out by hand, by its definition and by its fast form. */
#include "compiler/ir/element.h"
#include "compiler/ir/eval.h"
#include "compiler/ir/text.h"
#include "tests/ops/cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct outputs {
    double v[128];
    int n;
};

static void collect(void *ctx, int sample, int thread, const struct tensor *const *t)
{
    (void)sample;
    (void)thread;
    const struct graph *g = ((void **)ctx)[0];
    struct outputs *out = ((void **)ctx)[1];
    for (int i = 0; i < g->outputs.n; i++)
        for (int64_t k = 0; k < ncc_shape_count(t[i]->shape) && out->n < 128; k++)
            out->v[out->n++] = ncc_element_real(t[i]->dtype, t[i]->data, k);
}

static struct outputs run(struct graph *g, enum eval_mode mode)
{
    struct outputs out = {.n = 0};
    struct evaluator *e = ncc_eval_open(g, mode, 0);
    assert_non_null(e);
    assert_true(
        ncc_eval_run(e, &(struct samples){.n = 1}, &(struct eval_hooks){.ctx = (void *[]){g, &out}, .done = collect}));
    ncc_eval_close(e);
    return out;
}

static void compare(const struct op_case *c, const struct outputs *out, const char *how)
{
    if (out->n != c->n)
        fail_msg("%s: %d elements instead of %d", ncc_op_desc(c->op)->name, out->n, c->n);
    for (int i = 0; i < c->n; i++)
        if (!(fabs(out->v[i] - c->expected[i]) <= 2e-6 * (fabs(c->expected[i]) + 0.1)) &&
            out->v[i] != c->expected[i])
            fail_msg("%s (%s): element %d is %.9g instead of %.9g in\n%s", ncc_op_desc(c->op)->name, how, i, out->v[i],
                     c->expected[i], c->text);
}

static void values_are_right(void **state)
{
    (void)state;
    struct exit x = {0};
    for (int i = 0; i < N_OP_CASES; i++) {
        struct arena a = ncc_arena_make(&x);
        struct diags d;
        ncc_diag_init(&d, &a);
        struct graph *g = ncc_text_parse(op_cases[i].text, "case", &a, &d);
        ncc_diag_print(&d, stderr);
        assert_non_null(g);
        assert_true(ncc_graph_verify(g, "parsing"));
        struct outputs plain = run(g, EVAL_REFERENCE), fast = run(g, EVAL_FAST);
        compare(&op_cases[i], &plain, "definition");
        compare(&op_cases[i], &fast, "fast");
        ncc_arena_release(&a);
    }
}

static void folding_gives_the_same(void **state)
{
    (void)state;
    struct exit x = {0};
    for (int i = 0; i < N_OP_CASES; i++) {
        struct arena a = ncc_arena_make(&x);
        struct diags d;
        ncc_diag_init(&d, &a);
        struct graph *g = ncc_text_parse(op_cases[i].text, "case", &a, &d);
        assert_non_null(g);
        bool all = true;
        for (struct node *n = g->first, *next; n; n = next) {
            next = n->next;
            all = ncc_eval_fold(g, n) && all;
        }
        assert_int_equal(all, !(ncc_op_desc(op_cases[i].op)->flags & OP_KPU));
        assert_int_equal(ncc_graph_n_nodes(g) == 0, all);
        assert_true(ncc_graph_verify(g, "folding"));
        struct outputs out = run(g, EVAL_FAST);
        compare(&op_cases[i], &out, "folded");
        ncc_arena_release(&a);
    }
}

static void every_operator_has_a_case(void **state)
{
    (void)state;
    for (int op = 0; op < N_OPS; op++) {
        int n = 0;
        for (int i = 0; i < N_OP_CASES; i++)
            n += op_cases[i].op == (enum op)op;
        if (n == 0)
            fail_msg("%s has no case", ncc_op_desc((enum op)op)->name);
    }
}

static void text_round_trips(void **state)
{
    (void)state;
    struct exit x = {0};
    for (int i = 0; i < N_OP_CASES; i++) {
        struct arena a = ncc_arena_make(&x);
        struct diags d;
        ncc_diag_init(&d, &a);
        const char *once = ncc_text_print(ncc_text_parse(op_cases[i].text, "case", &a, &d), true, &a);
        struct graph *g = ncc_text_parse(once, "case", &a, &d);
        ncc_diag_print(&d, stderr);
        assert_non_null(g);
        assert_string_equal(ncc_text_print(g, true, &a), once);
        struct outputs out = run(g, EVAL_REFERENCE);
        compare(&op_cases[i], &out, "printed and parsed");
        struct graph *copy = ncc_graph_copy(g, &a, &d);
        assert_true(ncc_graph_verify(copy, "copying"));
        assert_string_equal(ncc_text_print(copy, true, &a), once);
        ncc_arena_release(&a);
    }
}

static void descriptors_are_complete(void **state)
{
    (void)state;
    for (int op = 0; op < N_OPS; op++) {
        const struct op_desc *d = ncc_op_desc((enum op)op);
        enum op found;
        assert_true(ncc_op_by_name(d->name, &found) && found == (enum op)op);
        assert_non_null(d->doc);
        assert_true(!(d->flags & OP_UNARY) == !d->scalar);
        assert_true(!(d->flags & OP_BINARY) == !d->scalar2);
        assert_true(d->eval || d->scalar || d->scalar2);
        assert_true(!d->attrs == (d->attrs_size == 0));
        assert_true(d->min_in >= 1 && (d->max_in == -1 || d->max_in >= d->min_in));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_right),         cmocka_unit_test(folding_gives_the_same),
        cmocka_unit_test(every_operator_has_a_case), cmocka_unit_test(text_round_trips),
        cmocka_unit_test(descriptors_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
