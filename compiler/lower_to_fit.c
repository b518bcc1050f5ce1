/* Placement and lowering until the result fits KPU RAM.
 *
 * Which tensors are alive together is only known after planning. So the graph is lowered and planned on trial. Where a
 * map is too large for a layer, or too much is alive at once, the graph is cut into bands there (k210/bands.h), or a
 * map that waits is spilled; what cannot be helped that way is barred from the KPU, node by node from the peak on.
 * Every round makes less too large, or bars a node more, and with all of them barred nothing is left
 * in KPU RAM. */
#include "compiler/steps.h"

#include "compiler/ir/eval.h"
#include "compiler/k210/bands.h"
#include "compiler/k210/cost.h"
#include "kpu/layout.h"
#include "kpu/limits.h"

#include <math.h>
#include <string.h>

enum { N_CHOICES = 8, MAX_TRIES = 4, MAX_IN_VAIN = 4 };

/* A canonical graph lowered and planned. */
struct trial {
    struct graph *placed, *lowered;
    struct plan plan;
    int n_large;      /* nodes that bands might bring to the KPU */
    int64_t overflow; /* bytes that KPU RAM lacks */
};

static struct graph *lower(struct compilation *c, const struct graph *canonical, struct arena *a, struct graph **placed)
{
    struct graph *g = ncc_graph_copy(canonical, a, &c->diags);
    if (!ncc_k210_place(g, &c->k210, &c->scratch))
        return NULL;
    if (placed)
        *placed = ncc_graph_copy(g, a, &c->diags);
    if (!ncc_k210_lower(g, &c->k210, &c->scratch) || !ncc_k210_cpu_forms(g))
        return NULL;
    ncc_k210_widen_operands(g, &c->k210);
    return g;
}

/* ---- what is too large ---- */

static bool is_large(const struct node *n)
{
    const struct value *x = n->in[0], *y = n->out[0];
    const int *in = x->shape.dim, *out = y->shape.dim;
    if (in[2] > NCC_KPU_MAX_H || in[3] > NCC_KPU_MAX_W || out[2] > NCC_KPU_MAX_H || out[3] > NCC_KPU_MAX_W)
        return true;
    return 2 * ncc_kpu_bytes(in[1], in[2], in[3]) + ncc_kpu_bytes(out[1], out[2], out[3]) > NCC_KPU_RAM_SIZE;
}

/* Nodes of the canonical graph that are still there after lowering, since the KPU could not take them: by place. */
static bool *find_large(struct compilation *c, const struct graph *canonical, const struct graph *lowered, int *n)
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

static bool try(struct compilation *c, const struct graph *canonical, struct trial *t)
{
    const struct plan_options o = {.solve_seconds = c->options->solve_seconds, .kpu_limit = NCC_KPU_RAM_SIZE};
    t->lowered = lower(c, canonical, &c->scratch, &t->placed);
    if (!t->lowered || !ncc_plan_make(t->lowered, &o, &c->scratch, &t->plan))
        return false;
    find_large(c, canonical, t->lowered, &t->n_large);
    t->overflow = t->plan.kpu.peak > o.kpu_limit ? t->plan.kpu.peak - o.kpu_limit : 0;
    return true;
}

/* ---- the node at the peak ---- */

/* The step at which most bytes of KPU RAM are alive. */
static int peak_step(const struct plan *p, struct arena *a)
{
    int64_t *change = NCC_NEW(a, int64_t, p->n_steps + 2), live = 0, most = 0;
    for (int i = 0; i < p->buffers.n; i++) {
        const struct buffer *b = &p->buffers.v[i];
        if (b->mem != MEM_KPU)
            continue;
        change[b->birth] += b->size;
        change[b->death + 1] -= b->size;
    }
    int peak = 0;
    for (int i = 0; i < p->n_steps; i++) {
        live += change[i];
        if (live > most) {
            most = live;
            peak = i;
        }
    }
    return peak;
}

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

/* The origin of what stands at the peak, or NULL. */
static const char *peak_origin(struct compilation *c, const struct trial *t)
{
    const struct node *at = t->lowered->first;
    for (int i = peak_step(&t->plan, &c->scratch); i > 0 && at->next; i--)
        at = at->next;
    return origin_of(at);
}

static int64_t kpu_bytes(const struct value *v)
{
    const struct shape *s = &v->shape;
    return s->rank == 4 ? ncc_kpu_bytes(s->dim[1], s->dim[2], s->dim[3]) : 0;
}

static const char *what_does_not_fit(struct compilation *c, const struct node *n, const struct trial *t)
{
    const int64_t in = n->in[0] ? kpu_bytes(n->in[0]) : 0, out = kpu_bytes(n->out[0]);
    const int64_t others = t->plan.kpu.bound > in + out ? t->plan.kpu.bound - in - out : 0;
    return ncc_arena_printf(&c->arena,
                            "its layers and what else is alive do not fit the 2 MiB of KPU RAM together: input %lld "
                            "bytes there, result %lld, up to %lld more",
                            (long long)in, (long long)out, (long long)others);
}

/* Bars the canonical node behind the lowered node at the peak, else any that is still on the KPU. */
static bool bar_one(struct compilation *c, const struct trial *t)
{
    const char *origin = peak_origin(c, t);
    for (int strict = origin != NULL; strict >= 0; strict--) {
        const struct node *p = t->placed->first;
        for (struct node *n = c->graph->first; n; n = n->next, p = p->next) {
            const char *own = n->origin ? n->origin : n->name;
            if (n->barred || !p->on_kpu || (strict && !begins_with(origin, own)))
                continue;
            n->barred = true;
            n->reason = what_does_not_fit(c, n, t);
            return true;
        }
    }
    return false;
}

/* ---- bands ---- */

static bool is_better(const struct trial *a, const struct trial *b)
{
    return a->n_large != b->n_large ? a->n_large < b->n_large : a->overflow < b->overflow;
}

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

/* A graph in which less is too large, what came of it, and what it is estimated to take; none: graph is NULL. */
struct way {
    struct graph *graph;
    struct trial trial;
    double us;
    struct band_choice bands; /* n 0: none */
    int ranges;               /* of the channels of a run; 0: none */
    const char *first, *last; /* of the run: where they come from */
    const struct value *spilled;
};

static bool is_equal(const struct trial *a, const struct trial *b)
{
    return a->n_large == b->n_large && a->overflow == b->overflow;
}

/* Cuts the graph around the node at a place, in the fastest way that leaves less too large. When several change nothing
 * at all of what is too large, that lies elsewhere. */
static struct way cut_around(struct compilation *c, int place, const struct trial *now)
{
    struct band_choice choice[N_CHOICES];
    const int n = ncc_bands_choices(c->graph, place, &c->k210, &c->scratch, choice, N_CHOICES);
    int in_vain = 0;
    for (int i = 0; i < n && in_vain < MAX_IN_VAIN; i++) {
        struct trial t;
        const struct arena_mark before = ncc_arena_mark(&c->scratch);
        struct graph *g = ncc_graph_copy(c->graph, &c->scratch, &c->diags);
        ncc_bands_apply(g, &choice[i]);
        const bool good = try(c, g, &t);
        if (good && is_better(&t, now))
            return (struct way){.graph = g, .trial = t, .us = choice[i].us, .bands = choice[i]};
        in_vain += good && is_equal(&t, now);
        ncc_arena_rewind(&c->scratch, &before);
    }
    return (struct way){0};
}

/* ---- ranges of channels ---- */

enum { MORE_RANGES = 3 };

/* Cuts the channels of the run around the node at a place, into as few ranges as leave less too large. */
static struct way cut_channels(struct compilation *c, int place, const struct trial *now)
{
    for (int more = 0; more < MORE_RANGES; more++) {
        struct trial t;
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
        if (try(c, g, &t) && is_better(&t, now)) {
            w.trial = t;
            w.us = ncc_k210_placed_us(t.placed, &c->k210) + ncc_bands_weights_us(t.placed);
            return w;
        }
        ncc_arena_rewind(&c->scratch, &before);
    }
    return (struct way){0};
}

/* Tries the nodes that are too large, and the one at the peak. */
static struct way cut_somewhere(struct compilation *c, const struct trial *now)
{
    int n;
    const bool *large = find_large(c, c->graph, now->lowered, &n);
    const char *origin = now->overflow ? peak_origin(c, now) : NULL;
    struct way w = {0};
    int place = 0;
    int tries = 0; /* each takes a while */
    for (const struct node *k = c->graph->first; k && !w.graph && tries < MAX_TRIES; k = k->next, place++) {
        const bool at_peak = origin && begins_with(origin, k->origin ? k->origin : k->name) && ncc_bands_possible(k);
        if (!large[place] && !at_peak)
            continue;
        w = cut_around(c, place, now);
        const struct way r = cut_channels(c, place, now);
        if (r.graph && (!w.graph || r.us < w.us))
            w = r;
        tries++;
    }
    return w;
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

static int place_of(const struct graph *g, const char *origin)
{
    int place = 0;
    for (const struct node *k = g->first; k; k = k->next, place++)
        if (begins_with(origin, k->origin ? k->origin : k->name))
            return place;
    return -1;
}

/* The cheapest spill that makes everything fit, else the one that leaves least over. */
static struct way spill_something(struct compilation *c, const struct trial *now)
{
    const char *origin = peak_origin(c, now);
    const int place = origin ? place_of(c->graph, origin) : -1;
    struct value *waiting[MAX_SPILLS] = {0};
    const int n = place < 0 ? 0 : find_waiting(c, now, place, waiting);
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
        if (!try(c, g, &t) || !is_better(&t, &least)) {
            ncc_arena_rewind(&c->scratch, &before);
            continue;
        }
        least = t;
        best = (struct way){.graph = g, .trial = t, .us = ncc_k210_placed_us(t.placed, &c->k210), .spilled = waiting[i]};
    }
    return best;
}

/* ---- the loop ---- */

static void note_spill(struct compilation *c, const struct value *v)
{
    const int *d = v->shape.dim;
    const struct report_spill s = {ncc_arena_printf(&c->arena, "%s", v->name), ncc_kpu_bytes(d[1], d[2], d[3])};
    NCC_PUSH(&c->arena, &c->report.spills, s);
}

/* Bands or a spill, whichever is faster; *now is then what came of it. False: neither helps. */
static bool make_room(struct compilation *c, struct trial *now)
{
    if (c->k210.cpu_only || (!now->n_large && !now->overflow))
        return false;
    struct way w = cut_somewhere(c, now);
    if (now->overflow && !now->n_large) {
        const struct way s = spill_something(c, now);
        if (s.graph && (!w.graph || s.us < w.us))
            w = s;
    }
    if (!w.graph)
        return false;
    if (w.spilled)
        note_spill(c, w.spilled);
    else if (w.ranges)
        NCC_PUSH(&c->arena, &c->report.bands, ((struct report_bands){w.first, w.last, 1, 1, w.ranges}));
    else
        note_bands(c, &w.bands);
    c->graph = w.graph;
    *now = w.trial;
    return true;
}

static bool fit_kpu_ram(struct compilation *c, struct trial *t)
{
    do {
        if (!try(c, c->graph, t))
            return false;
        while (make_room(c, t))
            ;
    } while (t->overflow > 0 && bar_one(c, t));
    return true;
}

/* Where the board's RAM is short, once more without what takes some of it for the sake of speed. */
static bool fit_ram(struct compilation *c, struct trial *t)
{
    if (!fit_kpu_ram(c, t))
        return false;
    if (c->k210.short_of_ram || c->k210.cpu_only || !ncc_is_short_of_ram(c, t->lowered, &t->plan))
        return true;
    c->k210.short_of_ram = true;
    if (c->options->min_sqnr > 0)
        return true; /* nodes that must stay in floating point are told by their places in this graph */
    c->graph = ncc_graph_copy(c->canonical, &c->arena, &c->diags);
    c->report.bands.n = c->report.spills.n = 0;
    return ncc_k210_legalise(c->graph, &c->k210, &c->scratch) && fit_kpu_ram(c, t);
}

bool ncc_step_lower(struct compilation *c)
{
    const double macs = ncc_graph_macs(c->graph);
    struct trial t;
    if (!fit_ram(c, &t))
        return false;
    c->report.bands_extra = macs > 0 ? fmax(ncc_graph_macs(c->graph) / macs - 1, 0) : 0;
    c->graph = lower(c, c->graph, &c->arena, NULL);
    return c->graph != NULL;
}
