#include "compiler/ops/elementwise.h"
#include "compiler/ops/unary_codes.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return tanhf(x);
}

const struct op_desc ncc_op_tanh = {
    .name = "tanh",
    .doc = "hyperbolic tangent",
    .tflite = "TANH",
    .onnx = "Tanh",
    .caffe = "TanH",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
    .eval_codes = ncc_tanh_codes,
};
