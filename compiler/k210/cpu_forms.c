/* Operators that kmodel v4's CPU kernels do not have, taken apart into those that they have. */
#include "compiler/k210/cpu_forms.h"
#include "compiler/ir/eval.h"
#include "compiler/k210/cost.h"
#include "compiler/k210/k210.h"
#include "compiler/ops/attrs.h"

#include <math.h>
#include <string.h>

void ncc_k210_replace(struct graph *g, struct node *n, struct value *y)
{
    if (y->def && !y->def->origin)
        y->def->origin = n->origin;
    ncc_value_replace(g, n->out[0], y);
}

struct value *ncc_k210_reshaped(struct graph *g, const struct node *n, struct value *y, struct shape to)
{
    struct reshape_attrs r = {.shape.n = to.rank};
    memcpy(r.shape.v, to.dim, (size_t)to.rank * sizeof *to.dim);
    return ncc_shape_equal(y->shape, to) ? y : NCC_OP(g, OP_reshape, ncc_name(g, n->name, "shape"), &r, y);
}

static struct value *scalar(struct graph *g, const char *name, float x)
{
    return ncc_const_copy(g, name, DT_F32, (struct shape){0}, &x);
}

/* ---- prelu: max(x, 0) + a min(x, 0) ---- */

static bool expand_prelu(struct graph *g, struct node *n)
{
    struct value *x = n->in[0];
    struct value *up = NCC_OP(g, OP_relu, ncc_name(g, n->name, "positive"), NULL, x);
    const struct clip_attrs below = {-INFINITY, 0};
    struct value *down = NCC_OP(g, OP_clip, ncc_name(g, n->name, "negative"), &below, x);
    down = NCC_OP(g, OP_mul, ncc_name(g, n->name, "slope"), NULL, down, n->in[1]);
    ncc_k210_replace(g, n, NCC_OP(g, OP_add, n->name, NULL, up, down));
    return true;
}

/* ---- split: slices ---- */

bool ncc_k210_split_to_slices(struct graph *g, struct node *n)
{
    const struct split_attrs *a = n->attrs;
    const struct shape *s = &n->in[0]->shape;
    struct slice_attrs part = {.begin = {.n = s->rank}, .size = {.n = s->rank}, .stride = {.n = s->rank}};
    for (int i = 0; i < s->rank; i++) {
        part.size.v[i] = s->dim[i];
        part.stride.v[i] = 1;
    }
    for (int i = 0; i < n->n_out; i++) {
        part.size.v[a->axis] = a->sizes.v[i];
        struct value *y = NCC_OP(g, OP_slice, n->out[i]->name, &part, n->in[0]);
        y->def->origin = n->origin;
        y->range = n->out[i]->range;
        ncc_value_replace(g, n->out[i], y);
        part.begin.v[a->axis] += a->sizes.v[i];
    }
    return true;
}

/* ---- (a - b)^2, x^e ---- */

static bool expand_squared_difference(struct graph *g, struct node *n)
{
    struct value *d = NCC_OP(g, OP_sub, ncc_name(g, n->name, "difference"), NULL, n->in[0], n->in[1]);
    ncc_k210_replace(g, n, NCC_OP(g, OP_square, n->name, NULL, d));
    return true;
}

/* x^k for k >= 1, by squaring. */
static struct value *whole_power(struct graph *g, const struct node *n, struct value *x, int k)
{
    struct value *y = NULL;
    for (; k > 0; k /= 2) {
        if (k % 2)
            y = y ? NCC_OP(g, OP_mul, ncc_name(g, n->name, "product"), NULL, y, x) : x;
        if (k > 1)
            x = NCC_OP(g, OP_square, ncc_name(g, n->name, "square"), NULL, x);
    }
    return y;
}

/* By a constant e. For e that are not whole, x must not be negative, neither here nor there: both are NaN. */
static bool expand_pow(struct graph *g, struct node *n)
{
    enum { MOST = 64 };
    struct value *x = n->in[0], *y;
    if (ncc_is_const(x) || !ncc_is_const(n->in[1]) || ncc_shape_count(n->in[1]->shape) != 1)
        return false;
    const float e = *(const float *)n->in[1]->data;
    if (!isfinite(e) || e == 0)
        return false;
    if (e == 0.5f || e == -0.5f) {
        y = NCC_OP(g, e > 0 ? OP_sqrt : OP_rsqrt, n->name, NULL, x);
    } else if (fabsf(e) <= MOST && e == rintf(e)) {
        y = whole_power(g, n, x, (int)fabsf(e));
        y = e > 0 ? y : NCC_OP(g, OP_div, n->name, NULL, scalar(g, ncc_name(g, n->name, "one"), 1), y);
    } else {
        y = NCC_OP(g, OP_log, ncc_name(g, n->name, "log"), NULL, x);
        y = NCC_OP(g, OP_mul, ncc_name(g, n->name, "times"), NULL, y, scalar(g, ncc_name(g, n->name, "exponent"), e));
        y = NCC_OP(g, OP_exp, n->name, NULL, y);
    }
    ncc_k210_replace(g, n, ncc_k210_reshaped(g, n, y, n->out[0]->shape));
    return true;
}

/* ---- softmax and l2_normalize over any axis ---- */

static bool expand_softmax(struct graph *g, struct node *n)
{
    const struct softmax_attrs *a = n->attrs;
    const int rank = n->in[0]->shape.rank;
    if (a->axis == rank - 1)
        return false;
    struct transpose_attrs t = {.perm = {.n = rank}};
    for (int i = 0; i < rank; i++)
        t.perm.v[i] = i == a->axis ? rank - 1 : i == rank - 1 ? a->axis : i;
    const struct softmax_attrs last = {rank - 1, a->beta};
    struct value *x = NCC_OP(g, OP_transpose, ncc_name(g, n->name, "rows"), &t, n->in[0]);
    x = NCC_OP(g, OP_softmax, n->name, &last, x);
    ncc_k210_replace(g, n, NCC_OP(g, OP_transpose, ncc_name(g, n->name, "back"), &t, x));
    return true;
}

static bool expand_l2_normalize(struct graph *g, struct node *n)
{
    const struct l2_normalize_attrs *a = n->attrs;
    const struct reduce_attrs r = {.kind = REDUCE_SUM, .axes = {1, {a->axis}}, .keep_dims = true};
    struct value *s = NCC_OP(g, OP_square, ncc_name(g, n->name, "squares"), NULL, n->in[0]);
    s = NCC_OP(g, OP_reduce, ncc_name(g, n->name, "sum"), &r, s);
    s = NCC_OP(g, OP_maximum, ncc_name(g, n->name, "floor"), NULL, s, scalar(g, ncc_name(g, n->name, "eps"), a->eps));
    s = NCC_OP(g, OP_rsqrt, ncc_name(g, n->name, "rsqrt"), NULL, s);
    ncc_k210_replace(g, n, NCC_OP(g, OP_mul, n->name, NULL, n->in[0], s));
    return true;
}

/* ---- means that count the padding ---- */

static bool expand_padded_mean(struct graph *g, struct node *n)
{
    struct pool_attrs a = *(const struct pool_attrs *)n->attrs;
    if (!a.count_pad || !(a.pad_top || a.pad_left || a.pad_bottom || a.pad_right))
        return false;
    const struct pad_attrs p = {.before = {4, {0, 0, a.pad_top, a.pad_left}},
                                .after = {4, {0, 0, a.pad_bottom, a.pad_right}}};
    struct value *x = NCC_OP(g, OP_pad, ncc_name(g, n->name, "pad"), &p, n->in[0]);
    a.pad_top = a.pad_left = a.pad_bottom = a.pad_right = 0;
    a.count_pad = false;
    ncc_k210_replace(g, n, NCC_OP(g, OP_avg_pool, n->name, &a, x));
    return true;
}

/* ---- a transposed convolution's bias, which the runtime's kernel drops ---- */

static bool split_transposed_bias(struct graph *g, struct node *n)
{
    if (n->n_in < 3 || !n->in[2])
        return false;
    const int c = n->out[0]->shape.dim[1];
    struct value *bias = ncc_const(g, n->in[2]->name, DT_F32, ncc_shape_4(1, c, 1, 1), n->in[2]->data);
    struct value *y = NCC_OP(g, OP_conv2d_transpose, ncc_name(g, n->name, "product"), n->attrs, n->in[0], n->in[1]);
    ncc_k210_replace(g, n, NCC_OP(g, OP_add, n->name, NULL, y, bias));
    return true;
}

/* ---- resizing that the runtime's kernel does not know: two matrix products ---- */

/* The matrix [from][to] of one direction, found by resizing unit vectors with the operator's own definition. */
static struct value *resize_matrix(struct graph *g, const struct node *n, int from, int to)
{
    const struct resize_attrs *a = n->attrs;
    const struct resize_attrs line = {a->mode, 1, to, a->align_corners, a->half_pixel};
    struct tensor x = {DT_F32, ncc_shape_4(1, from, 1, from), NCC_NEW(g->arena, float, (size_t)from *from)};
    struct tensor y = {DT_F32, ncc_shape_4(1, from, 1, to), NCC_NEW(g->arena, float, (size_t)from *to)};
    for (int i = 0; i < from; i++)
        ((float *)x.data)[(size_t)i * from + i] = 1;
    struct value *unit = ncc_const(g, ncc_name(g, n->name, "unit"), DT_F32, x.shape, x.data);
    struct value *m = NCC_OP(g, OP_resize, ncc_name(g, n->name, "matrix"), &line, unit);
    ncc_eval_node(m->def, (const struct tensor *const[]){&x}, (struct tensor *const[]){&y}, EVAL_REFERENCE);
    return ncc_const(g, ncc_name(g, n->name, "weights"), DT_F32, ncc_shape_make(2, (const int[]){from, to}), y.data);
}

/* [1, C, H, W] times a [W, W'] matrix along the last dimension, and the last two dimensions swapped. */
static struct value *resize_last(struct graph *g, const struct node *n, struct value *x, int to)
{
    const int c = x->shape.dim[1], h = x->shape.dim[2], w = x->shape.dim[3];
    const struct reshape_attrs rows = {{2, {c * h, w}}}, map = {{4, {1, c, h, to}}};
    const struct transpose_attrs swap = {{4, {0, 1, 3, 2}}};
    struct value *y = NCC_OP(g, OP_reshape, ncc_name(g, n->name, "rows"), &rows, x);
    y = NCC_OP(g, OP_matmul, ncc_name(g, n->name, "line"), NULL, y, resize_matrix(g, n, w, to));
    y = NCC_OP(g, OP_reshape, ncc_name(g, n->name, "map"), &map, y);
    return NCC_OP(g, OP_transpose, ncc_name(g, n->name, "turn"), &swap, y);
}

/* By whole factors to the nearest pixel: nothing but copies. Columns by laying the map beside itself and exchanging the
 * two dimensions, rows by laying it beside itself: a third of what the firmware's kernel takes, which computes a place
 * for each pixel. */
static bool repeat_pixels(struct graph *g, struct node *n)
{
    const int *in = n->in[0]->shape.dim, *out = n->out[0]->shape.dim;
    if (!ncc_cost_resize_copies(n) || in[0] != 1 || ncc_is_const(n->in[0]))
        return false;
    const int columns = out[3] / in[3], rows = out[2] / in[2];
    struct value *x = n->in[0], *same[16];
    if (columns > 1) {
        const struct reshape_attrs line = {{2, {1, in[1] * in[2] * in[3]}}};
        const struct concat_attrs below = {0};
        const struct transpose_attrs turn = {{2, {1, 0}}};
        x = NCC_OP(g, OP_reshape, ncc_name(g, n->name, "line"), &line, x);
        for (int i = 0; i < columns; i++)
            same[i] = x;
        x = ncc_op(g, OP_concat, ncc_name(g, n->name, "again"), &below, same, columns);
        x = NCC_OP(g, OP_transpose, ncc_name(g, n->name, "columns"), &turn, x);
    }
    const struct reshape_attrs lines = {{2, {in[1] * in[2], out[3]}}}, map = {{4, {1, in[1], out[2], out[3]}}};
    const struct concat_attrs beside = {1};
    x = NCC_OP(g, OP_reshape, ncc_name(g, n->name, "lines"), &lines, x);
    for (int i = 0; i < rows; i++)
        same[i] = x;
    if (rows > 1)
        x = ncc_op(g, OP_concat, ncc_name(g, n->name, "rows"), &beside, same, rows);
    ncc_k210_replace(g, n, NCC_OP(g, OP_reshape, n->name, &map, x));
    return true;
}

static bool expand_resize(struct graph *g, struct node *n)
{
    enum { MOST = 2048 }; /* pixels: the matrices have as many rows */
    const struct resize_attrs *a = n->attrs;
    const int *x = n->in[0]->shape.dim;
    if (x[2] > MOST || x[3] > MOST || a->out_h > MOST || a->out_w > MOST)
        return false;
    if (ncc_is_const(n->in[0]) || (!a->half_pixel && !(a->align_corners && a->mode == RESIZE_NEAREST)))
        return false;
    struct value *y = resize_last(g, n, n->in[0], a->out_w);
    ncc_k210_replace(g, n, resize_last(g, n, y, a->out_h));
    return true;
}

/* ---- transposes of more than four dimensions: runs of axes that stay together count as one ---- */

static bool merge_axes(struct graph *g, struct node *n)
{
    const struct transpose_attrs *a = n->attrs;
    const struct shape *x = &n->in[0]->shape;
    if (x->rank <= 4)
        return false;
    int axis_of[NCC_MAX_RANK], n_runs = 0, first[NCC_MAX_RANK]; /* runs in the order of the output */
    struct reshape_attrs merged = {{0, {0}}}, back = {{x->rank, {0}}};
    for (int i = 0; i < a->perm.n; i++) {
        back.shape.v[i] = x->dim[a->perm.v[i]];
        const bool unit = x->dim[a->perm.v[i]] == 1;
        if (unit || (n_runs && a->perm.v[i] == axis_of[n_runs - 1] + 1)) {
            axis_of[n_runs ? n_runs - 1 : 0] = unit ? axis_of[n_runs ? n_runs - 1 : 0] : a->perm.v[i];
            continue;
        }
        first[n_runs] = a->perm.v[i];
        axis_of[n_runs++] = a->perm.v[i];
    }
    if (n_runs < 1 || n_runs > 4)
        return false;
    struct transpose_attrs t = {{n_runs, {0}}};
    for (int i = 0; i < n_runs; i++)
        for (int k = 0; k < n_runs; k++)
            t.perm.v[i] += first[k] < first[i];
    merged.shape.n = n_runs;
    for (int i = 0; i < n_runs; i++) {
        merged.shape.v[t.perm.v[i]] = 1;
        for (int d = first[i]; d <= axis_of[i]; d++)
            merged.shape.v[t.perm.v[i]] *= x->dim[d];
    }
    struct value *y = NCC_OP(g, OP_reshape, ncc_name(g, n->name, "merged"), &merged, n->in[0]);
    y = NCC_OP(g, OP_transpose, n->name, &t, y);
    ncc_k210_replace(g, n, NCC_OP(g, OP_reshape, ncc_name(g, n->name, "shape"), &back, y));
    return true;
}

/* ---- blocks of pixels: [rows, columns, C * H, W] <-> [C * H, rows, W, columns] ---- */

static struct value *reshaped(struct graph *g, const struct node *n, struct value *x, int a, int b, int c, int d)
{
    return ncc_k210_reshaped(g, n, x, ncc_shape_4(a, b, c, d));
}

static bool expand_depth_to_space(struct graph *g, struct node *n)
{
    const struct depth_to_space_attrs *a = n->attrs;
    const int *y = n->out[0]->shape.dim, b = a->block, c = y[1], h = y[2] / b, w = y[3] / b;
    if (y[0] != 1)
        return false;
    const struct transpose_attrs phase_first = {{4, {0, 2, 1, 3}}}, spread = {{4, {2, 0, 3, 1}}};
    struct value *x = n->in[0];
    if (a->crd)
        x = NCC_OP(g, OP_transpose, ncc_name(g, n->name, "phases"), &phase_first,
                   reshaped(g, n, x, 1, c, b * b, h * w));
    x = NCC_OP(g, OP_transpose, n->name, &spread, reshaped(g, n, x, b, b, c * h, w));
    ncc_k210_replace(g, n, reshaped(g, n, x, 1, c, h * b, w * b));
    return true;
}

static bool expand_space_to_depth(struct graph *g, struct node *n)
{
    const int b = ((const struct space_to_depth_attrs *)n->attrs)->block;
    const int *x = n->in[0]->shape.dim, c = x[1], h = x[2] / b, w = x[3] / b;
    if (x[0] != 1)
        return false;
    const struct transpose_attrs gather = {{4, {1, 3, 0, 2}}};
    struct value *y = NCC_OP(g, OP_transpose, n->name, &gather, reshaped(g, n, n->in[0], c * h, b, w, b));
    ncc_k210_replace(g, n, reshaped(g, n, y, 1, c * b * b, h, w));
    return true;
}

static const struct rewrite rewrites[] = {
    {"depth to space", OP_depth_to_space, expand_depth_to_space},
    {"space to depth", OP_space_to_depth, expand_space_to_depth},
    {"transpose of many axes", OP_transpose, merge_axes},
    {"prelu", OP_prelu, expand_prelu},
    {"split", OP_split, ncc_k210_split_to_slices},
    {"squared difference", OP_squared_difference, expand_squared_difference},
    {"power", OP_pow, expand_pow},
    {"softmax axis", OP_softmax, expand_softmax},
    {"l2 normalise", OP_l2_normalize, expand_l2_normalize},
    {"padded mean", OP_avg_pool, expand_padded_mean},
    {"transposed bias", OP_conv2d_transpose, split_transposed_bias},
    {"resize by copies", OP_resize, repeat_pixels},
    {"resize", OP_resize, expand_resize},
};

bool ncc_k210_cpu_forms(struct graph *g)
{
    return ncc_rewrite_run(g, ncc_k210_computations, ncc_k210_n_computations) &&
           ncc_rewrite_run(g, ncc_k210_moves, ncc_k210_n_moves) &&
           ncc_rewrite_run(g, rewrites, sizeof rewrites / sizeof rewrites[0]) &&
           ncc_rewrite_run(g, ncc_k210_turned, ncc_k210_n_turned);
}
