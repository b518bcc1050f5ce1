#include "compiler/ops/elementwise.h"

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return -x;
}

NCC_UNARY_FAST

const struct op_desc ncc_op_neg = {
    .name = "neg",
    .doc = "-x",
    .tflite = "NEG",
    .onnx = "Neg",
    .flags = OP_UNARY | OP_STRAIGHT,
    NCC_UNARY,
    .eval_fast = eval_fast,
};
