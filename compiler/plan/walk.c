/* Walking through the units, with the live bytes of both memories. */
#include "compiler/plan/order.h"

#include <string.h>

static int dim_of(const struct held *h)
{
    return h->mem == MEM_KPU ? DIM_KPU : DIM_MAIN;
}

struct walk ncc_plan_walk(const struct units *u, struct arena *a)
{
    return (struct walk){.u = u, .waits = NCC_NEW(a, int, u->n), .untouched = NCC_NEW(a, int, u->n_held),
                         .done = NCC_NEW(a, bool, u->n)};
}

void ncc_plan_walk_to(struct walk *w, const struct segment *s)
{
    memset(w->live, 0, sizeof w->live);
    for (int i = 0; i < w->u->n; i++) {
        w->waits[i] = w->u->v[i].n_before;
        w->done[i] = false;
    }
    for (int i = 0; i < w->u->n_held; i++) {
        const struct held *h = &w->u->held[i];
        w->untouched[i] = h->touched_by.n;
        if (h->from_start && (h->touched_by.n > 0 || h->to_end))
            w->live[dim_of(h)] += h->size;
    }
    for (int i = 0; i < s->begin; i++)
        ncc_plan_walk_do(w, i);
    memcpy(w->peak, w->live, sizeof w->peak);
}

void ncc_plan_walk_back(struct walk *w, const struct segment *s, const int64_t live[N_DIMS])
{
    for (int i = s->begin; i < s->end; i++) {
        if (!w->done[i])
            continue;
        const struct unit *u = &w->u->v[i];
        w->done[i] = false;
        for (int k = 0; k < u->next.n; k++)
            w->waits[u->next.v[k]]++;
        for (int k = 0; k < u->touch.n; k++)
            w->untouched[u->touch.v[k]]++;
    }
    memcpy(w->live, live, sizeof w->live);
    memcpy(w->peak, live, sizeof w->peak);
}

struct change ncc_plan_walk_change(const struct walk *w, int unit)
{
    const struct int_list *touch = &w->u->v[unit].touch;
    struct change c = {{0}, {0}};
    for (int i = 0; i < touch->n; i++) {
        const struct held *h = &w->u->held[touch->v[i]];
        const int left = w->untouched[touch->v[i]], dim = dim_of(h);
        if (left == h->touched_by.n && !h->from_start) {
            c.rise[dim] += h->size;
            c.net[dim] += h->size;
        }
        if (left == 1 && !h->to_end)
            c.net[dim] -= h->size;
    }
    return c;
}

void ncc_plan_walk_do(struct walk *w, int unit)
{
    const struct change c = ncc_plan_walk_change(w, unit);
    const struct unit *u = &w->u->v[unit];
    for (int d = 0; d < N_DIMS; d++) {
        if (w->peak[d] < w->live[d] + c.rise[d])
            w->peak[d] = w->live[d] + c.rise[d];
        w->live[d] += c.net[d];
    }
    w->done[unit] = true;
    for (int i = 0; i < u->next.n; i++)
        w->waits[u->next.v[i]]--;
    for (int i = 0; i < u->touch.n; i++)
        w->untouched[u->touch.v[i]]--;
}
