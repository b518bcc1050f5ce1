#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return sinhf(x);
}

const struct op_desc ncc_op_sinh = {
    .name = "sinh",
    .doc = "hyperbolic sine",
    .onnx = "Sinh",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
