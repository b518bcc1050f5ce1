#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return acosf(x);
}

const struct op_desc ncc_op_acos = {
    .name = "acos",
    .doc = "arc cosine",
    .onnx = "Acos",
    .flags = OP_UNARY,
    NCC_UNARY,
};
