#include "compiler/ops/unary_codes.h"

#include "compiler/ops/on_codes.h"

static bool is_int8(struct grid g)
{
    return ncc_has_grid(g) && g.qmin == -128 && g.qmax == 127;
}

/* ---- leaky_relu ---- */

struct slopes {
    struct fx positive, negative;
    int zero;
    bool falls;
};

static int32_t leaky_relu(const void *ctx, int32_t x)
{
    const struct slopes *s = ctx;
    const int32_t y = ncc_fx_times(x, x >= 0 ? s->positive : s->negative);
    return ncc_code_at(s->zero, x < 0 && s->falls ? -y : y);
}

bool ncc_leaky_relu_codes(const struct code_args *c)
{
    const struct leaky_relu_attrs *p = c->real->node->attrs;
    if (!ncc_has_grid(c->in[0]))
        return false;
    /* products and quotients are floats there */
    const struct slopes s = {ncc_fx_of((double)(c->in[0].scale / c->out.scale)),
                             ncc_fx_of((double)(c->in[0].scale * fabsf(p->alpha) / c->out.scale)), c->out.zero,
                             p->alpha < 0};
    ncc_codes_unary(c, leaky_relu, &s);
    return true;
}

/* ---- sigmoid, tanh: of a Q4, whose ends are far in the flat parts ---- */

struct curve {
    struct fx to_q4;
    int radius; /* steps from which on the result is the last code */
    int32_t (*f)(int32_t x);
    int bits, zero; /* of the result: steps per unit as a power of two */
};

static int32_t curve(const void *ctx, int32_t x)
{
    const struct curve *k = ctx;
    if (x <= -k->radius)
        return INT8_MIN;
    if (x >= k->radius)
        return INT8_MAX;
    return k->zero + ncc_fx_divide(k->f(ncc_fx_times(x, k->to_q4)), 31 - k->bits);
}

static bool give_curve(const struct code_args *c, int32_t (*f)(int32_t x), int bits, int zero)
{
    if (!is_int8(c->in[0]) || !is_int8(c->out) || c->out.scale != ldexpf(1, -bits) || c->out.zero != zero)
        return false;
    struct curve k = {ncc_fx_of(ldexp((double)c->in[0].scale, 27)), 0, f, bits, zero};
    if (k.to_q4.shift < 0 || k.to_q4.shift > 31)
        return false;
    k.radius = (int)fmin(floor(15 * ldexp(1, 27 - k.to_q4.shift)), INT32_MAX);
    ncc_codes_unary(c, curve, &k);
    return true;
}

bool ncc_sigmoid_codes(const struct code_args *c)
{
    return give_curve(c, ncc_fx_logistic, 8, -128);
}

bool ncc_tanh_codes(const struct code_args *c)
{
    return give_curve(c, ncc_fx_tanh, 7, 0);
}

/* ---- hard_swish: in 16 bits ---- */

struct hard_swish {
    struct fx out, gate; /* mul: of 16 bits; gate: 3.0 is 2^15 */
    int zero;
};

static int32_t limited(int64_t x)
{
    return (int32_t)(x < INT16_MIN ? INT16_MIN : x > INT16_MAX ? INT16_MAX : x);
}

/* a * b / 2^15, half up. */
static int32_t high16(int32_t a, int32_t b)
{
    return limited(((int64_t)a * b + (1 << 14)) >> 15);
}

static struct fx narrowed(struct fx f)
{
    return (struct fx){f.mul >= INT32_MAX - (1 << 15) ? INT16_MAX : (f.mul + (1 << 15)) >> 16, f.shift};
}

static int32_t hard_swish(const void *ctx, int32_t x)
{
    const struct hard_swish *h = ctx;
    const int32_t fine = limited((int64_t)x * 128), before = high16(fine, h->out.mul);
    int32_t gate = fine;
    if (h->gate.shift > 0)
        gate = limited((int64_t)gate * (INT64_C(1) << (h->gate.shift - 1)));
    gate = high16(gate, h->gate.mul);
    if (h->gate.shift > 0)
        gate = limited((int64_t)gate * 2);
    if (h->gate.shift < 0)
        gate = ncc_fx_divide(gate, -h->gate.shift);
    gate = (gate + (1 << 15)) >> 1; /* from -1 .. 1 to 0 .. 1 */
    return ncc_code_at(h->zero, ncc_fx_divide(gate * before / (1 << 15), -h->out.shift));
}

bool ncc_hard_swish_codes(const struct code_args *c)
{
    const float fine = 1.0f / 128.0f * c->in[0].scale;
    if (!ncc_has_grid(c->in[0]) || !ncc_is_narrow(c->in[0]))
        return false;
    const struct hard_swish h = {narrowed(ncc_fx_of((double)(fine / c->out.scale))),
                                 narrowed(ncc_fx_of((double)(fine / (3.0f / 32768.0f)))), c->out.zero};
    if (h.out.shift > 0 || h.gate.shift > 31)
        return false;
    ncc_codes_unary(c, hard_swish, &h);
    return true;
}
