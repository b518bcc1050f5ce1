#include "compiler/ops/elementwise.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct bit_shift_attrs, right, ATTR_BOOL, 0),
    {0},
};

/* All 64 bits and more are shifted out. */
static int64_t left(int64_t x, int64_t n)
{
    return n < 0 || n > 63 ? 0 : (int64_t)((uint64_t)x << n);
}

static int64_t right(int64_t x, int64_t n)
{
    return n < 0 || n > 63 ? 0 : (int64_t)((uint64_t)x >> n);
}

static void eval(const struct eval_args *a)
{
    const struct bit_shift_attrs *p = a->node->attrs;
    ncc_elementwise_binary(a, NULL, p->right ? right : left);
}

static bool infer(struct infer *i)
{
    if (i->in[0]->dtype == DT_F32)
        return ncc_infer_refuse(i, "the operands must be integers");
    return ncc_infer_binary_or_int(i);
}

const struct op_desc ncc_op_bit_shift = {
    .name = "bit_shift",
    .doc = "the bits of integers moved to the left, or without regard to a sign to the right",
    .onnx = "BitShift",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    NCC_ATTRS(bit_shift_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
