/* Choices within choices: the cheapest comes out, and what was decided while a way was tried is not searched for again when
 * it is built. */
#include "tests/k210/net.h"

#include "compiler/k210/lower.h"
#include "compiler/ops/attrs.h"

static const struct k210_options options = {.runtime = NCC_KPU_RUNTIME_V4};

enum { DEPTH = 7 };

struct nest {
    struct value *x;
    int depth;
    int *n_built; /* that stand innermost */
};

static struct value *nested(struct lowering *l, const void *nest, int way, const char **why);

static struct value *choose(struct lowering *l, const struct nest *n, const char **why)
{
    static const struct lower_way ways[] = {{nested, 0}, {nested, 1}, {nested, 2}};
    return ncc_lower_cheapest(l, ways, 3, n, why);
}

/* Way 0 is not possible, and way 2 takes a layer less than way 1; at every other depth it is the other way round. */
static struct value *nested(struct lowering *l, const void *nest, int way, const char **why)
{
    const struct nest *n = nest;
    struct nest inner = *n;
    if (way == 0) {
        *why = "never";
        return NULL;
    }
    const bool longer = (way == 1) == (n->depth % 2 == 0);
    for (int i = 0; i < 1 + longer; i++)
        inner.x = ncc_lower_shift(l, inner.x, 0, 0);
    assert_true((inner.x->name == n->x->name) == (l->trying > 0)); /* only what stays is named */
    if (n->depth == 0) {
        ++*n->n_built;
        return inner.x;
    }
    inner.depth--;
    return choose(l, &inner, why);
}

static void open_lowering(struct lowering *l, struct net *n)
{
    *l = (struct lowering){.g = n->g, .options = &options, .n_forms = n->g->next_id};
    l->forms = NCC_NEW(&n->scratch, struct form, l->n_forms);
    l->set = NCC_NEW(&n->scratch, int, NCC_LOWER_N_FORMS * l->n_forms);
    l->spans = NCC_NEW(&n->scratch, struct span, l->n_forms + 1);
    l->span = l->spans;
    ncc_lower_decisions_new(l, &n->scratch);
    ncc_lower_taps_new(l, &n->scratch);
}

static void nested_choices(void **unused)
{
    (void)unused;
    struct net n;
    struct lowering l;
    net_open(&n);
    ncc_diag_init(&n.diags, &n.arena);
    n.g = ncc_graph_new(&n.arena, &n.diags, "choice");
    struct value *v = ncc_graph_input(n.g, "x", DT_F32, ncc_shape_4(1, 3, 8, 8));
    open_lowering(&l, &n);
    int n_built = 0;
    const char *why = NULL;
    const struct nest nest = {ncc_lower_canvas(&l, v), DEPTH, &n_built};
    const struct value *y = choose(&l, &nest, &why);
    int n_layers = 0;
    for (const struct value *at = y; at && at->def; at = at->def->in[0])
        n_layers += at->def->op == OP_kpu_conv;
    assert_int_equal(n_layers, DEPTH + 1);
    /* Two ways are tried at each depth, and the better one is built once more: not searched for. */
    assert_int_equal(n_built, (4 << DEPTH) - 1);
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
