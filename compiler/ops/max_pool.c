#include "compiler/ir/element.h"
#include "compiler/ops/pool_window.h"

#include <string.h>

/* Index of the largest element of a window in its map. */
static int64_t largest(const struct tensor *x, int64_t map, struct pool_window win)
{
    const int h = x->shape.dim[2], w = x->shape.dim[3];
    int64_t best = -1;
    for (int y = win.y0; y < win.y1; y++) {
        for (int xx = win.x0; xx < win.x1; xx++) {
            const int64_t at = (map * h + y) * w + xx;
            if (best < 0 || ncc_element_real(x->dtype, x->data, at) > ncc_element_real(x->dtype, x->data, best))
                best = at;
        }
    }
    return best;
}

static void eval(const struct eval_args *a)
{
    const struct tensor *x = a->in[0], *out = a->out[0];
    const int out_h = out->shape.dim[2], out_w = out->shape.dim[3];
    const int64_t n = ncc_shape_count(out->shape);
    for (int64_t i = 0; i < n; i++) {
        const int oy = (int)(i / out_w % out_h), ox = (int)(i % out_w);
        const struct pool_window win = ncc_pool_window_at(a->node->attrs, x->shape.dim[2], x->shape.dim[3], oy, ox);
        const int64_t at = largest(x, i / out_w / out_h, win);
        if (out->dtype == DT_F32)
            ((float *)out->data)[i] = ((const float *)x->data)[at];
        else
            ncc_element_set_int(out->dtype, out->data, i, ncc_element_int(x->dtype, x->data, at));
    }
}

/* Largest of the rows of a window first, for all columns at once, then along the row. */
#define MAX_LOOPS(type)                                                                                                \
    static void rows_##type(const type *map, int w, struct pool_window win, type *top)                                 \
    {                                                                                                                  \
        memcpy(top, map + (int64_t)win.y0 * w, (size_t)w * sizeof *top);                                               \
        for (int y = win.y0 + 1; y < win.y1; y++) {                                                                    \
            const type *row = map + (int64_t)y * w;                                                                    \
            _Pragma("omp simd") for (int x = 0; x < w; x++) top[x] = row[x] > top[x] ? row[x] : top[x];                \
        }                                                                                                              \
    }                                                                                                                  \
    static void along_##type(const type *top, const struct pool_attrs *p, int w, int out_w, type *to)                  \
    {                                                                                                                  \
        for (int x = 0; x < out_w; x++) {                                                                              \
            const int left = x * p->stride_w - p->pad_left, end = left + p->kernel_w < w ? left + p->kernel_w : w;     \
            int at = left > 0 ? left : 0;                                                                              \
            type best = top[at];                                                                                       \
            while (++at < end)                                                                                         \
                best = top[at] > best ? top[at] : best;                                                                \
            to[x] = best;                                                                                              \
        }                                                                                                              \
    }                                                                                                                  \
    static void all_##type(const struct eval_args *a)                                                                  \
    {                                                                                                                  \
        const int *in = a->in[0]->shape.dim, *out = a->out[0]->shape.dim;                                              \
        const type *map = a->in[0]->data;                                                                              \
        type *to = a->out[0]->data;                                                                                    \
        for (int64_t m = 0; m < (int64_t)in[0] * in[1]; m++, map += (int64_t)in[2] * in[3]) {                          \
            for (int y = 0; y < out[2]; y++, to += out[3]) {                                                           \
                rows_##type(map, in[3], ncc_pool_window_at(a->node->attrs, in[2], in[3], y, 0), a->scratch);           \
                along_##type(a->scratch, a->node->attrs, in[3], out[3], to);                                           \
            }                                                                                                          \
        }                                                                                                              \
    }
MAX_LOOPS(float)
MAX_LOOPS(uint8_t)

static void eval_fast(const struct eval_args *a)
{
    if (a->out[0]->dtype == DT_F32)
        all_float(a);
    else if (a->out[0]->dtype == DT_U8)
        all_uint8_t(a);
    else
        eval(a);
}

static size_t scratch(const struct node *n)
{
    return (size_t)n->in[0]->shape.dim[3] * sizeof(float);
}

static bool infer(struct infer *i)
{
    if (i->in[0]->dtype == DT_F16 || i->in[0]->dtype == DT_BOOL)
        return ncc_infer_refuse(i, "the elements must be f32 or integers");
    return ncc_infer_pool(i);
}

const struct op_desc ncc_op_max_pool = {
    .name = "max_pool",
    .doc = "largest pixel of each window; the padding never wins",
    .tflite = "MAX_POOL_2D",
    .onnx = "MaxPool",
    .caffe = "Pooling",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT,
    .attrs_size = sizeof(struct pool_attrs),
    .attrs = ncc_pool_attrs_table,
    .infer = infer,
    .eval = eval,
    .eval_fast = eval_fast,
    .scratch = scratch,
};
