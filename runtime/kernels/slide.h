/* Windows that slide over a tensor, in any order of its dimensions. */
#ifndef NCC_RUNTIME_SLIDE_H
#define NCC_RUNTIME_SLIDE_H

#include "kmodel/kmodel.h"

#include <stddef.h>
#include <stdint.h>

/* A tensor of n x c x h x w elements and the distances between them, in elements. */
struct ncc_slide_tensor {
    int32_t n, c, h, w;
    ptrdiff_t n_step, c_step, h_step, w_step;
};

/* Dimensions and memory in the order n, c, h, w; in the order n, h, w, c. */
struct ncc_slide_tensor ncc_slide_nchw(int32_t n, int32_t c, int32_t h, int32_t w);
struct ncc_slide_tensor ncc_slide_nhwc(int32_t n, int32_t h, int32_t w, int32_t c);

/* How often a window of these sizes fits. */
int32_t ncc_slide_positions(int32_t in, struct ncc_km_padding pad, int32_t filter, int32_t stride, int32_t dilation);

/* The taps first .. first + n - 1 of a window lie inside the input; tap k at index origin + dilation * k. */
struct ncc_slide_taps {
    int64_t origin;
    int32_t first, n; /* n is 0 when none does */
};
struct ncc_slide_taps ncc_slide_taps(int32_t position, int32_t stride, int32_t pad_before, int32_t filter,
                                     int32_t dilation, int32_t in);

#endif
