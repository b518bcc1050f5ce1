/* Operators that move elements. */
#include "compiler/import/onnx.h"
#include "compiler/ir/element.h"
#include "compiler/ops/attrs.h"

#include <string.h>

/* ---- putting together, taking apart ---- */

static bool same_codes(const struct ox_codes *x, const struct ox_codes *y)
{
    return x && y && x->type == y->type && ncc_is_const(x->scale) && ncc_is_const(y->scale) &&
           ncc_shape_count(x->scale->shape) == 1 && ncc_shape_count(y->scale->shape) == 1 &&
           ncc_element_real(DT_F32, x->scale->data, 0) == ncc_element_real(DT_F32, y->scale->data, 0) &&
           (x->zero ? ncc_element_real(DT_F32, x->zero->data, 0) : 0) ==
               (y->zero ? ncc_element_real(DT_F32, y->zero->data, 0) : 0);
}

bool ncc_onnx_build_concat(struct ox_build *b)
{
    struct concat_attrs attrs;
    struct value **in = NCC_NEW(b->m->arena, struct value *, b->n_in);
    bool are_codes = true;
    for (int k = 0; k < b->n_in; k++)
        are_codes = are_codes && same_codes(b->in[0]->codes, b->in[k]->codes);
    for (int k = 0; k < b->n_in; k++)
        if (!(in[k] = are_codes ? b->in[k]->v : ncc_onnx_in(b, k)))
            return false;
    if (!ncc_onnx_axis(b, ncc_onnx_int(b, "axis", 1), in[0]->shape.rank, &attrs.axis))
        return false;
    struct value *v = b->n_in == 1 ? in[0] : ncc_onnx_op(b, OP_concat, NULL, &attrs, in, b->n_in);
    return ncc_onnx_give_codes(b, 0, v, are_codes ? b->in[0]->codes : NULL);
}

/* Sizes of the parts: given, or as equal as can be with the last one smaller. */
static bool part_sizes(struct ox_build *b, int whole, int *sizes)
{
    struct ints list;
    bool has;
    const int n = b->n_out, each = (whole + n - 1) / n;
    if (n > NCC_MAX_INTS && !ncc_onnx_has(b, 1) && !ncc_onnx_attr(b, "split")) {
        list.n = 0;
    } else if (!ncc_onnx_ints_or_list(b, 1, "split", &list, &has)) {
        return false;
    }
    if (list.n != 0 && list.n != n)
        return ncc_onnx_refuse(b, "there must be one size for each output", NULL, "%d for %d", list.n, n);
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        const int left = whole - (int)sum;
        sizes[i] = list.n ? list.v[i] : each < left ? each : left;
        if (sizes[i] < 0 || sizes[i] > left)
            return ncc_onnx_refuse(b, "the parts must make up the whole", NULL, "part %d has %d of the %d", i, sizes[i],
                                   whole);
        sum += sizes[i];
    }
    return sum == whole ||
           ncc_onnx_refuse(b, "the parts must make up the whole", NULL, "%lld of %d", (long long)sum, whole);
}

bool ncc_onnx_build_split(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct split_attrs attrs = {.sizes.n = b->n_out};
    int *sizes = NCC_NEW(b->m->arena, int, b->n_out + 1), begin = 0;
    if (b->n_out < 1 || !ncc_onnx_axis(b, ncc_onnx_int(b, "axis", 0), x->shape.rank, &attrs.axis) ||
        !part_sizes(b, x->shape.dim[attrs.axis], sizes))
        return false;
    if (b->n_out == 1)
        return ncc_onnx_give(b, 0, x);
    if (b->n_out > NCC_MAX_INTS) {
        for (int k = 0; k < b->n_out; begin += sizes[k++])
            if (ncc_onnx_wants(b, k) && !ncc_onnx_give(b, k, ncc_onnx_part(b, x, attrs.axis, begin, sizes[k], "part")))
                return false;
        return true;
    }
    memcpy(attrs.sizes.v, sizes, (size_t)b->n_out * sizeof *sizes);
    struct node *n = ncc_onnx_node(b, OP_split, NULL, &attrs, &x, 1);
    for (int k = 0; n && k < b->n_out; k++)
        if (!ncc_onnx_give(b, k, n->out[k]))
            return false;
    return n != NULL;
}

/* ---- a part ---- */

/* One dimension of a slice: bounds are brought into the tensor, as Python does it. */
static void slice_dimension(int size, int64_t start, int64_t end, int step, int *begin, int *count)
{
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? size - 1 : size;
    start = start < 0 ? start + size : start;
    end = end < 0 ? end + size : end;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    const int64_t n = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -(int64_t)step;
    *count = n > 0 ? (int)n : 0;
    *begin = n > 0 ? (int)start : 0;
}

static bool slice_lists(struct ox_build *b, int rank, struct ints *starts, struct ints *ends, struct ints *axes,
                        struct ints *steps)
{
    bool has_axes, has_steps = false, has;
    *steps = (struct ints){0};
    if (!ncc_onnx_ints_or_list(b, 1, "starts", starts, &has) || !ncc_onnx_ints_or_list(b, 2, "ends", ends, &has) ||
        !ncc_onnx_ints_or_list(b, 3, "axes", axes, &has_axes) ||
        (ncc_onnx_has(b, 4) && !ncc_onnx_ints_or_list(b, 4, "steps", steps, &has_steps)))
        return false;
    for (int i = 0; !has_axes && i < starts->n; i++)
        axes->v[axes->n++] = i;
    for (int i = 0; !has_steps && i < starts->n; i++)
        steps->v[steps->n++] = 1;
    if (starts->n != ends->n || starts->n != axes->n || starts->n != steps->n)
        return ncc_onnx_refuse(b, "starts, ends, axes and steps must have equal lengths", NULL, "%d, %d, %d, %d",
                               starts->n, ends->n, axes->n, steps->n);
    for (int i = 0; i < axes->n; i++) {
        if (!ncc_onnx_axis(b, axes->v[i], rank, &axes->v[i]))
            return false;
        if (steps->v[i] == 0)
            return ncc_onnx_refuse(b, "a step must not be 0", NULL, NULL);
        steps->v[i] = steps->v[i] < -NCC_MAX_ELEMENTS ? (int)-NCC_MAX_ELEMENTS : steps->v[i];
    }
    return true;
}

bool ncc_onnx_build_slice(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const int rank = x->shape.rank;
    struct ints starts, ends, axes, steps;
    struct slice_attrs attrs = {{rank, {0}}, {rank, {0}}, {rank, {0}}};
    if (!slice_lists(b, rank, &starts, &ends, &axes, &steps))
        return false;
    for (int i = 0; i < rank; i++) {
        attrs.size.v[i] = x->shape.dim[i];
        attrs.stride.v[i] = 1;
    }
    bool whole = true;
    for (int i = 0; i < axes.n; i++) {
        const int k = axes.v[i];
        slice_dimension(x->shape.dim[k], starts.v[i], ends.v[i], steps.v[i], &attrs.begin.v[k], &attrs.size.v[k]);
        attrs.stride.v[k] = attrs.size.v[k] > 1 ? steps.v[i] : 1;
        whole = whole && attrs.size.v[k] == x->shape.dim[k] && attrs.stride.v[k] == 1;
    }
    return ncc_onnx_give(b, 0, whole ? x : OX_OP(b, OP_slice, NULL, &attrs, x));
}

/* ---- chosen elements ---- */

/* i32 or i64, as the graph's gather wants them. */
static struct value *as_indices(struct ox_build *b, struct value *v)
{
    return v && v->dtype != DT_I32 ? ncc_onnx_cast(b, v, DT_I64, "indices") : v;
}

bool ncc_onnx_build_gather(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *indices = as_indices(b, ncc_onnx_in(b, 1));
    struct gather_attrs attrs;
    struct ints list;
    if (!indices || !ncc_onnx_axis(b, ncc_onnx_int(b, "axis", 0), x->shape.rank, &attrs.axis))
        return false;
    const int size = x->shape.dim[attrs.axis];
    if (indices->shape.rank > 1 || !ncc_onnx_value_ints(indices, &list) || list.n != 1 || ncc_is_const(x) ||
        list.v[0] < -size || list.v[0] >= size)
        return ncc_onnx_give(b, 0, OX_OP(b, OP_gather, NULL, &attrs, x, indices));
    /* One constant index: a slice, of which more is known how to do. */
    struct value *v = ncc_onnx_part(b, x, attrs.axis, list.v[0] < 0 ? list.v[0] + size : list.v[0], 1, "part");
    struct shape shape = {0};
    for (int i = 0; v && i < v->shape.rank; i++)
        if (i != attrs.axis || indices->shape.rank == 1)
            shape.dim[shape.rank++] = v->shape.dim[i];
    return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, v, shape, NULL));
}

static struct value *int_number(struct ox_build *b, int64_t x)
{
    return ncc_const_copy(b->m->graph, ncc_name(b->m->graph, b->name, "number"), DT_I64, (struct shape){0}, &x);
}

static struct value *ints_constant(struct ox_build *b, struct shape shape, const int64_t *data)
{
    return ncc_const_copy(b->m->graph, ncc_name(b->m->graph, b->name, "offsets"), DT_I64, shape, data);
}

/* Indices that may count from the end. */
static struct value *from_start(struct ox_build *b, struct value *v, int64_t size)
{
    struct value *n = int_number(b, size); /* (v + n) % n, with integers */
    v = OX_OP(b, OP_add, "up", NULL, v, n);
    struct value *times = v ? OX_OP(b, OP_div, "times", NULL, v, n) : NULL;
    return times ? OX_OP(b, OP_sub, "index", NULL, v, OX_OP(b, OP_mul, "whole", NULL, times, n)) : NULL;
}

static struct value *flat(struct ox_build *b, struct value *v)
{
    const int n = v ? (int)ncc_shape_count(v->shape) : 0;
    return ncc_onnx_reshape(b, v, ncc_shape_make(1, &n), "flat");
}

/* out[.., i, ..] = x[.., indices[.., i, ..], ..]: a gather from the flat tensor, where element i begins at an offset
 * that follows from the place of the index. */
bool ncc_onnx_build_gather_elements(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *k = ncc_onnx_cast(b, ncc_onnx_in(b, 1), DT_I64, "indices");
    const struct gather_attrs first = {0};
    int axis;
    if (!k || !ncc_onnx_axis(b, ncc_onnx_int(b, "axis", 0), x->shape.rank, &axis))
        return false;
    if (k->shape.rank != x->shape.rank || !ncc_onnx_spend(b, ncc_shape_count(k->shape)))
        return ncc_onnx_refuse(b, "the indices must have as many dimensions as the tensor", NULL, "%d instead of %d",
                               k->shape.rank, x->shape.rank);
    int64_t stride[NCC_MAX_RANK], along = 1;
    for (int i = x->shape.rank - 1; i >= 0; i--) {
        stride[i] = along;
        along *= x->shape.dim[i];
        if (i != axis && k->shape.dim[i] > x->shape.dim[i])
            return ncc_onnx_refuse(b, "there must not be more indices than elements", NULL, "dimension %d", i);
    }
    const int64_t n = ncc_shape_count(k->shape);
    int64_t *offset = ncc_arena_alloc(b->m->arena, (size_t)n + 1, sizeof *offset, 64);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i;
        for (int d = k->shape.rank - 1; d >= 0; d--) {
            offset[i] += d == axis ? 0 : rest % k->shape.dim[d] * stride[d];
            rest /= k->shape.dim[d];
        }
    }
    k = from_start(b, k, x->shape.dim[axis]);
    k = k ? OX_OP(b, OP_mul, "step", NULL, k, int_number(b, stride[axis])) : NULL;
    k = k ? OX_OP(b, OP_add, "place", NULL, k, ints_constant(b, k->shape, offset)) : NULL;
    return ncc_onnx_give(b, 0, OX_OP(b, OP_gather, NULL, &first, flat(b, x), k));
}

/* Each row of the indices names a part of x by its first dimensions, behind batch_dims that both have: a gather from
 * x with these dimensions made one. */
bool ncc_onnx_build_gather_nd(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *k = ncc_onnx_cast(b, ncc_onnx_in(b, 1), DT_I64, "indices");
    const struct gather_attrs first = {0};
    const int batch = ncc_onnx_int(b, "batch_dims", 0), rank = x->shape.rank, last = k ? k->shape.rank - 1 : -1;
    const int depth = last >= 0 ? k->shape.dim[last] : 0;
    if (batch < 0 || last < batch || depth < 1 || batch + depth > rank)
        return ncc_onnx_refuse(b, "the indices must name dimensions of the tensor", NULL,
                               "%d behind %d batch dimensions, of %d", depth, batch, rank);
    struct shape to = {0}, merged = {1, {1}}, rows = k->shape;
    int64_t inner = 1, n_batches = 1;
    rows.rank--;
    for (int i = 0; i < batch; i++) {
        n_batches *= x->shape.dim[i];
        if (k->shape.dim[i] != x->shape.dim[i])
            return ncc_onnx_refuse(b, "batch dimensions must be equal", NULL, "dimension %d", i);
    }
    for (int i = 0; i < rank; i++) {
        if (i < batch + depth)
            merged.dim[0] *= x->shape.dim[i];
        else
            merged.dim[merged.rank++] = x->shape.dim[i];
    }
    struct value *place = NULL;
    for (int i = depth - 1; i >= 0; i--) { /* the last one counts single elements */
        struct value *one = from_start(b, ncc_onnx_part(b, k, last, i, 1, "column"), x->shape.dim[batch + i]);
        one = one ? OX_OP(b, OP_mul, "step", NULL, one, int_number(b, inner)) : NULL;
        place = place ? OX_OP(b, OP_add, "place", NULL, place, one) : one;
        inner *= x->shape.dim[batch + i];
    }
    if (batch > 0) {
        struct shape s = {.rank = last + 1};
        for (int i = 0; i <= last; i++)
            s.dim[i] = i < batch ? k->shape.dim[i] : 1;
        int64_t *offset = ncc_arena_alloc(b->m->arena, (size_t)n_batches, sizeof *offset, 64);
        for (int64_t i = 0; i < n_batches; i++)
            offset[i] = i * inner;
        place = place ? OX_OP(b, OP_add, "batch", NULL, place, ints_constant(b, s, offset)) : NULL;
    }
    for (int i = 0; i < rows.rank; i++)
        to.dim[to.rank++] = rows.dim[i];
    if (to.rank + merged.rank - 1 > NCC_MAX_RANK)
        return ncc_onnx_refuse(b, "the result must have at most 6 dimensions", NULL, "%d", to.rank + merged.rank - 1);
    for (int i = 1; i < merged.rank; i++)
        to.dim[to.rank++] = merged.dim[i];
    struct value *v =
        place ? OX_OP(b, OP_gather, "rows", &first, ncc_onnx_reshape(b, x, merged, "merged"), flat(b, place)) : NULL;
    return ncc_onnx_give(b, 0, ncc_onnx_reshape(b, v, to, NULL));
}

/* ---- more of them ---- */

/* Attributes before opset 11: pads (paddings before 2) and value. */
static bool pad_lists(struct ox_build *b, int rank, struct pad_attrs *p)
{
    struct ints pads, axes = {0};
    bool has;
    double value = (double)ncc_onnx_float(b, "value", 0);
    const char *name = ncc_onnx_attr(b, "paddings") ? "paddings" : "pads";
    if (!ncc_onnx_ints_or_list(b, 1, name, &pads, &has) || (ncc_onnx_has(b, 2) && !ncc_onnx_scalar(b, 2, &value)) ||
        (ncc_onnx_has(b, 3) && !ncc_onnx_ints(b, 3, &axes)))
        return false;
    for (int i = 0; !ncc_onnx_has(b, 3) && i < rank; i++)
        axes.v[axes.n++] = i;
    if (pads.n != 2 * axes.n)
        return ncc_onnx_refuse(b, "there must be two amounts for each dimension", NULL, "%d for %d", pads.n, axes.n);
    p->before.n = p->after.n = rank;
    for (int i = 0; i < axes.n; i++) {
        int axis;
        if (!ncc_onnx_axis(b, axes.v[i], rank, &axis))
            return false;
        p->before.v[axis] = pads.v[i];
        p->after.v[axis] = pads.v[axes.n + i];
    }
    p->value = (float)value;
    return true;
}

bool ncc_onnx_build_pad(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const char *mode = ncc_onnx_string(b, "mode", "constant");
    struct pad_attrs p = {.mode = PAD_CONSTANT};
    if (strcmp(mode, "reflect") == 0)
        p.mode = PAD_REFLECT;
    else if (strcmp(mode, "edge") == 0)
        p.mode = PAD_EDGE;
    else if (strcmp(mode, "constant") != 0)
        return ncc_onnx_refuse(b, "the mode must be constant, reflect or edge", NULL, "'%s'", mode);
    return pad_lists(b, x->shape.rank, &p) && ncc_onnx_give(b, 0, OX_OP(b, OP_pad, NULL, &p, x));
}

bool ncc_onnx_build_tile(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct tile_attrs attrs;
    if (!ncc_onnx_ints(b, 1, &attrs.repeats))
        return false;
    return ncc_onnx_give(b, 0, OX_OP(b, OP_tile, NULL, &attrs, x));
}

/* ---- another order ---- */

bool ncc_onnx_build_transpose(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct ints perm;
    if (!ncc_onnx_list(b, "perm", &perm))
        return false;
    for (int i = 0; !ncc_onnx_attr(b, "perm") && i < x->shape.rank; i++)
        perm.v[perm.n++] = x->shape.rank - 1 - i;
    return ncc_onnx_give(b, 0, ncc_onnx_transpose(b, x, perm, NULL));
}

bool ncc_onnx_build_depth_to_space(struct ox_build *b)
{
    const char *mode = ncc_onnx_string(b, "mode", "DCR");
    const struct depth_to_space_attrs attrs = {ncc_onnx_int(b, "blocksize", 0), strcmp(mode, "CRD") == 0};
    if (!attrs.crd && strcmp(mode, "DCR") != 0)
        return ncc_onnx_refuse(b, "the mode must be DCR or CRD", NULL, "'%s'", mode);
    return ncc_onnx_give(b, 0, OX_OP(b, OP_depth_to_space, NULL, &attrs, ncc_onnx_in(b, 0)));
}

bool ncc_onnx_build_space_to_depth(struct ox_build *b)
{
    const struct space_to_depth_attrs attrs = {ncc_onnx_int(b, "blocksize", 0)};
    return ncc_onnx_give(b, 0, OX_OP(b, OP_space_to_depth, NULL, &attrs, ncc_onnx_in(b, 0)));
}
