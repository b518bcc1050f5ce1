#include "runtime/kernels/kernel_math.h"
#include "runtime/kernels/kernel_v3.h"

void ncc_kernel_v3_quantize(const void *body, uint8_t *main)
{
    const struct ncc_km3_quantize *const op = body;
    const float *const in = ncc_kernel_v3_floats(main, op->in);
    const float per_unit = 1.0f / op->scale, bias = op->bias;
    uint8_t *const out = main + op->out;
    const size_t n = op->n;
    for (size_t i = 0; i < n; i++)
        out[i] = ncc_kernel_saturate((in[i] - bias) * per_unit);
}
