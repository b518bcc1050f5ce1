#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return x / (1.0f + fabsf(x));
}

const struct op_desc ncc_op_softsign = {
    .name = "softsign",
    .doc = "x / (1 + |x|)",
    .onnx = "Softsign",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
