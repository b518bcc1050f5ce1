/* Sums of products of codes are exact here: of 8 bits as float products that stay below 2^24 (conv_codes.h), of more in
 * 64 bits. */
#include "compiler/ops/conv2d_codes.h"

#include "compiler/base/cpu.h"
#include "compiler/ops/conv_codes.h"

static int64_t map_size(const struct convolve *s)
{
    return (int64_t)s->in_h * s->in_w;
}

static int64_t out_map_size(const struct convolve *s)
{
    return (int64_t)s->out_h * s->out_w;
}

static int64_t weights_per_channel(const struct convolve *s)
{
    return (int64_t)(s->in_c / s->groups) * s->kernel_h * s->kernel_w;
}

/* Bytes are steps less these. */
static struct convolve_codes as_bytes(const struct code_args *c, const struct convolve *s, const struct weight_codes *w)
{
    return (struct convolve_codes){*s, c->in[0].qmin - c->in[0].zero, w->least};
}

static bool goes_by_bytes(const struct code_args *c, const struct convolve_codes *b)
{
    return ncc_is_narrow(c->in[0]) && b->shape.n == 1 && ncc_convolve_codes_fits(b);
}

NCC_FOR_EACH_CPU
static void to_bytes(const float *x, int64_t n, float scale, int offset, uint8_t *to)
{
    const float shift = (float)offset;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float byte = rintf(x[i] / scale) - shift;
        to[i] = (uint8_t)(int32_t)(byte < 0 ? 0 : byte < 255 ? byte : 255);
    }
}

/* scratch: sums, bytes of the maps, bytes of the weights, what the products need */
struct room {
    int32_t *sums;
    uint8_t *x, *w;
    void *rest;
    size_t size;
};

static struct room room_of(const struct convolve_codes *b, char *scratch)
{
    const struct convolve *s = &b->shape;
    const size_t align = 63, sums = (size_t)(s->out_c * out_map_size(s)) * sizeof(int32_t);
    const size_t x = (size_t)(s->in_c * map_size(s)), w = (size_t)(s->out_c * weights_per_channel(s));
    const size_t at_x = (sums + align) & ~align, at_w = at_x + x, at_rest = (at_w + w + align) & ~align;
    struct room r = {NULL, NULL, NULL, NULL, at_rest + ncc_convolve_codes_scratch(b)};
    if (scratch)
        r = (struct room){(int32_t *)(void *)scratch, (uint8_t *)scratch + at_x, (uint8_t *)scratch + at_w,
                          scratch + at_rest, r.size};
    return r;
}

static const float *bias_of(const struct code_args *c, int channel)
{
    const struct eval_args *a = c->real;
    return a->node->n_in > 2 && a->in[2] ? (const float *)a->in[2]->data + channel : NULL;
}

static struct channel_codes channel_of(const struct code_args *c, const struct weight_codes *w, int oc)
{
    return ncc_channel_codes(c, ncc_weight_scale(w, oc), bias_of(c, oc), false);
}

static void by_bytes(const struct code_args *c, const struct convolve_codes *b, const struct weight_codes *w)
{
    const struct convolve *s = &b->shape;
    const struct room r = room_of(b, c->real->scratch);
    const int64_t row = weights_per_channel(s), n = out_map_size(s);
    const float *weights = c->real->in[1]->data;
    float *y = c->real->out[0]->data;
    to_bytes(c->real->in[0]->data, s->in_c * map_size(s), c->in[0].scale, b->x_offset, r.x);
    for (int oc = 0; oc < s->out_c; oc++)
        to_bytes(weights + oc * row, row, ncc_weight_scale(w, oc), b->w_offset, r.w + oc * row);
    ncc_convolve_codes(b, r.x, r.w, r.sums, r.rest);
    for (int oc = 0; oc < s->out_c; oc++)
        ncc_finish_sums(c, channel_of(c, w, oc), r.sums + oc * n, n, y + oc * n);
}

/* ---- more than 8 bits, and sums that bytes cannot carry ---- */

/* One output pixel. */
static int64_t sum_at(const struct code_args *c, const struct convolve *s, float weight_scale, const float *w, int n,
                      int oc, int y, int x)
{
    const int in_group = s->in_c / s->groups, first = oc / (s->out_c / s->groups) * in_group;
    const float *maps = (const float *)c->real->in[0]->data + ((int64_t)n * s->in_c + first) * map_size(s);
    int64_t sum = 0;
    for (int ic = 0; ic < in_group; ic++, maps += map_size(s)) {
        for (int ky = 0; ky < s->kernel_h; ky++) {
            for (int kx = 0; kx < s->kernel_w; kx++, w++) {
                const int iy = y * s->stride_h - s->top + ky * s->dil_h, ix = x * s->stride_w - s->left + kx * s->dil_w;
                if (iy >= 0 && iy < s->in_h && ix >= 0 && ix < s->in_w)
                    sum += (int64_t)ncc_step_of(c->in[0], maps[(int64_t)iy * s->in_w + ix]) *
                           (int64_t)rintf(*w / weight_scale);
            }
        }
    }
    return sum;
}

static void one_by_one(const struct code_args *c, const struct convolve *s, const struct weight_codes *w)
{
    const float *weights = c->real->in[1]->data;
    float *to = c->real->out[0]->data;
    for (int64_t map = 0; map < (int64_t)s->n * s->out_c; map++) {
        const int n = (int)(map / s->out_c), oc = (int)(map % s->out_c);
        const struct channel_codes channel = channel_of(c, w, oc);
        for (int64_t i = 0; i < out_map_size(s); i++) {
            const int64_t sum = sum_at(c, s, ncc_weight_scale(w, oc), weights + oc * weights_per_channel(s), n, oc,
                                       (int)(i / s->out_w), (int)(i % s->out_w));
            ncc_finish_wide_sums(c, channel, &sum, 1, to++);
        }
    }
}

/* ---- both ---- */

bool ncc_conv2d_codes(const struct code_args *c, const struct convolve *s)
{
    struct weight_codes w;
    if (!ncc_has_grid(c->in[0]) || !ncc_weight_codes(c->real->node->in[1], 0, &w))
        return false;
    const struct convolve_codes b = as_bytes(c, s, &w);
    if (goes_by_bytes(c, &b))
        by_bytes(c, &b, &w);
    else
        one_by_one(c, s, &w);
    return true;
}

size_t ncc_conv2d_codes_scratch(const struct code_args *c, const struct convolve *s)
{
    struct weight_codes w;
    if (!ncc_has_grid(c->in[0]) || !ncc_weight_codes(c->real->node->in[1], 0, &w))
        return 0;
    const struct convolve_codes b = as_bytes(c, s, &w);
    return goes_by_bytes(c, &b) ? room_of(&b, NULL).size : 0;
}
