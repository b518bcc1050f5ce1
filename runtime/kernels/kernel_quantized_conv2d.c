#include "runtime/kernels/convolve.h"
#include "runtime/kernels/kernel.h"

void ncc_kernel_quantized_conv2d(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_quantized_conv2d *const op = body;
    const uint8_t *const bias = (const uint8_t *)(op + 1);
    const uint8_t *const weights = bias + (size_t)op->out_channels * sizeof(int32_t);
    const struct ncc_convolve_q q = {op->in_offset, op->filter_offset, op->out_mul, op->out_shift, op->out_offset};
    const struct ncc_convolution c = ncc_convolution_nchw(op->in_shape, op->out_channels, op->groups, &op->window);
    ncc_convolve_u8(&c, ncc_kernel_in(memory, &op->in), weights, bias, &q, ncc_kernel_out(memory, &op->out));
}
