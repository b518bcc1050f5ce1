/* kpu_slice: a range of channels of a canvas, in place. */
#include "compiler/ops/attrs.h"
#include "compiler/ops/support.h"
#include "kpu/layout.h"

#include <stdio.h>
#include <string.h>

static const struct attr_desc attrs[] = {
    ATTR(struct kpu_slice_attrs, begin, ATTR_INT, 0),
    ATTR(struct kpu_slice_attrs, count, ATTR_INT, 1),
    {0},
};

static bool infer(struct infer *i)
{
    const struct kpu_slice_attrs *a = i->node->attrs;
    const struct shape *x = &i->in[0]->shape;
    if (!ncc_infer_need_canvas(i, 0))
        return false;
    if (a->begin < 0 || a->count < 1 || a->begin > x->dim[1] - a->count) {
        snprintf(i->error, 200, "%d channels from %d on are not in the canvas", a->count, a->begin);
        return false;
    }
    if (a->begin % ncc_kpu_layout_of(x->dim[3]).group) {
        snprintf(i->error, 200, "channel %d does not start a line", a->begin);
        return false;
    }
    i->out[0].shape.dim[1] = a->count;
    return true;
}

static void eval(const struct eval_args *e)
{
    const struct kpu_slice_attrs *a = e->node->attrs;
    const struct tensor *x = e->in[0];
    const size_t plane = (size_t)x->shape.dim[2] * x->shape.dim[3] * ncc_dtype_size(x->dtype);
    memcpy(e->out[0]->data, (const char *)x->data + a->begin * plane, a->count * plane);
}

const struct op_desc ncc_op_kpu_slice = {
    .name = "kpu_slice",
    .doc = "a range of channels of a canvas, in place",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT | OP_KPU,
    .attrs_size = sizeof(struct kpu_slice_attrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
};
