/* PReLU behind a convolution: its halves are outputs of the convolution, and are put together again by the weights of
 * whatever linear layer reads them.
 *
 *     prelu(W x + b) = [I, -slope] relu([W; -W] x + [b; -b])
 *
 * Where that is too dear, what the convolution makes is kept in codes, and the halves are layers of their own. Negative
 * values mostly reach far and matter little, since a slope is to follow. They take less of the codes when part of the
 * slope is in the convolution's table, where all channels share it:
 *
 *     prelu(z) = prelu'(leaky(z))      slopes of prelu' = slope / common, of leaky: common = sqrt(mean of slope^2)
 *
 * With this one an error of half a code below zero costs the result, over all channels, as much as one above. And if
 * all readers are linear, it is they who put the halves together. */
#include "compiler/k210/linear.h"
#include "compiler/pass/match.h"

#include <math.h>

/* Halves that the convolution makes, or that the next one reads, are values rounded once less, and each has codes of its
 * own. That is worth so many times the time; where RAM is short nothing, since it takes weights. */
#define A_ROUNDING 1.4

static double worth(const struct legaliser *l)
{
    return l->options->short_of_ram ? 1 : A_ROUNDING;
}

static float slope_at(const struct node *prelu, int c)
{
    const float *s = prelu->in[1]->data;
    return ncc_shape_count(prelu->in[1]->shape) == 1 ? s[0] : s[c];
}

/* relu([W; -W] x + [b; -b]) */
static struct value *halves(struct graph *g, const struct node *conv, const struct node *prelu, struct value *x)
{
    struct linear l = ncc_linear_of(g, conv);
    const size_t n = ncc_linear_n_weights(&l), c = (size_t)l.out_c;
    float *w = NCC_NEW(g->arena, float, 2 * n), *b = NCC_NEW(g->arena, float, 2 * c);
    for (size_t i = 0; i < 2 * n; i++)
        w[i] = i < n ? l.w[i] : -l.w[i - n];
    for (size_t i = 0; i < 2 * c; i++)
        b[i] = i < c ? l.b[i] : -l.b[i - c];
    l.w = w;
    l.b = b;
    l.out_c *= 2;
    struct value *h = ncc_linear_node(g, conv, "halves", &l, x);
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
    float *w = NCC_NEW(g->arena, float, ncc_linear_n_weights(&l));
    for (int o = 0; o < c; o++) {
        w[(size_t)o * (size_t)(2 * c) + (size_t)o] = 1;
        w[(size_t)o * (size_t)(2 * c) + (size_t)(c + o)] = -slope_at(prelu, o);
    }
    l.w = w;
    l.b = NCC_NEW(g->arena, float, c);
    return l;
}

static struct value *prelu_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, ncc_legal_again(g, n->in[0]->def, x[0]));
}

static struct value *prelu_in_conv(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct linear l = together(g, n);
    return ncc_linear_node(g, n, NULL, &l, halves(g, n->in[0]->def, n, x[0]));
}

/* With the convolution that alone reads the PReLU. */
static struct value *next_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, prelu_as_is(g, n->in[0]->def, x));
}

static struct value *next_after_prelu_in_conv(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, prelu_in_conv(g, n->in[0]->def, x));
}

static struct value *next_on_halves(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct node *prelu = n->in[0]->def;
    const struct linear first = together(g, prelu), second = ncc_linear_of(g, n), l = ncc_linear_composed(g, &first, &second);
    return ncc_linear_node(g, n, NULL, &l, halves(g, prelu->in[0]->def, prelu, x[0]));
}

static struct node *prelu_behind_conv(const struct graph *g, const struct value *v)
{
    struct node *n = ncc_match_only(g, v, OP_prelu);
    const int c = n ? n->out[0]->shape.dim[1] : 0;
    if (!n || !ncc_match_floats(n->in[1]) || !ncc_linear_only_conv(g, n->in[0]))
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
    const double us = ncc_legal_us(l, n, &x, 1, next_on_halves) / worth(l);
    if (us >= ncc_legal_us(l, n, &x, 1, next_as_is) || us >= ncc_legal_us(l, n, &x, 1, next_after_prelu_in_conv))
        return false;
    return ncc_match_become(l->g, n, next_on_halves(l->g, n, &x), NULL);
}

bool ncc_legal_prelu_in_conv(const struct legaliser *l, struct node *n)
{
    if (!ncc_match_floats(n->in[1]) || !ncc_linear_only_conv(l->g, n->in[0]))
        return false;
    const int64_t slopes = ncc_shape_count(n->in[1]->shape);
    const struct node *conv = n->in[0]->def;
    if ((slopes != 1 && (slopes != n->out[0]->shape.dim[1] || n->in[1]->shape.rank < 3)) ||
        ((const struct conv2d_attrs *)conv->attrs)->groups != 1)
        return false;
    struct value *x = conv->in[0];
    if (ncc_legal_us(l, n, &x, 1, prelu_in_conv) / worth(l) >= ncc_legal_us(l, n, &x, 1, prelu_as_is))
        return false;
    return ncc_match_become(l->g, n, prelu_in_conv(l->g, n, &x), conv);
}

/* ---- what stays a PReLU ---- */

static float common_slope(const struct value *slopes)
{
    const int64_t n = ncc_shape_count(slopes->shape);
    const float *slope = slopes->data;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)slope[i] * (double)slope[i] / (double)n;
    return (float)sqrt(sum);
}

static struct value *divided(struct graph *g, const struct value *slopes, float by)
{
    const int64_t n = ncc_shape_count(slopes->shape);
    float *slope = NCC_NEW(g->arena, float, n);
    for (int64_t i = 0; i < n; i++)
        slope[i] = ((const float *)slopes->data)[i] / by;
    return ncc_const(g, slopes->name, DT_F32, slopes->shape, slope);
}

static bool has_common_slope(const struct node *n)
{
    const float common = ncc_match_floats(n->in[1]) ? common_slope(n->in[1]) : 0;
    return common > 1e-6f && common < 1e6f;
}

static struct value *with_common_slope(struct graph *g, const struct node *n, struct value *x)
{
    const struct leaky_relu_attrs attrs = {common_slope(n->in[1])};
    struct value *y = NCC_OP(g, OP_leaky_relu, ncc_name(g, n->name, "common"), &attrs, x);
    y->def->origin = n->origin ? n->origin : n->name;
    return y;
}

/* What a PReLU behind a layer reads: the layer's map, perhaps as a vector. NULL: something else. */
static struct value *map_of(const struct legaliser *l, const struct node *n)
{
    const struct node *vector = ncc_match_only(l->g, n->in[0], OP_reshape);
    struct value *x = vector ? vector->in[0] : n->in[0];
    const bool good =
        x->def && !x->def->barred && ncc_match_is_layer(x->def) && ncc_value_only_use(l->g, x) && !x->range.known;
    return good && (!vector || (x->shape.rank == 4 && x->shape.dim[1] == ncc_shape_count(x->shape))) ? x : NULL;
}

bool ncc_legal_prelu_in_two(const struct legaliser *l, struct node *n)
{
    struct graph *g = l->g;
    struct value *x = has_common_slope(n) ? map_of(l, n) : NULL;
    if (!x)
        return false;
    const struct node *vector = x == n->in[0] ? NULL : n->in[0]->def;
    x = with_common_slope(g, n, x);
    if (vector)
        x = ncc_match_again_1(g, vector, x);
    x = NCC_OP(g, OP_prelu, n->name, NULL, x, divided(g, n->in[1], common_slope(n->in[1])));
    return ncc_match_become(g, n, x, NULL);
}

/* ---- halves that all readers put together ---- */

/* [relu(x); relu(-x)], of a layer's map. */
static struct value *both_halves(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct concat_attrs channels = {1};
    struct value *v[2], *z = with_common_slope(g, n, x[0]);
    v[0] = NCC_OP(g, OP_relu, ncc_name(g, n->name, "positive"), NULL, z);
    v[1] = NCC_OP(g, OP_mul, ncc_name(g, n->name, "minus"), NULL, z, ncc_match_scalar(g, "minus", -1));
    v[1]->def->origin = n->origin ? n->origin : n->name;
    v[1] = NCC_OP(g, OP_relu, ncc_name(g, n->name, "negative"), NULL, v[1]);
    struct value *y = NCC_OP(g, OP_concat, ncc_name(g, n->name, "halves"), &channels, v[0], v[1]);
    v[0]->def->origin = v[1]->def->origin = y->def->origin = n->origin ? n->origin : n->name;
    return y;
}

static struct value *map_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    struct value *y = x[0];
    if (!ncc_shape_equal(y->shape, n->in[0]->shape))
        y = ncc_match_reshape(g, ncc_name(g, n->name, "vector"), y, n->in[0]->shape);
    return ncc_legal_again(g, n, y);
}

static struct value *reader_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, x[0]);
}

/* Weights [.., C, taps] -> [.., 2 C, taps]: for what is negative those of its channel times -slope, as far as the slope
 * is not in the table in front. */
static struct value *weights_on_halves(struct graph *g, const struct node *n, const struct node *prelu)
{
    struct shape s = n->in[1]->shape;
    const int channel = n->op == OP_matmul ? 0 : 1, c = s.dim[channel];
    const size_t outer = channel ? (size_t)s.dim[0] : 1, all = (size_t)ncc_shape_count(s) / outer,
                 taps = all / (size_t)c;
    const float common = common_slope(prelu->in[1]), *from = n->in[1]->data;
    float *w = NCC_NEW(g->arena, float, 2 * outer * all);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < all; i++) {
            w[2 * o * all + i] = from[o * all + i];
            w[(2 * o + 1) * all + i] = -slope_at(prelu, (int)(i / taps)) / common * from[o * all + i];
        }
    s.dim[channel] *= 2;
    return ncc_const(g, ncc_name(g, n->name, "w"), DT_F32, s, w);
}

static struct value *reader_on_halves(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct node *prelu = n->in[0]->def;
    struct value *in = x[0];
    if (n->op == OP_matmul && in->shape.rank == 4)
        in = ncc_match_reshape(g, ncc_name(g, n->name, "vector"), in, ncc_shape_make(2, (int[]){1, in->shape.dim[1]}));
    struct value *y = NCC_OP(g, n->op, n->name, n->attrs, in, weights_on_halves(g, n, prelu),
                             ncc_legal_const(g, n->n_in > 2 ? n->in[2] : NULL));
    if (y)
        y->def->origin = n->origin ? n->origin : n->name;
    return y;
}

static bool reads_channels(const struct node *n)
{
    if (!ncc_match_is_layer(n))
        return false;
    return n->op == OP_matmul ? n->in[0]->shape.rank == 2 && n->in[0]->shape.dim[0] == 1
                              : n->op == OP_conv2d && ((const struct conv2d_attrs *)n->attrs)->groups == 1;
}

bool ncc_legal_prelu_in_readers(const struct legaliser *l, struct node *n)
{
    struct value *x = has_common_slope(n) ? map_of(l, n) : NULL;
    if (!x || ncc_value_is_output(l->g, n->out[0]) || !n->out[0]->uses || x->shape.rank != 4)
        return false;
    struct value both = {.name = n->name, .dtype = DT_F32, .shape = x->shape}, *halves = &both;
    both.shape.dim[1] *= 2;
    double as_is = ncc_legal_us(l, n, &x, 1, map_as_is), other = ncc_legal_us(l, n, &x, 1, both_halves);
    for (const struct use *u = n->out[0]->uses; u; u = u->next) {
        if (u->index != 0 || !reads_channels(u->node))
            return false;
        as_is += ncc_legal_us(l, u->node, n->out, 1, reader_as_is);
        other += ncc_legal_us(l, u->node, &halves, 1, reader_on_halves);
    }
    if (other / worth(l) >= as_is)
        return false;
    halves = both_halves(l->g, n, &x);
    bool good = true;
    for (const struct use *u = n->out[0]->uses; u && good; u = u->next) {
        l->g->cursor = u->node;
        good = ncc_match_become(l->g, u->node, reader_on_halves(l->g, u->node, &halves), NULL);
    }
    return good;
}
