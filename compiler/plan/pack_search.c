/* Branch and bound over packings.
 *
 * Every packing can be pushed down until each job lies on the floor or on a job that lives with it, and the jobs of
 * such a packing can be put down in the order of (address, rank). So it is enough to choose, again and again, which
 * job comes next; its address follows: on top of whatever lies below it.
 *
 *         +---+
 *     +---+ C |          A, B, C: the floor of the sections where C lives is the end of B
 *     | A +---++
 *     |   | B  |
 *     +---+----+  time, in sections
 *
 * A branch is cut when in some section the floor and what is still to come exceed the ceiling, or when another job
 * would have fitted below the one that was chosen: of all packings below the ceiling only the one with the lowest sum
 * of addresses need be found, and there nothing can be moved down.
 *
 * Where little may be wasted, a better question is which job comes next in a certain section. It must begin at or
 * below ceiling - rest. When there are few such jobs, and nothing else can come to lie under any of them, these are
 * the branches, in whatever order of addresses; none at all is the end of the branch.
 */
#include "compiler/plan/address.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_JOBS = 600, RESTARTS = 3, MAX_BRANCHES = 4 };

enum outcome { FOUND, NONE, OUT_OF_NODES };

struct item { /* a job, in rank order */
    int64_t size, low; /* low: the end of the highest placed job that lives with it */
    int job, first, last; /* sections, both inclusive */
    bool placed;
};

struct section {
    int64_t floor; /* end of the highest placed job */
    int64_t rest;  /* bytes still to be placed */
    int n_next;    /* jobs that could come next here; valid while one node is looked at */
};

struct undo {
    int64_t *where, old;
};

struct search {
    struct item *item;
    struct section *section;
    int n, n_sections;
    struct { struct undo *v; int n, cap; } trail;
    struct arena *arena;
    int64_t ceiling;
    int64_t work; /* steps that may still be done: WORK_PER_NODE make a node */
    int64_t *at;  /* by job */
};

enum { WORK_PER_NODE = 256 };

static void set(struct search *s, int64_t *where, int64_t to)
{
    NCC_PUSH(s->arena, &s->trail, ((struct undo){where, *where}));
    *where = to;
}

static void undo_to(struct search *s, int n)
{
    while (s->trail.n > n) {
        s->trail.n--;
        *s->trail.v[s->trail.n].where = s->trail.v[s->trail.n].old;
    }
}

static void place(struct search *s, struct item *x)
{
    const int64_t end = x->low + x->size;
    x->placed = true;
    s->at[x->job] = x->low;
    for (int i = x->first; i <= x->last; i++) {
        set(s, &s->section[i].floor, end);
        set(s, &s->section[i].rest, s->section[i].rest - x->size);
    }
    for (int i = 0; i < s->n; i++) {
        struct item *y = &s->item[i];
        if (!y->placed && y->first <= x->last && x->first <= y->last && y->low < end)
            set(s, &y->low, end);
    }
    s->work -= s->n + 4 * (x->last - x->first + 1);
}

/* Can what is left still stay below the ceiling when nothing more is placed below `from`? */
static bool has_room(struct search *s, int64_t from)
{
    s->work -= s->n_sections;
    for (int i = 0; i < s->n_sections; i++) {
        const struct section *t = &s->section[i];
        if (t->rest > 0 && (t->floor > from ? t->floor : from) + t->rest > s->ceiling)
            return false;
    }
    return true;
}

/* The unplaced item that comes next after (low, rank), or -1. */
static int next_item(struct search *s, int64_t low, int rank)
{
    int best = -1;
    s->work -= s->n;
    for (int i = 0; i < s->n; i++) {
        const struct item *x = &s->item[i];
        if (x->placed || x->low < low || (x->low == low && i <= rank))
            continue;
        if (best < 0 || x->low < s->item[best].low)
            best = i;
    }
    return best;
}

/* The lowest end that any unplaced item could have now: whatever starts there or above leaves it room below. */
static int64_t lowest_end(const struct search *s)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < s->n; i++) {
        const struct item *x = &s->item[i];
        if (!x->placed && least > x->low + x->size)
            least = x->low + x->size;
    }
    return least;
}

/* Could item i come next in section t, if all that is still to come is above (low, rank)? */
static bool can_be_next(const struct search *s, int i, int t, int64_t low, int rank)
{
    const struct item *x = &s->item[i];
    return !x->placed && x->first <= t && t <= x->last && x->low <= s->ceiling - s->section[t].rest &&
           (x->low > low || (x->low == low && i > rank));
}

/* False: some section has nothing that could come next. */
static bool count_next(struct search *s, int64_t low, int rank)
{
    for (int t = 0; t < s->n_sections; t++)
        s->section[t].n_next = 0;
    for (int i = 0; i < s->n; i++) {
        const struct item *x = &s->item[i];
        s->work -= x->placed ? 1 : 1 + x->last - x->first;
        for (int t = x->first; t <= x->last && !x->placed; t++)
            s->section[t].n_next += can_be_next(s, i, t, low, rank);
    }
    s->work -= s->n_sections;
    for (int t = 0; t < s->n_sections; t++) {
        if (s->section[t].rest > 0 && s->section[t].n_next == 0)
            return false;
    }
    return true;
}

/* Would item x, coming next in section t, lie exactly on what is placed now? Only if no other item fits under it. */
static bool is_settled(struct search *s, const struct item *x, int t)
{
    const int64_t limit = s->ceiling - s->section[t].rest;
    s->work -= s->n;
    for (int i = 0; i < s->n; i++) {
        const struct item *y = &s->item[i];
        const bool in_section = y->first <= t && t <= y->last;
        if (!y->placed && !in_section && y->first <= x->last && x->first <= y->last && y->low + y->size <= limit)
            return false;
    }
    return true;
}

/* The section with the fewest jobs that could come next, all of them settled; -1: none with MAX_BRANCHES or fewer. */
static int narrow_section(struct search *s, int64_t low, int rank)
{
    for (int n = 1; n <= MAX_BRANCHES; n++) {
        for (int t = 0; t < s->n_sections; t++) {
            if (s->section[t].rest == 0 || s->section[t].n_next != n)
                continue;
            bool settled = true;
            for (int i = 0; i < s->n && settled; i++)
                settled = !can_be_next(s, i, t, low, rank) || is_settled(s, &s->item[i], t);
            s->work -= s->n;
            if (settled)
                return t;
        }
    }
    return -1;
}

static enum outcome place_rest(struct search *s, int n_left, int64_t low, int rank);

/* Places one item, and then the others. */
static enum outcome try_item(struct search *s, int i, int n_left, int64_t low, int rank)
{
    const int mark = s->trail.n;
    place(s, &s->item[i]);
    const enum outcome result = place_rest(s, n_left - 1, low, rank);
    if (result == NONE) {
        undo_to(s, mark);
        s->item[i].placed = false;
    }
    return result;
}

static enum outcome place_in_section(struct search *s, int t, int n_left, int64_t low, int rank)
{
    for (int i = 0; i < s->n; i++) {
        if (!can_be_next(s, i, t, low, rank))
            continue;
        const enum outcome result = try_item(s, i, n_left, low, rank);
        if (result != NONE)
            return result;
    }
    return NONE;
}

static enum outcome place_lowest(struct search *s, int n_left, int64_t low, int rank)
{
    const int64_t end = lowest_end(s);
    for (;;) {
        const int i = next_item(s, low, rank);
        if (i < 0 || s->item[i].low >= end || !has_room(s, s->item[i].low))
            return NONE;
        low = s->item[i].low;
        rank = i;
        const enum outcome result = try_item(s, i, n_left, low, rank);
        if (result != NONE)
            return result;
    }
}

/* What is still to come lies above (low, rank), in the order of (address, rank). */
static enum outcome place_rest(struct search *s, int n_left, int64_t low, int rank)
{
    if (n_left == 0)
        return FOUND;
    if (s->work <= 0)
        return OUT_OF_NODES;
    if (!count_next(s, low, rank))
        return NONE;
    const int t = narrow_section(s, low, rank);
    return t >= 0 ? place_in_section(s, t, n_left, low, rank) : place_lowest(s, n_left, low, rank);
}

/* ---- set-up ---- */

struct key {
    int64_t by[3]; /* larger goes first */
    int job;
};

static int compare_keys(const void *x, const void *y)
{
    const struct key *a = x, *b = y;
    for (int i = 0; i < 3; i++) {
        if (a->by[i] != b->by[i])
            return a->by[i] > b->by[i] ? -1 : 1;
    }
    return a->job - b->job;
}

static int compare_ints(const void *x, const void *y)
{
    const int a = *(const int *)x, b = *(const int *)y;
    return (a > b) - (a < b);
}

/* Sections begin where a job is born: nowhere else can the sum of live bytes be largest. */
static int find_births(const struct packing *p, int *births)
{
    for (int i = 0; i < p->n; i++)
        births[i] = p->job[i].birth;
    qsort(births, (size_t)p->n, sizeof *births, compare_ints);
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        if (n == 0 || births[n - 1] != births[i])
            births[n++] = births[i];
    }
    return n;
}

/* Number of sections that begin at or before `step`. */
static int count_until(const int *births, int n, int step)
{
    int lo = 0, hi = n;
    while (lo < hi) {
        const int mid = (lo + hi) / 2;
        if (births[mid] <= step)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Three criteria in turn: the load around the job, how long it lives, its area. */
static void rank_items(const struct packing *p, struct search *s, int variant, struct key *keys, const int *births)
{
    for (int i = 0; i < p->n; i++) {
        const struct job *j = &p->job[i];
        const int64_t life = (int64_t)j->death - j->birth + 1;
        const int64_t by[3] = {p->load[i], life, j->size * life};
        keys[i] = (struct key){{by[variant], by[(variant + 2) % 3], by[(variant + 1) % 3]}, i};
    }
    qsort(keys, (size_t)p->n, sizeof *keys, compare_keys);
    memset(s->section, 0, (size_t)s->n_sections * sizeof *s->section);
    for (int i = 0; i < p->n; i++) {
        const struct job *j = &p->job[keys[i].job];
        struct item *x = &s->item[i];
        *x = (struct item){.size = j->size, .job = keys[i].job};
        x->first = count_until(births, s->n_sections, j->birth) - 1;
        x->last = count_until(births, s->n_sections, j->death) - 1;
        for (int k = x->first; k <= x->last; k++)
            s->section[k].rest += j->size;
    }
    s->trail.n = 0;
}

static enum outcome try_ceiling(struct packing *p, struct search *s, int variant, int64_t ceiling, int64_t nodes,
                                struct key *keys, const int *births)
{
    rank_items(p, s, variant, keys, births);
    s->ceiling = ceiling;
    s->work = nodes * WORK_PER_NODE;
    const enum outcome result = has_room(s, 0) ? place_rest(s, s->n, 0, -1) : NONE;
    p->nodes -= nodes - (s->work > 0 ? s->work / WORK_PER_NODE : 0);
    if (result != FOUND)
        return result;
    p->peak = 0;
    for (int i = 0; i < p->n; i++) {
        p->best[i] = s->at[i];
        if (p->peak < s->at[i] + p->job[i].size)
            p->peak = s->at[i] + p->job[i].size;
    }
    return FOUND;
}

bool ncc_plan_pack_search(struct packing *p, struct arena *scratch)
{
    if (p->n > MAX_JOBS)
        return false;
    int *births = NCC_NEW(scratch, int, p->n);
    struct key *keys = NCC_NEW(scratch, struct key, p->n);
    struct search s = {.n = p->n, .arena = scratch};
    s.n_sections = find_births(p, births);
    s.item = NCC_NEW(scratch, struct item, p->n);
    s.section = NCC_NEW(scratch, struct section, s.n_sections);
    s.at = NCC_NEW(scratch, int64_t, p->n);

    /* First straight for the goal, with half of the nodes; then down from the best step by step. */
    const int64_t share = p->nodes / (2 * RESTARTS);
    for (int i = 0; i < RESTARTS && p->peak > p->goal; i++) {
        if (try_ceiling(p, &s, i, p->goal, share, keys, births) == NONE)
            break;
    }
    while (p->peak > p->goal && p->nodes > 0) {
        int i = 0;
        enum outcome result = OUT_OF_NODES;
        for (; i < RESTARTS && result == OUT_OF_NODES && p->nodes > 0; i++)
            result = try_ceiling(p, &s, i, p->peak - p->unit, p->nodes / (RESTARTS - i), keys, births);
        if (result != FOUND)
            return result == NONE;
    }
    return p->peak <= p->goal;
}
