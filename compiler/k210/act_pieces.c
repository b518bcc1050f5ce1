#include "compiler/k210/act_pieces.h"

#include <math.h>

static const double FINEST_UNIT = 1.0 / (INT64_C(1) << NCC_KPU_ACT_SHIFT_SAFE);

/* Up to here the largest multiplier goes with the finest unit. */
static const double FLAT = (double)INT16_MAX / (INT64_C(1) << NCC_KPU_ACT_SHIFT_SAFE);

/* ---- slopes as the table has them ---- */

static int shift_for(double slope)
{
    int exponent;
    (void)frexp(slope, &exponent); /* below 2^exponent */
    int shift = 15 - exponent;
    if (fabs(slope) * ldexp(1, shift) > INT16_MAX)
        shift--;
    return shift < 0 ? 0 : shift > NCC_KPU_ACT_SHIFT_SAFE ? NCC_KPU_ACT_SHIFT_SAFE : shift;
}

/* The slope nearest to `wish` in lo..hi that a segment can have; false: there is none. */
static bool slope_in(double lo, double hi, double wish, struct ncc_kpu_segment *s)
{
    wish = fmin(fmax(wish, lo), hi);
    const int shift = shift_for(wish);
    const double unit = ldexp(1, -shift);
    double mul = rint(wish / unit);
    if (mul * unit < lo)
        mul = ceil(lo / unit);
    if (mul * unit > hi)
        mul = floor(hi / unit);
    if (mul * unit < lo || fabs(mul) > INT16_MAX)
        return false;
    s->y_mul = (int16_t)mul;
    s->shift = (uint8_t)shift;
    return true;
}

static bool has_slope(double lo, double hi)
{
    /* Slopes this flat all have the finest unit: no need to look closely as long as the cone is wider. */
    if (hi - lo > FINEST_UNIT && lo < FLAT && hi > -FLAT)
        return true;
    if (lo > hi)
        return false;
    struct ncc_kpu_segment unused;
    return slope_in(lo, hi, (lo + hi) / 2, &unused);
}

/* ---- pieces ---- */

static bool allow_code(struct act_piece *p, double code, double error)
{
    const double room = 0.5 + error, lo = fmax(p->lo, ncc_act_clamp(code) - room),
                 hi = fmin(p->hi, ncc_act_clamp(code) + room);
    if (ceil(lo) > floor(hi))
        return false;
    p->lo = lo;
    p->hi = hi;
    p->bias = (int)fmin(fmax(rint((lo + hi) / 2), ceil(lo)), floor(hi));
    return true;
}

static bool allow_slope(struct act_piece *p, double code, double dv, double error)
{
    const double room = p->kind == ACT_FALLING ? error - 0.5 : error, base = ncc_act_piece_base(p);
    if (room < 0)
        return false;
    double lo = p->lo, hi = p->hi;
    /* Beyond the ends the clamp helps, in one direction. */
    if (code - room > 0)
        lo = fmax(lo, (fmin(code, 255) - room - base) / dv);
    if (code + room < 255)
        hi = fmin(hi, (fmax(code, 0) + room - base) / dv);
    if (!has_slope(lo, hi))
        return false;
    p->lo = lo;
    p->hi = hi;
    return true;
}

struct act_piece ncc_act_piece_begin(const struct act_curve *c, enum act_kind kind, int start, int bias, double error)
{
    struct act_piece p = {.kind = kind, .start = start, .bias = bias, .reach = start};
    p.lo = kind == ACT_FALLING ? -INT16_MAX : 0;
    p.hi = kind == ACT_FALLING ? 0 : kind == ACT_RISING ? INT16_MAX : 255;
    if (kind == ACT_CONSTANT && start >= 0)
        allow_code(&p, c->after[start], error);
    return p;
}

bool ncc_act_piece_extend(struct act_piece *p, const struct act_curve *c, double error)
{
    const int i = p->reach + 1;
    if (i >= c->n || !(p->kind == ACT_CONSTANT ? allow_code(p, c->code[i], error)
                                               : allow_slope(p, c->code[i], (double)(c->v[i] - c->v[p->start]), error)))
        return false;
    p->reach = i;
    return true;
}

/* ---- the table ---- */

struct ncc_kpu_segment ncc_act_piece_segment(const struct act_piece *p, const struct act_curve *c, double slope)
{
    struct ncc_kpu_segment s = {.x_start = p->start < 0 ? NCC_KPU_ACC_MIN : c->v[p->start], .bias = (uint8_t)p->bias};
    if (p->kind != ACT_CONSTANT)
        slope_in(p->lo, p->hi, slope, &s);
    return s;
}

void ncc_act_pieces_fill(struct ncc_kpu_table *t, int from)
{
    for (int i = from; i < NCC_KPU_SEGMENTS; i++)
        t->seg[i] = (struct ncc_kpu_segment){.x_start = NCC_KPU_ACC_MAX - (NCC_KPU_SEGMENTS - 1 - i), .bias = 255};
}
