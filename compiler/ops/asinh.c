#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return asinhf(x);
}

const struct op_desc ncc_op_asinh = {
    .name = "asinh",
    .doc = "inverse hyperbolic sine",
    .onnx = "Asinh",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
