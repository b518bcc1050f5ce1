#include "compiler/ops/support.h"

#include <string.h>

static const struct attr_desc attrs_table[] = {
    ATTR(struct kpu_upload_attrs, top, ATTR_INT, 0),
    ATTR(struct kpu_upload_attrs, left, ATTR_INT, 0),
    ATTR(struct kpu_upload_attrs, h, ATTR_INT, 0),
    ATTR(struct kpu_upload_attrs, w, ATTR_INT, 0),
    ATTR_WORDS(struct kpu_upload_attrs, outside, ncc_outside_names, OUT_JUNK),
    {0},
};

static bool infer(struct infer *i)
{
    const struct kpu_upload_attrs *p = i->node->attrs;
    if (i->in[0]->mem != MEM_MAIN)
        return ncc_infer_refuse(i, "the input must lie in main memory");
    if (!ncc_infer_need_canvas(i, 0))
        return false;
    return ncc_infer_set_window(i, p->top, p->left, p->h, p->w, p->outside);
}

static void eval(const struct eval_args *a)
{
    memcpy(a->out[0]->data, a->in[0]->data,
           (size_t)ncc_shape_count(a->out[0]->shape) * ncc_dtype_size(a->out[0]->dtype));
}

const struct op_desc ncc_op_kpu_upload = {
    .name = "kpu_upload",
    .doc = "a tensor from main memory into KPU RAM; a window of the canvas means something",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT | OP_KPU,
    NCC_ATTRS(kpu_upload_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
