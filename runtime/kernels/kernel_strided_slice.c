#include "runtime/kernels/gather.h"
#include "runtime/kernels/kernel.h"

static int32_t n_steps(int32_t begin, int32_t end, int32_t stride)
{
    const int64_t distance = stride > 0 ? (int64_t)end - begin : (int64_t)begin - end;
    const int64_t step = stride > 0 ? stride : -(int64_t)stride;
    return (int32_t)((distance + step - 1) / step);
}

/* The masks play no part: the compiler has worked them into begin and end. */
void ncc_kernel_strided_slice(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_strided_slice *const op = body;
    const size_t element_size = op->in.datatype == NCC_KM_F32 ? sizeof(float) : 1;
    int32_t out_shape[4];
    ptrdiff_t steps[4], in_step = 1, first = 0;
    for (int i = 3; i >= 0; i--) {
        out_shape[i] = n_steps(op->begin[i], op->end[i], op->strides[i]);
        steps[i] = in_step * op->strides[i];
        first += in_step * op->begin[i];
        in_step *= op->in_shape[i];
    }
    const uint8_t *const in = ncc_kernel_in(memory, &op->in);
    ncc_gather(in + first * (ptrdiff_t)element_size, ncc_kernel_out(memory, &op->out), element_size, out_shape, steps);
}
