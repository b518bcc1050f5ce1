/* Convolution of 8-bit codes, exactly, by way of float products.
 *
 *     sum[oc][pixel] = sum over taps of (x + x_offset) * (w + w_offset)
 *
 * A float holds all integers up to 2^24. As many channels are summed at once as cannot leave that
 * range in whatever order they are added; the sums of these parts are added as integers. */
#ifndef NCC_OPS_CONV_CODES_H
#define NCC_OPS_CONV_CODES_H

#include "compiler/ops/conv_float.h"

#include <stdbool.h>

struct convolve_codes {
    struct convolve shape; /* edge 0: beyond the edge taps add nothing */
    int x_offset, w_offset;
};

/* Whether sums fit 32 bits, and, with groups, float products. */
bool ncc_convolve_codes_fits(const struct convolve_codes *c);
size_t ncc_convolve_codes_scratch(const struct convolve_codes *c);
void ncc_convolve_codes(const struct convolve_codes *c, const uint8_t *x, const uint8_t *w, int32_t *sum,
                        void *scratch);

#endif
