#include "compiler/ops/support.h"

#include <string.h>

static const struct attr_desc attrs_table[] = {ATTR(struct reshape_attrs, shape, ATTR_INTS, 0), {0}};

static bool infer(struct infer *i)
{
    const struct ints *s = &((const struct reshape_attrs *)i->node->attrs)->shape;
    char from[80], to[80];
    if (s->n > NCC_MAX_RANK)
        return ncc_infer_refuse(i, "the new shape must have at most %d dimensions", NCC_MAX_RANK);
    i->out[0].shape = ncc_shape_make(s->n, s->v);
    for (int k = 0; k < s->n; k++)
        if (s->v[k] < 0)
            return ncc_infer_refuse(i, "the new shape must not have negative dimensions");
    if (ncc_shape_count(i->out[0].shape) != ncc_shape_count(i->in[0]->shape))
        return ncc_infer_refuse(i, "%s and %s must have the same number of elements",
                                ncc_shape_text(i->in[0]->shape, from), ncc_shape_text(i->out[0].shape, to));
    if (i->in[0]->mem != MEM_MAIN)
        return ncc_infer_refuse(i, "the input must lie in main memory");
    return true;
}

static void eval(const struct eval_args *a)
{
    const size_t size = (size_t)ncc_shape_count(a->out[0]->shape) * ncc_dtype_size(a->out[0]->dtype);
    if (size && a->out[0]->data != a->in[0]->data)
        memcpy(a->out[0]->data, a->in[0]->data, size);
}

const struct op_desc ncc_op_reshape = {
    .name = "reshape",
    .doc = "the same elements in the same order, with another shape",
    .tflite = "RESHAPE,SQUEEZE,EXPAND_DIMS",
    .onnx = "Reshape,Flatten,Squeeze,Unsqueeze",
    .caffe = "Reshape,Flatten",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT | OP_ALIAS,
    NCC_ATTRS(reshape_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
