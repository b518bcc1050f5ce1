#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return x * tanhf(x > 20.0f ? x : log1pf(expf(x)));
}

const struct op_desc ncc_op_mish = {
    .name = "mish",
    .doc = "x * tanh(log(1 + exp(x)))",
    .onnx = "Mish",
    .caffe = "Mish",
    .flags = OP_UNARY,
    NCC_UNARY,
};
