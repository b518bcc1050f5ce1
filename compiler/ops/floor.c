#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return floorf(x);
}

const struct op_desc ncc_op_floor = {
    .name = "floor",
    .doc = "largest whole number not above x",
    .tflite = "FLOOR",
    .onnx = "Floor",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
