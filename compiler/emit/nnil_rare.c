/* Rare unary functions as byte code. Nothing can be kept: what is needed twice is worked out twice. */
#include "compiler/emit/nnil_code.h"

/* x / (1 + exp(-beta x)) */
static void swish(struct code *c, float beta)
{
    element(c);
    op(c, NCC_KM_NNIL_LDC_1);
    element(c);
    number(c, -beta);
    binary(c, NCC_KM_BINARY_MUL);
    unary(c, NCC_KM_UNARY_EXP);
    binary(c, NCC_KM_BINARY_ADD);
    binary(c, NCC_KM_BINARY_DIV);
}

/* |x| */
static void magnitude(struct code *c)
{
    element(c);
    unary(c, NCC_KM_UNARY_ABS);
}

/* What is on the stack becomes 0 or 1 (low = 0), or its sign (low = -1): all but the smallest numbers are beyond the
 * limits when they are multiplied like this. */
static void step(struct code *c, float low)
{
    number(c, 1e37f);
    binary(c, NCC_KM_BINARY_MUL);
    clamp(c, low, 1);
}

static void sign(struct code *c)
{
    element(c);
    step(c, -1);
}

/* max(x, 0) + log(1 + exp(-|x|)) */
static void softplus(struct code *c)
{
    element(c);
    op(c, NCC_KM_NNIL_LDC_0);
    binary(c, NCC_KM_BINARY_MAX);
    op(c, NCC_KM_NNIL_LDC_1);
    magnitude(c);
    unary(c, NCC_KM_UNARY_NEG);
    unary(c, NCC_KM_UNARY_EXP);
    binary(c, NCC_KM_BINARY_ADD);
    unary(c, NCC_KM_UNARY_LOG);
    binary(c, NCC_KM_BINARY_ADD);
}

/* x / (1 + |x|) */
static void softsign(struct code *c)
{
    element(c);
    op(c, NCC_KM_NNIL_LDC_1);
    magnitude(c);
    binary(c, NCC_KM_BINARY_ADD);
    binary(c, NCC_KM_BINARY_DIV);
}

/* x (1 - 2 / ((n + 1)^2 + 1)), n = exp(x) as long as that is a number to reckon with */
static void mish(struct code *c)
{
    element(c);
    op(c, NCC_KM_NNIL_LDC_1);
    number(c, 2);
    element(c);
    number(c, 30);
    binary(c, NCC_KM_BINARY_MIN);
    unary(c, NCC_KM_UNARY_EXP);
    op(c, NCC_KM_NNIL_LDC_1);
    binary(c, NCC_KM_BINARY_ADD);
    unary(c, NCC_KM_UNARY_SQUARE);
    op(c, NCC_KM_NNIL_LDC_1);
    binary(c, NCC_KM_BINARY_ADD);
    binary(c, NCC_KM_BINARY_DIV);
    binary(c, NCC_KM_BINARY_SUB);
    binary(c, NCC_KM_BINARY_MUL);
}

/* Of y = scale x: sign(y) (1 - t (a1 + t (a2 + ...)) exp(-y^2)), t = 1 / (1 + 0.3275911 |y|): Abramowitz and Stegun
 * 7.1.26, off by at most 1.5e-7. t is worked out again for each use, since nothing can be kept. */
static void error_function(struct code *c, float scale)
{
    static const float a[] = {1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f};
    enum { N = sizeof a / sizeof *a };
    sign(c);
    op(c, NCC_KM_NNIL_LDC_1);
    number(c, 0);
    for (int i = 0; i < N; i++) {
        number(c, a[i]);
        binary(c, NCC_KM_BINARY_ADD);
        op(c, NCC_KM_NNIL_LDC_1);
        magnitude(c);
        number(c, 0.3275911f * scale);
        binary(c, NCC_KM_BINARY_MUL);
        binary(c, NCC_KM_BINARY_ADD);
        binary(c, NCC_KM_BINARY_DIV);
    }
    element(c);
    unary(c, NCC_KM_UNARY_SQUARE);
    number(c, -scale * scale);
    binary(c, NCC_KM_BINARY_MUL);
    unary(c, NCC_KM_UNARY_EXP);
    binary(c, NCC_KM_BINARY_MUL);
    binary(c, NCC_KM_BINARY_SUB);
    binary(c, NCC_KM_BINARY_MUL);
}

/* x (1 + erf(x / sqrt(2))) / 2, or x sigmoid(2 u), where 1 + tanh(u) is taken for that: u = s (x + 0.044715 x^3) */
static void gelu(struct code *c, bool by_tanh)
{
    element(c);
    if (!by_tanh) {
        op(c, NCC_KM_NNIL_LDC_1);
        error_function(c, 0.70710678118654752f);
        binary(c, NCC_KM_BINARY_ADD);
        number(c, 0.5f);
        binary(c, NCC_KM_BINARY_MUL);
        binary(c, NCC_KM_BINARY_MUL);
        return;
    }
    op(c, NCC_KM_NNIL_LDC_1);
    element(c);
    element(c);
    unary(c, NCC_KM_UNARY_SQUARE);
    number(c, 0.044715f);
    binary(c, NCC_KM_BINARY_MUL);
    op(c, NCC_KM_NNIL_LDC_1);
    binary(c, NCC_KM_BINARY_ADD);
    binary(c, NCC_KM_BINARY_MUL);
    number(c, -2 * 0.79788456080286536f);
    binary(c, NCC_KM_BINARY_MUL);
    unary(c, NCC_KM_UNARY_EXP);
    binary(c, NCC_KM_BINARY_ADD);
    binary(c, NCC_KM_BINARY_DIV);
}

/* (exp(x) +- exp(-x)) / 2 */
static void hyperbolic(struct code *c, int which)
{
    element(c);
    unary(c, NCC_KM_UNARY_EXP);
    element(c);
    unary(c, NCC_KM_UNARY_NEG);
    unary(c, NCC_KM_UNARY_EXP);
    binary(c, which);
    number(c, 2);
    binary(c, NCC_KM_BINARY_DIV);
}

/* log(|x| + sqrt(x^2 + add)) */
static void area(struct code *c, float add)
{
    magnitude(c);
    op(c, NCC_KM_NNIL_LDC_1);
    element(c);
    unary(c, NCC_KM_UNARY_SQUARE);
    number(c, add);
    binary(c, NCC_KM_BINARY_ADD);
    unary(c, NCC_KM_UNARY_RSQRT);
    binary(c, NCC_KM_BINARY_DIV);
    binary(c, NCC_KM_BINARY_ADD);
    unary(c, NCC_KM_UNARY_LOG);
}

/* log((1 + x) / (1 - x)) / 2 */
static void area_tangent(struct code *c)
{
    op(c, NCC_KM_NNIL_LDC_1);
    element(c);
    binary(c, NCC_KM_BINARY_ADD);
    op(c, NCC_KM_NNIL_LDC_1);
    element(c);
    binary(c, NCC_KM_BINARY_SUB);
    binary(c, NCC_KM_BINARY_DIV);
    unary(c, NCC_KM_UNARY_LOG);
    number(c, 2);
    binary(c, NCC_KM_BINARY_DIV);
}

/* x + add where which x - edge is positive, else 0 */
static void beyond(struct code *c, int sign_of_x, float edge, float add)
{
    element(c);
    number(c, add);
    binary(c, NCC_KM_BINARY_ADD);
    element(c);
    if (sign_of_x < 0)
        unary(c, NCC_KM_UNARY_NEG);
    number(c, edge);
    binary(c, NCC_KM_BINARY_SUB);
    step(c, 0);
    binary(c, NCC_KM_BINARY_MUL);
}

/* The nearest whole number, halves to the even one: next to 3 * 2^22 floats are whole. What is beyond 2^22 stays. */
static void nearest(struct code *c)
{
    const float limit = 1 << 22;
    element(c);
    element(c);
    clamp(c, -limit, limit);
    number(c, 3 * limit);
    binary(c, NCC_KM_BINARY_ADD);
    number(c, 3 * limit);
    binary(c, NCC_KM_BINARY_SUB);
    element(c);
    clamp(c, -limit, limit);
    binary(c, NCC_KM_BINARY_SUB);
    binary(c, NCC_KM_BINARY_ADD);
}

#define HALF_PI 1.57079632679489662f

/* sign(x) (pi / 2 - sqrt(1 - |x|) (a0 + |x| (a1 + ...))): Abramowitz and Stegun 4.4.46, off by at most 2e-8. */
static void arc_sine(struct code *c)
{
    static const float a[] = {-0.0012624911f, 0.0066700901f, -0.0170881256f, 0.0308918810f,
                              -0.0501743046f, 0.0889789874f, -0.2145988016f, 1.5707963050f};
    enum { N = sizeof a / sizeof *a };
    sign(c);
    number(c, HALF_PI);
    number(c, a[0]);
    for (int i = 1; i < N; i++) {
        magnitude(c);
        binary(c, NCC_KM_BINARY_MUL);
        number(c, a[i]);
        binary(c, NCC_KM_BINARY_ADD);
    }
    op(c, NCC_KM_NNIL_LDC_1);
    magnitude(c);
    binary(c, NCC_KM_BINARY_SUB);
    unary(c, NCC_KM_UNARY_RSQRT);
    binary(c, NCC_KM_BINARY_DIV);
    binary(c, NCC_KM_BINARY_SUB);
    binary(c, NCC_KM_BINARY_MUL);
}

/* The smaller of |x| and 1 / |x|. */
static void at_most_one(struct code *c)
{
    magnitude(c);
    op(c, NCC_KM_NNIL_LDC_1);
    binary(c, NCC_KM_BINARY_MIN);
    magnitude(c);
    op(c, NCC_KM_NNIL_LDC_1);
    binary(c, NCC_KM_BINARY_MAX);
    binary(c, NCC_KM_BINARY_DIV);
}

/* 1 where |x| > 1, else 0 */
static void is_large(struct code *c)
{
    magnitude(c);
    op(c, NCC_KM_NNIL_LDC_1);
    binary(c, NCC_KM_BINARY_SUB);
    step(c, 0);
}

/* Of z, at most 1: z (1 + z^2 (a2 + ...)), Abramowitz and Stegun 4.4.49, off by at most 2e-8; where |x| > 1, pi / 2
 * less that of 1 / |x|. */
static void arc_tangent(struct code *c)
{
    static const float a[] = {0.0028662257f,  -0.0161657367f, 0.0429096138f, -0.0752896400f, 0.1065626393f,
                              -0.1420889944f, 0.1999355085f,  -0.3333314528f, 1};
    enum { N = sizeof a / sizeof *a };
    sign(c);
    number(c, a[0]);
    for (int i = 1; i < N; i++) {
        at_most_one(c);
        unary(c, NCC_KM_UNARY_SQUARE);
        binary(c, NCC_KM_BINARY_MUL);
        number(c, a[i]);
        binary(c, NCC_KM_BINARY_ADD);
    }
    at_most_one(c);
    binary(c, NCC_KM_BINARY_MUL);
    op(c, NCC_KM_NNIL_LDC_1);
    is_large(c);
    number(c, 2);
    binary(c, NCC_KM_BINARY_MUL);
    binary(c, NCC_KM_BINARY_SUB);
    binary(c, NCC_KM_BINARY_MUL);
    is_large(c);
    number(c, HALF_PI);
    binary(c, NCC_KM_BINARY_MUL);
    binary(c, NCC_KM_BINARY_ADD);
    binary(c, NCC_KM_BINARY_MUL);
}

static void arc_cosine(struct code *c)
{
    number(c, HALF_PI);
    arc_sine(c);
    binary(c, NCC_KM_BINARY_SUB);
}

static void tangent(struct code *c)
{
    element(c);
    unary(c, NCC_KM_UNARY_SIN);
    element(c);
    unary(c, NCC_KM_UNARY_COS);
    binary(c, NCC_KM_BINARY_DIV);
}

static void hyperbolic_sine(struct code *c)
{
    hyperbolic(c, NCC_KM_BINARY_SUB);
}

static void hyperbolic_cosine(struct code *c)
{
    hyperbolic(c, NCC_KM_BINARY_ADD);
}

static void area_sine(struct code *c)
{
    sign(c);
    area(c, 1);
    binary(c, NCC_KM_BINARY_MUL);
}

static void area_cosine(struct code *c)
{
    area(c, -1);
}

static void erf_of_element(struct code *c)
{
    error_function(c, 1);
}

static void reciprocal(struct code *c)
{
    op(c, NCC_KM_NNIL_LDC_1);
    element(c);
    binary(c, NCC_KM_BINARY_DIV);
}

static void shrink(struct code *c, const struct shrink_attrs *a)
{
    beyond(c, 1, a->lambda, -a->bias);
    beyond(c, -1, a->lambda, a->bias);
    binary(c, NCC_KM_BINARY_ADD);
}

/* Functions without attributes. */
static void (*const functions[N_OPS])(struct code *c) = {
    [OP_sign] = sign,
    [OP_softplus] = softplus,
    [OP_softsign] = softsign,
    [OP_mish] = mish,
    [OP_erf] = erf_of_element,
    [OP_sinh] = hyperbolic_sine,
    [OP_cosh] = hyperbolic_cosine,
    [OP_asinh] = area_sine,
    [OP_acosh] = area_cosine,
    [OP_atanh] = area_tangent,
    [OP_round] = nearest,
    [OP_asin] = arc_sine,
    [OP_acos] = arc_cosine,
    [OP_atan] = arc_tangent,
    [OP_tan] = tangent,
    [OP_reciprocal] = reciprocal,
};

bool ncc_emit_nnil_rare(struct code *c, const struct node *n)
{
    if (functions[n->op])
        functions[n->op](c);
    else if (n->op == OP_swish)
        swish(c, ((const struct swish_attrs *)n->attrs)->beta);
    else if (n->op == OP_gelu)
        gelu(c, ((const struct gelu_attrs *)n->attrs)->by_tanh);
    else if (n->op == OP_thresholded_relu)
        beyond(c, 1, ((const struct thresholded_relu_attrs *)n->attrs)->alpha, 0);
    else if (n->op == OP_shrink)
        shrink(c, n->attrs);
    else
        return false;
    return true;
}
