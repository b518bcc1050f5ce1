/* Strides that no pick of the KPU has: the largest that it has and that divides them, then every so many-th pixel of that.
 *
 *     stride 6x6 = pick of 2, then a slice with stride 3        2x1 = a slice alone; or, where one row comes out, 1x1
 *
 * For convolutions and pools alike. The slice is layers that move codes (thin.h) or a CPU step, or one in one direction and the
 * other in the other, so the estimate decides, against leaving the node to the CPU too.
 */
#include "compiler/k210/legalise.h"
#include "compiler/k210/thin.h"
#include "compiler/pass/match.h"

/* One direction of a node with a stride. */
struct direction {
    int stride, before, after, extent; /* pads, and pixels under the kernel */
    int in, out;
};

static struct direction direction_of(const struct node *n, bool rows)
{
    const int axis = rows ? 2 : 3;
    struct direction d = {.in = n->in[0]->shape.dim[axis], .out = n->out[0]->shape.dim[axis]};
    if (n->op == OP_conv2d) {
        const struct conv2d_attrs *a = n->attrs;
        d.stride = rows ? a->stride_h : a->stride_w;
        d.before = rows ? a->pad_top : a->pad_left;
        d.after = rows ? a->pad_bottom : a->pad_right;
        d.extent = (n->in[1]->shape.dim[axis] - 1) * (rows ? a->dil_h : a->dil_w) + 1;
    } else {
        const struct pool_attrs *a = n->attrs;
        d.stride = rows ? a->stride_h : a->stride_w;
        d.before = rows ? a->pad_top : a->pad_left;
        d.after = rows ? a->pad_bottom : a->pad_right;
        d.extent = rows ? a->kernel_h : a->kernel_w;
    }
    return d;
}

/* n's operator and constants on x with other strides and pads behind. */
static struct value *with_directions(struct graph *g, const struct node *n, const char *name, struct value *x,
                                     const struct direction *rows, const struct direction *cols)
{
    struct value *in[3] = {x};
    for (int i = 1; i < n->n_in; i++)
        in[i] = ncc_legal_const(g, n->in[i]);
    if (n->op == OP_conv2d) {
        struct conv2d_attrs a = *(const struct conv2d_attrs *)n->attrs;
        a.stride_h = rows->stride;
        a.stride_w = cols->stride;
        a.pad_bottom = rows->after;
        a.pad_right = cols->after;
        return ncc_op(g, n->op, name, &a, in, n->n_in);
    }
    struct pool_attrs a = *(const struct pool_attrs *)n->attrs;
    a.stride_h = rows->stride;
    a.stride_w = cols->stride;
    a.pad_bottom = rows->after;
    a.pad_right = cols->after;
    return ncc_op(g, n->op, name, &a, in, n->n_in);
}

/* Another stride, and as much of the pad behind as `out` outputs need. */
static struct direction at_stride(struct direction d, int stride, int out)
{
    const int after = (out - 1) * stride + d.extent - d.in - d.before;
    d.stride = stride;
    d.after = after > 0 ? after : 0;
    return d;
}

/* A stride in a direction with one output means nothing: it is taken to be that of the other. */
bool ncc_legal_single_output(struct graph *g, struct node *n)
{
    const struct direction row = direction_of(n, true), col = direction_of(n, false);
    const int h = row.out, w = col.out;
    const int sh = h == 1 ? w == 1 ? 1 : col.stride : row.stride, sw = w == 1 ? h == 1 ? 1 : row.stride : col.stride;
    if (sh == row.stride && sw == col.stride)
        return false;
    /* The pads behind must not let a second output in. */
    const struct direction rows = h == 1 ? at_stride(row, sh, 1) : row, cols = w == 1 ? at_stride(col, sw, 1) : col;
    if ((rows.in + rows.before + rows.after - rows.extent) / rows.stride + 1 != h ||
        (cols.in + cols.before + cols.after - cols.extent) / cols.stride + 1 != w)
        return false;
    struct value *y = with_directions(g, n, n->name, n->in[0], &rows, &cols);
    return ncc_match_become(g, n, y, NULL);
}

/* Max pools have chains of picks. */
static int pick_of(const struct node *n)
{
    const int h = direction_of(n, true).stride, w = direction_of(n, false).stride;
    for (int pick = n->op == OP_max_pool ? 8 : 4; pick > 1; pick /= 2)
        if (h % pick == 0 && w % pick == 0)
            return pick;
    return 1;
}

static struct value *as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, x[0]);
}

/* The node with the pick's stride. */
static struct value *dense(struct graph *g, const struct node *n, struct value *x)
{
    const struct direction row = direction_of(n, true), col = direction_of(n, false);
    const int pick = pick_of(n);
    const struct direction rows = at_stride(row, pick, (row.out - 1) * (row.stride / pick) + 1);
    const struct direction cols = at_stride(col, pick, (col.out - 1) * (col.stride / pick) + 1);
    struct value *y = with_directions(g, n, ncc_name(g, n->name, "all"), x, &rows, &cols);
    if (y)
        y->def->origin = n->origin ? n->origin : n->name;
    return y;
}

/* Every so many-th row and column of x: a slice, or none. */
static struct value *every(struct graph *g, const char *name, struct value *x, int rows, int cols)
{
    const int *d = x->shape.dim;
    const struct slice_attrs s = {.begin = {4, {0}},
                                  .size = {4, {1, d[1], (d[2] - 1) / rows + 1, (d[3] - 1) / cols + 1}},
                                  .stride = {4, {1, 1, rows, cols}}};
    return rows == 1 && cols == 1 ? x : NCC_OP(g, OP_slice, ncc_name(g, name, "every"), &s, x);
}

/* In one slice, or the direction that the KPU can do first. */
enum slices { AT_ONCE, ONE_BY_ONE };

static struct value *thinned(struct graph *g, const struct node *n, struct value *x, enum slices how)
{
    const int pick = pick_of(n), rows = direction_of(n, true).stride / pick, cols = direction_of(n, false).stride / pick;
    if (how == AT_ONCE)
        return every(g, n->name, x, rows, cols);
    const bool rows_first = ncc_lower_thins(x->shape.dim[3], rows, 1);
    x = every(g, n->name, x, rows_first ? rows : 1, rows_first ? 1 : cols);
    return every(g, n->name, x, rows_first ? 1 : rows, rows_first ? cols : 1);
}

static struct value *with_slice(struct graph *g, const struct node *n, struct value *const *x)
{
    struct value *y = dense(g, n, x[0]);
    return y ? thinned(g, n, y, AT_ONCE) : NULL;
}

static struct value *with_slices(struct graph *g, const struct node *n, struct value *const *x)
{
    struct value *y = dense(g, n, x[0]);
    return y ? thinned(g, n, y, ONE_BY_ONE) : NULL;
}

bool ncc_legal_has_odd_stride(const struct node *n)
{
    if (n->op != OP_conv2d && n->op != OP_max_pool && n->op != OP_avg_pool)
        return false;
    const int pick = pick_of(n);
    return (direction_of(n, true).stride != pick || direction_of(n, false).stride != pick) &&
           (n->op != OP_conv2d || ncc_match_is_layer(n)) && n->in[0]->shape.dim[0] == 1;
}

static struct value *split_stride(struct graph *g, struct node *n, enum slices how)
{
    struct unaries u;
    struct value *end = ncc_legal_unaries(g, n->out[0], &u), *all = dense(g, n, n->in[0]);
    struct value *y = all ? thinned(g, n, ncc_legal_apply(g, &u, all), how) : NULL;
    return ncc_match_become(g, end->def, y, end->def == n ? NULL : n) ? y : NULL;
}

struct value *ncc_legal_split_stride(struct graph *g, struct node *n)
{
    return split_stride(g, n, AT_ONCE);
}

bool ncc_legal_stride(const struct legaliser *l, struct node *n)
{
    if (!ncc_legal_has_odd_stride(n))
        return false;
    const double as_it_is = ncc_legal_us(l, n, n->in, 1, as_is), at_once = ncc_legal_us(l, n, n->in, 1, with_slice),
                 one_by_one = ncc_legal_us(l, n, n->in, 1, with_slices);
    const enum slices how = one_by_one < at_once ? ONE_BY_ONE : AT_ONCE;
    return (how == ONE_BY_ONE ? one_by_one : at_once) < as_it_is && split_stride(l->g, n, how) != NULL;
}
