#include "runtime/kernels/kernel_v3.h"
#include "runtime/kernels/window_v3.h"

/* Of a window that lies wholly outside: 0 / 0. */
static float average(const float *map, uint32_t pitch, struct ncc_window_v3 rows, struct ncc_window_v3 columns)
{
    float sum = 0.0f;
    int64_t n = 0;
    for (int64_t y = rows.from; y < rows.to; y++)
        for (int64_t x = columns.from; x < columns.to; x++, n++)
            sum += map[y * pitch + x];
    return sum / (float)n;
}

void ncc_kernel_v3_average_pool2d(const void *body, uint8_t *main)
{
    const struct ncc_km3_average_pool2d *const op = body;
    const struct ncc_km3_map in = op->in_map, out = op->out_map;
    const float *map = ncc_kernel_v3_floats(main, op->in);
    float *to = ncc_kernel_v3_floats(main, op->out);
    for (uint32_t c = 0; c < out.c; c++, map += (size_t)in.h * in.w)
        for (uint32_t y = 0; y < out.h; y++)
            for (uint32_t x = 0; x < out.w; x++)
                *to++ = average(map, in.w, ncc_window_v3(y, op->stride_h, op->pad_h, op->kernel_h, in.h),
                                ncc_window_v3(x, op->stride_w, op->pad_w, op->kernel_w, in.w));
}
