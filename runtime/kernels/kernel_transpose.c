#include "runtime/kernels/gather.h"
#include "runtime/kernels/kernel.h"

void ncc_kernel_transpose(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_transpose *const op = body;
    const int32_t *const dim = op->in_shape;
    const ptrdiff_t in_steps[4] = {(ptrdiff_t)dim[1] * dim[2] * dim[3], (ptrdiff_t)dim[2] * dim[3], dim[3], 1};
    int32_t out_shape[4];
    ptrdiff_t steps[4];
    for (int i = 0; i < 4; i++) {
        out_shape[i] = dim[op->perm[i]];
        steps[i] = in_steps[op->perm[i]];
    }
    ncc_gather(ncc_kernel_in(memory, &op->in), ncc_kernel_out(memory, &op->out),
               op->in.datatype == NCC_KM_F32 ? sizeof(float) : 1, out_shape, steps);
}
