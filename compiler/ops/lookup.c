#include "compiler/ops/support.h"

static bool infer(struct infer *i)
{
    const struct shape table = i->in[1]->shape;
    if (!ncc_infer_need_dtype(i, 0, DT_U8) || !ncc_infer_need_dtype(i, 1, DT_U8))
        return false;
    if (table.rank != 1 || table.dim[0] != 256)
        return ncc_infer_refuse(i, "the table must have 256 entries");
    return true;
}

static void eval(const struct eval_args *a)
{
    const int64_t n = ncc_shape_count(a->out[0]->shape);
    const uint8_t *x = a->in[0]->data, *table = a->in[1]->data;
    uint8_t *y = a->out[0]->data;
    for (int64_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}

const struct op_desc ncc_op_lookup = {
    .name = "lookup",
    .doc = "each u8 code replaced by its entry in a table of 256 (table_lookup1d of the runtime)",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer,
    .eval = eval,
};
