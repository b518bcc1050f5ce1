/* Unary functions as byte code of the runtime's little stack machine. */
#include "compiler/emit/writing.h"

#include <string.h>

struct code {
    uint8_t *v;
    size_t n;
};

static void op(struct code *c, int byte)
{
    c->v[c->n++] = (uint8_t)byte;
}

static void number(struct code *c, float x)
{
    op(c, NCC_KM_NNIL_LDC_R4);
    memcpy(c->v + c->n, &x, 4);
    c->n += 4;
}

static void element(struct code *c)
{
    op(c, NCC_KM_NNIL_LDA_0);
}

static void unary(struct code *c, int which)
{
    op(c, NCC_KM_NNIL_UNARY + which);
}

static void binary(struct code *c, int which)
{
    op(c, NCC_KM_NNIL_BINARY + which);
}

static void clamp(struct code *c, float low, float high)
{
    number(c, low);
    number(c, high);
    op(c, NCC_KM_NNIL_CLAMP);
}

/* max(x, a x) for a <= 1, min for larger slopes */
static void leaky_relu(struct code *c, float alpha)
{
    element(c);
    element(c);
    number(c, alpha);
    binary(c, NCC_KM_BINARY_MUL);
    binary(c, alpha <= 1 ? NCC_KM_BINARY_MAX : NCC_KM_BINARY_MIN);
}

/* 1 / (1 + exp(-x)) */
static void sigmoid(struct code *c)
{
    op(c, NCC_KM_NNIL_LDC_1);
    op(c, NCC_KM_NNIL_LDC_1);
    element(c);
    unary(c, NCC_KM_UNARY_NEG);
    unary(c, NCC_KM_UNARY_EXP);
    binary(c, NCC_KM_BINARY_ADD);
    binary(c, NCC_KM_BINARY_DIV);
}

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

/* 1 - 2 / (exp(2 x) + 1) */
static void tangent(struct code *c)
{
    op(c, NCC_KM_NNIL_LDC_1);
    number(c, 2);
    element(c);
    number(c, 2);
    binary(c, NCC_KM_BINARY_MUL);
    unary(c, NCC_KM_UNARY_EXP);
    op(c, NCC_KM_NNIL_LDC_1);
    binary(c, NCC_KM_BINARY_ADD);
    binary(c, NCC_KM_BINARY_DIV);
    binary(c, NCC_KM_BINARY_SUB);
}

/* x clamp(x + 3, 0, 6) / 6 */
static void hard_swish(struct code *c)
{
    element(c);
    element(c);
    number(c, 3);
    binary(c, NCC_KM_BINARY_ADD);
    clamp(c, 0, 6);
    binary(c, NCC_KM_BINARY_MUL);
    number(c, 6);
    binary(c, NCC_KM_BINARY_DIV);
}

/* max(x, 0) + a (exp(min(x, 0)) - 1) */
static void elu(struct code *c, float alpha)
{
    element(c);
    op(c, NCC_KM_NNIL_LDC_0);
    binary(c, NCC_KM_BINARY_MAX);
    element(c);
    op(c, NCC_KM_NNIL_LDC_0);
    binary(c, NCC_KM_BINARY_MIN);
    unary(c, NCC_KM_UNARY_EXP);
    op(c, NCC_KM_NNIL_LDC_1);
    binary(c, NCC_KM_BINARY_SUB);
    number(c, alpha);
    binary(c, NCC_KM_BINARY_MUL);
    binary(c, NCC_KM_BINARY_ADD);
}

/* 1 / rsqrt(x), which is 0 for 0 */
static void square_root(struct code *c)
{
    op(c, NCC_KM_NNIL_LDC_1);
    element(c);
    unary(c, NCC_KM_UNARY_RSQRT);
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

/* Functions that one activation in many models is. False: it is not one of them. */
static bool rare_function(struct code *c, const struct node *n)
{
    switch ((int)n->op) {
    case OP_sign:
        sign(c);
        return true;
    case OP_softplus:
        softplus(c);
        return true;
    case OP_softsign:
        softsign(c);
        return true;
    case OP_swish:
        swish(c, ((const struct swish_attrs *)n->attrs)->beta);
        return true;
    case OP_mish:
        mish(c);
        return true;
    case OP_erf:
        error_function(c, 1);
        return true;
    case OP_gelu:
        gelu(c, ((const struct gelu_attrs *)n->attrs)->by_tanh);
        return true;
    case OP_sinh:
        hyperbolic(c, NCC_KM_BINARY_SUB);
        return true;
    case OP_cosh:
        hyperbolic(c, NCC_KM_BINARY_ADD);
        return true;
    case OP_acosh:
        area(c, -1);
        return true;
    case OP_atanh:
        area_tangent(c);
        return true;
    case OP_asinh:
        sign(c);
        area(c, 1);
        binary(c, NCC_KM_BINARY_MUL);
        return true;
    case OP_reciprocal:
        op(c, NCC_KM_NNIL_LDC_1);
        element(c);
        binary(c, NCC_KM_BINARY_DIV);
        return true;
    case OP_tan:
        element(c);
        unary(c, NCC_KM_UNARY_SIN);
        element(c);
        unary(c, NCC_KM_UNARY_COS);
        binary(c, NCC_KM_BINARY_DIV);
        return true;
    case OP_thresholded_relu:
        beyond(c, 1, ((const struct thresholded_relu_attrs *)n->attrs)->alpha, 0);
        return true;
    case OP_shrink: {
        const struct shrink_attrs *a = n->attrs;
        beyond(c, 1, a->lambda, -a->bias);
        beyond(c, -1, a->lambda, a->bias);
        binary(c, NCC_KM_BINARY_ADD);
        return true;
    }
    default:
        return false;
    }
}

size_t ncc_emit_nnil(const struct node *n, uint8_t code[NCC_EMIT_MAX_NNIL])
{
    struct code c = {code, 0};
    switch ((int)n->op) {
    case OP_relu:
        element(&c);
        op(&c, NCC_KM_NNIL_LDC_0);
        binary(&c, NCC_KM_BINARY_MAX);
        break;
    case OP_clip: {
        const struct clip_attrs *a = n->attrs;
        element(&c);
        clamp(&c, a->min, a->max);
        break;
    }
    case OP_leaky_relu:
        leaky_relu(&c, ((const struct leaky_relu_attrs *)n->attrs)->alpha);
        break;
    case OP_elu:
        elu(&c, ((const struct elu_attrs *)n->attrs)->alpha);
        break;
    case OP_sigmoid:
        sigmoid(&c);
        break;
    case OP_tanh:
        tangent(&c);
        break;
    case OP_hard_swish:
        hard_swish(&c);
        break;
    case OP_sqrt:
        square_root(&c);
        break;
    default:
        if (!rare_function(&c, n))
            return 0;
    }
    op(&c, NCC_KM_NNIL_RET);
    return c.n;
}
