#include "compiler/ir/element.h"
#include "compiler/ops/axis.h"
#include "compiler/ops/support.h"

#include <string.h>

static const struct attr_desc attrs_table[] = {ATTR(struct gather_attrs, axis, ATTR_INT, 0), {0}};

/* Negative indices count from the end. -1: none of the n. */
static int64_t resolve(const struct value *v, const void *data, int64_t i, int64_t n)
{
    const int64_t index = ncc_element_int(v->dtype, data, i);
    const int64_t at = index < 0 ? index + n : index;
    return at >= 0 && at < n ? at : -1;
}

static bool infer(struct infer *i)
{
    const int axis = ((const struct gather_attrs *)i->node->attrs)->axis;
    const struct value *indices = i->in[1];
    const struct shape x = i->in[0]->shape, k = indices->shape;
    struct shape out = {0};
    if (!ncc_infer_need_axis(i, axis, x.rank))
        return false;
    if (indices->dtype != DT_I32 && indices->dtype != DT_I64)
        return ncc_infer_refuse(i, "the indices must be i32 or i64");
    if (x.rank - 1 + k.rank > NCC_MAX_RANK)
        return ncc_infer_refuse(i, "the result must have at most %d dimensions", NCC_MAX_RANK);
    if (x.dim[axis] == 0)
        return ncc_infer_refuse(i, "axis %d must not be empty", axis);
    for (int d = 0; d < x.rank; d++) {
        if (d != axis)
            out.dim[out.rank++] = x.dim[d];
        for (int e = 0; d == axis && e < k.rank; e++)
            out.dim[out.rank++] = k.dim[e];
    }
    for (int64_t e = 0; indices->data && e < ncc_shape_count(k); e++)
        if (resolve(indices, indices->data, e, x.dim[axis]) < 0)
            return ncc_infer_refuse(i, "index %lld must be one of the %d elements of axis %d",
                                    (long long)ncc_element_int(indices->dtype, indices->data, e), x.dim[axis], axis);
    i->out[0].shape = out;
    return true;
}

/* Indices that are only known now and lead nowhere give zeros. */
static void eval(const struct eval_args *a)
{
    const int axis = ((const struct gather_attrs *)a->node->attrs)->axis;
    const struct along s = ncc_along(a->in[0]->shape, axis);
    const size_t run = ncc_dtype_size(a->in[0]->dtype) * (size_t)s.inner;
    const int64_t n = ncc_shape_count(a->in[1]->shape);
    char *to = a->out[0]->data;
    for (int64_t o = 0; o < s.outer && run > 0; o++) {
        for (int64_t i = 0; i < n; i++, to += run) {
            const int64_t at = resolve(a->node->in[1], a->in[1]->data, i, s.n);
            if (at < 0)
                memset(to, 0, run);
            else
                memcpy(to, (const char *)a->in[0]->data + (size_t)(o * s.n + at) * run, run);
        }
    }
}

const struct op_desc ncc_op_gather = {
    .name = "gather",
    .doc = "elements of an axis chosen by a tensor of indices",
    .tflite = "GATHER,GATHER_ND,EMBEDDING_LOOKUP",
    .onnx = "Gather,GatherElements,GatherND",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .flags = OP_SAME_QUANT,
    NCC_ATTRS(gather_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
