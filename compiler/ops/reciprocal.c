#include "compiler/ops/elementwise.h"

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return 1.0f / x;
}

const struct op_desc ncc_op_reciprocal = {
    .name = "reciprocal",
    .doc = "1 / x",
    .onnx = "Reciprocal",
    .flags = OP_UNARY,
    NCC_UNARY,
};
