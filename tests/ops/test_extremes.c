/* Every case with one or two of its numbers replaced by extreme ones: refused, or evaluated without
 * harm (which the sanitizers watch), by definition and fast form. */
#include "compiler/ir/eval.h"
#include "compiler/ir/text.h"
#include "tests/ops/cases.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t state;

static int pick(int n) /* 0 .. n - 1 */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int)((state >> 33) % (uint64_t)n);
}

static const char *const extremes[] = {"0",     "1",           "2",          "3",       "7",       "13", "255",
                                       "65536", "-2147483648", "2147483647", "1048576", "1048577", "-1", "268435456"};

static bool number_starts(const char *text, const char *at)
{
    return isdigit((unsigned char)*at) && (at == text || !isdigit((unsigned char)at[-1]));
}

/* The text with its numbers `first` and `second` replaced. */
static const char *damage(struct arena *a, const char *text, int first, int second)
{
    struct { char *v; int n, cap; } out = {0};
    int number = 0;
    for (const char *at = text; *at; at++) {
        const bool replace = number_starts(text, at) && (number == first || number == second);
        number += number_starts(text, at);
        if (!replace) {
            NCC_PUSH(a, &out, *at);
            continue;
        }
        for (const char *c = extremes[pick(14)]; *c; c++)
            NCC_PUSH(a, &out, *c);
        while (isdigit((unsigned char)at[1]))
            at++;
    }
    NCC_PUSH(a, &out, '\0');
    return out.v;
}

/* What would take long is only inferred. */
static bool is_small(const struct graph *g)
{
    double work = ncc_graph_macs(g);
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            work += (double)ncc_shape_count(n->out[i]->shape);
    return work < 1e6;
}

static void evaluate(const struct graph *g, enum eval_mode mode)
{
    struct evaluator *e = ncc_eval_open(g, mode, (size_t)64 << 20);
    if (e)
        ncc_eval_run(e, &(struct samples){.n = 1}, &(struct eval_hooks){.ctx = NULL});
    ncc_eval_close(e);
}

/* Whether the text was accepted; false too when its constants exceed the limit. */
static bool try_one(const struct op_case *c, int n_numbers)
{
    struct exit x = {.limit = (size_t)16 << 20};
    struct arena a = ncc_arena_make(&x);
    struct diags d;
    if (setjmp(x.env)) {
        ncc_arena_release(&a);
        return false;
    }
    ncc_diag_init(&d, &a);
    const char *text = damage(&a, c->text, pick(n_numbers), pick(2) ? pick(n_numbers) : -1);
    const struct graph *g = ncc_text_parse(text, "damaged", &a, &d);
    assert_true(g || d.n_errors > 0);
    if (g && is_small(g)) {
        evaluate(g, EVAL_REFERENCE);
        evaluate(g, EVAL_FAST);
    }
    ncc_arena_release(&a);
    return g != NULL;
}

static void extremes_do_no_harm(void **unused)
{
    (void)unused;
    int n_accepted = 0;
    const char *given = getenv("NCC_SEED");
    state = given ? strtoul(given, NULL, 10) : 1;
    for (int i = 0; i < N_OP_CASES; i++) {
        int n_numbers = 0;
        for (const char *at = op_cases[i].text; *at; at++)
            n_numbers += number_starts(op_cases[i].text, at);
        for (int round = 0; round < 20; round++)
            n_accepted += try_one(&op_cases[i], n_numbers);
    }
    assert_true(n_accepted > 5 * N_OP_CASES); /* else nothing was evaluated */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(extremes_do_no_harm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
