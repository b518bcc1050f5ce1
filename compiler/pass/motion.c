/* motion: the hardware applies the activation before it pools, so `conv, max_pool, relu` is
 * turned into `conv, relu, max_pool`: with functions that never decrease it means the same,
 * and all three become one layer.
 */
#include "compiler/pass/match.h"
#include "compiler/pass/passes.h"
#include "compiler/pass/rewrite.h"

static bool never_decreases(const struct node *n)
{
    if (n->op == OP_leaky_relu)
        return ((const struct leaky_relu_attrs *)n->attrs)->alpha >= 0;
    if (n->op == OP_elu)
        return ((const struct elu_attrs *)n->attrs)->alpha >= 0;
    if (n->op == OP_log || n->op == OP_sqrt) /* not numbers below zero, which a pool may drop or keep */
        return false;
    return ncc_op_desc(n->op)->flags & OP_MONOTONE;
}

#define MAX_BETWEEN 16

/* Whether the function would meet a convolution, through pools and other functions that only
 * this branch uses. Elsewhere it would just have more elements to work on. */
static bool reaches_conv(const struct graph *g, const struct value *v)
{
    for (int i = 0; i < MAX_BETWEEN && v->def && ncc_value_only_use(g, v); i++) {
        const struct node *d = v->def;
        if (d->op == OP_conv2d || d->op == OP_conv2d_transpose)
            return true;
        if (d->op != OP_max_pool && !(ncc_op_desc(d->op)->flags & OP_UNARY))
            return false;
        v = d->in[0];
    }
    return false;
}

/* What is known of the result's range holds for all that is pooled if the pool's input has a known range. */
static void note_range(struct value *v, const struct node *n, const struct value *from)
{
    const struct op_desc *desc = ncc_op_desc(n->op);
    if (from->range.known)
        v->range = (struct range){true, desc->scalar(n->attrs, from->range.lo), desc->scalar(n->attrs, from->range.hi)};
}

static bool raise_above_pool(struct graph *g, struct node *n)
{
    if (!(ncc_op_desc(n->op)->flags & OP_UNARY) || !never_decreases(n))
        return false;
    const struct node *pool = ncc_match_only(g, n->in[0], OP_max_pool);
    if (!pool || !reaches_conv(g, pool->in[0]))
        return false;
    struct value *act = ncc_match_again_1(g, n, pool->in[0]);
    if (!act)
        return false;
    note_range(act, n, pool->in[0]);
    return ncc_match_replace(g, n, ncc_match_again_1(g, pool, act));
}

bool ncc_pass_motion(struct graph *g, struct arena *scratch)
{
    static const struct rewrite set[] = {{"raise_above_pool", ANY_OP, raise_above_pool}};
    (void)scratch;
    return ncc_rewrite_run(g, set, NCC_COUNT(set));
}
