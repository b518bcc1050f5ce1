/* Ways to make room: bands of rows and columns, ranges of channels, spills. */
#include "compiler/make_room.h"

#include "compiler/k210/cost.h"
#include "kpu/layout.h"

enum { N_CHOICES = 8, MAX_IN_VAIN = 4 };

/* ---- bands ---- */

static const char *origin_or_name(struct compilation *c, const struct node *n)
{
    return ncc_arena_printf(&c->arena, "%s", n->origin ? n->origin : n->name);
}

static void note_bands(struct compilation *c, const struct band_choice *choice)
{
    const struct node *at = c->graph->first;
    struct report_bands b = {.rows = choice->rows, .cols = choice->cols};
    for (int place = 0; place <= choice->node[choice->n - 1]; place++, at = at->next) {
        if (place == choice->node[0])
            b.first = origin_or_name(c, at);
        if (place == choice->node[choice->n - 1])
            b.last = origin_or_name(c, at);
    }
    NCC_PUSH(&c->arena, &c->report.bands, b);
}

static bool is_equal(const struct trial *a, const struct trial *b)
{
    return a->n_large == b->n_large && a->overflow == b->overflow && a->need.excess == b->need.excess;
}

/* When several ways change nothing at all of what is too large, that lies elsewhere. */
struct way ncc_way_bands(struct compilation *c, int place, const struct trial *now, double below)
{
    struct band_choice choice[N_CHOICES];
    const int n = ncc_bands_choices(c->graph, place, &c->k210, &c->scratch, choice, N_CHOICES);
    struct way fewer = {0}; /* places, no more */
    int in_vain = 0;
    for (int i = 0; i < n && in_vain < MAX_IN_VAIN && choice[i].us < below; i++) {
        struct trial t;
        const struct arena_mark before = ncc_arena_mark(&c->scratch);
        struct graph *g = ncc_graph_copy(c->graph, &c->scratch, &c->diags);
        ncc_bands_apply(g, &choice[i]);
        const bool good = ncc_trial(c, g, &t);
        const struct way w = {.graph = g, .trial = t, .bands = choice[i]};
        if (good && ncc_trial_is_smaller(&t, now))
            return w;
        if (good && !fewer.graph && ncc_trial_is_better(&t, now)) {
            fewer = w;
            continue;
        }
        in_vain += good && is_equal(&t, now);
        ncc_arena_rewind(&c->scratch, &before);
    }
    return fewer;
}

/* ---- ranges of channels ---- */

enum { MORE_RANGES = 3 };

/* Into as few ranges as leave less too large. */
struct way ncc_way_ranges(struct compilation *c, int place, const struct trial *now)
{
    for (int more = 0; more < MORE_RANGES; more++) {
        const struct arena_mark before = ncc_arena_mark(&c->scratch);
        struct graph *g = ncc_graph_copy(c->graph, &c->scratch, &c->diags);
        const struct node *n = g->first;
        for (int i = 0; i < place; i++)
            n = n->next;
        struct channel_run run;
        const int least = ncc_bands_channel_run(g, n, &run) ? ncc_bands_channel_ranges(g, &run) : 0;
        if (!least)
            return (struct way){0};
        struct way w = {.graph = g, .ranges = least + more, .first = origin_or_name(c, run.first), .last = origin_or_name(c, run.last)};
        ncc_bands_cut_channels(g, &run, w.ranges);
        if (ncc_trial(c, g, &w.trial) && ncc_trial_is_better(&w.trial, now))
            return w;
        ncc_arena_rewind(&c->scratch, &before);
    }
    return (struct way){0};
}

/* ---- spills ---- */

enum { MAX_SPILLS = 12 };

/* Maps that wait in KPU RAM while the node at `place` runs, cheapest first. */
static int find_waiting(struct compilation *c, const struct trial *now, int place, struct value **out)
{
    double cost[MAX_SPILLS];
    int n = 0, at = 0;
    const struct node *p = now->placed->first;
    for (struct node *k = c->graph->first; k && at < place; k = k->next, p = p->next, at++) {
        struct value *v = k->out[0];
        if (!p->on_kpu || k->n_out != 1 || v->shape.rank != 4 || v->dtype != DT_F32)
            continue;
        bool later = false, here = false;
        int reader = 0;
        for (const struct node *r = c->graph->first; r; r = r->next, reader++)
            for (int i = 0; i < r->n_in; i++)
                if (r->in[i] == v) {
                    later |= reader > place;
                    here |= reader == place;
                }
        if (!later || here)
            continue;
        const double us = ncc_cost_download_us(v, c->k210.runtime) + ncc_cost_upload_us(v, c->k210.runtime);
        int to = n < MAX_SPILLS ? n++ : MAX_SPILLS - 1;
        if (to == MAX_SPILLS - 1 && n == MAX_SPILLS && out[to] && cost[to] <= us)
            continue;
        for (; to > 0 && cost[to - 1] > us; to--) {
            cost[to] = cost[to - 1];
            out[to] = out[to - 1];
        }
        cost[to] = us;
        out[to] = v;
    }
    return n;
}

struct way ncc_way_spill(struct compilation *c, int place, const struct trial *now)
{
    struct value *waiting[MAX_SPILLS] = {0};
    const int n = find_waiting(c, now, place, waiting);
    struct way best = {0};
    struct trial least = *now;
    for (int i = 0; i < n && (!best.graph || least.overflow > 0); i++) {
        struct trial t;
        const struct arena_mark before = ncc_arena_mark(&c->scratch);
        struct graph *g = ncc_graph_copy(c->graph, &c->scratch, &c->diags);
        struct value *v = NULL;
        for (const struct node *k = g->first; k; k = k->next)
            v = k->out[0]->id == waiting[i]->id ? k->out[0] : v;
        ncc_k210_spill(g, v, place);
        if (!ncc_trial(c, g, &t) || !ncc_trial_is_better(&t, &least)) {
            ncc_arena_rewind(&c->scratch, &before);
            continue;
        }
        least = t;
        best = (struct way){.graph = g, .trial = t, .spilled = waiting[i]};
    }
    return best;
}

/* ---- all ---- */

struct way ncc_way_quicker(struct way a, struct way b, const struct trial *now)
{
    if (a.graph && b.graph && ncc_trial_is_smaller(&a.trial, now) != ncc_trial_is_smaller(&b.trial, now))
        return ncc_trial_is_smaller(&a.trial, now) ? a : b;
    return b.graph && (!a.graph || b.trial.us < a.trial.us) ? b : a;
}

static void note_spill(struct compilation *c, const struct value *v)
{
    const int *d = v->shape.dim;
    const struct report_spill s = {ncc_arena_printf(&c->arena, "%s", v->name), ncc_kpu_bytes(d[1], d[2], d[3])};
    NCC_PUSH(&c->arena, &c->report.spills, s);
}

void ncc_way_note(struct compilation *c, const struct way *w)
{
    if (w->spilled)
        note_spill(c, w->spilled);
    else if (w->ranges)
        NCC_PUSH(&c->arena, &c->report.bands, ((struct report_bands){w->first, w->last, 1, 1, w->ranges}));
    else
        note_bands(c, &w->bands);
}
