/* Three ways: 1x1 layers are one matrix product on the maps as they lie; depthwise layers run over a copy of the map
 * with its border; all else is a matrix product over such copies of all maps, whose rows are what each tap sees:
 *
 *     out[out_c][cells] = w[out_c][in_c * kh * kw] * taps[in_c * kh * kw][cells]
 *
 * which it computes in bands of output rows, so that they stay in the cache.
 */
#include "compiler/ops/conv_float.h"
#include "compiler/base/cpu.h"
#include "compiler/base/gemm_rows.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Elements of one band, copies and results: 1 MiB. */
#define BAND_ELEMENTS (1 << 18)

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
           s->left == 0 && s->out_h == s->in_h && s->out_w == s->in_w && plane(s) >= NCC_GEMM_LEAST_COLUMNS;
}

static int taps(const struct convolve *s)
{
    return s->in_c / s->groups * s->kernel_h * s->kernel_w;
}

/* One band: `rows` output rows from y0 on, of one group. */
static struct convolve band_of(const struct convolve *s, int y0, int rows)
{
    struct convolve band = *s;
    band.in_c = s->in_c / s->groups;
    band.out_c = s->out_c / s->groups;
    band.groups = 1;
    band.top = s->top - y0 * s->stride_h;
    band.out_h = rows;
    return band;
}

/* Room for one: copies of all maps, and behind the last as much as the product may read beyond it; the results. */
struct band_room {
    int64_t planes, cells; /* elements; cells: from row to row */
    int64_t all;
};

static struct band_room room_of(const struct convolve *band)
{
    const struct planes p = planes_of(band);
    struct band_room r = {band->in_c * band->stride_h * band->stride_w * p.size + NCC_GEMM_LEAST_COLUMNS,
                          p.n_cells > NCC_GEMM_LEAST_COLUMNS ? p.n_cells : NCC_GEMM_LEAST_COLUMNS, 0};
    r.all = r.planes + band->out_c * r.cells;
    return r;
}

/* As many rows as fit, in bands of equal size; the last one begins earlier where they do not come out even. */
static int rows_of_bands(const struct convolve *s)
{
    int rows = s->out_h;
    while (rows > 1) {
        const struct convolve band = band_of(s, 0, rows);
        if (room_of(&band).all <= BAND_ELEMENTS)
            break;
        rows = (rows + 1) / 2;
    }
    return rows;
}

static void find_taps(const struct convolve *band, const struct planes *p, const float *planes, const float **tap)
{
    for (int ic = 0; ic < band->in_c; ic++, planes += band->stride_h * band->stride_w * p->size)
        for (int ky = 0; ky < band->kernel_h; ky++)
            for (int kx = 0; kx < band->kernel_w; kx++)
                *tap++ = tap_of(band, p, planes, ky, kx);
}

/* x, w, bias and y are those of the group; y: from the band on. */
static void product_of_band(const struct convolve *band, const float *x, const float *w, const float *bias, float *y,
                            int64_t y_step, const float **tap, float *room)
{
    const struct planes p = planes_of(band);
    const struct band_room r = room_of(band);
    float *cells = room + r.planes;
    for (int ic = 0; ic < band->in_c; ic++)
        fill_planes(band, &p, x + (int64_t)ic * band->in_h * band->in_w,
                    room + ic * band->stride_h * band->stride_w * p.size);
    fill(room + r.planes - NCC_GEMM_LEAST_COLUMNS, NCC_GEMM_LEAST_COLUMNS, 0.0f);
    find_taps(band, &p, room, tap);
    const bool in_place = p.pitch == band->out_w && p.n_cells == r.cells;
    const struct gemm_rows g = {.m = band->out_c,
                                .k = taps(band),
                                .n = r.cells,
                                .a = w,
                                .b = tap,
                                .bias = bias,
                                .c = in_place ? y : cells,
                                .ldc = in_place ? y_step : r.cells};
    ncc_gemm_rows(&g);
    for (int oc = 0; oc < band->out_c && !in_place; oc++)
        for (int oy = 0; oy < band->out_h; oy++)
            memcpy(y + oc * y_step + (int64_t)oy * band->out_w, cells + oc * r.cells + (int64_t)oy * p.pitch,
                   (size_t)band->out_w * sizeof *y);
}

static void pointwise(const struct convolve *s, const float *x, const float *w, const float *bias, float *y,
                      const float **row)
{
    for (int ic = 0; ic < s->in_c / s->groups; ic++)
        row[ic] = x + ic * plane(s);
    const struct gemm_rows g = {.m = s->out_c / s->groups,
                                .k = s->in_c / s->groups,
                                .n = plane(s),
                                .a = w,
                                .b = row,
                                .bias = bias,
                                .c = y,
                                .ldc = plane(s)};
    ncc_gemm_rows(&g);
}

/* The scratch memory, which may be aligned for floats only, begins with where the rows start. */
static size_t pointers_size(const struct convolve *s)
{
    return alignof(float *) + (size_t)taps(s) * sizeof(float *);
}

static const float **pointers_in(void *scratch)
{
    const uintptr_t at = (uintptr_t)scratch, align = alignof(float *);
    return (const float **)((at + align - 1) / align * align);
}

static void products(const struct convolve *s, const float *x, const float *w, const float *bias, float *y,
                     void *scratch)
{
    const int out_group = s->out_c / s->groups, rows = rows_of_bands(s);
    const float **tap = pointers_in(scratch);
    float *room = (float *)((char *)scratch + pointers_size(s));
    for (int g = 0; g < s->groups; g++) {
        if (is_pointwise(s))
            pointwise(s, x, w, bias, y, tap);
        for (int y0 = 0; y0 < s->out_h && !is_pointwise(s); y0 += rows) {
            const int from = y0 + rows > s->out_h ? s->out_h - rows : y0;
            const struct convolve band = band_of(s, from, rows);
            product_of_band(&band, x, w, bias, y + (int64_t)from * s->out_w, plane(s), tap, room);
        }
        x += (int64_t)(s->in_c / s->groups) * s->in_h * s->in_w;
        w += (int64_t)out_group * taps(s);
        bias = bias ? bias + out_group : NULL;
        y += out_group * plane(s);
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
    const struct convolve band = band_of(s, 0, rows_of_bands(s));
    return pointers_size(s) + (is_pointwise(s) ? 0 : (size_t)room_of(&band).all * sizeof(float));
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
