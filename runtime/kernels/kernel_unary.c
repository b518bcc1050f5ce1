#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

void ncc_kernel_unary(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_unary *const op = body;
    const float *const in = ncc_kernel_in(memory, &op->in);
    float *const out = ncc_kernel_out(memory, &op->out);
    const size_t n = ncc_kernel_count(&op->in);
    for (size_t i = 0; i < n; i++)
        out[i] = ncc_kernel_unary_f32(op->op, in[i]);
}
