/* Counting on a grid of power-of-two bins; see the header for why it is exact. */
#include "compiler/quant/histogram.h"

#include "compiler/base/cpu.h"

#include <math.h>
#include <string.h>

/* Denormal floats are the finest there is. */
enum { FINEST = -149 };

void ncc_histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof *h);
    h->exponent = FINEST;
}

static int64_t bin_of(double x, double inverse_width)
{
    const double scaled = x * inverse_width;
    const int64_t whole = (int64_t)scaled;
    return whole - (scaled < (double)whole);
}

/* Doubles the width n times. Bins move down or stay, so this works in place. */
static void coarsen(struct histogram *h, int n)
{
    const int shift = n > 40 ? 40 : n; /* bin numbers have 12 bits */
    const int64_t first = h->first >> shift;
    for (int64_t i = 0; i <= h->last - h->first; i++) {
        const uint32_t count = h->bin[i];
        h->bin[i] = 0;
        h->bin[((h->first + i) >> shift) - first] += count;
    }
    h->first = first;
    h->last >>= shift;
    h->exponent += n;
}

/* Makes room for bins lo..hi of the present grid; they must fit. */
static void extend(struct histogram *h, int64_t lo, int64_t hi)
{
    if (lo < h->first) {
        const size_t n = (size_t)(h->last - h->first + 1), up = (size_t)(h->first - lo);
        memmove(h->bin + up, h->bin, n * sizeof *h->bin);
        memset(h->bin, 0, (up < n ? up : n) * sizeof *h->bin);
        h->first = lo;
    }
    if (hi > h->last)
        h->last = hi;
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void ncc_histogram_cover(struct histogram *h, float lo, float hi)
{
    if (lo == 0 && hi == 0)
        return;
    int size;
    (void)frexpf(fmaxf(fabsf(lo), fabsf(hi)), &size);
    /* At 2^(size - 12) the larger end alone would fill more than 2^11 bins. */
    int exponent = size - 12 > h->exponent ? size - 12 : h->exponent;
    for (;; exponent++) {
        const double inverse = ldexp(1, -exponent);
        const int up = exponent - h->exponent > 40 ? 40 : exponent - h->exponent;
        const int64_t first = min_i64(h->first >> up, bin_of(lo, inverse));
        const int64_t last = max_i64(h->last >> up, bin_of(hi, inverse));
        if (last - first >= NCC_HISTOGRAM_BINS)
            continue;
        if (exponent > h->exponent)
            coarsen(h, exponent - h->exponent);
        extend(h, first, last);
        return;
    }
}

/* Bin numbers of x[0], x[stride] ...: covered values have small ones. */
NCC_FOR_EACH_CPU
static void bins_of(const float *x, int64_t stride, double inverse_width, int n, int32_t *bin)
{
#pragma omp simd
    for (int i = 0; i < n; i++) {
        const double scaled = (double)x[i * stride] * inverse_width;
        const int32_t whole = (int32_t)scaled;
        bin[i] = whole - (scaled < (double)whole);
    }
}

int64_t ncc_histogram_add(struct histogram *h, const float *x, int64_t n, int64_t stride)
{
    enum { TOGETHER = 256 };
    const double inverse = ldexp(1, -h->exponent);
    const int64_t all = (n + stride - 1) / stride;
    int32_t bin[TOGETHER];
    for (int64_t begin = 0; begin < all; begin += TOGETHER) {
        const int count = (int)min_i64(all - begin, TOGETHER);
        const float *from = x + begin * stride;
        bins_of(from, stride, inverse, count, bin);
        int n_bins = 0; /* without zeros, of which there are many, in no order that a processor foresees */
        for (int i = 0; i < count; i++) {
            bin[n_bins] = bin[i];
            n_bins += from[i * stride] != 0;
        }
        h->n_zero += count - n_bins;
        for (int i = 0; i < n_bins; i++)
            h->bin[bin[i] - h->first]++;
    }
    return all * stride - n;
}

void ncc_histogram_merge(struct histogram *h, const struct histogram *from)
{
    /* The two agree on a grid first: the coarser exponent, then whatever the common range needs. */
    struct histogram other = *from;
    for (;;) {
        const int exponent = h->exponent > other.exponent ? h->exponent : other.exponent;
        if (exponent > h->exponent)
            coarsen(h, exponent - h->exponent);
        if (exponent > other.exponent)
            coarsen(&other, exponent - other.exponent);
        if (max_i64(h->last, other.last) - min_i64(h->first, other.first) < NCC_HISTOGRAM_BINS)
            break;
        coarsen(h, 1);
    }
    extend(h, min_i64(h->first, other.first), max_i64(h->last, other.last));
    for (int64_t i = other.first; i <= other.last; i++)
        h->bin[i - h->first] += other.bin[i - other.first];
    h->n_zero += other.n_zero;
}
