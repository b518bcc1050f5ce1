/* What a piece of graph would take: built in a graph of its own, placed, and added up. */
#include "compiler/k210/cost.h"
#include "compiler/k210/legalise.h"
#include "compiler/k210/rules.h"

#include <math.h>

/* What stands around the piece is taken to be on the KPU (`inputs_on_kpu`). */
static double copies_us(const struct legaliser *l, const struct value *v)
{
    const bool made_on_kpu = v->def ? v->def->on_kpu : v->shape.rank == 4;
    bool kpu_reads = false, cpu_reads = false;
    for (const struct use *u = v->uses; u; u = u->next) {
        kpu_reads |= u->node->on_kpu;
        cpu_reads |= !u->node->on_kpu;
    }
    const enum ncc_kpu_runtime runtime = l->options->runtime;
    return (made_on_kpu && cpu_reads ? ncc_cost_download_us(v, runtime) : 0) +
           (!made_on_kpu && kpu_reads ? ncc_cost_upload_us(v, runtime) : 0);
}

/* Is the result of n, functions behind it included, read by the CPU alone? */
static bool leaves(const struct graph *g, const struct node *n)
{
    struct unaries u;
    const struct value *end = ncc_legal_unaries(g, n->out[0], &u);
    for (const struct use *use = end->uses; use; use = use->next)
        if (ncc_k210_rules(use->node->op))
            return false;
    return true;
}

double ncc_legal_us(const struct legaliser *l, const struct node *n, struct value *const *from, int n_from,
                    legal_form *form)
{
    struct diags quiet;
    ncc_diag_init(&quiet, l->scratch);
    struct graph *g = ncc_graph_new(l->scratch, &quiet, NULL);
    struct value **in = NCC_NEW(l->scratch, struct value *, n_from);
    for (int i = 0; i < n_from; i++) {
        for (int j = 0; j < i; j++)
            in[i] = from[i] == from[j] ? in[j] : in[i];
        if (!in[i])
            in[i] = ncc_graph_input(g, from[i]->name, from[i]->dtype, from[i]->shape);
    }
    struct value *y = form(g, n, in);
    if (!y)
        return INFINITY;
    ncc_graph_output(g, y, "y");
    struct k210_options o = *l->options;
    o.inputs_on_kpu = true;
    if (!ncc_k210_place(g, &o, l->scratch))
        return INFINITY;
    double us = 0;
    for (int i = 0; i < g->inputs.n; i++)
        us += copies_us(l, g->inputs.v[i]);
    for (const struct node *k = g->first; k; k = k->next) {
        us += k->on_kpu ? k->kpu_us : ncc_cost_cpu_us(k, l->options->runtime);
        us += copies_us(l, k->out[0]);
        for (int i = 0; i < k->n_in; i++)
            us += ncc_is_const(k->in[i]) ? NCC_LEGAL_US_PER_WEIGHT * (double)ncc_shape_count(k->in[i]->shape) : 0;
    }
    if (!y->def || y->shape.rank != 4)
        return us;
    if (leaves(l->g, n))
        return us + (y->def->on_kpu ? ncc_cost_download_us(y, l->options->runtime) : 0);
    return us + (y->def->on_kpu ? 0 : ncc_cost_upload_us(y, l->options->runtime));
}

struct value *ncc_legal_again(struct graph *g, const struct node *n, struct value *x)
{
    struct value *in[3] = {x};
    for (int i = 1; i < n->n_in; i++)
        in[i] = ncc_legal_const(g, n->in[i]);
    struct value *y = ncc_op(g, n->op, n->name, n->attrs, in, n->n_in);
    if (y)
        y->def->origin = n->origin ? n->origin : n->name;
    return y;
}

struct value *ncc_legal_const(struct graph *g, const struct value *v)
{
    return v ? ncc_const(g, v->name, v->dtype, v->shape, v->data) : NULL;
}
