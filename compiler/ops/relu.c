#include "compiler/ops/elementwise.h"
#include "compiler/ops/on_codes.h"

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return x > 0.0f ? x : 0.0f;
}

NCC_UNARY_FAST

const struct op_desc ncc_op_relu = {
    .name = "relu",
    .doc = "max(x, 0)",
    .tflite = "RELU",
    .onnx = "Relu",
    .caffe = "ReLU",
    .flags = OP_UNARY | OP_MONOTONE | OP_CLAMP | OP_STRAIGHT,
    NCC_UNARY,
    .eval_fast = eval_fast,
    .eval_codes = ncc_clamp_codes,
};
