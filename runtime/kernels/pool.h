/* reduce_window2d for either order of dimensions. */
#ifndef NCC_RUNTIME_POOL_H
#define NCC_RUNTIME_POOL_H

#include "runtime/kernels/slide.h"

struct ncc_pool {
    uint32_t op; /* enum ncc_km_reduce_op */
    float init;
    struct ncc_km_clamp act;
    const struct ncc_km_window *window;
};

/* The sizes of `out` are those that the window gives over `in`. */
void ncc_pool(const struct ncc_pool *p, const struct ncc_slide_tensor *in_layout, const float *in,
              const struct ncc_slide_tensor *out_layout, float *out);

#endif
