/* What max_pool and avg_pool have in common. */
#ifndef NCC_OPS_POOL_WINDOW_H
#define NCC_OPS_POOL_WINDOW_H

#include "compiler/ops/support.h"

extern const struct attr_desc ncc_pool_attrs_table[];

/* Result shape; refuses windows that hold no pixel of the map. */
bool ncc_infer_pool(struct infer *i);

/* The pixels [y0, y1) x [x0, x1) of the map that output (y, x) sees. */
struct pool_window {
    int y0, y1, x0, x1;
};
struct pool_window ncc_pool_window_at(const struct pool_attrs *p, int in_h, int in_w, int y, int x);

#endif
