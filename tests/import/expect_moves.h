/* What operators that move elements, and a few models of several operators, must give; see expect_layers.h. */
#ifndef NCC_TESTS_IMPORT_EXPECT_MOVES_H
#define NCC_TESTS_IMPORT_EXPECT_MOVES_H

#include "support.h"

/* ---- shapes and moves ---- */

static void same_elements(const float *const *x, float *const *y)
{
    for (int k = 0; y[k]; k++)
        memcpy(y[k], x[0], MOST * sizeof(float));
}

static void squeeze_expand(const float *const *x, float *const *y)
{
    same_elements(x, y);
    for (int i = 0; i < 15; i++)
        y[1][i] = fmaxf(x[0][i], 0);
}

static void transpose(const float *const *x, float *const *y)
{
    for (int h = 0; h < 2; h++)
        for (int w = 0; w < 3; w++)
            for (int c = 0; c < 4; c++) {
                const float v = x[0][(h * 3 + w) * 4 + c];
                y[0][(w * 2 + h) * 4 + c] = v;
                y[1][(h * 4 + c) * 3 + w] = v;
                y[2][(c * 3 + w) * 2 + h] = v;
            }
}

static void pack_unpack(const float *const *x, float *const *y)
{
    for (int h = 0; h < 2; h++)
        for (int c = 0; c < 4; c++) {
            y[0][(h * 4 + c) * 2] = x[0][(h * 3 + 2) * 4 + c];
            y[0][(h * 4 + c) * 2 + 1] = x[0][(h * 3 + 0) * 4 + c];
            y[1][h * 4 + c] = x[0][(h * 3 + 1) * 4 + c];
        }
}

static void concatenation(const float *const *x, float *const *y)
{
    for (int p = 0; p < 6; p++)
        for (int c = 0; c < 7; c++)
            y[0][p * 7 + c] = fmaxf(c < 4 ? x[0][p * 4 + c] : c < 6 ? x[1][p * 2 + c - 4] : const_pattern(p, 2), 0);
    for (int i = 0; i < 48; i++)
        y[1][i] = x[0][i % 24];
}

static void split(const float *const *x, float *const *y)
{
    for (int p = 0; p < 12; p++)
        for (int c = 0; c < 2; c++) {
            y[0][p * 2 + c] = x[0][p * 6 + 2 + c];
            y[1][p * 2 + c] = x[0][p * 6 + 4 + c];
        }
    memcpy(y[2], x[0], 18 * sizeof(float));
    memcpy(y[3], x[0] + 18, 54 * sizeof(float));
}

/* x is 1 x 5 x 4 x 6 */
static float at(const float *x, int h, int w, int c)
{
    return x[(h * 4 + w) * 6 + c];
}

static void slice(const float *const *x, float *const *y)
{
    for (int i = 0; i < 24; i++)
        y[0][i] = at(x[0], 1 + i / 8, i / 2 % 4, 2 + i % 2);
}

static void strided_slice(const float *const *x, float *const *y)
{
    for (int i = 0; i < 48; i++)
        y[0][i] = at(x[0], 1 + i / 24 * 2, 3 - i / 6 % 4, i % 6);
    for (int i = 0; i < 20; i++)
        y[1][i] = at(x[0], i / 4, i % 4, 4);
    for (int i = 0; i < 24; i++)
        y[2][i] = at(x[0], 2, i / 6, i % 6);
    for (int i = 0; i < 24; i++)
        y[3][i] = at(x[0], i / 12 * 3, i / 3 % 4, 5 - i % 3 * 2);
}

static void gather(const float *const *x, float *const *y)
{
    static const int list[3] = {4, 0, 0};
    for (int i = 0; i < 18; i++)
        y[0][i] = x[0][i / 3 * 5 + list[i % 3]];
    memcpy(y[1], x[0] + 20, 10 * sizeof(float));
}

static void tile(const float *const *x, float *const *y)
{
    for (int i = 0; i < 48; i++)
        y[0][i] = x[0][i / 24 * 3 + i % 3];
}

/* 1 x 2 x 3 x 4, padded by 1, 2 / 0, 1 / 2, 0 */
static void pad(const float *const *x, float *const *y)
{
    for (int i = 0; i < 120; i++) {
        const int h = i / 24 - 1, w = i / 6 % 4, c = i % 6 - 2;
        const bool inside = h >= 0 && h < 2 && w < 3 && c >= 0;
        y[0][i] = inside ? x[0][(h * 3 + w) * 4 + c] : 0;
        y[1][i] = inside ? x[0][(h * 3 + w) * 4 + c] : -1.5f;
    }
}

/* 1 x 3 x 4 x 2 padded by 1, 2 / 2, 1 / 0, 1: indices run back from the edge, which counts twice when symmetric */
static int mirrored(int i, int n, bool symmetric)
{
    if (i < 0)
        return symmetric ? -i - 1 : -i;
    if (i >= n)
        return symmetric ? 2 * n - 1 - i : 2 * n - 2 - i;
    return i;
}
static void mirror(const float *x, float *y, bool symmetric)
{
    for (int i = 0; i < 126; i++) {
        const int h = mirrored(i / 21 - 1, 3, symmetric), w = mirrored(i / 3 % 7 - 2, 4, symmetric);
        y[i] = x[(h * 4 + w) * 2 + mirrored(i % 3, 2, symmetric)];
    }
}
static void mirror_reflect(const float *const *x, float *const *y) { mirror(x[0], y[0], false); }
static void mirror_symmetric(const float *const *x, float *const *y) { mirror(x[0], y[0], true); }

/* Where output i of n_out lies among n_in inputs. */
static float source(int i, int n_in, int n_out, bool align, bool half)
{
    if (align)
        return (float)i * (float)(n_in - 1) / (float)(n_out - 1);
    const float scale = (float)n_in / (float)n_out;
    return half ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale;
}

/* 1 x 3 x 4 x 2 to 6 x 7 */
static void bilinear(const float *x, float *y, bool align, bool half)
{
    for (int i = 0; i < 84; i++) {
        const float sy = clamp(source(i / 14, 3, 6, align, half), 0, 2);
        const float sx = clamp(source(i / 2 % 7, 4, 7, align, half), 0, 3);
        const int y0 = (int)sy, x0 = (int)sx, y1 = y0 < 2 ? y0 + 1 : 2, x1 = x0 < 3 ? x0 + 1 : 3, c = i % 2;
        const float fy = sy - (float)y0, fx = sx - (float)x0;
        const float top = x[(y0 * 4 + x0) * 2 + c] * (1 - fx) + x[(y0 * 4 + x1) * 2 + c] * fx;
        const float bottom = x[(y1 * 4 + x0) * 2 + c] * (1 - fx) + x[(y1 * 4 + x1) * 2 + c] * fx;
        y[i] = top * (1 - fy) + bottom * fy;
    }
}
static void bilinear_plain(const float *const *x, float *const *y) { bilinear(x[0], y[0], false, false); }
static void bilinear_align(const float *const *x, float *const *y) { bilinear(x[0], y[0], true, false); }
static void bilinear_half(const float *const *x, float *const *y) { bilinear(x[0], y[0], false, true); }

/* TFLite: floor of the position, half pixels from the pixel's own middle; rounded when corners are aligned. */
static void nearest(const float *x, float *y, bool align, bool half)
{
    for (int i = 0; i < 84; i++) {
        const float add = half ? 0.5f : 0;
        const float sy = source(i / 14, 3, 6, align, half) + add, sx = source(i / 2 % 7, 4, 7, align, half) + add;
        const int h = (int)clamp(align ? roundf(sy) : floorf(sy), 0, 2);
        const int w = (int)clamp(align ? roundf(sx) : floorf(sx), 0, 3);
        y[i] = x[(h * 4 + w) * 2 + i % 2];
    }
}
static void nearest_plain(const float *const *x, float *const *y) { nearest(x[0], y[0], false, false); }
static void nearest_align(const float *const *x, float *const *y) { nearest(x[0], y[0], true, false); }
static void nearest_half(const float *const *x, float *const *y) { nearest(x[0], y[0], false, true); }

/* deep: 1 x 2 x 3 x 8, wide: 1 x 4 x 6 x 2; channels of the deep one are (row, column, channel) of a block */
static int deep_index(int h, int w, int c)
{
    return (h / 2 * 3 + w / 2) * 8 + (h % 2 * 2 + w % 2) * 2 + c;
}
static void depth_to_space(const float *const *x, float *const *y)
{
    for (int i = 0; i < 48; i++)
        y[0][i] = x[0][deep_index(i / 12, i / 2 % 6, i % 2)];
}
static void space_to_depth(const float *const *x, float *const *y)
{
    for (int i = 0; i < 48; i++)
        y[0][deep_index(i / 12, i / 2 % 6, i % 2)] = x[0][i];
}

/* ---- models of several operators ---- */

/* conv 1x1, shuffle of 2 x 3 channels, conv 1x1 */
static void shuffle(const float *const *x, float *const *y)
{
    for (int p = 0; p < 6; p++) {
        float a[6], b[6];
        for (int o = 0; o < 6; o++) {
            a[o] = 0;
            for (int i = 0; i < 6; i++)
                a[o] += x[0][p * 6 + i] * const_pattern(o * 6 + i, 1);
        }
        for (int i = 0; i < 6; i++)
            b[i] = a[i % 2 * 3 + i / 2];
        for (int o = 0; o < 2; o++) {
            y[0][p * 2 + o] = 0;
            for (int i = 0; i < 6; i++)
                y[0][p * 2 + o] += b[i] * const_pattern(o * 6 + i, 9);
        }
    }
}

/* A sequence of 6 x 3 that is a map in between. */
static void sequence(const float *const *x, float *const *y)
{
    for (int p = 0; p < 6; p++) {
        float a[4], b[2];
        for (int o = 0; o < 4; o++) {
            a[o] = const_pattern(o, 7);
            for (int i = 0; i < 3; i++)
                a[o] += x[0][p * 3 + i] * const_pattern(o * 3 + i, 3);
        }
        for (int o = 0; o < 2; o++) {
            b[o] = 0;
            for (int i = 0; i < 4; i++)
                b[o] += a[i] * const_pattern(o * 4 + i, 11);
        }
        y[0][p * 2] = expf(b[0]) / (expf(b[0]) + expf(b[1]));
        y[0][p * 2 + 1] = expf(b[1]) / (expf(b[0]) + expf(b[1]));
    }
}

#endif
