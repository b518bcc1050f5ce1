/* Operators that move elements. Lists with one number per dimension are brought into the order of the value. */
#include "compiler/import/tflite.h"
#include "compiler/ops/attrs.h"

/* ---- putting together, taking apart ---- */

bool ncc_tflite_build_concat(struct build *b)
{
    const int rank = ncc_tflite_in(b, 0) ? ncc_tflite_in(b, 0)->shape.rank : 0;
    int axis;
    if (!ncc_tflite_axis(b, ncc_fb_i32(&b->m->fb, b->options, F_concat_axis, 0), rank, &axis))
        return false;
    const struct ints perm = ncc_tflite_choose(b, 0, b->op->n_in, rank);
    struct value **in = NCC_NEW(b->m->arena, struct value *, b->op->n_in);
    for (int k = 0; k < b->op->n_in; k++) {
        if (!ncc_tflite_in(b, k) || ncc_tflite_in(b, k)->shape.rank != rank)
            return ncc_tflite_refuse(b, "all inputs must have as many dimensions", NULL, "input %d has not", k);
        in[k] = ncc_tflite_get(b, k, perm);
        if (!in[k])
            return false;
    }
    const struct concat_attrs attrs = {ncc_layout_axis(perm, axis)};
    struct value *v = b->op->n_in == 1 ? in[0] : ncc_tflite_op(b, OP_concat, NULL, &attrs, in, b->op->n_in);
    return ncc_tflite_give(b, 0, (struct form){v, perm});
}

/* More equal parts than a list holds: a slice each. */
static bool give_slices(struct build *b, struct form f, int axis, int size)
{
    struct slice_attrs s = {{.n = f.perm.n}, {.n = f.perm.n}, {.n = f.perm.n}};
    for (int i = 0; i < f.perm.n; i++) {
        s.size.v[i] = f.v->shape.dim[i];
        s.stride.v[i] = 1;
    }
    const int at = ncc_layout_axis(f.perm, axis);
    s.size.v[at] = size;
    for (int k = 0; k < b->op->n_out; k++, s.begin.v[at] += size) {
        const char *part = k ? ncc_arena_printf(b->m->arena, "part%d", k) : NULL;
        struct value *v = ncc_tflite_op(b, OP_slice, part, &s, &f.v, 1);
        if (!ncc_tflite_give(b, k, (struct form){v, f.perm}))
            return false;
    }
    return true;
}

static bool give_parts(struct build *b, struct form f, int axis, const struct ints *sizes)
{
    const struct split_attrs attrs = {ncc_layout_axis(f.perm, axis), *sizes};
    struct node *n = ncc_tflite_node(b, OP_split, NULL, &attrs, &f.v, 1);
    for (int k = 0; n && k < b->op->n_out; k++)
        if (!ncc_tflite_give(b, k, (struct form){n->out[k], f.perm}))
            return false;
    return n != NULL;
}

/* The axis, a constant input, of the tensor that is input k. */
static bool split_axis(struct build *b, int axis_input, int k, int *axis)
{
    struct ints list;
    if (!ncc_tflite_ints(b, axis_input, &list))
        return false;
    if (list.n != 1)
        return ncc_tflite_refuse(b, "there must be one axis", NULL, "%d", list.n);
    return ncc_tflite_axis(b, list.v[0], ncc_tflite_in(b, k)->shape.rank, axis);
}

/* inputs: axis, x */
bool ncc_tflite_build_split(struct build *b)
{
    int axis;
    if (!split_axis(b, 0, 1, &axis))
        return false;
    const int size = ncc_tflite_in(b, 1)->shape.dim[axis], n = b->op->n_out;
    if (size % n != 0 || ncc_fb_i32(&b->m->fb, b->options, F_split_n, n) != n)
        return ncc_tflite_refuse(b, "the parts must be equal, and each an output", NULL, "%d elements for %d outputs",
                                 size, n);
    if (n > NCC_MAX_INTS)
        return give_slices(b, ncc_tflite_any(b, 1), axis, size / n);
    struct ints sizes = {.n = n};
    for (int i = 0; i < n; i++)
        sizes.v[i] = size / n;
    return give_parts(b, ncc_tflite_any(b, 1), axis, &sizes);
}

/* inputs: x, sizes (one may be -1: the rest), axis */
bool ncc_tflite_build_split_v(struct build *b)
{
    struct ints sizes;
    int axis, rest = -1;
    if (!split_axis(b, 2, 0, &axis) || !ncc_tflite_ints(b, 1, &sizes))
        return false;
    int64_t left = ncc_tflite_in(b, 0)->shape.dim[axis];
    for (int i = 0; i < sizes.n; i++) {
        if (sizes.v[i] == -1)
            rest = i;
        else
            left -= sizes.v[i];
    }
    if (rest >= 0 && left > 0) {
        sizes.v[rest] = (int)left;
        left = 0;
    }
    if (left != 0 || sizes.n != b->op->n_out)
        return ncc_tflite_refuse(b, "the parts must make up the whole, and each be an output", NULL,
                                 "%d parts for %d outputs", sizes.n, b->op->n_out);
    return give_parts(b, ncc_tflite_any(b, 0), axis, &sizes);
}

/* ---- a part ---- */

/* begin, size, stride: per dimension of the model. */
static struct form sliced(struct build *b, const struct slice_attrs *s)
{
    struct form f = ncc_tflite_any(b, 0);
    const struct slice_attrs attrs = {
        ncc_layout_order(s->begin, f.perm),
        ncc_layout_order(s->size, f.perm),
        ncc_layout_order(s->stride, f.perm),
    };
    bool whole = true;
    for (int i = 0; i < f.perm.n; i++)
        whole = whole && attrs.size.v[i] == f.v->shape.dim[i] && attrs.stride.v[i] == 1;
    if (!whole)
        f.v = ncc_tflite_op(b, OP_slice, NULL, &attrs, &f.v, 1);
    return f;
}

/* inputs: x, begin, size (-1: to the end) */
bool ncc_tflite_build_slice(struct build *b)
{
    struct slice_attrs s = {{0}, {0}, {0}};
    const struct shape shape = ncc_tflite_in(b, 0)->shape;
    if (!ncc_tflite_ints(b, 1, &s.begin) || !ncc_tflite_ints(b, 2, &s.size))
        return false;
    if (s.begin.n != shape.rank || s.size.n != shape.rank)
        return ncc_tflite_refuse(b, "begin and size must have one number per dimension", NULL, "%d and %d for %d",
                                 s.begin.n, s.size.n, shape.rank);
    s.stride.n = shape.rank;
    for (int i = 0; i < shape.rank; i++) {
        const int begin = s.begin.v[i];
        s.stride.v[i] = 1;
        if (begin >= 0 && begin < shape.dim[i] && s.size.v[i] == -1)
            s.size.v[i] = shape.dim[i] - begin;
        if (begin < 0 || s.size.v[i] < 1 || (int64_t)begin + s.size.v[i] > shape.dim[i])
            return ncc_tflite_refuse(b, "the slice must lie inside the tensor", NULL,
                                     "dimension %d: %d elements from %d, and there are %d", i, s.size.v[i], begin,
                                     shape.dim[i]);
    }
    return ncc_tflite_give(b, 0, sliced(b, &s));
}

/* The specification of a strided slice on its way over the dimensions of x. */
struct strided {
    struct ints begin, end, stride;
    int begin_mask, end_mask, ellipsis, new_axis, shrink; /* bit i: entry i of the lists */
    struct slice_attrs out;                               /* per dimension of x */
    struct ints shape;                                    /* of the result */
};

static bool has_bit(int mask, int i)
{
    return mask >> i & 1;
}

static int clamp(int64_t v, int64_t low, int64_t high)
{
    return (int)(v < low ? low : v > high ? high : v);
}

static void take_whole(struct strided *s, int size)
{
    s->out.begin.v[s->out.begin.n++] = 0;
    s->out.size.v[s->out.size.n++] = size;
    s->out.stride.v[s->out.stride.n++] = 1;
    s->shape.v[s->shape.n++] = size;
}

/* Entry i cuts from a dimension of `size` elements. Indices below 0 count from the end, and are then clamped to what
 * exists; when the stride is negative the default is the whole, backwards. */
static bool take_part(struct build *b, struct strided *s, int i, int size)
{
    const int stride = has_bit(s->shrink, i) ? 1 : s->stride.v[i];
    if (stride == 0)
        return ncc_tflite_refuse(b, "strides must not be 0", NULL, "entry %d", i);
    const int low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
    int64_t begin = s->begin.v[i], end = s->end.v[i];
    begin = clamp(begin < 0 ? begin + size : begin, low, high);
    end = clamp(end < 0 ? end + size : end, low, high);
    if (has_bit(s->begin_mask, i))
        begin = stride > 0 ? 0 : size - 1;
    if (has_bit(s->end_mask, i))
        end = stride > 0 ? size : -1;
    if (has_bit(s->shrink, i))
        end = begin + 1;
    const int64_t span = stride > 0 ? end - begin : begin - end;
    const int64_t step = stride > 0 ? stride : -(int64_t)stride;
    const int n = span > 0 ? (int)((span + step - 1) / step) : 0;
    if (n == 0 || begin >= size)
        return ncc_tflite_refuse(b, "the slice must not be empty", NULL, "entry %d: %d to %d of %d", i, s->begin.v[i],
                                 s->end.v[i], size);
    s->out.begin.v[s->out.begin.n++] = (int)begin;
    s->out.size.v[s->out.size.n++] = n;
    s->out.stride.v[s->out.stride.n++] = n == 1 ? 1 : stride;
    if (!has_bit(s->shrink, i))
        s->shape.v[s->shape.n++] = n;
    return true;
}

/* Dimensions that entry i and those behind it speak of. */
static int dims_left(const struct strided *s, int i)
{
    int n = 0;
    for (; i < s->begin.n; i++)
        n += !has_bit(s->new_axis, i) && !has_bit(s->ellipsis, i);
    return n;
}

static bool walk_entries(struct build *b, struct strided *s, struct shape x)
{
    int dim = 0;
    for (int i = 0; i < s->begin.n; i++) {
        if (has_bit(s->ellipsis, i)) {
            while (dim < x.rank - dims_left(s, i + 1))
                take_whole(s, x.dim[dim++]);
        } else if (has_bit(s->new_axis, i)) {
            if (s->shape.n >= NCC_MAX_RANK)
                return ncc_tflite_refuse(b, "at most 6 dimensions are supported", NULL, NULL);
            s->shape.v[s->shape.n++] = 1;
        } else if (dim >= x.rank) {
            return ncc_tflite_refuse(b, "there must be at most one entry per dimension", NULL, NULL);
        } else if (!take_part(b, s, i, x.dim[dim++])) {
            return false;
        }
    }
    while (dim < x.rank)
        take_whole(s, x.dim[dim++]);
    return s->shape.n <= NCC_MAX_RANK || ncc_tflite_refuse(b, "at most 6 dimensions are supported", NULL, NULL);
}

/* inputs: x, begin, end, strides */
bool ncc_tflite_build_strided_slice(struct build *b)
{
    struct fb *fb = &b->m->fb;
    struct strided s = {
        .begin_mask = ncc_fb_i32(fb, b->options, F_strided_slice_begin_mask, 0),
        .end_mask = ncc_fb_i32(fb, b->options, F_strided_slice_end_mask, 0),
        .ellipsis = ncc_fb_i32(fb, b->options, F_strided_slice_ellipsis_mask, 0),
        .new_axis = ncc_fb_i32(fb, b->options, F_strided_slice_new_axis_mask, 0),
        .shrink = ncc_fb_i32(fb, b->options, F_strided_slice_shrink_mask, 0),
    };
    if (!ncc_tflite_ints(b, 1, &s.begin) || !ncc_tflite_ints(b, 2, &s.end) || !ncc_tflite_ints(b, 3, &s.stride))
        return false;
    if (s.begin.n != s.end.n || s.begin.n != s.stride.n)
        return ncc_tflite_refuse(b, "begin, end and strides must have as many numbers", NULL, "%d, %d, %d", s.begin.n,
                                 s.end.n, s.stride.n);
    if (ncc_fb_bool(fb, b->options, F_strided_slice_offset, false))
        return ncc_tflite_refuse(b, "an end that is relative to the begin is not supported", NULL, NULL);
    if (!walk_entries(b, &s, ncc_tflite_in(b, 0)->shape))
        return false;
    struct form f = sliced(b, &s.out);
    return ncc_tflite_give(b, 0, f.v ? ncc_tflite_reshape(b, f, ncc_shape_make(s.shape.n, s.shape.v)) : f);
}

/* Whether constant indices are below `size`; what is not constant is the evaluator's business. */
static bool indices_valid(struct build *b, const struct value *v, int size)
{
    const int64_t n = ncc_is_const(v) ? ncc_shape_count(v->shape) : 0;
    if (v->dtype != DT_I32 && v->dtype != DT_I64)
        return ncc_tflite_refuse(b, "indices must be integers", NULL, "%s", ncc_dtype_name(v->dtype));
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = v->dtype == DT_I32 ? ((const int32_t *)v->data)[i] : ((const int64_t *)v->data)[i];
        if (k < 0 || k >= size)
            return ncc_tflite_refuse(b, "indices must lie inside the dimension", NULL, "%lld of %d", (long long)k,
                                     size);
    }
    return true;
}

/* With a list of indices the dimension stays, with other shapes of indices it becomes as many as they have. */
bool ncc_tflite_build_gather(struct build *b)
{
    const struct tf_tensor *x = ncc_tflite_in(b, 0), *indices = ncc_tflite_in(b, 1);
    int axis;
    if (!ncc_tflite_axis(b, ncc_fb_i32(&b->m->fb, b->options, F_gather_axis, 0), x->shape.rank, &axis))
        return false;
    if (ncc_fb_i32(&b->m->fb, b->options, F_gather_batch_dims, 0) != 0)
        return ncc_tflite_refuse(b, "gather with batch dimensions is not supported", NULL, NULL);
    struct value *list = ncc_tflite_native(b, 1);
    struct form f = ncc_tflite_any(b, 0);
    if (indices->shape.rank != 1)
        f = (struct form){ncc_tflite_native(b, 0), ncc_layout_identity(x->shape.rank)};
    if (!list || !f.v || !indices_valid(b, list, x->shape.dim[axis]))
        return false;
    const struct gather_attrs attrs = {ncc_layout_axis(f.perm, axis)};
    f.v = ncc_tflite_op(b, OP_gather, NULL, &attrs, (struct value *[]){f.v, list}, 2);
    if (f.v && f.v->shape.rank != f.perm.n)
        f.perm = ncc_layout_identity(f.v->shape.rank);
    return ncc_tflite_give(b, 0, f);
}

/* ---- more ---- */

bool ncc_tflite_build_tile(struct build *b)
{
    struct ints repeats;
    struct form f = ncc_tflite_any(b, 0);
    if (!ncc_tflite_ints(b, 1, &repeats))
        return false;
    bool good = repeats.n == f.perm.n;
    for (int i = 0; good && i < repeats.n; i++)
        good = repeats.v[i] >= 1;
    if (!good)
        return ncc_tflite_refuse(b, "there must be one number of repeats, at least 1, per dimension", NULL,
                                 "%d for %d dimensions", repeats.n, f.perm.n);
    const struct tile_attrs attrs = {ncc_layout_order(repeats, f.perm)};
    f.v = ncc_tflite_op(b, OP_tile, NULL, &attrs, &f.v, 1);
    return ncc_tflite_give(b, 0, f);
}

/* paddings: [dimension][before, after] */
static bool give_padded(struct build *b, struct pad_attrs attrs)
{
    struct ints amounts, before = {0}, after = {0};
    struct form f = ncc_tflite_any(b, 0);
    if (!ncc_tflite_ints(b, 1, &amounts))
        return false;
    bool good = amounts.n == 2 * f.perm.n;
    for (int i = 0; good && i < amounts.n; i++) {
        good = amounts.v[i] >= 0;
        (i % 2 ? &after : &before)->v[i / 2] = amounts.v[i];
    }
    if (!good)
        return ncc_tflite_refuse(b, "there must be two paddings, at least 0, per dimension", NULL,
                                 "%d for %d dimensions", amounts.n, f.perm.n);
    attrs.before = ncc_layout_order(before, f.perm);
    attrs.after = ncc_layout_order(after, f.perm);
    f.v = ncc_tflite_op(b, OP_pad, NULL, &attrs, &f.v, 1);
    return ncc_tflite_give(b, 0, f);
}

/* inputs: x, paddings, value? */
bool ncc_tflite_build_pad(struct build *b)
{
    struct pad_attrs attrs = {.mode = PAD_CONSTANT};
    const struct tf_tensor *t = ncc_tflite_in(b, 2);
    if (t) {
        const struct value *v = t->form[0].v;
        if (!ncc_is_const(v) || v->dtype != DT_F32 || ncc_shape_count(v->shape) != 1)
            return ncc_tflite_refuse(b, "the value to pad with must be a constant number", NULL, "'%s'", t->name);
        attrs.value = *(const float *)v->data;
    }
    return give_padded(b, attrs);
}

bool ncc_tflite_build_mirror_pad(struct build *b)
{
    const int mode = ncc_fb_i8(&b->m->fb, b->options, F_mirror_pad_mode, TF_REFLECT);
    return give_padded(b, (struct pad_attrs){.mode = mode == TF_REFLECT ? PAD_REFLECT : PAD_SYMMETRIC});
}

/* ---- maps ---- */

/* inputs: x, [height, width] */
bool ncc_tflite_build_resize(struct build *b)
{
    struct ints size;
    struct value *x = ncc_tflite_map(b, 0);
    if (!x || !ncc_tflite_ints(b, 1, &size))
        return false;
    if (size.n != 2 || size.v[0] < 1 || size.v[1] < 1)
        return ncc_tflite_refuse(b, "the new size must be two positive numbers", NULL, "%d numbers", size.n);
    const bool nearest = b->row->detail == RESIZE_NEAREST;
    const int align = nearest ? F_resize_nearest_align_corners : F_resize_bilinear_align_corners;
    const int half = nearest ? F_resize_nearest_half_pixel : F_resize_bilinear_half_pixel;
    const struct resize_attrs attrs = {
        .mode = b->row->detail,
        .out_h = size.v[0],
        .out_w = size.v[1],
        .align_corners = ncc_fb_bool(&b->m->fb, b->options, align, false),
        .half_pixel = ncc_fb_bool(&b->m->fb, b->options, half, false),
    };
    return ncc_tflite_give_map(b, 0, ncc_tflite_op(b, OP_resize, NULL, &attrs, &x, 1));
}

bool ncc_tflite_build_depth_to_space(struct build *b)
{
    struct value *x = ncc_tflite_map(b, 0);
    const struct depth_to_space_attrs attrs = {.block = ncc_fb_i32(&b->m->fb, b->options, F_block_size, 0)};
    return ncc_tflite_give_map(b, 0, x ? ncc_tflite_op(b, OP_depth_to_space, NULL, &attrs, &x, 1) : NULL);
}

bool ncc_tflite_build_space_to_depth(struct build *b)
{
    struct value *x = ncc_tflite_map(b, 0);
    const struct space_to_depth_attrs attrs = {.block = ncc_fb_i32(&b->m->fb, b->options, F_block_size, 0)};
    return ncc_tflite_give_map(b, 0, x ? ncc_tflite_op(b, OP_space_to_depth, NULL, &attrs, &x, 1) : NULL);
}
