#include "compiler/ops/move.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {ATTR(struct transpose_attrs, perm, ATTR_INTS, 0), {0}};

static bool infer(struct infer *i)
{
    const struct ints *perm = &((const struct transpose_attrs *)i->node->attrs)->perm;
    unsigned seen = 0;
    if (!ncc_infer_need_list(i, "perm", perm))
        return false;
    for (int k = 0; k < perm->n; k++) {
        if (perm->v[k] < 0 || perm->v[k] >= perm->n || seen & 1u << perm->v[k])
            return ncc_infer_refuse(i, "perm must name every dimension once");
        seen |= 1u << perm->v[k];
        i->out[0].shape.dim[k] = i->in[0]->shape.dim[perm->v[k]];
    }
    return true;
}

static void eval(const struct eval_args *a)
{
    const struct ints *perm = &((const struct transpose_attrs *)a->node->attrs)->perm;
    struct move m = {.rank = perm->n};
    int64_t from[NCC_MAX_RANK];
    ncc_move_strides(a->in[0]->shape, from);
    ncc_move_strides(a->out[0]->shape, m.to_stride);
    for (int i = 0; i < perm->n; i++) {
        m.dim[i] = a->out[0]->shape.dim[i];
        m.from_stride[i] = from[perm->v[i]];
    }
    ncc_move(&m, ncc_dtype_size(a->in[0]->dtype), a->out[0]->data, a->in[0]->data);
}

const struct op_desc ncc_op_transpose = {
    .name = "transpose",
    .doc = "dimensions in another order: dimension i of the result is dimension perm[i] of the input",
    .tflite = "TRANSPOSE,SPACE_TO_BATCH_ND,BATCH_TO_SPACE_ND",
    .onnx = "Transpose",
    .caffe = "Permute,ShuffleChannel",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT,
    NCC_ATTRS(transpose_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
