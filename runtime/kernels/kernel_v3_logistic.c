#include "runtime/kernels/kernel_v3.h"

#include <math.h>

void ncc_kernel_v3_logistic(const void *body, uint8_t *main)
{
    const struct ncc_km3_logistic *const op = body;
    const float *const in = ncc_kernel_v3_floats(main, op->in);
    float *const out = ncc_kernel_v3_floats(main, op->out);
    const size_t n = op->n;
    for (size_t i = 0; i < n; i++)
        out[i] = 1.0f / (1.0f + expf(-in[i]));
}
