/* Codes and real numbers: real = (code - zero point) * scale. */
#ifndef NCC_OPS_CODES_H
#define NCC_OPS_CODES_H

#include "compiler/ir/element.h"
#include "compiler/ir/graph.h"
#include "compiler/ops/axis.h"

#include <math.h>

struct code_pair {
    double scale, zero_point;
};

/* The pair of a channel; 1 and 0 when there is no quantisation. */
static inline struct code_pair ncc_code_pair(const struct quant *q, int channel)
{
    if (q->n_channels == 0)
        return (struct code_pair){1.0, 0.0};
    const int i = q->n_channels == 1 ? 0 : channel;
    return (struct code_pair){q->scale[i], q->zero_point[i]};
}

/* Rounded half away from zero, and limited to what the type holds. */
static inline int64_t ncc_code_of(struct code_pair p, enum dtype t, double x)
{
    const double q = round(x / p.scale + p.zero_point);
    const double low = (double)ncc_element_min(t), high = (double)ncc_element_max(t);
    if (!(q > low)) /* NaN too */
        return ncc_element_min(t);
    return q >= high ? ncc_element_max(t) : (int64_t)q;
}

/* A quantised tensor in runs of equal pairs. A pair per channel belongs to dimension 0 of weights,
 * else to dimension 1. */
static inline struct along ncc_code_runs(const struct value *v, struct shape s)
{
    if (v->quant.n_channels <= 1)
        return (struct along){1, 1, ncc_shape_count(s)};
    return ncc_along(s, v->data && v->quant.n_channels == s.dim[0] ? 0 : 1);
}

#endif
