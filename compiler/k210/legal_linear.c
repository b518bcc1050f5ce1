/* Convolutions with nothing but arithmetic between them: two become one where that is cheaper.
 *
 *     W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2)             one of the kernels is 1x1
 *     Wa a + Wb b         = [Wa Wb] [a; b]                       a sum of two convolutions is one of both inputs
 */
#include "compiler/k210/linear.h"
#include "compiler/pass/match.h"

#include <math.h>
#include <string.h>

/* ---- two in a row ---- */

static bool is_pointwise(const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    const struct shape *w = &n->in[1]->shape;
    return w->dim[2] == 1 && w->dim[3] == 1 && a->groups == 1 && !a->pad_top && !a->pad_left && !a->pad_bottom &&
           !a->pad_right;
}

static bool has_bias(const struct node *n)
{
    const float *b = n->n_in > 2 && n->in[2] ? n->in[2]->data : NULL;
    for (int i = 0; b && i < n->out[0]->shape.dim[1]; i++)
        if (b[i] != 0)
            return true;
    return false;
}

static bool has_pad(const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    return a->pad_top || a->pad_left || a->pad_bottom || a->pad_right;
}

/* Pads behind, so that as many outputs come as y has. False: the kernel would have to be cut. */
static bool fit_pads(struct linear *l, const struct shape *x, const struct shape *y)
{
    struct conv2d_attrs *a = &l->a;
    a->pad_bottom = (y->dim[2] - 1) * a->stride_h + (l->kh - 1) * a->dil_h + 1 - x->dim[2] - a->pad_top;
    a->pad_right = (y->dim[3] - 1) * a->stride_w + (l->kw - 1) * a->dil_w + 1 - x->dim[3] - a->pad_left;
    return a->pad_bottom > -a->stride_h && a->pad_right > -a->stride_w;
}

static struct value *as_one(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct linear l1 = ncc_linear_of(g, n->in[0]->def), l2 = ncc_linear_of(g, n);
    struct linear l = ncc_linear_composed(g, &l1, &l2);
    if (!fit_pads(&l, &x[0]->shape, &n->out[0]->shape))
        return NULL;
    l.a.pad_bottom = l.a.pad_bottom < 0 ? 0 : l.a.pad_bottom;
    l.a.pad_right = l.a.pad_right < 0 ? 0 : l.a.pad_right;
    return ncc_linear_node(g, n, NULL, &l, x[0]);
}

static struct value *two_as_they_are(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, ncc_legal_again(g, n->in[0]->def, x[0]));
}

bool ncc_legal_join_convs(const struct legaliser *l, struct node *n)
{
    const struct node *first = ncc_linear_only_conv(l->g, n->in[0]);
    if (!first || !ncc_match_is_layer(n) || ((const struct conv2d_attrs *)n->attrs)->groups != 1)
        return false;
    const struct conv2d_attrs *a = first->attrs;
    const struct shape *w1 = &first->in[1]->shape, *w2 = &n->in[1]->shape;
    const bool first_is_1x1 = is_pointwise(first) && a->stride_h == 1 && a->stride_w == 1;
    if (!is_pointwise(n) && !(first_is_1x1 && !(has_pad(n) && has_bias(first))))
        return false;
    struct value *x = first->in[0];
    const double us = ncc_legal_us(l, n, &x, 1, two_as_they_are);
    const double weights = (double)w1->dim[2] * w1->dim[3] * w2->dim[2] * w2->dim[3] * w2->dim[0] * x->shape.dim[1];
    if (weights * NCC_LEGAL_US_PER_WEIGHT >= us || ncc_legal_us(l, n, &x, 1, as_one) >= us)
        return false;
    return ncc_match_become(l->g, n, as_one(l->g, n, &x), first);
}

/* ---- sums ---- */

/* How far two kernels together reach around the pixel that both are about. */
static struct linear spread_to(struct graph *g, const struct linear *l, int top, int left, int kh, int kw)
{
    struct linear wide = *l;
    wide.kh = kh;
    wide.kw = kw;
    wide.a.pad_top = top;
    wide.a.pad_left = left;
    wide.w = NCC_NEW(g->arena, float, ncc_linear_n_weights(&wide));
    const int dy = top - l->a.pad_top, dx = left - l->a.pad_left;
    for (size_t p = 0; p < (size_t)l->out_c * (size_t)l->in_c; p++)
        for (int y = 0; y < l->kh; y++)
            memcpy((float *)wide.w + (p * (size_t)kh + (size_t)(y + dy)) * (size_t)kw + dx,
                   l->w + (p * (size_t)l->kh + (size_t)y) * (size_t)l->kw, (size_t)l->kw * sizeof *l->w);
    return wide;
}

static float largest(const struct linear *l, int o)
{
    const size_t n = (size_t)l->in_c * (size_t)(l->kh * l->kw);
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(l->w[(size_t)o * n + i]));
    return most;
}

/* An output channel has one scale for all its weights: where those of one side are much smaller, they lose codes. */
#define MAX_RATIO 4

static bool balanced(const struct linear *a, const struct linear *b)
{
    for (int o = 0; o < a->out_c; o++) {
        const float x = largest(a, o), y = largest(b, o);
        if (x > MAX_RATIO * y || y > MAX_RATIO * x)
            return false;
    }
    return true;
}

/* [a b], or a + b where both read the same. */
static struct linear side_by_side(struct graph *g, const struct linear *a, const struct linear *b, bool same, float sign)
{
    const size_t taps = (size_t)(a->kh * a->kw), na = (size_t)a->in_c * taps, nb = (size_t)b->in_c * taps;
    struct linear l = *a;
    l.in_c = same ? a->in_c : a->in_c + b->in_c;
    const size_t n = (size_t)l.in_c * taps;
    float *w = NCC_NEW(g->arena, float, ncc_linear_n_weights(&l)), *bias = NCC_NEW(g->arena, float, l.out_c);
    for (size_t o = 0; o < (size_t)l.out_c; o++) {
        memcpy(w + o * n, a->w + o * na, na * sizeof *w);
        for (size_t i = 0; i < nb; i++)
            w[o * n + (same ? 0 : na) + i] += sign * b->w[o * nb + i];
        bias[o] = a->b[o] + sign * b->b[o];
    }
    l.w = w;
    l.b = bias;
    return l;
}

static int more(int a, int b)
{
    return a > b ? a : b;
}

/* The convolution that means the sum, or nothing (out_c 0). */
static struct linear sum_of(struct graph *g, const struct node *n)
{
    const struct node *na = n->in[0]->def, *nb = n->in[1]->def;
    struct linear a = ncc_linear_of(g, na), b = ncc_linear_of(g, nb);
    const int top = more(a.a.pad_top, b.a.pad_top), left = more(a.a.pad_left, b.a.pad_left);
    const int below = more(a.kh - a.a.pad_top, b.kh - b.a.pad_top), right = more(a.kw - a.a.pad_left, b.kw - b.a.pad_left);
    a = spread_to(g, &a, top, left, top + below, left + right);
    b = spread_to(g, &b, top, left, top + below, left + right);
    struct linear l = side_by_side(g, &a, &b, na->in[0] == nb->in[0], n->op == OP_sub ? -1 : 1);
    if (!balanced(&a, &b) || !fit_pads(&l, &na->in[0]->shape, &n->out[0]->shape) || l.a.pad_bottom < 0 ||
        l.a.pad_right < 0)
        l.out_c = 0;
    return l;
}

static struct value *sum_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    struct value *y[2];
    for (int i = 0; i < 2; i++) {
        const struct linear l = ncc_linear_of(g, n->in[i]->def);
        y[i] = ncc_linear_node(g, n->in[i]->def, NULL, &l, x[i]);
    }
    return ncc_op(g, n->op, n->name, NULL, y, 2);
}

static struct value *sum_as_conv(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct linear l = sum_of(g, n);
    const struct concat_attrs channels = {1};
    if (!l.out_c)
        return NULL;
    struct value *both = x[0] == x[1] ? x[0] : NCC_OP(g, OP_concat, ncc_name(g, n->name, "both"), &channels, x[0], x[1]);
    return ncc_linear_node(g, n, NULL, &l, both);
}

static bool may_be_added(const struct node *a, const struct node *b)
{
    const struct conv2d_attrs *p = a->attrs, *q = b->attrs;
    return p->stride_h == q->stride_h && p->stride_w == q->stride_w && p->dil_h == 1 && p->dil_w == 1 &&
           q->dil_h == 1 && q->dil_w == 1 && p->groups == 1 && q->groups == 1 &&
           a->in[0]->shape.dim[2] == b->in[0]->shape.dim[2] && a->in[0]->shape.dim[3] == b->in[0]->shape.dim[3];
}

bool ncc_legal_add_convs(const struct legaliser *l, struct node *n)
{
    if (n->in[0] == n->in[1] || ncc_is_const(n->in[0]) || ncc_is_const(n->in[1]))
        return false;
    const struct node *a = ncc_linear_only_conv(l->g, n->in[0]), *b = ncc_linear_only_conv(l->g, n->in[1]);
    if (!a || !b || !ncc_shape_equal(n->in[0]->shape, n->in[1]->shape) || !may_be_added(a, b))
        return false;
    struct value *x[2] = {a->in[0], b->in[0]};
    if (ncc_legal_us(l, n, x, 2, sum_as_conv) >= ncc_legal_us(l, n, x, 2, sum_as_is))
        return false;
    return ncc_match_become(l->g, n, sum_as_conv(l->g, n, x), a);
}
