/* The part of a pool's window that lies inside the map, for both pools of kmodel v3. */
#ifndef NCC_RUNTIME_WINDOW_V3_H
#define NCC_RUNTIME_WINDOW_V3_H

#include <stdint.h>

struct ncc_window_v3 {
    int64_t from, to; /* `to` excluded; empty when from >= to */
};

static inline struct ncc_window_v3 ncc_window_v3(uint32_t out, uint32_t stride, uint32_t pad, uint32_t kernel,
                                                 uint32_t in_size)
{
    const int64_t from = (int64_t)out * stride - pad, to = from + kernel;
    return (struct ncc_window_v3){from < 0 ? 0 : from, to > in_size ? in_size : to};
}

#endif
