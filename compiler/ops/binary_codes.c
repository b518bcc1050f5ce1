#include "compiler/ops/binary_codes.h"

#include "compiler/ops/on_codes.h"

static bool have_grids(const struct code_args *c)
{
    return ncc_has_grid(c->in[0]) && ncc_has_grid(c->in[1]);
}

/* Those that XNNPACK has. */
static bool in_fixed_point(const struct code_args *c)
{
    return have_grids(c) && !ncc_is_unsigned(c->out);
}

/* ---- sums: both operands in finer units of the larger scale, doubled so that the sum fits ---- */

struct sum {
    int left; /* how much finer: a power of two */
    struct fx a, b, out;
    int zero;
};

static double twice_larger_scale(const struct code_args *c)
{
    return 2 * fmax((double)c->in[0].scale, (double)c->in[1].scale);
}

static struct sum sum_of(const struct code_args *c, int left)
{
    const double unit = twice_larger_scale(c);
    return (struct sum){left, ncc_fx_of((double)c->in[0].scale / unit), ncc_fx_of((double)c->in[1].scale / unit),
                        ncc_fx_of(ldexp(unit, -left) / (double)c->out.scale), c->out.zero};
}

static int32_t in_units(int32_t x, int left, struct fx f)
{
    return ncc_fx_times((int32_t)((uint32_t)x << left), f);
}

static int32_t add(const void *ctx, int32_t a, int32_t b)
{
    const struct sum *s = ctx;
    const int32_t y = ncc_code_at(in_units(a, s->left, s->a), in_units(b, s->left, s->b));
    return ncc_code_at(s->zero, ncc_fx_times(y, s->out));
}

static int32_t sub(const void *ctx, int32_t a, int32_t b)
{
    const struct sum *s = ctx;
    const uint32_t y = (uint32_t)in_units(a, s->left, s->a) - (uint32_t)in_units(b, s->left, s->b);
    return ncc_code_at(s->zero, ncc_fx_times((int32_t)y, s->out));
}

static int finer(const struct code_args *c)
{
    return ncc_is_narrow(c->out) ? 20 : 15;
}

static bool give_sum(const struct code_args *c, ncc_binary_codes *f, struct sum s)
{
    if (in_fixed_point(c))
        ncc_codes_binary(c, f, &s);
    return in_fixed_point(c);
}

bool ncc_add_codes(const struct code_args *c)
{
    return give_sum(c, add, sum_of(c, finer(c)));
}

/* The same, with quotients in float. */
bool ncc_sub_codes(const struct code_args *c)
{
    const float unit = 2 * fmaxf(c->in[0].scale, c->in[1].scale), out = ldexpf(c->out.scale, finer(c));
    return give_sum(c, sub,
                    (struct sum){finer(c), ncc_fx_of((double)(c->in[0].scale / unit)),
                                 ncc_fx_of((double)(c->in[1].scale / unit)), ncc_fx_of((double)(unit / out)),
                                 c->out.zero});
}

static int32_t squared_difference(const void *ctx, int32_t a, int32_t b)
{
    const struct sum *s = ctx;
    const uint32_t d = (uint32_t)in_units(a, s->left, s->a) - (uint32_t)in_units(b, s->left, s->b);
    return ncc_code_at(s->zero, ncc_fx_times((int32_t)(d * d), s->out));
}

bool ncc_squared_difference_codes(const struct code_args *c)
{
    if (!have_grids(c) || !ncc_is_narrow(c->out))
        return false;
    struct sum s = sum_of(c, 7);
    const double unit = ldexp(twice_larger_scale(c), -s.left);
    s.out = ncc_fx_of(unit * unit / (double)c->out.scale);
    ncc_codes_binary(c, squared_difference, &s);
    return true;
}

/* ---- products ---- */

struct product {
    struct fx factor, positive; /* positive: of prelu's operands above zero */
    int zero;
};

static struct product product_of(const struct code_args *c)
{
    const double a = (double)c->in[0].scale, b = (double)c->in[1].scale, out = (double)c->out.scale;
    return (struct product){ncc_fx_of(a * b / out), ncc_fx_of(a / out), c->out.zero};
}

static int32_t mul(const void *ctx, int32_t a, int32_t b)
{
    const struct product *p = ctx;
    return ncc_code_at(p->zero, ncc_fx_times((int32_t)((uint32_t)a * (uint32_t)b), p->factor));
}

bool ncc_mul_codes(const struct code_args *c)
{
    if (!in_fixed_point(c))
        return false;
    const struct product p = product_of(c);
    ncc_codes_binary(c, mul, &p);
    return true;
}

static int32_t prelu(const void *ctx, int32_t x, int32_t slope)
{
    const struct product *p = ctx;
    return x < 0 ? mul(ctx, x, slope) : ncc_code_at(p->zero, ncc_fx_times(x, p->positive));
}

bool ncc_prelu_codes(const struct code_args *c)
{
    if (!have_grids(c))
        return false;
    const struct product p = product_of(c);
    ncc_codes_binary(c, prelu, &p);
    return true;
}
