#include "compiler/ops/codes.h"
#include "compiler/ops/support.h"

static bool infer(struct infer *i)
{
    i->out[0].dtype = DT_U8;
    return ncc_infer_need_dtype(i, 0, DT_F32);
}

static void eval(const struct eval_args *a)
{
    const struct value *v = a->node->out[0];
    const struct along s = ncc_code_runs(v, a->out[0]->shape);
    const float *x = a->in[0]->data;
    uint8_t *q = a->out[0]->data;
    for (int64_t run = 0; run < s.outer * s.n; run++) {
        const struct code_pair pair = ncc_code_pair(&v->quant, (int)(run % s.n));
        for (int64_t i = 0; i < s.inner; i++)
            *q++ = (uint8_t)ncc_code_of(pair, DT_U8, (double)*x++);
    }
}

const struct op_desc ncc_op_quantize = {
    .name = "quantize",
    .doc = "f32 to u8 by the output's scale and zero point, rounded half away from zero",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .infer = infer,
    .eval = eval,
};
