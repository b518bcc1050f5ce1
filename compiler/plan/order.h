/* The order of the nodes: lowers the largest sum of live bytes in KPU RAM, then in main memory.
 *
 * What is ordered are units: a node, or a KPU layer together with the downloads of its result, which the same node
 * of the kmodel does. Where one unit is an ancestor or a descendant of every other one, all orders agree on what
 * has been done before it; such units cut the graph into segments, which are ordered one by one:
 *
 *         +-- b --- c --+               segments: a | b c d e | f | g
 *     a --+             +-- f -- g
 *         +-- d --- e --+
 */
#ifndef NCC_PLAN_ORDER_H
#define NCC_PLAN_ORDER_H

#include "compiler/plan/alias.h"

/* Re-links the nodes. The source order stays wherever another is not better. */
void ncc_plan_order(struct graph *g, const struct alias_map *m, struct arena *a);
/* For KPU RAM alone, of which `enough` bytes are as good as fewer. */
void ncc_plan_order_for_kpu(struct graph *g, const struct alias_map *m, int64_t enough, struct arena *a);

/* ---- the pieces: units.c, walk.c, order_search.c, order_polish.c ---- */

enum { DIM_KPU, DIM_MAIN, N_DIMS };

struct int_list {
    int *v;
    int n, cap;
};

struct unit {
    struct int_list nodes; /* positions in the source order */
    struct int_list touch; /* buffers that it reads or writes, each once */
    struct int_list next;  /* units that read what it writes, each once */
    int n_before;          /* how many units it waits for */
};

struct held { /* a buffer */
    enum memory mem;
    int64_t size;
    struct int_list touched_by; /* units */
    bool from_start, to_end;
};

struct segment {
    int begin, end; /* units begin .. end - 1 */
};

struct units {
    struct unit *v;
    int n;
    struct held *held;
    int n_held;
    struct segment *segments;
    int n_segments;
};

struct units ncc_plan_units(const struct graph *g, const struct alias_map *m, struct arena *a);

/* A state on the way through the units: which are done, what is alive. */
struct walk {
    const struct units *u;
    int *waits;     /* by unit: predecessors that are not done */
    int *untouched; /* by buffer: units that still will touch it */
    bool *done;
    int64_t live[N_DIMS];
    int64_t peak[N_DIMS]; /* since the start of the segment */
};

struct change { /* what doing a unit would do */
    int64_t rise[N_DIMS]; /* bytes more while it runs */
    int64_t net[N_DIMS];  /* bytes more, or fewer, afterwards */
};

struct walk ncc_plan_walk(const struct units *u, struct arena *a);
/* The state before a segment. */
void ncc_plan_walk_to(struct walk *w, const struct segment *s);
/* Back to the start of the segment; only units of it may be done. */
void ncc_plan_walk_back(struct walk *w, const struct segment *s, const int64_t live[N_DIMS]);
struct change ncc_plan_walk_change(const struct walk *w, int unit);
void ncc_plan_walk_do(struct walk *w, int unit);

/* An order of a segment and its peaks. */
struct route {
    int *order;
    int64_t peak[N_DIMS];
};

struct order_search {
    const struct segment *segment;
    int dim;        /* what to lower */
    int64_t floor;  /* there is nothing to gain below */
    int64_t best;   /* known already; only a lower peak is of interest */
    int64_t cap;    /* for the other memory; INT64_MAX: of no interest */
    int64_t *work;  /* steps that may still be done, over all searches */
};

/* Looks for the order with the lowest peak, state by state: a state is the set of units that are done, so that each
 * is visited once, by its best way. w stands at the start of the segment, there and back. True and `out` filled
 * (its order is given memory by the caller): better than `best`. *proven: nothing is better. */
bool ncc_plan_order_search(struct walk *w, const struct order_search *s, struct arena *scratch, struct route *out,
                           bool *proven);

/* Lowers a route's peak further by moving units about, as long as there is work to spend. It stays within the cap. */
void ncc_plan_order_polish(struct walk *w, const struct order_search *s, struct arena *scratch, struct route *r);

#endif
