/* Activations as exporters write them, in one piece or in parts: behind a convolution they cost nothing, as its
 * activation table takes them. */
#include "tests/k210/net.h"

#include "compiler/ir/text.h"
#include "compiler/ops/attrs.h"
#include "compiler/pass/pass.h"

#include <stdio.h>
#include <string.h>

static const struct pattern {
    const char *name, *nodes; /* from %a to %b */
    enum op op;
} patterns[] = {
    {"x * sigmoid(x)", "%s = sigmoid(%a)\n%b = mul(%a, %s)\n", OP_swish},
    {"sigmoid(x) * x", "%s = sigmoid(%a)\n%b = mul(%s, %a)\n", OP_swish},
    {"swish", "%b = swish(%a)\n", OP_swish},
    {"x * relu6(x + 3) / 6",
     "const %k f32 1 = splat 3\nconst %six f32 1 = splat 6\n%p = add(%a, %k)\n%q = clip(%p) min=0 max=6\n"
     "%r = mul(%a, %q)\n%b = div(%r, %six)\n",
     OP_hard_swish},
    {"hard_swish", "%b = hard_swish(%a)\n", OP_hard_swish},
    {"x * (1 + erf(x / sqrt 2)) / 2",
     "const %r f32 1 = splat 1.41421354\nconst %o f32 1 = splat 1\nconst %h f32 1 = splat 0.5\n%d = div(%a, %r)\n"
     "%e = erf(%d)\n%p = add(%e, %o)\n%q = mul(%a, %p)\n%b = mul(%q, %h)\n",
     OP_gelu},
    {"gelu", "%b = gelu(%a)\n", OP_gelu},
    {"x * tanh(softplus(x))", "%s = softplus(%a)\n%t = tanh(%s)\n%b = mul(%a, %t)\n", OP_mish},
    {"sigmoid", "%b = sigmoid(%a)\n", OP_sigmoid},
    {"tanh", "%b = tanh(%a)\n", OP_tanh},
    {"elu", "%b = elu(%a)\n", OP_elu},
    {"softplus", "%b = softplus(%a)\n", OP_softplus},
};

static void lower(struct net *n)
{
    const struct k210_options o = {0};
    for (int i = 0; i < ncc_pass_n_canonical; i++)
        assert_true(ncc_pass_canonical[i].run(n->g, &n->scratch));
    assert_true(ncc_k210_legalise(n->g, &o, &n->scratch) && ncc_k210_place(n->g, &o, &n->scratch));
    assert_true(ncc_k210_lower(n->g, &o, &n->scratch) && ncc_graph_verify(n->g, "lower"));
}

static bool takes(const struct node *layer, enum op op)
{
    const struct act_chain *act = &((const struct kpu_conv_attrs *)layer->attrs)->act;
    return act->n == 1 && act->step[0].op == op;
}

static void check(const struct pattern *p)
{
    struct net n;
    char text[1500];
    net_open(&n);
    snprintf(
        text, sizeof text,
        "graph \"g\"\ninput %%x f32 1x3x16x16\nconst %%w f32 8x3x3x3 = random 1\nconst %%v f32 4x8x3x3 = random 2\n"
        "%%a = conv2d(%%x, %%w) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n%s"
        "%%y = conv2d(%%b, %%v) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\noutput %%y \"y\"\n",
        p->nodes);
    net_parse(&n, text);
    lower(&n);
    int layers = 0, others = 0, with = 0;
    for (const struct node *k = n.g->first; k; k = k->next) {
        layers += k->op == OP_kpu_conv;
        others += !(ncc_op_desc(k->op)->flags & OP_KPU);
        with += k->op == OP_kpu_conv && takes(k, p->op);
    }
    if (layers != 2 || others || with != 1)
        fail_msg("%s: %d layers, %d of them with the function; %d nodes on the CPU\n%s", p->name, layers, with, others,
                 ncc_text_print(n.g, false, &n.arena));
    net_close(&n);
}

static void test_patterns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        check(&patterns[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
