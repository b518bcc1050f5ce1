#include "runtime/kernels/kernel_v3.h"

void ncc_kernel_v3_add(const void *body, uint8_t *main)
{
    const struct ncc_km3_add *const op = body;
    const float *const a = ncc_kernel_v3_floats(main, op->a), *const b = ncc_kernel_v3_floats(main, op->b);
    float *const out = ncc_kernel_v3_floats(main, op->out);
    const size_t n = op->n;
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] + b[i];
}
