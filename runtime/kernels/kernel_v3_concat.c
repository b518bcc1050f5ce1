#include "runtime/kernels/kernel_v3.h"

#include <string.h>

void ncc_kernel_v3_concat(const void *body, uint8_t *main)
{
    const struct ncc_km3_concat *const op = body;
    const struct ncc_km3_part *const part = (const struct ncc_km3_part *)(const void *)(op + 1);
    uint8_t *to = main + op->out;
    for (uint32_t i = 0; i < op->n; i++) {
        memmove(to, main + part[i].start, part[i].size);
        to += part[i].size;
    }
}
