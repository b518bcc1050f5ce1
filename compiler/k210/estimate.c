/* What nodes cost on the KPU: found by lowering a copy of the graph in which everything that breaks no rule is there,
 * and adding up the layers that came of each node. So the estimate knows whatever lowering knows: shifted copies,
 * growth by channel groups, chains of pools, and what rides in a layer for nothing.
 */
#include "compiler/k210/cost.h"
#include "compiler/k210/lower.h"
#include "compiler/k210/rules.h"

#include <math.h>

/* An identity with a mean pool moves into the layer before it when layers become integers. */
static bool will_be_joined(const struct graph *g, const struct node *n)
{
    const struct kpu_conv_attrs *a = n->attrs;
    const struct node *before = n->in[0]->def;
    if (!a->tied || a->kernel != 1 || !before || before->op != OP_kpu_conv || ncc_value_only_use(g, n->in[0]) != n)
        return false;
    const struct kpu_conv_attrs *b = before->attrs;
    return !b->depthwise && !b->pool && !b->copy;
}

double ncc_lower_layer_us(const struct lowering *l, const struct node *n)
{
    if (n->op != OP_kpu_conv || will_be_joined(l->g, n))
        return 0;
    return ncc_cost_layer_us(n, l->options->runtime);
}

static void force(struct graph *g)
{
    char found[120];
    for (struct node *n = g->first; n; n = n->next)
        n->on_kpu = !n->barred && !ncc_k210_rule_broken(n, found);
}

/* By id of a canonical node's first output; the last: what outputs take. */
static double *costs_by_id(const struct lowering *l, struct arena *scratch)
{
    double *us = NCC_NEW(scratch, double, l->n_forms + 1);
    int *owner = NCC_NEW(scratch, int, l->g->next_id);
    for (int i = 0; i <= l->n_forms; i++) {
        us[i] = l->spans[i].detour_us;
        for (int k = l->spans[i].first; k < l->spans[i].end; k++)
            owner[k] = i;
    }
    for (const struct node *n = l->g->first; n; n = n->next)
        us[owner[n->out[0]->id]] += ncc_lower_layer_us(l, n);
    return us;
}

/* A copy of the graph, lowered. */
struct trial {
    struct lowering l;
    const struct node **node; /* of the copy, by id of its first output */
};

static struct trial lowered(const struct graph *g, const struct k210_options *options, struct arena *scratch, bool all,
                            bool margins)
{
    struct diags *quiet = NCC_NEW(scratch, struct diags, 1);
    ncc_diag_init(quiet, scratch);
    struct graph *copy = ncc_graph_copy(g, scratch, quiet);
    struct trial t = {.node = NCC_NEW(scratch, const struct node *, g->next_id)};
    if (all)
        force(copy);
    for (const struct node *n = copy->first; n; n = n->next)
        t.node[n->out[0]->id] = n;
    t.l = (struct lowering){.g = copy, .options = options, .trying = 1, .no_margins = !margins};
    ncc_lower_walk(&t.l, scratch);
    return t;
}

/* With margins where they pay on the whole. */
static struct trial best(const struct graph *g, const struct k210_options *options, struct arena *scratch, bool all)
{
    const struct trial with = lowered(g, options, scratch, all, true);
    if (!with.l.made_margin)
        return with;
    const struct trial without = lowered(g, options, scratch, all, false);
    return ncc_lower_walked_us(&with.l) < ncc_lower_walked_us(&without.l) ? with : without;
}

bool ncc_lower_margins_pay(const struct graph *g, const struct k210_options *options, struct arena *scratch)
{
    return best(g, options, scratch, false).l.made_margin;
}

void ncc_k210_estimate(struct graph *g, const struct k210_options *options, struct arena *scratch)
{
    const struct trial t = best(g, options, scratch, true);
    const double *us = costs_by_id(&t.l, scratch);
    for (struct node *n = g->first; n; n = n->next) {
        const int id = n->out[0]->id;
        n->kpu_us = t.node[id]->on_kpu ? us[id] : INFINITY;
        if (!n->barred)
            n->reason = t.node[id]->on_kpu ? NULL : t.node[id]->reason;
    }
}
