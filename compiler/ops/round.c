#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return rintf(x);
}

const struct op_desc ncc_op_round = {
    .name = "round",
    .doc = "nearest whole number, halves to the even one",
    .tflite = "ROUND",
    .onnx = "Round,DynamicQuantizeLinear",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
