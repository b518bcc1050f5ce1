/* Unary functions as byte code. */
#include "compiler/emit/nnil_code.h"

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
        if (!ncc_emit_nnil_rare(&c, n))
            return 0;
    }
    op(&c, NCC_KM_NNIL_RET);
    return c.n;
}
