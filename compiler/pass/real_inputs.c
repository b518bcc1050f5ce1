/* An image model often begins with a cast of bytes: such an input is one of real numbers that happen to be whole. */
#include "compiler/pass/pass.h"

#include "compiler/ir/element.h"

/* A node whose result has its first input's elements and no others. */
static bool only_moves(const struct node *n)
{
    return ncc_op_desc(n->op)->flags & OP_SAME_QUANT && n->n_in == 1 && n->n_out == 1;
}

static bool is_cast_to_real(const struct use *u)
{
    return u->node->op == OP_cast && u->node->out[0]->dtype == DT_F32;
}

static bool is_output(const struct graph *g, const struct value *v)
{
    for (int i = 0; i < g->outputs.n; i++)
        if (g->outputs.v[i].value == v)
            return true;
    return false;
}

/* Is v, or what moves of it, read by nothing but casts to real numbers? */
static bool is_read_as_real(const struct graph *g, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (!is_cast_to_real(u) && !(only_moves(u->node) && is_read_as_real(g, u->node->out[0])))
            return false;
    return v->uses && !is_output(g, v);
}

static void make_real(struct graph *g, struct value *v)
{
    v->dtype = DT_F32;
    for (struct use *u = v->uses; u; u = u->next)
        if (!is_cast_to_real(u))
            make_real(g, u->node->out[0]);
    for (struct use *u = v->uses, *next; u; u = next) { /* last, since they bring v new uses */
        next = u->next;
        if (is_cast_to_real(u))
            ncc_value_replace(g, u->node->out[0], v);
    }
}

void ncc_pass_real_inputs(struct graph *g)
{
    for (int i = 0; i < g->inputs.n; i++) {
        struct value *v = g->inputs.v[i];
        const enum dtype was = v->dtype;
        if (ncc_element_is_float(was) || !is_read_as_real(g, v))
            continue;
        make_real(g, v);
        if (was == DT_U8 || was == DT_I8)
            v->range = was == DT_U8 ? (struct range){true, 0, 255} : (struct range){true, -128, 127};
    }
    ncc_graph_sweep(g);
}
