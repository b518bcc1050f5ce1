/* The same elements under another shape, or in another order. Most of them need no node: a transposition only changes
 * what the model calls the dimensions, and is made where the order matters. */
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

#include <string.h>

static bool is_shape(const struct ints *dims)
{
    for (int i = 0; i < dims->n; i++)
        if (dims->v[i] < 1)
            return false;
    return dims->n <= NCC_MAX_RANK;
}

static bool give_reshaped(struct build *b, const struct ints *dims)
{
    const int64_t count = ncc_shape_count(ncc_tflite_in(b, 0)->shape);
    char from[80], to[80] = "more than 6 dimensions";
    const struct shape shape = is_shape(dims) ? ncc_shape_make(dims->n, dims->v) : (struct shape){0};
    if (dims->n <= NCC_MAX_RANK)
        ncc_shape_text(ncc_shape_make(dims->n, dims->v), to);
    if (!is_shape(dims) || ncc_shape_count(shape) != count)
        return ncc_tflite_refuse(b, "the new shape must have as many elements as the old one", NULL, "%s to %s",
                                 ncc_shape_text(ncc_tflite_in(b, 0)->shape, from), to);
    return ncc_tflite_give(b, 0, ncc_tflite_reshape_in(b, 0, shape));
}

/* The shape is an input, or, in older files, an option. */
static bool wanted_shape(struct build *b, struct ints *dims)
{
    if (ncc_tflite_in(b, 1))
        return ncc_tflite_ints(b, 1, dims);
    const struct fb_vector v = ncc_fb_vector(&b->m->fb, b->options, F_reshape_shape, 4);
    if (v.n > NCC_MAX_RANK)
        return ncc_tflite_refuse(b, "at most 6 dimensions are supported", NULL, "%d", v.n);
    dims->n = v.n;
    for (int i = 0; i < v.n; i++)
        dims->v[i] = ncc_fb_vector_i32(v, i);
    return true;
}

/* Product of the dimensions that are given, and which one is left open (-1), or -1. */
static int64_t given_count(const struct ints *dims, int *open)
{
    int64_t n = 1;
    *open = -1;
    for (int i = 0; i < dims->n; i++) {
        if (dims->v[i] == -1)
            *open = i;
        else if (dims->v[i] >= 1 && n <= NCC_MAX_ELEMENTS)
            n *= dims->v[i];
    }
    return n;
}

bool ncc_tflite_build_reshape(struct build *b)
{
    struct ints dims = {0};
    int open;
    if (!wanted_shape(b, &dims))
        return false;
    const int64_t count = ncc_shape_count(ncc_tflite_in(b, 0)->shape);
    int64_t given = given_count(&dims, &open);
    /* A shape that was written for another batch has it as a factor of its first dimension. */
    const int batch = b->m->old_batch;
    if (batch > 1 && dims.n > 0 && dims.v[0] % batch == 0 && (open < 0 ? given == count * batch : count % given != 0)) {
        dims.v[0] /= batch;
        given /= batch;
    }
    if (open >= 0 && count % given == 0)
        dims.v[open] = (int)(count / given);
    return give_reshaped(b, &dims);
}

bool ncc_tflite_build_squeeze(struct build *b)
{
    const struct shape shape = ncc_tflite_in(b, 0)->shape;
    const struct fb_vector v = ncc_fb_vector(&b->m->fb, b->options, F_squeeze_dims, 4);
    bool gone[NCC_MAX_RANK] = {false};
    for (int i = 0; i < v.n; i++) {
        int axis;
        if (!ncc_tflite_axis(b, ncc_fb_vector_i32(v, i), shape.rank, &axis))
            return false;
        if (shape.dim[axis] != 1)
            return ncc_tflite_refuse(b, "only dimensions of 1 can be squeezed", NULL, "dimension %d is %d", axis,
                                     shape.dim[axis]);
        gone[axis] = true;
    }
    struct ints dims = {0};
    for (int i = 0; i < shape.rank; i++)
        if (!gone[i] && (v.n > 0 || shape.dim[i] != 1))
            dims.v[dims.n++] = shape.dim[i];
    return give_reshaped(b, &dims);
}

static struct ints with_axis(struct shape shape, int axis, int size)
{
    struct ints dims = {.n = shape.rank + 1};
    for (int i = 0, k = 0; i < dims.n; i++)
        dims.v[i] = i == axis ? size : shape.dim[k++];
    return dims;
}

bool ncc_tflite_build_expand_dims(struct build *b)
{
    struct ints list;
    int axis;
    const struct shape shape = ncc_tflite_in(b, 0)->shape;
    if (!ncc_tflite_ints(b, 1, &list))
        return false;
    if (list.n != 1)
        return ncc_tflite_refuse(b, "there must be one axis", NULL, "%d", list.n);
    if (!ncc_tflite_axis(b, list.v[0], shape.rank + 1, &axis))
        return false;
    const struct ints dims = with_axis(shape, axis, 1);
    return give_reshaped(b, &dims);
}

bool ncc_tflite_build_transpose(struct build *b)
{
    struct ints t;
    const struct tf_tensor *in = ncc_tflite_in(b, 0);
    if (!ncc_tflite_ints(b, 1, &t))
        return false;
    unsigned seen = 0;
    for (int i = 0; i < t.n; i++) {
        if (!ncc_tflite_axis(b, t.v[i], in->shape.rank, &t.v[i]))
            return false;
        seen |= 1u << t.v[i];
    }
    if (t.n != in->shape.rank || seen != (1u << t.n) - 1)
        return ncc_tflite_refuse(b, "a transposition must name every dimension once", NULL, "%d of %d", t.n,
                                 in->shape.rank);
    struct form f = in->form[0];
    f.perm = ncc_layout_transpose(f.perm, t);
    if (!ncc_tflite_give(b, 0, f))
        return false;
    /* Every other order that the input exists in is one of the result, too. */
    struct tf_tensor *out = b->op->out[0] >= 0 ? &b->m->tensors[b->op->out[0]] : NULL;
    for (int i = 1; out && !out->is_given && i < in->n_forms; i++)
        out->form[out->n_forms++] = (struct form){in->form[i].v, ncc_layout_transpose(in->form[i].perm, t)};
    return true;
}

bool ncc_tflite_build_shape(struct build *b)
{
    const struct tf_tensor *out = b->op->out[0] >= 0 ? &b->m->tensors[b->op->out[0]] : NULL;
    const struct shape shape = ncc_tflite_in(b, 0)->shape;
    const struct shape list = ncc_shape_make(1, &shape.rank);
    if (shape.rank == 0)
        return ncc_tflite_refuse(b, "the shape of a scalar is an empty list, which is not supported", NULL, NULL);
    if (out && out->type == TF_I64) {
        int64_t wide[NCC_MAX_RANK];
        for (int i = 0; i < shape.rank; i++)
            wide[i] = shape.dim[i];
        return ncc_tflite_give_native(b, 0, ncc_const_copy(b->m->graph, b->name, DT_I64, list, wide));
    }
    return ncc_tflite_give_native(b, 0, ncc_const_copy(b->m->graph, b->name, DT_I32, list, shape.dim));
}

/* Inputs of one shape, side by side along a new axis. */
bool ncc_tflite_build_pack(struct build *b)
{
    const struct shape shape = ncc_tflite_in(b, 0)->shape;
    int axis;
    if (!ncc_tflite_axis(b, ncc_fb_i32(&b->m->fb, b->options, F_pack_axis, 0), shape.rank + 1, &axis))
        return false;
    if (shape.rank == NCC_MAX_RANK)
        return ncc_tflite_refuse(b, "at most 6 dimensions are supported", NULL, NULL);
    const struct ints dims = with_axis(shape, axis, 1);
    const struct shape longer = ncc_shape_make(dims.n, dims.v);
    struct value **in = NCC_NEW(b->m->arena, struct value *, b->op->n_in);
    struct ints perm = {0};
    for (int k = 0; k < b->op->n_in; k++) {
        if (!ncc_tflite_in(b, k) || !ncc_shape_equal(ncc_tflite_in(b, k)->shape, shape))
            return ncc_tflite_refuse(b, "all inputs must have the same shape", NULL, "input %d has another", k);
        struct form f = ncc_tflite_reshape_in(b, k, longer);
        perm = k == 0 ? f.perm : perm;
        in[k] = f.v ? ncc_tflite_reorder(b, f, perm).v : NULL;
        if (!in[k])
            return false;
    }
    if (b->op->n_in == 1)
        return ncc_tflite_give(b, 0, (struct form){in[0], perm});
    const struct concat_attrs attrs = {ncc_layout_axis(perm, axis)};
    return ncc_tflite_give(b, 0, (struct form){ncc_tflite_op(b, OP_concat, NULL, &attrs, in, b->op->n_in), perm});
}

/* Index k of an axis, which stays. */
static struct value *taken(struct build *b, struct form f, int at, int k)
{
    struct slice_attrs s = {{.n = f.perm.n}, {.n = f.perm.n}, {.n = f.perm.n}};
    for (int i = 0; i < f.perm.n; i++) {
        s.size.v[i] = i == at ? 1 : f.v->shape.dim[i];
        s.stride.v[i] = 1;
    }
    s.begin.v[at] = k;
    return ncc_tflite_op(b, OP_slice, ncc_arena_printf(b->m->arena, "part%d", k), &s, &f.v, 1);
}

bool ncc_tflite_build_unpack(struct build *b)
{
    const struct form f = ncc_tflite_any(b, 0);
    const struct shape whole = ncc_layout_model_shape(f);
    int axis;
    if (!ncc_tflite_axis(b, ncc_fb_i32(&b->m->fb, b->options, F_pack_axis, 0), f.perm.n, &axis))
        return false;
    const int n = whole.dim[axis], at = ncc_layout_axis(f.perm, axis);
    if (n != b->op->n_out)
        return ncc_tflite_refuse(b, "there must be one output for each index", NULL, "%d outputs for %d", b->op->n_out,
                                 n);
    struct split_attrs attrs = {.axis = at, .sizes.n = n <= NCC_MAX_INTS ? n : 0};
    for (int i = 0; i < attrs.sizes.n; i++)
        attrs.sizes.v[i] = 1;
    struct node *split = NULL; /* more than a list holds: a slice each */
    if (n <= NCC_MAX_INTS && !(split = ncc_tflite_node(b, OP_split, NULL, &attrs, (struct value *[]){f.v}, 1)))
        return false;
    struct shape part = {.rank = whole.rank - 1};
    for (int i = 0; i < part.rank; i++)
        part.dim[i] = whole.dim[i < axis ? i : i + 1];
    for (int k = 0; k < n; k++) {
        const struct form one = {split ? split->out[k] : taken(b, f, at, k), f.perm};
        if (!one.v || !ncc_tflite_give(b, k, ncc_tflite_reshape(b, one, part)))
            return false;
    }
    return true;
}
