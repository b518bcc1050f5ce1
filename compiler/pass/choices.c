/* choices: where one number or another is taken, depending on what a third one is, as PyTorch's exporters write functions
 * that are defined in parts:
 *
 *     x > t ? x : log(1 + exp(x))    softplus, for t so large that it makes no difference
 *     x > 0 ? x : a x                leaky ReLU; ReLU for 0
 *     x > t ? x : 0                  thresholded ReLU
 *
 * What is none of these becomes arithmetic with a step, which is 0 or 1, since kmodels know no truth values:
 *
 *     a > b                          clip(sign(a - b), 0, 1), its opposite 1 less that
 *     c ? a : b                      c a + (1 - c) b          exact for finite numbers
 */
#include "compiler/pass/match.h"
#include "compiler/pass/passes.h"
#include "compiler/pass/rewrite.h"

#include <math.h>

/* ---- functions in parts ---- */

/* log(1 + exp(x)): x, or NULL. */
static struct value *softplus_of(const struct value *v)
{
    const struct node *log = ncc_match_def(v, OP_log), *add = log ? ncc_match_def(log->in[0], OP_add) : NULL;
    struct value *e;
    float one;
    if (ncc_match_def(v, OP_softplus))
        return v->def->in[0];
    if (!add || !ncc_match_with_uniform(add, &e, &one) || one != 1)
        return NULL;
    const struct node *exp = ncc_match_def(e, OP_exp);
    return exp ? exp->in[0] : NULL;
}

static bool log_to_softplus(struct graph *g, struct node *n)
{
    struct value *x = softplus_of(n->out[0]);
    return x && ncc_match_become(g, n, NCC_OP(g, OP_softplus, n->name, NULL, x), NULL);
}

/* x > t, or for what is not strict x >= t, as it chooses between two: above and else. */
struct parts {
    struct value *x, *above, *below;
    float t;
    bool strict;
};

static int mirrored(int kind)
{
    static const int opposite[] = {[COMPARE_EQUAL] = COMPARE_EQUAL,       [COMPARE_NOT_EQUAL] = COMPARE_NOT_EQUAL,
                                   [COMPARE_LESS] = COMPARE_GREATER,      [COMPARE_LESS_EQUAL] = COMPARE_GREATER_EQUAL,
                                   [COMPARE_GREATER] = COMPARE_LESS,      [COMPARE_GREATER_EQUAL] = COMPARE_LESS_EQUAL};
    return opposite[kind];
}

static bool read_parts(const struct node *n, struct parts *p)
{
    const struct node *c = ncc_match_def(n->in[0], OP_comparison);
    if (!c || c->in[0]->dtype != DT_F32)
        return false;
    int kind = ((const struct comparison_attrs *)c->attrs)->kind;
    const bool first = ncc_match_uniform(c->in[0], &p->t);
    if (first)
        kind = mirrored(kind);
    else if (!ncc_match_uniform(c->in[1], &p->t))
        return false;
    if (kind == COMPARE_EQUAL || kind == COMPARE_NOT_EQUAL)
        return false;
    const bool is_less = kind == COMPARE_LESS || kind == COMPARE_LESS_EQUAL;
    p->x = c->in[first];
    p->strict = kind == COMPARE_GREATER || kind == COMPARE_LESS_EQUAL;
    p->above = n->in[is_less ? 2 : 1];
    p->below = n->in[is_less ? 1 : 2];
    return ncc_shape_equal(p->x->shape, n->out[0]->shape);
}

/* below is a x: a */
static bool is_slope(const struct parts *p, float *a)
{
    struct value *x;
    const struct node *d = p->below->def;
    if (ncc_match_uniform(p->below, a))
        return *a == 0;
    if (ncc_match_def(p->below, OP_neg) && d->in[0] == p->x) {
        *a = -1;
        return true;
    }
    return d && d->op == OP_mul && ncc_match_with_uniform(d, &x, a) && x == p->x;
}

static bool parts_to_function(struct graph *g, struct node *n)
{
    enum { ALL_THE_SAME = 15 }; /* softplus(15) - 15 is half of what is between numbers there */
    struct parts p;
    float zero, slope;
    if (!read_parts(n, &p) || p.above != p.x)
        return false;
    if (p.t >= ALL_THE_SAME && softplus_of(p.below) == p.x)
        return ncc_match_become(g, n, NCC_OP(g, OP_softplus, n->name, NULL, p.x), n->in[0]->def);
    if (p.t == 0 && is_slope(&p, &slope)) {
        const struct leaky_relu_attrs a = {slope};
        const enum op op = slope == 0 ? OP_relu : OP_leaky_relu;
        return ncc_match_become(g, n, NCC_OP(g, op, n->name, slope == 0 ? NULL : &a, p.x), n->in[0]->def);
    }
    if (!ncc_match_uniform(p.below, &zero) || zero != 0)
        return false;
    const struct thresholded_relu_attrs a = {p.strict ? p.t : nextafterf(p.t, -INFINITY)};
    return ncc_match_become(g, n, NCC_OP(g, OP_thresholded_relu, n->name, &a, p.x), n->in[0]->def);
}

/* ---- truth as numbers ---- */

static struct value *named(struct graph *g, const struct value *v, const char *suffix, enum op op, struct value *a,
                           struct value *b)
{
    const int n = b ? 2 : 1;
    return a ? ncc_op(g, op, ncc_name(g, v->name, suffix), NULL, (struct value *[]){a, b}, n) : NULL;
}

static struct value *opposite(struct graph *g, const struct value *v, struct value *truth)
{
    return truth ? named(g, v, "not", OP_sub, ncc_match_scalar(g, "one", 1), truth) : NULL;
}

/* 1 where a > b */
static struct value *step(struct graph *g, const struct value *v, struct value *a, struct value *b)
{
    static const struct clip_attrs to_1 = {0, 1};
    struct value *sign = named(g, v, "sign", OP_sign, named(g, v, "difference", OP_sub, a, b), NULL);
    return sign ? NCC_OP(g, OP_clip, ncc_name(g, v->name, "step"), &to_1, sign) : NULL;
}

static struct value *compared(struct graph *g, const struct node *n)
{
    struct value *v = n->out[0], *a = n->in[0], *b = n->in[1];
    if (a->dtype != DT_F32 || b->dtype != DT_F32)
        return NULL;
    switch (((const struct comparison_attrs *)n->attrs)->kind) {
    case COMPARE_GREATER:
        return step(g, v, a, b);
    case COMPARE_LESS:
        return step(g, v, b, a);
    case COMPARE_GREATER_EQUAL:
        return opposite(g, v, step(g, v, b, a));
    case COMPARE_LESS_EQUAL:
        return opposite(g, v, step(g, v, a, b));
    default: {
        struct value *sign = named(g, v, "sign", OP_sign, named(g, v, "difference", OP_sub, a, b), NULL);
        struct value *differ = named(g, v, "differ", OP_abs, sign, NULL);
        return ((const struct comparison_attrs *)n->attrs)->kind == COMPARE_EQUAL ? opposite(g, v, differ) : differ;
    }
    }
}

static struct value *constant_truth(struct graph *g, const struct value *v)
{
    const int64_t n = ncc_shape_count(v->shape);
    float *x = NCC_NEW(g->arena, float, n);
    for (int64_t i = 0; i < n; i++)
        x[i] = ((const uint8_t *)v->data)[i] != 0;
    return ncc_const(g, ncc_name(g, v->name, "truth"), DT_F32, v->shape, x);
}

enum { MOST_DEEP = 16 };

/* v, which is a truth value, as 0 or 1; NULL: it depends on what is none and no real number. */
static struct value *truth(struct graph *g, const struct value *v, int depth)
{
    const struct node *n = v->def;
    if (v->dtype != DT_BOOL || depth > MOST_DEEP)
        return NULL;
    if (ncc_is_const(v))
        return constant_truth(g, v);
    if (n && n->op == OP_comparison)
        return compared(g, n);
    if (n && n->op == OP_logical_not)
        return opposite(g, v, truth(g, n->in[0], depth + 1));
    if (!n || n->op != OP_logical)
        return NULL;
    struct value *a = truth(g, n->in[0], depth + 1), *b = a ? truth(g, n->in[1], depth + 1) : NULL;
    if (!b)
        return NULL;
    switch (((const struct logical_attrs *)n->attrs)->kind) {
    case LOGICAL_AND:
        return named(g, v, "and", OP_mul, a, b);
    case LOGICAL_OR:
        return named(g, v, "or", OP_maximum, a, b);
    default:
        return named(g, v, "xor", OP_abs, named(g, v, "differ", OP_sub, a, b), NULL);
    }
}

static bool is_zero(const struct value *v)
{
    float x;
    return ncc_match_uniform(v, &x) && x == 0;
}

static bool select_to_sum(struct graph *g, struct node *n)
{
    struct value *a = n->in[1], *b = n->in[2];
    if (n->out[0]->dtype != DT_F32 || ncc_is_const(n->in[0]))
        return false;
    struct value *c = truth(g, n->in[0], 0), *other = is_zero(b) ? c : opposite(g, n->out[0], c);
    if (!c || !other)
        return false;
    a = is_zero(a) ? NULL : named(g, n->out[0], "first", OP_mul, c, a);
    b = is_zero(b) && a ? NULL : named(g, n->out[0], "second", OP_mul, other, b);
    struct value *y = a && b ? NCC_OP(g, OP_add, n->name, NULL, a, b) : a ? a : b;
    return ncc_shape_equal(y->shape, n->out[0]->shape) && ncc_match_become(g, n, y, NULL);
}

static bool cast_to_truth(struct graph *g, struct node *n)
{
    if (n->out[0]->dtype != DT_F32 || ncc_is_const(n->in[0]))
        return false;
    return ncc_match_become(g, n, truth(g, n->in[0], 0), NULL);
}

bool ncc_pass_choices(struct graph *g, struct arena *scratch)
{
    static const struct rewrite functions[] = {
        {"log_to_softplus", OP_log, log_to_softplus},
        {"parts_to_function", OP_select, parts_to_function},
    };
    static const struct rewrite numbers[] = {
        {"select_to_sum", OP_select, select_to_sum},
        {"cast_to_truth", OP_cast, cast_to_truth},
    };
    (void)scratch;
    return ncc_rewrite_run(g, functions, NCC_COUNT(functions)) && ncc_rewrite_run(g, numbers, NCC_COUNT(numbers));
}
