/* What layers, element-wise operators and reductions must give. Each function fills the outputs y[k] from the inputs
 * x[k], all in the model's own order; sizes are those of make_models.py. */
#ifndef NCC_TESTS_IMPORT_EXPECT_LAYERS_H
#define NCC_TESTS_IMPORT_EXPECT_LAYERS_H

#include "support.h"

static void fill_const(float *w, int n, int tensor)
{
    for (int i = 0; i < n; i++)
        w[i] = const_pattern(i, tensor);
}

/* ---- layers ---- */

struct sliding {
    int h, w, c;           /* input */
    int oh, ow, oc;        /* output */
    int kh, kw, sh, sw;    /* kernel, stride */
    int top, left, dh, dw; /* padding, dilation */
    int groups;
};

/* weights [out_c][kh][kw][c / groups] */
static void conv(const struct sliding *s, const float *x, const float *w, const float *bias, float *y)
{
    const int ic = s->c / s->groups;
    for (int oy = 0; oy < s->oh; oy++)
        for (int ox = 0; ox < s->ow; ox++)
            for (int o = 0; o < s->oc; o++) {
                float sum = bias ? bias[o] : 0;
                for (int ky = 0; ky < s->kh; ky++)
                    for (int kx = 0; kx < s->kw; kx++)
                        for (int i = 0; i < ic; i++) {
                            const int iy = oy * s->sh + ky * s->dh - s->top, ix = ox * s->sw + kx * s->dw - s->left;
                            const int c = o / (s->oc / s->groups) * ic + i;
                            if (iy >= 0 && iy < s->h && ix >= 0 && ix < s->w)
                                sum += x[(iy * s->w + ix) * s->c + c] * w[((o * s->kh + ky) * s->kw + kx) * ic + i];
                        }
                y[(oy * s->ow + ox) * s->oc + o] = sum;
            }
}

static void conv_same(const float *const *x, float *const *y)
{
    float w[108], b[4];
    fill_const(w, 108, 1);
    fill_const(b, 4, 2);
    conv(&(struct sliding){5, 6, 3, 3, 6, 4, 3, 3, 2, 1, 1, 1, 1, 1, 1}, x[0], w, b, y[0]);
    for (int i = 0; i < 72; i++)
        y[0][i] = fmaxf(y[0][i], 0);
}

/* A 1x1 convolution in integers between QUANTIZE and DEQUANTIZE, with ReLU: codes are rounded half away from zero. */
static void quantize(const float *const *x, float *const *y)
{
    static const int w[3][2] = {{127, -128}, {3, 64}, {-5, 0}}, bias[3] = {100, -20, 7};
    static const float scale[3] = {0.5f, 0.25f, 0.125f};
    for (int i = 0; i < 18; i++) {
        const int pixel = i / 3, o = i % 3;
        float sum = (float)bias[o];
        for (int k = 0; k < 2; k++) {
            const float q = clamp(roundf(x[0][pixel * 2 + k] / 0.25f) - 3, -128, 127);
            sum += (q + 3) * (float)w[o][k];
        }
        const float real = fmaxf(sum * 0.25f * scale[o], 0);
        y[0][i] = (clamp(roundf(real / 0.5f) + 10, -128, 127) - 10) * 0.5f;
    }
}

/* The same with sums that are rounded twice on the way to codes: halves up, then quarters from these, halves away from
 * zero. */
static void fixed_point(const float *const *x, float *const *y)
{
    for (int i = 0; i < 20; i++) {
        const int step = (int)clamp(roundf(x[0][i] / 0.125f), -125, 130);
        const float half = floorf((float)(step + 1 + 1) / 2), other = floorf((float)(step - 2 + 1) / 2);
        y[0][2 * i] = roundf(half / 2) * 0.125f;
        y[0][2 * i + 1] = other * 0.125f;
    }
}

static void conv_dilated(const float *const *x, float *const *y)
{
    float w[36];
    fill_const(w, 36, 1);
    conv(&(struct sliding){7, 7, 2, 5, 5, 3, 2, 3, 1, 1, 0, 0, 2, 1, 1}, x[0], w, NULL, y[0]);
    for (int i = 0; i < 75; i++)
        y[0][i] = clamp(y[0][i], 0, 6);
}

static void conv_groups(const float *const *x, float *const *y)
{
    float w[12], b[6];
    fill_const(w, 12, 1);
    fill_const(b, 6, 2);
    conv(&(struct sliding){4, 4, 4, 4, 4, 6, 1, 1, 1, 1, 0, 0, 1, 1, 2}, x[0], w, b, y[0]);
}

/* weights [kh][kw][oc], oc = c * multiplier, to those of a grouped convolution */
static void depthwise_weights(float *w, int k, int oc, int tensor)
{
    for (int o = 0; o < oc; o++)
        for (int i = 0; i < k; i++)
            w[o * k + i] = const_pattern(i * oc + o, tensor);
}

static void depthwise(const float *const *x, float *const *y)
{
    float w[36], b[4];
    depthwise_weights(w, 9, 4, 1);
    fill_const(b, 4, 2);
    conv(&(struct sliding){6, 5, 2, 3, 3, 4, 3, 3, 2, 2, 0, 1, 1, 1, 2}, x[0], w, b, y[0]);
    for (int i = 0; i < 36; i++)
        y[0][i] = clamp(y[0][i], -1, 1);
}

static void depthwise_dilated(const float *const *x, float *const *y)
{
    float w[18];
    depthwise_weights(w, 6, 3, 1);
    conv(&(struct sliding){7, 6, 3, 3, 4, 3, 3, 2, 1, 1, 0, 0, 2, 2, 3}, x[0], w, NULL, y[0]);
}

/* Every input pixel adds its kernel to the output; weights [3][k][k][2], tensor t and the bias behind it. */
static void deconv(const float *x, float *y, int size, int k, int before, int t)
{
    for (int i = 0; i < size * size * 3; i++)
        y[i] = const_pattern(i % 3, t + 1);
    for (int iy = 0; iy < 3; iy++)
        for (int ix = 0; ix < 3; ix++)
            for (int ky = 0; ky < k; ky++)
                for (int kx = 0; kx < k; kx++)
                    for (int o = 0; o < 3; o++)
                        for (int i = 0; i < 2; i++) {
                            const int oy = iy * 2 + ky - before, ox = ix * 2 + kx - before;
                            if (oy >= 0 && oy < size && ox >= 0 && ox < size)
                                y[(oy * size + ox) * 3 + o] +=
                                    x[(iy * 3 + ix) * 2 + i] * const_pattern(((o * k + ky) * k + kx) * 2 + i, t);
                        }
}
static void deconv_same(const float *const *x, float *const *y) { deconv(x[0], y[0], 5, 3, 1, 2); }
static void deconv_even(const float *const *x, float *const *y) { deconv(x[0], y[0], 6, 3, 0, 2); }
static void deconv_valid(const float *const *x, float *const *y) { deconv(x[0], y[0], 7, 3, 0, 2); }
static void deconv_gap(const float *const *x, float *const *y) { deconv(x[0], y[0], 6, 1, 0, 2); }
static void deconv_custom(const float *const *x, float *const *y) { deconv(x[0], y[0], 5, 3, 1, 1); }
static void deconv_custom_valid(const float *const *x, float *const *y) { deconv(x[0], y[0], 7, 3, 0, 1); }

static void fully_connected(const float *const *x, float *const *y)
{
    for (int o = 0; o < 5; o++) {
        float sum = const_pattern(o, 2);
        for (int i = 0; i < 24; i++)
            sum += x[0][i] * const_pattern(o * 24 + i, 1);
        y[0][o] = tanhf(sum);
    }
}

static void fully_connected_keep(const float *const *x, float *const *y)
{
    for (int r = 0; r < 3; r++)
        for (int o = 0; o < 2; o++) {
            y[0][r * 2 + o] = 0;
            for (int i = 0; i < 4; i++)
                y[0][r * 2 + o] += x[0][r * 4 + i] * const_pattern(o * 4 + i, 1);
        }
}

static void fully_connected_hybrid(const float *const *x, float *const *y)
{
    static const int w[12] = {5, -7, 100, -128, 127, 0, 1, 2, 3, 4, 5, 6};
    for (int o = 0; o < 2; o++) {
        y[0][o] = const_pattern(o, 2);
        for (int i = 0; i < 6; i++)
            y[0][o] += in_127_parts(x[0], 6, i) * 0.5f * (float)(w[o * 6 + i] - 1);
    }
}

/* 3x3, stride 2, SAME on 6 x 5: pads 0 above, 1 left; what lies outside does not count. */
static void pool(const float *x, float *y, bool max)
{
    for (int o = 0; o < 18; o++) {
        const int c = o % 2, ox = o / 2 % 3, oy = o / 6;
        float best = -INFINITY, sum = 0;
        int n = 0;
        for (int iy = oy * 2; iy < oy * 2 + 3 && iy < 6; iy++)
            for (int ix = ox * 2 - 1; ix < ox * 2 + 2; ix++) {
                if (ix < 0 || ix >= 5)
                    continue;
                const float v = x[(iy * 5 + ix) * 2 + c];
                best = fmaxf(best, v);
                sum += v;
                n++;
            }
        y[o] = fmaxf(max ? best : sum / (float)n, 0);
    }
}
static void average_pool(const float *const *x, float *const *y) { pool(x[0], y[0], false); }
static void max_pool(const float *const *x, float *const *y) { pool(x[0], y[0], true); }

/* ---- one operand: 1 x 3 x 4 x 5 ---- */

#define UNARY(name, formula)                                                                                           \
    static void name(const float *const *in, float *const *out)                                                        \
    {                                                                                                                  \
        for (int i = 0; i < 60; i++) {                                                                                 \
            const float x = in[0][i];                                                                                  \
            out[0][i] = (formula);                                                                                     \
        }                                                                                                              \
    }
UNARY(unary_relu, x > 0 ? x : 0)
UNARY(unary_relu6, clamp(x, 0, 6))
UNARY(unary_relu_n1, clamp(x, -1, 1))
UNARY(unary_relu_0, clamp(x, 0, 1))
UNARY(unary_leaky, x < 0 ? x * 0.25f : x)
UNARY(unary_elu, x < 0 ? expf(x) - 1 : x)
UNARY(unary_logistic, 1 / (1 + expf(-x)))
UNARY(unary_tanh, tanhf(x))
UNARY(unary_hard_swish, x * clamp(x + 3, 0, 6) / 6)
UNARY(unary_abs, x < 0 ? -x : x)
UNARY(unary_neg, -x)
UNARY(unary_exp, expf(x))
UNARY(unary_log, logf(x))
UNARY(unary_sqrt, sqrtf(x))
UNARY(unary_rsqrt, 1 / sqrtf(x))
UNARY(unary_square, x *x)
UNARY(unary_sin, sinf(x))
UNARY(unary_cos, cosf(x))
UNARY(unary_floor, floorf(x))
UNARY(unary_ceil, ceilf(x))
UNARY(unary_round, rintf(x))
UNARY(unary_pow, x *x)
UNARY(unary_cast, truncf(x))

static void softmax(const float *const *x, float *const *y)
{
    for (int p = 0; p < 12; p++) {
        float sum = 0;
        for (int c = 0; c < 5; c++)
            sum += expf(2 * x[0][p * 5 + c]);
        for (int c = 0; c < 5; c++)
            y[0][p * 5 + c] = expf(2 * x[0][p * 5 + c]) / sum;
    }
}

static void l2_normalization(const float *const *x, float *const *y)
{
    for (int p = 0; p < 12; p++) {
        float sum = 0;
        for (int c = 0; c < 5; c++)
            sum += x[0][p * 5 + c] * x[0][p * 5 + c];
        for (int c = 0; c < 5; c++)
            y[0][p * 5 + c] = x[0][p * 5 + c] / sqrtf(sum);
    }
}

/* ---- two operands: z op (x op row of channels) ---- */

#define BINARY(name, formula)                                                                                          \
    static float name##_of(float a, float b)                                                                           \
    {                                                                                                                  \
        return (formula);                                                                                              \
    }                                                                                                                  \
    static void name(const float *const *x, float *const *y)                                                           \
    {                                                                                                                  \
        for (int i = 0; i < 60; i++)                                                                                   \
            y[0][i] = name##_of(x[1][i], name##_of(x[0][i], const_pattern(i % 5, 2)));                                 \
    }
BINARY(binary_add, a + b)
BINARY(binary_add_relu, fmaxf(a + b, 0))
BINARY(binary_sub, a - b)
BINARY(binary_mul, a *b)
BINARY(binary_div, a / b)
BINARY(binary_max, a > b ? a : b)
BINARY(binary_min, a < b ? a : b)
BINARY(binary_sqdiff, (a - b) * (a - b))
BINARY(binary_prelu, a < 0 ? a * b : a)

/* x * [0.5, -1.25] + codes with a scale per channel */
static void dequantize(const float *const *x, float *const *y)
{
    static const int q[6] = {3, -128, 127, 0, 1, -1};
    for (int i = 0; i < 12; i++) {
        const float code = (float)q[i % 6];
        y[0][i] = x[0][i] * (i % 2 ? -1.25f : 0.5f) + (i % 2 ? (code - 1) * 2.0f : code * 0.25f);
    }
}

/* ---- reductions: over h and w; over c, kept; over w ---- */

static float fold_mean(float a, float b) { return a + b; }
static float fold_prod(float a, float b) { return a * b; }

static void reduce(const float *x, float *const *y, float (*f)(float, float), float start, bool mean)
{
    for (int i = 0; i < 15; i++)
        y[0][i % 5] = y[1][i % 12] = y[2][i] = start;
    for (int i = 0; i < 60; i++) {
        const int c = i % 5, h = i / 20;
        y[0][c] = f(y[0][c], x[i]);
        y[1][i / 5] = f(y[1][i / 5], x[i]);
        y[2][h * 5 + c] = f(y[2][h * 5 + c], x[i]);
    }
    for (int i = 0; mean && i < 15; i++) {
        y[0][i] /= i < 5 ? 12 : 1;
        y[1][i] /= i < 12 ? 5 : 1;
        y[2][i] /= 4;
    }
}
static void reduce_mean(const float *const *x, float *const *y) { reduce(x[0], y, fold_mean, 0, true); }
static void reduce_sum(const float *const *x, float *const *y) { reduce(x[0], y, fold_mean, 0, false); }
static void reduce_max(const float *const *x, float *const *y) { reduce(x[0], y, fmaxf, -INFINITY, false); }
static void reduce_min(const float *const *x, float *const *y) { reduce(x[0], y, fminf, INFINITY, false); }
static void reduce_prod(const float *const *x, float *const *y) { reduce(x[0], y, fold_prod, 1, false); }

#endif
