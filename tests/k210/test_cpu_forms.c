/* What is left of operators that the CPU's kernels lack, when others stand beside them. */
#include "compiler/k210/k210.h"
#include "tests/k210/net.h"

static struct graph *in_forms(struct net *n, const char *text)
{
    net_open(n);
    net_parse(n, text);
    struct graph *g = ncc_graph_copy(n->g, &n->arena, &n->diags);
    assert_true(ncc_k210_cpu_forms(g) && ncc_graph_verify(g, "cpu forms"));
    net_expect_same(n, g, 3, "cpu forms");
    return g;
}

/* The expected distance to an edge of a box, as YOLOv8 writes it: one transposition in front of the softmax is enough,
 * and one of what is left. */
static void softmax_between_transposes(void **unused)
{
    (void)unused;
    struct net n;
    const struct graph *g = in_forms(&n, "input %x f32 1x4x16x9\n"
                                         "const %w f32 1x16x1x1 = random 1\n"
                                         "%t = transpose(%x) perm=[0,2,1,3]\n"
                                         "%s = softmax(%t) axis=1\n"
                                         "%y = conv2d(%s, %w, _)\n"
                                         "output %y\n");
    assert_int_equal(net_count(g, OP_transpose), 2);
    assert_int_equal(net_count(g, OP_conv2d), 0);
    assert_int_equal(net_count(g, OP_matmul), 1);
    net_close(&n);
}

/* Back where it was, and a convolution of which something would have to be turned back. */
static void others(void **unused)
{
    (void)unused;
    struct net n;
    const struct graph *g = in_forms(&n, "input %x f32 1x4x16x9\n"
                                         "%a = transpose(%x) perm=[0,2,3,1]\n"
                                         "%b = transpose(%a) perm=[0,3,1,2]\n"
                                         "%y = exp(%b)\n"
                                         "output %y\n");
    assert_int_equal(net_count(g, OP_transpose), 0);
    net_close(&n);
    g = in_forms(&n, "input %x f32 1x4x9x16\n"
                     "const %w f32 2x16x1x1 = random 1\n"
                     "const %v f32 1x16x3x3 = random 2\n"
                     "%t = transpose(%x) perm=[0,3,1,2]\n"
                     "%y = conv2d(%t, %w, _)\n"
                     "%z = conv2d(%t, %v, _)\n"
                     "output %y\n"
                     "output %z\n");
    assert_int_equal(net_count(g, OP_transpose), 1);
    assert_int_equal(net_count(g, OP_conv2d), 2);
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(softmax_between_transposes), cmocka_unit_test(others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
