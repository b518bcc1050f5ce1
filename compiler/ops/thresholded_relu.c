#include "compiler/ops/elementwise.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct thresholded_relu_attrs, alpha, ATTR_FLOAT, 1),
    {0},
};

static inline float apply(const void *attrs, float x)
{
    const struct thresholded_relu_attrs *p = attrs;
    return x > p->alpha ? x : 0.0f;
}

const struct op_desc ncc_op_thresholded_relu = {
    .name = "thresholded_relu",
    .doc = "x above alpha, else 0; not monotone when alpha is negative",
    .onnx = "ThresholdedRelu",
    .flags = OP_UNARY | OP_STRAIGHT,
    NCC_UNARY,
    NCC_ATTRS(thresholded_relu_attrs, attrs_table),
};
