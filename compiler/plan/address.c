/* From jobs to addresses: the jobs are taken apart into groups that never live together, since each group can use
 * the memory from its start. */
#include "compiler/plan/address.h"

#include <stdlib.h>

static int compare_births(const void *x, const void *y)
{
    const struct job *a = *(struct job *const *)x, *b = *(struct job *const *)y;
    if (a->birth != b->birth)
        return a->birth < b->birth ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Sums of live bytes: a job adds to the steps from its birth to its death. */
static int64_t find_loads(struct packing *p, struct arena *scratch)
{
    int first = p->job[0].birth, last = p->job[0].death;
    for (int i = 1; i < p->n; i++) {
        first = p->job[i].birth < first ? p->job[i].birth : first;
        last = p->job[i].death > last ? p->job[i].death : last;
    }
    int64_t *live = NCC_NEW(scratch, int64_t, last - first + 2);
    for (int i = 0; i < p->n; i++) {
        live[p->job[i].birth - first] += p->job[i].size;
        live[p->job[i].death + 1 - first] -= p->job[i].size;
    }
    int64_t bound = 0;
    for (int i = 0; i <= last - first; i++) {
        if (i > 0)
            live[i] += live[i - 1];
        bound = live[i] > bound ? live[i] : bound;
    }
    for (int i = 0; i < p->n; i++) {
        for (int t = p->job[i].birth; t <= p->job[i].death; t++) {
            if (p->load[i] < live[t - first])
                p->load[i] = live[t - first];
        }
    }
    return bound;
}

static struct packing open_group(struct job *const *sorted, int n, struct arena *scratch)
{
    struct job *job = NCC_NEW(scratch, struct job, n);
    struct packing p = {.job = job, .n = n, .peak = INT64_MAX};
    for (int i = 0; i < n; i++) {
        job[i] = *sorted[i];
        p.unit = common_divisor(job[i].size, p.unit);
    }
    p.load = NCC_NEW(scratch, int64_t, n);
    p.order = NCC_NEW(scratch, int, n);
    p.best = NCC_NEW(scratch, int64_t, n);
    p.placed = NCC_NEW(scratch, int, n);
    p.at = NCC_NEW(scratch, int64_t, n);
    p.bound = find_loads(&p, scratch);
    return p;
}

/* Fills `groups` with the maximal runs of jobs that are connected in time. Returns how many. */
static int split_groups(struct job **sorted, int n, struct packing *groups, struct arena *scratch)
{
    int n_groups = 0, start = 0, end = -1;
    for (int i = 0; i <= n; i++) {
        if (i > start && (i == n || sorted[i]->birth > end)) {
            groups[n_groups++] = open_group(&sorted[start], i - start, scratch);
            start = i;
        }
        if (i < n && sorted[i]->death > end)
            end = sorted[i]->death;
    }
    return n_groups;
}

/* Returns whether nothing lower than max(peak, goal) exists. */
static bool improve(struct packing *p, struct arena *scratch)
{
    if (p->peak <= p->goal)
        return true;
    /* A small share settles most cases in one way or the other; the larger the group, the less a systematic search
     * can do with the rest. */
    const int64_t all = p->nodes;
    p->nodes = all / 8;
    bool proven = ncc_plan_pack_search(p, scratch);
    p->nodes += all - all / 8;
    if (!proven) {
        ncc_plan_climb(p, p->nodes / 4, scratch);
        proven = p->peak <= p->goal || ncc_plan_pack_search(p, scratch);
    }
    return proven;
}

void ncc_plan_pack(struct job *job, int n_jobs, int64_t enough, int64_t max_nodes, struct arena *scratch,
                   struct plan_memory *out)
{
    *out = (struct plan_memory){.optimal = true};
    struct job **sorted = NCC_NEW(scratch, struct job *, n_jobs);
    int n = 0;
    for (int i = 0; i < n_jobs; i++) {
        job[i].addr = 0;
        if (job[i].size > 0)
            sorted[n++] = &job[i];
    }
    qsort(sorted, (size_t)n, sizeof *sorted, compare_births);
    struct packing *groups = NCC_NEW(scratch, struct packing, n);
    const int n_groups = split_groups(sorted, n, groups, scratch);

    int64_t floor = 0; /* what the peak cannot go below, as far as it is known */
    for (int i = 0; i < n_groups; i++)
        out->bound = groups[i].bound > out->bound ? groups[i].bound : out->bound;
    floor = out->bound;
    for (int i = 0; i < n_groups; i++) {
        struct packing *p = &groups[i];
        p->goal = floor > enough ? floor : enough;
        p->nodes = max_nodes;
        ncc_plan_fit_all(p, scratch);
        const bool proven = improve(p, scratch);
        max_nodes = p->nodes > 0 ? p->nodes : 0;
        out->optimal = out->optimal && proven;
        if (proven && p->peak > floor)
            floor = p->peak;
        out->peak = p->peak > out->peak ? p->peak : out->peak;
    }
    out->optimal = out->optimal || out->peak == floor;
    for (int i = 0, k = 0; i < n_groups; i++) {
        for (int x = 0; x < groups[i].n; x++)
            sorted[k++]->addr = groups[i].best[x];
    }
}
