/* The greater or smaller of two maps: the KPU compares with nothing but zero, in its activation. So
 *
 *     maximum(x, y) = x + relu(y - x)        minimum(x, y) = x - relu(x - y)
 *
 * which are two sums, that is two layers. */
#include "compiler/k210/legalise.h"
#include "compiler/pass/match.h"

static struct value *as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_op(g, n->op, n->name, n->attrs, x, 2);
}

static struct value *as_sums(struct graph *g, const struct node *n, struct value *const *x)
{
    const bool is_max = n->op == OP_maximum;
    struct value *more = is_max ? x[1] : x[0], *less = is_max ? x[0] : x[1];
    struct value *d = NCC_OP(g, OP_sub, ncc_name(g, n->name, "difference"), NULL, more, less);
    d = d ? NCC_OP(g, OP_relu, ncc_name(g, n->name, "excess"), NULL, d) : NULL;
    return d ? NCC_OP(g, is_max ? OP_add : OP_sub, n->name, NULL, x[0], d) : NULL;
}

/* What the excess reaches follows from what both maps reach, where that is known without samples. */
static void know_excess(const struct node *n, const struct value *sum)
{
    const struct range *x = &n->in[0]->range, *y = &n->in[1]->range;
    const float most = n->op == OP_maximum ? y->hi - x->lo : x->hi - y->lo;
    if (x->known && y->known && most > 0)
        sum->def->in[1]->range = (struct range){true, 0, most};
}

bool ncc_legal_extreme(const struct legaliser *l, struct node *n)
{
    for (int i = 0; i < 2; i++)
        if (ncc_is_const(n->in[i]) || n->in[i]->shape.rank != 4 || !ncc_shape_equal(n->in[i]->shape, n->out[0]->shape))
            return false;
    if (ncc_legal_us(l, n, n->in, 2, as_sums) >= ncc_legal_us(l, n, n->in, 2, as_is))
        return false;
    struct value *y = as_sums(l->g, n, n->in);
    know_excess(n, y);
    return ncc_match_become(l->g, n, y, NULL);
}
