#include "compiler/ops/binary_codes.h"
#include "compiler/ops/elementwise.h"

static inline float apply(const void *attrs, float x, float slope)
{
    (void)attrs;
    return x >= 0.0f ? x : slope * x;
}

NCC_BINARY_FAST

static bool infer(struct infer *i)
{
    if (!ncc_infer_binary(i))
        return false;
    if (!ncc_shape_equal(i->out[0].shape, i->in[0]->shape))
        return ncc_infer_refuse(i, "the slopes must broadcast to the shape of the input");
    return true;
}

const struct op_desc ncc_op_prelu = {
    .name = "prelu",
    .doc = "x for x >= 0, else slope * x",
    .tflite = "PRELU",
    .onnx = "PRelu",
    .caffe = "PReLU",
    .flags = OP_BINARY,
    NCC_BINARY,
    .infer = infer,
    .eval_fast = eval_fast,
    .eval_codes = ncc_prelu_codes,
};
