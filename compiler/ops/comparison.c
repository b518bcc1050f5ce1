#include "compiler/ir/element.h"
#include "compiler/ops/elementwise.h"

static const char *const kinds[] = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal", NULL};
static const struct attr_desc attrs_table[] = {ATTR_WORDS(struct comparison_attrs, kind, kinds, COMPARE_EQUAL), {0}};

static bool infer(struct infer *i)
{
    if (!ncc_infer_need_dtype(i, 1, i->in[0]->dtype) || !ncc_infer_broadcast(i))
        return false;
    i->out[0].dtype = DT_BOOL;
    return true;
}

/* order: x - y as a sign. Numbers that are none have no order: only not_equal holds. */
static bool holds(int kind, bool ordered, int order)
{
    switch (kind) {
    case COMPARE_EQUAL:
        return ordered && order == 0;
    case COMPARE_NOT_EQUAL:
        return !ordered || order != 0;
    case COMPARE_LESS:
        return ordered && order < 0;
    case COMPARE_LESS_EQUAL:
        return ordered && order <= 0;
    case COMPARE_GREATER:
        return ordered && order > 0;
    default:
        return ordered && order >= 0;
    }
}

static void eval(const struct eval_args *a)
{
    const struct comparison_attrs *p = a->node->attrs;
    const struct tensor *x = a->in[0], *y = a->in[1], *out = a->out[0];
    const bool real = ncc_element_is_float(x->dtype);
    const int64_t n = ncc_shape_count(out->shape);
    for (int64_t i = 0; i < n; i++) {
        const int64_t ix = ncc_broadcast_index(x->shape, out->shape, i),
                      iy = ncc_broadcast_index(y->shape, out->shape, i);
        if (real) {
            const double u = ncc_element_real(x->dtype, x->data, ix), v = ncc_element_real(y->dtype, y->data, iy);
            ((uint8_t *)out->data)[i] = holds(p->kind, u == u && v == v, (u > v) - (u < v));
        } else {
            const int64_t u = ncc_element_int(x->dtype, x->data, ix), v = ncc_element_int(y->dtype, y->data, iy);
            ((uint8_t *)out->data)[i] = holds(p->kind, true, (u > v) - (u < v));
        }
    }
}

const struct op_desc ncc_op_comparison = {
    .name = "comparison",
    .doc = "whether a and b are equal, a is less than b, and so on: bool",
    .tflite = "EQUAL,NOT_EQUAL,LESS,LESS_EQUAL,GREATER,GREATER_EQUAL",
    .onnx = "Equal,Less,LessOrEqual,Greater,GreaterOrEqual,IsNaN,IsInf",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    NCC_ATTRS(comparison_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
};
