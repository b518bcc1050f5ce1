#include "compiler/ops/elementwise.h"
#include "compiler/ops/on_codes.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct clip_attrs, min, ATTR_FLOAT, -INFINITY),
    ATTR(struct clip_attrs, max, ATTR_FLOAT, INFINITY),
    {0},
};

static inline float apply(const void *attrs, float x)
{
    const struct clip_attrs *p = attrs;
    return x < p->min ? p->min : x > p->max ? p->max : x;
}

NCC_UNARY_FAST

const struct op_desc ncc_op_clip = {
    .name = "clip",
    .doc = "x limited to min .. max",
    .tflite = "RELU6,RELU_N1_TO_1,RELU_0_TO_1",
    .onnx = "Clip,HardSigmoid",
    .caffe = "ReLU6,Clip",
    .flags = OP_UNARY | OP_MONOTONE | OP_CLAMP | OP_STRAIGHT,
    NCC_UNARY,
    .eval_fast = eval_fast,
    NCC_ATTRS(clip_attrs, attrs_table),
    .eval_codes = ncc_clamp_codes,
};
