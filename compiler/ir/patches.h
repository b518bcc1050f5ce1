/* What a convolution reads, at some places of some samples: one column of numbers per weight of a row.
 *
 *     regular    data[(c * taps + t) * n_points + p]: input channel c under tap t at point p
 *     depthwise  the same; output channel c reads the rows c * taps .. c * taps + taps - 1
 *
 * Each row is centred: its mean over the points is subtracted. Gathered by quant; used where weights are rounded, and
 * where a table is fitted to what an activation sees.
 */
#ifndef NCC_IR_PATCHES_H
#define NCC_IR_PATCHES_H

#include <stdbool.h>

struct patches {
    int n_points;   /* 0: none were gathered */
    int per_sample; /* points that each sample gives, from the first on until all are there */
    bool rounds;    /* enough points to round weights by them */
    float *data;
    float *mean; /* [row] what was subtracted */
};

/* By id of the value that the convolution makes; n is the number of values. */
struct patch_table {
    int n;
    struct patches *v;
};

#endif
