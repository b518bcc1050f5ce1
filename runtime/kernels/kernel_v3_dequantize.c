#include "runtime/kernels/kernel_v3.h"

void ncc_kernel_v3_dequantize(const void *body, uint8_t *main)
{
    const struct ncc_km3_dequantize *const op = body;
    const uint8_t *const in = main + op->in;
    float *const out = ncc_kernel_v3_floats(main, op->out);
    const float scale = op->scale, bias = op->bias;
    const size_t n = op->n;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)in[i] * scale + bias;
}
