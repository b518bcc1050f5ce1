#include "compiler/ops/move.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct depth_to_space_attrs, block, ATTR_INT, 2),
    ATTR(struct depth_to_space_attrs, crd, ATTR_BOOL, 0),
    {0},
};

static bool infer(struct infer *i)
{
    const struct depth_to_space_attrs *p = i->node->attrs;
    if (!ncc_infer_need_rank(i, 0, 4))
        return false;
    const int *x = i->in[0]->shape.dim;
    if (p->block < 1 || p->block > 1024 || x[1] % (p->block * p->block) != 0)
        return ncc_infer_refuse(i, "the channels must be divisible by block * block");
    if ((int64_t)x[2] * p->block > NCC_MAX_ELEMENTS || (int64_t)x[3] * p->block > NCC_MAX_ELEMENTS)
        return ncc_infer_refuse(i, "the result must have at most 2^28 elements");
    i->out[0].shape = ncc_shape_4(x[0], x[1] / (p->block * p->block), x[2] * p->block, x[3] * p->block);
    return true;
}

/* Block row r and column s of channel c come from channel (r * block + s) * C + c, or with crd from
 * (c * block + r) * block + s. */
static void eval(const struct eval_args *a)
{
    const struct depth_to_space_attrs *p = a->node->attrs;
    const int *in = a->in[0]->shape.dim, *out = a->out[0]->shape.dim, b = p->block;
    const int64_t map = (int64_t)in[2] * in[3];
    const int64_t c_step = p->crd ? (int64_t)b * b * map : map;
    const int64_t s_step = p->crd ? map : out[1] * map;
    const struct move m = {
        .rank = 6, /* batch, channel, row, block row, column, block column */
        .dim = {out[0], out[1], in[2], b, in[3], b},
        .to_stride = {(int64_t)out[1] * out[2] * out[3], (int64_t)out[2] * out[3], (int64_t)b * out[3], out[3], b, 1},
        .from_stride = {in[1] * map, c_step, in[3], s_step * b, 1, s_step},
    };
    ncc_move(&m, ncc_dtype_size(a->in[0]->dtype), a->out[0]->data, a->in[0]->data);
}

const struct op_desc ncc_op_depth_to_space = {
    .name = "depth_to_space",
    .doc = "channels become blocks of pixels",
    .tflite = "DEPTH_TO_SPACE",
    .onnx = "DepthToSpace",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT,
    NCC_ATTRS(depth_to_space_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
