/* Running layers of an integer graph, one or all, beside the real graph: buffers of a thread, and what goes into them.
 */
#ifndef NCC_QUANT_LAYER_RUN_H
#define NCC_QUANT_LAYER_RUN_H

#include "compiler/quant/layer_pairs.h"

/* The two graphs and their layers. */
struct layer_graphs {
    const struct graph *real, *codes;
    struct value **real_values, **code_values; /* by id */
    struct layer_pairs pairs;
};

struct layer_graphs ncc_layer_graphs(const struct graph *real, const struct graph *codes, struct arena *a);

/* What a thread runs one layer with. */
struct layer_room {
    struct tensor own, part; /* a layer's result: of the integer layer, of the real layer on rounded inputs */
    struct tensor own_shown, part_shown;
    struct tensor rounded[NCC_LAYER_INPUTS];
    void *scratch; /* of any node of both graphs */
};

struct layer_room ncc_layer_room(const struct layer_graphs *g, struct arena *a);

/* The integer layer's result from the real inputs x (by id of the real graph), as codes where it takes codes; as its
 * view shows it, if it has one. In the room. NULL: an input has no counterpart. */
const struct tensor *ncc_layer_own(const struct layer_graphs *g, const struct tensor *x, const struct layer_pair *l,
                                   struct layer_room *room);

/* The real layer's result from inputs that went through codes, likewise. NULL: nothing of it is codes, or the layer was
 * made of several nodes. */
const struct tensor *ncc_layer_rounded(const struct tensor *x, const struct layer_pair *l, struct layer_room *room);

/* What a thread runs the whole integer graph with. */
struct codes_room {
    struct tensor *value;     /* by id of the integer graph */
    const struct tensor **in; /* of the widest node */
    struct tensor **out, *fixed;
    void *scratch;
};

/* `scratch` as in struct layer_room; one for both will do. */
struct codes_room ncc_codes_room(const struct layer_graphs *g, void *scratch, struct arena *a);

/* All values of the integer graph, from the inputs that x has. */
void ncc_layer_run_all(const struct layer_graphs *g, const struct tensor *x, struct codes_room *room);

/* A tensor for each value, by id (n of them; no data where there is no value). In the arena. */
struct tensor *ncc_value_tensors(struct value *const *values, int n, struct arena *a);
size_t ncc_value_size(const struct value *v); /* bytes */

/* A constant as a tensor; it is only read. */
struct tensor ncc_constant_tensor(const struct value *v);

#endif
