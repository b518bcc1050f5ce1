/* Choosing ranges. One row of the table at the end per method. */
#include "compiler/quant/density.h"

#include <math.h>
#include <string.h>

static struct range choose_minmax(const struct observation *o)
{
    return (struct range){true, fminf(o->min, 0), fmaxf(o->max, 0)};
}

static bool has_density(const struct observation *o)
{
    const struct range all = choose_minmax(o);
    return o->n && o->hist && all.hi - all.lo >= 1e-30f;
}

/* ---- percentile ---- */

/* This share of the elements is cut off at each end. */
#define CUT_OFF 5e-5

static struct range choose_percentile(const struct observation *o)
{
    const struct range all = choose_minmax(o);
    if (!has_density(o))
        return all;
    struct density d;
    ncc_density_fill(&d, o);
    const float lo = (float)ncc_density_quantile(&d, CUT_OFF), hi = (float)ncc_density_quantile(&d, 1 - CUT_OFF);
    return (struct range){true, fminf(fmaxf(lo, all.lo), 0), fmaxf(fminf(hi, all.hi), 0)};
}

/* ---- least mean squared error ---- */

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
    if (!has_density(o))
        return all;
    struct density d;
    ncc_density_fill(&d, o);
    struct range best = all;
    double best_error = ncc_density_estimate(&d, all);
    for (int l = 0; l <= (all.lo < 0 ? N_STEPS : 0); l++)
        for (int h = 0; h <= (all.hi > 0 ? N_STEPS : 0); h++) {
            const struct range r = shrunk(all, l, h);
            const double error = ncc_density_estimate(&d, r);
            if (error < best_error) {
                best_error = error;
                best = r;
            }
        }
    /* The whole range is safer for inputs that nobody showed us: leave it for a real gain only. */
    return ncc_density_error(&d, best) < 0.98 * ncc_density_error(&d, all) ? best : all;
}

/* ---- least Kullback-Leibler divergence ---- */

/* What is lost when the values' distribution P is told in codes: Q spreads the count of each code evenly over the bins
 * of the histogram that it covers and that are not empty; what is beyond the ends counts for the outermost
 * of these bins in P. */
enum { N_CODES = 256 };

struct divergence {
    const struct histogram *hist;
    struct range range;
    double scale;
    int zero_point;
    int64_t first, last; /* bins inside the range */
    double outside[2];   /* elements below and above */
};

static double count_of(const struct divergence *k, int64_t bin)
{
    return k->hist->bin[bin - k->hist->first];
}

static int code_of_bin(const struct divergence *k, int64_t bin)
{
    const double x = ((double)bin + 0.5) * ldexp(1, k->hist->exponent);
    return (int)fmin(fmax(rint(x / k->scale + k->zero_point), 0), 255);
}

/* A bin that stands out from its neighbours holds one value that comes again and again, such as what a bias makes of an
 * empty background. That is told by one code, whichever others share it, so it counts as little as zeros do, but at the
 * ends, which take up what is beyond. */
static double spread_count(const struct divergence *k, int64_t bin)
{
    const struct histogram *h = k->hist;
    const double n = count_of(k, bin), left = bin > h->first ? count_of(k, bin - 1) : 0,
                 right = bin < h->last ? count_of(k, bin + 1) : 0;
    const bool stands_out = n > 4 * (left + right) + 64 && bin != k->first && bin != k->last;
    return stands_out ? 0 : n;
}

static double cell_loss(const struct divergence *k, int64_t from, int64_t to)
{
    double sum = 0, loss = 0;
    int n = 0;
    for (int64_t b = from; b < to; b++) {
        sum += spread_count(k, b);
        n += spread_count(k, b) > 0;
    }
    for (int64_t b = from; b < to; b++) {
        double p = spread_count(k, b);
        if (p > 0) {
            p += (b == k->first ? k->outside[0] : 0) + (b == k->last ? k->outside[1] : 0);
            loss += p * log(p * n / sum);
        }
    }
    /* What n counts of chance lose on average when they are told as their mean, though their distribution be flat. */
    return loss - (n > 1 ? (n - 1) / 2.0 : 0);
}

/* Up to a constant factor. */
static double divergence_of(const struct observation *o, struct range r)
{
    const struct histogram *h = o->hist;
    const struct codes c = ncc_quant_codes(r);
    const double width = ldexp(1, h->exponent);
    struct divergence k = {h, r, c.scale, c.zero_point, 0, 0, {0}};
    k.first = (int64_t)fmax(floor(r.lo / width), (double)h->first);
    k.last = (int64_t)fmin(ceil(r.hi / width) - 1, (double)h->last);
    while (k.first < k.last && count_of(&k, k.first) == 0)
        k.first++;
    while (k.last > k.first && count_of(&k, k.last) == 0)
        k.last--;
    for (int64_t b = h->first; b <= h->last; b++)
        k.outside[b > k.last] += b < k.first || b > k.last ? count_of(&k, b) : 0;
    double loss = 0, kept = 0;
    for (int64_t b = k.first, next; b <= k.last; b = next) {
        for (next = b + 1; next <= k.last && code_of_bin(&k, next) == code_of_bin(&k, b);)
            next++;
        loss += cell_loss(&k, b, next);
    }
    for (int64_t b = k.first; b <= k.last; b++)
        kept += count_of(&k, b);
    const double all = kept + k.outside[0] + k.outside[1];
    return kept > 0 ? loss - all * log(all / kept) : INFINITY;
}

/* Where a code covers less than a bin of the histogram, nothing can be seen of what the codes lose, and only what is
 * cut off would count: as is usual, ranges of fewer bins than codes are no candidates. */
static bool shows_codes(const struct observation *o, struct range r)
{
    return (double)(r.hi - r.lo) >= ldexp(N_CODES, o->hist->exponent);
}

/* First one end, then the other. */
static struct range choose_kl(const struct observation *o)
{
    const struct range all = choose_minmax(o);
    if (!has_density(o))
        return all;
    struct range best = all;
    for (int end = 0; end < 2; end++) {
        const struct range from = best;
        double least = INFINITY;
        for (int i = 0; i <= N_STEPS; i++) {
            const struct range r = end ? shrunk(from, i, 0) : shrunk(from, 0, i);
            if (i && !shows_codes(o, r))
                break;
            const double loss = divergence_of(o, r);
            if (loss < least - 1e-9) {
                least = loss;
                best = r;
            }
        }
    }
    return best;
}

/* ---- what errs least on samples that it did not see ---- */

/* The largest of n values with an exponential tail grows with ln n; so by how much another n values may exceed it, in
 * proportion, falls with 1 / ln n. */
double ncc_quant_headroom(int64_t n_seen)
{
    return 1 + 2.5 / log((double)n_seen + 10);
}

/* Values that lie close together at an end will not go beyond it: they were clipped, or come from a sigmoid. */
static bool ends_there(const struct density *d, int64_t n, double end)
{
    const double share = fmax(1.0 / 2000, 16 / (double)n), close = end * (1 - 1.0 / 256);
    return share < 1 &&
           (end < 0 ? ncc_density_quantile(d, share) <= close : ncc_density_quantile(d, 1 - share) >= close);
}

static struct range choose_wide(const struct observation *o)
{
    struct range r = choose_minmax(o);
    if (!has_density(o))
        return r;
    struct density d;
    ncc_density_fill(&d, o);
    const double factor = ncc_quant_headroom(o->n);
    if (r.lo < 0 && !ends_there(&d, o->n, (double)r.lo))
        r.lo = (float)(r.lo * factor);
    if (r.hi > 0 && !ends_there(&d, o->n, (double)r.hi))
        r.hi = (float)(r.hi * factor);
    return r;
}

/* Each candidate chooses a range from one half of the samples and is judged by its error on the other half. If clipping
 * does not pay, there is room: all samples together are still few. */
static struct range choose_auto(const struct observation *o)
{
    static struct range (*const candidates[])(const struct observation *) = {choose_minmax, choose_wide,
                                                                             choose_percentile, choose_l2};
    enum { N_CANDIDATES = sizeof candidates / sizeof *candidates, FIRST_CLIPPING = 2 };
    if (!has_density(o) || !o->half || !has_density(&o->half[0]) || !has_density(&o->half[1]))
        return choose_l2(o);
    double error[N_CANDIDATES] = {0};
    for (int h = 0; h < 2; h++) {
        struct density judge;
        ncc_density_fill(&judge, &o->half[h]);
        for (int c = 0; c < N_CANDIDATES; c++)
            error[c] += ncc_density_error(&judge, candidates[c](&o->half[1 - h]));
    }
    int best = 0;
    for (int c = 1; c < N_CANDIDATES; c++)
        if (error[c] < error[best])
            best = c;
    return best < FIRST_CLIPPING ? choose_wide(o) : candidates[best](o);
}

/* ---- the methods ---- */

static const struct method {
    const char *name;
    enum range_method method;
    bool needs_histogram;
    struct range (*choose)(const struct observation *o);
} methods[] = {
    {"auto", RANGE_AUTO, true, choose_auto},
    {"minmax", RANGE_MINMAX, false, choose_minmax},
    {"no_clip", RANGE_MINMAX, false, choose_minmax},
    {"percentile", RANGE_PERCENTILE, true, choose_percentile},
    {"l2", RANGE_L2, true, choose_l2},
    {"mse", RANGE_L2, true, choose_l2},
    {"kl", RANGE_KL, true, choose_kl},
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
    return "auto, minmax, no_clip, percentile, l2, mse, kl";
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
