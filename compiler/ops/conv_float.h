/* Convolution of float maps, for conv2d and for the KPU's layers in real numbers. */
#ifndef NCC_OPS_CONV_FLOAT_H
#define NCC_OPS_CONV_FLOAT_H

#include <stddef.h>
#include <stdint.h>

/* Output (y, x) takes input (y * stride_h - top + ky * dil_h, x * stride_w - left + kx * dil_w) for
 * each tap of the kernel. top and left may be negative (a pick at an offset); beyond the input
 * stands `edge`. Weights: [out_c][in_c / groups][kernel_h][kernel_w]. */
struct convolve {
    int n, in_c, in_h, in_w;
    int out_c, out_h, out_w;
    int kernel_h, kernel_w, stride_h, stride_w, dil_h, dil_w;
    int top, left;
    int groups;
    float edge;
};

/* One element of the result, summed in double, for the definitions. */
float ncc_convolve_at(const struct convolve *s, const float *x, const float *w, const float *bias, int n, int oc, int y,
                      int xx);
/* All of it. bias may be NULL. */
void ncc_convolve_plain(const struct convolve *s, const float *x, const float *w, const float *bias, float *y);
void ncc_convolve_fast(const struct convolve *s, const float *x, const float *w, const float *bias, float *y,
                       void *scratch);
size_t ncc_convolve_scratch(const struct convolve *s); /* bytes for ncc_convolve_fast */
double ncc_convolve_macs(const struct convolve *s);

#endif
