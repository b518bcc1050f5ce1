/* Inner loops in C, for any processor and as the body of sets for a particular one: inlined into a function with a
 * target attribute they are compiled for that target. Loops have constant lengths, so that compilers vectorise them. */
#ifndef NCC_SIM_KERNEL_PLAIN_H
#define NCC_SIM_KERNEL_PLAIN_H

#include "sim/kernel.h"

/* One output channel and SIM_STEP positions, two channels of 16 bits per cell. */
SIM_INLINE void plain_dot_step(const struct sim_dot *d, int block, int channel, int first)
{
    int32_t sum[SIM_STEP] = {0};
    for (int u = 0; u < d->n_units; u++) {
        for (int t = 0; t < d->n_taps; t++) {
            const uint32_t *x = d->x + u * d->unit_stride + d->tap_off[t] + first;
            const uint32_t w = d->w[(u * d->n_taps + t) * block + channel];
            const int32_t low = (int32_t)(w & 0xffff), high = (int32_t)(w >> 16);
            for (int i = 0; i < SIM_STEP; i++)
                sum[i] += (int32_t)(x[i] & 0xffff) * low + (int32_t)(x[i] >> 16) * high;
        }
    }
    for (int i = 0; i < SIM_STEP; i++)
        d->acc[channel * SIM_MAX_TILE + first + i] = sum[i];
}

SIM_INLINE void plain_depthwise(const struct sim_taps *taps, const int32_t *x, int n, int32_t *acc)
{
    for (int first = 0; first < n; first += SIM_STEP) {
        int32_t sum[SIM_STEP] = {0};
        for (int t = 0; t < taps->n_taps; t++)
            for (int i = 0; i < SIM_STEP; i++)
                sum[i] += x[first + i + taps->tap_off[t]] * taps->w[t];
        for (int i = 0; i < SIM_STEP; i++)
            acc[first + i] = sum[i];
    }
}

/* The last segment that starts below v, by bisection over the sorted table; 0 when there is none. */
SIM_INLINE int plain_segment_of(const int64_t x_start[NCC_KPU_SEGMENTS], int64_t v)
{
    int index = 0;
#pragma GCC unroll 4
    for (int bit = NCC_KPU_SEGMENTS / 2; bit; bit >>= 1)
        index += (x_start[index + bit] < v) * bit;
    return index;
}

/* ncc_kpu_round_shift without branches: up when the fraction exceeds half, or is half and the quotient odd, which is
 * fraction + (quotient & 1) > half. With shift 0, a half of 1 keeps that false. */
SIM_INLINE int64_t plain_round_shift(int64_t v, int shift)
{
    const int64_t unit = INT64_C(1) << shift, quotient = v >> shift;
    const int64_t half = unit >> 1 | (shift == 0);
    const int64_t up = (v & (unit - 1)) + (quotient & 1) > half;
    return quotient + (v < 0 ? -up : up);
}

SIM_INLINE void plain_post_step(const struct sim_post *p, int first)
{
    int64_t v[SIM_STEP];
    for (int i = 0; i < SIM_STEP; i++)
        v[i] = ncc_kpu_bn_apply(p->bn, p->dot[first + i] + p->x_term[first + i] + p->constant);
    for (int i = 0; i < SIM_STEP; i++) {
        const int segment = plain_segment_of(p->act->x_start, v[i]);
        const int64_t param = p->act->param[segment];
        const int64_t product = (v[i] - p->act->x_start[segment]) * (param >> 16);
        const int64_t y = plain_round_shift(product, (int)(param >> 8 & 0xff)) + (param & 0xff);
        p->out[first + i] = (uint8_t)(y < 0 ? 0 : y > 255 ? 255 : y);
    }
}

#endif
