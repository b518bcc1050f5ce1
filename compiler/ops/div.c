#include "compiler/ops/elementwise.h"

static inline float apply(const void *attrs, float a, float b)
{
    (void)attrs;
    return a / b;
}

static int64_t apply_int(int64_t a, int64_t b)
{
    if (b == -1) /* the smallest number has no opposite */
        return (int64_t)(0 - (uint64_t)a);
    return b ? a / b : 0;
}

NCC_BINARY_EVAL
NCC_BINARY_FAST

const struct op_desc ncc_op_div = {
    .name = "div",
    .doc = "a / b; integers towards zero, and 0 where b is 0",
    .tflite = "DIV,FLOOR_DIV",
    .onnx = "Div",
    .caffe = "MVN",
    .flags = OP_BINARY,
    NCC_BINARY,
    .infer = ncc_infer_binary_or_int,
    .eval = eval,
    .eval_fast = eval_fast,
};
