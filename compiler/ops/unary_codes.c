#include "compiler/ops/unary_codes.h"

#include "compiler/ops/code_table.h"
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

/* ---- sigmoid, tanh of 8 bits: of a Q4, whose ends are far in the flat parts ---- */

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

/* ---- of 16 bits: of units of 1 / (3 * 2^12), of which a knot is 2^9 for sigmoid, for tanh 2^8 from the last ---- */

struct knots {
    uint16_t knot[256];
    int32_t factor; /* to units, and a power of two */
    int right, bits;
};

/* Twice the sigmoid's value between two knots, in steps of 2^-`bits` of a knot's. */
static int32_t at_knots(const struct knots *k, int32_t x)
{
    const int32_t i = x >> k->bits, part = x & ((1 << k->bits) - 1);
    return (k->knot[i] << k->bits) + part * (k->knot[i + 1] - k->knot[i]);
}

static int32_t to_units(const struct knots *k, int32_t x)
{
    return (x * k->factor + (k->right > 0 ? 1 << (k->right - 1) : 0)) >> k->right;
}

static int32_t wide_sigmoid(const void *ctx, int32_t step)
{
    const struct knots *k = ctx;
    const int32_t x = to_units(k, step), size = x < 0 ? -x : x;
    const int32_t y = size >> k->bits >= 255 ? INT16_MAX << 10 : at_knots(k, size);
    return (x >= 0 ? y + (1 << 9) : (1 << 25) - y + (1 << 9) - 1) >> 10;
}

static int32_t wide_tanh(const void *ctx, int32_t step)
{
    const struct knots *k = ctx;
    const int32_t x = to_units(k, step), size = x < 0 ? -x : x;
    const int32_t y = (size >> k->bits >= 255 ? UINT16_MAX << 8 : at_knots(k, size)) - (1 << 23);
    return (x >= 0 ? y + (1 << 7) : -y + (1 << 7) - 1) >> 8;
}

/* Scales that are powers of two within `most_shift` of 2^-12 are multiplied exactly, others by 15 bits. */
static bool give_wide_curve(const struct code_args *c, ncc_unary_codes *f, int bits, int most_shift)
{
    struct knots k = {.bits = bits};
    if (!ncc_has_grid(c->in[0]) || ncc_is_narrow(c->in[0]) || ncc_is_narrow(c->out) || c->in[0].zero != 0 ||
        c->out.zero != 0 || c->out.scale != 0x1p-15f)
        return false;
    const double power = log2((double)c->in[0].scale);
    const int shift = (int)rint(power) + 12;
    double factor = (double)c->in[0].scale * 3 * 4096;
    if (fabs(power - rint(power)) < 1e-3 && shift >= 0 && shift <= most_shift)
        factor = 3 << shift;
    else
        for (; factor <= 32767.0 / 2 && k.right <= 30; k.right++)
            factor *= 2;
    if (factor > 32767)
        return false;
    k.factor = (int32_t)factor;
    ncc_sigmoid_knots(k.knot);
    ncc_codes_unary(c, f, &k);
    return true;
}

bool ncc_sigmoid_codes(const struct code_args *c)
{
    return give_curve(c, ncc_fx_logistic, 8, -128) || give_wide_curve(c, wide_sigmoid, 9, 0);
}

bool ncc_tanh_codes(const struct code_args *c)
{
    return give_curve(c, ncc_fx_tanh, 7, 0) || give_wide_curve(c, wide_tanh, 8, 1);
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
