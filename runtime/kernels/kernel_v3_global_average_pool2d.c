#include "runtime/kernels/kernel_v3.h"

void ncc_kernel_v3_global_average_pool2d(const void *body, uint8_t *main)
{
    const struct ncc_km3_global_average_pool2d *const op = body;
    const float *in = ncc_kernel_v3_floats(main, op->in);
    float *const out = ncc_kernel_v3_floats(main, op->out);
    for (uint32_t c = 0; c < op->channels; c++, in += op->kernel_size) {
        float sum = 0.0f;
        for (uint32_t i = 0; i < op->kernel_size; i++)
            sum += in[i];
        out[c] = sum / (float)op->kernel_size;
    }
}
