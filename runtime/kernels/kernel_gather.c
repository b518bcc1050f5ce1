#include "runtime/kernels/gather.h"

static void gather_row_f32(const float *in, float *out, size_t n, ptrdiff_t step)
{
    for (size_t i = 0; i < n; i++)
        out[i] = in[(ptrdiff_t)i * step];
}

static void gather_row_u8(const uint8_t *in, uint8_t *out, size_t n, ptrdiff_t step)
{
    for (size_t i = 0; i < n; i++)
        out[i] = in[(ptrdiff_t)i * step];
}

void ncc_gather(const void *in, void *out, size_t element_size, const int32_t out_shape[4], const ptrdiff_t steps[4])
{
    const size_t n = (size_t)out_shape[3];
    size_t done = 0;
    for (int32_t i0 = 0; i0 < out_shape[0]; i0++)
        for (int32_t i1 = 0; i1 < out_shape[1]; i1++)
            for (int32_t i2 = 0; i2 < out_shape[2]; i2++) {
                const ptrdiff_t off = i0 * steps[0] + i1 * steps[1] + i2 * steps[2];
                if (element_size == 1)
                    gather_row_u8((const uint8_t *)in + off, (uint8_t *)out + done, n, steps[3]);
                else
                    gather_row_f32((const float *)in + off, (float *)out + done, n, steps[3]);
                done += n;
            }
}
