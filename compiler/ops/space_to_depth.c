#include "compiler/ops/move.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {ATTR(struct space_to_depth_attrs, block, ATTR_INT, 2), {0}};

static bool infer(struct infer *i)
{
    const int b = ((const struct space_to_depth_attrs *)i->node->attrs)->block;
    if (!ncc_infer_need_rank(i, 0, 4))
        return false;
    const int *x = i->in[0]->shape.dim;
    if (b < 1 || b > 1024 || x[2] % b != 0 || x[3] % b != 0)
        return ncc_infer_refuse(i, "height and width must be divisible by the block");
    if ((int64_t)x[1] * b * b > NCC_MAX_ELEMENTS)
        return ncc_infer_refuse(i, "the result must have at most 2^28 elements");
    i->out[0].shape = ncc_shape_4(x[0], x[1] * b * b, x[2] / b, x[3] / b);
    return true;
}

/* Channel (r * block + s) * C + c holds block row r and column s of channel c. */
static void eval(const struct eval_args *a)
{
    const int *in = a->in[0]->shape.dim, *out = a->out[0]->shape.dim;
    const int b = ((const struct space_to_depth_attrs *)a->node->attrs)->block;
    const int64_t map = (int64_t)out[2] * out[3], image = (int64_t)in[1] * in[2] * in[3];
    const struct move m = {
        .rank = 6, /* batch, block row, block column, channel, row, column */
        .dim = {in[0], b, b, in[1], out[2], out[3]},
        .to_stride = {image, b * in[1] * map, in[1] * map, map, out[3], 1},
        .from_stride = {image, in[3], 1, (int64_t)in[2] * in[3], (int64_t)b * in[3], b},
    };
    ncc_move(&m, ncc_dtype_size(a->in[0]->dtype), a->out[0]->data, a->in[0]->data);
}

const struct op_desc ncc_op_space_to_depth = {
    .name = "space_to_depth",
    .doc = "blocks of pixels become channels",
    .tflite = "SPACE_TO_DEPTH",
    .onnx = "SpaceToDepth",
    .caffe = "Reorg",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT,
    NCC_ATTRS(space_to_depth_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
