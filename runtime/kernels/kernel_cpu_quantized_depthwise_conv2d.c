#include "runtime/kernels/convolve.h"
#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

/* Unlike quantized_conv2d the cpu_ operations subtract their offsets. */
void ncc_kernel_cpu_quantized_depthwise_conv2d(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_cpu_quantized_depthwise_conv2d *const op = body;
    const int32_t channels = op->in_shape[3];
    const uint8_t *const weights = (const uint8_t *)(op + 1);
    const uint8_t *const bias = weights + (size_t)channels * (size_t)op->window.filter_h * (size_t)op->window.filter_w;
    const struct ncc_convolve_q q = {ncc_kernel_wrap(-(int64_t)op->in_offset),
                                     ncc_kernel_wrap(-(int64_t)op->filter_offset), op->out_mul, op->out_shift,
                                     op->out_offset};
    const struct ncc_convolution c = ncc_convolution_nhwc(op->in_shape, channels, channels, &op->window);
    ncc_convolve_u8(&c, ncc_kernel_in(memory, &op->in), weights, bias, &q, ncc_kernel_out(memory, &op->out));
}
