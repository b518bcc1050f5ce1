#include "compiler/ops/elementwise.h"

#include <math.h>

static const struct attr_desc attrs_table[] = {ATTR(struct gelu_attrs, by_tanh, ATTR_BOOL, 0), {0}};

static inline float apply(const void *attrs, float x)
{
    const struct gelu_attrs *p = attrs;
    if (p->by_tanh)
        return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
}

const struct op_desc ncc_op_gelu = {
    .name = "gelu",
    .doc = "x (1 + erf(x / sqrt(2))) / 2, or what takes tanh for that",
    .tflite = "GELU",
    .onnx = "Gelu",
    .flags = OP_UNARY,
    NCC_UNARY,
    NCC_ATTRS(gelu_attrs, attrs_table),
};
