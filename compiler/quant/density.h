/* A histogram as a density: values count as spread evenly within each bin. */
#ifndef NCC_QUANT_DENSITY_H
#define NCC_QUANT_DENSITY_H

#include "compiler/quant/range.h"

/* Sums over everything below the lower edge of each bin; within a bin the values count as spread evenly. Bins at the
 * ends are cut at the smallest and the largest value, so that a value on which many elements sit, such as the upper
 * end of a ReLU6, stays a point. */
struct sums {
    double n, x, xx;
};

struct density {
    double width;
    int64_t first, n_bins;
    double min, max;
    struct sums below[NCC_HISTOGRAM_BINS + 1];
    const struct histogram *hist;
};

/* `o` must have a histogram, which must live as long as `d`. */
void ncc_density_fill(struct density *d, const struct observation *o);

/* Sum of squared errors when everything is rounded to the nearest of the 256 codes. Exact zeros cost nothing. */
double ncc_density_error(const struct density *d, struct range r);

/* The same, taking what is inside the range to be spread evenly over its codes: quick, for comparing many ranges. */
double ncc_density_estimate(const struct density *d, struct range r);

/* The value below which this share of all elements lies, exact zeros included. */
double ncc_density_quantile(const struct density *d, double share);

#endif
