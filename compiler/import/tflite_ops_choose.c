/* Operators that compare, choose, and count. Those that do not mind the order of the dimensions take whichever is
 * there; the others work in the model's. */
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

static int highest_rank(struct build *b, int n)
{
    int rank = 0;
    for (int k = 0; k < n; k++)
        rank = ncc_tflite_in(b, k)->shape.rank > rank ? ncc_tflite_in(b, k)->shape.rank : rank;
    return rank;
}

/* All n inputs in one order; broadcast over each other. */
static bool get_all(struct build *b, int n, struct ints *perm, struct value **in)
{
    *perm = ncc_tflite_choose(b, 0, n, highest_rank(b, n));
    for (int k = 0; k < n; k++)
        if (!(in[k] = ncc_tflite_get(b, k, *perm)))
            return false;
    return true;
}

static bool give_binary(struct build *b, enum op op, const void *attrs)
{
    struct value *in[2];
    struct ints perm;
    if (!get_all(b, 2, &perm, in))
        return false;
    return ncc_tflite_give(b, 0, (struct form){ncc_tflite_op(b, op, NULL, attrs, in, 2), perm});
}

bool ncc_tflite_build_comparison(struct build *b)
{
    const struct comparison_attrs attrs = {b->row->detail};
    return give_binary(b, OP_comparison, &attrs);
}

bool ncc_tflite_build_logical(struct build *b)
{
    const struct logical_attrs attrs = {b->row->detail};
    return give_binary(b, OP_logical, &attrs);
}

/* v, which is in the model's order, under another shape, and in the model's order again. */
static struct value *reshaped(struct build *b, struct value *v, struct shape to)
{
    if (!v)
        return NULL;
    const struct form f = ncc_tflite_reshape(b, (struct form){v, ncc_layout_identity(v->shape.rank)}, to);
    return f.v ? ncc_tflite_reorder(b, f, ncc_layout_identity(to.rank)).v : NULL;
}

/* inputs: condition, where true, where false. In the first version a list of conditions chooses whole rows. */
bool ncc_tflite_build_select(struct build *b)
{
    const struct shape condition = ncc_tflite_in(b, 0)->shape, x = ncc_tflite_in(b, 1)->shape;
    const bool of_rows = b->row->detail == 1 && condition.rank == 1 && x.rank > 1;
    struct value *in[3];
    struct ints perm;
    if (!of_rows) {
        if (!get_all(b, 3, &perm, in))
            return false;
        return ncc_tflite_give(b, 0, (struct form){ncc_tflite_op(b, OP_select, NULL, NULL, in, 3), perm});
    }
    struct shape rows = {.rank = x.rank, .dim = {condition.dim[0], 1, 1, 1, 1, 1}};
    in[0] = reshaped(b, ncc_tflite_native(b, 0), rows);
    in[1] = ncc_tflite_native(b, 1);
    in[2] = ncc_tflite_native(b, 2);
    return in[0] && in[1] && in[2] && ncc_tflite_give_native(b, 0, ncc_tflite_op(b, OP_select, NULL, NULL, in, 3));
}

/* ---- indices ---- */

/* A result that the graph has as i64, in the type that the file says. */
static struct value *as_stored(struct build *b, int k, struct value *v)
{
    enum dtype to;
    const struct tf_tensor *t = b->op->out[k] >= 0 ? &b->m->tensors[b->op->out[k]] : NULL;
    if (!v || !t || !ncc_tflite_dtype(t->type, &to) || to == v->dtype)
        return v;
    const struct cast_attrs attrs = {(int)to};
    return ncc_tflite_op(b, OP_cast, k ? "indices" : NULL, &attrs, &v, 1);
}

static bool one_int(struct build *b, int k, int *out)
{
    struct ints list;
    if (!ncc_tflite_ints(b, k, &list))
        return false;
    *out = list.n ? list.v[0] : 0;
    return list.n == 1 || ncc_tflite_refuse(b, "there must be one number", NULL, "%d in input %d", list.n, k);
}

/* inputs: x, axis */
bool ncc_tflite_build_arg_max(struct build *b)
{
    struct form f = ncc_tflite_any(b, 0);
    int axis;
    if (!one_int(b, 1, &axis) || !ncc_tflite_axis(b, axis, f.perm.n, &axis))
        return false;
    bool gone[NCC_MAX_RANK] = {false};
    gone[axis] = true;
    const struct arg_max_attrs attrs = {.axis = ncc_layout_axis(f.perm, axis), .least = b->row->detail != 0};
    struct value *v = ncc_tflite_op(b, OP_arg_max, "index", &attrs, &f.v, 1);
    return ncc_tflite_give(b, 0, (struct form){as_stored(b, 0, v), ncc_layout_drop(f.perm, gone)});
}

/* inputs: x, k; along the last axis */
bool ncc_tflite_build_top_k(struct build *b)
{
    struct form f = ncc_tflite_any(b, 0);
    struct top_k_attrs attrs = {0};
    if (f.perm.n == 0)
        return ncc_tflite_refuse(b, "the input must have at least one dimension", NULL, NULL);
    if (!one_int(b, 1, &attrs.k))
        return false;
    attrs.axis = ncc_layout_axis(f.perm, f.perm.n - 1);
    struct node *n = ncc_tflite_node(b, OP_top_k, NULL, &attrs, &f.v, 1);
    return n && ncc_tflite_give(b, 0, (struct form){n->out[0], f.perm}) &&
           ncc_tflite_give(b, 1, (struct form){as_stored(b, 1, n->out[1]), f.perm});
}

/* 0 .. n - 1 in the type of `like`. */
static struct value *counting(struct build *b, int n, const struct value *like)
{
    int64_t *wide = NCC_NEW(b->m->arena, int64_t, n);
    int32_t *narrow = NCC_NEW(b->m->arena, int32_t, n);
    for (int i = 0; i < n; i++)
        wide[i] = narrow[i] = i;
    const void *data = like->dtype == DT_I64 ? (const void *)wide : narrow;
    return ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "classes"), like->dtype, ncc_shape_make(1, &n), data);
}

/* inputs: indices, depth, value of the one, value of the others */
bool ncc_tflite_build_one_hot(struct build *b)
{
    const struct shape s = ncc_tflite_in(b, 0)->shape;
    struct value *indices = ncc_tflite_native(b, 0);
    int depth, axis;
    if (!indices || !one_int(b, 1, &depth))
        return false;
    if (depth < 1 || s.rank >= NCC_MAX_RANK || (indices->dtype != DT_I32 && indices->dtype != DT_I64))
        return ncc_tflite_refuse(b, "the depth must be positive, and the indices integers of at most 5 dimensions", NULL,
                                 "depth %d", depth);
    if (!ncc_tflite_axis(b, ncc_fb_i32(&b->m->fb, b->options, F_one_hot_axis, 0), s.rank + 1, &axis))
        return false;
    struct shape wide = {.rank = s.rank + 1}, classes = {.rank = s.rank + 1};
    for (int i = 0; i < wide.rank; i++) {
        wide.dim[i] = i == axis ? 1 : s.dim[i - (i > axis)];
        classes.dim[i] = i == axis ? depth : 1;
    }
    struct value *in[2] = {reshaped(b, indices, wide), reshaped(b, counting(b, depth, indices), classes)};
    if (!in[0] || !in[1])
        return false;
    struct value *is_it = ncc_tflite_op(b, OP_comparison, "is", NULL, in, 2);
    struct value *on = ncc_tflite_native(b, 2), *off = ncc_tflite_native(b, 3);
    if (!is_it || !on || !off)
        return false;
    return ncc_tflite_give_native(b, 0,
                                  ncc_tflite_op(b, OP_select, NULL, NULL, (struct value *[]){is_it, on, off}, 3));
}

/* The places of what is true; known only when the condition is. */
bool ncc_tflite_build_where(struct build *b)
{
    struct value *v = ncc_tflite_native(b, 0);
    if (!v || !ncc_is_const(v) || v->dtype != DT_BOOL)
        return ncc_tflite_refuse(b, "how many elements are true must be known: the condition must be constant",
                                 "export the model with fixed shapes", NULL);
    const uint8_t *x = v->data;
    const int64_t n = ncc_shape_count(v->shape);
    int found = 0;
    for (int64_t i = 0; i < n; i++)
        found += x[i] != 0;
    const int rank = v->shape.rank;
    if (found == 0 || rank == 0)
        return ncc_tflite_refuse(b, "something must be true", NULL, NULL);
    int64_t *places = NCC_NEW(b->m->arena, int64_t, (int64_t)found * rank), *to = places;
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i;
        for (int k = rank - 1; x[i] && k >= 0; k--) {
            to[k] = rest % v->shape.dim[k];
            rest /= v->shape.dim[k];
        }
        to += x[i] ? rank : 0;
    }
    return ncc_tflite_give_native(
        b, 0, ncc_const(b->m->graph, b->name, DT_I64, ncc_shape_make(2, (const int[]){found, rank}), places));
}

/* any, all: the greatest or least of bools */
bool ncc_tflite_build_reduce_bool(struct build *b)
{
    const struct cast_attrs number = {DT_I32}, truth = {DT_BOOL};
    struct form f = ncc_tflite_any(b, 0);
    f.v = ncc_tflite_op(b, OP_cast, "number", &number, &f.v, 1);
    f = f.v ? ncc_tflite_reduce(b, f, b->row->detail) : f;
    f.v = f.v ? ncc_tflite_op(b, OP_cast, NULL, &truth, &f.v, 1) : NULL;
    return ncc_tflite_give(b, 0, f);
}
