#include "compiler/ops/elementwise.h"

#include <math.h>

static inline float apply(const void *attrs, float a, float b)
{
    (void)attrs;
    return fmodf(a, b);
}

static int64_t apply_int(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b; /* the smallest number has no opposite */
}

NCC_BINARY_EVAL

const struct op_desc ncc_op_remainder = {
    .name = "remainder",
    .doc = "what remains of a when it is divided by b towards zero: it has the sign of a; 0 for integers when b is 0",
    .tflite = "FLOOR_MOD",
    .onnx = "Mod",
    .flags = OP_BINARY,
    NCC_BINARY,
    .infer = ncc_infer_binary_or_int,
    .eval = eval,
};
