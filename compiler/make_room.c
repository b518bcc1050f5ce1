/* One round: first for a node whose maps are too large for any layer, then for what stands at the peak of KPU RAM. */
#include "compiler/make_room.h"

#include <math.h>

enum { MAX_TRIES = 4 }; /* each takes a while */

/* What takes at most that much longer than the graph that does not fit is good enough: nothing is quicker than that, and
 * finding out what comes nearer takes most of the time of compiling. */
#define SMALL 0.002

/* What another way must take less than. */
static double below(const struct way *w, const struct trial *now)
{
    return w->graph && ncc_trial_is_smaller(&w->trial, now) ? w->trial.us : INFINITY;
}

static struct way cut_at(struct compilation *c, int place, const struct trial *now)
{
    const struct way ranges = ncc_way_ranges(c, place, now);
    return ncc_way_quicker(ranges, ncc_way_bands(c, place, now, below(&ranges, now)), now);
}

/* ---- what is too large ---- */

static bool is_hopeless(const struct hopeless *h, const struct node *n)
{
    for (int i = 0; i < h->n; i++)
        if (h->v[i] == n->out[0]->id)
            return true;
    return false;
}

static struct way cut_large(struct compilation *c, struct hopeless *hopeless, const struct trial *now)
{
    int n, place = 0, tries = 0;
    const bool *large = ncc_trial_large(c, c->graph, now->lowered, &n);
    struct way w = {0};
    for (const struct node *k = c->graph->first; k && !w.graph && tries < MAX_TRIES; k = k->next, place++) {
        if (!large[place] || is_hopeless(hopeless, k))
            continue;
        w = cut_at(c, place, now);
        tries++;
        if (!w.graph)
            NCC_PUSH(&c->arena, hopeless, k->out[0]->id);
    }
    return w;
}

/* ---- the peak ---- */

static int peak_place(const struct graph *g, const struct trial *now)
{
    int place = 0;
    for (const struct node *k = g->first; k; k = k->next, place++)
        if (ncc_trial_at_peak(now, k))
            return place;
    return -1;
}

static const struct node *node_at(const struct graph *g, int place)
{
    const struct node *n = g->first;
    while (place-- > 0)
        n = n->next;
    return n;
}

/* What waits at the peak, or the way to it. */
static struct way cut_waiting(struct compilation *c, const struct trial *now)
{
    struct way w = {0};
    int place = 0, tries = 0;
    for (const struct node *k = c->graph->first; k && !w.graph && tries < MAX_TRIES; k = k->next, place++) {
        if (ncc_trial_at_peak(now, k) || !ncc_bands_possible(k) || !ncc_trial_holds(now, k))
            continue;
        w = cut_at(c, place, now);
        tries++;
    }
    return w;
}

static bool is_good_enough(const struct way *w, const struct trial *now)
{
    return w->graph && w->trial.us <= now->us * (1 + SMALL);
}

/* What takes longest to find comes last. */
static struct way relieve_peak(struct compilation *c, const struct trial *now)
{
    const int place = peak_place(c->graph, now);
    if (place < 0)
        return (struct way){0};
    const bool can_cut = ncc_bands_possible(node_at(c->graph, place));
    struct way w = can_cut ? ncc_way_ranges(c, place, now) : (struct way){0};
    if (!is_good_enough(&w, now))
        w = ncc_way_quicker(w, ncc_way_spill(c, place, now), now);
    if (can_cut && !is_good_enough(&w, now))
        w = ncc_way_quicker(w, ncc_way_bands(c, place, now, below(&w, now)), now);
    return w.graph ? w : cut_waiting(c, now);
}

bool ncc_make_room(struct compilation *c, struct hopeless *hopeless, struct trial *now)
{
    if (c->k210.cpu_only)
        return false;
    struct way w = now->n_large ? cut_large(c, hopeless, now) : (struct way){0};
    if (!w.graph && now->overflow)
        w = relieve_peak(c, now);
    if (!w.graph)
        return false;
    ncc_way_note(c, &w);
    c->graph = w.graph;
    *now = w.trial;
    return true;
}
