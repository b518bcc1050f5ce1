#include "compiler/ops/elementwise.h"
#include "compiler/ops/unary_codes.h"

static inline float apply(const void *attrs, float x)
{
    (void)attrs;
    const float up = x + 3.0f > 0.0f ? x + 3.0f : 0.0f;
    const float six = up < 6.0f ? up : 6.0f;
    return x * six / 6.0f;
}

NCC_UNARY_FAST

const struct op_desc ncc_op_hard_swish = {
    .name = "hard_swish",
    .doc = "x * min(max(x + 3, 0), 6) / 6",
    .tflite = "HARD_SWISH",
    .onnx = "HardSwish",
    .flags = OP_UNARY,
    NCC_UNARY,
    .eval_fast = eval_fast,
    .eval_codes = ncc_hard_swish_codes,
};
