/* Several ways to the same result: each is built, its layers are added up, and it is taken away again; the cheapest is
 * built once more and stays. So a choice needs no formula of its own for what lowering does.
 */
#include "compiler/k210/lower.h"

#include <assert.h>
#include <math.h>

struct value *ncc_lower_cheapest(struct lowering *l, const struct lower_way *ways, int n, const void *job,
                                 const char **why)
{
    struct decision d = {-1, *why};
    if (n == 1)
        return ways[0].build(l, job, ways[0].arg, why);
    if (ncc_lower_recalled(l, &d)) {
        assert(d.way < n);
        *why = d.why;
        return d.way < 0 ? NULL : ways[d.way].build(l, job, ways[d.way].arg, why);
    }
    const struct attempt a = ncc_lower_begin(l);
    struct search_log log = ncc_lower_search(l);
    const char *w = *why;
    double best_us = INFINITY;
    ncc_lower_try(l, 1);
    for (int i = 0; i < n; i++) {
        ncc_lower_search_next(l, &log);
        const struct value *y = ways[i].build(l, job, ways[i].arg, &w);
        const double us = y ? ncc_lower_spent(l, &a, y) : INFINITY;
        ncc_lower_undo(l, &a);
        if (i == 0)
            d.why = w;
        if (us < best_us) {
            best_us = us;
            d.way = i;
            ncc_lower_search_keep(l, &log);
        }
    }
    ncc_lower_try(l, -1);
    *why = d.why;
    ncc_lower_search_end(l, &log, d);
    if (d.way < 0)
        return NULL;
    ncc_lower_replay(l, &log);
    struct value *best = ways[d.way].build(l, job, ways[d.way].arg, why);
    ncc_lower_replayed(l);
    return best;
}

/* ---- blocks ---- */

/* Microseconds of a part; it is taken away again. */
static double part_us(struct lowering *l, lower_part *build, const void *job, int begin, int count, const char **why)
{
    if (count == 0)
        return 0;
    const struct attempt a = ncc_lower_begin(l);
    const struct value *y = build(l, job, begin, count, why);
    const double us = y ? ncc_lower_spent(l, &a, y) : INFINITY;
    ncc_lower_undo(l, &a);
    return us;
}

int ncc_lower_best_block(struct lowering *l, lower_part *build, const void *job, int total, int least, const char **why)
{
    struct decision d = {0, *why};
    if (ncc_lower_recalled(l, &d)) {
        *why = d.why;
        return d.way;
    }
    const struct search_log log = ncc_lower_search(l);
    const char *w = *why;
    double best_us = INFINITY;
    ncc_lower_try(l, 1);
    for (int block = least; block < 2 * total || block == least; block *= 2) {
        const int n = total / block, rest = total % block;
        ncc_lower_search_next(l, &log);
        const double whole = n ? n * part_us(l, build, job, 0, block, &w) : 0;
        const double us = whole < best_us ? whole + part_us(l, build, job, n * block, rest, &w) : INFINITY;
        if (block == least)
            d.why = w;
        if (us < best_us) {
            best_us = us;
            d.way = block;
        }
    }
    ncc_lower_try(l, -1);
    ncc_lower_search_end(l, &log, d);
    *why = d.why;
    return d.way;
}
