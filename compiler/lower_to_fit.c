/* Placement and lowering until the result fits KPU RAM.
 *
 * Which tensors are alive together is only known after planning. So the graph is lowered and planned on trial. Where a
 * map is too large for a layer, or too much is alive at once, the graph is cut into bands there (k210/bands.h), or a
 * map that waits is spilled; what cannot be helped that way is barred from the KPU, node by node from the peak on.
 * Every round makes less too large, or bars a node more, and with all of them barred nothing is left
 * in KPU RAM. */
#include "compiler/make_room.h"
#include "compiler/steps.h"

#include "kpu/layout.h"

#include <math.h>

bool ncc_lower_placed(struct graph *g, const struct k210_options *options, struct arena *scratch)
{
    if (!ncc_k210_lower(g, options, scratch) || !ncc_k210_cpu_forms(g))
        return false;
    ncc_k210_widen_operands(g, options);
    return true;
}

static int64_t kpu_bytes(const struct value *v)
{
    const struct shape *s = &v->shape;
    return s->rank == 4 ? ncc_kpu_bytes(s->dim[1], s->dim[2], s->dim[3]) : 0;
}

static const char *what_does_not_fit(struct compilation *c, const struct node *n, const struct trial *t)
{
    const int64_t in = n->in[0] ? kpu_bytes(n->in[0]) : 0, out = kpu_bytes(n->out[0]);
    const int64_t others = t->need.bound > in + out ? t->need.bound - in - out : 0;
    return ncc_arena_printf(&c->arena,
                            "its layers and what else is alive do not fit the 2 MiB of KPU RAM together: input %lld "
                            "bytes there, result %lld, up to %lld more",
                            (long long)in, (long long)out, (long long)others);
}

/* Bars the canonical node behind the lowered node at the peak, else any that is still on the KPU. */
static bool bar_one(struct compilation *c, const struct trial *t)
{
    for (int strict = 1; strict >= 0; strict--) {
        const struct node *p = t->placed->first;
        for (struct node *n = c->graph->first; n; n = n->next, p = p->next) {
            if (n->barred || !p->on_kpu || (strict && !ncc_trial_at_peak(t, n)))
                continue;
            n->barred = true;
            n->reason = what_does_not_fit(c, n, t);
            return true;
        }
    }
    return false;
}

/* ---- the loop ---- */

/* Plans all that was left out while it was tried, where that may show that it fits. */
static bool settle(struct compilation *c, struct trial *t, struct plan *plan)
{
    const struct plan_options o = {.solve_seconds = c->options->solve_seconds, .kpu_limit = NCC_KPU_RAM_SIZE};
    if (t->need.bound > o.kpu_limit)
        return true;
    if (!ncc_plan_make(t->lowered, &o, &c->scratch, plan))
        return false;
    t->overflow = plan->kpu.peak > o.kpu_limit ? plan->kpu.peak - o.kpu_limit : 0;
    return true;
}

/* A round leaves a graph that it made, with what came of it: all that was there before it can go. */
static bool next_round(struct compilation *c, struct hopeless *hopeless, struct trial *t)
{
    const struct arena before = c->scratch;
    c->scratch = c->older;
    c->older = before;
    const bool better = ncc_make_room(c, hopeless, t);
    if (better)
        ncc_arena_release(&c->older);
    return better;
}

static bool fit_kpu_ram(struct compilation *c, struct trial *t, struct plan *plan)
{
    struct hopeless hopeless = {0};
    do {
        if (!ncc_trial(c, c->graph, t) || !settle(c, t, plan))
            return false;
        while (next_round(c, &hopeless, t))
            if (!settle(c, t, plan))
                return false;
    } while (t->overflow > 0 && bar_one(c, t));
    return true;
}

/* Where the board's RAM is short, once more without what takes some of it for the sake of speed. */
static bool fit_ram(struct compilation *c, struct trial *t)
{
    struct plan plan;
    if (!fit_kpu_ram(c, t, &plan))
        return false;
    if (c->k210.short_of_ram || c->k210.cpu_only || !ncc_is_short_of_ram(c, t->lowered, &plan))
        return true;
    c->k210.short_of_ram = true;
    if (c->options->min_sqnr > 0)
        return true; /* nodes that must stay in floating point are told by their places in this graph */
    c->graph = ncc_graph_copy(c->canonical, &c->arena, &c->diags);
    c->report.bands.n = c->report.spills.n = 0;
    return ncc_k210_legalise(c->graph, &c->k210, &c->scratch) && fit_kpu_ram(c, t, &plan);
}

bool ncc_step_lower(struct compilation *c)
{
    const double macs = ncc_graph_macs(c->graph);
    struct trial t;
    if (!fit_ram(c, &t))
        return false;
    c->graph = ncc_graph_copy(c->graph, &c->arena, &c->diags);
    c->report.bands_extra = macs > 0 ? fmax(ncc_graph_macs(c->graph) / macs - 1, 0) : 0;
    return ncc_k210_place(c->graph, &c->k210, &c->scratch) && ncc_lower_placed(c->graph, &c->k210, &c->scratch);
}
