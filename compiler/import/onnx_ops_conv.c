/* Layers with weights and windows. One spatial dimension is two of which the first is 1; three are refused. */
#include "compiler/import/onnx.h"
#include "compiler/ops/attrs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- windows ---- */

/* [0] is the height, [1] the width. */
struct window2d {
    int n; /* spatial dimensions of the model */
    int kernel[2], stride[2], dil[2], before[2], after[2];
};

/* n x c x w becomes n x c x 1 x w. NULL: refused. */
static struct value *as_map(struct ox_build *b, struct value *v)
{
    if (!v)
        return NULL;
    const int *d = v->shape.dim;
    if (v->shape.rank == 4)
        return v;
    if (v->shape.rank == 3)
        return ncc_onnx_reshape(b, v, ncc_shape_4(d[0], d[1], 1, d[2]), "map");
    ncc_onnx_refuse(b, "the operator is supported with one or two spatial dimensions", NULL, "%d dimensions",
                    v->shape.rank);
    return NULL;
}

/* And back, if it was of rank 3. */
static struct value *from_map(struct ox_build *b, int rank, struct value *v)
{
    if (!v || rank != 3)
        return v;
    const int *d = v->shape.dim;
    return ncc_onnx_reshape(b, v, ncc_shape_make(3, (int[]){d[0], d[1], d[3]}), "line");
}

/* A list with one number per spatial dimension into to[2 - n ..]; absent: as it is. */
static bool spatial_list(struct ox_build *b, const char *name, int n, int *to)
{
    struct ints list;
    if (!ncc_onnx_list(b, name, &list))
        return false;
    if (list.n != 0 && list.n != n)
        return ncc_onnx_refuse(b, "there must be one number for each spatial dimension", NULL, "%s has %d for %d", name,
                               list.n, n);
    for (int i = 0; i < list.n; i++)
        to[2 - n + i] = list.v[i];
    return true;
}

static int extent(const struct window2d *w, int i)
{
    return (w->kernel[i] - 1) * w->dil[i] + 1;
}

/* SAME: as many results as the input has pixels, divided by the stride. */
static void pad_same(struct window2d *w, const int *size, bool upper)
{
    for (int i = 2 - w->n; i < 2; i++) {
        const int64_t out = ((int64_t)size[i] + w->stride[i] - 1) / w->stride[i];
        const int64_t need = (out - 1) * w->stride[i] + extent(w, i) - size[i];
        const int total = need > 0 ? (int)need : 0;
        w->before[i] = upper ? total / 2 : total - total / 2;
        w->after[i] = total - w->before[i];
    }
}

static bool is_sane(struct ox_build *b, const struct window2d *w)
{
    const int most = 32767; /* what a kmodel takes */
    for (int i = 0; i < 2; i++)
        if (w->kernel[i] < 1 || w->kernel[i] > most || w->stride[i] < 1 || w->stride[i] > most || w->dil[i] < 1 ||
            w->dil[i] > most || abs(w->before[i]) > most || abs(w->after[i]) > most ||
            (int64_t)w->kernel[i] * w->dil[i] > most)
            return ncc_onnx_refuse(b, "kernel, strides, dilations and pads must be positive and below 32768", NULL,
                                   "kernel %d, stride %d, dilation %d, pads %d and %d", w->kernel[i], w->stride[i],
                                   w->dil[i], w->before[i], w->after[i]);
    return true;
}

/* Everything but the kernel, which is there already. `size`: of the map. */
static bool read_window(struct ox_build *b, const int *size, struct window2d *w)
{
    struct ints pads;
    const char *mode = ncc_onnx_string(b, "auto_pad", "NOTSET");
    if (!spatial_list(b, "strides", w->n, w->stride) || !spatial_list(b, "dilations", w->n, w->dil) ||
        !ncc_onnx_list(b, "pads", &pads))
        return false;
    const bool explicit = strcmp(mode, "NOTSET") == 0 || *mode == '\0';
    if (explicit && pads.n != 0 && pads.n != 2 * w->n)
        return ncc_onnx_refuse(b, "there must be two pads for each spatial dimension", NULL, "%d pads", pads.n);
    for (int i = 0; explicit && i < pads.n / 2; i++) {
        w->before[2 - w->n + i] = pads.v[i];
        w->after[2 - w->n + i] = pads.v[w->n + i];
    }
    if (!is_sane(b, w))
        return false;
    if (strncmp(mode, "SAME_", 5) == 0)
        pad_same(w, size, strcmp(mode, "SAME_UPPER") == 0);
    else if (!explicit && strcmp(mode, "VALID") != 0)
        return ncc_onnx_refuse(b, "auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER", NULL, "%s", mode);
    return true;
}

static const struct window2d one_by_one = {.kernel = {1, 1}, .stride = {1, 1}, .dil = {1, 1}};

/* ---- convolutions ---- */

/* The weights' spatial dimensions are the kernel. Makes maps of both. */
static bool conv_operands(struct ox_build *b, struct value **x, struct value **w, struct window2d *win)
{
    const int rank = *x ? (*x)->shape.rank : 0;
    if (*x && *w && (*w)->shape.rank != rank)
        return ncc_onnx_refuse(b, "the weights must have as many dimensions as the input", NULL, "%d instead of %d",
                               (*w)->shape.rank, rank);
    *x = as_map(b, *x);
    *w = as_map(b, *w);
    if (!*x || !*w)
        return false;
    *win = one_by_one;
    win->n = rank - 2;
    win->kernel[0] = (*w)->shape.dim[2];
    win->kernel[1] = (*w)->shape.dim[3];
    return true;
}

static struct conv2d_attrs conv_attrs(const struct window2d *w, int groups)
{
    return (struct conv2d_attrs){.stride_h = w->stride[0],
                                 .stride_w = w->stride[1],
                                 .pad_top = w->before[0],
                                 .pad_left = w->before[1],
                                 .pad_bottom = w->after[0],
                                 .pad_right = w->after[1],
                                 .dil_h = w->dil[0],
                                 .dil_w = w->dil[1],
                                 .groups = groups};
}

struct value *ncc_onnx_convolve(struct ox_build *b, struct value *x, struct value *w, struct value *bias)
{
    struct window2d win;
    if (!conv_operands(b, &x, &w, &win) || !read_window(b, x->shape.dim + 2, &win))
        return NULL;
    const struct conv2d_attrs attrs = conv_attrs(&win, ncc_onnx_int(b, "group", 1));
    struct value *in[3] = {x, w, bias};
    return from_map(b, win.n + 2, ncc_onnx_op(b, OP_conv2d, NULL, &attrs, in, bias ? 3 : 2));
}

bool ncc_onnx_build_conv(struct ox_build *b)
{
    return ncc_onnx_give(b, 0, ncc_onnx_convolve(b, ncc_onnx_in(b, 0), ncc_onnx_in(b, 1), ncc_onnx_in(b, 2)));
}

/* The result's size, when it is given, decides the pads: the whole result less what is asked for is cut off, or what
 * is missing is added behind. */
static bool transposed_size(struct ox_build *b, const int *size, int out_pad[2], struct window2d *w)
{
    const char *mode = ncc_onnx_string(b, "auto_pad", "NOTSET");
    const bool same = strncmp(mode, "SAME_", 5) == 0;
    int wanted[2] = {-1, -1};
    if (!spatial_list(b, "output_shape", w->n, wanted))
        return false;
    for (int i = 2 - w->n; i < 2; i++) {
        if (wanted[i] < 0 && same)
            wanted[i] = size[i] * w->stride[i];
        if (wanted[i] < 0)
            continue;
        int64_t cut = (int64_t)(size[i] - 1) * w->stride[i] + out_pad[i] + extent(w, i) - wanted[i];
        if (cut < 0) {
            out_pad[i] -= (int)cut;
            cut = 0;
        }
        w->before[i] = (int)(strcmp(mode, "SAME_UPPER") == 0 ? cut / 2 : cut - cut / 2);
        w->after[i] = (int)cut - w->before[i];
    }
    return true;
}

bool ncc_onnx_build_conv_transpose(struct ox_build *b)
{
    struct value *in[3] = {ncc_onnx_in(b, 0), ncc_onnx_in(b, 1), ncc_onnx_in(b, 2)};
    struct window2d w;
    int out_pad[2] = {0, 0};
    if (!conv_operands(b, &in[0], &in[1], &w) || !read_window(b, in[0]->shape.dim + 2, &w) ||
        !spatial_list(b, "output_padding", w.n, out_pad) || !transposed_size(b, in[0]->shape.dim + 2, out_pad, &w))
        return false;
    const struct conv2d_transpose_attrs attrs = {.stride_h = w.stride[0],
                                                 .stride_w = w.stride[1],
                                                 .pad_top = w.before[0],
                                                 .pad_left = w.before[1],
                                                 .pad_bottom = w.after[0],
                                                 .pad_right = w.after[1],
                                                 .out_pad_h = out_pad[0],
                                                 .out_pad_w = out_pad[1],
                                                 .dil_h = w.dil[0],
                                                 .dil_w = w.dil[1],
                                                 .groups = ncc_onnx_int(b, "group", 1)};
    return ncc_onnx_give(b, 0,
                         from_map(b, w.n + 2, ncc_onnx_op(b, OP_conv2d_transpose, NULL, &attrs, in, in[2] ? 3 : 2)));
}

/* ---- pools ---- */

/* ceil_mode: the last window may reach beyond the padded map, unless it begins behind the map. */
static void round_up(const int *size, struct window2d *w)
{
    for (int i = 2 - w->n; i < 2; i++) {
        const int64_t room = (int64_t)size[i] + w->before[i] + w->after[i] - extent(w, i);
        int64_t steps = (room + w->stride[i] - 1) / w->stride[i];
        if (steps * w->stride[i] >= (int64_t)size[i] + w->before[i])
            steps--;
        const int64_t more = steps * w->stride[i] - room;
        w->after[i] += more > 0 ? (int)more : 0;
    }
}

/* `rank`: of the model's tensor, of which x is the map. */
static bool pool_window(struct ox_build *b, struct value *x, int rank, struct window2d *w)
{
    *w = one_by_one;
    w->n = rank - 2;
    if (!spatial_list(b, "kernel_shape", w->n, w->kernel))
        return false;
    return read_window(b, x->shape.dim + 2, w);
}

static struct pool_attrs pool_attrs(const struct window2d *w)
{
    return (struct pool_attrs){.kernel_h = w->kernel[0],
                               .kernel_w = w->kernel[1],
                               .stride_h = w->stride[0],
                               .stride_w = w->stride[1],
                               .pad_top = w->before[0],
                               .pad_left = w->before[1],
                               .pad_bottom = w->after[0],
                               .pad_right = w->after[1]};
}

static struct value *padded(struct ox_build *b, struct value *x, const struct window2d *w, float value)
{
    const struct pad_attrs attrs = {.before = {4, {0, 0, w->before[0], w->before[1]}},
                                    .after = {4, {0, 0, w->after[0], w->after[1]}},
                                    .value = value};
    return w->before[0] || w->before[1] || w->after[0] || w->after[1] ? OX_OP(b, OP_pad, "pad", &attrs, x) : x;
}

/* Every stride-th pixel of a dimension from the one under a tap on. */
static struct value *under_tap(struct ox_build *b, struct value *x, int axis, int begin, int stride, int size)
{
    struct slice_attrs attrs = {{4, {0}}, {4, {0}}, {4, {1, 1, 1, 1}}};
    for (int i = 0; i < 4; i++)
        attrs.size.v[i] = i == axis ? size : x->shape.dim[i];
    attrs.begin.v[axis] = begin;
    attrs.stride.v[axis] = stride;
    return OX_OP(b, OP_slice, "tap", &attrs, x);
}

/* A dilated pool has holes in its windows: the largest of what lies under each tap, one dimension after the other. */
static struct value *dilated_max(struct ox_build *b, struct value *x, const struct window2d *w)
{
    x = padded(b, x, w, -INFINITY);
    for (int i = 0; x && i < 2; i++) {
        const int size = (x->shape.dim[2 + i] - extent(w, i)) / w->stride[i] + 1;
        if (x->shape.dim[2 + i] < extent(w, i)) {
            ncc_onnx_refuse(b, "the window must fit into the padded map", NULL, "%d pixels for a map of %d",
                            extent(w, i), x->shape.dim[2 + i]);
            return NULL;
        }
        struct value *top = NULL;
        for (int k = 0; k < w->kernel[i]; k++) {
            struct value *tap = under_tap(b, x, 2 + i, k * w->dil[i], w->stride[i], size);
            top = top ? OX_OP(b, OP_maximum, "taps", NULL, top, tap) : tap;
        }
        x = top;
    }
    return x;
}

bool ncc_onnx_build_max_pool(struct ox_build *b)
{
    struct value *in = ncc_onnx_in(b, 0), *x = as_map(b, in);
    struct window2d w;
    if (!x || !pool_window(b, x, in->shape.rank, &w))
        return false;
    if (ncc_onnx_wants(b, 1))
        return ncc_onnx_refuse(b, "the indices of a max pool are not supported", "leave out what uses them", NULL);
    if (ncc_onnx_int(b, "ceil_mode", 0))
        round_up(x->shape.dim + 2, &w);
    const struct pool_attrs attrs = pool_attrs(&w);
    const bool dilated = w.dil[0] > 1 || w.dil[1] > 1;
    x = dilated ? dilated_max(b, x, &w) : OX_OP(b, OP_max_pool, NULL, &attrs, x);
    return ncc_onnx_give(b, 0, from_map(b, in->shape.rank, x));
}

/* The mean of pixels that are not side by side: a depthwise convolution whose weights are all the same. */
static struct value *dilated_mean(struct ox_build *b, struct value *x, const struct window2d *w, bool count_pad)
{
    const int c = x->shape.dim[1], taps = w->kernel[0] * w->kernel[1];
    if (!count_pad && (w->before[0] || w->before[1] || w->after[0] || w->after[1])) {
        ncc_onnx_refuse(b, "a dilated average pool must count its padding, or have none", "set count_include_pad",
                        NULL);
        return NULL;
    }
    const struct conv2d_attrs attrs = conv_attrs(w, c);
    return OX_OP(b, OP_conv2d, NULL, &attrs, x,
                 ncc_onnx_filled(b, DT_F32, ncc_shape_4(c, 1, w->kernel[0], w->kernel[1]), 1.0 / taps));
}

/* What ceil_mode adds counts never, pads count on demand: with both they are made part of the map. */
static struct value *mean_pool(struct ox_build *b, struct value *x, struct window2d w, bool count_pad)
{
    const struct window2d given = w;
    if (ncc_onnx_int(b, "ceil_mode", 0))
        round_up(x->shape.dim + 2, &w);
    if (w.dil[0] > 1 || w.dil[1] > 1)
        return dilated_mean(b, x, &w, count_pad);
    const bool mixed = count_pad && memcmp(&given, &w, sizeof w) != 0;
    if (mixed) {
        x = padded(b, x, &given, 0);
        for (int i = 0; i < 2; i++) {
            w.after[i] -= given.after[i];
            w.before[i] = 0;
        }
    }
    struct pool_attrs attrs = pool_attrs(&w);
    attrs.count_pad = count_pad && !mixed;
    return OX_OP(b, OP_avg_pool, NULL, &attrs, x);
}

struct value *ncc_onnx_average_pool(struct ox_build *b, struct value *in)
{
    struct value *x = as_map(b, in);
    struct window2d w;
    if (!x || !pool_window(b, x, in->shape.rank, &w))
        return NULL;
    return from_map(b, in->shape.rank, mean_pool(b, x, w, ncc_onnx_int(b, "count_include_pad", 0) != 0));
}

bool ncc_onnx_build_average_pool(struct ox_build *b)
{
    return ncc_onnx_give(b, 0, ncc_onnx_average_pool(b, ncc_onnx_in(b, 0)));
}

/* p-th root of the sum of p-th powers, p 1 or 2: the sum is a mean that counts its padding. */
bool ncc_onnx_build_lp_pool(struct ox_build *b)
{
    struct value *in = ncc_onnx_in(b, 0), *x = as_map(b, in);
    struct window2d w;
    const int p = ncc_onnx_int(b, "p", 2);
    if (p != 1 && p != 2)
        return ncc_onnx_refuse(b, "p must be 1 or 2", NULL, "%d", p);
    if (!x || !pool_window(b, x, in->shape.rank, &w))
        return false;
    x = mean_pool(b, OX_OP(b, p == 1 ? OP_abs : OP_square, "power", NULL, x), w, true);
    x = OX_OP(b, OP_mul, "sum", NULL, x, ncc_onnx_number(b, DT_F32, (double)w.kernel[0] * w.kernel[1]));
    x = p == 1 ? x : OX_OP(b, OP_sqrt, NULL, NULL, x);
    return ncc_onnx_give(b, 0, from_map(b, in->shape.rank, x));
}

/* Over all spatial dimensions, of which there can be any number. */
struct value *ncc_onnx_global_pool(struct ox_build *b, struct value *x, int kind)
{
    struct reduce_attrs attrs = {.kind = kind, .keep_dims = true};
    if (!x || x->shape.rank < 2) {
        ncc_onnx_refuse(b, "the input must have batch and channels", NULL, NULL);
        return NULL;
    }
    for (int i = 2; i < x->shape.rank; i++)
        attrs.axes.v[attrs.axes.n++] = i;
    return attrs.axes.n ? OX_OP(b, OP_reduce, NULL, &attrs, x) : x;
}

bool ncc_onnx_build_global_pool(struct ox_build *b)
{
    return ncc_onnx_give(b, 0, ncc_onnx_global_pool(b, ncc_onnx_in(b, 0), b->row->detail));
}

/* ---- matrices ---- */

static struct ints swap_last_two(int rank)
{
    struct ints perm = {.n = rank};
    for (int i = 0; i < rank; i++)
        perm.v[i] = i < rank - 2 ? i : i == rank - 2 ? rank - 1 : rank - 2;
    return perm;
}

/* A bias of one number per column; NULL: it is something else. */
static struct value *as_bias(struct ox_build *b, struct value *c, int n)
{
    if (!ncc_is_const(c) || c->shape.rank > 2 || (c->shape.rank == 2 && c->shape.dim[0] != 1))
        return NULL;
    const int64_t count = ncc_shape_count(c->shape);
    if (count == 1 && n > 1)
        c = ncc_onnx_expand(b, c, ncc_shape_make(1, &n));
    else if (count != n)
        return NULL;
    return ncc_onnx_reshape(b, c, ncc_shape_make(1, &n), "bias");
}

static struct value *scaled(struct ox_build *b, struct value *v, float by, const char *suffix)
{
    return by == 1.0f || !v ? v : OX_OP(b, OP_mul, suffix, NULL, v, ncc_onnx_number(b, v->dtype, (double)by));
}

/* alpha * a' * b' + beta * c */
bool ncc_onnx_build_gemm(struct ox_build *b)
{
    struct value *x = ncc_onnx_in(b, 0), *w = ncc_onnx_in(b, 1), *c = ncc_onnx_in(b, 2);
    if (x->shape.rank != 2 || w->shape.rank != 2)
        return ncc_onnx_refuse(b, "both matrices must have 2 dimensions", NULL, "%d and %d", x->shape.rank,
                               w->shape.rank);
    if (ncc_onnx_int(b, "transA", 0))
        x = ncc_onnx_transpose(b, x, swap_last_two(2), "a");
    if (ncc_onnx_int(b, "transB", 0))
        w = ncc_onnx_transpose(b, w, swap_last_two(2), "b");
    w = scaled(b, w, ncc_onnx_float(b, "alpha", 1), "alpha");
    c = scaled(b, c, ncc_onnx_float(b, "beta", 1), "beta");
    struct value *bias = c && w ? as_bias(b, c, w->shape.dim[1]) : NULL;
    struct value *y =
        ncc_onnx_op(b, OP_matmul, c && !bias ? "product" : NULL, NULL, (struct value *[]){x, w, bias}, bias ? 3 : 2);
    return ncc_onnx_give(b, 0, c && !bias ? OX_OP(b, OP_add, NULL, NULL, y, c) : y);
}

/* Vectors are rows on the left and columns on the right; what was added for that goes away again. */
struct value *ncc_onnx_multiply(struct ox_build *b, struct value *x, struct value *y)
{
    if (!x || !y)
        return NULL;
    const bool row = x->shape.rank == 1, column = y->shape.rank == 1;
    if (x->shape.rank == 0 || y->shape.rank == 0) {
        ncc_onnx_refuse(b, "the operands must be vectors or matrices", NULL, "a scalar");
        return NULL;
    }
    if (row)
        x = ncc_onnx_reshape(b, x, ncc_shape_left_pad(x->shape, 2), "row");
    if (column)
        y = ncc_onnx_reshape(b, y, ncc_shape_make(2, (int[]){y->shape.dim[0], 1}), "column");
    struct value *out = OX_OP(b, OP_matmul, NULL, NULL, x, y);
    if (!out || (!row && !column))
        return out;
    struct shape shape = {0};
    for (int i = 0; i < out->shape.rank; i++)
        if (!(row && i == out->shape.rank - 2) && !(column && i == out->shape.rank - 1))
            shape.dim[shape.rank++] = out->shape.dim[i];
    return ncc_onnx_reshape(b, out, shape, "vector");
}

bool ncc_onnx_build_matmul(struct ox_build *b)
{
    return ncc_onnx_give(b, 0, ncc_onnx_multiply(b, ncc_onnx_in(b, 0), ncc_onnx_in(b, 1)));
}
