/* kpu_stack: maps one below another, in place. */
#include "compiler/ops/support.h"
#include "kpu/layout.h"

#include <string.h>

static bool infer(struct infer *i)
{
    const struct value *first = i->in[0];
    int64_t rows = 0;
    for (int k = 0; k < i->node->n_in; k++) {
        const struct value *v = i->in[k];
        if (!ncc_infer_need_kpu(i, k) || !ncc_infer_need_dtype(i, k, first->dtype))
            return false;
        struct shape s = v->shape;
        rows += s.dim[2];
        s.dim[2] = first->shape.dim[2];
        if (!ncc_shape_equal(s, first->shape))
            return ncc_infer_refuse(i, "all canvases must have the same channels and width");
        if (v->window.top != 0 || v->window.h != v->shape.dim[2] || v->window.left != first->window.left ||
            v->window.w != first->window.w)
            return ncc_infer_refuse(i, "all windows must be as high as their canvases, and have the same columns");
    }
    const int *d = first->shape.dim;
    if (d[0] != 1 || ncc_kpu_groups(d[1], d[3]) > 1)
        return ncc_infer_refuse(i, "the batch must be 1, and all %d channels must share a line", d[1]);
    if (rows > NCC_MAX_ELEMENTS)
        return ncc_infer_refuse(i, "the rows must be countable");
    i->out[0].shape.dim[2] = (int)rows;
    i->out[0].window = (struct window){0, first->window.left, (int)rows, first->window.w, OUT_JUNK};
    return true;
}

static void eval(const struct eval_args *a)
{
    const int *out = a->out[0]->shape.dim;
    const size_t row = (size_t)out[3] * ncc_dtype_size(a->out[0]->dtype);
    for (int c = 0; c < out[1]; c++) {
        char *to = (char *)a->out[0]->data + (size_t)c * out[2] * row;
        for (int k = 0; k < a->node->n_in; k++) {
            const size_t size = a->in[k]->shape.dim[2] * row;
            memcpy(to, (const char *)a->in[k]->data + (size_t)c * size, size);
            to += size;
        }
    }
}

const struct op_desc ncc_op_kpu_stack = {
    .name = "kpu_stack",
    .doc = "canvases one below another in KPU RAM, without a copy; all channels share a line",
    .min_in = 1,
    .max_in = -1,
    .n_out = 1,
    .flags = OP_SAME_QUANT | OP_KPU,
    .infer = infer,
    .eval = eval,
};
