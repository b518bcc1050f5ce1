#include "compiler/ops/attrs.h"
#include "tests/ir/fixture.h"

static int n_uses(const struct value *v)
{
    int n = 0;
    for (const struct use *u = v->uses; u; u = u->next)
        n++;
    return n;
}

static void building(void **state)
{
    struct fixture *f = *state;
    struct graph *g = ncc_graph_new(&f->a, &f->d, "m.tflite");
    struct value *x = ncc_graph_input(g, "image", DT_F32, ncc_shape_4(1, 3, 32, 30));
    struct value *w = ncc_const(g, "w", DT_F32, ncc_shape_4(8, 3, 3, 3), NCC_NEW(&f->a, float, 216));
    const struct conv2d_attrs attrs = {.stride_h = 2, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    struct value *y = NCC_OP(g, OP_conv2d, "conv", &attrs, x, w, NULL);
    struct node *relu = ncc_node_new(g, OP_relu, "relu", NULL, &y, 1);
    ncc_graph_output(g, relu->out[0], "y");
    assert_true(ncc_shape_equal(relu->out[0]->shape, ncc_shape_4(1, 8, 15, 28)));
    assert_int_equal(n_uses(y), 1);
    assert_ptr_equal(ncc_value_only_use(g, y), relu);
    assert_null(ncc_value_only_use(g, relu->out[0]));
    assert_true(ncc_value_is_output(g, relu->out[0]));
    assert_string_equal(ncc_name(g, "conv", "shift"), "conv/shift");
    assert_int_equal(ncc_graph_n_nodes(g), 2);
    assert_true(ncc_graph_verify(g, "building"));
}

static void refusals_are_reported(void **state)
{
    struct fixture *f = *state;
    struct graph *g = ncc_graph_new(&f->a, &f->d, "m.onnx");
    struct value *x = ncc_graph_input(g, "x", DT_F32, ncc_shape_4(1, 3, 4, 4));
    struct value *k = ncc_graph_input(g, "k", DT_F32, ncc_shape_4(2, 5, 3, 3));
    assert_null(NCC_OP(g, OP_conv2d, "conv_3", NULL, x, k));
    assert_int_equal(f->d.n_errors, 1);
    assert_string_equal(f->d.first->place.file, "m.onnx");
    assert_string_equal(f->d.first->place.node, "conv_3");
    assert_string_equal(f->d.first->place.op, "conv2d");
    assert_string_equal(f->d.first->found, "inputs f32 1x3x4x4, f32 2x5x3x3");
    assert_int_equal(ncc_graph_n_nodes(g), 0);
    assert_int_equal(n_uses(x), 0);
}

static const char chain[] = "input %x f32 1x4x4x4\n"
                            "%a = relu(%x)\n"
                            "%b = neg(%a)\n"
                            "%c = add(%a, %a)\n"
                            "%d = mul(%b, %c)\n"
                            "output %d \"result\"\n"
                            "output %a \"side\"\n";

static void replacing_and_sweeping(void **state)
{
    struct fixture *f = *state;
    struct graph *g = parse(f, chain);
    struct node *a = node_named(g, "a"), *c = node_named(g, "c");
    assert_int_equal(n_uses(a->out[0]), 3);
    ncc_node_set_input(c, 1, g->inputs.v[0], g->arena);
    assert_int_equal(n_uses(a->out[0]), 2);
    ncc_value_replace(g, a->out[0], g->inputs.v[0]);
    assert_int_equal(n_uses(a->out[0]), 0);
    assert_string_equal(g->outputs.v[1].name, "side");
    assert_ptr_equal(g->outputs.v[1].value, g->inputs.v[0]);
    assert_int_equal(ncc_graph_sweep(g), 1);
    assert_true(ncc_graph_verify(g, "replacing"));
    ncc_value_replace(g, node_named(g, "d")->out[0], g->inputs.v[0]);
    assert_int_equal(ncc_graph_sweep(g), 3);
    assert_null(g->first);
    assert_null(g->last);
    assert_null(g->inputs.v[0]->uses);
    assert_true(ncc_graph_verify(g, "sweeping"));
}

static void order(void **state)
{
    struct fixture *f = *state;
    struct graph *g = parse(f, chain);
    struct node *b = node_named(g, "b"), *c = node_named(g, "c");
    ncc_node_move_before(g, c, b);
    assert_ptr_equal(c->next, b);
    assert_true(ncc_graph_verify(g, "moving"));
    g->cursor = b;
    struct value *e = NCC_OP(g, OP_abs, "e", NULL, c->out[0]);
    assert_ptr_equal(e->def->next, b);
    ncc_node_set_input(b, 0, e, g->arena);
    assert_true(ncc_graph_verify(g, "inserting"));
    assert_ptr_equal(g->cursor, b);
    ncc_value_replace(g, b->out[0], e);
    ncc_node_remove(g, b); /* the cursor moves on */
    assert_ptr_equal(g->cursor, node_named(g, "d"));
    ncc_node_move_before(g, e->def, NULL);
    assert_ptr_equal(g->last, e->def);
}

static void copies_are_independent(void **state)
{
    struct fixture *f = *state;
    struct exit x = {0};
    struct arena other = ncc_arena_make(&x);
    struct diags d;
    ncc_diag_init(&d, &other);
    struct graph *copy;
    {
        struct arena temporary = ncc_arena_make(&f->exit);
        struct diags td;
        ncc_diag_init(&td, &temporary);
        struct graph *g = ncc_text_parse("input %x u8 1x2x4x4 !q(0.5, 3) !range(-1, 1)\n"
                                         "%f = dequantize(%x)\n"
                                         "%u = kpu_upload(%f) h=4 w=4 outside=zero\n"
                                         "%a, %b = split(%u) axis=1 sizes=[1,1]\n"
                                         "output %a\n",
                                         "t", &temporary, &td);
        assert_non_null(g);
        copy = ncc_graph_copy(g, &other, &d);
        ncc_arena_release(&temporary); /* a sanitizer sees what still points there */
    }
    assert_true(ncc_graph_verify(copy, "copying"));
    assert_int_equal(copy->next_id, 5);
    assert_float_equal(copy->inputs.v[0]->quant.scale[0], 0.5, 0);
    assert_non_null(ncc_text_print(copy, true, &other));
    ncc_arena_release(&other);
}

/* Moved codes keep their meaning; new numbers have none yet. */
static void quantisation_is_inherited(void **state)
{
    struct fixture *f = *state;
    struct graph *g = parse(f, "input %x u8 1x4x4x4 !q(0.5, 3)\n"
                               "%a = reshape(%x) shape=[64]\n"
                               "%b = concat(%a, %a) axis=0\n"
                               "output %b\n");
    assert_float_equal(node_named(g, "a")->out[0]->quant.scale[0], 0.5, 0);
    assert_int_equal(node_named(g, "b")->out[0]->quant.n_channels, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(building), TEST(refusals_are_reported),  TEST(replacing_and_sweeping),
        TEST(order),    TEST(copies_are_independent), TEST(quantisation_is_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
