/* Fitting 16 pieces to a curve so that the largest error is smallest.
 *
 * For a given error the fewest pieces that stay within it are found level by level: of all samples that n pieces can
 * reach, from which does one more piece reach furthest? The error itself is found by bisection. Errors are counted
 * beyond perfect rounding, so that a constant piece is perfect while the function stays within half a code of it; a
 * sloped one, which is rounded like the function, while it stays on it.
 *
 *     code  .            / L     A sloped piece starts at a sample (v, whole code) and keeps the cone of slopes that
 * pass .        * /  |      all samples at a distance of at most the error; it ends when the cone is empty. .    / * |
 *           b * ----------
 *             v
 */
#include "compiler/k210/act_table.h"

#include "compiler/k210/act_curve.h"

#include <math.h>
#include <string.h>

enum kind { CONSTANT, RISING, FALLING };

struct piece {
    enum kind kind;
    int bias;      /* the byte in the table */
    double lo, hi; /* slopes, for the sloped ones */
    int reach;     /* last sample that it may serve */
};

struct fitter {
    const struct act_target *t;
    struct act_curve c;
    double weight[NCC_ACT_SAMPLES]; /* for the least squares of a slope */
    double error;                   /* allowed */
    int n_pieces;                   /* of the solution; piece 0 is segment 0, from -2^35 on */
    int start[NCC_KPU_SEGMENTS]; /* sample where piece i starts; it serves the samples behind, up to the next start */
    struct piece piece[NCC_KPU_SEGMENTS];
};

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

/* ---- how far one piece reaches ---- */

/* A constant serves what lies behind sample `start` (-1: all) up to sample `reach`: the longest one that there is. */
static struct piece constant_from(const struct fitter *f, int start)
{
    struct piece p = {.kind = CONSTANT, .reach = start};
    double lo = 0, hi = 255;
    for (int i = start; i < f->c.n; i++) {
        if (i < 0)
            continue;
        const double code = ncc_act_clamp(i == start ? f->c.after[i] : f->c.code[i]), room = 0.5 + f->error;
        lo = fmax(lo, code - room);
        hi = fmin(hi, code + room);
        if (ceil(lo) > floor(hi))
            break;
        const double middle = rint((lo + hi) / 2);
        p.bias = (int)fmin(fmax(middle, ceil(lo)), floor(hi));
        p.reach = i;
    }
    return p;
}

/* The cone of slopes that serve samples start + 1 .. reach, through (v[start], bias), while reach <= end. */
static struct piece slope_from(const struct fitter *f, int start, enum kind kind, int bias, int end)
{
    struct piece p = {.kind = kind, .bias = bias, .reach = start, .lo = 0, .hi = INT16_MAX};
    const double lost = kind == FALLING ? 0.5 : 0; /* negative products round up to a code too low */
    const double base = kind == FALLING ? bias - 1 : bias;
    if (kind == FALLING) {
        p.lo = -INT16_MAX;
        p.hi = 0;
    }
    double lo = p.lo, hi = p.hi;
    for (int i = start + 1; i <= end; i++) {
        const double room = f->error - lost, dv = (double)(f->c.v[i] - f->c.v[start]);
        if (room < 0)
            break;
        /* Beyond the ends the clamp helps, in one direction. */
        if (f->c.code[i] - room > 0)
            lo = fmax(lo, (fmin(f->c.code[i], 255) - room - base) / dv);
        if (f->c.code[i] + room < 255)
            hi = fmin(hi, (fmax(f->c.code[i], 0) + room - base) / dv);
        if (!has_slope(lo, hi))
            break;
        p.lo = lo;
        p.hi = hi;
        p.reach = i;
    }
    return p;
}

/* ---- the fewest pieces ---- */

static void keep_longer(struct fitter *f, int start, struct piece p)
{
    if (p.reach <= f->piece[f->n_pieces].reach)
        return;
    f->piece[f->n_pieces] = p;
    f->start[f->n_pieces] = start;
}

/* Sloped pieces start with a whole code that the function has, nearly, at v or just behind it. */
static void try_slopes(struct fitter *f, int start, double code)
{
    const double b = rint(code);
    if (b < 0 || b > 255)
        return;
    if (fabs(b - code) <= f->error)
        keep_longer(f, start, slope_from(f, start, RISING, (int)b, f->c.n - 1));
    if (b < 255 && fabs(b - code) <= f->error - 0.5)
        keep_longer(f, start, slope_from(f, start, FALLING, (int)b + 1, f->c.n - 1));
}

/* The piece that reaches furthest, of those that start at samples first..last; the last of several, which leaves
 * most to the piece before it. */
static void longest_piece(struct fitter *f, int first, int last)
{
    const struct act_curve *c = &f->c;
    f->piece[f->n_pieces].reach = last;
    for (int i = last; i >= first && f->piece[f->n_pieces].reach < c->n - 1; i--) {
        keep_longer(f, i, constant_from(f, i));
        try_slopes(f, i, c->code[i]);
        if (fabs(c->after[i] - c->code[i]) > 0.001)
            try_slopes(f, i, c->after[i]);
    }
}

static bool solve(struct fitter *f, double error)
{
    f->error = error;
    f->piece[0] = constant_from(f, -1);
    f->start[0] = -1;
    int first = 0, last = f->piece[0].reach;
    for (f->n_pieces = 1; last < f->c.n - 1; f->n_pieces++) {
        if (f->n_pieces == NCC_KPU_SEGMENTS)
            return false;
        longest_piece(f, first, last);
        if (f->piece[f->n_pieces].reach == last)
            return false;
        first = last + 1;
        last = f->piece[f->n_pieces].reach;
    }
    return true;
}

/* Piecewise linear functions succeed at once. 256 would always do: one constant. */
static void solve_best(struct fitter *f)
{
    double low = 0.0005, high = 0.004;
    if (solve(f, low))
        return;
    for (; !solve(f, high); high *= 4) /* most functions are served by small errors */
        low = high;
    while (high / low > 1.05) {
        const double middle = sqrt(low * high);
        if (solve(f, middle))
            high = middle;
        else
            low = middle;
    }
    solve(f, high);
}

/* ---- the table ---- */

/* Least squares through the piece's start, within the cone of what it really serves. */
static struct ncc_kpu_segment segment_of(const struct fitter *f, int index)
{
    const int start = f->start[index];
    const struct piece *wide = &f->piece[index];
    struct ncc_kpu_segment s = {.x_start = f->c.v[start], .bias = (uint8_t)wide->bias};
    if (wide->kind == CONSTANT)
        return s;
    const int end = index + 1 < f->n_pieces ? f->start[index + 1] : f->c.n - 1;
    const struct piece p = slope_from(f, start, wide->kind, wide->bias, end);
    const double base = p.kind == FALLING ? p.bias - 1 : p.bias;
    double xx = 0, xy = 0;
    for (int i = start + 1; i <= end; i++) {
        if (f->c.code[i] < 0 || f->c.code[i] > 255)
            continue;
        const double x = (double)(f->c.v[i] - f->c.v[start]), w = f->weight[i];
        xx += w * x * x;
        xy += w * x * (f->c.code[i] - base);
    }
    slope_in(p.lo, p.hi, xx > 0 ? xy / xx : (p.lo + p.hi) / 2, &s);
    return s;
}

/* Unreachable entries at the end, as released compilers write them. */
static void fill_rest(struct ncc_kpu_table *t, int from)
{
    for (int i = from; i < NCC_KPU_SEGMENTS; i++)
        t->seg[i] = (struct ncc_kpu_segment){.x_start = NCC_KPU_ACC_MAX - (NCC_KPU_SEGMENTS - 1 - i), .bias = 255};
}

static void build(const struct fitter *f, struct ncc_kpu_table *out)
{
    out->seg[0] = (struct ncc_kpu_segment){.x_start = NCC_KPU_ACC_MIN, .bias = (uint8_t)f->piece[0].bias};
    for (int i = 1; i < f->n_pieces; i++)
        out->seg[i] = segment_of(f, i);
    fill_rest(out, f->n_pieces);
}

/* A sample counts for the v between its neighbours. */
static void set_weights(struct fitter *f)
{
    for (int i = 0; i < f->c.n; i++) {
        const int left = i ? i - 1 : 0, right = i + 1 < f->c.n ? i + 1 : i;
        f->weight[i] = (double)(f->c.v[right] - f->c.v[left]);
    }
}

void ncc_act_table_fit(const struct act_target *t, struct ncc_kpu_table *out, struct act_fit *quality)
{
    struct fitter f;
    f.t = t;
    ncc_act_sample(t, &f.c);
    set_weights(&f);
    solve_best(&f);
    build(&f, out);
    if (quality)
        *quality = ncc_act_table_measure(t, out);
}

void ncc_act_table_copy(int zero, struct ncc_kpu_table *out)
{
    out->seg[0] = (struct ncc_kpu_segment){.x_start = NCC_KPU_ACC_MIN};
    out->seg[1] = (struct ncc_kpu_segment){.x_start = -zero, .y_mul = 1};
    fill_rest(out, 2);
}

/* ---- measuring ---- */

static int used_pieces(const struct ncc_kpu_table *t)
{
    int n = 1;
    while (n < NCC_KPU_SEGMENTS && t->seg[n].x_start < NCC_KPU_ACC_MAX - NCC_KPU_SEGMENTS)
        n++;
    return n;
}

static double error_at(const struct act_target *t, const struct ncc_kpu_table *table, int64_t v)
{
    return fabs(ncc_kpu_table_apply(table, v) - ncc_act_clamp(ncc_act_code(t, v)));
}

struct act_fit ncc_act_table_measure(const struct act_target *t, const struct ncc_kpu_table *table)
{
    int64_t lo, hi;
    ncc_act_domain(t, &lo, &hi);
    struct act_fit fit = {.n_pieces = used_pieces(table)};
    fit.max_error = fmax(error_at(t, table, t->v_min), error_at(t, table, t->v_max));
    const int64_t n = hi - lo < 1 << 15 ? hi - lo + 1 : 1 << 15;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t v = n > 1 ? lo + (int64_t)((double)(hi - lo) * (double)i / (double)(n - 1)) : lo;
        const double error = error_at(t, table, v);
        sum += error;
        fit.max_error = fmax(fit.max_error, error);
    }
    fit.mean_error = sum / (double)n;
    return fit;
}
