#include "runtime/kernels/kernel.h"

#include <string.h>

void ncc_kernel_memory_copy(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_memory_copy *const op = body;
    memmove(ncc_kernel_out(memory, &op->out), ncc_kernel_in(memory, &op->in), op->in.size);
}
