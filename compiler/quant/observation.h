/* What was seen of one value (observe.h).
 *
 * Of tensors on a canvas all functions look at what is inside the window (window.h == 0: all).
 */
#ifndef NCC_QUANT_OBSERVATION_H
#define NCC_QUANT_OBSERVATION_H

#include "compiler/ir/op.h"
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

/* What else is wanted of a tensor's channels; NULL: it is not. */
struct channel_marks {
    float *min, *max; /* extended, with 0 between them; max is INFINITY where one is not finite */
    double *mean;     /* of this tensor */
};

/* Adds one tensor to an observation; `hist` (may be NULL) is o's own, writable; `marks` may be NULL. */
void ncc_observation_add(struct observation *o, struct histogram *hist, const struct tensor *t, struct window window,
                         const struct channel_marks *marks);

/* Adds what others saw; `hist` as above, in which that of o, if it has one, is counted as well. */
void ncc_observation_join(struct observation *to, struct histogram *hist, const struct observation *o);

#endif
