#include "compiler/ops/binary_codes.h"
#include "compiler/ops/elementwise.h"

static inline float apply(const void *attrs, float a, float b)
{
    (void)attrs;
    return (a - b) * (a - b);
}

NCC_BINARY_FAST

const struct op_desc ncc_op_squared_difference = {
    .name = "squared_difference",
    .doc = "(a - b) * (a - b)",
    .tflite = "SQUARED_DIFFERENCE",
    .flags = OP_BINARY | OP_COMMUTES,
    NCC_BINARY,
    .infer = ncc_infer_binary,
    .eval_fast = eval_fast,
    .eval_codes = ncc_squared_difference_codes,
};
