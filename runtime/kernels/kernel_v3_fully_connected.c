#include "runtime/kernels/kernel_v3.h"

static float activate(float y, uint32_t act)
{
    const float positive = y > 0.0f ? y : 0.0f;
    if (act == NCC_KM3_LINEAR)
        return y;
    return act == NCC_KM3_RELU6 && positive > 6.0f ? 6.0f : positive;
}

void ncc_kernel_v3_fully_connected(const void *body, uint8_t *main)
{
    const struct ncc_km3_fully_connected *const op = body;
    const float *const in = ncc_kernel_v3_floats(main, op->in);
    float *const out = ncc_kernel_v3_floats(main, op->out);
    const float *row = (const float *)(const void *)(op + 1);
    const float *const bias = row + (size_t)op->in_c * op->out_c;
    for (uint32_t o = 0; o < op->out_c; o++, row += op->in_c) {
        float sum = 0.0f;
        for (uint32_t i = 0; i < op->in_c; i++)
            sum += in[i] * row[i];
        out[o] = activate(sum + bias[o], op->act);
    }
}
