#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

void ncc_kernel_quantize(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_quantize *const op = body;
    const float *const in = ncc_kernel_in(memory, &op->in);
    uint8_t *const out = ncc_kernel_out(memory, &op->out);
    /* Copies, as a store to bytes may change anything as far as the compiler knows. */
    const float scale = op->scale, zero_point = (float)op->zero_point;
    const size_t n = op->out.size;
    for (size_t i = 0; i < n; i++)
        out[i] = ncc_kernel_saturate(in[i] * scale + zero_point);
}
