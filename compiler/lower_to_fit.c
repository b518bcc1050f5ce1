/* Placement and lowering until the result fits KPU RAM.
 *
 * Which tensors are alive together is only known after planning. So the graph is lowered and planned on trial. Where a
 * map is too large for a layer, or too much is alive at once, the graph is cut into bands there (k210/bands.h); what
 * cannot be helped that way is barred from the KPU, node by node from the peak on. Every round makes less too large,
 * or bars a node more, and with all of them barred nothing is left in KPU RAM.
 */
#include "compiler/steps.h"

#include "compiler/ir/eval.h"
#include "compiler/k210/bands.h"
#include "kpu/layout.h"
#include "kpu/limits.h"

#include <string.h>

enum { N_CHOICES = 8 };

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
    return ncc_k210_lower(g, &c->k210, &c->scratch) && ncc_k210_cpu_forms(g) ? g : NULL;
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
            n->reason = "its layers and what else is alive do not fit the 2 MiB of KPU RAM together";
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

static void note(struct compilation *c, const struct band_choice *choice)
{
    const struct node *at = c->graph->first;
    struct report_bands b = {.rows = choice->rows, .cols = choice->cols};
    for (int place = 0; place <= choice->node[choice->n - 1]; place++, at = at->next) {
        if (place == choice->node[0])
            b.first = ncc_arena_printf(&c->arena, "%s", at->origin ? at->origin : at->name);
        if (place == choice->node[choice->n - 1])
            b.last = ncc_arena_printf(&c->arena, "%s", at->origin ? at->origin : at->name);
    }
    NCC_PUSH(&c->arena, &c->report.bands, b);
}

/* Cuts the graph around the node at a place, in the fastest way that leaves less too large. */
static bool cut_around(struct compilation *c, int place, const struct trial *now)
{
    struct band_choice choice[N_CHOICES];
    const int n = ncc_bands_choices(c->graph, place, &c->k210, &c->scratch, choice, N_CHOICES);
    for (int i = 0; i < n; i++) {
        struct trial t;
        const struct arena_mark before = ncc_arena_mark(&c->scratch);
        struct graph *g = ncc_graph_copy(c->graph, &c->scratch, &c->diags);
        ncc_bands_apply(g, &choice[i]);
        if (!try(c, g, &t) || !is_better(&t, now)) {
            ncc_arena_rewind(&c->scratch, &before);
            continue;
        }
        note(c, &choice[i]);
        c->graph = g;
        return true;
    }
    return false;
}

/* Tries the nodes that are too large, and the one at the peak. */
static bool cut_somewhere(struct compilation *c, const struct trial *now)
{
    int n;
    const bool *large = find_large(c, c->graph, now->lowered, &n);
    const char *origin = now->overflow ? peak_origin(c, now) : NULL;
    int place = 0;
    for (const struct node *k = c->graph->first; k; k = k->next, place++) {
        const bool at_peak = origin && begins_with(origin, k->origin ? k->origin : k->name) && ncc_bands_possible(k);
        if ((large[place] || at_peak) && cut_around(c, place, now))
            return true;
    }
    return false;
}

bool ncc_step_lower(struct compilation *c)
{
    const double macs = ncc_graph_macs(c->graph);
    struct trial t;
    do {
        if (!try(c, c->graph, &t))
            return false;
    } while (((t.n_large > 0 || t.overflow > 0) && !c->k210.cpu_only && cut_somewhere(c, &t)) ||
             (t.overflow > 0 && bar_one(c, &t)));
    c->report.bands_extra = macs > 0 ? ncc_graph_macs(c->graph) / macs - 1 : 0;
    c->graph = lower(c, c->graph, &c->arena, NULL);
    return c->graph != NULL;
}
