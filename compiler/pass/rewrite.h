/* The one driver for local rewrites.
 *
 * A rewrite looks at one node of its root operator and either changes the graph around it
 * and returns true, or leaves all as it is and returns false. The driver offers every node
 * to every rewrite, again and again, until a whole round changes nothing; dead nodes are swept
 * in between. Before `apply` is called the graph's cursor stands at the node, so that new nodes
 * come before it. Each change must bring the graph nearer to its end (fewer nodes, or a defined
 * direction of motion); after 1000 rounds the driver gives up with an internal error that
 * names the rewrite.
 */
#ifndef NCC_PASS_REWRITE_H
#define NCC_PASS_REWRITE_H

#include "compiler/ir/op.h"

#define ANY_OP N_OPS

struct rewrite {
    const char *name;
    enum op root; /* ANY_OP: every node */
    bool (*apply)(struct graph *g, struct node *n);
};

/* False: gave up. */
bool ncc_rewrite_run(struct graph *g, const struct rewrite *set, int n);

#endif
