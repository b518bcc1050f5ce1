/* Which nodes compute on codes, in the fixed point of the model's own kernels.
 *
 *     x --> fake_quant --> [moves] --> conv2d --> [clamps, moves] --> fake_quant --> y
 *           codes of x                 here                           codes of y
 *
 * Codes come from a fake_quant whose model computes in fixed point, or are those that a constant was made of (its
 * quant); what moves elements leaves them alone. The result is rounded and limited as the fake_quant behind it and the
 * clamps between (a fused activation) demand; these then have nothing left to do and are evaluated as ever. */
#include "compiler/ir/eval_node.h"

#include <math.h>

static bool only_moves(const struct node *n)
{
    return (ncc_op_desc(n->op)->flags & OP_SAME_QUANT) && n->n_in == 1 && n->n_out == 1;
}

static bool grid_of(const struct node *n, struct grid *g)
{
    const struct op_desc *desc = ncc_op_desc(n->op);
    return desc->grid && desc->grid(n, g);
}

/* Of an operand. A pair per channel is the operator's business. */
static void find_grid(const struct value *v, struct grid *g)
{
    while (v && v->def && only_moves(v->def) && !v->data)
        v = v->def->in[0];
    if (ncc_is_const(v) && v->quant.n_channels == 1)
        *g = (struct grid){.scale = (float)v->quant.scale[0], .zero = (int)v->quant.zero_point[0]};
    else if (v && v->def)
        grid_of(v->def, g);
}

bool ncc_eval_has_codes(const struct graph *g)
{
    struct grid ignored;
    for (const struct node *n = g->first; n; n = n->next)
        if (grid_of(n, &ignored))
            return true;
    return false;
}

/* ---- the result ---- */

struct limits {
    float low, high;
};

static void limit(struct limits *l, const struct node *clamp)
{
    const struct op_desc *desc = ncc_op_desc(clamp->op);
    l->low = fmaxf(l->low, desc->scalar(clamp->attrs, -INFINITY));
    l->high = fminf(l->high, desc->scalar(clamp->attrs, INFINITY));
}

static int code_of(struct grid g, float x, int if_beyond)
{
    const float q = (float)g.zero + roundf(x / g.scale);
    return q > (float)g.qmin && q < (float)g.qmax ? (int)q : if_beyond;
}

/* Follows the only way from n to a fake_quant. */
static bool find_result(const struct graph *g, const struct node *n, struct code_args *c)
{
    struct limits l = {-INFINITY, INFINITY};
    if (grid_of(n, &c->out)) { /* n itself: requantisation */
        c->low = c->out.qmin, c->high = c->out.qmax;
        return true;
    }
    for (const struct node *at = n; at;) {
        if (at != n && grid_of(at, &c->out)) {
            c->low = code_of(c->out, l.low, l.low > 0 ? c->out.qmax : c->out.qmin);
            c->high = code_of(c->out, l.high, l.high < 0 ? c->out.qmin : c->out.qmax);
            return true;
        }
        const bool clamps = ncc_op_desc(at->op)->flags & OP_CLAMP;
        if ((at != n && !clamps && !only_moves(at)) || at->n_out != 1)
            return false;
        if (clamps)
            limit(&l, at);
        at = ncc_value_only_use(g, at->out[0]);
    }
    return false;
}

bool ncc_eval_find_codes(const struct graph *g, const struct node *n, struct code_args *c)
{
    *c = (struct code_args){0};
    if (!ncc_op_desc(n->op)->eval_codes || !find_result(g, n, c))
        return false;
    for (int i = 0; i < n->n_in && i < NCC_MAX_GRIDS; i++)
        find_grid(n->in[i], &c->in[i]);
    return true;
}
