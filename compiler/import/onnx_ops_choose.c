/* Operators that compare, and those that choose by it. */
#include "compiler/import/onnx.h"
#include "compiler/ops/attrs.h"

#include <math.h>

/* ---- conditions ---- */

bool ncc_onnx_build_compare(struct ox_build *b)
{
    const struct comparison_attrs attrs = {b->row->detail};
    struct value *x = ncc_onnx_in(b, 0), *y = ncc_onnx_in(b, 1);
    return ncc_onnx_give(b, 0, OX_OP(b, OP_comparison, NULL, &attrs, x, y ? ncc_onnx_laid_over(b, x, y) : NULL));
}

bool ncc_onnx_build_logical(struct ox_build *b)
{
    const struct logical_attrs attrs = {b->row->detail};
    struct value *x = ncc_onnx_in(b, 0), *y = ncc_onnx_in(b, 1);
    return ncc_onnx_give(b, 0, OX_OP(b, OP_logical, NULL, &attrs, x, y ? ncc_onnx_laid_over(b, x, y) : NULL));
}

/* A number that is none is not equal to itself. */
bool ncc_onnx_build_is_nan(struct ox_build *b)
{
    const struct comparison_attrs attrs = {COMPARE_NOT_EQUAL};
    struct value *x = ncc_onnx_in(b, 0);
    return ncc_onnx_give(b, 0, OX_OP(b, OP_comparison, NULL, &attrs, x, x));
}

bool ncc_onnx_build_is_inf(struct ox_build *b)
{
    const struct comparison_attrs attrs = {COMPARE_EQUAL};
    const bool low = ncc_onnx_int(b, "detect_negative", 1) != 0, high = ncc_onnx_int(b, "detect_positive", 1) != 0;
    struct value *x = ncc_onnx_in(b, 0);
    if (!low && !high)
        return ncc_onnx_give(b, 0, ncc_onnx_filled(b, DT_BOOL, x->shape, 0));
    if (low && high)
        x = OX_OP(b, OP_abs, "abs", NULL, x);
    return ncc_onnx_give(
        b, 0, OX_OP(b, OP_comparison, NULL, &attrs, x, ncc_onnx_number(b, DT_F32, high ? INFINITY : -INFINITY)));
}

bool ncc_onnx_build_where(struct ox_build *b)
{
    return ncc_onnx_give(b, 0,
                         OX_OP(b, OP_select, NULL, NULL, ncc_onnx_in(b, 0), ncc_onnx_in(b, 1), ncc_onnx_in(b, 2)));
}

/* ---- greatest elements ---- */

bool ncc_onnx_build_arg_max(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct arg_max_attrs attrs = {.keep_dims = ncc_onnx_int(b, "keepdims", 1) != 0,
                                  .least = b->row->detail != 0,
                                  .last = ncc_onnx_int(b, "select_last_index", 0) != 0};
    return ncc_onnx_axis(b, ncc_onnx_int(b, "axis", 0), x->shape.rank, &attrs.axis) &&
           ncc_onnx_give(b, 0, OX_OP(b, OP_arg_max, NULL, &attrs, x));
}

bool ncc_onnx_build_top_k(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct ints k = {1, {ncc_onnx_int(b, "k", 1)}};
    struct top_k_attrs attrs = {.least = ncc_onnx_int(b, "largest", 1) == 0};
    if (ncc_onnx_has(b, 1) && !ncc_onnx_ints(b, 1, &k))
        return false;
    if (k.n != 1)
        return ncc_onnx_refuse(b, "k must be one number", NULL, "%d", k.n);
    if (!ncc_onnx_axis(b, ncc_onnx_int(b, "axis", -1), x->shape.rank, &attrs.axis))
        return false;
    attrs.k = k.v[0];
    struct node *n = ncc_onnx_node(b, OP_top_k, NULL, &attrs, &x, 1);
    return n && ncc_onnx_give(b, 0, n->out[0]) && ncc_onnx_give(b, 1, n->out[1]);
}

/* 0, 1, 2 .. along an axis of a tensor of this rank. */
static struct value *counting(struct ox_build *b, int n, int axis, int rank)
{
    struct shape shape = {.rank = rank - axis};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i ? 1 : n;
    if (n < 0 || !ncc_onnx_spend(b, n))
        return NULL;
    int64_t *data = ncc_arena_alloc(b->m->arena, (size_t)n + 1, sizeof *data, 64);
    for (int i = 0; i < n; i++)
        data[i] = i;
    return ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "places"), DT_I64, shape, data);
}

/* 1 for the first of the greatest elements, else 0. */
bool ncc_onnx_build_hardmax(struct ox_build *b)
{
    struct value *in = ncc_onnx_in(b, 0);
    struct shape shape = in->shape;
    const struct comparison_attrs equal = {COMPARE_EQUAL};
    struct arg_max_attrs attrs = {.keep_dims = true};
    if (!ncc_onnx_softmax_axis(b, &shape, &attrs.axis))
        return false;
    struct value *top = OX_OP(b, OP_arg_max, "top", &attrs, ncc_onnx_reshape(b, in, shape, "flat"));
    struct value *y =
        OX_OP(b, OP_comparison, "is_top", &equal, top, counting(b, shape.dim[attrs.axis], attrs.axis, shape.rank));
    return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, ncc_onnx_cast(b, y, DT_F32, NULL), in->shape, "shape"));
}

/* A new axis with the second of two values at the index, else the first. Indices may count from the end. */
bool ncc_onnx_build_one_hot(struct ox_build *b)
{
    struct value *index = ncc_onnx_cast(b, ncc_onnx_in(b, 0), DT_I64, "indices"), *values = ncc_onnx_in(b, 2);
    const struct comparison_attrs equal = {COMPARE_EQUAL};
    double depth;
    int axis;
    const int rank = index ? index->shape.rank + 1 : 0;
    if (!ncc_onnx_scalar(b, 1, &depth) || !ncc_onnx_axis(b, ncc_onnx_int(b, "axis", -1), rank, &axis))
        return false;
    if (depth < 1 || depth > (double)NCC_MAX_ELEMENTS || rank > NCC_MAX_RANK || ncc_shape_count(values->shape) != 2)
        return ncc_onnx_refuse(
            b, "there must be a depth of at least 1, two values, and at most 5 dimensions of indices", NULL,
            "depth %g, %lld values, %d dimensions", depth, (long long)ncc_shape_count(values->shape), rank - 1);
    struct shape open = {.rank = rank};
    for (int i = 0; i < rank; i++)
        open.dim[i] = i == axis ? 1 : index->shape.dim[i < axis ? i : i - 1];
    /* An index outside of -depth .. depth - 1 must not wrap. */
    struct value *n = ncc_onnx_number(b, DT_I64, depth), *zero = ncc_onnx_number(b, DT_I64, 0);
    const struct comparison_attrs less = {COMPARE_LESS};
    struct value *up = OX_OP(b, OP_add, "up", NULL, index, n);
    index = OX_OP(b, OP_select, "index", NULL, OX_OP(b, OP_comparison, "from_end", &less, index, zero), up, index);
    struct value *hot = OX_OP(b, OP_comparison, "hot", &equal, ncc_onnx_reshape(b, index, open, "open"),
                              counting(b, (int)depth, axis, rank));
    const struct shape scalar = {0};
    struct value *off = ncc_onnx_reshape(b, ncc_onnx_part(b, values, 0, 0, 1, "off"), scalar, "off");
    struct value *on = ncc_onnx_reshape(b, ncc_onnx_part(b, values, 0, 1, 1, "on"), scalar, "on");
    return ncc_onnx_give(b, 0, OX_OP(b, OP_select, NULL, NULL, hot, on, off));
}
