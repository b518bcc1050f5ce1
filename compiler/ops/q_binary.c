#include "compiler/ir/broadcasting.h"
#include "compiler/ops/fixed.h"
#include "compiler/ops/support.h"

static const char *const kinds[] = {"add", "sub", "mul", "div", "min", "max", NULL};
static const struct attr_desc attrs_table[] = {
    ATTR_WORDS(struct q_binary_attrs, kind, kinds, BIN_ADD),
    ATTR(struct q_binary_attrs, a_offset, ATTR_INT, 0),
    ATTR(struct q_binary_attrs, a_mul, ATTR_INT, 1),
    ATTR(struct q_binary_attrs, a_shift, ATTR_INT, 0),
    ATTR(struct q_binary_attrs, b_offset, ATTR_INT, 0),
    ATTR(struct q_binary_attrs, b_mul, ATTR_INT, 1),
    ATTR(struct q_binary_attrs, b_shift, ATTR_INT, 0),
    ATTR(struct q_binary_attrs, out_offset, ATTR_INT, 0),
    ATTR(struct q_binary_attrs, out_mul, ATTR_INT, 1),
    ATTR(struct q_binary_attrs, out_shift, ATTR_INT, 0),
    {0},
};

static bool infer(struct infer *i)
{
    if (!ncc_infer_need_dtype(i, 0, DT_U8) || !ncc_infer_need_dtype(i, 1, DT_U8))
        return false;
    if (!ncc_shape_broadcast(i->in[0]->shape, i->in[1]->shape, &i->out[0].shape))
        return ncc_infer_refuse(i, "the shapes must be equal or broadcast");
    return true;
}

/* 32-bit results; a division by zero, which the chip's runtime leaves open, gives 0. */
static int32_t combine(int kind, int32_t a, int32_t b)
{
    switch (kind) {
    case BIN_ADD: return (int32_t)((int64_t)a + b);
    case BIN_SUB: return (int32_t)((int64_t)a - b);
    case BIN_MUL: return (int32_t)((int64_t)a * b);
    case BIN_DIV: return b ? (int32_t)(((int64_t)a + b / 2) / b) : 0;
    case BIN_MIN: return a < b ? a : b;
    default: return a > b ? a : b;
    }
}

static void eval(const struct eval_args *args)
{
    const struct q_binary_attrs *p = args->node->attrs;
    const struct broadcast s = ncc_broadcast_make(args->in[0]->shape, args->in[1]->shape, args->out[0]->shape);
    const int64_t n = s.dim[s.rank - 1], a_step = s.a[s.rank - 1], b_step = s.b[s.rank - 1];
    const int64_t n_all = ncc_shape_count(args->out[0]->shape);
    uint8_t *to = args->out[0]->data;
    for (int64_t row = 0; row * n < n_all; row++) {
        int64_t a_off, b_off;
        ncc_broadcast_row(&s, row, &a_off, &b_off);
        for (int64_t i = 0; i < n; i++) {
            const int64_t qa = ((const uint8_t *)args->in[0]->data)[a_off + i * a_step];
            const int64_t qb = ((const uint8_t *)args->in[1]->data)[b_off + i * b_step];
            const int32_t a = ncc_fixed_scale((int32_t)(qa + p->a_offset), p->a_mul, p->a_shift);
            const int32_t b = ncc_fixed_scale((int32_t)(qb + p->b_offset), p->b_mul, p->b_shift);
            const int32_t y = ncc_fixed_scale(combine(p->kind, a, b), p->out_mul, p->out_shift);
            *to++ = ncc_fixed_code((int64_t)y + p->out_offset);
        }
    }
}

const struct op_desc ncc_op_q_binary = {
    .name = "q_binary",
    .doc = "element-wise operation of two u8 tensors in fixed point (quantized_binary of the runtime)",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    NCC_ATTRS(q_binary_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
