#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return erff(x);
}

const struct op_desc ncc_op_erf = {
    .name = "erf",
    .doc = "the error function",
    .onnx = "Erf",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
