/* Activations as exporters write them, in one piece or in parts: behind a convolution they cost nothing, as its
 * activation table takes them. */
#include "tests/k210/net.h"

#include "compiler/ir/text.h"
#include "compiler/ops/attrs.h"
#include "compiler/pass/pass.h"

#include <math.h>
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

/* A PReLU whose halves are layers of their own: the part of its slopes that all channels share is in the table of the
 * layer in front, and the 1x1 that puts the halves together has the rest. */
static void test_prelu_in_two(void **state)
{
    (void)state;
    static const float slope[4] = {0.1f, -0.3f, 0.2f, 0.6f}; /* of mean square 0.125 */
    const float common = sqrtf(0.125f);
    struct net n;
    net_open(&n);
    net_parse(&n,
              "graph \"g\"\ninput %x f32 1x4x6x6\nconst %w f32 4x1x3x3 = random 1\nconst %v f32 4x1x1x1 = random 2\n"
              "const %s f32 4x1x1 = {0.1, -0.3, 0.2, 0.6}\n%a = conv2d(%x, %w) groups=4\n"
              "%b = prelu(%a, %s)\n%y = conv2d(%b, %v) groups=4\noutput %y \"y\"\n");
    const struct k210_options o = {0};
    assert_true(ncc_k210_legalise(n.g, &o, &n.scratch));
    const struct node *prelu = NULL, *leaky = NULL;
    for (const struct node *k = n.g->first; k; k = k->next) {
        prelu = k->op == OP_prelu ? k : prelu;
        leaky = k->op == OP_leaky_relu ? k : leaky;
    }
    assert_true(prelu && leaky && prelu->in[0] == leaky->out[0] && leaky->in[0]->def->op == OP_conv2d);
    assert_true(fabsf(((const struct leaky_relu_attrs *)leaky->attrs)->alpha / common - 1) < 1e-6f);
    for (int c = 0; c < 4; c++)
        assert_true(fabsf(((const float *)prelu->in[1]->data)[c] * common / slope[c] - 1) < 1e-6f);
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns), cmocka_unit_test(test_prelu_in_two)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
