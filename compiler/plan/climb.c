/* Hill climbing over orders: what ends at the peak, or lives together with it, is placed earlier. */
#include "compiler/plan/address.h"

#include <string.h>

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* An order with the packing that it leads to. */
struct walker {
    int *order;
    int64_t *at;
    int64_t peak;
};

static struct walker new_walker(const struct packing *p, struct arena *scratch)
{
    return (struct walker){NCC_NEW(scratch, int, p->n), NCC_NEW(scratch, int64_t, p->n), 0};
}

static void copy_walker(struct walker *to, const struct walker *from, int n)
{
    memcpy(to->order, from->order, (size_t)n * sizeof *to->order);
    memcpy(to->at, from->at, (size_t)n * sizeof *to->at);
    to->peak = from->peak;
}

static void fit_walker(struct packing *p, struct walker *w)
{
    w->peak = ncc_plan_fit(p, w->order, FIT_LOWEST);
    memcpy(w->at, p->at, (size_t)p->n * sizeof *w->at);
}

/* The position in the order of a job that ends at the peak. */
static int find_top(const struct packing *p, const struct walker *w, uint64_t *random)
{
    int found = 0, seen = 0;
    for (int i = 0; i < p->n; i++) {
        const int job = w->order[i];
        if (w->at[job] + p->job[job].size == w->peak && next_random(random) % (uint64_t)++seen == 0)
            found = i;
    }
    return found;
}

/* The position of any other job that lives together with the one at `pos`. */
static int find_neighbour(const struct packing *p, const int *order, int pos, uint64_t *random)
{
    int found = pos, seen = 0;
    for (int i = 0; i < p->n; i++) {
        if (i != pos && ncc_plan_meet(&p->job[order[pos]], &p->job[order[i]]) &&
            next_random(random) % (uint64_t)++seen == 0)
            found = i;
    }
    return found;
}

/* Mostly a job at the peak changes places with one that lives with it, or goes in front of it. */
static void disturb(const struct packing *p, struct walker *w, uint64_t *random)
{
    const bool anywhere = next_random(random) % 3 == 0;
    const int from = anywhere ? (int)(next_random(random) % (uint64_t)p->n) : find_top(p, w, random);
    const int to = find_neighbour(p, w->order, from, random);
    const int moved = w->order[from];
    if (to < from && next_random(random) % 2)
        memmove(&w->order[to + 1], &w->order[to], (size_t)(from - to) * sizeof *w->order);
    else
        w->order[from] = w->order[to];
    w->order[to] = moved;
}

void ncc_plan_climb(struct packing *p, int64_t nodes, struct arena *scratch)
{
    const int64_t cost = 1 + (int64_t)p->n * p->n / 400; /* of a placement, in nodes of the search */
    struct walker now = new_walker(p, scratch), trial = new_walker(p, scratch);
    uint64_t random = 88172645463325252u;
    memcpy(now.order, p->order, (size_t)p->n * sizeof *now.order);
    fit_walker(p, &now);
    copy_walker(&trial, &now, p->n);
    p->nodes -= cost;
    for (int64_t left = nodes - 2 * cost; p->peak > p->goal && left >= 0; left -= cost, p->nodes -= cost) {
        disturb(p, &trial, &random);
        fit_walker(p, &trial);
        if (trial.peak <= now.peak)
            copy_walker(&now, &trial, p->n);
        else if (next_random(&random) % 4) /* else the walk goes on from the worse one */
            copy_walker(&trial, &now, p->n);
    }
}
