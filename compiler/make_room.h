/* One round of making room: what may be done about what is too large, and what comes of it. */
#ifndef NCC_COMPILER_MAKE_ROOM_H
#define NCC_COMPILER_MAKE_ROOM_H

#include "compiler/compilation.h"
#include "compiler/k210/bands.h"

/* A canonical graph lowered, with what that needs of KPU RAM. */
struct trial {
    struct graph *placed, *lowered;
    struct plan_need need;
    int n_large;      /* nodes that bands might bring to the KPU */
    int64_t overflow; /* bytes that KPU RAM lacks */
    double us;        /* estimated, with the price of the weights */
};

/* Both memories' forms of all nodes: lower_to_fit.c. False: an error was reported. */
bool ncc_lower_placed(struct graph *g, const struct k210_options *options, struct arena *scratch);
/* The same. */
bool ncc_trial(struct compilation *c, const struct graph *canonical, struct trial *t);
/* Is less too large? */
bool ncc_trial_is_smaller(const struct trial *a, const struct trial *b);
/* Or as much, but in fewer places? The peak may stand at several, and each must be dealt with. */
bool ncc_trial_is_better(const struct trial *a, const struct trial *b);
/* Nodes of the canonical graph, by place, that are still there after lowering, since their maps are too large for the KPU. */
bool *ncc_trial_large(struct compilation *c, const struct graph *canonical, const struct graph *lowered, int *n);
/* Is this canonical node the one behind the lowered node at the peak? Or, where none is known, of the same origin? */
bool ncc_trial_at_peak(const struct trial *t, const struct node *n);
/* Is a result of this canonical node alive in KPU RAM at the peak, or something on the way to it? */
bool ncc_trial_holds(const struct trial *t, const struct node *n);

/* A graph in which less is too large, and what came of it; none: graph is NULL. */
struct way {
    struct graph *graph;
    struct trial trial;
    struct band_choice bands; /* n 0: none */
    int ranges;               /* of the channels of a run; 0: none */
    const char *first, *last; /* of the run: where they come from */
    const struct value *spilled;
};

/* Of two, the quicker; what leaves less too large comes before what leaves it in fewer places. */
struct way ncc_way_quicker(struct way a, struct way b, const struct trial *now);

/* Cuts the graph around the node at a place into bands, or the channels of the run around it into ranges, in the fastest way
 * that leaves less too large and takes less than `below` microseconds. */
struct way ncc_way_bands(struct compilation *c, int place, const struct trial *now, double below);
struct way ncc_way_ranges(struct compilation *c, int place, const struct trial *now);
/* The cheapest spill around the node at a place that makes everything fit, else the one that leaves least over. */
struct way ncc_way_spill(struct compilation *c, int place, const struct trial *now);
/* Takes a way: for the report. */
void ncc_way_note(struct compilation *c, const struct way *w);

/* Ids of nodes that are too large, and which no way to cut has made any smaller: what is done elsewhere will not help. */
struct hopeless {
    int *v, n, cap;
};

/* Bands, ranges or a spill, whichever is fastest; *now is then what came of it. False: nothing helps. */
bool ncc_make_room(struct compilation *c, struct hopeless *hopeless, struct trial *now);

#endif
