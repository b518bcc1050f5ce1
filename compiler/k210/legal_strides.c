/* Strides that no pick of the KPU has: the largest that it has and that divides them, then every so many-th pixel of that.
 *
 *     stride 6x6 = pick of 2, then a slice with stride 3        2x1 = a slice alone; or, where one row comes out, 1x1
 *
 * The slice is a CPU step, so the estimate decides against leaving the convolution to the CPU.
 */
#include "compiler/k210/legalise.h"
#include "compiler/pass/match.h"

/* A stride in a direction with one output means nothing: it is taken to be that of the other. */
bool ncc_legal_single_output(struct graph *g, struct node *n)
{
    struct conv2d_attrs a = *(const struct conv2d_attrs *)n->attrs;
    const int h = n->out[0]->shape.dim[2], w = n->out[0]->shape.dim[3];
    const int sh = h == 1 ? w == 1 ? 1 : a.stride_w : a.stride_h, sw = w == 1 ? h == 1 ? 1 : a.stride_h : a.stride_w;
    if (sh == a.stride_h && sw == a.stride_w)
        return false;
    /* The pads behind must not let a second output in. */
    const struct shape *x = &n->in[0]->shape, *k = &n->in[1]->shape;
    a.pad_bottom = h == 1 ? (k->dim[2] - 1) * a.dil_h + 1 - x->dim[2] - a.pad_top : a.pad_bottom;
    a.pad_right = w == 1 ? (k->dim[3] - 1) * a.dil_w + 1 - x->dim[3] - a.pad_left : a.pad_right;
    if (a.pad_bottom < 0 || a.pad_right < 0)
        return false;
    a.stride_h = sh;
    a.stride_w = sw;
    struct node *again = ncc_node_new(g, OP_conv2d, n->name, &a, n->in, n->n_in);
    return again && ncc_match_become(g, n, again->out[0], NULL);
}

static int pick_of(const struct conv2d_attrs *a)
{
    for (int pick = 4; pick > 1; pick /= 2)
        if (a->stride_h % pick == 0 && a->stride_w % pick == 0)
            return pick;
    return 1;
}

static struct value *as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, x[0]);
}

/* The convolution with the pick's stride. */
static struct value *dense(struct graph *g, const struct node *n, struct value *x)
{
    struct conv2d_attrs a = *(const struct conv2d_attrs *)n->attrs;
    a.stride_h = a.stride_w = pick_of(&a);
    struct value *y = NCC_OP(g, OP_conv2d, ncc_name(g, n->name, "all"), &a, x, ncc_legal_const(g, n->in[1]),
                             ncc_legal_const(g, n->n_in > 2 ? n->in[2] : NULL));
    y->def->origin = n->origin ? n->origin : n->name;
    return y;
}

static struct value *every(struct graph *g, const struct node *n, struct value *x)
{
    const struct conv2d_attrs *a = n->attrs;
    const struct shape *y = &n->out[0]->shape;
    const int pick = pick_of(a);
    const struct slice_attrs s = {.begin = {4, {0}},
                                  .size = {4, {1, y->dim[1], y->dim[2], y->dim[3]}},
                                  .stride = {4, {1, 1, a->stride_h / pick, a->stride_w / pick}}};
    return NCC_OP(g, OP_slice, ncc_name(g, n->name, "every"), &s, x);
}

static struct value *with_slice(struct graph *g, const struct node *n, struct value *const *x)
{
    return every(g, n, dense(g, n, x[0]));
}

bool ncc_legal_stride(const struct legaliser *l, struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    const int pick = pick_of(a);
    if ((a->stride_h == pick && a->stride_w == pick) || !ncc_match_is_layer(n) || n->in[0]->shape.dim[0] != 1 ||
        ncc_legal_us(l, n, n->in, 1, with_slice) >= ncc_legal_us(l, n, n->in, 1, as_is))
        return false;
    struct unaries u;
    struct value *end = ncc_legal_unaries(l->g, n->out[0], &u);
    struct value *y = every(l->g, n, ncc_legal_apply(l->g, &u, dense(l->g, n, n->in[0])));
    return ncc_match_become(l->g, end->def, y, end->def == n ? NULL : n);
}
