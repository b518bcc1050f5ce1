/* Choosing an order: every segment gets a few quick orders, and a search where these are not known to be the best. */
#include "compiler/plan/order.h"

#include <string.h>

enum quick { IN_SOURCE_ORDER, FIRST_BRANCH_FIRST, LAST_BRANCH_FIRST, LEAST_KPU_FIRST, LEAST_MAIN_FIRST, N_QUICK };

/* Of each segment: the quick routes, and for each memory up to one that was searched and one that was polished. */
struct choice {
    struct route route[N_QUICK + 2 * N_DIMS];
    int n;
    bool searched[N_DIMS];
};

/* What doing a unit would change, kept until something else changes that: by unit. */
struct forecast {
    struct change *change;
    bool *known;
};

struct plan_order {
    struct units units;
    struct walk walk;
    struct choice *choice; /* by segment */
    int64_t work;
    struct arena *arena;
};

/* Steps of all searches together, and of polishing one segment: well below a second. */
enum { WORK = 60000000, POLISH_WORK = 1000000 };

/* ---- quick routes ---- */

/* What doing a unit means for one memory, then the other: the peak on the way, then what stays alive. */
struct merit {
    int64_t by[2 * N_DIMS];
};

static struct merit judge(const struct walk *w, struct forecast *f, int unit, int dim)
{
    if (!f->known[unit])
        f->change[unit] = ncc_plan_walk_change(w, unit);
    f->known[unit] = true;
    const struct change c = f->change[unit];
    struct merit m;
    for (int k = 0; k < N_DIMS; k++) {
        const int d = k ? !dim : dim;
        const int64_t top = w->live[d] + c.rise[d];
        m.by[2 * k] = top > w->peak[d] ? top : w->peak[d];
        m.by[2 * k + 1] = c.net[d];
    }
    return m;
}

static bool is_better(const struct merit *x, const struct merit *y)
{
    for (int i = 0; i < 2 * N_DIMS; i++) {
        if (x->by[i] != y->by[i])
            return x->by[i] < y->by[i];
    }
    return false;
}

/* What a unit that was done changes for others: the first to touch a buffer makes it, the last one frees it. */
static void forget(const struct walk *w, struct forecast *f, int unit)
{
    const struct int_list *touch = &w->u->v[unit].touch;
    for (int i = 0; i < touch->n; i++) {
        const struct held *h = &w->u->held[touch->v[i]];
        const int left = w->untouched[touch->v[i]];
        for (int k = 0; k < h->touched_by.n && (left == h->touched_by.n - 1 || left == 1); k++)
            f->known[h->touched_by.v[k]] = false;
    }
}

/* Which of the ready units comes next: index into `ready`, which holds them in the order in which they became so. */
static int pick(const struct walk *w, struct forecast *f, const struct int_list *ready, enum quick rule)
{
    if (rule == FIRST_BRANCH_FIRST || rule == LAST_BRANCH_FIRST)
        return ready->n - 1;
    int best = 0;
    struct merit least = {{0}};
    for (int i = 0; i < ready->n; i++) {
        const bool earlier = ready->v[i] < ready->v[best];
        const struct merit m = rule == IN_SOURCE_ORDER
                                   ? least
                                   : judge(w, f, ready->v[i], rule == LEAST_KPU_FIRST ? DIM_KPU : DIM_MAIN);
        if (i == 0 || is_better(&m, &least) || (earlier && !is_better(&least, &m))) {
            best = i;
            least = m;
        }
    }
    return best;
}

static void add_if_ready(const struct walk *w, const struct segment *s, int unit, struct int_list *ready)
{
    if (unit < s->end && w->waits[unit] == 0)
        ready->v[ready->n++] = unit;
}

static void go_quick(struct walk *w, struct forecast *f, const struct segment *s, enum quick rule,
                     struct int_list *ready, struct route *out)
{
    const bool backwards = rule == FIRST_BRANCH_FIRST; /* so that the first of several is the last in the list */
    const int length = s->end - s->begin;
    ready->n = 0;
    memset(&f->known[s->begin], 0, (size_t)length * sizeof *f->known);
    for (int i = 0; i < length; i++)
        add_if_ready(w, s, backwards ? s->end - 1 - i : s->begin + i, ready);
    for (int n = 0; ready->n > 0; n++) {
        const int at = pick(w, f, ready, rule), unit = ready->v[at];
        ready->n--;
        memmove(&ready->v[at], &ready->v[at + 1], (size_t)(ready->n - at) * sizeof *ready->v);
        out->order[n] = unit;
        ncc_plan_walk_do(w, unit);
        forget(w, f, unit);
        const struct int_list *next = &w->u->v[unit].next;
        for (int i = 0; i < next->n; i++)
            add_if_ready(w, s, next->v[backwards ? next->n - 1 - i : i], ready);
    }
    memcpy(out->peak, w->peak, sizeof out->peak);
}

/* A route that needs no more than `enough` of KPU RAM is the last one that is asked for. */
static void go_all_quick(struct plan_order *p, int64_t enough, struct arena *a)
{
    struct forecast f = {NCC_NEW(a, struct change, p->units.n), NCC_NEW(a, bool, p->units.n)};
    struct int_list ready = {NCC_NEW(a, int, p->units.n), 0, p->units.n};
    ncc_plan_walk_to(&p->walk, &p->units.segments[0]);
    for (int k = 0; k < p->units.n_segments; k++) {
        const struct segment *s = &p->units.segments[k];
        struct choice *c = &p->choice[k];
        int64_t live[N_DIMS];
        memcpy(live, p->walk.live, sizeof live);
        memcpy(p->walk.peak, live, sizeof live);
        const int n_rules = s->end - s->begin == 1 ? 1 : N_QUICK;
        for (bool good = false; c->n < n_rules && !good; c->n++) {
            ncc_plan_walk_back(&p->walk, s, live);
            c->route[c->n].order = NCC_NEW(a, int, s->end - s->begin);
            go_quick(&p->walk, &f, s, (enum quick)c->n, &ready, &c->route[c->n]);
            good = c->route[c->n].peak[DIM_KPU] <= enough;
        }
    }
}

/* ---- choosing ---- */

/* The route with the lowest peak in one memory among those that keep the cap in the other. */
static const struct route *best_route(const struct choice *c, int dim, int64_t cap)
{
    const struct route *best = NULL;
    for (int i = 0; i < c->n; i++) {
        const struct route *r = &c->route[i];
        if (r->peak[!dim] <= cap && (!best || r->peak[dim] < best->peak[dim]))
            best = r;
    }
    return best;
}

/* The segment with the highest peak that has not been searched yet, -1: none above the floor. */
static int worst_segment(const struct plan_order *p, int dim, int64_t cap, int64_t floor)
{
    int worst = -1;
    for (int i = 0; i < p->units.n_segments; i++) {
        const int64_t peak = best_route(&p->choice[i], dim, cap)->peak[dim];
        if (p->units.segments[i].end - p->units.segments[i].begin > 1 && !p->choice[i].searched[dim] && peak > floor) {
            floor = peak;
            worst = i;
        }
    }
    return worst;
}

/* What no order can avoid: segments of one unit, and what a single unit touches. */
static int64_t find_floor(const struct plan_order *p, int dim)
{
    int64_t floor = 0;
    for (int i = 0; i < p->units.n_segments; i++) {
        if (p->choice[i].n == 1 && floor < p->choice[i].route[0].peak[dim])
            floor = p->choice[i].route[0].peak[dim];
    }
    for (int i = 0; i < p->units.n; i++) {
        int64_t sum = 0;
        for (int k = 0; k < p->units.v[i].touch.n; k++) {
            const struct held *h = &p->units.held[p->units.v[i].touch.v[k]];
            sum += (h->mem == MEM_KPU ? DIM_KPU : DIM_MAIN) == dim ? h->size : 0;
        }
        floor = sum > floor ? sum : floor;
    }
    return floor;
}

static void polish(struct plan_order *p, struct choice *c, struct order_search search)
{
    const int n = search.segment->end - search.segment->begin;
    const struct route *best = best_route(c, search.dim, search.cap);
    struct route *r = &c->route[c->n++];
    int64_t work = POLISH_WORK;
    *r = *best;
    r->order = NCC_NEW(p->arena, int, n);
    memcpy(r->order, best->order, (size_t)n * sizeof *r->order);
    search.work = &work;
    ncc_plan_order_polish(&p->walk, &search, p->arena, r);
}

/* Searches the segments from the worst on, until nothing more is to be gained: below the floor there is nothing. */
static void search_segments(struct plan_order *p, int dim, int64_t cap, int64_t floor)
{
    for (int k; (k = worst_segment(p, dim, cap, floor)) >= 0;) {
        const struct segment *s = &p->units.segments[k];
        struct choice *c = &p->choice[k];
        if (p->work < s->end - s->begin)
            return;
        c->searched[dim] = true;
        const struct order_search search = {.segment = s, .dim = dim, .floor = floor, .cap = cap, .work = &p->work,
                                            .best = best_route(c, dim, cap)->peak[dim]};
        struct route *out = &c->route[c->n];
        bool proven;
        out->order = NCC_NEW(p->arena, int, s->end - s->begin);
        ncc_plan_walk_to(&p->walk, s);
        c->n += ncc_plan_order_search(&p->walk, &search, p->arena, out, &proven);
        if (!proven)
            polish(p, c, search);
        const int64_t peak = best_route(c, dim, cap)->peak[dim];
        if (proven && peak > floor)
            floor = peak;
    }
}

static int64_t overall(const struct plan_order *p, int dim, int64_t cap)
{
    int64_t peak = 0;
    for (int i = 0; i < p->units.n_segments; i++) {
        const int64_t one = best_route(&p->choice[i], dim, cap)->peak[dim];
        peak = one > peak ? one : peak;
    }
    return peak;
}

static const struct route *first_good_route(const struct choice *c, const int64_t limit[N_DIMS])
{
    for (int i = 0; i < c->n; i++) {
        if (c->route[i].peak[DIM_KPU] <= limit[DIM_KPU] && c->route[i].peak[DIM_MAIN] <= limit[DIM_MAIN])
            return &c->route[i];
    }
    return best_route(c, DIM_MAIN, limit[DIM_KPU]);
}

static void relink(struct graph *g, const struct plan_order *p, const int64_t limit[N_DIMS], struct arena *a)
{
    const int n = ncc_graph_n_nodes(g);
    struct node **source = NCC_NEW(a, struct node *, n), *where = g->first;
    int count = 0;
    for (struct node *x = g->first; x; x = x->next)
        source[count++] = x;
    for (int k = 0; k < p->units.n_segments; k++) {
        const struct segment *s = &p->units.segments[k];
        const struct route *r = first_good_route(&p->choice[k], limit);
        for (int i = 0; i < s->end - s->begin; i++) {
            const struct int_list *nodes = &p->units.v[r->order[i]].nodes;
            for (int x = 0; x < nodes->n; x++) {
                if (source[nodes->v[x]] == where)
                    where = where->next;
                else
                    ncc_node_move_before(g, source[nodes->v[x]], where);
            }
        }
    }
}

/* *p stays where it is. */
static void begin(struct plan_order *p, const struct graph *g, const struct alias_map *m, int64_t enough,
                  struct arena *a)
{
    *p = (struct plan_order){.units = ncc_plan_units(g, m, a), .work = WORK, .arena = a};
    p->walk = ncc_plan_walk(&p->units, a);
    p->choice = NCC_NEW(a, struct choice, p->units.n_segments);
    go_all_quick(p, enough, a);
}

void ncc_plan_order(struct graph *g, const struct alias_map *m, struct arena *a)
{
    if (!g->first)
        return;
    struct plan_order p;
    begin(&p, g, m, -1, a);
    int64_t limit[N_DIMS];
    search_segments(&p, DIM_KPU, INT64_MAX, find_floor(&p, DIM_KPU));
    limit[DIM_KPU] = overall(&p, DIM_KPU, INT64_MAX);
    search_segments(&p, DIM_MAIN, limit[DIM_KPU], find_floor(&p, DIM_MAIN));
    limit[DIM_MAIN] = overall(&p, DIM_MAIN, limit[DIM_KPU]);
    relink(g, &p, limit, a);
}

void ncc_plan_order_for_kpu(struct graph *g, const struct alias_map *m, int64_t enough, struct arena *a)
{
    if (!g->first)
        return;
    struct plan_order p;
    begin(&p, g, m, enough, a);
    const int64_t floor = find_floor(&p, DIM_KPU);
    search_segments(&p, DIM_KPU, INT64_MAX, floor > enough ? floor : enough);
    relink(g, &p, (const int64_t[N_DIMS]){overall(&p, DIM_KPU, INT64_MAX), INT64_MAX}, a);
}
