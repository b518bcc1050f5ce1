/* Means over windows that the map's edge cuts off, where only the pixels inside are counted (mean_inside.c). */
#ifndef NCC_K210_MEAN_INSIDE_H
#define NCC_K210_MEAN_INSIDE_H

#include "compiler/k210/lower.h"

/* In one direction, what a mean that counts the padding is multiplied by: the sum of the factors of all masks that leave a
 * row. The first leaves all of them. */
struct mask {
    int before, after; /* rows that are cleared */
    double factor;
};
enum { NCC_MAX_MASKS = 5 };
struct masks {
    struct mask v[NCC_MAX_MASKS];
    int n;
};
struct mean_inside {
    struct masks row, col;
};

/* False: the counts change too often. */
bool ncc_mean_inside_of(const struct node *pool, struct mean_inside *m);

/* The means that count what is inside alone, for a 1x1 job whose x are those that count the padding; its weights are set
 * here. NULL, and why: not possible. */
struct value *ncc_lower_mean_inside(struct lowering *l, const struct mean_inside *m, const struct conv_job *job,
                                    const char **why);

#endif
