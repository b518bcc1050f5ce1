/* Operands that are broadcast, written out: when, and that the result is the same. */
#include "compiler/k210/k210.h"
#include "tests/k210/net.h"

static const struct k210_options v4 = {.runtime = NCC_KPU_RUNTIME_V4};

static int n_broadcast(const struct graph *g)
{
    int n = 0;
    for (const struct node *k = g->first; k; k = k->next)
        n += k->n_in == 2 && (ncc_op_desc(k->op)->flags & OP_BINARY) &&
             !ncc_shape_equal(k->in[0]->shape, k->in[1]->shape);
    return n;
}

/* How many nodes with a broadcast operand are left. */
static int left(const char *text, const struct k210_options *options)
{
    struct net n;
    net_open(&n);
    net_parse(&n, text);
    struct graph *g = ncc_graph_copy(n.g, &n.arena, &n.diags);
    ncc_k210_widen_operands(g, options);
    assert_true(ncc_graph_verify(g, "widen"));
    net_expect_same(&n, g, 3, "widened");
    const int count = n_broadcast(g);
    net_close(&n);
    return count;
}

static const char numbers[] = "input %x f32 1x4x5x6\n"
                              "const %c f32 1 = { 0.5 }\n"
                              "const %v f32 4x1x1 = random 1\n"
                              "%a = mul(%x, %c)\n"
                              "%b = add(%v, %a)\n"
                              "output %b\n";

static void constants_and_copies(void **unused)
{
    (void)unused;
    struct k210_options o = v4;
    assert_int_equal(left(numbers, &o), 0);
    assert_int_equal(left("input %x f32 1x8x1x9\n"
                          "%m = reduce(%x) axes=[1] keep_dims=true\n"
                          "%r = reduce(%x) axes=[3] keep_dims=true\n"
                          "%a = sub(%x, %m)\n"
                          "%b = mul(%a, %r)\n"
                          "%y = mul(%m, %r)\n"
                          "output %b\n"
                          "output %y\n",
                          &o),
                     0);
}

/* Twice as many each time, instead of a run for each of 300 columns. */
static void many_copies(void **unused)
{
    (void)unused;
    struct net n;
    net_open(&n);
    net_parse(&n, "input %x f32 1x2x3x300\n"
                  "%m = reduce(%x) axes=[3] keep_dims=true\n"
                  "%y = sub(%x, %m)\n"
                  "output %y\n");
    struct graph *g = ncc_graph_copy(n.g, &n.arena, &n.diags);
    ncc_k210_widen_operands(g, &v4);
    net_expect_same(&n, g, 3, "many copies");
    assert_int_equal(n_broadcast(g), 0);
    assert_int_equal(net_count(g, OP_concat), 9); /* 2, 4 .. 256, and 256 + 32 + 8 + 4 */
    net_close(&n);
}

static void not_without_room(void **unused)
{
    (void)unused;
    struct k210_options o = v4;
    o.short_of_ram = true;
    assert_int_equal(left(numbers, &o), 2);
    o = v4;
    o.runtime = NCC_KPU_RUNTIME_NCC; /* to which it is nearly the same */
    assert_int_equal(left(numbers, &o), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(constants_and_copies), cmocka_unit_test(many_copies),
                                       cmocka_unit_test(not_without_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
