#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return sinf(x);
}

const struct op_desc ncc_op_sin = {
    .name = "sin",
    .doc = "sine",
    .tflite = "SIN",
    .onnx = "Sin",
    .flags = OP_UNARY,
    NCC_UNARY,
};
