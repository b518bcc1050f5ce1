/* known_ranges leaves real numbers: no roundings to codes, and constants that have forgotten which codes they had. */
#include "compiler/ir/eval.h"
#include "compiler/ir/text.h"
#include "compiler/pass/passes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char model[] = "graph \"m\"\n"
                            "input %x f32 1x8\n"
                            "const %w f32 8x2 = random 1 !q(0.5, 0)\n"
                            "const %s f32 1 = { 0.5 }\n"
                            "%a = dynamic_quant(%x) symmetric=true\n"
                            "%b = matmul(%a, %w, _)\n"
                            "%c = fake_quant(%b, %s) fixed_point=true\n"
                            "%d = dynamic_quant(%c)\n"
                            "output %d \"y\"\n";

static void roundings_go(void **state)
{
    (void)state;
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out), scratch = ncc_arena_make(&out);
    struct diags diags;
    ncc_diag_init(&diags, &a);
    struct graph *g = ncc_text_parse(model, "m", &a, &diags);
    assert_non_null(g);
    assert_true(ncc_eval_has_codes(g));
    assert_true(ncc_pass_known_ranges(g, &scratch));
    assert_true(ncc_graph_verify(g, "known_ranges"));
    assert_false(ncc_eval_has_codes(g));
    assert_int_equal(ncc_graph_n_nodes(g), 2); /* the product, and a clip */
    assert_int_equal(g->first->op, OP_matmul);
    assert_ptr_equal(g->first->in[0], g->inputs.v[0]);
    assert_int_equal(g->first->in[1]->quant.n_channels, 0);
    assert_int_equal(g->last->op, OP_clip);
    ncc_arena_release(&scratch);
    ncc_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(roundings_go)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
