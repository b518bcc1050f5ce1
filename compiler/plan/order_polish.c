/* Improving an order that is good already: a unit, with those of its ancestors that stand between, is pulled forward to
 * some place before it. Every order can be reached that way; what is kept is never worse.
 *
 *     a b c d e f        f needs d: pulled to b's place        a d f b c e
 */
#include "compiler/plan/order.h"

#include <string.h>

/* A fixed sequence of numbers. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* to: the order with the unit at `from` pulled to `place`. `marked` is false everywhere, and so afterwards. */
static void pull(const struct units *u, const int *order, int n, int place, int from, bool *marked, int *to)
{
    int n_pulled = 0, n_left = 0;
    int *left = to + n; /* as much room again */
    marked[order[from]] = true;
    for (int i = from; i >= place; i--) {
        const struct int_list *next = &u->v[order[i]].next;
        for (int k = 0; k < next->n && !marked[order[i]]; k++)
            marked[order[i]] = marked[next->v[k]];
        n_pulled += marked[order[i]];
    }
    memcpy(to, order, (size_t)n * sizeof *to);
    for (int i = place, at = place; i <= from; i++) {
        if (marked[order[i]])
            to[at++] = order[i];
        else
            left[n_left++] = order[i];
        marked[order[i]] = false;
    }
    memcpy(to + place + n_pulled, left, (size_t)n_left * sizeof *to);
}

/* Walks an order as long as it is not worse than `limit`. Returns the number of steps. */
static int run(struct walk *w, const struct segment *s, const int64_t live[N_DIMS], const int64_t limit[N_DIMS],
               struct route *r)
{
    const int n = s->end - s->begin;
    int i = 0;
    ncc_plan_walk_back(w, s, live);
    while (i < n && w->peak[DIM_KPU] <= limit[DIM_KPU] && w->peak[DIM_MAIN] <= limit[DIM_MAIN])
        ncc_plan_walk_do(w, r->order[i++]);
    memcpy(r->peak, w->peak, sizeof r->peak);
    return i;
}

void ncc_plan_order_polish(struct walk *w, const struct order_search *search, struct arena *a, struct route *r)
{
    const struct segment *s = search->segment;
    const int n = s->end - s->begin, dim = search->dim;
    int64_t live[N_DIMS];
    bool *marked = NCC_NEW(a, bool, w->u->n);
    struct route other = {.order = NCC_NEW(a, int, 2 * n)};
    uint32_t state = 1;
    ncc_plan_walk_to(w, s);
    memcpy(live, w->live, sizeof live);
    while (n > 1 && *search->work > 0 && r->peak[dim] > search->floor) {
        const int from = 1 + (int)(next_random(&state) % (uint32_t)(n - 1));
        const int place = (int)(next_random(&state) % (uint32_t)from);
        int64_t limit[N_DIMS];
        limit[dim] = r->peak[dim];
        limit[!dim] = search->cap;
        pull(w->u, r->order, n, place, from, marked, other.order);
        *search->work -= n + run(w, s, live, limit, &other);
        if (other.peak[dim] > limit[dim] || other.peak[!dim] > limit[!dim])
            continue;
        memcpy(r->order, other.order, (size_t)n * sizeof *r->order);
        memcpy(r->peak, other.peak, sizeof r->peak);
    }
    ncc_plan_walk_back(w, s, live);
}
