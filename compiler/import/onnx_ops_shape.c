/* Operators that give the same elements another shape, and those that are constants once shapes are known. */
#include "compiler/import/onnx.h"
#include "compiler/ir/element.h"
#include "compiler/ops/attrs.h"

#include <math.h>

/* ---- the same elements ---- */

bool ncc_onnx_build_identity(struct ox_build *b)
{
    return ncc_onnx_give(b, 0, ncc_onnx_in(b, 0));
}

/* Nothing is dropped at inference; the mask says so. */
bool ncc_onnx_build_dropout(struct ox_build *b)
{
    double ratio = 0.5, training = 0;
    if (ncc_onnx_has(b, 2) && !ncc_onnx_scalar(b, 2, &training))
        return false;
    if (training != 0 && ncc_onnx_has(b, 1) && ncc_is_const(ncc_onnx_in(b, 1)) && !ncc_onnx_scalar(b, 1, &ratio))
        return false;
    if (training != 0 && ratio != 0)
        return ncc_onnx_refuse(b, "dropout must not be in training mode", "export the model for inference", NULL);
    struct value *x = ncc_onnx_in(b, 0);
    if (!ncc_onnx_wants(b, 1))
        return ncc_onnx_give(b, 0, x);
    return ncc_onnx_give(b, 0, x) && ncc_onnx_give(b, 1, ncc_onnx_filled(b, DT_BOOL, x->shape, 1));
}

/* 0 keeps a dimension, -1 is what remains. A batch that was written into the model is 1 now. */
static bool new_shape(struct ox_build *b, struct shape from, const struct ints *list, struct shape *to)
{
    const int64_t n = ncc_shape_count(from);
    const bool zero_is_zero = ncc_onnx_int(b, "allowzero", 0) != 0;
    int64_t known = 1;
    int open = -1;
    char text[80];
    if (list->n > NCC_MAX_RANK)
        return ncc_onnx_refuse(b, "tensors must have at most 6 dimensions", NULL, "%d", list->n);
    to->rank = list->n;
    for (int i = 0; i < list->n; i++) {
        to->dim[i] = list->v[i] == 0 && !zero_is_zero && i < from.rank ? from.dim[i] : list->v[i];
        if (i == 0 && to->dim[0] == b->m->old_batch && to->dim[0] > 1)
            to->dim[0] = 1;
        if (list->v[i] == -1)
            open = i;
        else if (to->dim[i] < 0 || (to->dim[i] > 0 && known > NCC_MAX_ELEMENTS / to->dim[i]))
            return ncc_onnx_refuse(b, "the new shape must have valid dimensions", NULL, "dimension %d is %d", i,
                                   to->dim[i]);
        else
            known *= to->dim[i];
    }
    if (open >= 0)
        to->dim[open] = known > 0 ? (int)(n / known) : 0;
    if (ncc_shape_count(*to) == n)
        return true;
    return ncc_onnx_refuse(b, "the new shape must have as many elements as the old one", NULL, "%s for %lld elements",
                           ncc_shape_text(*to, text), (long long)n);
}

bool ncc_onnx_build_reshape(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct ints list;
    struct shape to = {0};
    bool has;
    if (!ncc_onnx_ints_or_list(b, 1, "shape", &list, &has) || !new_shape(b, x->shape, &list, &to))
        return false;
    return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, x, to, NULL));
}

bool ncc_onnx_build_flatten(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const int rank = x->shape.rank;
    int axis = ncc_onnx_int(b, "axis", 1);
    axis = axis < 0 ? axis + rank : axis;
    if (axis < 0 || axis > rank)
        return ncc_onnx_refuse(b, "the axis must be one of the tensor's", NULL, "axis %d of %d dimensions", axis, rank);
    int64_t before = 1, behind = 1;
    for (int i = 0; i < rank; i++)
        *(i < axis ? &before : &behind) *= x->shape.dim[i];
    return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, x, (struct shape){2, {(int)before, (int)behind}}, NULL));
}

/* Without axes all dimensions of 1 go. */
bool ncc_onnx_build_squeeze(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct ints list, axes;
    struct shape to = {0};
    bool has;
    if (!ncc_onnx_ints_or_list(b, 1, "axes", &list, &has) || !ncc_onnx_axes(b, &list, x->shape.rank, &axes))
        return false;
    for (int i = 0, k = 0; i < x->shape.rank; i++) {
        const bool named = k < axes.n && axes.v[k] == i;
        k += named;
        if (named && x->shape.dim[i] != 1)
            return ncc_onnx_refuse(b, "only dimensions of 1 can be squeezed", NULL, "dimension %d is %d", i,
                                   x->shape.dim[i]);
        if (has ? !named : x->shape.dim[i] != 1)
            to.dim[to.rank++] = x->shape.dim[i];
    }
    return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, x, to, NULL));
}

/* The axes are those of the result. */
bool ncc_onnx_build_unsqueeze(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct ints list, axes;
    struct shape to = {0};
    bool has;
    if (!ncc_onnx_ints_or_list(b, 1, "axes", &list, &has))
        return false;
    const int rank = x->shape.rank + list.n;
    if (rank > NCC_MAX_RANK)
        return ncc_onnx_refuse(b, "tensors must have at most 6 dimensions", NULL, "%d", rank);
    if (!ncc_onnx_axes(b, &list, rank, &axes))
        return false;
    if (axes.n != list.n)
        return ncc_onnx_refuse(b, "an axis must be named only once", NULL, NULL);
    for (int i = 0, k = 0, from = 0; i < rank; i++) {
        const bool is_new = k < axes.n && axes.v[k] == i;
        k += is_new;
        to.dim[to.rank++] = is_new ? 1 : x->shape.dim[from++];
    }
    return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, x, to, NULL));
}

/* ---- shapes as tensors ---- */

static int limited(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

bool ncc_onnx_build_shape(struct ox_build *b)
{
    const struct shape s = ncc_onnx_in(b, 0)->shape;
    int start = ncc_onnx_int(b, "start", 0), end = ncc_onnx_int(b, "end", s.rank);
    int64_t dims[NCC_MAX_RANK] = {0};
    start = limited(start < 0 ? start + s.rank : start, 0, s.rank);
    end = limited(end < 0 ? end + s.rank : end, start, s.rank);
    for (int i = start; i < end; i++)
        dims[i - start] = s.dim[i];
    const int n = end - start;
    return ncc_onnx_give(b, 0, ncc_const_copy(b->m->graph, b->name, DT_I64, ncc_shape_make(1, &n), dims));
}

bool ncc_onnx_build_size(struct ox_build *b)
{
    return ncc_onnx_give(b, 0, ncc_onnx_number(b, DT_I64, (double)ncc_shape_count(ncc_onnx_in(b, 0)->shape)));
}

/* ---- constants ---- */

static struct value *int_constant(struct ox_build *b, const Onnx__AttributeProto *a, bool is_list)
{
    const int n = (int)a->n_ints;
    return ncc_const_copy(b->m->graph, b->name, DT_I64, is_list ? ncc_shape_make(1, &n) : (struct shape){0},
                          is_list ? (const void *)a->ints : &a->i);
}

static struct value *float_constant(struct ox_build *b, const Onnx__AttributeProto *a, bool is_list)
{
    const int n = (int)a->n_floats;
    return ncc_const_copy(b->m->graph, b->name, DT_F32, is_list ? ncc_shape_make(1, &n) : (struct shape){0},
                          is_list ? (const void *)a->floats : &a->f);
}

bool ncc_onnx_build_constant(struct ox_build *b)
{
    const Onnx__AttributeProto *a;
    if ((a = ncc_onnx_attr(b, "value")) && a->t)
        return ncc_onnx_give(b, 0, ncc_onnx_constant(b->m, a->t, b->name));
    if ((a = ncc_onnx_attr(b, "value_int")) || ((a = ncc_onnx_attr(b, "value_ints")) && a->n_ints > 0))
        return ncc_onnx_give(b, 0, int_constant(b, a, a->n_ints > 0));
    if ((a = ncc_onnx_attr(b, "value_float")) || ((a = ncc_onnx_attr(b, "value_floats")) && a->n_floats > 0))
        return ncc_onnx_give(b, 0, float_constant(b, a, a->n_floats > 0));
    return ncc_onnx_refuse(b, "a constant must be a dense tensor, or numbers", "export the model without sparsity",
                           b->p->n_attribute ? "%s" : NULL,
                           b->p->n_attribute && b->p->attribute[0]->name ? b->p->attribute[0]->name : "");
}

/* A constant list of dimensions; they may be 0. */
static bool dims_of(struct ox_build *b, int k, struct shape *out)
{
    struct ints list;
    if (!ncc_onnx_ints(b, k, &list))
        return false;
    *out = (struct shape){.rank = list.n};
    bool good = list.n <= NCC_MAX_RANK;
    for (int i = 0; good && i < list.n; i++) {
        out->dim[i] = list.v[i];
        good = list.v[i] >= 0;
    }
    if (good && ncc_shape_count(*out) >= 0)
        return true;
    return ncc_onnx_refuse(b, "a shape must have at most 6 dimensions and 2^28 elements", NULL, NULL);
}

bool ncc_onnx_build_constant_of_shape(struct ox_build *b)
{
    const Onnx__AttributeProto *a = ncc_onnx_attr(b, "value");
    struct value *one = a && a->t ? ncc_onnx_constant(b->m, a->t, b->name) : ncc_onnx_number(b, DT_F32, 0);
    struct shape shape;
    if (!one || !dims_of(b, 0, &shape))
        return false;
    if (ncc_shape_count(one->shape) != 1)
        return ncc_onnx_refuse(b, "the value must be one number", NULL, NULL);
    return ncc_onnx_give(b, 0, ncc_onnx_filled(b, one->dtype, shape, ncc_element_real(one->dtype, one->data, 0)));
}

/* Expand: dimensions of 1 repeated, where the given shape or the input's own says more. */
bool ncc_onnx_build_expand(struct ox_build *b)
{
    struct shape to;
    return dims_of(b, 1, &to) && ncc_onnx_give(b, 0, ncc_onnx_expand(b, ncc_onnx_in(b, 0), to));
}

bool ncc_onnx_build_range(struct ox_build *b)
{
    double start, limit, delta;
    if (!ncc_onnx_scalar(b, 0, &start) || !ncc_onnx_scalar(b, 1, &limit) || !ncc_onnx_scalar(b, 2, &delta))
        return false;
    const double count = ceil((limit - start) / delta);
    if (!(fabs(count) <= (double)NCC_MAX_ELEMENTS))
        return ncc_onnx_refuse(b, "a range must have at most 2^28 elements", NULL, "%g .. %g by %g", start, limit,
                               delta);
    const int n = count > 0 ? (int)count : 0;
    const enum dtype t = ncc_onnx_in(b, 0)->dtype;
    if (!ncc_onnx_spend(b, n))
        return false;
    char *data = ncc_arena_alloc(b->m->arena, (size_t)n + 1, ncc_dtype_size(t), 64);
    for (int i = 0; i < n; i++)
        ncc_element_set_real(t, data, i, start + i * delta);
    return ncc_onnx_give(b, 0, ncc_const(b->m->graph, b->name, t, ncc_shape_make(1, &n), data));
}

bool ncc_onnx_build_eye_like(struct ox_build *b)
{
    const struct value *x = ncc_onnx_in(b, 0);
    const int shift = ncc_onnx_int(b, "k", 0);
    enum dtype t = x->dtype;
    if (ncc_onnx_attr(b, "dtype") && !ncc_onnx_dtype(ncc_onnx_int(b, "dtype", 0), &t))
        return ncc_onnx_refuse(b, "the type is not supported", NULL, "%s",
                               ncc_onnx_type_name(ncc_onnx_int(b, "dtype", 0)));
    if (x->shape.rank != 2 || !ncc_onnx_spend(b, ncc_shape_count(x->shape)))
        return ncc_onnx_refuse(b, "the input must be a matrix", NULL, "%d dimensions", x->shape.rank);
    const int rows = x->shape.dim[0], columns = x->shape.dim[1];
    char *data = ncc_arena_alloc(b->m->arena, (size_t)ncc_shape_count(x->shape) + 1, ncc_dtype_size(t), 64);
    for (int r = 0; r < rows; r++)
        if ((int64_t)r + shift >= 0 && (int64_t)r + shift < columns)
            ncc_element_set_real(t, data, (int64_t)r * columns + r + shift, 1);
    return ncc_onnx_give(b, 0, ncc_const(b->m->graph, b->name, t, x->shape, data));
}

/* The upper or lower triangle of matrices, and 0. */
bool ncc_onnx_build_trilu(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const bool upper = ncc_onnx_int(b, "upper", 1) != 0;
    double k = 0;
    if (ncc_onnx_has(b, 1) && !ncc_onnx_scalar(b, 1, &k))
        return false;
    if (x->shape.rank < 2)
        return ncc_onnx_refuse(b, "the input must be a matrix, or several", NULL, "%d dimensions", x->shape.rank);
    const int rows = x->shape.dim[x->shape.rank - 2], columns = x->shape.dim[x->shape.rank - 1];
    const int shape[2] = {rows, columns};
    if (!ncc_onnx_spend(b, (int64_t)rows * columns))
        return false;
    uint8_t *keep = NCC_NEW(b->m->arena, uint8_t, (size_t)rows * (size_t)columns + 1);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            keep[(size_t)r * (size_t)columns + (size_t)c] = upper ? c - r >= k : c - r <= k;
    struct value *mask =
        ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "triangle"), DT_BOOL, ncc_shape_make(2, shape), keep);
    return ncc_onnx_give(b, 0, OX_OP(b, OP_select, NULL, NULL, mask, x, ncc_onnx_number(b, x->dtype, 0)));
}

/* Where a constant is not 0: rank x count. */
bool ncc_onnx_build_non_zero(struct ox_build *b)
{
    const struct value *x = ncc_onnx_in(b, 0);
    if (!ncc_is_const(x))
        return ncc_onnx_refuse(b, "the operand must be constant, since the result's shape depends on it", NULL, "'%s'",
                               x->name);
    const int64_t n = ncc_shape_count(x->shape);
    if (!ncc_onnx_spend(b, n * (x->shape.rank + 1)))
        return false;
    int count = 0;
    for (int64_t i = 0; i < n; i++)
        count += ncc_element_real(x->dtype, x->data, i) != 0;
    const int shape[2] = {x->shape.rank, count};
    int64_t *data = ncc_arena_alloc(b->m->arena, (size_t)shape[0] * (size_t)count + 1, sizeof *data, 64);
    for (int64_t i = 0, at = 0; i < n; i++) {
        if (ncc_element_real(x->dtype, x->data, i) == 0)
            continue;
        int64_t rest = i;
        for (int k = shape[0] - 1; k >= 0; k--) {
            data[(int64_t)k * count + at] = rest % x->shape.dim[k];
            rest /= x->shape.dim[k];
        }
        at++;
    }
    return ncc_onnx_give(b, 0, ncc_const(b->m->graph, b->name, DT_I64, ncc_shape_make(2, shape), data));
}

/* ---- branches ---- */

/* The branch that a constant condition takes stands in the place of the node. */
bool ncc_onnx_build_if(struct ox_build *b)
{
    double condition;
    struct ox_scope s;
    if (!ncc_onnx_scalar(b, 0, &condition))
        return false;
    const Onnx__AttributeProto *a = ncc_onnx_attr(b, condition != 0 ? "then_branch" : "else_branch");
    if (!a || !a->g || (int)a->g->n_output < b->n_out)
        return ncc_onnx_refuse(b, "both branches must be graphs with the node's outputs",
                               "the file is damaged: export the model again", NULL);
    if (!ncc_onnx_scope(b->m, a->g, b->scope, &s))
        return false;
    for (int k = 0; k < b->n_out; k++) {
        struct ox_tensor *t = ncc_onnx_find(&s, a->g->output[k]->name);
        if (t && ncc_onnx_wants(b, k))
            t->needed = true;
    }
    ncc_onnx_mark_needed(b->m, &s);
    if (!ncc_onnx_build_nodes(b->m, &s))
        return false;
    for (int k = 0; k < b->n_out; k++) {
        if (!ncc_onnx_wants(b, k))
            continue;
        struct ox_tensor *t = ncc_onnx_find(&s, a->g->output[k]->name);
        struct value *v = t ? ncc_onnx_value(b->m, t) : NULL;
        if (!v)
            return ncc_onnx_refuse(b, "a branch must make its outputs", "the file is damaged: export the model again",
                                   "'%s'", a->g->output[k]->name ? a->g->output[k]->name : "");
        if (!ncc_onnx_give_codes(b, k, v, t->codes))
            return false;
    }
    return true;
}
