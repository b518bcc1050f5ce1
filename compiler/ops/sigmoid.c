#include "compiler/ops/elementwise.h"
#include "compiler/ops/unary_codes.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return 1.0f / (1.0f + expf(-x));
}

const struct op_desc ncc_op_sigmoid = {
    .name = "sigmoid",
    .doc = "1 / (1 + exp(-x))",
    .tflite = "LOGISTIC",
    .onnx = "Sigmoid,QLinearSigmoid",
    .caffe = "Sigmoid,Swish",
    .flags = OP_UNARY | OP_MONOTONE,
    NCC_UNARY,
    .eval_codes = ncc_sigmoid_codes,
};
