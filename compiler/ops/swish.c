#include "compiler/ops/elementwise.h"

#include <math.h>

static const struct attr_desc attrs_table[] = {ATTR(struct swish_attrs, beta, ATTR_FLOAT, 1), {0}};

static inline float apply(const void *attrs, float x)
{
    const struct swish_attrs *p = attrs;
    return x / (1.0f + expf(-p->beta * x));
}

const struct op_desc ncc_op_swish = {
    .name = "swish",
    .doc = "x * sigmoid(beta x), also called SiLU",
    .flags = OP_UNARY,
    NCC_UNARY,
    NCC_ATTRS(swish_attrs, attrs_table),
};
