#include "runtime/kernels/kernel_v3.h"
#include "runtime/kernels/resize_v3.h"

void ncc_kernel_v3_resize_nearest_neighbor(const void *body, uint8_t *main)
{
    const struct ncc_km3_resize_nearest_neighbor *const op = body;
    const struct ncc_km3_map in = op->in_map;
    const float *map = ncc_kernel_v3_floats(main, op->in);
    float *to = ncc_kernel_v3_floats(main, op->out);
    for (uint32_t c = 0; c < in.c; c++, map += (size_t)in.h * in.w)
        for (uint32_t y = 0; y < op->out_h; y++) {
            const float *const row = map + ncc_resize_v3_source(y, in.h, op->out_h) * in.w;
            for (uint32_t x = 0; x < op->out_w; x++)
                *to++ = row[ncc_resize_v3_source(x, in.w, op->out_w)];
        }
}
