/* Choosing ranges. One row of the table below per method. */
#include "compiler/quant/range.h"

#include <math.h>
#include <string.h>

static struct range choose_minmax(const struct observation *o)
{
    return (struct range){true, fminf(o->min, 0), fmaxf(o->max, 0)};
}

/* ---- least mean squared error ---- */

/* Sums over everything below the lower edge of each bin; within a bin the values count as spread evenly. Bins at the
 * ends are cut at the smallest and the largest value, so that a value on which many elements sit, such as the upper
 * end of a ReLU6, stays a point. */
struct sums {
    double n, x, xx;
};

struct density {
    double width;
    int64_t first, n_bins;
    double min, max;
    struct sums below[NCC_HISTOGRAM_BINS + 1];
    const struct histogram *hist;
};

/* The part of bin i below t. */
static struct sums part_of_bin(const struct density *d, int64_t i, double t)
{
    const double left = fmax((double)(d->first + i) * d->width, d->min);
    const double right = fmin((double)(d->first + i + 1) * d->width, d->max);
    const double end = fmin(t, right);
    const double count = d->hist->bin[i];
    if (count == 0 || end < left)
        return (struct sums){0};
    const double n = right > left ? count * (end - left) / (right - left) : count;
    return (struct sums){n, n * (left + end) / 2, n * (left * left + left * end + end * end) / 3};
}

static void density_fill(struct density *d, const struct observation *o)
{
    const struct histogram *h = o->hist;
    d->hist = h;
    d->width = ldexp(1, h->exponent);
    d->first = h->first;
    d->n_bins = h->last - h->first + 1;
    d->min = o->min;
    d->max = o->max;
    d->below[0] = (struct sums){0};
    for (int64_t i = 0; i < d->n_bins; i++) {
        const struct sums part = part_of_bin(d, i, INFINITY), *b = &d->below[i];
        d->below[i + 1] = (struct sums){b->n + part.n, b->x + part.x, b->xx + part.xx};
    }
}

static struct sums sums_below(const struct density *d, double t)
{
    const double position = floor(t / d->width) - (double)d->first;
    if (position < 0)
        return d->below[0];
    if (position >= (double)d->n_bins)
        return d->below[d->n_bins];
    const int64_t i = (int64_t)position;
    const struct sums part = part_of_bin(d, i, t), *b = &d->below[i];
    return (struct sums){b->n + part.n, b->x + part.x, b->xx + part.xx};
}

/* Sum of squared errors when everything is rounded to the nearest of the 256 codes. Exact zeros cost nothing. */
static double squared_error(const struct density *d, struct range r)
{
    const struct codes c = ncc_quant_codes(r);
    struct sums left = d->below[0];
    double error = 0;
    for (int q = 0; q < 256; q++) {
        const double centre = (q - c.zero_point) * c.scale;
        const struct sums right = q < 255 ? sums_below(d, centre + c.scale / 2) : d->below[d->n_bins];
        error += (right.xx - left.xx) - 2 * centre * (right.x - left.x) + centre * centre * (right.n - left.n);
        left = right;
    }
    return error;
}

/* The same, taking what is inside the range to be spread evenly over its codes: quick, for comparing many ranges. */
static double estimated_error(const struct density *d, struct range r)
{
    const struct codes c = ncc_quant_codes(r);
    const double lo = -c.zero_point * c.scale, hi = (255 - c.zero_point) * c.scale;
    const struct sums all = d->below[d->n_bins], l = sums_below(d, lo), h = sums_below(d, hi);
    const double below = l.xx - 2 * lo * l.x + lo * lo * l.n;
    const double above = (all.xx - h.xx) - 2 * hi * (all.x - h.x) + hi * hi * (all.n - h.n);
    return below + above + (h.n - l.n) * c.scale * c.scale / 12;
}

/* Both ends shrink in steps of 2^-(i/8), down to 1/32 of what was seen. */
enum { STEPS_PER_HALVING = 8, N_STEPS = 5 * STEPS_PER_HALVING };

static struct range shrunk(struct range r, int lo_step, int hi_step)
{
    r.lo = (float)(r.lo * exp2(-(double)lo_step / STEPS_PER_HALVING));
    r.hi = (float)(r.hi * exp2(-(double)hi_step / STEPS_PER_HALVING));
    return r;
}

static struct range choose_l2(const struct observation *o)
{
    const struct range all = choose_minmax(o);
    if (!o->hist || all.hi - all.lo < 1e-30f)
        return all;
    struct density d;
    density_fill(&d, o);
    struct range best = all;
    double best_error = estimated_error(&d, all);
    for (int l = 0; l <= (all.lo < 0 ? N_STEPS : 0); l++)
        for (int h = 0; h <= (all.hi > 0 ? N_STEPS : 0); h++) {
            const struct range r = shrunk(all, l, h);
            const double error = estimated_error(&d, r);
            if (error < best_error) {
                best_error = error;
                best = r;
            }
        }
    /* The whole range is safer for inputs that nobody showed us: leave it for a real gain only. */
    return squared_error(&d, best) < 0.98 * squared_error(&d, all) ? best : all;
}

/* ---- the methods ---- */

static const struct method {
    const char *name;
    enum range_method method;
    bool needs_histogram;
    struct range (*choose)(const struct observation *o);
} methods[] = {
    {"minmax", RANGE_MINMAX, false, choose_minmax},
    {"no_clip", RANGE_MINMAX, false, choose_minmax},
    {"l2", RANGE_L2, true, choose_l2},
};
enum { N_METHODS = sizeof methods / sizeof *methods };

static const struct method *method_of(enum range_method m)
{
    const struct method *row = methods;
    while (row->method != m)
        row++;
    return row;
}

bool ncc_range_method_by_name(const char *name, enum range_method *out)
{
    for (int i = 0; i < N_METHODS; i++)
        if (!strcmp(methods[i].name, name)) {
            *out = methods[i].method;
            return true;
        }
    return false;
}

const char *ncc_range_method_names(void)
{
    return "minmax, no_clip, l2";
}

bool ncc_range_needs_histogram(enum range_method method)
{
    return method_of(method)->needs_histogram;
}

struct range ncc_quant_choose(const struct observation *o, enum range_method method)
{
    if (!o->n)
        return (struct range){0};
    return method_of(method)->choose(o);
}

/* ---- from a range to codes ---- */

/* The smallest scale at which zero_point codes below zero and the rest above reach lo and hi. */
static double covering_scale(double lo, double hi, int zero_point)
{
    const double below = zero_point > 0 ? -lo / zero_point : 0;
    const double above = zero_point < 255 ? hi / (255 - zero_point) : 0;
    return fmax(below, above);
}

struct codes ncc_quant_codes(struct range r)
{
    const double lo = fmin(r.lo, 0), hi = fmax(r.hi, 0);
    if (hi - lo < 1e-30)
        return (struct codes){1.0 / 255, 0};
    const double exact = -lo * 255 / (hi - lo);
    struct codes best = {0};
    for (int z = (int)floor(exact); z <= (int)ceil(exact); z++) {
        /* Rounded to an end, the other side of zero is lost: only if it is less than half a code. */
        const bool lost = (z == 0 && exact >= 0.5) || (z == 255 && exact < 254.5);
        const double scale = covering_scale(lo, hi, z);
        if (!lost && (best.scale == 0 || scale < best.scale))
            best = (struct codes){scale, z};
    }
    return best;
}

struct quant ncc_quant_make(struct codes c, struct arena *a)
{
    double *pair = NCC_NEW(a, double, 2);
    pair[0] = c.scale;
    pair[1] = c.zero_point;
    return (struct quant){.n_channels = 1, .scale = &pair[0], .zero_point = &pair[1]};
}
