/* Sums of many maps, weighted or not, as one 1x1 convolution of all of them side by side where that is cheaper than one
 * sum after another: one rounding instead of several.
 *
 *     a + k b - (c + d) + m        [1, k, -1, -1] [a; b; c; d] + m        k, m: numbers, or one for each channel
 */
#include "compiler/k210/linear.h"
#include "compiler/pass/match.h"

#include <string.h>

enum { MAX_TERMS = 16 };

struct sum {
    struct value *term[MAX_TERMS];
    float *factor[MAX_TERMS]; /* by channel */
    float *bias;
    int n, c, n_nodes;        /* terms, channels, operators that make the sum */
    bool fits;
};

/* A constant that is one number, or one for each channel of a map. */
static const float *by_channel(const struct value *k, const struct value *map, int *step)
{
    const int64_t count = ncc_shape_count(k->shape);
    *step = count > 1;
    return count == 1 || (count == map->shape.dim[1] && ncc_match_per_axis(k, map->shape, 1)) ? ncc_match_floats(k) : NULL;
}

static void add_term(struct sum *s, struct value *v, const float *factor)
{
    int i = 0;
    while (i < s->n && s->term[i] != v)
        i++;
    s->fits = s->fits && i < MAX_TERMS;
    if (!s->fits)
        return;
    s->term[i] = v;
    s->n = i == s->n ? i + 1 : s->n;
    for (int c = 0; c < s->c; c++)
        s->factor[i][c] += factor[c];
}

static float *times(struct graph *g, const float *factor, const float *k, int step, int n)
{
    float *y = NCC_NEW(g->arena, float, n);
    for (int c = 0; c < n; c++)
        y[c] = factor[c] * k[c * step];
    return y;
}

static void collect(struct graph *g, struct sum *s, struct value *v, const float *factor, bool root);

/* x +- k, k - x, x * k: goes on with x. False: none of these. */
static bool collect_affine(struct graph *g, struct sum *s, const struct node *n, const float *factor)
{
    const int side = n->op == OP_add || n->op == OP_sub || n->op == OP_mul ? ncc_match_constant_side(n) : -1;
    int step;
    const float *k = side < 0 ? NULL : by_channel(n->in[side], n->out[0], &step), minus = -1;
    if (!k || !ncc_shape_equal(n->in[1 - side]->shape, n->out[0]->shape))
        return false;
    if (n->op == OP_mul) {
        collect(g, s, n->in[1 - side], times(g, factor, k, step, s->c), false);
        return true;
    }
    const float sign_k = n->op == OP_sub && side == 1 ? -1.0f : 1.0f;
    for (int c = 0; c < s->c; c++)
        s->bias[c] += sign_k * factor[c] * k[c * step];
    const bool negated = n->op == OP_sub && side == 0;
    collect(g, s, n->in[1 - side], negated ? times(g, factor, &minus, 0, s->c) : factor, false);
    return true;
}

static bool adds_maps(const struct node *n)
{
    return (n->op == OP_add || n->op == OP_sub) && !ncc_is_const(n->in[0]) && !ncc_is_const(n->in[1]) &&
           ncc_shape_equal(n->in[0]->shape, n->in[1]->shape);
}

static void collect(struct graph *g, struct sum *s, struct value *v, const float *factor, bool root)
{
    const struct node *n = v->def;
    const float minus = -1;
    if (!n || n->barred || (!root && !ncc_value_only_use(g, v))) {
        add_term(s, v, factor);
        return;
    }
    s->n_nodes++;
    if (adds_maps(n)) {
        collect(g, s, n->in[0], factor, false);
        collect(g, s, n->in[1], n->op == OP_sub ? times(g, factor, &minus, 0, s->c) : factor, false);
    } else if (n->op == OP_neg) {
        collect(g, s, n->in[0], times(g, factor, &minus, 0, s->c), false);
    } else if (!collect_affine(g, s, n, factor)) {
        s->n_nodes--;
        add_term(s, v, factor);
    }
}

static struct sum sum_of(struct graph *g, const struct node *n)
{
    struct sum s = {.c = n->out[0]->shape.dim[1], .fits = true};
    s.bias = NCC_NEW(g->arena, float, s.c);
    for (int i = 0; i < MAX_TERMS; i++)
        s.factor[i] = NCC_NEW(g->arena, float, s.c);
    float *ones = NCC_NEW(g->arena, float, s.c);
    for (int c = 0; c < s.c; c++)
        ones[c] = 1;
    collect(g, &s, n->out[0], ones, true);
    return s;
}

/* ---- the two forms ---- */

static struct value *again(struct graph *g, struct value *v, const struct sum *s, struct value *const *x)
{
    for (int i = 0; i < s->n; i++)
        if (s->term[i] == v)
            return x[i];
    if (ncc_is_const(v))
        return ncc_legal_const(g, v);
    const struct node *n = v->def;
    struct value *in[2] = {again(g, n->in[0], s, x), n->n_in > 1 ? again(g, n->in[1], s, x) : NULL};
    return ncc_op(g, n->op, n->name, n->attrs, in, n->n_in);
}

static struct value *one_by_one(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct sum s = sum_of(g, n);
    return again(g, n->out[0], &s, x);
}

static struct value *at_once(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct sum s = sum_of(g, n);
    const struct concat_attrs channels = {1};
    struct linear l = {.a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1},
                       .out_c = s.c,
                       .in_c = s.n * s.c,
                       .kh = 1,
                       .kw = 1,
                       .b = s.bias};
    float *w = NCC_NEW(g->arena, float, ncc_linear_n_weights(&l));
    for (int c = 0; c < s.c; c++)
        for (int i = 0; i < s.n; i++)
            w[(size_t)c * (size_t)l.in_c + (size_t)(i * s.c + c)] = s.factor[i][c];
    l.w = w;
    return ncc_linear_node(g, n, NULL, &l, ncc_op(g, OP_concat, ncc_name(g, n->name, "terms"), &channels, x, s.n));
}

/* Is v itself but a part of a larger sum? */
static bool is_part(const struct graph *g, const struct value *v)
{
    const struct node *next = ncc_value_only_use(g, v);
    return next && !next->barred && adds_maps(next);
}

bool ncc_legal_sum(const struct legaliser *l, struct node *n)
{
    const struct shape *y = &n->out[0]->shape;
    if (y->rank != 4 || y->dim[0] != 1 || !adds_maps(n) || is_part(l->g, n->out[0]))
        return false;
    const struct sum s = sum_of(l->g, n);
    if (!s.fits || s.n < 2 || s.n_nodes < 2 ||
        ncc_legal_us(l, n, s.term, s.n, at_once) >= ncc_legal_us(l, n, s.term, s.n, one_by_one))
        return false;
    return ncc_match_become(l->g, n, at_once(l->g, n, s.term), NULL);
}
