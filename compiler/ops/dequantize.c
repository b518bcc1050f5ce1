#include "compiler/ops/codes.h"
#include "compiler/ops/support.h"

static bool infer(struct infer *i)
{
    i->out[0].dtype = DT_F32;
    return true;
}

static void eval(const struct eval_args *a)
{
    const struct value *v = a->node->in[0];
    const struct along s = ncc_code_runs(v, a->in[0]->shape);
    float *x = a->out[0]->data;
    int64_t at = 0;
    for (int64_t run = 0; run < s.outer * s.n; run++) {
        const struct code_pair pair = ncc_code_pair(&v->quant, (int)(run % s.n));
        for (int64_t i = 0; i < s.inner; i++, at++)
            *x++ = (float)((ncc_element_real(a->in[0]->dtype, a->in[0]->data, at) - pair.zero_point) * pair.scale);
    }
}

const struct op_desc ncc_op_dequantize = {
    .name = "dequantize",
    .doc = "codes to f32 by the input's scale and zero point; a plain conversion when it has none",
    .tflite = "DEQUANTIZE",
    .onnx = "DequantizeLinear",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .infer = infer,
    .eval = eval,
};
