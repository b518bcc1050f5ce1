#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return sqrtf(x);
}

const struct op_desc ncc_op_sqrt = {
    .name = "sqrt",
    .doc = "square root",
    .tflite = "SQRT",
    .onnx = "Sqrt",
    .caffe = "MVN",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
