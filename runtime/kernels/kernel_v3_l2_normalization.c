#include "runtime/kernels/kernel_v3.h"

#include <math.h>

void ncc_kernel_v3_l2_normalization(const void *body, uint8_t *main)
{
    static const float least = 1e-10f;
    const struct ncc_km3_l2_normalization *const op = body;
    const float *const in = ncc_kernel_v3_floats(main, op->in);
    float *const out = ncc_kernel_v3_floats(main, op->out);
    float sum = 0.0f;
    for (uint32_t i = 0; i < op->channels; i++)
        sum += in[i] * in[i];
    const float factor = 1.0f / sqrtf(sum > least ? sum : least);
    for (uint32_t i = 0; i < op->channels; i++)
        out[i] = in[i] * factor;
}
