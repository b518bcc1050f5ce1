/* The elements of a tensor that count, as runs of neighbours: run i starts at ncc_run_at(). */
#ifndef NCC_QUANT_WINDOW_RUNS_H
#define NCC_QUANT_WINDOW_RUNS_H

#include "compiler/ir/graph.h"

struct runs {
    int64_t planes, plane;
    int64_t rows, pitch, skip;
    int64_t length;
};

/* What is inside the window, channel by channel; window.h == 0: all elements in one run. */
static inline struct runs ncc_window_runs(struct shape shape, struct window window)
{
    if (!window.h || shape.rank != 4)
        return (struct runs){.planes = 1, .rows = 1, .length = ncc_shape_count(shape)};
    const int64_t h = shape.dim[2], w = shape.dim[3];
    struct runs r = {.planes = (int64_t)shape.dim[0] * shape.dim[1],
                     .plane = h * w,
                     .rows = window.h,
                     .pitch = w,
                     .skip = window.top * w + window.left,
                     .length = window.w};
    if (window.w == w) { /* whole rows join */
        r.rows = 1;
        r.length = window.h * w;
    }
    return r;
}

/* The same of a value, in runs of one channel each. */
static inline struct runs ncc_channel_runs(const struct value *v)
{
    struct window window = v->window;
    if (!window.h && v->shape.rank == 4)
        window = (struct window){.h = v->shape.dim[2], .w = v->shape.dim[3]};
    return ncc_window_runs(v->shape, window);
}

static inline int64_t ncc_run_at(const struct runs *r, int64_t i)
{
    return i / r->rows * r->plane + i % r->rows * r->pitch + r->skip;
}

#endif
