#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return coshf(x);
}

const struct op_desc ncc_op_cosh = {
    .name = "cosh",
    .doc = "hyperbolic cosine",
    .onnx = "Cosh",
    .flags = OP_UNARY,
    NCC_UNARY,
};
