#include "compiler/ops/binary_codes.h"
#include "compiler/ops/elementwise.h"

static inline float apply(const void *attrs, float a, float b)
{
    (void)attrs;
    return a + b;
}

static int64_t apply_int(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

NCC_BINARY_EVAL
NCC_BINARY_FAST

const struct op_desc ncc_op_add = {
    .name = "add",
    .doc = "a + b",
    .tflite = "ADD,ADD_N",
    .onnx = "Add,Sum,Mean,QLinearAdd,BatchNormalization",
    .caffe = "Eltwise,Bias,BatchNorm,Axpy",
    .flags = OP_BINARY | OP_COMMUTES,
    NCC_BINARY,
    .infer = ncc_infer_binary_or_int,
    .eval = eval,
    .eval_fast = eval_fast,
    .eval_codes = ncc_add_codes,
};
