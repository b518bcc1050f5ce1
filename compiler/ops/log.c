#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return logf(x);
}

const struct op_desc ncc_op_log = {
    .name = "log",
    .doc = "natural logarithm",
    .tflite = "LOG",
    .onnx = "Log",
    .caffe = "Log",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
