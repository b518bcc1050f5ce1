/* The pools of a KPU layer (doc/kpu.md section 6) on maps of any element type. */
#ifndef NCC_OPS_KPU_POOL_H
#define NCC_OPS_KPU_POOL_H

#include "compiler/ir/op.h"
#include "compiler/ops/conv_float.h"

enum kpu_pool_kind { KPU_POOL_PICK, KPU_POOL_MAX, KPU_POOL_MEAN };

struct kpu_pool {
    enum kpu_pool_kind kind;
    int size, stride;
    int row, column; /* of the window, that a pick takes */
};

#define N_KPU_POOLS 10
extern const struct kpu_pool ncc_kpu_pools[N_KPU_POOLS];

/* The pixels that output (y, x) of an h x w map combines; a mean divides by their number. Beyond the
 * edge of the map, which only windows of stride 1 reach, a mean repeats the last row and column. */
struct kpu_pixels {
    int n;
    int y[16], x[16];
};
struct kpu_pixels ncc_kpu_pool_pixels(const struct kpu_pool *p, int h, int w, int y, int x);

/* The convolution of a layer without its pool; with `picked`, if its pool is a pick, only the pixels
 * that it picks. */
struct convolve ncc_kpu_convolution(int kernel, bool depthwise, int pool, bool picked, struct shape x, struct shape w);

static inline bool ncc_kpu_is_pick(int pool)
{
    return ncc_kpu_pools[pool].kind == KPU_POOL_PICK;
}

/* What kpu_conv and kpu_layer demand of kernel, pool and weights; sets the shape of the result. */
bool ncc_infer_kpu_layer(struct infer *i, int kernel, bool depthwise, int pool);

#endif
