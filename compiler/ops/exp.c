#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return expf(x);
}

const struct op_desc ncc_op_exp = {
    .name = "exp",
    .doc = "e to the power of x",
    .tflite = "EXP",
    .onnx = "Exp",
    .caffe = "Exp",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
