#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

static size_t n_elements(const int32_t shape[4])
{
    return (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2] * (size_t)shape[3];
}

/* Takes the input in its order, as the order of a sum decides its last bits. */
static void accumulate(const struct ncc_km_reduce *op, const float *in, float *out)
{
    const int32_t *const dim = op->in_shape;
    size_t step[4];
    ncc_broadcast_steps(op->out_shape, dim, step);
    for (size_t n = 0; n < (size_t)dim[0]; n++)
        for (size_t c = 0; c < (size_t)dim[1]; c++)
            for (size_t h = 0; h < (size_t)dim[2]; h++) {
                float *const row = out + n * step[0] + c * step[1] + h * step[2];
                for (size_t w = 0; w < (size_t)dim[3]; w++)
                    row[w * step[3]] = ncc_kernel_reduce_f32(op->op, row[w * step[3]], *in++);
            }
}

void ncc_kernel_reduce(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_reduce *const op = body;
    float *const out = ncc_kernel_out(memory, &op->out);
    const size_t n_out = n_elements(op->out_shape);
    for (size_t i = 0; i < n_out; i++)
        out[i] = op->init;
    accumulate(op, ncc_kernel_in(memory, &op->in), out);
    if (op->op != NCC_KM_REDUCE_MEAN)
        return;
    const float share = (float)n_out / (float)n_elements(op->in_shape);
    for (size_t i = 0; i < n_out; i++)
        out[i] *= share;
}
