#include "tests/exact/reference.h"

#include "kpu/regs.h"

#include <stdlib.h>
#include <string.h>

struct layer {
    const uint8_t *ram, *weights, *act;
    struct ncc_kpu_regs r;
    int in_c, out_c, h, w, k, out_h, out_w, weight_bits;
};

/* Section 4.1: a byte, or two, low byte first. */
static int64_t weight_at(const struct layer *l, int i)
{
    return l->weight_bits == 8 ? l->weights[i] : l->weights[2 * i] + 256 * l->weights[2 * i + 1];
}

/* Section 2, word 7: the address of an element from the words alone. */
static int64_t address(int64_t base, int64_t channel_switch, int64_t row_switch, int64_t g, int c, int y, int x)
{
    return 64 * (base + channel_switch * (c / g) + row_switch * y) + (64 / g) * (c % g) + x;
}

static int64_t input_at(const struct layer *l, int c, int y, int x)
{
    const struct ncc_kpu_regs *r = &l->r;
    if (y < 0 || y >= l->h || x < 0 || x >= l->w)
        return r->pad_value;
    return l->ram[address(r->image_src_addr, r->channel_switch_addr, r->row_switch_addr, r->coef_group, c, y, x)];
}

static bool fits_36(int64_t v)
{
    return v >= -34359738368 && v <= 34359738367;
}

int64_t reference_round_shift(int64_t v, int shift)
{
    if (shift == 0)
        return v;
    int64_t unit = 1;
    for (int i = 0; i < shift; i++)
        unit *= 2;
    int64_t q = v / unit, f = v % unit;
    if (f < 0) {
        q -= 1;
        f += unit;
    }
    const int64_t sgn = v < 0 ? -1 : 1;
    if (2 * f < unit)
        return q;
    if (2 * f > unit)
        return q + sgn;
    return q % 2 == 0 ? q : q + sgn;
}

static uint64_t little_endian(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v * 256 + p[i];
    return v;
}

static int64_t sign_extend(uint64_t bits, int width)
{
    bits &= (UINT64_C(1) << width) - 1;
    const uint64_t sign = UINT64_C(1) << (width - 1);
    return (int64_t)(bits ^ sign) - (int64_t)sign;
}

static uint8_t activate(const uint8_t *act, int64_t v)
{
    int s = 0;
    for (int i = 0; i < 16; i++)
        if (sign_extend(little_endian(act + 8 * i) >> 24, 36) < v)
            s = i;
    const uint64_t word = little_endian(act + 8 * s);
    const int64_t x_start = sign_extend(word >> 24, 36), y_mul = sign_extend(word >> 8, 16);
    const int64_t a = reference_round_shift((v - x_start) * y_mul, (int)(word & 255)) + act[128 + s];
    return (uint8_t)(a < 0 ? 0 : a > 255 ? 255 : a);
}

/* One value before the pool. */
static bool value(const struct layer *l, uint64_t bn, int oc, int y, int x, uint8_t *out)
{
    const int first = l->r.depth_wise_layer ? oc : 0, n_ic = l->r.depth_wise_layer ? 1 : l->in_c;
    const int half = l->k / 2, taps = l->k * l->k;
    int64_t s_xw = 0, s_x = 0, s_w = 0;
    for (int ic = 0; ic < n_ic; ic++)
        for (int ky = 0; ky < l->k; ky++)
            for (int kx = 0; kx < l->k; kx++) {
                const int64_t xv = input_at(l, first + ic, y + ky - half, x + kx - half);
                const int64_t wv = weight_at(l, (oc * n_ic + ic) * taps + ky * l->k + kx);
                s_xw += xv * wv;
                s_x += xv;
                s_w += wv;
            }
    const int64_t acc =
        s_xw + ((l->r.arg_x * s_x) >> l->r.shr_x) + ((l->r.arg_w * s_w) >> l->r.shr_w) + l->r.arg_add * n_ic;
    if (!fits_36(acc))
        return false;
    const int64_t v = ((acc * sign_extend(bn, 24)) >> (bn >> 56 & 15)) + sign_extend(bn >> 24, 32);
    if (!fits_36(v))
        return false;
    *out = activate(l->act, v);
    return true;
}

struct pool {
    char kind; /* 'c'opy, 'M'ax, 'm'ean, 'p'ick */
    int window, stride, row, column;
};

static const struct pool pools[] = {
    {'c', 1, 1, 0, 0}, {'M', 2, 2, 0, 0}, {'m', 2, 2, 0, 0}, {'M', 4, 4, 0, 0}, {'m', 4, 4, 0, 0},
    {'p', 2, 2, 0, 0}, {'p', 2, 2, 0, 1}, {'p', 4, 4, 0, 0}, {'m', 2, 1, 0, 0}, {'M', 2, 1, 0, 0},
};

static uint8_t pooled(const struct layer *l, const uint8_t *map, int y, int x)
{
    const struct pool *p = &pools[l->r.pool_type];
    if (p->kind == 'c' || p->kind == 'p')
        return map[(y * p->stride + p->row) * l->w + x * p->stride + p->column];
    int sum = 0, max = 0;
    for (int j = 0; j < p->window; j++)
        for (int i = 0; i < p->window; i++) {
            const int yy = y * p->stride + j, xx = x * p->stride + i;
            const bool outside = yy >= l->h || xx >= l->w;
            const int cy = yy < l->h ? yy : l->h - 1, cx = xx < l->w ? xx : l->w - 1;
            const int element = map[cy * l->w + cx];
            sum += element;
            if (!outside && element > max)
                max = element;
        }
    return (uint8_t)(p->kind == 'M' ? max : sum / (p->window * p->window));
}

/* Whether the output depends on this position of the map: what a picking pool drops may leave 36 bits. */
static bool is_needed(const struct layer *l, int y, int x)
{
    const struct pool *p = &pools[l->r.pool_type];
    if (p->kind != 'p')
        return true;
    return y % p->stride == p->row && x % p->stride == p->column && y / p->stride < l->out_h &&
           x / p->stride < l->out_w;
}

bool reference_run(uint8_t *ram, const uint64_t words[12], const uint8_t *weights, int weight_bits, const uint64_t *bn,
                   const uint8_t *act)
{
    struct layer l = {.ram = ram, .weights = weights, .act = act, .weight_bits = weight_bits};
    ncc_kpu_unpack(words, &l.r);
    l.in_c = (int)l.r.i_ch_num + 1;
    l.out_c = (int)l.r.o_ch_num + 1;
    l.h = (int)l.r.i_col_high + 1;
    l.w = (int)l.r.i_row_wid + 1;
    l.k = l.r.kernel_type ? 3 : 1;
    l.out_h = l.h / pools[l.r.pool_type].stride;
    l.out_w = l.w / pools[l.r.pool_type].stride;

    const size_t plane = (size_t)l.h * (size_t)l.w;
    uint8_t *maps = calloc((size_t)l.out_c, plane);
    bool fits = maps != NULL;
    for (int oc = 0; fits && oc < l.out_c; oc++)
        for (int y = 0; fits && y < l.h; y++)
            for (int x = 0; fits && x < l.w; x++)
                if (is_needed(&l, y, x))
                    fits = value(&l, bn[oc], oc, y, x, &maps[(size_t)oc * plane + (size_t)(y * l.w + x)]);
    for (int oc = 0; fits && oc < l.out_c; oc++)
        for (int y = 0; y < l.out_h; y++)
            for (int x = 0; x < l.out_w; x++)
                ram[address(l.r.image_dst_addr, l.r.wb_channel_switch_addr, l.r.wb_row_switch_addr, l.r.wb_group, oc, y,
                            x)] = pooled(&l, maps + (size_t)oc * plane, y, x);
    free(maps);
    return fits;
}
