/* Resize and Upsample. Every way to resize is linear along each dimension, so it is a choice of elements or a product
 * with a matrix for any of them. Where the graph's own resize takes the same pixels, it is that. */
#include "compiler/import/onnx.h"
#include "compiler/ir/element.h"
#include "compiler/ops/attrs.h"
#include "compiler/ops/resize.h"

#include <math.h>
#include <string.h>

enum mode { NEAREST, LINEAR, CUBIC };

struct resizing {
    enum mode mode;
    const char *coordinates, *rounding;
    float cubic;
    bool exclude_outside;
    int out[NCC_MAX_RANK];
    double scale[NCC_MAX_RANK];
};

/* ---- along one dimension ---- */

/* Where output element `at` lies between the input's. */
static double position(const struct resizing *r, int axis, int in, int at)
{
    const char *c = r->coordinates;
    const double scale = r->scale[axis], half = (at + 0.5) / scale - 0.5;
    const int out = r->out[axis];
    if (strcmp(c, "align_corners") == 0) /* the length need not be whole: it is what the scale says */
        return out == 1 ? 0 : at * (in - 1) / (scale * in - 1);
    if (strcmp(c, "asymmetric") == 0)
        return at / scale;
    if (strcmp(c, "tf_half_pixel_for_nn") == 0)
        return (at + 0.5) / scale;
    if (strcmp(c, "half_pixel_symmetric") == 0)
        return in / 2.0 * (1 - out / (scale * in)) + half;
    return strcmp(c, "pytorch_half_pixel") == 0 && out == 1 ? 0 : half;
}

static int limited(double x, int n)
{
    return x < 0 ? 0 : x > n - 1 ? n - 1 : (int)x;
}

static int nearest(const struct resizing *r, int axis, int in, int at)
{
    const double x = position(r, axis, in, at);
    if (strcmp(r->rounding, "floor") == 0)
        return limited(floor(x), in);
    if (strcmp(r->rounding, "ceil") == 0)
        return limited(ceil(x), in);
    return limited(strcmp(r->rounding, "round_prefer_ceil") == 0 ? floor(x + 0.5) : ceil(x - 0.5), in);
}

/* Weight of an element at a distance of d. */
static double weight(const struct resizing *r, double d)
{
    const double a = (double)r->cubic;
    d = fabs(d);
    if (r->mode == LINEAR)
        return d < 1 ? 1 - d : 0;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* One row of the matrix: what output element `at` takes of each input element. What would lie outside is the edge, or
 * is left out and the others count for more. */
static void fill_row(const struct resizing *r, int axis, int in, int at, float *row)
{
    const double x = position(r, axis, in, at);
    const int reach = r->mode == LINEAR ? 1 : 2, first = (int)floor(x) - reach + 1;
    double sum = 0;
    for (int i = first; i < first + 2 * reach; i++)
        sum += r->exclude_outside && (i < 0 || i >= in) ? 0 : weight(r, x - i);
    for (int i = first; i < first + 2 * reach; i++)
        if (!r->exclude_outside || (i >= 0 && i < in))
            row[limited(i, in)] += (float)(weight(r, x - i) / (r->exclude_outside ? sum : 1));
}

/* ---- the graph's own resize ---- */

static bool same_pixels(const struct resizing *r, int axis, int in, const struct resize_attrs *p)
{
    for (int at = 0; at < r->out[axis]; at++) {
        if (r->mode == NEAREST) {
            if (ncc_resize_nearest(p, in, r->out[axis], at) != nearest(r, axis, in, at))
                return false;
            continue;
        }
        const struct resize_between b = ncc_resize_between(p, in, r->out[axis], at);
        const double x = position(r, axis, in, at), clamped = x < 0 ? 0 : x > in - 1 ? in - 1 : x;
        if (fabs((b.first == b.second ? b.first : b.first + (double)b.part) - clamped) > 1e-4)
            return false;
    }
    return true;
}

/* The setting of the graph's resize that takes the pixels that the model wants; false: there is none. */
static bool as_own(const struct resizing *r, struct shape x, struct resize_attrs *p)
{
    if (r->mode == CUBIC || x.rank != 4 || r->out[0] != x.dim[0] || r->out[1] != x.dim[1] || r->exclude_outside)
        return false;
    for (int setting = 0; setting < 3; setting++) {
        *p = (struct resize_attrs){.mode = r->mode == LINEAR ? RESIZE_BILINEAR : RESIZE_NEAREST,
                                   .out_h = r->out[2],
                                   .out_w = r->out[3],
                                   .align_corners = setting == 1,
                                   .half_pixel = setting == 2};
        if (same_pixels(r, 2, x.dim[2], p) && same_pixels(r, 3, x.dim[3], p))
            return true;
    }
    return false;
}

/* ---- any other ---- */

static bool is_still(const struct resizing *r, int axis, int in)
{
    for (int at = 0; at < in && r->out[axis] == in; at++)
        if (r->mode == NEAREST ? nearest(r, axis, in, at) != at : position(r, axis, in, at) != at)
            return false;
    return r->out[axis] == in;
}

static struct value *choose(struct ox_build *b, const struct resizing *r, struct value *x, int axis)
{
    const struct gather_attrs attrs = {axis};
    const int n = r->out[axis];
    int64_t *index = NCC_NEW(b->m->arena, int64_t, n);
    for (int at = 0; at < n; at++)
        index[at] = nearest(r, axis, x->shape.dim[axis], at);
    return OX_OP(
        b, OP_gather, "chosen", &attrs, x,
        ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "pixels"), DT_I64, ncc_shape_make(1, &n), index));
}

/* A product with the matrix on the left works on the last dimension but one, wherever the others are. */
static struct value *multiply(struct ox_build *b, const struct resizing *r, struct value *x, int axis)
{
    const int in = x->shape.dim[axis], out = r->out[axis], rank = x->shape.rank, shape[2] = {out, in};
    struct ints swap = {.n = rank};
    if (!ncc_onnx_spend(b, (int64_t)in * out))
        return NULL;
    float *m = NCC_NEW(b->m->arena, float, (size_t)in *(size_t)out);
    for (int at = 0; at < out; at++)
        fill_row(r, axis, in, at, m + (size_t)at * (size_t)in);
    struct value *left =
        ncc_const(b->m->graph, ncc_name(b->m->graph, b->name, "matrix"), DT_F32, ncc_shape_make(2, shape), m);
    if (axis == rank - 1)
        return OX_OP(b, OP_matmul, "columns", NULL, x, ncc_onnx_transpose(b, left, (struct ints){2, {1, 0}}, "matrix"));
    for (int i = 0; i < rank; i++)
        swap.v[i] = i == axis ? rank - 2 : i == rank - 2 ? axis : i;
    x = ncc_onnx_transpose(b, x, swap, "turned");
    x = x ? OX_OP(b, OP_matmul, "rows", NULL, left, x) : NULL;
    return ncc_onnx_transpose(b, x, swap, "back");
}

static struct value *resize(struct ox_build *b, const struct resizing *r, struct value *x)
{
    struct resize_attrs own;
    if (as_own(r, x->shape, &own))
        return OX_OP(b, OP_resize, NULL, &own, x);
    for (int axis = 0; x && axis < x->shape.rank; axis++)
        if (!is_still(r, axis, x->shape.dim[axis]))
            x = r->mode == NEAREST ? choose(b, r, x, axis) : multiply(b, r, x, axis);
    return x;
}

/* ---- what the node says ---- */

static bool read_modes(struct ox_build *b, bool is_upsample, struct resizing *r)
{
    static const char *const known[] = {"half_pixel", "pytorch_half_pixel",   "align_corners",
                                        "asymmetric", "tf_half_pixel_for_nn", "half_pixel_symmetric"};
    const bool old = is_upsample || b->m->version < 11;
    const char *mode = ncc_onnx_string(b, "mode", "nearest");
    r->coordinates = ncc_onnx_string(b, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
    r->rounding = ncc_onnx_string(b, "nearest_mode", old ? "floor" : "round_prefer_floor");
    r->cubic = ncc_onnx_float(b, "cubic_coeff_a", -0.75f);
    r->exclude_outside = ncc_onnx_int(b, "exclude_outside", 0) != 0;
    r->mode = strcmp(mode, "cubic") == 0 ? CUBIC : strcmp(mode, "nearest") == 0 ? NEAREST : LINEAR;
    if (r->mode == LINEAR && strcmp(mode, "linear") != 0 && strcmp(mode, "bilinear") != 0)
        return ncc_onnx_refuse(b, "the mode must be nearest, linear or cubic", NULL, "'%s'", mode);
    if (ncc_onnx_int(b, "antialias", 0))
        return ncc_onnx_refuse(b, "resizing with antialias is not supported", NULL, NULL);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(r->coordinates, known[i]) == 0)
            return true;
    return ncc_onnx_refuse(b, "this way to choose coordinates is not supported", NULL, "'%s'", r->coordinates);
}

/* Numbers of a constant or attribute, one for each of the axes. */
static bool read_scales(struct ox_build *b, int k, int n, double *scale)
{
    const Onnx__AttributeProto *a = ncc_onnx_attr(b, "scales");
    struct value *v = ncc_onnx_in(b, k);
    const int64_t n_scales = v ? ncc_shape_count(v->shape) : a ? (int64_t)a->n_floats : 0;
    if ((v && !ncc_is_const(v)) || n_scales != n)
        return ncc_onnx_refuse(b, "the scales must be constant, one for each dimension",
                               "export the model with fixed shapes", "%lld for %d", (long long)n_scales, n);
    for (int i = 0; i < n; i++) {
        scale[i] = v ? ncc_element_real(v->dtype, v->data, i) : (double)a->floats[i];
        if (!(scale[i] > 0 && scale[i] < 1e6))
            return ncc_onnx_refuse(b, "the scales must be positive", NULL, "%g", scale[i]);
    }
    return true;
}

static bool has_elements(struct ox_build *b, int k)
{
    return ncc_onnx_has(b, k) && ncc_shape_count(b->in[k]->v->shape) > 0;
}

/* With a policy all given dimensions are scaled alike, by the least or greatest of their scales. */
static void keep_ratio(struct ox_build *b, struct value *x, const struct ints *axes, struct resizing *r)
{
    const char *policy = ncc_onnx_string(b, "keep_aspect_ratio_policy", "stretch");
    const bool larger = strcmp(policy, "not_smaller") == 0;
    if (strcmp(policy, "stretch") == 0 || axes->n == 0)
        return;
    double scale = r->scale[axes->v[0]];
    for (int i = 1; i < axes->n; i++)
        scale = larger ? fmax(scale, r->scale[axes->v[i]]) : fmin(scale, r->scale[axes->v[i]]);
    for (int i = 0; i < axes->n; i++) {
        r->scale[axes->v[i]] = scale;
        r->out[axes->v[i]] = (int)floor(scale * x->shape.dim[axes->v[i]] + 0.5);
    }
}

static bool read_sizes(struct ox_build *b, struct value *x, int scales, int sizes, struct resizing *r)
{
    const int rank = x->shape.rank;
    struct ints list, axes = {0};
    double scale[NCC_MAX_RANK];
    if (!ncc_onnx_list(b, "axes", &axes))
        return false;
    for (int i = 0; !ncc_onnx_attr(b, "axes") && i < rank; i++)
        axes.v[axes.n++] = i;
    for (int i = 0; i < axes.n; i++)
        if (!ncc_onnx_axis(b, axes.v[i], rank, &axes.v[i]))
            return false;
    for (int i = 0; i < rank; i++) {
        r->out[i] = x->shape.dim[i];
        r->scale[i] = 1;
    }
    if (axes.n > rank)
        return ncc_onnx_refuse(b, "an axis must be named only once", NULL, NULL);
    if (has_elements(b, sizes)) {
        if (!ncc_onnx_ints(b, sizes, &list))
            return false;
        if (list.n != axes.n)
            return ncc_onnx_refuse(b, "there must be one size for each dimension", NULL, "%d for %d", list.n, axes.n);
        for (int i = 0; i < axes.n; i++) {
            r->out[axes.v[i]] = i == 0 && axes.v[i] == 0 && list.v[i] == b->m->old_batch ? x->shape.dim[0] : list.v[i];
            r->scale[axes.v[i]] = (double)r->out[axes.v[i]] / x->shape.dim[axes.v[i]];
        }
        keep_ratio(b, x, &axes, r);
    } else {
        if (!read_scales(b, scales, axes.n, scale))
            return false;
        for (int i = 0; i < axes.n; i++) {
            r->scale[axes.v[i]] = scale[i];
            r->out[axes.v[i]] = (int)fmin(floor(x->shape.dim[axes.v[i]] * scale[i]), (double)NCC_MAX_ELEMENTS);
        }
    }
    int64_t n = 1;
    for (int i = 0; i < rank; i++) {
        if (r->out[i] < 1 || x->shape.dim[i] < 1 || n > NCC_MAX_ELEMENTS / r->out[i])
            return ncc_onnx_refuse(b, "the result must not be empty, nor have more than 2^28 elements", NULL,
                                   "dimension %d becomes %d", i, r->out[i]);
        n *= r->out[i];
    }
    return true;
}

bool ncc_onnx_build_resize(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    const bool old = b->n_in == 2; /* opset 10: x, scales; later x, roi, scales, sizes */
    struct resizing r;
    if (!read_modes(b, false, &r) || !read_sizes(b, x, old ? 1 : 2, 3, &r))
        return false;
    if (r.mode != NEAREST && b->in[0]->codes)
        return ncc_onnx_refuse(b, "codes can only be resized to the nearest", "quantise behind the resize", NULL);
    return ncc_onnx_give(b, 0, resize(b, &r, x));
}

bool ncc_onnx_build_upsample(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0);
    struct resizing r;
    return read_modes(b, true, &r) && read_sizes(b, x, 1, 9, &r) && ncc_onnx_give(b, 0, resize(b, &r, x));
}
