/* Which values' rounding matters for the outputs, or for what stands in front of their softmax.
 *
 *     share = what rounding this value alone does to the outputs / what rounding all values does      (squared errors)
 *
 * Every trial is a run of the real graph with roundings in it, on samples spread evenly over all of them: as many as
 * a budget of multiply-adds allows, from 1 to 8. Rounding is to 255 steps of a range that the samples showed; channels
 * of a map have the scales of by_channel.h.
 */
#ifndef NCC_QUANT_SHARES_H
#define NCC_QUANT_SHARES_H

#include "compiler/ir/eval.h"

/* What was seen of a channel, 0 between them. */
struct extremes {
    float lo, hi;
};

struct share {
    double of_all;
    const struct extremes *channel; /* of a map: by channel; else one for all */
    int n_channels;
    struct extremes whole;
    int64_t n_seen; /* elements */
};

/* The width of a channel's codes, times 255, where all channels together reach from whole.lo to whole.hi. */
double ncc_quant_reach(struct extremes channel, struct extremes whole);

/* For n values of g; where the graph is large, for the first `certain` and some more (from 3 on), and 0 for the others.
 * `all`: the mean relative squared error of the outputs when all values are rounded. False: feed said so, or no memory (reported).
 * What is in `out` lives in `scratch`. */
bool ncc_quant_shares(struct graph *g, const struct samples *samples, struct value *const *v, int n, int certain,
                      struct arena *scratch, struct share *out, double *all);

#endif
