/* A graph on trial: lowered, with what it needs of KPU RAM, and who is to blame. */
#include "compiler/make_room.h"

#include "compiler/k210/cost.h"
#include "kpu/layout.h"
#include "kpu/limits.h"

#include <string.h>

/* ---- what is too large ---- */

static bool is_large(const struct node *n)
{
    const struct value *x = n->in[0], *y = n->out[0];
    const int *in = x->shape.dim, *out = y->shape.dim;
    if (in[2] > NCC_KPU_MAX_H || in[3] > NCC_KPU_MAX_W || out[2] > NCC_KPU_MAX_H || out[3] > NCC_KPU_MAX_W)
        return true;
    return 2 * ncc_kpu_bytes(in[1], in[2], in[3]) + ncc_kpu_bytes(out[1], out[2], out[3]) > NCC_KPU_RAM_SIZE;
}

bool *ncc_trial_large(struct compilation *c, const struct graph *canonical, const struct graph *lowered, int *n)
{
    bool *there = NCC_NEW(&c->scratch, bool, lowered->next_id);
    for (const struct node *k = lowered->first; k; k = k->next)
        if (!(ncc_op_desc(k->op)->flags & OP_KPU))
            there[k->out[0]->id] = true;
    bool *large = NCC_NEW(&c->scratch, bool, ncc_graph_n_nodes(canonical));
    int place = 0;
    *n = 0;
    for (const struct node *k = canonical->first; k; k = k->next, place++) {
        large[place] = there[k->out[0]->id] && ncc_bands_possible(k) && !k->in[0]->data && is_large(k);
        *n += large[place];
    }
    return large;
}

bool ncc_trial(struct compilation *c, const struct graph *canonical, struct trial *t)
{
    const struct plan_options o = {.solve_seconds = c->options->solve_seconds, .kpu_limit = NCC_KPU_RAM_SIZE};
    struct k210_options on_trial = c->k210;
    on_trial.on_trial = true;
    t->placed = ncc_graph_copy(canonical, &c->scratch, &c->diags);
    if (!ncc_k210_place(t->placed, &c->k210, &c->scratch))
        return false;
    t->lowered = ncc_graph_copy(t->placed, &c->scratch, &c->diags);
    if (!ncc_lower_placed(t->lowered, &on_trial, &c->scratch) ||
        !ncc_plan_need(t->lowered, &o, &c->scratch, &t->need))
        return false;
    ncc_trial_large(c, canonical, t->lowered, &t->n_large);
    t->overflow = t->need.peak > o.kpu_limit ? t->need.peak - o.kpu_limit : 0;
    t->us = ncc_k210_placed_us(t->placed, &c->k210) + ncc_bands_weights_us(t->placed);
    return true;
}

bool ncc_trial_is_smaller(const struct trial *a, const struct trial *b)
{
    return a->n_large != b->n_large ? a->n_large < b->n_large : a->overflow < b->overflow;
}

bool ncc_trial_is_better(const struct trial *a, const struct trial *b)
{
    if (a->n_large != b->n_large)
        return a->n_large < b->n_large;
    return a->overflow != b->overflow ? a->overflow < b->overflow : a->need.excess < b->need.excess;
}

/* ---- the node at the peak ---- */

/* A lowered node's place in the source: its own, or that of what it prepares. */
static const char *origin_of(const struct node *n)
{
    while (n && !n->origin)
        n = n->out[0]->uses ? n->out[0]->uses->node : NULL;
    return n ? n->origin : NULL;
}

/* Is `name` the first in a comma separated list? Names may hold commas themselves only after the first. */
static bool begins_with(const char *list, const char *name)
{
    const size_t n = strlen(name);
    return !strncmp(list, name, n) && (list[n] == 0 || list[n] == ',');
}

static bool shares_origin(const struct trial *t, const struct node *n)
{
    const char *origin = origin_of(t->need.at);
    return origin && begins_with(origin, n->origin ? n->origin : n->name);
}

bool ncc_trial_at_peak(const struct trial *t, const struct node *n)
{
    const int made_for = t->need.at ? t->need.at->made_for : 0;
    return made_for ? made_for == 1 + n->out[0]->id : shares_origin(t, n);
}

bool ncc_trial_holds(const struct trial *t, const struct node *n)
{
    for (const struct node *k = t->lowered->first; k; k = k->next)
        if (k->made_for == 1 + n->out[0]->id && t->need.alive[k->out[0]->id])
            return true;
    return false;
}
