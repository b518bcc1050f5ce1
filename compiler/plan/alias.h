/* Which values share bytes: alias.c; and when they live: life.c. */
#ifndef NCC_PLAN_ALIAS_H
#define NCC_PLAN_ALIAS_H

#include "compiler/plan/plan.h"

/* May an element-wise node write over an input that nobody reads afterwards? */
enum in_place {
    IN_PLACE_NEVER,
    IN_PLACE_ANY_ORDER,  /* where it is right in every order of the nodes: the node is the only reader */
    IN_PLACE_THIS_ORDER, /* where it is right in the present order */
    IN_PLACE_CONVERSIONS, /* there, and quantize and dequantize too, whose elements change their size */
};

struct shared {
    enum memory mem;
    int64_t size; /* bytes, rounded up to 64 or 8 */
    bool input;   /* holds a graph input: alive from the start */
    bool output;  /* holds a graph output: alive to the end */
};

struct alias_map {
    int n_ids;
    int *buffer_of;       /* by value id: index into `buffer`, -1: none */
    int64_t *offset_in;   /* by value id */
    struct shared *buffer;
    int n_buffers;
};

/* Canvases that cannot lie side by side as a kpu_concat wants them, because input `index` of `concat` lies elsewhere
 * already, in another concat or twice in this one. The way out is a copy of that input. */
struct alias_conflict {
    const struct node *concat;
    int index;
};

/* False, and `conflict` filled, when a kpu_concat cannot be formed. */
bool ncc_plan_alias(const struct graph *g, enum in_place mode, struct arena *a, struct alias_map *out,
                    struct alias_conflict *conflict);

/* The layer that writes this download's output: a kmodel has no download of its own, but its layers have a second
 * output. NULL: n is not a download, or not one of a layer's result. */
const struct node *ncc_plan_fused_layer(const struct node *n);

struct life {
    int birth, death;
};
/* By buffer; steps as in the present order of nodes. Buffers that no node touches live at step 0. */
struct life *ncc_plan_life(const struct graph *g, const struct alias_map *m, struct arena *a);

#endif
