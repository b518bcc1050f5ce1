#include "compiler/ops/axis.h"
#include "compiler/ops/support.h"

#include <string.h>

static const struct attr_desc attrs_table[] = {ATTR(struct concat_attrs, axis, ATTR_INT, 0), {0}};

static bool infer(struct infer *i)
{
    const int axis = ((const struct concat_attrs *)i->node->attrs)->axis;
    const struct shape first = i->in[0]->shape;
    int64_t sum = 0;
    if (!ncc_infer_need_axis(i, axis, first.rank))
        return false;
    for (int k = 0; k < i->node->n_in; k++) {
        struct shape s = i->in[k]->shape;
        sum += axis < s.rank ? s.dim[axis] : 0;
        if (s.rank == first.rank)
            s.dim[axis] = first.dim[axis];
        if (!ncc_shape_equal(s, first))
            return ncc_infer_refuse(i, "all inputs must have equal dimensions but for axis %d", axis);
        if (!ncc_infer_need_dtype(i, k, i->in[0]->dtype))
            return false;
    }
    if (sum > NCC_MAX_ELEMENTS)
        return ncc_infer_refuse(i, "the result must have at most 2^28 elements");
    i->out[0].shape.dim[axis] = (int)sum;
    return true;
}

static void eval(const struct eval_args *a)
{
    const int axis = ((const struct concat_attrs *)a->node->attrs)->axis;
    const struct along s = ncc_along(a->out[0]->shape, axis);
    const size_t size = ncc_dtype_size(a->out[0]->dtype) * (size_t)s.inner;
    char *to = a->out[0]->data;
    for (int64_t o = 0; o < s.outer; o++) {
        for (int k = 0; k < a->node->n_in; k++) {
            const size_t run = size * (size_t)a->in[k]->shape.dim[axis];
            if (run)
                memcpy(to, (const char *)a->in[k]->data + (size_t)o * run, run);
            to += run;
        }
    }
}

const struct op_desc ncc_op_concat = {
    .name = "concat",
    .doc = "inputs one after another along an axis",
    .tflite = "CONCATENATION,PACK",
    .onnx = "Concat,QLinearConcat",
    .caffe = "Concat",
    .min_in = 1,
    .max_in = -1,
    .n_out = 1,
    NCC_ATTRS(concat_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
