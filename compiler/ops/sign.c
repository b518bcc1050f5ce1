#include "compiler/ops/elementwise.h"

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x;
}

const struct op_desc ncc_op_sign = {
    .name = "sign",
    .doc = "-1, 0 or 1",
    .tflite = "SIGN",
    .onnx = "Sign",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
