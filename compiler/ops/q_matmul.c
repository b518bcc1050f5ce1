#include "compiler/ops/fixed.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct q_matmul_attrs, a_offset, ATTR_INT, 0), ATTR(struct q_matmul_attrs, b_offset, ATTR_INT, 0),
    ATTR(struct q_matmul_attrs, out_mul, ATTR_INT, 1),  ATTR(struct q_matmul_attrs, out_shift, ATTR_INT, 0),
    ATTR(struct q_matmul_attrs, out_offset, ATTR_INT, 0), {0},
};

static bool infer(struct infer *i)
{
    if (!ncc_infer_need_dtype(i, 0, DT_U8) || !ncc_infer_need_dtype(i, 1, DT_U8) || !ncc_infer_need_rank(i, 0, 2) ||
        !ncc_infer_need_rank(i, 1, 2))
        return false;
    const int *a = i->in[0]->shape.dim, *b = i->in[1]->shape.dim;
    if (a[1] != b[0])
        return ncc_infer_refuse(i, "a's columns (%d) must be as many as b's rows (%d)", a[1], b[0]);
    i->out[0].shape = ncc_shape_make(2, (const int[]){a[0], b[1]});
    return ncc_infer_need_bias(i, 2, b[1], DT_I32);
}

/* Sums are kept modulo 2^32, as the chip's runtime does. */
static void eval(const struct eval_args *args)
{
    const struct q_matmul_attrs *p = args->node->attrs;
    const int rows = args->out[0]->shape.dim[0], columns = args->out[0]->shape.dim[1], n = args->in[0]->shape.dim[1];
    const uint8_t *a = args->in[0]->data, *b = args->in[1]->data;
    const int32_t *bias = args->node->n_in > 2 && args->in[2] ? args->in[2]->data : NULL;
    uint8_t *to = args->out[0]->data;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < columns; c++) {
            uint32_t sum = bias ? (uint32_t)bias[c] : 0;
            for (int k = 0; k < n; k++)
                sum += (a[(int64_t)r * n + k] + (uint32_t)p->a_offset) *
                       (b[(int64_t)k * columns + c] + (uint32_t)p->b_offset);
            *to++ = ncc_fixed_code((int64_t)ncc_fixed_scale((int32_t)sum, p->out_mul, p->out_shift) + p->out_offset);
        }
    }
}

static double macs(const struct node *n)
{
    return (double)ncc_shape_count(n->out[0]->shape) * n->in[0]->shape.dim[1];
}

const struct op_desc ncc_op_q_matmul = {
    .name = "q_matmul",
    .doc = "matrix product of u8 codes in fixed point (quantized_matmul of the runtime)",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    NCC_ATTRS(q_matmul_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .macs = macs,
};
