/* The loops of all convolutions but the transposed one: float or integer, either order of dimensions, any groups. */
#ifndef NCC_RUNTIME_CONVOLVE_H
#define NCC_RUNTIME_CONVOLVE_H

#include "runtime/kernels/slide.h"

#include <stdbool.h>

struct ncc_convolution {
    struct ncc_slide_tensor in, out;
    const struct ncc_km_window *window;
    int32_t groups;
    bool channels_last; /* the order of dimensions, of weights ([oc][fh][fw][ic], else [oc][ic][fh][fw]), of the sum */
};

/* Sizes from the input's shape. */
struct ncc_convolution ncc_convolution_nchw(const int32_t in_shape[4], int32_t out_c, int32_t groups,
                                            const struct ncc_km_window *window);
struct ncc_convolution ncc_convolution_nhwc(const int32_t in_shape[4], int32_t out_c, int32_t groups,
                                            const struct ncc_km_window *window);

/* Float: starts from the bias and adds the products in the order of the loops (ic, ky, kx; channels last: ky, kx, ic).
 * Taps outside the input are left out. */
void ncc_convolve_f32(const struct ncc_convolution *c, const float *in, const float *weights, const float *bias,
                      struct ncc_km_clamp act, float *out);

/* Integer: bias + sum of (x + in_add) * (w + filter_add), scaled. */
struct ncc_convolve_q {
    int32_t in_add, filter_add, out_mul, out_shift, out_offset;
};

/* `bias` are int32_t of any alignment. */
void ncc_convolve_u8(const struct ncc_convolution *c, const uint8_t *in, const uint8_t *weights, const uint8_t *bias,
                     const struct ncc_convolve_q *q, uint8_t *out);

#endif
