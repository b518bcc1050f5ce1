/* A histogram that grows with its data and still adds up exactly.
 *
 * Bin k of width 2^exponent holds the values in [k * width, (k + 1) * width); NCC_HISTOGRAM_BINS neighbouring ones are
 * kept. When the range grows, the width doubles and pairs of bins 2j, 2j + 1 become bin j: since the grid is aligned at
 * zero, the result is the same as if all values had been counted with the wide bins from the start. So the counts
 * depend on the values and the final range only, not on their order nor on which thread counted them.
 *
 * The range always includes zero. Exact zeros (all that a ReLU cuts) are counted apart: they cost no
 * quantisation error, whatever the scale.
 */
#ifndef NCC_QUANT_HISTOGRAM_H
#define NCC_QUANT_HISTOGRAM_H

#include <stdint.h>

#define NCC_HISTOGRAM_BINS 2048

struct histogram {
    int exponent;        /* bins are 2^exponent wide */
    int64_t first, last; /* bin[i] holds bin number first + i of the grid, up to last; first <= 0 <= last */
    int64_t n_zero;
    uint32_t bin[NCC_HISTOGRAM_BINS];
};

/* An all-zero struct is not valid: start here. Covers nothing but zero, with the finest bins. */
void ncc_histogram_init(struct histogram *h);

/* Makes room for lo..hi (finite), together with what is covered already; values outside must not be added. */
void ncc_histogram_cover(struct histogram *h, float lo, float hi);

/* Counts x[0], x[stride], ... below n; all must be finite and covered. Returns the first index >= n of this
 * sequence, minus n: where to go on in the next row of the same tensor. */
int64_t ncc_histogram_add(struct histogram *h, const float *x, int64_t n, int64_t stride);

/* Adds what `from` counted. */
void ncc_histogram_merge(struct histogram *h, const struct histogram *from);

#endif
