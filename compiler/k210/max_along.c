/* The larger of each pixel and a neighbour, exact in codes, in one direction alone; the chip's own pools know only squares.
 *
 *     d(r) = relu(x(r + 1) - x(r))      a depthwise layer with weights 1 and -1
 *     y(r) = x(r) + d(r)                a layer over both, side by side, which may have a pool or pick of its own
 *
 * The codes of d are differences of codes: the same scale, zero point 0; so their sum with x's code is the larger code.
 * Beyond the map stands the lowest code, which is never the larger one. Cost: two depthwise layers and R1(2B, B) for each
 * block of B channels.
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <stdio.h>

static bool clear(const struct value *x, int start, int size, int canvas, int way, int n)
{
    if (x->window.outside == OUT_LOWEST)
        return start + n <= canvas;
    return n <= size && (way == 0 || (way < 0 ? start == 0 : n < size || start + size == canvas));
}

/* Is there room for h x w results, and nothing but the lowest code where the neighbours of the map are read? */
static bool is_clear(const struct value *x, int h, int w, int down, int right)
{
    const struct window *win = &x->window;
    return clear(x, win->top, win->h, x->shape.dim[2], down, h) && clear(x, win->left, win->w, x->shape.dim[3], right, w);
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

static struct value *cleared(struct lowering *l, struct value *x, int h, int w, int down, int right)
{
    if (is_clear(x, h, w, down, right))
        return x;
    const int need_h = most(x->shape.dim[2], x->window.top + h), need_w = most(x->shape.dim[3], x->window.left + w);
    if (need_h > x->shape.dim[2] || need_w > x->shape.dim[3])
        x = ncc_lower_grow(l, x, need_h, need_w);
    x = x ? ncc_lower_surround(l, x, x->window.top + h, x->window.left + w, OUT_LOWEST, END_SAME_PLACE) : NULL;
    return x && is_clear(x, h, w, down, right) ? x : NULL;
}

/* x with a window of h x w in the same place. */
static struct value *with_window(struct lowering *l, struct value *x, int h, int w)
{
    if (x->window.h == h && x->window.w == w)
        return x;
    const bool larger = h >= x->window.h && w >= x->window.w;
    const struct kpu_recanvas_attrs r = {.canvas_h = x->shape.dim[2],
                                         .canvas_w = x->shape.dim[3],
                                         .top = x->window.top,
                                         .left = x->window.left,
                                         .h = h,
                                         .w = w,
                                         .outside = larger ? (int)x->window.outside : OUT_JUNK};
    return NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, x->name, "window"), &r, x);
}

/* relu(neighbour - x) */
static struct value *difference(struct lowering *l, const char *name, struct value *x, int down, int right)
{
    const int c = x->shape.dim[1], w_shape[4] = {c, 1, 3, 3};
    float *w = NCC_NEW(l->g->arena, float, (size_t)c * 9);
    for (int i = 0; i < c; i++) {
        w[i * 9 + 4] = -1;
        w[i * 9 + 4 + 3 * down + right] = 1;
    }
    const struct window *win = &x->window;
    const struct kpu_conv_attrs a = {.kernel = 3,
                                     .depthwise = true,
                                     .copy = true,
                                     .pad_lowest = true,
                                     .act = {1, {{OP_relu, NULL}}},
                                     .top = win->top,
                                     .left = win->left,
                                     .h = win->h,
                                     .w = win->w,
                                     .outside = OUT_JUNK};
    return NCC_OP(l->g, OP_kpu_conv, ncc_name(l->g, name, "more"), &a, x,
                  ncc_const(l->g, ncc_name(l->g, name, "w"), DT_F32, ncc_shape_make(4, w_shape), w),
                  ncc_const(l->g, ncc_name(l->g, name, "b"), DT_F32, ncc_shape_make(1, &c),
                            NCC_NEW(l->g->arena, float, c)));
}

/* Channels begin .. begin + count - 1. */
static struct value *block_of(struct lowering *l, const struct conv_job *job, struct value *x, int begin, int count,
                              int down, int right, const char **why)
{
    const bool whole = count == x->shape.dim[1];
    const int group = ncc_kpu_layout_of(x->shape.dim[3]).group, second = (count + group - 1) / group * group;
    const int in_c = second + count;
    struct conv_job j = *job;
    char suffix[32];
    snprintf(suffix, sizeof suffix, "c%d", begin);
    j.name = whole ? job->name : ncc_name(l->g, job->name, suffix);
    if (in_c > NCC_KPU_MAX_C) {
        *why = "the map and the differences have more than 1024 channels together";
        return NULL;
    }
    x = ncc_lower_channels(l, x, begin, count);
    struct value *const part[] = {x, difference(l, j.name, x, down, right)};
    float *w = NCC_NEW(l->g->arena, float, (size_t)count * (size_t)in_c);
    for (int c = 0; c < count; c++)
        w[c * in_c + c] = w[c * in_c + second + c] = 1;
    j.x = ncc_lower_beside(l, part, 2, ncc_name(l->g, j.name, "both"));
    j.out_c = count;
    j.w = w;
    j.copy = true;
    return ncc_lower_conv_as_is(l, &j, why);
}

struct value *ncc_lower_max_neighbour(struct lowering *l, const struct conv_job *job, int h, int w, int down, int right,
                                      int block, const char **why)
{
    struct value *x = cleared(l, job->x, h, w, down, right);
    if (!x) {
        *why = "the pool looks beyond the map, and the canvas cannot be cleared there";
        return NULL;
    }
    x = with_window(l, x, h, w);
    const int c = x->shape.dim[1], n = (c + block - 1) / block;
    struct value **y = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; i < n; i++) {
        const int begin = i * block;
        y[i] = block_of(l, job, x, begin, c - begin < block ? c - begin : block, down, right, why);
        if (!y[i])
            return NULL;
    }
    return ncc_lower_beside(l, y, n, ncc_name(l->g, job->name, "blocks"));
}
