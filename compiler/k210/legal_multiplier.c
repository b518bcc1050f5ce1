/* Depthwise convolutions with several outputs for each channel: m depthwise convolutions, whose outputs lie in the
 * order (output, channel), and a 1x1 convolution that puts them in the order (channel, output). Unary functions go in
 * front of it; the convolution behind them then takes the order into its
 * own weights (legal_linear.c). */
#include "compiler/k210/legalise.h"
#include "compiler/pass/match.h"

#include <string.h>

static int multiplier_of(const struct node *n)
{
    const int groups = ((const struct conv2d_attrs *)n->attrs)->groups, c = n->in[0]->shape.dim[1];
    return groups > 1 && groups == c ? n->out[0]->shape.dim[1] / c : 1;
}

/* Every m-th row of v, from row i on. */
static struct value *every(struct graph *g, const struct value *v, int i, int m)
{
    struct shape s = v->shape;
    const size_t each = (size_t)(ncc_shape_count(s) / s.dim[0]);
    s.dim[0] /= m;
    float *to = NCC_NEW(g->arena, float, ncc_shape_count(s));
    for (size_t c = 0; c < (size_t)s.dim[0]; c++)
        memcpy(to + c * each, (const float *)v->data + (c * (size_t)m + (size_t)i) * each, each * sizeof *to);
    return ncc_const(g, v->name, DT_F32, s, to);
}

static struct value *in_order(struct graph *g, const struct node *n, struct value *x, int m)
{
    const int all = x->shape.dim[1], c = all / m;
    float *w = NCC_NEW(g->arena, float, (size_t)all *(size_t)all);
    for (int o = 0; o < all; o++)
        w[(size_t)o * (size_t)all + (size_t)(o % m * c + o / m)] = 1;
    const struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    return NCC_OP(g, OP_conv2d, ncc_name(g, n->name, "order"), &a, x,
                  ncc_const(g, ncc_name(g, n->name, "order"), DT_F32, ncc_shape_4(all, all, 1, 1), w), NULL);
}

/* In the order (output, channel). */
static struct value *apart(struct graph *g, const struct node *n, struct value *x, const struct unaries *u)
{
    const int m = multiplier_of(n);
    const struct value *bias = n->n_in > 2 ? n->in[2] : NULL;
    struct value **part = NCC_NEW(g->arena, struct value *, m);
    const struct concat_attrs channels = {1};
    for (int i = 0; i < m; i++) {
        part[i] = NCC_OP(g, OP_conv2d, n->name, n->attrs, x, every(g, n->in[1], i, m), bias ? every(g, bias, i, m) : NULL);
        part[i]->def->origin = n->origin ? n->origin : n->name;
        part[i] = ncc_legal_apply(g, u, part[i]);
    }
    return ncc_op(g, OP_concat, ncc_name(g, n->name, "all"), &channels, part, m);
}

static struct value *as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, x[0]);
}

static struct value *unordered(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct unaries none = {0};
    return apart(g, n, x[0], &none);
}

static struct value *ordered(struct graph *g, const struct node *n, struct value *const *x)
{
    return in_order(g, n, unordered(g, n, x), multiplier_of(n));
}

/* Is there a convolution behind v that can take any order into its weights? */
static bool order_vanishes(const struct graph *g, const struct value *v)
{
    const struct node *next = ncc_value_only_use(g, v);
    return next && next->op == OP_conv2d && !next->barred && next->in[0] == v && ncc_match_is_layer(next) &&
           ((const struct conv2d_attrs *)next->attrs)->groups == 1;
}

bool ncc_legal_multiplier(const struct legaliser *l, struct node *n)
{
    const int m = multiplier_of(n);
    if (m < 2 || !ncc_match_is_layer(n) || n->in[0]->shape.dim[0] != 1)
        return false;
    struct unaries u;
    struct value *end = ncc_legal_unaries(l->g, n->out[0], &u);
    legal_form *form = order_vanishes(l->g, end) ? unordered : ordered;
    if (ncc_legal_us(l, n, n->in, 1, form) >= ncc_legal_us(l, n, n->in, 1, as_is))
        return false;
    struct value *y = in_order(l->g, n, apart(l->g, n, n->in[0], &u), m);
    return ncc_match_become(l->g, end->def, y, end->def == n ? NULL : n);
}
