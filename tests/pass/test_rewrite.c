/* The rewriting driver, and long graphs through all passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/ops/attrs.h"
#include "compiler/pass/pass.h"
#include "compiler/pass/rewrite.h"

#include <string.h>

/* More nodes than the driver has rounds. */
#define LENGTH 3000

struct fixture {
    struct exit out;
    struct arena arena;
    struct diags diags;
    struct graph *g;
};

static int set_up(void **state)
{
    static struct fixture f; /* one test at a time */
    memset(&f, 0, sizeof f);
    f.arena = ncc_arena_make(&f.out);
    ncc_diag_init(&f.diags, &f.arena);
    f.g = ncc_graph_new(&f.arena, &f.diags, "test");
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ncc_arena_release(&f->arena);
    return 0;
}

static struct value *add_input(struct fixture *f)
{
    return ncc_graph_input(f->g, "x", DT_F32, ncc_shape_4(1, 4, 6, 6));
}

/* ---- the driver ---- */

static bool turn_round(struct graph *g, struct node *n)
{
    const enum op other = n->op == OP_relu ? OP_abs : OP_relu;
    if (n->op != OP_relu && n->op != OP_abs)
        return false;
    ncc_value_replace(g, n->out[0], NCC_OP(g, other, n->name, NULL, n->in[0]));
    return true;
}

static void test_endless_rewrite_is_named(void **state)
{
    struct fixture *f = *state;
    ncc_graph_output(f->g, NCC_OP(f->g, OP_relu, "r", NULL, add_input(f)), "y");
    const struct rewrite set[] = {{"turn_round", ANY_OP, turn_round}};
    assert_false(ncc_rewrite_run(f->g, set, 1));
    assert_int_equal(f->diags.n_errors, 1);
    assert_int_equal(ncc_diag_first_fault(&f->diags), FAULT_INTERNAL);
    assert_non_null(strstr(f->diags.first->found, "'turn_round'"));
    assert_true(ncc_graph_verify(f->g, "turn_round")); /* still a graph */
}

static bool skip_relu(struct graph *g, struct node *n)
{
    if (n->in[0]->def == NULL || n->in[0]->def->op != OP_relu)
        return false;
    ncc_value_replace(g, n->out[0], n->in[0]);
    return true;
}

/* What the driver leaves: nothing that only a removed node needed. */
static void test_dead_nodes_are_swept(void **state)
{
    struct fixture *f = *state;
    struct value *x = add_input(f), *y = NCC_OP(f->g, OP_relu, "r", NULL, x);
    struct value *dead = NCC_OP(f->g, OP_exp, "dead", NULL, x);
    NCC_OP(f->g, OP_add, "dead too", NULL, dead, y);
    ncc_graph_output(f->g, NCC_OP(f->g, OP_relu, "again", NULL, y), "y");
    const struct rewrite set[] = {{"skip_relu", OP_relu, skip_relu}};
    assert_true(ncc_rewrite_run(f->g, set, 1));
    assert_int_equal(ncc_graph_n_nodes(f->g), 1);
    assert_ptr_equal(f->g->outputs.v[0].value, y);
    assert_string_equal(f->g->outputs.v[0].name, "y");
    assert_true(ncc_graph_verify(f->g, "skip_relu"));
}

static bool remove_user(struct graph *g, struct node *n)
{
    struct node *user = ncc_value_only_use(g, n->out[0]);
    if (!user || user->op != OP_relu)
        return false;
    ncc_value_replace(g, user->out[0], n->out[0]);
    ncc_node_remove(g, user);
    return true;
}

/* A rewrite may remove the very node that would be offered next, and the round goes on behind it. */
static void test_next_node_may_vanish(void **state)
{
    struct fixture *f = *state;
    struct value *v = add_input(f);
    for (int i = 0; i < LENGTH; i++)
        v = NCC_OP(f->g, OP_relu, "r", NULL, v);
    ncc_graph_output(f->g, v, "y");
    const struct rewrite set[] = {{"remove_user", OP_relu, remove_user}};
    assert_true(ncc_rewrite_run(f->g, set, 1));
    assert_int_equal(ncc_graph_n_nodes(f->g), 1);
    assert_true(ncc_graph_verify(f->g, "remove_user"));
}

static void test_new_nodes_stand_before_their_root(void **state)
{
    struct fixture *f = *state;
    struct value *x = add_input(f), *r = NCC_OP(f->g, OP_relu, "r", NULL, x);
    ncc_graph_output(f->g, NCC_OP(f->g, OP_exp, "e", NULL, r), "y");
    const struct rewrite set[] = {{"turn_round", OP_relu, turn_round}};
    assert_true(ncc_rewrite_run(f->g, set, 1)); /* its own result has another operator: it ends */
    assert_int_equal(f->g->first->op, OP_abs);
    assert_int_equal(f->g->last->op, OP_exp);
    assert_null(f->g->cursor);
}

/* ---- long graphs ---- */

static void run_canonical(struct fixture *f)
{
    for (int i = 0; i < ncc_pass_n_canonical; i++) {
        struct arena scratch = ncc_arena_make(&f->out);
        assert_true(ncc_pass_canonical[i].run(f->g, &scratch));
        ncc_arena_release(&scratch);
    }
    assert_true(ncc_graph_verify(f->g, "canonical"));
}

static const struct transpose_attrs to_nhwc = {{4, {0, 2, 3, 1}}}, to_nchw = {{4, {0, 3, 1, 2}}};

/* Whatever moves down must do so in one round. */
static void test_long_chain_of_activations(void **state)
{
    struct fixture *f = *state;
    struct value *v = NCC_OP(f->g, OP_transpose, "t", &to_nhwc, add_input(f));
    for (int i = 0; i < LENGTH; i++)
        v = NCC_OP(f->g, i % 2 ? OP_tanh : OP_sin, "f", NULL, v);
    ncc_graph_output(f->g, NCC_OP(f->g, OP_transpose, "back", &to_nchw, v), "y");
    run_canonical(f);
    assert_int_equal(ncc_graph_n_nodes(f->g), LENGTH);
}

static void test_long_chain_of_affines(void **state)
{
    struct fixture *f = *state;
    struct value *v = add_input(f);
    const float shift[4] = {0.5f, -0.25f, 0.125f, 1}, scale[4] = {1.001f, 0.999f, 1, 1.0001f};
    struct value *c[2] = {ncc_const_copy(f->g, "shift", DT_F32, ncc_shape_make(3, (int[]){4, 1, 1}), shift),
                          ncc_const_copy(f->g, "scale", DT_F32, ncc_shape_4(1, 4, 1, 1), scale)};
    for (int i = 0; i < LENGTH; i++)
        v = NCC_OP(f->g, i % 2 ? OP_sub : OP_mul, "affine", NULL, v, c[i % 2 ? 0 : 1]);
    ncc_graph_output(f->g, v, "y");
    run_canonical(f);
    assert_int_equal(ncc_graph_n_nodes(f->g), 2);
}

static void test_long_chain_of_convolutions(void **state)
{
    struct fixture *f = *state;
    struct value *v = NCC_OP(f->g, OP_transpose, "in", &to_nhwc, add_input(f));
    static const float weights[16] = {0.5f, 0.25f};
    const float shift[4] = {1, 2, 3, 4};
    struct value *w = ncc_const_copy(f->g, "w", DT_F32, ncc_shape_4(4, 4, 1, 1), weights);
    struct value *b = ncc_const_copy(f->g, "b", DT_F32, ncc_shape_make(1, (int[]){4}), shift);
    for (int i = 0; i < LENGTH / 6; i++) {
        struct value *x = NCC_OP(f->g, OP_transpose, "t", &to_nchw, v);
        struct value *y = NCC_OP(f->g, OP_conv2d, "conv", NULL, x, w);
        struct value *z = NCC_OP(f->g, OP_add, "bias", NULL, NCC_OP(f->g, OP_transpose, "t", &to_nhwc, y), b);
        v = NCC_OP(f->g, OP_add, "sum", NULL, NCC_OP(f->g, OP_relu, "relu", NULL, z), v);
    }
    ncc_graph_output(f->g, NCC_OP(f->g, OP_transpose, "out", &to_nchw, v), "y");
    run_canonical(f);
    assert_int_equal(ncc_graph_n_nodes(f->g), LENGTH / 6 * 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_endless_rewrite_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dead_nodes_are_swept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_next_node_may_vanish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_new_nodes_stand_before_their_root, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_chain_of_activations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_chain_of_affines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_chain_of_convolutions, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
