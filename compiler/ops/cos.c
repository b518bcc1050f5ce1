#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return cosf(x);
}

const struct op_desc ncc_op_cos = {
    .name = "cos",
    .doc = "cosine",
    .tflite = "COS",
    .onnx = "Cos",
    .flags = OP_UNARY,
    NCC_UNARY,
};
