#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return acoshf(x);
}

const struct op_desc ncc_op_acosh = {
    .name = "acosh",
    .doc = "inverse hyperbolic cosine",
    .onnx = "Acosh",
    .flags = OP_UNARY,
    NCC_UNARY,
};
