#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    return fabsf(x);
}

NCC_UNARY_FAST

const struct op_desc ncc_op_abs = {
    .name = "abs",
    .doc = "absolute value",
    .tflite = "ABS",
    .onnx = "Abs",
    .caffe = "AbsVal",
    .flags = OP_UNARY | OP_STRAIGHT,
    NCC_UNARY,
    .eval_fast = eval_fast,
};
