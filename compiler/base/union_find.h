/* Sets that only grow: each element points towards the one that stands for its set, which points at itself. */
#ifndef NCC_BASE_UNION_FIND_H
#define NCC_BASE_UNION_FIND_H

#include <stdbool.h>

/* Each of n elements alone. */
static inline void ncc_sets_begin(int *parent, int n)
{
    for (int i = 0; i < n; i++)
        parent[i] = i;
}

/* The element that stands for i's set; shortens the way there. */
static inline int ncc_sets_root(int *parent, int i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

/* The smaller of both roots stands for the union, so that results do not depend on the order of unions. False: a and b
 * were in one set already. */
static inline bool ncc_sets_unite(int *parent, int a, int b)
{
    const int x = ncc_sets_root(parent, a), y = ncc_sets_root(parent, b);
    parent[x < y ? y : x] = x < y ? x : y;
    return x != y;
}

#endif
