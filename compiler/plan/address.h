/* Offsets for jobs with known lifetimes: two jobs that live at the same step must not overlap, and the highest
 * end is to be as low as possible (rectangle packing with one fixed coordinate). Knows nothing of graphs.
 */
#ifndef NCC_PLAN_ADDRESS_H
#define NCC_PLAN_ADDRESS_H

#include "compiler/plan/plan.h"

struct job {
    int64_t size;     /* >= 0 */
    int birth, death; /* birth <= death, both inclusive */
    int64_t addr;     /* result; a sum of sizes, so it is aligned as all sizes are */
};

/* Nodes of search that stand for a second of plan_options.solve_seconds. */
enum { NCC_PLAN_NODES_PER_SECOND = 2000000 };

/* Fills job[].addr and `out`. First a number of quick placements; when none of them reaches the bound, or `enough`, a
 * search of at most `max_nodes` nodes. The result depends on the arguments only. */
void ncc_plan_pack(struct job *job, int n_jobs, int64_t enough, int64_t max_nodes, struct arena *scratch,
                   struct plan_memory *out);

/* ---- the pieces, for one group of jobs: fit.c, climb.c, pack_search.c ---- */

struct packing {
    const struct job *job;
    int n;
    int64_t bound;    /* largest sum at any step: nothing lower is possible */
    int64_t goal;     /* good enough: the bound, or more when another group needs more anyhow */
    int64_t unit;     /* greatest common divisor of the sizes: every peak is a multiple */
    int64_t *load;    /* by job: largest sum of live bytes while it lives */
    int *order;       /* the order that led to `best` */
    int64_t *best;    /* addresses of the best packing so far */
    int64_t peak;     /* its peak; INT64_MAX: none yet */
    int64_t nodes;    /* that may still be spent */
    int *placed;      /* workspace of fit */
    int64_t *at;      /* workspace of fit: addresses of the packing in progress */
};

static inline bool ncc_plan_meet(const struct job *a, const struct job *b)
{
    return a->birth <= b->death && b->birth <= a->death;
}

enum fit_rule { FIT_LOWEST, FIT_TIGHTEST, FIT_BOTH_ENDS };

/* Places the jobs one by one in the given order; keeps the result when it is better than `best`. Returns the peak. */
int64_t ncc_plan_fit(struct packing *p, const int *order, enum fit_rule rule);
/* Tries several orders and rules until the goal is reached. */
void ncc_plan_fit_all(struct packing *p, struct arena *scratch);
/* Improves the order by random but reproducible exchanges, spending at most `nodes`. */
void ncc_plan_climb(struct packing *p, int64_t nodes, struct arena *scratch);
/* Branch and bound. True: `best` is optimal, or reaches the goal. */
bool ncc_plan_pack_search(struct packing *p, struct arena *scratch);

#endif
