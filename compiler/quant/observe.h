/* What values occur in the graph: the float graph is run on the samples and every value is watched.
 *
 *     struct observations seen;
 *     struct observe_options o = {.histograms = ncc_range_needs_histogram(method)};
 *     const struct samples samples = {.feed = feed, .ctx = dataset, .n = n_samples};
 *     if (!ncc_quant_observe(g, &samples, &o, arena, &seen))
 *         return false;
 *
 * Values on a canvas are watched inside their window only. NaN and infinity do not count; if there are any, a warning
 * names the value. Minima and maxima come from all elements, histograms from at least 4096 per value and sample
 * (all if there are less), means from 64 samples, evenly spread. Results do not depend on the number of threads.
 */
#ifndef NCC_QUANT_OBSERVE_H
#define NCC_QUANT_OBSERVE_H

#include "compiler/ir/eval.h"
#include "compiler/quant/gather_patches.h"
#include "compiler/quant/observation.h"

struct observations {
    int n;                      /* values of the graph at that time: v[value->id] */
    struct observation *v;      /* constants and integer values have n = 0 */
    struct patch_table patches; /* what the layers read */
};

struct observe_options {
    bool histograms;        /* RANGE_MINMAX needs none */
    size_t limit;           /* bytes for evaluation buffers (ncc_eval_open); 0: no limit */
    bool quiet;             /* no progress bar */
    bool no_channels;       /* without extremes of channels: one scale for all */
    bool no_means;          /* without means of canvases: nothing corrects what rounding does to them */
    struct gather_options gather; /* what to keep of what the layers read */
};

/* The graph must not change meanwhile. False: feed said so, or no memory for the evaluation (reported).
 * `out` lives in `arena`, and so does the working memory: some 16 KiB per value and thread with histograms. */
bool ncc_quant_observe(const struct graph *g, const struct samples *samples, const struct observe_options *options,
                       struct arena *arena, struct observations *out);

#endif
