/* Nodes on their way into the graph: what is constant is worked out at once, so that the arithmetic on shapes that
 * exporters leave in models never gets further than here. */
#ifndef NCC_IMPORT_FOLDING_H
#define NCC_IMPORT_FOLDING_H

#include "compiler/ir/graph.h"

/* ncc_node_new, and the evaluator if all inputs are constant and the budget allows. The budget is in elements
 * touched and bounds the work that a file can ask for; what folding costs is taken from it.
 * In a folded node, which is no longer in the graph, out[] are the constants. NULL: refused, with a diagnostic. */
struct node *ncc_import_node(struct graph *g, int64_t *budget, enum op op, const char *name, const char *origin,
                             const void *attrs, struct value *const *in, int n_in);

#endif
