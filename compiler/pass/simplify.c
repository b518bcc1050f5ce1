/* simplify: one way to write arithmetic, and the operators that exporters take apart.
 *
 * Constants stand second; x - c is x + (-c), x / c is x * (1 / c). Softmax, sigmoid, square and
 * means over the whole map are found whatever they were made of, and so are pads.
 */
#include "compiler/pass/match.h"
#include "compiler/pass/passes.h"
#include "compiler/pass/rewrite.h"
#include "compiler/pass/sliced.h"

#include <math.h>
#include <string.h>

/* ---- arithmetic ---- */

static bool constant_second(struct graph *g, struct node *n)
{
    if (!(ncc_op_desc(n->op)->flags & OP_COMMUTES) || n->n_in != 2 || !ncc_is_const(n->in[0]) || ncc_is_const(n->in[1]))
        return false;
    struct node *swapped = ncc_match_again(g, n, (struct value *[]){n->in[1], n->in[0]}, 2);
    return swapped && ncc_match_replace(g, n, swapped->out[0]);
}

static float negated(float x)
{
    return -x;
}

static float inverted(float x)
{
    return (float)(1.0 / x);
}

/* The constant with a function applied to each element; NULL when one of the results is not finite. */
static struct value *map_constant(struct graph *g, const struct value *c, float (*f)(float))
{
    const int64_t n = ncc_shape_count(c->shape);
    const float *from = c->data;
    float *to = NCC_NEW(g->arena, float, n);
    for (int64_t i = 0; i < n; i++) {
        to[i] = f(from[i]);
        if (!isfinite(to[i]))
            return NULL;
    }
    return ncc_const(g, c->name, DT_F32, c->shape, to);
}

/* Whether nothing changes along the axis. */
static bool is_repeated(const struct value *c, int axis)
{
    size_t outer = 1, inner = 1;
    for (int i = 0; i < c->shape.rank; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : (size_t)c->shape.dim[i];
    const size_t n = (size_t)c->shape.dim[axis];
    const float *x = c->data;
    for (size_t o = 0; o < outer; o++, x += n * inner)
        for (size_t k = 1; k < n; k++)
            if (memcmp(x, x + k * inner, inner * sizeof *x) != 0)
                return false;
    return true;
}

/* The first of what is repeated along the axis. */
static struct value *taken_once(struct graph *g, const struct value *c, int axis)
{
    struct slice_attrs a = {{c->shape.rank, {0}}, {c->shape.rank, {0}}, {c->shape.rank, {0}}};
    for (int i = 0; i < c->shape.rank; i++) {
        a.size.v[i] = i == axis ? 1 : c->shape.dim[i];
        a.stride.v[i] = 1;
    }
    struct value *in = ncc_const(g, c->name, DT_F32, c->shape, c->data);
    return ncc_match_compute(g, OP_slice, c->name, &a, &in, 1);
}

/* Constants that an exporter has repeated for every pixel are those of the channels again. */
static bool narrow_constant(struct graph *g, struct node *n)
{
    const int side = ncc_match_is_binary(n->op) ? ncc_match_constant_side(n) : -1;
    struct value *c = side < 0 ? NULL : n->in[side];
    for (int i = 0; c && i < c->shape.rank; i++)
        if (c->shape.dim[i] > 1 && is_repeated(c, i))
            c = taken_once(g, c, i);
    if (!c || c == n->in[side])
        return false;
    struct value *in[2] = {n->in[0], n->in[1]};
    in[side] = c;
    const struct node *narrow = ncc_match_again(g, n, in, 2);
    return narrow && ncc_match_replace(g, n, narrow->out[0]);
}

static bool use_other_operator(struct graph *g, struct node *n, enum op op, float (*f)(float))
{
    if (!ncc_match_floats(n->in[1]) || ncc_is_const(n->in[0]))
        return false;
    struct value *c = map_constant(g, n->in[1], f);
    return c && ncc_match_become(g, n, NCC_OP(g, op, n->name, NULL, n->in[0], c), NULL);
}

static bool sub_to_add(struct graph *g, struct node *n)
{
    return use_other_operator(g, n, OP_add, negated);
}

static bool div_to_mul(struct graph *g, struct node *n)
{
    return use_other_operator(g, n, OP_mul, inverted);
}

/* x + (-y) = x - y */
static bool add_neg(struct graph *g, struct node *n)
{
    for (int i = 0; i < 2; i++) {
        const struct node *neg = ncc_match_def(n->in[i], OP_neg);
        if (neg)
            return ncc_match_become(g, n, NCC_OP(g, OP_sub, n->name, NULL, n->in[1 - i], neg->in[0]), NULL);
    }
    return false;
}

/* x - (-y) = x + y */
static bool sub_neg(struct graph *g, struct node *n)
{
    const struct node *neg = ncc_match_def(n->in[1], OP_neg);
    return neg && ncc_match_become(g, n, NCC_OP(g, OP_add, n->name, NULL, n->in[0], neg->in[0]), NULL);
}

static bool neg_neg(struct graph *g, struct node *n)
{
    const struct node *above = ncc_match_def(n->in[0], OP_neg);
    return above && ncc_match_replace(g, n, above->in[0]);
}

static bool mul_to_square(struct graph *g, struct node *n)
{
    return n->in[0] == n->in[1] && n->in[0]->dtype == DT_F32 &&
           ncc_match_become(g, n, NCC_OP(g, OP_square, n->name, NULL, n->in[0]), NULL);
}

static bool pow_to_unary(struct graph *g, struct node *n)
{
    struct value *x;
    float c;
    if (!ncc_match_with_uniform(n, &x, &c))
        return false;
    const enum op op = c == 2 ? OP_square : c == 0.5f ? OP_sqrt : c == -0.5f ? OP_rsqrt : OP_pow;
    return op != OP_pow && ncc_match_become(g, n, NCC_OP(g, op, n->name, NULL, x), NULL);
}

/* ---- reductions ---- */

/* Mean over rows, then over columns, is the mean over both; so are sums and extremes. */
static bool merge_reductions(struct graph *g, struct node *n)
{
    const struct node *above = ncc_match_only(g, n->in[0], OP_reduce);
    if (!above)
        return false;
    const struct reduce_attrs *first = above->attrs;
    struct reduce_attrs a = *(const struct reduce_attrs *)n->attrs;
    if (first->kind != a.kind || !first->keep_dims || !a.keep_dims)
        return false;
    bool is_axis[NCC_MAX_RANK] = {false};
    for (int i = 0; i < first->axes.n; i++)
        is_axis[first->axes.v[i]] = true;
    for (int i = 0; i < a.axes.n; i++)
        is_axis[a.axes.v[i]] = true;
    a.axes.n = 0;
    for (int i = 0; i < NCC_MAX_RANK; i++) {
        if (is_axis[i])
            a.axes.v[a.axes.n++] = i;
    }
    return ncc_match_become(g, n, NCC_OP(g, OP_reduce, n->name, &a, above->in[0]), above);
}

static bool global_mean(struct graph *g, struct node *n)
{
    const struct pool_attrs *p = n->attrs;
    const struct shape x = n->in[0]->shape, y = n->out[0]->shape;
    const bool pads = p->pad_top || p->pad_left || p->pad_bottom || p->pad_right;
    if (y.dim[2] != 1 || y.dim[3] != 1 || (x.dim[2] == 1 && x.dim[3] == 1) || (pads && p->count_pad) ||
        p->kernel_h - p->pad_top < x.dim[2] || p->kernel_w - p->pad_left < x.dim[3])
        return false;
    const struct reduce_attrs a = {REDUCE_MEAN, {.n = 2, .v = {2, 3}}, true};
    return ncc_match_become(g, n, NCC_OP(g, OP_reduce, n->name, &a, n->in[0]), NULL);
}

/* The axis when v is such a reduction of x over one axis, which it keeps; else -1. */
static int reduced_axis(const struct value *v, int kind, const struct value *x)
{
    const struct node *d = ncc_match_def(v, OP_reduce);
    const struct reduce_attrs *a = d ? d->attrs : NULL;
    return d && d->in[0] == x && a->kind == kind && a->keep_dims && a->axes.n == 1 ? a->axes.v[0] : -1;
}

/* exp(x) / sum(exp(x)), with or without the largest element taken off x first. */
static bool div_to_softmax(struct graph *g, struct node *n)
{
    const struct node *e = ncc_match_def(n->in[0], OP_exp);
    const int axis = e ? reduced_axis(n->in[1], REDUCE_SUM, n->in[0]) : -1;
    if (axis < 0)
        return false;
    struct value *x = e->in[0];
    const struct node *less = ncc_match_def(x, OP_sub);
    if (less && reduced_axis(less->in[1], REDUCE_MAX, less->in[0]) == axis)
        x = less->in[0];
    const struct softmax_attrs a = {axis, 1};
    return ncc_match_become(g, n, NCC_OP(g, OP_softmax, n->name, &a, x), e);
}

static bool is_uniform(const struct value *v, float c)
{
    float is;
    return ncc_match_uniform(v, &is) && is == c;
}

/* 1 / (1 + exp(-x)) */
static bool div_to_sigmoid(struct graph *g, struct node *n)
{
    struct value *e, *minus = NULL;
    float one, factor = -1;
    const struct node *sum = ncc_match_def(n->in[1], OP_add);
    if (!is_uniform(n->in[0], 1) || !sum || !ncc_match_with_uniform(sum, &e, &one) || one != 1)
        return false;
    const struct node *d = ncc_match_def(e, OP_exp);
    const struct node *neg = d ? d->in[0]->def : NULL;
    if (neg && neg->op == OP_neg)
        minus = neg->in[0];
    else if (!neg || neg->op != OP_mul || !ncc_match_with_uniform(neg, &minus, &factor))
        return false;
    return factor == -1 && ncc_shape_equal(minus->shape, n->out[0]->shape) &&
           ncc_match_become(g, n, NCC_OP(g, OP_sigmoid, n->name, NULL, minus), d);
}

/* ---- pads ---- */

/* Zeros that are laid beside a tensor, in front or behind, are a pad. */
static bool concat_to_pad(struct graph *g, struct node *n)
{
    const int axis = ((const struct concat_attrs *)n->attrs)->axis, rank = n->out[0]->shape.rank;
    int first = 0, end = n->n_in;
    struct pad_attrs a = {.before = {rank, {0}}, .after = {rank, {0}}};
    while (first < end && is_uniform(n->in[first], 0))
        a.before.v[axis] += n->in[first++]->shape.dim[axis];
    while (end > first && is_uniform(n->in[end - 1], 0))
        a.after.v[axis] += n->in[--end]->shape.dim[axis];
    if (first == end || end - first == n->n_in)
        return false;
    struct value *rest = n->in[first];
    if (end - first > 1)
        rest = ncc_op(g, OP_concat, ncc_name(g, n->name, "rest"), n->attrs, n->in + first, end - first);
    return ncc_match_become(g, n, NCC_OP(g, OP_pad, n->name, &a, rest), NULL);
}

bool ncc_pass_simplify(struct graph *g, struct arena *scratch)
{
    static const struct rewrite set[] = {
        {"constant_second", ANY_OP, constant_second},
        {"narrow_constant", ANY_OP, narrow_constant},
        {"sub_to_add", OP_sub, sub_to_add},
        {"div_to_mul", OP_div, div_to_mul},
        {"add_neg", OP_add, add_neg},
        {"sub_neg", OP_sub, sub_neg},
        {"neg_neg", OP_neg, neg_neg},
        {"mul_to_square", OP_mul, mul_to_square},
        {"pow_to_unary", OP_pow, pow_to_unary},
        {"merge_reductions", OP_reduce, merge_reductions},
        {"global_mean", OP_avg_pool, global_mean},
        {"div_to_softmax", OP_div, div_to_softmax},
        {"div_to_sigmoid", OP_div, div_to_sigmoid},
        {"concat_to_pad", OP_concat, concat_to_pad},
        {"merge_slices", OP_slice, ncc_sliced_merge},
        {"concat_to_blocks", OP_concat, ncc_sliced_to_blocks},
    };
    (void)scratch;
    return ncc_rewrite_run(g, set, NCC_COUNT(set));
}
