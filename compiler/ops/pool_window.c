#include "compiler/ops/pool_window.h"

const struct attr_desc ncc_pool_attrs_table[] = {
    ATTR(struct pool_attrs, kernel_h, ATTR_INT, 1),   ATTR(struct pool_attrs, kernel_w, ATTR_INT, 1),
    ATTR(struct pool_attrs, stride_h, ATTR_INT, 1),   ATTR(struct pool_attrs, stride_w, ATTR_INT, 1),
    ATTR(struct pool_attrs, pad_top, ATTR_INT, 0),    ATTR(struct pool_attrs, pad_left, ATTR_INT, 0),
    ATTR(struct pool_attrs, pad_bottom, ATTR_INT, 0), ATTR(struct pool_attrs, pad_right, ATTR_INT, 0),
    ATTR(struct pool_attrs, count_pad, ATTR_BOOL, 0), {0},
};

/* The first window must reach into the map, the last one must begin before its end. */
static bool touches(int in, int before, int kernel, int stride, int out)
{
    return before < kernel && (int64_t)(out - 1) * stride - before < in;
}

bool ncc_infer_pool(struct infer *i)
{
    const struct pool_attrs *p = i->node->attrs;
    if (!ncc_infer_need_rank(i, 0, 4))
        return false;
    const int *x = i->in[0]->shape.dim;
    const int h = ncc_infer_window_size(x[2], p->pad_top, p->pad_bottom, p->kernel_h, p->stride_h, 1);
    const int w = ncc_infer_window_size(x[3], p->pad_left, p->pad_right, p->kernel_w, p->stride_w, 1);
    if (h < 1 || w < 1)
        return ncc_infer_refuse(i, "the window %dx%d must fit into the padded map, with valid strides and pads",
                                p->kernel_h, p->kernel_w);
    if (!touches(x[2], p->pad_top, p->kernel_h, p->stride_h, h) ||
        !touches(x[3], p->pad_left, p->kernel_w, p->stride_w, w))
        return ncc_infer_refuse(i, "every window must hold at least one pixel of the map");
    i->out[0].shape = ncc_shape_4(x[0], x[1], h, w);
    return true;
}

static int limit(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

struct pool_window ncc_pool_window_at(const struct pool_attrs *p, int in_h, int in_w, int y, int x)
{
    const int top = y * p->stride_h - p->pad_top, left = x * p->stride_w - p->pad_left;
    return (struct pool_window){limit(top, 0, in_h), limit(top + p->kernel_h, 0, in_h), limit(left, 0, in_w),
                                limit(left + p->kernel_w, 0, in_w)};
}
