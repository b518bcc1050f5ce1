#include "compiler/import/folding.h"
#include "compiler/ir/eval.h"

static bool is_foldable(const struct node *n)
{
    int n_const = 0;
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] && !ncc_is_const(n->in[i]))
            return false;
        n_const += n->in[i] != NULL;
    }
    return n_const > 0;
}

/* What folding would cost, in elements touched. */
static int64_t fold_cost(const struct node *n)
{
    const struct op_desc *desc = ncc_op_desc(n->op);
    int64_t cost = desc->macs ? (int64_t)desc->macs(n) : 0;
    for (int i = 0; i < n->n_in; i++)
        cost += n->in[i] ? ncc_shape_count(n->in[i]->shape) : 0;
    for (int i = 0; i < n->n_out; i++)
        cost += ncc_shape_count(n->out[i]->shape);
    return cost;
}

/* Folds where it is cheap enough, and makes n->out what stands for the results then. Being outputs of the graph for
 * a moment shows which values those are. */
static void fold(struct graph *g, struct node *n, int64_t *budget)
{
    if (!is_foldable(n) || fold_cost(n) > *budget)
        return;
    *budget -= fold_cost(n);
    const int first = g->outputs.n;
    for (int i = 0; i < n->n_out; i++)
        ncc_graph_output(g, n->out[i], n->out[i]->name);
    ncc_eval_fold(g, n);
    for (int i = 0; i < n->n_out; i++)
        n->out[i] = g->outputs.v[first + i].value;
    g->outputs.n = first;
}

struct node *ncc_import_node(struct graph *g, int64_t *budget, enum op op, const char *name, const char *origin,
                             const void *attrs, struct value *const *in, int n_in)
{
    struct node *n = ncc_node_new(g, op, name, attrs, in, n_in);
    if (!n)
        return NULL;
    n->origin = origin;
    fold(g, n, budget);
    return n;
}
