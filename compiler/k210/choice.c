/* Several ways to the same result: each is built, its layers are added up, and it is taken away again; the cheapest is
 * built once more and stays. So a choice needs no formula of its own for what lowering does.
 */
#include "compiler/k210/lower.h"

#include <math.h>

/* Weights take general RAM and flash: a byte counts as much as a clock of the KPU. */
#define US_PER_WEIGHT (1e6 / NCC_KPU_CLOCK_HZ)

struct mark {
    struct node *last; /* what stands before the cursor; NULL: nothing */
    double detour_us;
};

static struct node *newest(const struct graph *g)
{
    return g->cursor ? g->cursor->prev : g->last;
}

static struct mark mark_here(const struct lowering *l)
{
    return (struct mark){newest(l->g), l->span->detour_us};
}

/* What has been made since the mark takes. */
static double us_since(const struct lowering *l, struct mark m)
{
    double us = l->span->detour_us - m.detour_us;
    for (const struct node *n = newest(l->g); n != m.last; n = n->prev) {
        us += ncc_lower_layer_us(l, n);
        if (n->op == OP_kpu_conv)
            us += (double)ncc_shape_count(n->in[1]->shape) * US_PER_WEIGHT;
    }
    return us;
}

static void take_back(struct lowering *l, struct mark m)
{
    for (struct node *n = newest(l->g), *prev; n != m.last; n = prev) {
        prev = n->prev;
        ncc_node_remove(l->g, n);
    }
    l->span->detour_us = m.detour_us;
}

struct value *ncc_lower_cheapest(struct lowering *l, const struct lower_way *ways, int n, const void *job,
                                 const char **why)
{
    const struct mark m = mark_here(l);
    const char *first_why = *why, *w = *why;
    double best_us = INFINITY;
    int best = 0;
    for (int i = 0; i < n && n > 1; i++) {
        const struct value *y = ways[i].build(l, job, ways[i].arg, &w);
        const double us = y ? us_since(l, m) : INFINITY;
        take_back(l, m);
        if (i == 0)
            first_why = w;
        if (us < best_us) {
            best_us = us;
            best = i;
        }
    }
    *why = first_why;
    return best_us < INFINITY || n == 1 ? ways[best].build(l, job, ways[best].arg, why) : NULL;
}
