#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float a, float b)
{
    (void)attrs;
    return powf(a, b);
}

const struct op_desc ncc_op_pow = {
    .name = "pow",
    .doc = "a to the power of b",
    .tflite = "POW",
    .onnx = "Pow",
    .caffe = "Power",
    .flags = OP_BINARY,
    NCC_BINARY,
    .infer = ncc_infer_binary,
};
