#include "runtime/kernels/kernel.h"

#include <math.h>

static float largest(const float *x, size_t n)
{
    float max = x[0];
    for (size_t i = 1; i < n; i++)
        max = max < x[i] ? x[i] : max;
    return max;
}

void ncc_kernel_softmax(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_softmax *const op = body;
    const float *in = ncc_kernel_in(memory, &op->in);
    float *out = ncc_kernel_out(memory, &op->out);
    const size_t n = (size_t)op->inner_size;
    for (int32_t row = 0; row < op->outer_size; row++, in += n, out += n) {
        const float max = largest(in, n);
        float sum = 0.0f;
        for (size_t i = 0; i < n; i++) {
            out[i] = expf((in[i] - max) * op->beta);
            sum += out[i];
        }
        for (size_t i = 0; i < n; i++)
            out[i] /= sum;
    }
}
