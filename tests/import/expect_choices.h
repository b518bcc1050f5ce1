/* What operators that compare, choose, compose and fill must give; as expect_layers.h. */
#ifndef NCC_TESTS_IMPORT_EXPECT_CHOICES_H
#define NCC_TESTS_IMPORT_EXPECT_CHOICES_H

#include "support.h"

/* ---- on maps 1 x 3 x 4 x 5 ---- */

#define EACH(expression)                                                                                               \
    for (int i = 0; i < 60; i++) {                                                                                     \
        const float a = x[0][i], z = x[1][i], c = const_pattern(i % 5, CONSTANT);                                      \
        (void)a, (void)z, (void)c;                                                                                     \
        y[0][i] = (float)(expression);                                                                                 \
    }
#define COMPARING(name, expression)                                                                                    \
    static void name(const float *const *x, float *const *y)                                                           \
    {                                                                                                                  \
        EACH(expression)                                                                                               \
    }
enum { CONSTANT = 3 }; /* number of the tensor in models of two inputs with a constant behind their comparison */

COMPARING(compare_equal, a == z)
COMPARING(compare_not_equal, a != z)
COMPARING(compare_less, a < z)
COMPARING(compare_less_equal, a <= z)
COMPARING(compare_greater, a > z)
COMPARING(compare_greater_equal, a >= z)
COMPARING(logical_and, a < z &&a < c)
COMPARING(logical_or, a < z || a < c)
COMPARING(logical_not, !(a < z))
COMPARING(select_v2, a < z ? a : c)
COMPARING(add_n, a + z + a)
COMPARING(gelu, 0.5 * (double)a * (1 + erf((double)a / sqrt(2))))
COMPARING(sign, (a > 0) - (a < 0))
/* 15 codes of 1.8 / 14; zero is code 1 + 0.7 * 14 / 1.8 = 6.44: 6 */
COMPARING(fake_quant, (clamp(roundf(a / (1.8f / 14)) + 6, 1, 15) - 6) * (1.8f / 14))

COMPARING(quantize_int16, fmaxf(roundf(a / 0.125f) * 0.125f, 0))

static void reduce_bool(const float *const *x, float *const *y, bool all)
{
    for (int i = 0; i < 20; i++) {
        int n = 0;
        for (int r = 0; r < 3; r++)
            n += x[0][r * 20 + i] < x[1][r * 20 + i];
        y[0][i] = all ? n == 3 : n > 0;
    }
}
static void reduce_any(const float *const *x, float *const *y)
{
    reduce_bool(x, y, false);
}
static void reduce_all(const float *const *x, float *const *y)
{
    reduce_bool(x, y, true);
}

static void select_rows(const float *const *x, float *const *y)
{
    for (int i = 0; i < 12; i++)
        y[0][i] = x[i / 4 == 1][i];
}

static void where(const float *const *x, float *const *y)
{
    memcpy(y[0], (const float[]){0, 1, 0, 2, 1, 2}, 6 * sizeof(float));
    for (int i = 0; i < 8; i++)
        y[1][i] = fmaxf(x[0][i], 0);
}

static int greatest(const float *x, int n, int step, float sign, int but)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (i != but && (best < 0 || sign * x[i * step] > sign * x[best * step]))
            best = i;
    return best;
}

static void arg_max(const float *const *x, float *const *y)
{
    for (int i = 0; i < 12; i++)
        y[0][i] = (float)greatest(x[0] + i * 5, 5, 1, 1, -1);
}
static void arg_min(const float *const *x, float *const *y)
{
    for (int i = 0; i < 20; i++)
        y[0][i] = (float)greatest(x[0] + i, 3, 20, -1, -1);
}
static void top_2(const float *const *x, float *const *y)
{
    for (int i = 0; i < 12; i++) {
        const float *row = x[0] + i * 5;
        const int first = greatest(row, 5, 1, 1, -1), second = greatest(row, 5, 1, 1, first);
        y[0][2 * i] = row[first];
        y[0][2 * i + 1] = row[second];
        y[1][2 * i] = (float)first;
        y[1][2 * i + 1] = (float)second;
    }
}
static void one_hot(const float *const *x, float *const *y)
{
    for (int i = 0; i < 60; i++)
        y[0][i] = greatest(x[0] + i / 5 * 5, 5, 1, 1, -1) == i % 5 ? 2 : -1;
}

static void log_softmax(const float *const *x, float *const *y)
{
    for (int i = 0; i < 60; i++) {
        double sum = 0;
        for (int k = 0; k < 5; k++)
            sum += exp((double)x[0][i / 5 * 5 + k]);
        y[0][i] = (float)((double)x[0][i] - log(sum));
    }
}
static void response_normalization(const float *const *x, float *const *y)
{
    for (int i = 0; i < 60; i++) {
        double sum = 0;
        for (int k = i % 5 - 1; k <= i % 5 + 1; k++)
            if (k >= 0 && k < 5)
                sum += (double)x[0][i / 5 * 5 + k] * (double)x[0][i / 5 * 5 + k];
        y[0][i] = (float)((double)x[0][i] / pow(1.5 + 0.25 * sum, 0.75));
    }
}

/* The model divides the input by channels first, and then the second input by the result: constant is tensor 2. */
static float mod(float a, float c)
{
    return a - floorf(a / c) * c;
}
static void floor_div(const float *const *x, float *const *y)
{
    for (int i = 0; i < 60; i++)
        y[0][i] = floorf(x[1][i] / floorf(x[0][i] / const_pattern(i % 5, 2)));
}
static void floor_mod(const float *const *x, float *const *y)
{
    for (int i = 0; i < 60; i++)
        y[0][i] = mod(x[1][i], mod(x[0][i], const_pattern(i % 5, 2)));
}
static void floor_integers(const float *const *x, float *const *y)
{
    static const float quotient[6] = {2, -3, -3, 2, 2, 0}, rest[6] = {1, 2, -2, -1, 0, 0};
    for (int i = 0; i < 6; i++) {
        y[0][i] = x[0][i] + quotient[i];
        y[1][i] = x[0][i] + rest[i];
    }
}

static void batch_matmul(const float *const *x, float *const *y)
{
    for (int i = 0; i < 30; i++) {
        const int n = i / 15, r = i / 5 % 3, c = i % 5;
        y[0][i] = 0;
        for (int k = 0; k < 4; k++)
            y[0][i] += x[0][(n * 3 + r) * 4 + k] * x[1][(n * 5 + c) * 4 + k];
    }
}
static void computed_weights(const float *const *x, float *const *y)
{
    for (int i = 0; i < 6; i++) {
        y[0][i] = 0;
        for (int k = 0; k < 4; k++)
            y[0][i] += x[0][i / 3 * 4 + k] * x[1][i % 3 * 4 + k];
    }
}
static void cumsum(const float *const *x, float *const *y)
{
    for (int i = 0; i < 60; i++) {
        y[0][i] = y[1][i] = 0;
        for (int k = 0; k <= i % 5; k++)
            y[0][i] += x[0][i / 5 * 5 + k];
        for (int r = i / 20 + 1; r < 3; r++)
            y[1][i] += x[0][r * 20 + i % 20];
    }
}

/* 6 x 5 to 3 x 3, SAME: one column of padding before, and none above */
static void l2_pool(const float *const *x, float *const *y)
{
    for (int i = 0; i < 18; i++) {
        double sum = 0;
        int n = 0;
        for (int ky = 0; ky < 3; ky++)
            for (int kx = 0; kx < 3; kx++) {
                const int iy = i / 6 * 2 + ky, ix = i / 2 % 3 * 2 + kx - 1;
                if (iy >= 6 || ix < 0 || ix >= 5)
                    continue;
                const double v = (double)x[0][(iy * 5 + ix) * 2 + i % 2];
                sum += v * v;
                n++;
            }
        y[0][i] = (float)sqrt(sum / n);
    }
}

/* ---- constants in few bytes ---- */

static void densify(const float *const *x, float *const *y)
{
    static const float added[12] = {0, 0, 1.5f, 0, 0, 0, 0, 0, -2, 0.25f, 0, 4};
    static const float w[4][4] = {{0, 0, 0.5f, 1}, {0, 0, 1.5f, 2}, {2.5f, 3, 0, 0}, {3.5f, 4, 0, 0}};
    for (int i = 0; i < 12; i++) {
        y[0][i] = x[0][i] + added[i];
        y[1][i] = 0;
        for (int k = 0; k < 4; k++)
            y[1][i] += x[0][i / 4 * 4 + k] * w[i % 4][k];
    }
}
static void four_bits(const float *const *x, float *const *y)
{
    float r[3];
    for (int i = 0; i < 3; i++)
        r[i] = in_127_parts(x[0], 3, i);
    y[0][0] = -0.5f * r[0] + 3.5f * r[1];
    y[0][1] = -2.0f * r[0] + 0.25f * r[1] + 0.5f * r[2];
}

/* ---- rearranging ---- */

static void space_to_batch(const float *const *x, float *const *y)
{
    for (int i = 0; i < 48; i++) { /* [4, 2, 3, 2] */
        const int n = i / 12, r = i / 6 % 2 * 2 + n / 2 - 1, c = i / 2 % 3 * 2 + n % 2;
        y[0][i] = r >= 0 && r < 3 && c < 4 ? x[0][(r * 4 + c) * 2 + i % 2] : 0;
    }
}
static void batch_to_space(const float *const *x, float *const *y)
{
    for (int i = 0; i < 24; i++) { /* [1, 3, 4, 2] */
        const int r = i / 8 + 1, c = i / 2 % 4, n = r % 2 * 2 + c % 2;
        y[0][i] = x[0][((n * 2 + r / 2) * 3 + c / 2) * 2 + i % 2];
    }
}

/* 3 x 3 taps that are two apart, padding 2 */
static void dilated_taps(const float *const *x, float *const *y, int n_out, bool depthwise)
{
    enum { WEIGHTS = 4, BIAS = 5 }; /* numbers of tensors */
    for (int i = 0; i < 42 * n_out; i++) {
        const int o = i % n_out, r = i / n_out / 6, c = i / n_out % 6;
        float sum = const_pattern(o, BIAS);
        for (int ky = 0; ky < 3; ky++)
            for (int kx = 0; kx < 3; kx++)
                for (int k = 0; k < 2; k++) {
                    const int iy = r + 2 * ky - 2, ix = c + 2 * kx - 2, tap = ky * 3 + kx;
                    if (iy < 0 || iy >= 7 || ix < 0 || ix >= 6 || (depthwise && k != o))
                        continue;
                    sum += x[0][(iy * 6 + ix) * 2 + k] * const_pattern(depthwise ? tap * 2 + o : (o * 9 + tap) * 2 + k,
                                                                             WEIGHTS);
                }
        y[0][i] = fmaxf(sum, 0);
    }
}
static void dilated(const float *const *x, float *const *y)
{
    dilated_taps(x, y, 3, false);
}
static void dilated_depthwise(const float *const *x, float *const *y)
{
    dilated_taps(x, y, 2, true);
}

static void reverse(const float *const *x, float *const *y)
{
    for (int i = 0; i < 60; i++)
        y[0][i] = x[0][(2 - i / 20) * 20 + i / 5 % 4 * 5 + 4 - i % 5];
}
static void gather_nd(const float *const *x, float *const *y)
{
    for (int i = 0; i < 4; i++)
        y[0][i] = x[0][(i < 2 ? 2 * 4 + 1 : 3) * 2 + i % 2];
}
static void embedding_lookup(const float *const *x, float *const *y)
{
    static const int rows[3] = {2, 0, 3};
    for (int i = 0; i < 9; i++)
        y[0][i] = x[0][rows[i / 3] * 3 + i % 3];
}
static void broadcast_to(const float *const *x, float *const *y)
{
    for (int i = 0; i < 24; i++)
        y[0][i] = x[0][i / 4 % 3];
}
static void fill(const float *const *x, float *const *y)
{
    for (int i = 0; i < 6; i++) {
        y[0][i] = (x[0][i] + 1.5f) * (0.5f + 0.5f * (float)(i % 3) + 2);
        y[1][i] = x[0][i];
    }
}
static void many_parts(const float *const *x, float *const *y)
{
    for (int i = 0; i < 2; i++) {
        y[0][i] = x[0][14 * i + 13] + x[0][14 * i + 2];
        y[1][i] = x[0][14 * i] + x[0][14 * i + 12];
    }
}

#endif
