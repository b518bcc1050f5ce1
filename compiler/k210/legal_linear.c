/* Convolutions with nothing but arithmetic between them: two become one where that is cheaper, and the halves of a PReLU
 * are put together again by the weights of whatever linear layer reads them.
 *
 *     W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2)             one of the kernels is 1x1
 *     Wa a + Wb b         = [Wa Wb] [a; b]                       a sum of two convolutions is one of both inputs
 *     prelu(W x + b)      = [I, -slope] relu([W; -W] x + [b; -b])
 */
#include "compiler/k210/legalise.h"
#include "compiler/pass/match.h"

#include <math.h>
#include <string.h>

/* ---- a convolution as numbers ---- */

struct linear {
    struct conv2d_attrs a; /* groups 1: weights are dense */
    int out_c, in_c, kh, kw;
    const float *w; /* [out_c][in_c][kh][kw] */
    const float *b; /* [out_c] */
};

static size_t n_weights(const struct linear *l)
{
    return (size_t)l->out_c * (size_t)l->in_c * (size_t)(l->kh * l->kw);
}

static struct linear linear_of(struct graph *g, const struct node *n)
{
    struct linear l = {.a = *(const struct conv2d_attrs *)n->attrs};
    const struct shape *w = &n->in[1]->shape;
    l.out_c = w->dim[0];
    l.in_c = n->in[0]->shape.dim[1];
    l.kh = w->dim[2];
    l.kw = w->dim[3];
    l.w = n->in[1]->data;
    l.b = n->n_in > 2 && n->in[2] ? n->in[2]->data : NCC_NEW(g->arena, float, l.out_c);
    if (l.a.groups == 1)
        return l;
    const size_t taps = (size_t)(l.kh * l.kw), in_g = (size_t)w->dim[1], out_g = (size_t)(l.out_c / l.a.groups);
    float *dense = NCC_NEW(g->arena, float, n_weights(&l));
    for (size_t o = 0; o < (size_t)l.out_c; o++)
        memcpy(dense + (o * (size_t)l.in_c + o / out_g * in_g) * taps, l.w + o * in_g * taps, in_g * taps * sizeof *l.w);
    l.w = dense;
    l.a.groups = 1;
    return l;
}

static struct value *linear_node(struct graph *g, const struct node *like, const char *suffix, const struct linear *l,
                                 struct value *x)
{
    const char *name = suffix ? ncc_name(g, like->name, suffix) : like->name;
    struct value *w = ncc_const(g, ncc_name(g, name, "w"), DT_F32, ncc_shape_4(l->out_c, l->in_c, l->kh, l->kw), l->w);
    struct value *b = ncc_const(g, ncc_name(g, name, "b"), DT_F32, ncc_shape_make(1, &l->out_c), l->b);
    struct value *y = NCC_OP(g, OP_conv2d, name, &l->a, x, w, b);
    if (y)
        y->def->origin = like->origin ? like->origin : like->name;
    return y;
}

/* A convolution with constant weights that only `reader` reads. */
static struct node *only_conv(const struct graph *g, const struct value *v)
{
    struct node *n = ncc_match_only(g, v, OP_conv2d);
    return n && !n->barred && ncc_match_is_layer(n) && n->in[0]->shape.dim[0] == 1 ? n : NULL;
}

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

/* ---- two in a row ---- */

/* second(first(x)), one of them 1x1. */
static struct linear composed(struct graph *g, const struct linear *first, const struct linear *second)
{
    const struct linear *k = first->kh * first->kw > 1 ? first : second; /* the one with the taps */
    struct linear l = *k;
    const size_t taps = (size_t)(k->kh * k->kw), t1 = (size_t)(first->kh * first->kw),
                 t2 = (size_t)(second->kh * second->kw), n_mid = (size_t)first->out_c;
    l.out_c = second->out_c;
    l.in_c = first->in_c;
    l.a.stride_h = first->a.stride_h * second->a.stride_h;
    l.a.stride_w = first->a.stride_w * second->a.stride_w;
    float *w = NCC_NEW(g->arena, float, n_weights(&l)), *b = NCC_NEW(g->arena, float, l.out_c);
    double *sum = NCC_NEW(g->arena, double, (size_t)l.in_c *taps);
    for (size_t o = 0; o < (size_t)l.out_c; o++) {
        double bias = second->b[o];
        memset(sum, 0, (size_t)l.in_c * taps * sizeof *sum);
        for (size_t m = 0; m < n_mid; m++)
            for (size_t t = 0; t < t2; t++) {
                const double factor = second->w[(o * n_mid + m) * t2 + t];
                bias += factor * first->b[m];
                for (size_t i = 0; i < (size_t)l.in_c && factor != 0; i++)
                    for (size_t s = 0; s < t1; s++)
                        sum[i * taps + (t1 > 1 ? s : t)] += factor * first->w[(m * (size_t)l.in_c + i) * t1 + s];
            }
        b[o] = (float)bias;
        for (size_t i = 0; i < (size_t)l.in_c * taps; i++)
            w[o * (size_t)l.in_c * taps + i] = (float)sum[i];
    }
    l.w = w;
    l.b = b;
    return l;
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
    const struct linear l1 = linear_of(g, n->in[0]->def), l2 = linear_of(g, n);
    struct linear l = composed(g, &l1, &l2);
    if (!fit_pads(&l, &x[0]->shape, &n->out[0]->shape))
        return NULL;
    l.a.pad_bottom = l.a.pad_bottom < 0 ? 0 : l.a.pad_bottom;
    l.a.pad_right = l.a.pad_right < 0 ? 0 : l.a.pad_right;
    return linear_node(g, n, NULL, &l, x[0]);
}

static struct value *two_as_they_are(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct node *first = n->in[0]->def;
    struct value *m = NCC_OP(g, OP_conv2d, first->name, first->attrs, x[0], ncc_legal_const(g, first->in[1]),
                             ncc_legal_const(g, first->n_in > 2 ? first->in[2] : NULL));
    return NCC_OP(g, OP_conv2d, n->name, n->attrs, m, ncc_legal_const(g, n->in[1]),
                  ncc_legal_const(g, n->n_in > 2 ? n->in[2] : NULL));
}

bool ncc_legal_join_convs(const struct legaliser *l, struct node *n)
{
    const struct node *first = only_conv(l->g, n->in[0]);
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
    wide.w = NCC_NEW(g->arena, float, n_weights(&wide));
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
    float *w = NCC_NEW(g->arena, float, n_weights(&l)), *bias = NCC_NEW(g->arena, float, l.out_c);
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
    struct linear a = linear_of(g, na), b = linear_of(g, nb);
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
        const struct linear l = linear_of(g, n->in[i]->def);
        y[i] = linear_node(g, n->in[i]->def, NULL, &l, x[i]);
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
    return linear_node(g, n, NULL, &l, both);
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
    const struct node *a = only_conv(l->g, n->in[0]), *b = only_conv(l->g, n->in[1]);
    if (!a || !b || !ncc_shape_equal(n->in[0]->shape, n->in[1]->shape) || !may_be_added(a, b))
        return false;
    struct value *x[2] = {a->in[0], b->in[0]};
    if (ncc_legal_us(l, n, x, 2, sum_as_conv) >= ncc_legal_us(l, n, x, 2, sum_as_is))
        return false;
    return ncc_match_become(l->g, n, sum_as_conv(l->g, n, x), a);
}

/* ---- PReLU ---- */

static float slope_at(const struct node *prelu, int c)
{
    const float *s = prelu->in[1]->data;
    return ncc_shape_count(prelu->in[1]->shape) == 1 ? s[0] : s[c];
}

/* relu([W; -W] x + [b; -b]) */
static struct value *halves(struct graph *g, const struct node *conv, const struct node *prelu, struct value *x)
{
    struct linear l = linear_of(g, conv);
    const size_t n = n_weights(&l), c = (size_t)l.out_c;
    float *w = NCC_NEW(g->arena, float, 2 * n), *b = NCC_NEW(g->arena, float, 2 * c);
    for (size_t i = 0; i < 2 * n; i++)
        w[i] = i < n ? l.w[i] : -l.w[i - n];
    for (size_t i = 0; i < 2 * c; i++)
        b[i] = i < c ? l.b[i] : -l.b[i - c];
    l.w = w;
    l.b = b;
    l.out_c *= 2;
    struct value *h = linear_node(g, conv, "halves", &l, x);
    h = NCC_OP(g, OP_relu, ncc_name(g, prelu->name, "halves"), NULL, h);
    h->def->origin = prelu->origin ? prelu->origin : prelu->name;
    return h;
}

/* [I, -slope] */
static struct linear together(struct graph *g, const struct node *prelu)
{
    const int c = prelu->out[0]->shape.dim[1];
    struct linear l = {
        .a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1}, .out_c = c, .in_c = 2 * c, .kh = 1, .kw = 1};
    float *w = NCC_NEW(g->arena, float, n_weights(&l));
    for (int o = 0; o < c; o++) {
        w[(size_t)o * (size_t)(2 * c) + (size_t)o] = 1;
        w[(size_t)o * (size_t)(2 * c) + (size_t)(c + o)] = -slope_at(prelu, o);
    }
    l.w = w;
    l.b = NCC_NEW(g->arena, float, c);
    return l;
}

static struct value *again(struct graph *g, const struct node *n, struct value *x)
{
    return NCC_OP(g, n->op, n->name, n->attrs, x, ncc_legal_const(g, n->in[1]),
                  ncc_legal_const(g, n->n_in > 2 ? n->in[2] : NULL));
}

static struct value *prelu_again(struct graph *g, const struct node *n, struct value *x)
{
    return NCC_OP(g, OP_prelu, n->name, NULL, x, ncc_legal_const(g, n->in[1]));
}

static struct value *prelu_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return prelu_again(g, n, again(g, n->in[0]->def, x[0]));
}

static struct value *prelu_in_conv(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct linear l = together(g, n);
    return linear_node(g, n, NULL, &l, halves(g, n->in[0]->def, n, x[0]));
}

/* With the convolution that alone reads the PReLU. */
static struct value *next_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return again(g, n, prelu_as_is(g, n->in[0]->def, x));
}

static struct value *next_after_prelu_in_conv(struct graph *g, const struct node *n, struct value *const *x)
{
    return again(g, n, prelu_in_conv(g, n->in[0]->def, x));
}

static struct value *next_on_halves(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct node *prelu = n->in[0]->def;
    const struct linear first = together(g, prelu), second = linear_of(g, n), l = composed(g, &first, &second);
    return linear_node(g, n, NULL, &l, halves(g, prelu->in[0]->def, prelu, x[0]));
}

static struct node *prelu_behind_conv(const struct graph *g, const struct value *v)
{
    struct node *n = ncc_match_only(g, v, OP_prelu);
    const int c = n ? n->out[0]->shape.dim[1] : 0;
    if (!n || !ncc_match_floats(n->in[1]) || !only_conv(g, n->in[0]))
        return NULL;
    const int64_t slopes = ncc_shape_count(n->in[1]->shape);
    const struct conv2d_attrs *a = n->in[0]->def->attrs;
    return (slopes == 1 || (slopes == c && n->in[1]->shape.rank >= 3)) && a->groups == 1 ? n : NULL;
}

bool ncc_legal_conv_on_halves(const struct legaliser *l, struct node *n)
{
    const struct node *prelu = prelu_behind_conv(l->g, n->in[0]);
    if (!prelu || !ncc_match_is_layer(n) || ((const struct conv2d_attrs *)n->attrs)->groups != 1)
        return false;
    struct value *x = prelu->in[0]->def->in[0];
    const double us = ncc_legal_us(l, n, &x, 1, next_on_halves);
    if (us >= ncc_legal_us(l, n, &x, 1, next_as_is) || us >= ncc_legal_us(l, n, &x, 1, next_after_prelu_in_conv))
        return false;
    return ncc_match_become(l->g, n, next_on_halves(l->g, n, &x), NULL);
}

bool ncc_legal_prelu_in_conv(const struct legaliser *l, struct node *n)
{
    if (!ncc_match_floats(n->in[1]) || !only_conv(l->g, n->in[0]))
        return false;
    const int64_t slopes = ncc_shape_count(n->in[1]->shape);
    const struct node *conv = n->in[0]->def;
    if ((slopes != 1 && (slopes != n->out[0]->shape.dim[1] || n->in[1]->shape.rank < 3)) ||
        ((const struct conv2d_attrs *)conv->attrs)->groups != 1)
        return false;
    struct value *x = conv->in[0];
    if (ncc_legal_us(l, n, &x, 1, prelu_in_conv) >= ncc_legal_us(l, n, &x, 1, prelu_as_is))
        return false;
    return ncc_match_become(l->g, n, prelu_in_conv(l->g, n, &x), conv);
}
