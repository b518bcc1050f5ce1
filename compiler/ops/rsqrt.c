#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return 1.0f / sqrtf(x);
}

const struct op_desc ncc_op_rsqrt = {
    .name = "rsqrt",
    .doc = "1 / square root",
    .tflite = "RSQRT",
    .caffe = "Normalize",
    .flags = OP_UNARY,
    NCC_UNARY,
};
