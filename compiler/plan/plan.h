/* Order, lifetimes and addresses of an integer graph.
 *
 * Memory of two kinds is planned separately: KPU RAM (2 MiB, in 64-byte lines) and main memory
 * (8-byte aligned). Values that share bytes form one buffer:
 *   - OP_ALIAS operators (reshape, kpu_recanvas, kpu_view): the output lies in the input;
 *   - kpu_concat: every input is a channel range of the output, side by side;
 *   - kpu_slice: the output is a channel range of the input;
 *   - concat in main memory whose dimensions before the axis are all 1: likewise, unless an input cannot
 *     be placed there (it is a graph input, a constant, or already part of another such concat): then
 *     the concat copies;
 *   - a slice in main memory whose elements follow each other is a view of its input, if that leaves it aligned;
 *   - a KPU graph input keeps its canvas from step 0 on.
 * A kpu_layer whose result is only needed in main memory still writes its KPU canvas.
 * Graph outputs in main memory live to the end; graph inputs from the start.
 */
#ifndef NCC_PLAN_PLAN_H
#define NCC_PLAN_PLAN_H

#include "compiler/ir/op.h"

struct buffer {
    enum memory mem;
    int64_t size;   /* bytes, a multiple of 64 (KPU) or 8 (main) */
    int birth, death; /* steps: written first, read last; both inclusive */
    int64_t addr;   /* bytes from the start of its memory */
};

struct plan_memory {
    int64_t peak;    /* highest end address */
    int64_t bound;   /* largest sum of live bytes at any step: no plan for this order is better */
    bool optimal;    /* peak == bound, or the search proved that nothing lower exists */
};

struct plan {
    struct { struct buffer *v; int n, cap; } buffers;
    int *buffer_of;     /* by value id; -1: none (constants) */
    int64_t *offset_in; /* by value id: byte offset in the buffer */
    int n_ids, n_steps; /* step i is the i-th node */
    struct plan_memory kpu, main;
};

struct plan_options {
    double solve_seconds; /* for the search; the heuristic's result is the floor. Counted in search nodes, so that
                             the result does not depend on the machine's speed: 1 s = 2 million nodes */
    int64_t kpu_limit;    /* bytes, normally 2 MiB */
};

/* Chooses an order that lowers the KPU RAM peak (then the main memory peak), re-links the nodes in it, and finds
 * addresses, which it also writes into value->addr. True even when the peak exceeds the limit: compare
 * plan->kpu.peak with the limit. */
bool ncc_plan_make(struct graph *g, const struct plan_options *options, struct arena *a, struct plan *out);

/* What a graph needs of KPU RAM: less work than a plan, for graphs that are only tried. */
struct plan_need {
    int64_t peak;          /* as in a plan, or somewhat more; the bound, where that is above the limit */
    int64_t bound;
    const struct node *at; /* runs while most is alive; NULL: there are no nodes */
    bool *alive;           /* then, in KPU RAM: by value id */
    int64_t excess;        /* bytes above the limit, summed over all steps */
};

/* The graph stays as it is. */
bool ncc_plan_need(struct graph *g, const struct plan_options *options, struct arena *a, struct plan_need *out);

/* Proves a plan without trusting the planner: replays the steps over a map of bytes and reports (FAULT_INTERNAL)
 * any value that is read after being overwritten, overlapping input and output of a KPU layer, misalignment, or
 * an address outside of the peak. */
bool ncc_plan_check(const struct graph *g, const struct plan *p, struct arena *scratch);

/* A KPU value's bytes: doc/kpu.md section 3. */
int64_t ncc_plan_value_size(const struct value *v);

/* What is alive at the step where the peak of `mem` is reached, largest first: for the message
 * "does not fit", which names values, bytes and nodes. */
char *ncc_plan_explain(const struct graph *g, const struct plan *p, enum memory mem, int64_t limit, struct arena *a);

#endif
