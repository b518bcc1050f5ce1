/* Quick placements: the jobs are put down one by one, in several orders and by several rules. */
#include "compiler/plan/address.h"

#include <stdlib.h>
#include <string.h>

/* Where a job may go: the gaps between the placed jobs that live with it, from low to high. */
struct spot {
    int64_t lowest;   /* start of the lowest gap that is large enough; there is always the one on top */
    int64_t tightest; /* start of the smallest gap */
    int64_t highest;  /* last start below the ceiling, -1: none */
};

static struct spot find_spot(const struct packing *p, const struct job *j, int n_placed, int64_t ceiling)
{
    struct spot s = {-1, -1, -1};
    int64_t at = 0, least = INT64_MAX;
    for (int i = 0; i < n_placed; i++) {
        const struct job *other = &p->job[p->placed[i]];
        if (!ncc_plan_meet(j, other))
            continue;
        const int64_t start = p->at[p->placed[i]], gap = start - at;
        if (gap >= j->size) {
            if (s.lowest < 0)
                s.lowest = at;
            if (gap < least) {
                least = gap;
                s.tightest = at;
            }
            if (start <= ceiling)
                s.highest = start - j->size;
        }
        if (at < start + other->size)
            at = start + other->size;
    }
    if (s.lowest < 0)
        s.lowest = at;
    if (s.tightest < 0)
        s.tightest = at;
    if (at + j->size <= ceiling)
        s.highest = ceiling - j->size;
    return s;
}

/* Keeps `placed` sorted by address. */
static void put(struct packing *p, int n_placed, int job, int64_t at)
{
    p->at[job] = at;
    int lo = 0, hi = n_placed;
    while (lo < hi) {
        const int mid = (lo + hi) / 2;
        if (p->at[p->placed[mid]] <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    memmove(&p->placed[lo + 1], &p->placed[lo], (size_t)(n_placed - lo) * sizeof *p->placed);
    p->placed[lo] = job;
}

int64_t ncc_plan_fit(struct packing *p, const int *order, enum fit_rule rule)
{
    int64_t peak = 0;
    for (int i = 0; i < p->n; i++) {
        const struct job *j = &p->job[order[i]];
        const struct spot s = find_spot(p, j, i, p->bound);
        int64_t at = rule == FIT_TIGHTEST ? s.tightest : s.lowest;
        if (rule == FIT_BOTH_ENDS && i % 2 && s.highest >= 0)
            at = s.highest;
        put(p, i, order[i], at);
        if (peak < at + j->size)
            peak = at + j->size;
    }
    if (peak < p->peak) {
        p->peak = peak;
        memcpy(p->best, p->at, (size_t)p->n * sizeof *p->best);
        memcpy(p->order, order, (size_t)p->n * sizeof *p->order);
    }
    return peak;
}

/* ---- orders ---- */

enum order_rule { BY_LOAD, BY_SIZE, BY_AREA, BY_LIFE, BY_BIRTH, BY_DEATH, N_ORDERS };

struct ranked {
    double first, second; /* larger goes first */
    int job;
};

static int compare_ranked(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;
    if (a->first != b->first)
        return a->first > b->first ? -1 : 1;
    if (a->second != b->second)
        return a->second > b->second ? -1 : 1;
    return a->job - b->job;
}

static struct ranked rank(const struct packing *p, int job, enum order_rule rule)
{
    const struct job *j = &p->job[job];
    const double size = (double)j->size, life = (double)j->death - j->birth + 1;
    switch (rule) {
    case BY_LOAD:
        return (struct ranked){(double)p->load[job], size * life, job};
    case BY_SIZE:
        return (struct ranked){size, life, job};
    case BY_AREA:
        return (struct ranked){size * life, size, job};
    case BY_LIFE:
        return (struct ranked){life, size, job};
    case BY_BIRTH:
        return (struct ranked){-(double)j->birth, size, job};
    default:
        return (struct ranked){(double)j->death, size, job};
    }
}

void ncc_plan_fit_all(struct packing *p, struct arena *scratch)
{
    struct ranked *ranks = NCC_NEW(scratch, struct ranked, p->n);
    int *order = NCC_NEW(scratch, int, p->n);
    for (int rule = 0; rule < N_ORDERS; rule++) {
        for (int i = 0; i < p->n; i++)
            ranks[i] = rank(p, i, (enum order_rule)rule);
        qsort(ranks, (size_t)p->n, sizeof *ranks, compare_ranked);
        for (int i = 0; i < p->n; i++)
            order[i] = ranks[i].job;
        for (int fit = FIT_LOWEST; fit <= FIT_BOTH_ENDS; fit++) {
            ncc_plan_fit(p, order, (enum fit_rule)fit);
            if (p->peak <= p->goal)
                return;
        }
    }
}
