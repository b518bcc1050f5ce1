#include "runtime/kernels/kernel.h"

#include <string.h>

void ncc_kernel_concat(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_concat *const op = body;
    const struct ncc_km_range *const in = (const void *)(op + 1);
    const int32_t *const dims = (const void *)(in + op->n);
    uint8_t *out = ncc_kernel_out(memory, &op->out);
    for (size_t o = 0; o < op->outer_size; o++)
        for (uint32_t i = 0; i < op->n; i++) {
            const size_t size = (size_t)op->inner_size * (size_t)dims[i];
            memmove(out, (const uint8_t *)ncc_kernel_in(memory, &in[i]) + o * size, size);
            out += size;
        }
}
