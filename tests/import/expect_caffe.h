/* What Caffe's layers give, in plain loops over n, c, h, w with n = 1, as their documentation and sources define it. */
#ifndef NCC_TESTS_IMPORT_EXPECT_CAFFE_H
#define NCC_TESTS_IMPORT_EXPECT_CAFFE_H

#include "caffe_support.h"

/* A map of up to a few hundred elements. */
struct map {
    int c, h, w;
    float v[MOST];
};

static inline float *at(struct map *m, int c, int y, int x)
{
    return &m->v[(c * m->h + y) * m->w + x];
}

static inline float padded(const struct map *m, int c, int y, int x)
{
    return y < 0 || y >= m->h || x < 0 || x >= m->w ? 0 : m->v[(c * m->h + y) * m->w + x];
}

struct sliding {
    int out_c, kh, kw, sh, sw, ph, pw, dh, dw, group;
};

static inline void expect_conv(const struct map *x, const struct sliding *s, bool bias, struct map *y)
{
    const int per = x->c / s->group, out_per = s->out_c / s->group;
    *y = (struct map){s->out_c,
                      (x->h + 2 * s->ph - s->dh * (s->kh - 1) - 1) / s->sh + 1,
                      (x->w + 2 * s->pw - s->dw * (s->kw - 1) - 1) / s->sw + 1,
                      {0}};
    for (int o = 0; o < y->c; o++)
        for (int i = 0; i < y->h; i++)
            for (int k = 0; k < y->w; k++) {
                double sum = bias ? (double)weight(o, 1) : 0;
                for (int t = 0; t < per * s->kh * s->kw; t++) {
                    const int c = t / (s->kh * s->kw), v = t / s->kw % s->kh, h = t % s->kw;
                    sum += (double)padded(x, o / out_per * per + c, i * s->sh + v * s->dh - s->ph,
                                          k * s->sw + h * s->dw - s->pw) *
                           (double)weight(o * per * s->kh * s->kw + t, 0);
                }
                *at(y, o, i, k) = (float)sum;
            }
}

/* Every input pixel adds a window to the result. Weights: in x out / group x kh x kw. */
static inline void expect_deconv(const struct map *x, const struct sliding *s, bool bias, struct map *y)
{
    const int per = x->c / s->group, out_per = s->out_c / s->group;
    *y = (struct map){s->out_c,
                      s->sh * (x->h - 1) + s->dh * (s->kh - 1) + 1 - 2 * s->ph,
                      s->sw * (x->w - 1) + s->dw * (s->kw - 1) + 1 - 2 * s->pw,
                      {0}};
    for (int i = 0; i < y->c * y->h * y->w; i++)
        y->v[i] = bias ? weight(i / (y->h * y->w), 1) : 0;
    for (int c = 0; c < x->c; c++)
        for (int i = 0; i < x->h * x->w; i++)
            for (int t = 0; t < out_per * s->kh * s->kw; t++) {
                const int o = c / per * out_per + t / (s->kh * s->kw);
                const int v = i / x->w * s->sh + t / s->kw % s->kh * s->dh - s->ph;
                const int h = i % x->w * s->sw + t % s->kw * s->dw - s->pw;
                if (v >= 0 && v < y->h && h >= 0 && h < y->w)
                    *at(y, o, v, h) += x->v[c * x->h * x->w + i] * weight(c * out_per * s->kh * s->kw + t, 0);
            }
}

/* Size along one dimension: rounded up, without a window that begins behind the padding in front of the map's end. */
static inline int pooled_size(int in, int kernel, int stride, int pad, bool round_down)
{
    const double exact = (double)(in + 2 * pad - kernel) / stride;
    int out = (int)(round_down ? floor(exact) : ceil(exact)) + 1;
    if (pad > 0 && (out - 1) * stride >= in + pad)
        out--;
    return out;
}

static inline int least(int a, int b)
{
    return a < b ? a : b;
}

static inline int most(int a, int b)
{
    return a > b ? a : b;
}

/* A mean divides by the window's size cut at the padded map's end, and sums what is cut at the map's edges. */
static inline void expect_pool(const struct map *x, int kernel, int stride, int pad, bool mean, bool round_down, struct map *y)
{
    *y = (struct map){x->c,
                      pooled_size(x->h, kernel, stride, pad, round_down),
                      pooled_size(x->w, kernel, stride, pad, round_down),
                      {0}};
    for (int c = 0; c < x->c; c++)
        for (int i = 0; i < y->h; i++)
            for (int k = 0; k < y->w; k++) {
                const int top = i * stride - pad, left = k * stride - pad;
                const int bottom = least(top + kernel, x->h + pad), right = least(left + kernel, x->w + pad);
                double sum = 0, largest = -INFINITY;
                for (int v = most(top, 0); v < least(bottom, x->h); v++)
                    for (int h = most(left, 0); h < least(right, x->w); h++) {
                        const double p = (double)padded(x, c, v, h);
                        sum += p;
                        largest = fmax(largest, p);
                    }
                *at(y, c, i, k) = (float)(mean ? sum / ((bottom - top) * (right - left)) : largest);
            }
}

#endif
