#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return x > 20.0f ? x : log1pf(expf(x));
}

const struct op_desc ncc_op_softplus = {
    .name = "softplus",
    .doc = "log(1 + exp(x))",
    .onnx = "Softplus",
    .caffe = "BNLL",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
};
