/* 3x3 filters of each channel that do something else at the edges of maps. */
#ifndef NCC_K210_EDGE_FILTER_H
#define NCC_K210_EDGE_FILTER_H

#include "compiler/k210/lower.h"

/* One direction. Output o is the sum of tap[i] x(o - 1 + i), with zeros beyond the map, and for the first pixel (`front`) and
 * the last one (`behind`) `edge` times the pixel more. One output more than pixels: `more`. */
struct edge_filter {
    float tap[3], edge;
    bool front, behind, more;
};

struct edge_filter_job {
    const char *name, *origin;
    struct value *x;        /* canvas; around its window may be anything */
    struct edge_filter row, col;
    struct act_chain act;
    bool tied;              /* the result has the codes of x */
    bool one_scale;         /* or the same codes for all channels, whatever makes it */
    int n_channels;         /* to filter: channel c lies at slot[c] */
    const int *slot;
};

/* The filtered map, channel c at to[c]. The window stands where x's does. NULL, and why: it does not fit. */
struct value *ncc_lower_edge_filter(struct lowering *l, const struct edge_filter_job *job, int *to, const char **why);

#endif
