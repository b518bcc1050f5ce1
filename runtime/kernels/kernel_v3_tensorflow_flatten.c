#include "runtime/kernels/kernel_v3.h"

void ncc_kernel_v3_tensorflow_flatten(const void *body, uint8_t *main)
{
    const struct ncc_km3_tensorflow_flatten *const op = body;
    const float *const in = ncc_kernel_v3_floats(main, op->in);
    float *to = ncc_kernel_v3_floats(main, op->out);
    const size_t plane = (size_t)op->map.h * op->map.w;
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < op->map.c; c++)
            *to++ = in[c * plane + i];
}
