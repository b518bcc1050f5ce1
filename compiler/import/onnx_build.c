/* What the builders of the operators call. */
#include "compiler/import/folding.h"
#include "compiler/import/onnx.h"
#include "compiler/import/outline.h"
#include "compiler/ir/element.h"
#include "compiler/ops/attrs.h"

#include <string.h>

bool ncc_onnx_refuse(struct ox_build *b, const char *rule, const char *remedy, const char *found, ...)
{
    const struct place where = {b->m->file, b->name, b->op};
    remedy = remedy ? remedy : ncc_outline_remedy;
    if (!found) {
        ncc_diag_error(b->m->diags, FAULT_INPUT, where, rule, remedy, NULL);
        return false;
    }
    va_list args;
    va_start(args, found);
    ncc_diag_error(b->m->diags, FAULT_INPUT, where, rule, remedy, "%s", ncc_arena_vprintf(b->m->arena, found, args));
    va_end(args);
    return false;
}

/* ---- attributes ---- */

const Onnx__AttributeProto *ncc_onnx_attr(const struct ox_build *b, const char *name)
{
    for (size_t i = 0; i < b->p->n_attribute; i++)
        if (b->p->attribute[i]->name && strcmp(b->p->attribute[i]->name, name) == 0)
            return b->p->attribute[i];
    return NULL;
}

static int saturate(int64_t x)
{
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int)x;
}

int ncc_onnx_int(const struct ox_build *b, const char *name, int def)
{
    const Onnx__AttributeProto *a = ncc_onnx_attr(b, name);
    return a ? saturate(a->i) : def;
}

float ncc_onnx_float(const struct ox_build *b, const char *name, float def)
{
    const Onnx__AttributeProto *a = ncc_onnx_attr(b, name);
    return a ? a->f : def;
}

const char *ncc_onnx_string(const struct ox_build *b, const char *name, const char *def)
{
    const Onnx__AttributeProto *a = ncc_onnx_attr(b, name);
    return a ? ncc_arena_copy(b->m->arena, (const char *)a->s.data, a->s.len) : def;
}

bool ncc_onnx_list(struct ox_build *b, const char *name, struct ints *out)
{
    const Onnx__AttributeProto *a = ncc_onnx_attr(b, name);
    *out = (struct ints){0};
    if (a && a->n_ints > NCC_MAX_INTS)
        return ncc_onnx_refuse(b, "a list of integers must have at most 12", NULL, "%s has %zu", name, a->n_ints);
    for (size_t i = 0; a && i < a->n_ints; i++)
        out->v[out->n++] = saturate(a->ints[i]);
    return true;
}

/* ---- inputs ---- */

bool ncc_onnx_has(const struct ox_build *b, int k)
{
    return k < b->n_in && b->in[k];
}

/* real / scale + zero, which is whole but for rounding */
struct value *ncc_onnx_codes(struct ox_build *b, const struct ox_tensor *t)
{
    const struct ox_codes *c = t->codes;
    struct shape along = {.rank = t->v->shape.rank};
    for (int i = 0; i < along.rank; i++)
        along.dim[i] = i == c->axis ? (int)ncc_shape_count(c->scale->shape) : 1;
    const bool single = ncc_shape_count(c->scale->shape) == 1;
    struct value *scale = single ? c->scale : ncc_onnx_reshape(b, c->scale, along, "scale");
    struct value *v = OX_OP(b, OP_div, "steps", NULL, t->v, scale);
    if (c->zero)
        v = OX_OP(b, OP_add, "codes", NULL, v, single ? c->zero : ncc_onnx_reshape(b, c->zero, along, "zero"));
    enum dtype dtype;
    ncc_onnx_dtype(c->type, &dtype);
    return ncc_onnx_cast(b, v ? OX_OP(b, OP_round, "whole", NULL, v) : NULL, dtype, "integers");
}

struct value *ncc_onnx_in(struct ox_build *b, int k)
{
    if (!ncc_onnx_has(b, k))
        return NULL;
    const struct ox_tensor *t = b->in[k];
    return t->codes && !(b->row->flags & OX_MOVES) ? ncc_onnx_codes(b, t) : t->v;
}

bool ncc_onnx_ints(struct ox_build *b, int k, struct ints *out)
{
    struct value *v = ncc_onnx_in(b, k);
    *out = (struct ints){0};
    if (v && ncc_onnx_value_ints(v, out))
        return true;
    return ncc_onnx_refuse(b, "what shapes the result must be constant: at most 12 integers",
                           "export the model with fixed shapes", v ? "input %d is '%s'" : "input %d is missing%s", k,
                           v ? v->name : "");
}

bool ncc_onnx_scalar(struct ox_build *b, int k, double *out)
{
    struct value *v = ncc_onnx_in(b, k);
    if (!v || !ncc_is_const(v) || ncc_shape_count(v->shape) != 1)
        return ncc_onnx_refuse(b, "the operand must be one constant number", "export the model with fixed shapes",
                               v ? "input %d is '%s'" : "input %d is missing%s", k, v ? v->name : "");
    *out = ncc_element_real(v->dtype, v->data, 0);
    return true;
}

bool ncc_onnx_ints_or_list(struct ox_build *b, int k, const char *name, struct ints *out, bool *has)
{
    *has = ncc_onnx_has(b, k) || ncc_onnx_attr(b, name);
    return ncc_onnx_has(b, k) ? ncc_onnx_ints(b, k, out) : ncc_onnx_list(b, name, out);
}

bool ncc_onnx_axis(struct ox_build *b, int axis, int rank, int *out)
{
    *out = axis < 0 ? axis + rank : axis;
    if (*out >= 0 && *out < rank)
        return true;
    return ncc_onnx_refuse(b, "the axis must be one of the tensor's", NULL, "axis %d of %d dimensions", axis, rank);
}

bool ncc_onnx_axes(struct ox_build *b, const struct ints *axes, int rank, struct ints *out)
{
    bool marked[NCC_MAX_INTS] = {false};
    for (int i = 0; i < axes->n; i++) {
        int axis;
        if (!ncc_onnx_axis(b, axes->v[i], rank, &axis))
            return false;
        marked[axis] = true;
    }
    struct ints sorted = {0};
    for (int i = 0; i < rank; i++)
        if (marked[i])
            sorted.v[sorted.n++] = i;
    *out = sorted;
    return true;
}

/* ---- nodes ---- */

struct node *ncc_onnx_node(struct ox_build *b, enum op op, const char *suffix, const void *attrs,
                           struct value *const *in, int n_in)
{
    const struct op_desc *desc = ncc_op_desc(op);
    for (int i = 0; i < n_in; i++)
        if (!in[i] && (i < desc->min_in || desc->max_in < 0))
            return NULL;
    const char *name = suffix ? ncc_name(b->m->graph, b->name, suffix) : b->name;
    return ncc_import_node(b->m->graph, &b->m->fold_budget, op, name, b->name, attrs, in, n_in);
}

struct value *ncc_onnx_op(struct ox_build *b, enum op op, const char *suffix, const void *attrs,
                          struct value *const *in, int n_in)
{
    struct node *n = ncc_onnx_node(b, op, suffix, attrs, in, n_in);
    return n ? n->out[0] : NULL;
}

struct value *ncc_onnx_reshape(struct ox_build *b, struct value *v, struct shape to, const char *suffix)
{
    if (!v || ncc_shape_equal(v->shape, to))
        return v;
    struct reshape_attrs attrs = {.shape.n = to.rank};
    for (int i = 0; i < to.rank; i++)
        attrs.shape.v[i] = to.dim[i];
    return OX_OP(b, OP_reshape, suffix, &attrs, v);
}

struct value *ncc_onnx_cast(struct ox_build *b, struct value *v, enum dtype to, const char *suffix)
{
    const struct cast_attrs attrs = {(int)to};
    return !v || v->dtype == to ? v : OX_OP(b, OP_cast, suffix, &attrs, v);
}

struct value *ncc_onnx_transpose(struct ox_build *b, struct value *v, struct ints perm, const char *suffix)
{
    const struct transpose_attrs attrs = {perm};
    bool moves = v && perm.n != v->shape.rank;
    for (int i = 0; i < perm.n; i++)
        moves |= perm.v[i] != i;
    return v && moves ? OX_OP(b, OP_transpose, suffix, &attrs, v) : v;
}

struct value *ncc_onnx_part(struct ox_build *b, struct value *v, int axis, int begin, int size, const char *suffix)
{
    if (!v || v->shape.dim[axis] == size)
        return v;
    struct slice_attrs attrs = {.begin.n = v->shape.rank, .size.n = v->shape.rank, .stride.n = v->shape.rank};
    for (int i = 0; i < v->shape.rank; i++) {
        attrs.begin.v[i] = i == axis ? begin : 0;
        attrs.size.v[i] = i == axis ? size : v->shape.dim[i];
        attrs.stride.v[i] = 1;
    }
    return OX_OP(b, OP_slice, suffix, &attrs, v);
}

struct value *ncc_onnx_expand(struct ox_build *b, struct value *v, struct shape to)
{
    struct shape common;
    char from_text[80], to_text[80];
    if (!v)
        return NULL;
    if (!ncc_shape_broadcast(v->shape, to, &common)) {
        ncc_onnx_refuse(b, "the shapes must be equal or broadcast", NULL, "%s and %s",
                        ncc_shape_text(v->shape, from_text), ncc_shape_text(to, to_text));
        return NULL;
    }
    v = ncc_onnx_reshape(b, v, ncc_shape_left_pad(v->shape, common.rank), "broadcast");
    struct tile_attrs attrs = {.repeats.n = common.rank};
    bool repeats = false;
    for (int i = 0; v && i < common.rank; i++) {
        attrs.repeats.v[i] = v->shape.dim[i] == common.dim[i] ? 1 : common.dim[i];
        repeats |= attrs.repeats.v[i] != 1;
    }
    return v && repeats ? OX_OP(b, OP_tile, NULL, &attrs, v) : v;
}

/* ---- constants ---- */

struct value *ncc_onnx_number(struct ox_build *b, enum dtype t, double x)
{
    int64_t element = 0;
    ncc_element_set_real(t, &element, 0, x);
    return ncc_const_copy(b->m->graph, ncc_name(b->m->graph, b->name, "number"), t, (struct shape){0}, &element);
}

struct value *ncc_onnx_floats(struct ox_build *b, const char *suffix, struct shape shape, const float *data)
{
    return ncc_const_copy(b->m->graph, ncc_name(b->m->graph, b->name, suffix), DT_F32, shape, data);
}

bool ncc_onnx_spend(struct ox_build *b, int64_t n)
{
    b->m->budget -= n < 0 ? 0 : n;
    if (n >= 0 && b->m->budget >= 0)
        return true;
    return ncc_onnx_refuse(b, "the constants that the model makes must not be too large", NULL,
                           "more than 2^28 elements");
}

struct value *ncc_onnx_filled(struct ox_build *b, enum dtype t, struct shape shape, double x)
{
    const int64_t n = ncc_shape_count(shape);
    if (!ncc_onnx_spend(b, n))
        return NULL;
    char *data = ncc_arena_alloc(b->m->arena, n ? (size_t)n : 1, ncc_dtype_size(t), 64);
    for (int64_t i = 0; x != 0 && i < n; i++)
        ncc_element_set_real(t, data, i, x);
    return ncc_const(b->m->graph, b->name, t, shape, data);
}

/* ---- results ---- */

bool ncc_onnx_wants(const struct ox_build *b, int k)
{
    return k < b->n_out && b->out[k] && b->out[k]->needed;
}

bool ncc_onnx_give_codes(struct ox_build *b, int k, struct value *v, const struct ox_codes *codes)
{
    if (!v)
        return false;
    struct ox_tensor *t = k < b->n_out ? b->out[k] : NULL;
    if (!t || t->is_given)
        return true;
    if (v->id >= b->first_id)
        v->name = t->name;
    t->v = v;
    t->codes = codes;
    return true;
}

bool ncc_onnx_give(struct ox_build *b, int k, struct value *v)
{
    const bool moves = b->row && b->row->flags & OX_MOVES && b->n_in > 0 && b->in[0];
    return ncc_onnx_give_codes(b, k, v, moves ? b->in[0]->codes : NULL);
}
