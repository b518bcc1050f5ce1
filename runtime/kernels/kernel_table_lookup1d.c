#include "runtime/kernels/kernel.h"

void ncc_kernel_table_lookup1d(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_table_lookup1d *const op = body;
    const uint8_t *const in = ncc_kernel_in(memory, &op->in);
    const uint8_t *const table = ncc_kernel_in(memory, &op->table);
    uint8_t *const out = ncc_kernel_out(memory, &op->out);
    const size_t n = op->in.size;
    for (size_t i = 0; i < n; i++)
        out[i] = table[in[i]];
}
