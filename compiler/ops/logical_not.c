#include "compiler/ops/support.h"

static bool infer(struct infer *i)
{
    return ncc_infer_need_dtype(i, 0, DT_BOOL);
}

static void eval(const struct eval_args *a)
{
    const int64_t n = ncc_shape_count(a->out[0]->shape);
    const uint8_t *x = a->in[0]->data;
    for (int64_t i = 0; i < n; i++)
        ((uint8_t *)a->out[0]->data)[i] = !x[i];
}

const struct op_desc ncc_op_logical_not = {
    .name = "logical_not",
    .doc = "true for false",
    .tflite = "LOGICAL_NOT",
    .onnx = "Not",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .infer = infer,
    .eval = eval,
};
