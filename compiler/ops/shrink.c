#include "compiler/ops/elementwise.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct shrink_attrs, lambda, ATTR_FLOAT, 0.5),
    ATTR(struct shrink_attrs, bias, ATTR_FLOAT, 0),
    {0},
};

static inline float apply(const void *attrs, float x)
{
    const struct shrink_attrs *p = attrs;
    return x < -p->lambda ? x + p->bias : x > p->lambda ? x - p->bias : 0.0f;
}

const struct op_desc ncc_op_shrink = {
    .name = "shrink",
    .doc = "x less bias above lambda, x plus bias below -lambda, else 0",
    .onnx = "Shrink",
    .flags = OP_UNARY,
    NCC_UNARY,
    NCC_ATTRS(shrink_attrs, attrs_table),
};
