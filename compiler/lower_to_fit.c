/* Placement and lowering until the result fits KPU RAM.
 *
 * Which tensors are alive together is only known after planning. So the lowered graph is planned on trial; when it
 * does not fit, the node whose layers stand at the peak is barred from the KPU, and placement starts again from the
 * canonical graph. Every round bars at least one node more, and with all of them barred nothing is left in KPU RAM.
 */
#include "compiler/steps.h"

#include "kpu/limits.h"

#include <string.h>

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

/* Bars the canonical node behind the lowered node at the peak, else any that is still on the KPU. */
static bool bar_one(struct graph *canonical, const struct graph *lowered, const struct graph *placed, int step)
{
    const struct node *at = lowered->first;
    for (int i = 0; i < step && at->next; i++)
        at = at->next;
    const char *origin = origin_of(at);
    for (int strict = origin != NULL; strict >= 0; strict--) {
        const struct node *p = placed->first;
        for (struct node *n = canonical->first; n; n = n->next, p = p->next) {
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

static struct graph *lower_once(struct compilation *c, struct graph **placed)
{
    struct graph *g = ncc_graph_copy(c->graph, &c->arena, &c->diags);
    if (!ncc_k210_place(g, &c->k210, &c->scratch))
        return NULL;
    *placed = ncc_graph_copy(g, &c->arena, &c->diags);
    return ncc_k210_lower(g, &c->k210, &c->scratch) && ncc_k210_cpu_forms(g) ? g : NULL;
}

bool ncc_step_lower(struct compilation *c)
{
    for (;;) {
        struct graph *placed, *g = lower_once(c, &placed);
        if (!g)
            return false;
        const struct plan_options o = {.solve_seconds = c->options->solve_seconds, .kpu_limit = NCC_KPU_RAM_SIZE};
        struct plan plan;
        if (!ncc_plan_make(g, &o, &c->arena, &plan))
            return false;
        if (plan.kpu.peak <= o.kpu_limit || !bar_one(c->graph, g, placed, peak_step(&plan, &c->scratch))) {
            c->graph = g;
            return true;
        }
    }
}
