/* What values occur in the graph: the float graph is run on the samples and every value is watched.
 *
 *     struct observations seen;
 *     struct observe_options o = {.histograms = ncc_range_needs_histogram(method)};
 *     if (!ncc_quant_observe(g, feed, dataset, n_samples, &o, arena, &seen))
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
#include "compiler/quant/histogram.h"

/* The same of parts of the samples, which take turns: sample s belongs to fold s % n. */
struct fold_extremes {
    int n;                  /* 0: there are none */
    const float *min, *max; /* [n + 1][channels], the last row of all samples; 0 between them */
};

struct observation {
    float min, max;               /* only valid when n > 0 */
    int64_t n;                    /* finite elements seen */
    int64_t n_bad;                /* NaN and infinities */
    const struct histogram *hist; /* NULL: not asked for, or nothing seen */
    /* Of values whose channels may have scales of their own (by_channel.h), else NULL; with 0 between them: */
    const float *channel_min, *channel_max;
    struct fold_extremes fold;
    const struct observation *half; /* NULL, or the same of the samples of even and of odd number (min to hist only) */
    const double *mean;             /* of a canvas: per channel, inside the window, over the first samples; else NULL */
};

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

/* `feed` as in eval_hooks: called in parallel, false stops everything. The graph must not change meanwhile.
 * False: feed said so (it leaves its own diagnostic), or no memory for the evaluation (reported).
 * `out` lives in `arena`, and so does the working memory: some 16 KiB per value and thread with histograms. */
bool ncc_quant_observe(const struct graph *g, bool (*feed)(void *ctx, int sample, int input, struct tensor *to),
                       void *ctx, int n_samples, const struct observe_options *options, struct arena *arena,
                       struct observations *out);

/* Adds one tensor to an observation; `hist` (may be NULL) is o's own, writable. Takes the part of t inside the window
 * (window.h == 0: all). For tests and for values that are not in a graph. */
void ncc_observation_add(struct observation *o, struct histogram *hist, const struct tensor *t, struct window window);

#endif
