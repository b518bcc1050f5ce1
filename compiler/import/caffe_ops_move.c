/* Moving elements. */
#include "compiler/import/caffe.h"
#include "compiler/ops/attrs.h"

#include <string.h>

/* Every top is the bottom. */
bool ncc_caffe_build_same(struct cf_build *b)
{
    bool good = true;
    for (int k = 0; k < b->layer->n_out; k++)
        good = ncc_caffe_give(b, k, ncc_caffe_in(b, 0)) && good;
    return good;
}

/* ---- the same elements under another shape ---- */

static bool give_reshaped(struct cf_build *b, struct shape to)
{
    return ncc_caffe_give(b, 0, ncc_caffe_reshape(b, NULL, ncc_caffe_in(b, 0), to));
}

/* Fills in what 0 (as the bottom) and -1 (the rest) stand for; dim[i] replaces the bottom's dimension axis + i. */
static bool resolve(struct cf_build *b, const Caffe__Shape *s, int axis, int n_replaced, struct shape *out)
{
    const struct shape x = ncc_caffe_in(b, 0)->shape;
    int64_t others = 1;
    int rest = -1;
    for (size_t i = 0; s && i < s->n_dim; i++) {
        int64_t dim = s->dim[i];
        if (dim == 0 && (int)i >= x.rank - axis)
            return ncc_caffe_refuse(b, "a dimension of 0 must stand for one of the bottom's", NULL, "dim %zu", i);
        if (dim == 0)
            dim = x.dim[axis + (int)i];
        if (axis == 0 && i == 0 && dim == b->m->old_batch)
            dim = x.dim[0];
        if (dim == -1 && rest < 0)
            rest = out->rank;
        else if (dim < 1 || dim > NCC_MAX_ELEMENTS)
            return ncc_caffe_refuse(b, "dimensions must be positive, 0, or once -1", NULL, "%lld", (long long)dim);
        out->dim[out->rank++] = (int)dim;
    }
    for (int i = axis + n_replaced; i < x.rank; i++)
        out->dim[out->rank++] = x.dim[i];
    for (int i = 0; i < out->rank && others <= NCC_MAX_ELEMENTS; i++)
        others *= i == rest ? 1 : out->dim[i];
    if (rest >= 0)
        out->dim[rest] = (int)(ncc_shape_count(x) / others);
    if (ncc_shape_count(*out) == ncc_shape_count(x))
        return true;
    char text[2][80];
    return ncc_caffe_refuse(b, "a reshape must keep the number of elements", NULL, "%s to %s",
                            ncc_shape_text(x, text[0]), ncc_shape_text(*out, text[1]));
}

bool ncc_caffe_build_reshape(struct cf_build *b)
{
    const Caffe__Reshape *p = CF_PARAM(b, reshape_param, reshape);
    const struct shape x = ncc_caffe_in(b, 0)->shape;
    /* Axis -1 is behind the last dimension. */
    const int axis = p->axis < 0 ? p->axis + x.rank + 1 : p->axis;
    if (!ncc_caffe_within(b, "axis", axis, 0, x.rank))
        return false;
    const int n_replaced = p->num_axes == -1 ? x.rank - axis : p->num_axes;
    if (!ncc_caffe_within(b, "num_axes", n_replaced, 0, x.rank - axis))
        return false;
    const size_t n_dim = p->shape ? p->shape->n_dim : 0;
    if (n_dim + (size_t)(x.rank - n_replaced) > NCC_MAX_RANK)
        return ncc_caffe_refuse(b, "at most 6 dimensions are supported", NULL, NULL);
    struct shape to = {.rank = axis};
    memcpy(to.dim, x.dim, (size_t)axis * sizeof *to.dim);
    return resolve(b, p->shape, axis, n_replaced, &to) && give_reshaped(b, to);
}

bool ncc_caffe_build_flatten(struct cf_build *b)
{
    const Caffe__Flatten *p = CF_PARAM(b, flatten_param, flatten);
    const struct shape x = ncc_caffe_in(b, 0)->shape;
    int first, last;
    if (!ncc_caffe_axis(b, p->axis, x.rank, &first) || !ncc_caffe_axis(b, p->end_axis, x.rank, &last))
        return false;
    if (first > last)
        return ncc_caffe_refuse(b, "axis must not be behind end_axis", NULL, "%d and %d", first, last);
    struct shape to = {0};
    for (int i = 0; i < x.rank; i++) {
        if (i <= first || i > last)
            to.dim[to.rank++] = x.dim[i];
        else
            to.dim[first] *= x.dim[i];
    }
    return give_reshaped(b, to);
}

static struct value *transpose(struct cf_build *b, const char *suffix, struct value *x, struct ints perm)
{
    const struct transpose_attrs attrs = {perm};
    return ncc_caffe_op(b, OP_transpose, suffix, &attrs, &x, 1);
}

/* Axes that are not named follow in their order. */
bool ncc_caffe_build_permute(struct cf_build *b)
{
    const Caffe__Permute *p = CF_PARAM(b, permute_param, permute);
    struct value *x = ncc_caffe_in(b, 0);
    struct ints perm = {0};
    bool taken[NCC_MAX_RANK] = {0}, moves = false;
    for (size_t i = 0; i < p->n_order; i++) {
        const int axis = p->order[i];
        if (axis < 0 || axis >= x->shape.rank || taken[axis])
            return ncc_caffe_refuse(b, "the order must name axes of the bottom, each once", NULL, "axis %d", axis);
        taken[axis] = true;
        perm.v[perm.n++] = axis;
    }
    for (int i = 0; i < x->shape.rank; i++)
        if (!taken[i])
            perm.v[perm.n++] = i;
    for (int i = 0; i < perm.n; i++)
        moves |= perm.v[i] != i;
    return ncc_caffe_give(b, 0, moves ? transpose(b, NULL, x, perm) : x);
}

/* The groups' channels one by one: a transposition of groups x channels of a group. */
bool ncc_caffe_build_shuffle(struct cf_build *b)
{
    const Caffe__ShuffleChannel *p = CF_PARAM(b, shuffle_channel_param, shuffle_channel);
    struct value *x = ncc_caffe_map(b, 0);
    if (!x || !ncc_caffe_within(b, "group", p->group, 1, x->shape.dim[1]))
        return false;
    const int *dim = x->shape.dim, n = dim[1] / p->group;
    if (dim[1] % p->group)
        return ncc_caffe_refuse(b, "the channels must be a multiple of group", NULL, "%d in %d groups", dim[1],
                                p->group);
    const struct shape apart = ncc_shape_make(5, (const int[]){dim[0], p->group, n, dim[2], dim[3]});
    struct value *y = ncc_caffe_reshape(b, "groups", x, apart);
    y = transpose(b, "shuffled", y, (struct ints){5, {0, 2, 1, 3, 4}});
    return ncc_caffe_give(b, 0, ncc_caffe_reshape(b, NULL, y, x->shape));
}

/* As darknet's reorg, which reads the map as one of C / s^2 channels that is s times as high and as wide, and moves
 * each block of s x s pixels of that into channels. */
bool ncc_caffe_build_reorg(struct cf_build *b)
{
    const Caffe__Reorg *p = CF_PARAM(b, reorg_param, reorg);
    struct value *x = ncc_caffe_map(b, 0);
    if (!x || !ncc_caffe_within(b, "stride", p->stride, 1, 1 << 6))
        return false;
    const int *dim = x->shape.dim, s = p->stride;
    if (p->reverse)
        return ncc_caffe_refuse(b, "reverse is not supported", NULL, NULL);
    if (dim[1] % (s * s) || dim[2] % s || dim[3] % s)
        return ncc_caffe_refuse(b, "the channels must be a multiple of stride squared, height and width of stride",
                                NULL, "%dx%dx%d, stride %d", dim[1], dim[2], dim[3], s);
    const struct space_to_depth_attrs attrs = {s};
    struct value *y = ncc_caffe_reshape(b, "wide", x, ncc_shape_4(dim[0], dim[1] / (s * s), dim[2] * s, dim[3] * s));
    y = ncc_caffe_op(b, OP_space_to_depth, "blocks", &attrs, &y, 1);
    return ncc_caffe_give(b, 0,
                          ncc_caffe_reshape(b, NULL, y, ncc_shape_4(dim[0], dim[1] * s * s, dim[2] / s, dim[3] / s)));
}

/* ---- together and apart ---- */

bool ncc_caffe_build_concat(struct cf_build *b)
{
    const Caffe__Concat *p = CF_PARAM(b, concat_param, concat);
    const int n = b->layer->n_in;
    struct concat_attrs attrs;
    struct value **in = NCC_NEW(b->m->arena, struct value *, n);
    for (int k = 0; k < n; k++)
        in[k] = ncc_caffe_in(b, k);
    if (!ncc_caffe_axis(b, p->has_concat_dim ? p->concat_dim : p->axis, in[0]->shape.rank, &attrs.axis))
        return false;
    return ncc_caffe_give(b, 0, n == 1 ? in[0] : ncc_caffe_op(b, OP_concat, NULL, &attrs, in, n));
}

static struct value *part(struct cf_build *b, const char *suffix, struct value *x, struct shape begin,
                          struct shape size)
{
    struct slice_attrs attrs = {{x->shape.rank, {0}}, {x->shape.rank, {0}}, {x->shape.rank, {0}}};
    for (int i = 0; i < x->shape.rank; i++) {
        attrs.begin.v[i] = begin.dim[i];
        attrs.size.v[i] = size.dim[i];
        attrs.stride.v[i] = 1;
    }
    return ncc_shape_equal(size, x->shape) ? x : ncc_caffe_op(b, OP_slice, suffix, &attrs, &x, 1);
}

/* Where part k of n begins: at the points given, or all are equal. */
static bool part_begin(struct cf_build *b, const Caffe__Slice *p, int k, int size, int *begin)
{
    const int n = b->layer->n_out;
    if (k == 0 || k == n)
        *begin = k ? size : 0;
    else
        *begin = p->n_slice_point ? p->slice_point[k - 1] : size / n * k;
    return *begin >= 0 && *begin <= size;
}

bool ncc_caffe_build_slice(struct cf_build *b)
{
    const Caffe__Slice *p = CF_PARAM(b, slice_param, slice);
    struct value *x = ncc_caffe_in(b, 0);
    const int n = b->layer->n_out;
    int axis;
    if (!ncc_caffe_axis(b, p->has_slice_dim ? p->slice_dim : p->axis, x->shape.rank, &axis))
        return false;
    const int whole = x->shape.dim[axis];
    if (p->n_slice_point ? p->n_slice_point != (size_t)n - 1 : whole % n != 0)
        return ncc_caffe_refuse(b, "there must be one slice point between each two tops, or tops of equal size", NULL,
                                "%d tops, %zu points, %d elements", n, p->n_slice_point, whole);
    struct shape begin = {.rank = x->shape.rank}, size = x->shape;
    for (int k = 0; k < n; k++) {
        int end;
        if (!part_begin(b, p, k, whole, &begin.dim[axis]) || !part_begin(b, p, k + 1, whole, &end) ||
            end <= begin.dim[axis])
            return ncc_caffe_refuse(b, "slice points must ascend and lie inside the bottom", NULL, "part %d of %d", k,
                                    whole);
        size.dim[axis] = end - begin.dim[axis];
        if (!ncc_caffe_give(b, k, part(b, n > 1 ? ncc_arena_printf(b->m->arena, "%d", k) : NULL, x, begin, size)))
            return false;
    }
    return true;
}

/* bottoms: x, and what has the size to crop to */
bool ncc_caffe_build_crop(struct cf_build *b)
{
    const Caffe__Crop *p = CF_PARAM(b, crop_param, crop);
    struct value *x = ncc_caffe_in(b, 0);
    const struct shape to = ncc_caffe_in(b, 1)->shape;
    int axis;
    if (!ncc_caffe_axis(b, p->axis, x->shape.rank, &axis))
        return false;
    const int n = x->shape.rank - axis;
    if (to.rank != x->shape.rank || (p->n_offset > 1 && p->n_offset != (size_t)n))
        return ncc_caffe_refuse(b, "the bottoms must have as many dimensions, and offsets be one, or one for each axis",
                                NULL, "%d and %d dimensions, %zu offsets", x->shape.rank, to.rank, p->n_offset);
    struct shape begin = {.rank = to.rank}, size = x->shape;
    for (int i = axis; i < to.rank; i++) {
        const int offset = p->n_offset == 0 ? 0 : p->offset[p->n_offset > 1 ? i - axis : 0];
        if (offset < 0 || offset > x->shape.dim[i] - to.dim[i])
            return ncc_caffe_refuse(b, "what is cropped to must lie inside the first bottom", NULL,
                                    "axis %d: %d from %d of %d", i, to.dim[i], offset, x->shape.dim[i]);
        begin.dim[i] = offset;
        size.dim[i] = to.dim[i];
    }
    return ncc_caffe_give(b, 0, part(b, NULL, x, begin, size));
}

bool ncc_caffe_build_tile(struct cf_build *b)
{
    const Caffe__Tile *p = CF_PARAM(b, tile_param, tile);
    struct value *x = ncc_caffe_in(b, 0);
    struct tile_attrs attrs = {{x->shape.rank, {0}}};
    int axis;
    if (!ncc_caffe_axis(b, p->axis, x->shape.rank, &axis) || !ncc_caffe_within(b, "tiles", p->tiles, 1, 1 << 16))
        return false;
    for (int i = 0; i < x->shape.rank; i++)
        attrs.repeats.v[i] = i == axis ? p->tiles : 1;
    return ncc_caffe_give(b, 0, ncc_caffe_op(b, OP_tile, NULL, &attrs, &x, 1));
}

/* ---- maps of another size ---- */

/* By a whole factor, pixels repeated. The other form, which puts values back where a pool took them, has two bottoms.
 */
bool ncc_caffe_build_upsample(struct cf_build *b)
{
    const Caffe__Upsample *p = CF_PARAM(b, upsample_param, upsample);
    struct value *x = ncc_caffe_map(b, 0);
    const int factor = p->has_scale ? p->scale : p->stride;
    if (!x)
        return false;
    if (!b->p->upsample_param)
        return ncc_caffe_refuse(b, "the layer must have an upsample_param",
                                "give the prototxt: a caffemodel cannot tell it", NULL);
    if (!ncc_caffe_within(b, "scale", factor, 1, 1 << 6))
        return false;
    const struct resize_attrs attrs = {RESIZE_NEAREST, x->shape.dim[2] * factor, x->shape.dim[3] * factor, false,
                                       false};
    return ncc_caffe_give(b, 0, ncc_caffe_op(b, OP_resize, NULL, &attrs, &x, 1));
}

/* The new size along one dimension: that given, or the old one shrunk, then enlarged, corners on corners. */
static int interp_size(const Caffe__Interp *p, int size, int given)
{
    if (given > 0)
        return given;
    if (p->has_shrink_factor)
        size = (size - 1) / p->shrink_factor + 1;
    return p->has_zoom_factor ? size + (size - 1) * (p->zoom_factor - 1) : size;
}

/* Bilinear, the corners' centres on each other; a second bottom gives the size. Negative padding crops. */
bool ncc_caffe_build_interp(struct cf_build *b)
{
    const Caffe__Interp *p = CF_PARAM(b, interp_param, interp);
    struct value *x = ncc_caffe_map(b, 0), *like = ncc_caffe_in(b, 1);
    if (!x)
        return false;
    if (!b->p->interp_param && !like)
        return ncc_caffe_refuse(b, "the layer must have an interp_param",
                                "give the prototxt: a caffemodel cannot tell it", NULL);
    if (!ncc_caffe_within(b, "zoom_factor", p->zoom_factor, 1, 1 << 6) ||
        !ncc_caffe_within(b, "shrink_factor", p->shrink_factor, 1, 1 << 6) ||
        !ncc_caffe_within(b, "pad_beg", p->pad_beg, -(1 << 10), 0) ||
        !ncc_caffe_within(b, "pad_end", p->pad_end, -(1 << 10), 0) ||
        !ncc_caffe_within(b, "height", p->height, 0, 1 << 14) || !ncc_caffe_within(b, "width", p->width, 0, 1 << 14))
        return false;
    const int less = -p->pad_beg - p->pad_end;
    struct shape begin = ncc_shape_4(0, 0, -p->pad_beg, -p->pad_beg), size = x->shape;
    size.dim[2] -= less;
    size.dim[3] -= less;
    if (size.dim[2] < 1 || size.dim[3] < 1)
        return ncc_caffe_refuse(b, "cropping must leave a part of the map", NULL, "%d of %dx%d", less, x->shape.dim[2],
                                x->shape.dim[3]);
    const bool sized = like && like->shape.rank == 4;
    const struct resize_attrs attrs = {
        .mode = RESIZE_BILINEAR,
        .out_h = sized ? like->shape.dim[2] : interp_size(p, size.dim[2], p->height),
        .out_w = sized ? like->shape.dim[3] : interp_size(p, size.dim[3], p->width),
        .align_corners = true,
    };
    x = part(b, "crop", x, begin, size);
    if (x && attrs.out_h == x->shape.dim[2] && attrs.out_w == x->shape.dim[3])
        return ncc_caffe_give(b, 0, x);
    return ncc_caffe_give(b, 0, ncc_caffe_op(b, OP_resize, NULL, &attrs, &x, 1));
}
