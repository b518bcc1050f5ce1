/* Three ways: 1x1 layers are one matrix product on the maps as they lie; depthwise layers run
 * over the rows of a copy of the map with its border; all else unfolds the input, in bands that
 * stay in the cache, into a matrix with one row per tap:
 *
 *     out[out_c][pixels] = w[out_c][in_c * kh * kw] * columns[in_c * kh * kw][pixels]
 */
#include "compiler/base/cpu.h"
#include "compiler/ops/conv_float.h"
#include "compiler/base/gemm.h"

#include <stdbool.h>
#include <string.h>

/* Elements of one band of columns: 1 MiB. */
#define BAND_ELEMENTS (1 << 18)
#define MIN_BAND 32 /* pixels */

static int64_t plane(const struct convolve *s)
{
    return (int64_t)s->out_h * s->out_w;
}

/* ---- the definition ---- */

float ncc_convolve_at(const struct convolve *s, const float *x, const float *w, const float *bias, int n, int oc, int y,
                      int xx)
{
    const int in_group = s->in_c / s->groups, out_group = s->out_c / s->groups;
    const int first = oc / out_group * in_group;
    double sum = bias ? (double)bias[oc] : 0.0;
    const float *tap = w + (int64_t)oc * in_group * s->kernel_h * s->kernel_w;
    for (int ic = first; ic < first + in_group; ic++) {
        const float *map = x + ((int64_t)n * s->in_c + ic) * s->in_h * s->in_w;
        for (int ky = 0; ky < s->kernel_h; ky++) {
            for (int kx = 0; kx < s->kernel_w; kx++, tap++) {
                const int iy = y * s->stride_h - s->top + ky * s->dil_h;
                const int ix = xx * s->stride_w - s->left + kx * s->dil_w;
                const bool inside = iy >= 0 && iy < s->in_h && ix >= 0 && ix < s->in_w;
                sum += (double)*tap * (double)(inside ? map[(int64_t)iy * s->in_w + ix] : s->edge);
            }
        }
    }
    return (float)sum;
}

void ncc_convolve_plain(const struct convolve *s, const float *x, const float *w, const float *bias, float *y)
{
    for (int n = 0; n < s->n; n++)
        for (int oc = 0; oc < s->out_c; oc++)
            for (int oy = 0; oy < s->out_h; oy++)
                for (int ox = 0; ox < s->out_w; ox++)
                    *y++ = ncc_convolve_at(s, x, w, bias, n, oc, oy, ox);
}

double ncc_convolve_macs(const struct convolve *s)
{
    return (double)s->n * s->out_c * (double)plane(s) * (s->in_c / s->groups) * s->kernel_h * s->kernel_w;
}

/* ---- rows ---- */

/* Output positions 0..n-1 of a row read input position * stride + at: fills to[] with them. */
static void copy_row(const float *row, int in_w, float edge, int at, int stride, float *to, int n)
{
    int first = at >= 0 ? 0 : (-at + stride - 1) / stride; /* positions whose pixel lies inside */
    int end = in_w - 1 - at < 0 ? 0 : (in_w - 1 - at) / stride + 1;
    first = first > n ? n : first;
    end = end > n ? n : end < first ? first : end;
    for (int i = 0; i < first; i++)
        to[i] = edge;
    if (stride == 1 && end > first)
        memcpy(to + first, row + first + at, (size_t)(end - first) * sizeof *to);
    else
        for (int i = first; i < end; i++)
            to[i] = row[i * stride + at];
    for (int i = end; i < n; i++)
        to[i] = edge;
}

static void fill(float *to, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = value;
}

/* ---- depthwise ---- */

static bool is_depthwise(const struct convolve *s)
{
    return s->in_c == s->groups;
}

/* Size of the input that all taps see, border included. */
static int bordered_h(const struct convolve *s)
{
    return (s->out_h - 1) * s->stride_h + (s->kernel_h - 1) * s->dil_h + 1;
}

static int bordered_w(const struct convolve *s)
{
    return (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dil_w + 1;
}

/* One output row of a 3x3 kernel from three bordered rows. Inlined with a constant stride, so that
 * the loop becomes vector code. */
static inline __attribute__((always_inline)) void row_3x3(const float *const *rows, const float *w, float bias, float *y, int n, int stride)
{
    const float *a = rows[0], *b = rows[1], *c = rows[2];
    const float w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5], w6 = w[6], w7 = w[7], w8 = w[8];
#pragma omp simd
    for (int i = 0; i < n; i++) {
        const int k = i * stride;
        const float top = w0 * a[k] + w1 * a[k + 1] + w2 * a[k + 2];
        const float mid = w3 * b[k] + w4 * b[k + 1] + w5 * b[k + 2];
        const float low = w6 * c[k] + w7 * c[k + 1] + w8 * c[k + 2];
        y[i] = bias + top + mid + low;
    }
}

static inline __attribute__((always_inline)) void row_tap(const float *row, float w, float *y, int n, int stride)
{
#pragma omp simd
    for (int i = 0; i < n; i++)
        y[i] += w * row[i * stride];
}

NCC_FOR_EACH_CPU
static void depthwise_row(const struct convolve *s, const float *const *rows, const float *w, float bias, float *y)
{
    if (s->kernel_h == 3 && s->kernel_w == 3 && s->dil_w == 1 && s->stride_w == 1) {
        row_3x3(rows, w, bias, y, s->out_w, 1);
        return;
    }
    if (s->kernel_h == 3 && s->kernel_w == 3 && s->dil_w == 1 && s->stride_w == 2) {
        row_3x3(rows, w, bias, y, s->out_w, 2);
        return;
    }
    fill(y, s->out_w, bias);
    for (int ky = 0; ky < s->kernel_h; ky++)
        for (int kx = 0; kx < s->kernel_w; kx++)
            if (s->stride_w == 1)
                row_tap(rows[ky] + kx * s->dil_w, w[ky * s->kernel_w + kx], y, s->out_w, 1);
            else
                row_tap(rows[ky] + kx * s->dil_w, w[ky * s->kernel_w + kx], y, s->out_w, s->stride_w);
}

#define MAX_KERNEL_ROWS 64 /* of a depthwise kernel that takes the direct way */

static void depthwise(const struct convolve *s, const float *x, const float *w, const float *bias, float *y,
                      float *bordered)
{
    const int h = bordered_h(s), wide = bordered_w(s), multiplier = s->out_c / s->in_c;
    for (int ic = 0; ic < s->in_c; ic++, x += (int64_t)s->in_h * s->in_w) {
        for (int r = 0; r < h; r++) {
            const int iy = r - s->top;
            if (iy >= 0 && iy < s->in_h)
                copy_row(x + (int64_t)iy * s->in_w, s->in_w, s->edge, -s->left, 1, bordered + (int64_t)r * wide, wide);
            else
                fill(bordered + (int64_t)r * wide, wide, s->edge);
        }
        for (int oc = ic * multiplier; oc < (ic + 1) * multiplier; oc++) {
            const float *rows[MAX_KERNEL_ROWS];
            for (int oy = 0; oy < s->out_h; oy++, y += s->out_w) {
                for (int ky = 0; ky < s->kernel_h; ky++)
                    rows[ky] = bordered + (int64_t)(oy * s->stride_h + ky * s->dil_h) * wide;
                depthwise_row(s, rows, w + (int64_t)oc * s->kernel_h * s->kernel_w, bias ? bias[oc] : 0.0f, y);
            }
        }
    }
}

/* ---- matrix products ---- */

static bool is_pointwise(const struct convolve *s)
{
    return s->kernel_h == 1 && s->kernel_w == 1 && s->stride_h == 1 && s->stride_w == 1 && s->top == 0 &&
           s->left == 0 && s->out_h == s->in_h && s->out_w == s->in_w;
}

/* Output pixels that are computed at once: whole rows, or a piece of one row. */
struct band {
    int rows, columns;
};

static struct band band_of(const struct convolve *s)
{
    const int64_t k = (int64_t)(s->in_c / s->groups) * s->kernel_h * s->kernel_w;
    const int64_t pixels = BAND_ELEMENTS / k > MIN_BAND ? BAND_ELEMENTS / k : MIN_BAND;
    if (pixels < s->out_w)
        return (struct band){1, (int)pixels};
    return (struct band){pixels / s->out_w < s->out_h ? (int)(pixels / s->out_w) : s->out_h, s->out_w};
}

/* The columns of output rows y0.. and columns x0.., from the maps of one group. */
static void unfold(const struct convolve *s, const float *maps, int y0, int x0, struct band b, float *columns)
{
    for (int ic = 0; ic < s->in_c / s->groups; ic++, maps += (int64_t)s->in_h * s->in_w) {
        for (int ky = 0; ky < s->kernel_h; ky++) {
            for (int kx = 0; kx < s->kernel_w; kx++) {
                const int at = x0 * s->stride_w - s->left + kx * s->dil_w;
                for (int r = 0; r < b.rows; r++, columns += b.columns) {
                    const int iy = (y0 + r) * s->stride_h - s->top + ky * s->dil_h;
                    if (iy >= 0 && iy < s->in_h)
                        copy_row(maps + (int64_t)iy * s->in_w, s->in_w, s->edge, at, s->stride_w, columns, b.columns);
                    else
                        fill(columns, b.columns, s->edge);
                }
            }
        }
    }
}

/* x, w and y are those of the group; y holds the bias. */
static void unfolded_group(const struct convolve *s, const float *x, const float *w, float *y, float *columns)
{
    const int k = s->in_c / s->groups * s->kernel_h * s->kernel_w, m = s->out_c / s->groups;
    const struct band full = band_of(s);
    for (int y0 = 0; y0 < s->out_h; y0 += full.rows) {
        for (int x0 = 0; x0 < s->out_w; x0 += full.columns) {
            struct band b = full;
            b.rows = b.rows < s->out_h - y0 ? b.rows : s->out_h - y0;
            b.columns = b.columns < s->out_w - x0 ? b.columns : s->out_w - x0;
            unfold(s, x, y0, x0, b, columns);
            ncc_gemm(m, b.rows * b.columns, k, w, k, columns, b.rows * b.columns, y + (int64_t)y0 * s->out_w + x0,
                     (int)plane(s), 1);
        }
    }
}

static void products(const struct convolve *s, const float *x, const float *w, const float *bias, float *y,
                     float *columns)
{
    const int in_group = s->in_c / s->groups, out_group = s->out_c / s->groups;
    const int64_t in_step = (int64_t)in_group * s->in_h * s->in_w, out_step = out_group * plane(s);
    const int64_t w_step = (int64_t)out_group * in_group * s->kernel_h * s->kernel_w;
    for (int oc = 0; oc < s->out_c; oc++)
        fill(y + oc * plane(s), plane(s), bias ? bias[oc] : 0.0f);
    for (int g = 0; g < s->groups; g++, x += in_step, w += w_step, y += out_step) {
        if (is_pointwise(s))
            ncc_gemm(out_group, (int)plane(s), in_group, w, in_group, x, (int)plane(s), y, (int)plane(s), 1);
        else
            unfolded_group(s, x, w, y, columns);
    }
}

static bool goes_direct(const struct convolve *s)
{
    return is_depthwise(s) && s->in_c > 1 && s->kernel_h <= MAX_KERNEL_ROWS;
}

size_t ncc_convolve_scratch(const struct convolve *s)
{
    if (goes_direct(s))
        return (size_t)bordered_h(s) * (size_t)bordered_w(s) * sizeof(float);
    if (is_pointwise(s))
        return 0;
    const struct band b = band_of(s);
    const size_t k = (size_t)(s->in_c / s->groups) * (size_t)s->kernel_h * (size_t)s->kernel_w;
    return k * (size_t)b.rows * (size_t)b.columns * sizeof(float);
}

void ncc_convolve_fast(const struct convolve *s, const float *x, const float *w, const float *bias, float *y,
                       void *scratch)
{
    for (int n = 0; n < s->n; n++) {
        if (goes_direct(s))
            depthwise(s, x, w, bias, y, scratch);
        else
            products(s, x, w, bias, y, scratch);
        x += (int64_t)s->in_c * s->in_h * s->in_w;
        y += s->out_c * plane(s);
    }
}
