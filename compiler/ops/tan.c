#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return tanf(x);
}

const struct op_desc ncc_op_tan = {
    .name = "tan",
    .doc = "tangent",
    .onnx = "Tan",
    .flags = OP_UNARY,
    NCC_UNARY,
};
