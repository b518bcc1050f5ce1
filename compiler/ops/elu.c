#include "compiler/ops/elementwise.h"

#include <math.h>

static const struct attr_desc attrs_table[] = {
    ATTR(struct elu_attrs, alpha, ATTR_FLOAT, 1),
    {0},
};

static inline float apply(const void *attrs, float x)
{
    const struct elu_attrs *p = attrs;
    return x >= 0.0f ? x : p->alpha * expm1f(x);
}

const struct op_desc ncc_op_elu = {
    .name = "elu",
    .doc = "x for x >= 0, else alpha * (exp(x) - 1); not monotone when alpha is negative",
    .tflite = "ELU",
    .onnx = "Elu,Selu,Celu",
    .caffe = "ELU",
    .flags = OP_UNARY,
    NCC_UNARY,
    NCC_ATTRS(elu_attrs, attrs_table),
};
