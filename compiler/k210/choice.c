/* Several ways to the same result: each is built, its layers are added up, and it is taken away again; the cheapest is
 * built once more and stays. So a choice needs no formula of its own for what lowering does.
 */
#include "compiler/k210/lower.h"

#include <math.h>

struct value *ncc_lower_cheapest(struct lowering *l, const struct lower_way *ways, int n, const void *job,
                                 const char **why)
{
    const struct attempt a = ncc_lower_begin(l);
    const char *first_why = *why, *w = *why;
    double best_us = INFINITY;
    int best = 0;
    l->trying++;
    for (int i = 0; i < n && n > 1; i++) {
        const struct value *y = ways[i].build(l, job, ways[i].arg, &w);
        const double us = y ? ncc_lower_spent(l, &a, y) : INFINITY;
        ncc_lower_undo(l, &a);
        if (i == 0)
            first_why = w;
        if (us < best_us) {
            best_us = us;
            best = i;
        }
    }
    l->trying--;
    *why = first_why;
    return best_us < INFINITY || n == 1 ? ways[best].build(l, job, ways[best].arg, why) : NULL;
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
    const char *w = *why;
    double best_us = INFINITY;
    int best = 0;
    l->trying++;
    for (int block = least; block < 2 * total || block == least; block *= 2) {
        const int n = total / block, rest = total % block;
        const double whole = n ? n * part_us(l, build, job, 0, block, &w) : 0;
        const double us = whole < best_us ? whole + part_us(l, build, job, n * block, rest, &w) : INFINITY;
        if (block == least)
            *why = w;
        if (us < best_us) {
            best_us = us;
            best = block;
        }
    }
    l->trying--;
    return best;
}
