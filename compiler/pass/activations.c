/* activations: ReLU and its kin, however they are spelled, become one operator each.
 *
 *     max(x, 0) -> relu            max(x, a x) -> prelu            min, max with constants -> clip
 *     clip, clip -> clip           equal slopes: prelu -> leaky_relu
 *     x * relu6(x + 3) / 6 -> hard_swish     relu(x) - a * relu(-x) -> prelu
 *     x * sigmoid(b x) -> swish              x * (1 + erf(x / sqrt(2))) / 2 -> gelu
 */
#include "compiler/pass/match.h"
#include "compiler/pass/passes.h"
#include "compiler/pass/rewrite.h"

#include <math.h>

/* ---- clips ---- */

static struct value *make_clip(struct graph *g, const char *name, struct value *x, float lo, float hi)
{
    const struct clip_attrs a = {lo, hi};
    if (lo == 0 && hi == INFINITY)
        return NCC_OP(g, OP_relu, name, NULL, x);
    return NCC_OP(g, OP_clip, name, &a, x);
}

static bool max_to_clip(struct graph *g, struct node *n)
{
    struct value *x;
    float c;
    return ncc_match_with_uniform(n, &x, &c) && ncc_match_become(g, n, make_clip(g, n->name, x, c, INFINITY), NULL);
}

static bool min_to_clip(struct graph *g, struct node *n)
{
    struct value *x;
    float c;
    return ncc_match_with_uniform(n, &x, &c) && ncc_match_become(g, n, make_clip(g, n->name, x, -INFINITY, c), NULL);
}

/* Between what a node's results lie, whatever its input. False when it could be anything. */
static bool result_bounds(const struct node *n, float *lo, float *hi)
{
    *lo = 0;
    *hi = INFINITY;
    switch (n ? n->op : N_OPS) {
    case OP_relu:
    case OP_abs:
    case OP_exp:
    case OP_square:
        return true;
    case OP_clip:
        *lo = ((const struct clip_attrs *)n->attrs)->min;
        *hi = ((const struct clip_attrs *)n->attrs)->max;
        return true;
    case OP_sigmoid:
    case OP_softmax:
        *hi = 1;
        return true;
    case OP_tanh:
        *lo = -1;
        *hi = 1;
        return true;
    default:
        return false;
    }
}

static float limit(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* A clip (or ReLU) below a function with bounds: nothing when it cuts nothing off, one with a clip above. */
static bool clip_of_bounded(struct graph *g, struct node *n)
{
    const struct node *above = n->in[0]->def;
    float lo, hi, above_lo, above_hi;
    result_bounds(n, &lo, &hi);
    if (!(lo <= hi) || !result_bounds(above, &above_lo, &above_hi))
        return false;
    if (lo <= above_lo && above_hi <= hi)
        return ncc_match_replace(g, n, n->in[0]);
    if (!(above_lo <= above_hi) || (above->op != OP_clip && above->op != OP_relu) || !ncc_value_only_use(g, n->in[0]))
        return false;
    struct value *v = make_clip(g, n->name, above->in[0], limit(above_lo, lo, hi), limit(above_hi, lo, hi));
    return ncc_match_become(g, n, v, above);
}

/* ---- slopes below zero ---- */

static bool as_leaky(struct graph *g, struct node *n, struct value *x, float alpha)
{
    const struct leaky_relu_attrs a = {alpha};
    if (alpha == 0)
        return ncc_match_become(g, n, NCC_OP(g, OP_relu, n->name, NULL, x), NULL);
    return ncc_match_become(g, n, NCC_OP(g, OP_leaky_relu, n->name, &a, x), NULL);
}

/* What clips in a row leave. */
struct reach {
    float lo, hi;
};

/* The value above the clips that end in v, no further up than `until`. */
static struct value *above_clips(struct value *v, const struct value *until, struct reach *w)
{
    *w = (struct reach){-INFINITY, INFINITY};
    while (v != until && v->def && (v->def->op == OP_clip || v->def->op == OP_relu)) {
        float lo, hi;
        result_bounds(v->def, &lo, &hi);
        *w = (struct reach){limit(lo, w->lo, w->hi), limit(hi, w->lo, w->hi)};
        v = v->def->in[0];
    }
    return v;
}

static struct reach slopes_of(const struct value *slope)
{
    const float *a = ncc_match_floats(slope);
    struct reach r = {INFINITY, -INFINITY};
    for (int64_t i = 0, n = ncc_shape_count(slope->shape); a && i < n; i++)
        r = (struct reach){fminf(r.lo, a[i]), fmaxf(r.hi, a[i])};
    return r;
}

/* max(x, a x) with a <= 1, min(x, a x) with a >= 1. A quantised model clips both operands to what their codes reach:
 * with x in l1 .. h1 and a x in l2 .. h2, 0 in both, the greater is the slope between max(l1, l2) and h1 if h2 <= h1,
 * and where slopes are below 0 if h2 = h1; the smaller is the slope between l2 and min(h1, h2) if l2 <= l1. */
static bool extreme_to_slope(struct graph *g, struct node *n)
{
    const bool is_max = n->op == OP_maximum;
    for (int i = 0; i < 2; i++) {
        struct reach scaled, plain;
        const struct node *mul = ncc_match_def(above_clips(n->in[i], NULL, &scaled), OP_mul);
        const int side = mul ? ncc_match_constant_side(mul) : -1;
        if (side < 0)
            continue;
        const struct reach a = slopes_of(mul->in[side]);
        if (!(a.lo <= a.hi) || (is_max ? a.hi > 1 : a.lo < 1))
            continue;
        struct value *x = mul->in[1 - side];
        if (above_clips(n->in[1 - i], x, &plain) != x || !ncc_shape_equal(x->shape, n->out[0]->shape))
            continue;
        const bool zero_inside = scaled.lo <= 0 && scaled.hi >= 0 && plain.lo <= 0 && plain.hi >= 0;
        if (!zero_inside || !(is_max ? scaled.hi <= plain.hi : scaled.lo <= plain.lo) ||
            (a.lo < 0 && scaled.hi != plain.hi))
            continue;
        const float lo = is_max ? fmaxf(scaled.lo, plain.lo) : scaled.lo;
        const float hi = is_max ? plain.hi : fminf(scaled.hi, plain.hi);
        struct value *y = NCC_OP(g, OP_prelu, n->name, NULL, x, mul->in[side]);
        if (y && (lo > -INFINITY || hi < INFINITY))
            y = make_clip(g, n->name, y, lo, hi);
        return ncc_match_become(g, n, y, NULL);
    }
    return false;
}

static bool prelu_to_leaky(struct graph *g, struct node *n)
{
    struct value *x;
    float alpha;
    return ncc_match_with_uniform(n, &x, &alpha) && as_leaky(g, n, x, alpha);
}

static bool leaky_to_relu(struct graph *g, struct node *n)
{
    return ((const struct leaky_relu_attrs *)n->attrs)->alpha == 0 && as_leaky(g, n, n->in[0], 0);
}

/* c * relu(-x), with its constant: NULL when v is something else. */
static struct value *negative_part(const struct value *v, struct value **c)
{
    const struct node *mul = ncc_match_def(v, OP_mul);
    const int side = mul ? ncc_match_constant_side(mul) : -1;
    const struct node *relu = side < 0 ? NULL : ncc_match_def(mul->in[1 - side], OP_relu);
    const struct node *neg = relu ? ncc_match_def(relu->in[0], OP_neg) : NULL;
    *c = neg ? mul->in[side] : NULL;
    return neg ? neg->in[0] : NULL;
}

/* relu(x) + c * relu(-x): slope -c; relu(x) - c * relu(-x): slope c. */
static bool parts_to_prelu(struct graph *g, struct node *n)
{
    for (int i = 0; i < (n->op == OP_add ? 2 : 1); i++) {
        struct value *slope;
        const struct node *relu = ncc_match_def(n->in[i], OP_relu);
        const struct value *x = negative_part(n->in[1 - i], &slope);
        if (!relu || !x || relu->in[0] != x)
            continue;
        if (n->op == OP_add)
            slope = ncc_match_compute(g, OP_neg, slope->name, NULL, &slope, 1);
        return ncc_match_become(g, n, NCC_OP(g, OP_prelu, n->name, NULL, relu->in[0], slope), relu);
    }
    return false;
}

/* ---- hard swish, swish, gelu, mish ---- */

/* A product of at most two varying factors and constants. */
struct product {
    struct value *factor[2];
    int n;
    double scale;
};

#define MAX_DEPTH 4

static bool collect(const struct graph *g, struct value *v, int depth, struct product *p)
{
    const struct node *d = v->def;
    struct value *x;
    float c;
    if (d && depth < MAX_DEPTH && (depth == 0 || ncc_value_only_use(g, v))) {
        if ((d->op == OP_mul || d->op == OP_div) && ncc_match_with_uniform(d, &x, &c)) {
            p->scale *= d->op == OP_mul ? c : 1.0 / c;
            return collect(g, x, depth + 1, p);
        }
        if (d->op == OP_mul && !ncc_is_const(d->in[0]) && !ncc_is_const(d->in[1]))
            return collect(g, d->in[0], depth + 1, p) && collect(g, d->in[1], depth + 1, p);
    }
    if (p->n == 2)
        return false;
    p->factor[p->n++] = v;
    return true;
}

/* v = a * x + b, written with single constants. */
static bool read_line(const struct value *v, const struct value *x, double *a, double *b)
{
    *a = 1;
    *b = 0;
    for (int i = 0; i < MAX_DEPTH && v != x && v->def; i++) {
        const struct node *d = v->def;
        struct value *above;
        float c;
        if (!ncc_match_with_uniform(d, &above, &c))
            return false;
        if (d->op == OP_add)
            *b += *a * c;
        else if (d->op == OP_sub)
            *b -= *a * c;
        else if (d->op == OP_mul)
            *a *= c;
        else if (d->op == OP_div)
            *a /= c;
        else
            return false;
        v = above;
    }
    return v == x;
}

static bool nearly(double a, double b)
{
    return fabs(a - b) <= 1e-5 * fabs(b);
}

/* scale * clip(a x + b, 0, hi) is relu6(x + 3) / 6 = clip(x / 6 + 1/2, 0, 1). */
static bool is_gate(const struct value *v, const struct value *x, double scale)
{
    const struct node *clip = ncc_match_def(v, OP_clip);
    const struct clip_attrs *c = clip ? clip->attrs : NULL;
    double a, b;
    return clip && c->min == 0 && nearly(scale * c->max, 1) && read_line(clip->in[0], x, &a, &b) &&
           nearly(scale * a, 1.0 / 6) && nearly(scale * b, 0.5);
}

/* sigmoid(beta x) */
static bool is_sigmoid(const struct value *v, const struct value *x, double scale, double *beta)
{
    const struct node *s = ncc_match_def(v, OP_sigmoid);
    double b;
    return s && nearly(scale, 1) && read_line(s->in[0], x, beta, &b) && b == 0;
}

/* scale * (a erf(x / sqrt(2)) + b), both products 1/2 */
static bool is_erf_gate(struct value *v, const struct value *x, double scale)
{
    double a = 1, b = 0, in_a, in_b, shift;
    while (v->def && v->def->op != OP_erf) {
        struct value *above;
        float c;
        if (!ncc_match_with_uniform(v->def, &above, &c))
            return false;
        if (v->def->op == OP_add)
            b += a * c;
        else if (v->def->op == OP_mul)
            a *= c;
        else if (v->def->op == OP_div)
            a /= c;
        else
            return false;
        v = above;
    }
    shift = scale * b;
    return v->def && nearly(scale * a, 0.5) && nearly(shift, 0.5) && read_line(v->def->in[0], x, &in_a, &in_b) &&
           nearly(in_a, 0.70710678118654752) && in_b == 0;
}

/* tanh(softplus(x)) */
static bool is_mish_gate(const struct value *v, const struct value *x, double scale)
{
    const struct node *tanh = ncc_match_def(v, OP_tanh);
    const struct node *softplus = tanh ? ncc_match_def(tanh->in[0], OP_softplus) : NULL;
    return softplus && softplus->in[0] == x && nearly(scale, 1);
}

/* The function that x times the gate v times scale is, or NULL. */
static struct value *gated(struct graph *g, struct node *n, struct value *x, struct value *v, double scale)
{
    double beta;
    if (is_gate(v, x, scale))
        return NCC_OP(g, OP_hard_swish, n->name, NULL, x);
    if (is_sigmoid(v, x, scale, &beta)) {
        const struct swish_attrs a = {(float)beta};
        return NCC_OP(g, OP_swish, n->name, &a, x);
    }
    if (is_mish_gate(v, x, scale))
        return NCC_OP(g, OP_mish, n->name, NULL, x);
    return is_erf_gate(v, x, scale) ? NCC_OP(g, OP_gelu, n->name, NULL, x) : NULL;
}

static bool product_to_unary(struct graph *g, struct node *n)
{
    struct product p = {.n = 0, .scale = 1};
    if (!collect(g, n->out[0], 0, &p) || p.n != 2)
        return false;
    for (int i = 0; i < 2; i++) {
        struct value *x = p.factor[i];
        if (ncc_shape_equal(x->shape, n->out[0]->shape) &&
            ncc_match_become(g, n, gated(g, n, x, p.factor[1 - i], p.scale), NULL))
            return true;
    }
    return false;
}

bool ncc_pass_activations(struct graph *g, struct arena *scratch)
{
    static const struct rewrite set[] = {
        {"max_to_clip", OP_maximum, max_to_clip},
        {"min_to_clip", OP_minimum, min_to_clip},
        {"max_to_slope", OP_maximum, extreme_to_slope},
        {"min_to_slope", OP_minimum, extreme_to_slope},
        {"clip_of_bounded", OP_clip, clip_of_bounded},
        {"relu_of_bounded", OP_relu, clip_of_bounded},
        {"prelu_to_leaky", OP_prelu, prelu_to_leaky},
        {"leaky_to_relu", OP_leaky_relu, leaky_to_relu},
        {"add_to_prelu", OP_add, parts_to_prelu},
        {"sub_to_prelu", OP_sub, parts_to_prelu},
        {"mul_to_unary", OP_mul, product_to_unary},
        {"div_to_unary", OP_div, product_to_unary},
    };
    (void)scratch;
    return ncc_rewrite_run(g, set, NCC_COUNT(set));
}
