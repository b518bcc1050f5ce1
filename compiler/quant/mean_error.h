/* What the last layers of an integer graph do to the means of their channels.
 *
 * Rounding errors have a mean: values that a ReLU cuts off are rounded up only, tables and pools are a little off, and
 * what is known of it layer by layer (the mean correction of weights, of pools) is not all. At the outputs it can be
 * measured: by running both graphs on some samples.
 *
 *     error[c] = mean over samples and window of (integer graph - real graph)
 *
 * A mean over few samples is uncertain itself. Each is made smaller by the share of its square that its own variance is,
 * so what cannot be told from none is none.
 */
#ifndef NCC_QUANT_MEAN_ERROR_H
#define NCC_QUANT_MEAN_ERROR_H

#include "compiler/ir/eval.h"

struct mean_error {
    struct node *layer; /* a kpu_layer of the integer graph */
    double *error;      /* [channel], in codes of its result */
};

struct mean_errors {
    struct mean_error *v;
    int n, cap;
};

/* The kpu_layers from which outputs come without another layer between, where the real graph has a layer without an
 * activation for it. Values of the two graphs are matched by value->real_id.
 *
 * `samples` are for the real graph. At most `budget` multiply-adds are spent on running the integer graph, on some that
 * are evenly spread; too few of them: an empty list. False: feed said so, or no memory (reported). `out` lives in
 * `arena`. */
bool ncc_quant_mean_errors(const struct graph *real, struct graph *codes, const struct samples *samples, double budget,
                           struct arena *arena, struct mean_errors *out);

#endif
