#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return atanf(x);
}

const struct op_desc ncc_op_atan = {
    .name = "atan",
    .doc = "arc tangent",
    .onnx = "Atan",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
