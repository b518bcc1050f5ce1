#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

void ncc_kernel_quantized_matmul(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_quantized_matmul *const op = body;
    const int32_t *const bias = (const int32_t *)(const void *)(op + 1);
    const uint8_t *a = ncc_kernel_in(memory, &op->a);
    const uint8_t *const b = ncc_kernel_in(memory, &op->b);
    uint8_t *out = ncc_kernel_out(memory, &op->out);
    const struct ncc_kernel_scale scale = ncc_kernel_scale(op->out_mul, op->out_shift);
    const size_t n = (size_t)op->a_cols, cols = (size_t)op->b_cols;
    for (int32_t row = 0; row < op->a_rows; row++, a += n)
        for (size_t col = 0; col < cols; col++) {
            uint32_t sum = (uint32_t)bias[col]; /* unsigned: wraps without being undefined */
            for (size_t i = 0; i < n; i++)
                sum += (a[i] + (uint32_t)op->a_offset) * (b[i * cols + col] + (uint32_t)op->b_offset);
            *out++ = ncc_kernel_requantize((int32_t)sum, scale, op->out_offset);
        }
}
