/* The rewriting driver: rounds over the node list until one changes nothing.
 *
 * A round walks in the order of execution, so that a change which moves something downwards
 * is met again by the next node, and one round carries it as far as it goes. What a rewrite
 * leaves unused is removed at once: it would still count as a use, and rewrites that ask for
 * an only use would have to wait for the next round.
 */
#include "compiler/pass/rewrite.h"

#define MAX_ROUNDS 1000

/* Holds for removed nodes too, whatever their old links say. */
static bool is_linked(const struct graph *g, const struct node *n)
{
    return n->prev ? n->prev->next == n : g->first == n;
}

static bool is_dead(const struct graph *g, const struct node *n)
{
    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i]->uses || ncc_value_is_output(g, n->out[i]))
            return false;
    }
    return true;
}

/* Removes n when nobody needs it, and then what only n needed. Chains may be long: the first
 * input is followed by the loop, only the others by recursion. */
static void bury(struct graph *g, struct node *n)
{
    while (n && is_linked(g, n) && is_dead(g, n)) {
        ncc_node_remove(g, n);
        for (int i = 1; i < n->n_in; i++) {
            if (n->in[i] && n->in[i]->def)
                bury(g, n->in[i]->def);
        }
        n = n->n_in > 0 && n->in[0] ? n->in[0]->def : NULL;
    }
}

/* The rewrite that changed something at n, or NULL. */
static const struct rewrite *offer(struct graph *g, struct node *n, const struct rewrite *set, int n_set)
{
    for (int i = 0; i < n_set; i++) {
        if (set[i].root != ANY_OP && set[i].root != n->op)
            continue;
        g->cursor = n;
        if (set[i].apply(g, n))
            return &set[i];
    }
    return NULL;
}

/* The last rewrite that changed something in this round, or NULL. */
static const struct rewrite *run_round(struct graph *g, const struct rewrite *set, int n_set)
{
    const struct rewrite *last = NULL;
    struct node *next;
    for (struct node *n = g->first; n; n = next) {
        next = n->next;
        const struct rewrite *r = is_dead(g, n) ? NULL : offer(g, n, set, n_set);
        last = r ? r : last;
        bury(g, n);
        if (next && !is_linked(g, next)) /* the rewrite removed it; the next round sees the rest */
            next = is_linked(g, n) ? n->next : NULL;
    }
    return last;
}

bool ncc_rewrite_run(struct graph *g, const struct rewrite *set, int n)
{
    const int n_errors = g->diags->n_errors;
    const struct rewrite *last = NULL;
    ncc_graph_sweep(g);
    for (int round = 0; round < MAX_ROUNDS; round++) {
        last = run_round(g, set, n);
        g->cursor = NULL;
        ncc_graph_sweep(g);
        if (!last || g->diags->n_errors > n_errors)
            return g->diags->n_errors == n_errors;
    }
    ncc_diag_error(g->diags, FAULT_INTERNAL, (struct place){.file = g->file}, "rewriting must come to an end", NULL,
                   "rewrite '%s' still changes the graph after %d rounds", last->name, MAX_ROUNDS);
    return false;
}
