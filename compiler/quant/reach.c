#include "compiler/quant/reach.h"

#include <math.h>

/* Factors are tried in steps of 2^(1/8), up to 8. */
enum { STEPS_PER_DOUBLING = 8, LAST_STEP = 3 * STEPS_PER_DOUBLING };
static const double most_tried[] = {1, 1.4, 2, 4, 16};

#define CLIPPING 4
#define STRANGE  2e-5

struct judged {
    const struct channel_ranges *r;
    const struct fold_extremes *fold;
    struct channel_ranges *rest; /* by fold: what all others showed */
    int zero;
    double limit;    /* the largest scale: code 255 is where the function ends */
    double *scale;   /* [channel], from all samples, for a factor of 1, which multiplies all scales alike */
    double **judged; /* [fold][channel]: the same from the rest */
    double rounded;  /* elements of a channel that are not 0 */
    double squares;  /* of all elements */
    double reach;    /* of the whole range in proportion to what was seen, at least 1; for a factor of 1 */
};

/* ---- without a fold ---- */

static struct range joined(const float *min, const float *max, int n)
{
    struct range r = {true, 0, 0};
    for (int c = 0; c < n; c++) {
        r.lo = fminf(r.lo, min[c]);
        r.hi = fmaxf(r.hi, max[c]);
    }
    return r;
}

static float in_proportion(float end, float some, float all)
{
    return all != 0 ? end * (some / all) : end;
}

/* The whole range is as much narrower as what was seen is. */
static struct channel_ranges without(const struct channel_ranges *r, const struct fold_extremes *folds, int fold,
                                     struct arena *a)
{
    float *min = NCC_NEW(a, float, r->n), *max = NCC_NEW(a, float, r->n);
    for (int k = 0; k < folds->n * r->n; k++)
        if (k / r->n != fold) {
            min[k % r->n] = fminf(min[k % r->n], folds->min[k]);
            max[k % r->n] = fmaxf(max[k % r->n], folds->max[k]);
        }
    const struct range all = joined(r->min, r->max, r->n), some = joined(min, max, r->n);
    struct channel_ranges rest = *r;
    rest.min = min;
    rest.max = max;
    rest.whole.lo = in_proportion(r->whole.lo, some.lo, all.lo);
    rest.whole.hi = in_proportion(r->whole.hi, some.hi, all.hi);
    return rest;
}

/* ---- judging ---- */

static void fill_scales(struct channel_ranges r, double most, int zero, double *scale)
{
    r.reach = (struct reach){1, most};
    for (int c = 0; c < r.n; c++)
        scale[c] = ncc_channels_scale(&r, c, zero);
}

static double squared_beyond(double x, double end)
{
    return x > end ? (x - end) * (x - end) : 0;
}

static double clipping(const struct judged *j, double factor)
{
    const int n = j->r->n;
    double sum = 0;
    for (int f = 0; f < j->fold->n; f++)
        for (int c = 0; c < n; c++) {
            const double scale = fmin(factor * j->judged[f][c], j->limit);
            sum += squared_beyond((double)j->fold->max[f * n + c], scale * (255 - j->zero)) +
                   squared_beyond(-(double)j->fold->min[f * n + c], scale * j->zero);
        }
    return CLIPPING * sum;
}

static double rounding(const struct judged *j, double factor)
{
    double sum = 0;
    for (int c = 0; c < j->r->n; c++) {
        const double scale = fmin(factor * j->scale[c], j->limit);
        sum += scale * scale;
    }
    return j->rounded * sum / 12;
}

static double strange(const struct judged *j, double factor)
{
    const double reach = factor * j->reach;
    return isfinite(j->limit) ? 0 : STRANGE * j->squares / pow(reach, 4);
}

/* ---- choosing ---- */

static void sum_up(struct judged *j, const struct observation *o)
{
    double n = 0, squares = 0;
    for (int64_t b = o->hist->first; b <= o->hist->last; b++) {
        const double count = o->hist->bin[b - o->hist->first], x = ldexp((double)b + 0.5, o->hist->exponent);
        n += count;
        squares += count * x * x;
    }
    const double all = fmax(n + (double)o->hist->n_zero, 1);
    j->rounded = (double)o->n / j->r->n * n / all;
    j->squares = (double)o->n * squares / all;
    /* A range narrower than what was seen leaves out few channels. */
    j->reach = fmax(((double)j->r->whole.hi - (double)j->r->whole.lo) / ((double)o->max - (double)o->min), 1);
}

static struct judged prepare(const struct channel_ranges *r, const struct observation *o, struct arena *a)
{
    struct judged j = {.r = r, .fold = &o->fold, .zero = ncc_channels_best_zero(r)};
    j.limit = r->limit / (255 - j.zero);
    j.scale = NCC_NEW(a, double, r->n);
    j.rest = NCC_NEW(a, struct channel_ranges, o->fold.n);
    j.judged = NCC_NEW(a, double *, o->fold.n);
    for (int f = 0; f < o->fold.n; f++) {
        j.rest[f] = without(r, &o->fold, f, a);
        j.judged[f] = NCC_NEW(a, double, r->n);
    }
    sum_up(&j, o);
    return j;
}

struct reach ncc_channels_reach(const struct channel_ranges *r, const struct observation *o, struct arena *scratch)
{
    struct reach best = NCC_REACH_SEEN;
    if (o->fold.n < 2 || !o->hist || !(o->max > o->min))
        return best;
    const struct judged j = prepare(r, o, scratch);
    double least = INFINITY;
    for (size_t m = 0; m < sizeof most_tried / sizeof *most_tried; m++) {
        fill_scales(*r, most_tried[m], j.zero, j.scale);
        for (int f = 0; f < o->fold.n; f++)
            fill_scales(j.rest[f], most_tried[m], j.zero, j.judged[f]);
        for (int i = 0; i <= LAST_STEP; i++) {
            const double factor = exp2((double)i / STEPS_PER_DOUBLING);
            const double error = rounding(&j, factor) + clipping(&j, factor) + strange(&j, factor);
            if (error < least) {
                least = error;
                best = (struct reach){factor, most_tried[m]};
            }
        }
    }
    return best;
}
