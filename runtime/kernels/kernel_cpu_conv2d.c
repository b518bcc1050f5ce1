#include "runtime/kernels/convolve.h"
#include "runtime/kernels/kernel.h"

void ncc_kernel_cpu_conv2d(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_cpu_conv2d *const op = body;
    const float *const weights = (const float *)(const void *)(op + 1);
    const float *const bias = weights + (size_t)op->out_channels * (size_t)op->window.filter_h *
                                            (size_t)op->window.filter_w * (size_t)op->in_shape[3];
    const struct ncc_convolution c = ncc_convolution_nhwc(op->in_shape, op->out_channels, 1, &op->window);
    ncc_convolve_f32(&c, ncc_kernel_in(memory, &op->in), weights, bias, op->act, ncc_kernel_out(memory, &op->out));
}
