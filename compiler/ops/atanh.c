#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return atanhf(x);
}

const struct op_desc ncc_op_atanh = {
    .name = "atanh",
    .doc = "inverse hyperbolic tangent",
    .onnx = "Atanh",
    .flags = OP_UNARY,
    NCC_UNARY,
};
