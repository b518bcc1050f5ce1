#include "compiler/ops/support.h"

#include <string.h>

static bool infer(struct infer *i)
{
    i->out[0].mem = MEM_MAIN;
    i->out[0].window = (struct window){0};
    return ncc_infer_need_kpu(i, 0);
}

static void eval(const struct eval_args *a)
{
    memcpy(a->out[0]->data, a->in[0]->data,
           (size_t)ncc_shape_count(a->out[0]->shape) * ncc_dtype_size(a->out[0]->dtype));
}

const struct op_desc ncc_op_kpu_download = {
    .name = "kpu_download",
    .doc = "a whole canvas from KPU RAM into main memory, packed",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = OP_SAME_QUANT | OP_KPU,
    .infer = infer,
    .eval = eval,
};
