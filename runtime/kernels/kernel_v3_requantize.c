#include "runtime/kernels/kernel_v3.h"

void ncc_kernel_v3_requantize(const void *body, uint8_t *main)
{
    const struct ncc_km3_requantize *const op = body;
    const uint8_t *const in = main + op->in;
    uint8_t *const out = main + op->out;
    const size_t n = op->n;
    for (size_t i = 0; i < n; i++)
        out[i] = op->table[in[i]];
}
