#include "compiler/ops/conv_codes.h"

#include "compiler/base/cpu.h"

#define EXACT ((int64_t)1 << 24)

/* The largest magnitude of code + offset. */
static int64_t reach(int offset)
{
    const int64_t low = offset < 0 ? -(int64_t)offset : offset, high = (int64_t)offset + 255;
    const int64_t other = high < 0 ? -high : high;
    return low > other ? low : other;
}

static int64_t taps_per_channel(const struct convolve *s)
{
    return (int64_t)s->kernel_h * s->kernel_w;
}

/* Input channels of a group that one product may sum. */
static int64_t channels_at_once(const struct convolve_codes *c)
{
    const int64_t largest = reach(c->x_offset) * reach(c->w_offset);
    return EXACT / (largest ? largest : 1) / taps_per_channel(&c->shape);
}

bool ncc_convolve_codes_fits(const struct convolve_codes *c)
{
    const struct convolve *s = &c->shape;
    const int in_group = s->in_c / s->groups;
    if (reach(c->x_offset) > EXACT || reach(c->w_offset) > EXACT)
        return false;
    const double largest = (double)reach(c->x_offset) * (double)reach(c->w_offset);
    if (largest * (double)in_group * (double)taps_per_channel(s) >= (double)INT32_MAX)
        return false;
    return s->groups == 1 ? channels_at_once(c) >= 1 : channels_at_once(c) >= in_group;
}

/* The part of the layer, from input channel `first` on, that one product covers; with groups it is
 * all of it. */
static struct convolve part_of(const struct convolve_codes *c, int first)
{
    struct convolve part = c->shape;
    const int64_t most = channels_at_once(c);
    part.in_c -= first;
    if (part.groups == 1 && most < part.in_c)
        part.in_c = (int)most;
    part.n = 1;
    return part;
}

static size_t map_size(const struct convolve *s)
{
    return (size_t)s->in_h * (size_t)s->in_w;
}

static size_t out_size(const struct convolve *s)
{
    return (size_t)s->out_c * (size_t)s->out_h * (size_t)s->out_w;
}

static size_t weights_size(const struct convolve *s)
{
    return (size_t)s->out_c * (size_t)(s->in_c / s->groups) * (size_t)taps_per_channel(s);
}

size_t ncc_convolve_codes_scratch(const struct convolve_codes *c)
{
    const struct convolve part = part_of(c, 0), last = part_of(c, (c->shape.in_c - 1) / part.in_c * part.in_c);
    const size_t n = (size_t)part.in_c * map_size(&part) + weights_size(&part) + out_size(&part);
    const size_t own = ncc_convolve_scratch(&part), other = ncc_convolve_scratch(&last);
    return n * sizeof(float) + (own > other ? own : other); /* fewer channels may mean larger bands */
}

NCC_FOR_EACH_CPU
static void widen(const uint8_t *from, int64_t n, int offset, float *to)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)(from[i] + offset);
}

/* All are whole numbers. `more`: there are sums already. */
NCC_FOR_EACH_CPU
static void add_sums(const float *y, int64_t n, bool more, int32_t *sum)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        sum[i] = (more ? sum[i] : 0) + (int32_t)y[i];
}

void ncc_convolve_codes(const struct convolve_codes *c, const uint8_t *x, const uint8_t *w, int32_t *sum,
                        void *scratch)
{
    const struct convolve *s = &c->shape, full = part_of(c, 0);
    const int64_t taps = taps_per_channel(s), w_row = s->in_c / s->groups * taps;
    const size_t n_out = out_size(s);
    float *maps = scratch, *weights = maps + (size_t)full.in_c * map_size(s), *y = weights + weights_size(&full);
    for (int first = 0; first < s->in_c; first += full.in_c) {
        const struct convolve part = part_of(c, first);
        const int64_t row = part.in_c / part.groups * taps;
        widen(x + (size_t)first * map_size(s), (int64_t)part.in_c * (int64_t)map_size(s), c->x_offset, maps);
        for (int oc = 0; oc < s->out_c; oc++)
            widen(w + oc * w_row + first * taps, row, c->w_offset, weights + oc * row);
        ncc_convolve_fast(&part, maps, weights, NULL, y, y + n_out);
        add_sums(y, (int64_t)n_out, first > 0, sum);
    }
}
