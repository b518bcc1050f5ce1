#include "compiler/ops/elementwise.h"
#include "compiler/ops/unary_codes.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct leaky_relu_attrs, alpha, ATTR_FLOAT, 0.01),
    {0},
};

static inline float apply(const void *attrs, float x)
{
    const struct leaky_relu_attrs *p = attrs;
    return x >= 0.0f ? x : p->alpha * x;
}

NCC_UNARY_FAST

const struct op_desc ncc_op_leaky_relu = {
    .name = "leaky_relu",
    .doc = "x for x >= 0, else alpha * x; not monotone when alpha is negative",
    .tflite = "LEAKY_RELU",
    .onnx = "LeakyRelu,QLinearLeakyRelu",
    .caffe = "ReLU",
    .flags = OP_UNARY | OP_STRAIGHT,
    NCC_UNARY,
    .eval_fast = eval_fast,
    NCC_ATTRS(leaky_relu_attrs, attrs_table),
    .eval_codes = ncc_leaky_relu_codes,
};
