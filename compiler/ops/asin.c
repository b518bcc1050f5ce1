#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return asinf(x);
}

const struct op_desc ncc_op_asin = {
    .name = "asin",
    .doc = "arc sine",
    .onnx = "Asin",
    .flags = OP_UNARY,
    NCC_UNARY,
};
