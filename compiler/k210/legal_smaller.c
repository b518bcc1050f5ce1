/* Resizing to a whole fraction: every s-th pixel, or the mean of two that are neighbours, which are pools.
 *
 *     output o stands at pixel s o + r        r whole: the pixel itself          r = 1/2 more: the mean of it and the
 * next
 *
 *     halves, centres alike    r = 1/2: average pool 2x2 s2          thirds, centres alike    r = 1: every third from
 * the second on quarters                 r = 3/2: 2x2 s4 from the second on    corners, nearest         r = 0: every
 * s-th
 *
 * Exact. By estimate. Rows and columns may have different s and r.
 */
#include "compiler/k210/legalise.h"
#include "compiler/ops/resize.h"
#include "compiler/pass/match.h"

#include <math.h>

/* One direction. */
struct thinning {
    int stride, first, n; /* n: 1 or 2 pixels, from `first` on */
    int end;              /* of the pixels that are read */
};

static double place(const struct resize_attrs *a, int in, int out, int o)
{
    if (a->mode == RESIZE_NEAREST)
        return ncc_resize_nearest(a, in, out, o);
    const struct resize_between b = ncc_resize_between(a, in, out, o);
    return b.first + (double)b.part * (b.second - b.first);
}

static bool is_thinned(const struct resize_attrs *a, int in, int out, struct thinning *t)
{
    const double first = place(a, in, out, 0), step = out > 1 ? place(a, in, out, 1) - first : 1;
    t->stride = (int)rint(step);
    t->first = (int)floor(first + 1e-6);
    t->n = first - t->first > 1e-6 ? 2 : 1;
    t->end = t->first + (out - 1) * t->stride + t->n;
    bool good = t->stride >= 1 && t->end <= in && (t->n == 1 || fabs(first - t->first - 0.5) < 1e-6);
    for (int o = 0; o < out && good; o++)
        good = fabs(place(a, in, out, o) - first - (double)o * t->stride) < 1e-6;
    return good;
}

/* Would a pool begin elsewhere, or give more? */
static bool is_part(const struct thinning *t, int in)
{
    return t->first > 0 || in - t->end >= t->stride;
}

static struct value *neighbourhood(struct graph *g, const struct node *n, struct value *x, const struct thinning *row,
                                   const struct thinning *col)
{
    const int *d = x->shape.dim;
    if (!is_part(row, d[2]) && !is_part(col, d[3]))
        return x;
    const struct slice_attrs s = {.begin = {4, {0, 0, row->first, col->first}},
                                  .size = {4, {d[0], d[1], row->end - row->first, col->end - col->first}},
                                  .stride = {4, {1, 1, 1, 1}}};
    return NCC_OP(g, OP_slice, ncc_name(g, n->name, "part"), &s, x);
}

static struct value *as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, x[0]);
}

static struct value *as_pool(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct resize_attrs *a = n->attrs;
    const int *d = x[0]->shape.dim;
    struct thinning row, col;
    if (!is_thinned(a, d[2], a->out_h, &row) || !is_thinned(a, d[3], a->out_w, &col))
        return NULL;
    if (a->out_h == 1) /* the stride of a single output means nothing */
        row.stride = col.stride;
    if (a->out_w == 1)
        col.stride = row.stride;
    const struct pool_attrs p = {.kernel_h = row.n, .kernel_w = col.n, .stride_h = row.stride, .stride_w = col.stride};
    struct value *y = neighbourhood(g, n, x[0], &row, &col);
    y = row.n * col.n == 1 ? NCC_OP(g, OP_max_pool, n->name, &p, y) : NCC_OP(g, OP_avg_pool, n->name, &p, y);
    return y->shape.dim[2] == a->out_h && y->shape.dim[3] == a->out_w ? y : NULL;
}

bool ncc_legal_smaller(const struct legaliser *l, struct node *n)
{
    const struct resize_attrs *a = n->attrs;
    struct value *x = n->in[0];
    const int *d = x->shape.dim;
    const bool smaller = a->out_h <= d[2] && a->out_w <= d[3] && a->out_h * a->out_w < d[2] * d[3];
    if (!smaller || d[0] != 1 || x->dtype != DT_F32 || x->data ||
        ncc_legal_us(l, n, &x, 1, as_pool) >= ncc_legal_us(l, n, &x, 1, as_is))
        return false;
    return ncc_match_become(l->g, n, as_pool(l->g, n, &x), NULL);
}
