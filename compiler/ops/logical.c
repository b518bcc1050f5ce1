#include "compiler/ir/element.h"
#include "compiler/ops/elementwise.h"

static const char *const kinds[] = {"and", "or", "xor", NULL};
static const struct attr_desc attrs_table[] = {ATTR_WORDS(struct logical_attrs, kind, kinds, LOGICAL_AND), {0}};

static bool infer(struct infer *i)
{
    return ncc_infer_need_dtype(i, 0, DT_BOOL) && ncc_infer_need_dtype(i, 1, DT_BOOL) && ncc_infer_broadcast(i);
}

static int64_t both(int64_t x, int64_t y)
{
    return x & y;
}
static int64_t any(int64_t x, int64_t y)
{
    return x | y;
}
static int64_t one(int64_t x, int64_t y)
{
    return x ^ y;
}

static void eval(const struct eval_args *a)
{
    static int64_t (*const functions[])(int64_t x, int64_t y) = {both, any, one};
    ncc_elementwise_binary(a, NULL, functions[((const struct logical_attrs *)a->node->attrs)->kind]);
}

const struct op_desc ncc_op_logical = {
    .name = "logical",
    .doc = "and, or, exclusive or of two bools",
    .tflite = "LOGICAL_AND,LOGICAL_OR",
    .onnx = "And,Or,Xor",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    NCC_ATTRS(logical_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
