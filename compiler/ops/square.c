#include "compiler/ops/elementwise.h"

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return x * x;
}

NCC_UNARY_FAST

const struct op_desc ncc_op_square = {
    .name = "square",
    .doc = "x * x",
    .tflite = "SQUARE",
    .caffe = "Power,LRN,MVN,Normalize",
    .flags = OP_UNARY,
    NCC_UNARY,
    .eval_fast = eval_fast,
};
