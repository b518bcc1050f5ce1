/* A tensor seen along one axis: outer x n x inner. */
#ifndef NCC_OPS_AXIS_H
#define NCC_OPS_AXIS_H

#include "compiler/ir/type.h"

struct along {
    int64_t outer, n, inner;
};

static inline struct along ncc_along(struct shape s, int axis)
{
    struct along r = {1, s.dim[axis], 1};
    for (int i = 0; i < axis; i++)
        r.outer *= s.dim[i];
    for (int i = axis + 1; i < s.rank; i++)
        r.inner *= s.dim[i];
    return r;
}

#endif
