/* Three ways: 1x1 layers are one matrix product on the maps as they lie; depthwise layers run
 * over a copy of the map with its border; all else unfolds the input, in bands that
 * stay in the cache, into a matrix with one row per tap:
 *
 *     out[out_c][pixels] = w[out_c][in_c * kh * kw] * columns[in_c * kh * kw][pixels]
 */
#include "compiler/ops/conv_float.h"
#include "compiler/base/cpu.h"
#include "compiler/base/gemm.h"

#include <stdbool.h>
#include <string.h>

/* Elements of one band of columns: 1 MiB. */
#define BAND_ELEMENTS (1 << 18)
#define MIN_BAND      32 /* pixels */

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

NCC_FOR_EACH_CPU
static void copy_every_second(const float *from, float *to, int n)
{
#pragma omp simd
    for (int i = 0; i < n; i++)
        to[i] = from[2 * i];
}

/* Output positions 0..n-1 of a row read input position * stride + at: fills to[] with them. */
static void copy_row(const float *row, int in_w, float edge, int at, int stride, float *to, int n)
{
    int first = at >= 0 ? 0 : (-at + stride - 1) / stride; /* positions whose pixel lies inside */
    int end = in_w - 1 - at < 0 ? 0 : (in_w - 1 - at) / stride + 1;
    first = first > n ? n : first;
    end = end > n ? n : end < first ? first : end;
    for (int i = 0; i < first; i++)
        to[i] = edge;
    const float *from = row + (end > first ? first * stride + at : 0);
    if (stride == 1)
        memcpy(to + first, from, (size_t)(end - first) * sizeof *to);
    else if (stride == 2)
        copy_every_second(from, to + first, end - first);
    else
        for (int i = 0; i < end - first; i++)
            to[first + i] = from[i * stride];
    for (int i = end; i < n; i++)
        to[i] = edge;
}

NCC_FOR_EACH_CPU
static void fill(float *to, int64_t n, float value)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        to[i] = value;
}

/* ---- depthwise ---- */

static bool is_depthwise(const struct convolve *s)
{
    return s->in_c == s->groups;
}

/* The map with its border, cut by the stride into planes: plane (a, b) has its rows a, a + stride_h ... and columns
 * b, b + stride_w ... Then a tap of the output at cell p, whatever the stride, is a cell of one plane at a fixed
 * distance from p, and all outputs are one loop over continuous memory; those between the rows are thrown away.
 *
 *     pitch   . x x x x .       output (0, 0) is cell 0, output (1, 0) is cell `pitch`
 *             . x x x x .
 */
struct planes {
    int rows, pitch; /* of each plane */
    int64_t size;
    int64_t n_cells; /* that are computed */
};

static struct planes planes_of(const struct convolve *s)
{
    struct planes p = {s->out_h + (s->kernel_h - 1) * s->dil_h / s->stride_h,
                       s->out_w + (s->kernel_w - 1) * s->dil_w / s->stride_w, 0, 0};
    p.size = (int64_t)p.rows * p.pitch;
    p.n_cells = (int64_t)(s->out_h - 1) * p.pitch + s->out_w;
    return p;
}

static void fill_planes(const struct convolve *s, const struct planes *p, const float *map, float *to)
{
    for (int a = 0; a < s->stride_h; a++) {
        for (int b = 0; b < s->stride_w; b++) {
            for (int r = 0; r < p->rows; r++, to += p->pitch) {
                const int iy = r * s->stride_h + a - s->top;
                if (iy >= 0 && iy < s->in_h)
                    copy_row(map + (int64_t)iy * s->in_w, s->in_w, s->edge, b - s->left, s->stride_w, to, p->pitch);
                else
                    fill(to, p->pitch, s->edge);
            }
        }
    }
}

/* Where output cell 0 finds its tap. */
static const float *tap_of(const struct convolve *s, const struct planes *p, const float *planes, int ky, int kx)
{
    const int y = ky * s->dil_h, x = kx * s->dil_w, plane = y % s->stride_h * s->stride_w + x % s->stride_w;
    return planes + plane * p->size + y / s->stride_h * p->pitch + x / s->stride_w;
}

NCC_FOR_EACH_CPU
static void sum_3x3(const float *const t[9], const float *w, float bias, float *y, int64_t n)
{
    const float *t0 = t[0], *t1 = t[1], *t2 = t[2], *t3 = t[3], *t4 = t[4], *t5 = t[5], *t6 = t[6], *t7 = t[7];
    const float *t8 = t[8];
    const float w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5], w6 = w[6], w7 = w[7], w8 = w[8];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float top = w0 * t0[i] + w1 * t1[i] + w2 * t2[i];
        const float mid = w3 * t3[i] + w4 * t4[i] + w5 * t5[i];
        const float low = w6 * t6[i] + w7 * t7[i] + w8 * t8[i];
        y[i] = bias + top + mid + low;
    }
}

NCC_FOR_EACH_CPU
static void add_tap(const float *tap, float w, float *y, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += w * tap[i];
}

/* All cells of one output map. */
static void sum_taps(const struct convolve *s, const struct planes *p, const float *planes, const float *w, float bias,
                     float *cells)
{
    if (s->kernel_h == 3 && s->kernel_w == 3) {
        const float *taps[9];
        for (int t = 0; t < 9; t++)
            taps[t] = tap_of(s, p, planes, t / 3, t % 3);
        sum_3x3(taps, w, bias, cells, p->n_cells);
        return;
    }
    fill(cells, p->n_cells, bias);
    for (int ky = 0; ky < s->kernel_h; ky++)
        for (int kx = 0; kx < s->kernel_w; kx++)
            add_tap(tap_of(s, p, planes, ky, kx), w[ky * s->kernel_w + kx], cells, p->n_cells);
}

static size_t depthwise_scratch(const struct convolve *s)
{
    const struct planes p = planes_of(s);
    return (size_t)(s->stride_h * s->stride_w * p.size + p.n_cells) * sizeof(float);
}

static void depthwise(const struct convolve *s, const float *x, const float *w, const float *bias, float *y,
                      float *planes)
{
    const struct planes p = planes_of(s);
    float *const cells = planes + s->stride_h * s->stride_w * p.size;
    const int multiplier = s->out_c / s->in_c;
    for (int oc = 0; oc < s->out_c; oc++, w += s->kernel_h * s->kernel_w) {
        if (oc % multiplier == 0)
            fill_planes(s, &p, x + (int64_t)(oc / multiplier) * s->in_h * s->in_w, planes);
        sum_taps(s, &p, planes, w, bias ? bias[oc] : 0.0f, cells);
        for (int oy = 0; oy < s->out_h; oy++, y += s->out_w)
            memcpy(y, cells + (int64_t)oy * p.pitch, (size_t)s->out_w * sizeof *y);
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
    return is_depthwise(s) && s->in_c > 1;
}

size_t ncc_convolve_scratch(const struct convolve *s)
{
    if (goes_direct(s))
        return depthwise_scratch(s);
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
