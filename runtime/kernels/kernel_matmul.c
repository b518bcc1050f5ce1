#include "runtime/kernels/kernel.h"

void ncc_kernel_matmul(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_matmul *const op = body;
    const float *const bias = (const float *)(const void *)(op + 1);
    const float *a = ncc_kernel_in(memory, &op->a);
    const float *const b = ncc_kernel_in(memory, &op->b);
    float *out = ncc_kernel_out(memory, &op->out);
    const size_t n = (size_t)op->a_cols, cols = (size_t)op->b_cols;
    for (int32_t row = 0; row < op->a_rows; row++, a += n)
        for (size_t col = 0; col < cols; col++) {
            float sum = bias[col];
            for (size_t i = 0; i < n; i++)
                sum += a[i] * b[i * cols + col];
            *out++ = ncc_kernel_clamp(sum, op->act);
        }
}
