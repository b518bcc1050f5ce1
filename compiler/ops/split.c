#include "compiler/ops/axis.h"
#include "compiler/ops/support.h"

#include <string.h>

static const struct attr_desc attrs_table[] = {
    ATTR(struct split_attrs, axis, ATTR_INT, 0),
    ATTR(struct split_attrs, sizes, ATTR_INTS, 0),
    {0},
};

static bool infer(struct infer *i)
{
    const struct split_attrs *p = i->node->attrs;
    int64_t sum = 0;
    if (!ncc_infer_need_axis(i, p->axis, i->in[0]->shape.rank))
        return false;
    for (int k = 0; k < p->sizes.n; k++) {
        if (p->sizes.v[k] < 0)
            return ncc_infer_refuse(i, "sizes must not be negative");
        sum += p->sizes.v[k];
        i->out[k].shape.dim[p->axis] = p->sizes.v[k];
    }
    if (p->sizes.n < 1 || sum != i->in[0]->shape.dim[p->axis])
        return ncc_infer_refuse(i, "sizes must add up to the %d of axis %d", i->in[0]->shape.dim[p->axis], p->axis);
    return true;
}

static void eval(const struct eval_args *a)
{
    const struct split_attrs *p = a->node->attrs;
    const struct along s = ncc_along(a->in[0]->shape, p->axis);
    const size_t size = ncc_dtype_size(a->in[0]->dtype) * (size_t)s.inner;
    const char *from = a->in[0]->data;
    for (int64_t o = 0; o < s.outer; o++) {
        for (int k = 0; k < p->sizes.n; k++) {
            const size_t run = size * (size_t)p->sizes.v[k];
            if (run)
                memcpy((char *)a->out[k]->data + (size_t)o * run, from, run);
            from += run;
        }
    }
}

const struct op_desc ncc_op_split = {
    .name = "split",
    .doc = "the input cut along an axis into one output per entry of sizes",
    .tflite = "SPLIT,SPLIT_V,UNPACK",
    .onnx = "Split",
    .min_in = 1,
    .max_in = 1,
    .n_out = -1,
    .flags = OP_SAME_QUANT,
    NCC_ATTRS(split_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
