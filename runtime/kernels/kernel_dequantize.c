#include "runtime/kernels/kernel.h"

void ncc_kernel_dequantize(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_dequantize *const op = body;
    const uint8_t *const in = ncc_kernel_in(memory, &op->in);
    float *const out = ncc_kernel_out(memory, &op->out);
    const float step = 1.0f / op->scale;
    const int64_t zero_point = op->zero_point;
    const size_t n = op->in.size;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(in[i] - zero_point) * step;
}
