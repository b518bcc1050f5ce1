#include "compiler/quant/density.h"

#include <math.h>

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

void ncc_density_fill(struct density *d, const struct observation *o)
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

double ncc_density_error(const struct density *d, struct range r)
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

double ncc_density_estimate(const struct density *d, struct range r)
{
    const struct codes c = ncc_quant_codes(r);
    const double lo = -c.zero_point * c.scale, hi = (255 - c.zero_point) * c.scale;
    const struct sums all = d->below[d->n_bins], l = sums_below(d, lo), h = sums_below(d, hi);
    const double below = l.xx - 2 * lo * l.x + lo * lo * l.n;
    const double above = (all.xx - h.xx) - 2 * hi * (all.x - h.x) + hi * hi * (all.n - h.n);
    return below + above + (h.n - l.n) * c.scale * c.scale / 12;
}

double ncc_density_quantile(const struct density *d, double share)
{
    const double zeros = (double)d->hist->n_zero, wanted = share * (d->below[d->n_bins].n + zeros);
    int64_t i = 0;
    double zeros_below = 0;
    for (; i < d->n_bins - 1; i++) {
        zeros_below = d->first + i >= 0 ? zeros : 0; /* at the lower edge of bin 0 */
        if (d->below[i + 1].n + (d->first + i + 1 > 0 ? zeros : 0) >= wanted)
            break;
    }
    const double n = d->below[i + 1].n - d->below[i].n, inside = wanted - d->below[i].n - zeros_below;
    const double part = n > 0 ? fmin(fmax(inside / n, 0), 1) : 0;
    return ((double)(d->first + i) + part) * d->width;
}
