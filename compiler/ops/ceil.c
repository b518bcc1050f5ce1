#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return ceilf(x);
}

const struct op_desc ncc_op_ceil = {
    .name = "ceil",
    .doc = "smallest whole number not below x",
    .tflite = "CEIL",
    .onnx = "Ceil",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
