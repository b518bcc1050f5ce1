/* Looking at one tensor. */
#include "compiler/quant/observation.h"

#include "compiler/base/cpu.h"

#include <assert.h>
#include <math.h>

/* Elements of a tensor that a histogram counts at least, if there are as many. */
enum { N_COUNTED = 4096 };

/* The window as runs of neighbouring elements: run (c, y) starts at (c * plane + y * pitch + skip). */
struct runs {
    int64_t planes, plane;
    int64_t rows, pitch, skip;
    int64_t length;
};

static struct runs runs_of(const struct tensor *t, struct window window)
{
    const int64_t count = ncc_shape_count(t->shape);
    if (!window.h || t->shape.rank != 4)
        return (struct runs){.planes = 1, .rows = 1, .length = count};
    const int64_t h = t->shape.dim[2], w = t->shape.dim[3];
    struct runs r = {.planes = (int64_t)t->shape.dim[0] * t->shape.dim[1],
                     .plane = h * w,
                     .rows = window.h,
                     .pitch = w,
                     .skip = window.top * w + window.left,
                     .length = window.w};
    if (window.w == w) { /* whole rows join */
        r.rows = 1;
        r.length = window.h * w;
    }
    return r;
}

enum { LANES = 16 };

/* Minimum and maximum; `zero` stays 0 as long as all is finite. Comparisons with NaN are false, so NaN is skipped. */
struct extremes {
    float min[LANES], max[LANES], zero[LANES];
};

NCC_FOR_EACH_CPU
static void extremes_add(struct extremes *e, const float *x, int64_t n)
{
    struct extremes local = *e;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            local.min[k] = x[i + k] < local.min[k] ? x[i + k] : local.min[k];
            local.max[k] = x[i + k] > local.max[k] ? x[i + k] : local.max[k];
            local.zero[k] += x[i + k] * 0.0f;
        }
    for (; i < n; i++) {
        local.min[0] = x[i] < local.min[0] ? x[i] : local.min[0];
        local.max[0] = x[i] > local.max[0] ? x[i] : local.max[0];
        local.zero[0] += x[i] * 0.0f;
    }
    *e = local;
}

static bool extremes_join(const struct extremes *e, float *min, float *max)
{
    float zero = 0;
    *min = INFINITY;
    *max = -INFINITY;
    for (int k = 0; k < LANES; k++) {
        *min = fminf(*min, e->min[k]);
        *max = fmaxf(*max, e->max[k]);
        zero += e->zero[k];
    }
    return zero == 0;
}

static void extend(struct observation *o, float min, float max, int64_t n)
{
    o->min = o->n ? fminf(o->min, min) : min;
    o->max = o->n ? fmaxf(o->max, max) : max;
    o->n += n;
}

/* The rare case: something is not finite. One element at a time. */
static void add_one_by_one(struct observation *o, struct histogram *hist, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            o->n_bad++;
            continue;
        }
        extend(o, x[i], x[i], 1);
        if (!hist)
            continue;
        ncc_histogram_cover(hist, x[i], x[i]);
        ncc_histogram_add(hist, x + i, 1, 1);
    }
}

static int64_t gcd(int64_t a, int64_t b)
{
    return b ? gcd(b, a % b) : a;
}

/* A step that meets all columns and rows alike: it has no factor in common with them. */
static int64_t stride_for(const struct runs *r)
{
    int64_t stride = r->planes * r->rows * r->length / N_COUNTED;
    while (stride > 1 && (gcd(stride, r->length) > 1 || gcd(stride, r->pitch ? r->pitch : 1) > 1))
        stride--;
    return stride > 1 ? stride : 1;
}

static const float *run_at(const struct runs *r, const float *x, int64_t i)
{
    return x + i / r->rows * r->plane + i % r->rows * r->pitch + r->skip;
}

void ncc_observation_add(struct observation *o, struct histogram *hist, const struct tensor *t, struct window window)
{
    assert(t->dtype == DT_F32);
    const struct runs r = runs_of(t, window);
    const float *x = t->data;
    const int64_t n_runs = r.planes * r.rows;
    if (n_runs * r.length == 0)
        return;
    struct extremes e;
    for (int k = 0; k < LANES; k++) {
        e.min[k] = INFINITY;
        e.max[k] = -INFINITY;
        e.zero[k] = 0;
    }
    for (int64_t i = 0; i < n_runs; i++)
        extremes_add(&e, run_at(&r, x, i), r.length);
    float min, max;
    if (!extremes_join(&e, &min, &max)) {
        for (int64_t i = 0; i < n_runs; i++)
            add_one_by_one(o, hist, run_at(&r, x, i), r.length);
        return;
    }
    extend(o, min, max, n_runs * r.length);
    if (!hist)
        return;
    ncc_histogram_cover(hist, min, max);
    const int64_t stride = stride_for(&r);
    int64_t skip = 0;
    for (int64_t i = 0; i < n_runs; i++) {
        if (skip >= r.length)
            skip -= r.length;
        else
            skip = ncc_histogram_add(hist, run_at(&r, x, i) + skip, r.length - skip, stride);
    }
}

void ncc_observation_join(struct observation *to, struct histogram *hist, const struct observation *o)
{
    if (o->n)
        extend(to, o->min, o->max, o->n);
    to->n_bad += o->n_bad;
    if (hist && o->hist)
        ncc_histogram_merge(hist, o->hist);
    if (hist && to->n)
        to->hist = hist;
}

/* ---- channels ---- */

NCC_FOR_EACH_CPU
static double sum_of_run(const float *x, int64_t n)
{
    float lane[LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] += x[i + k];
    for (; i < n; i++)
        rest += x[i];
    double sum = rest;
    for (int k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

void ncc_observation_means(double *mean, const struct tensor *t, struct window window)
{
    const struct runs r = runs_of(t, window);
    for (int64_t c = 0; c < r.planes; c++) {
        double sum = 0;
        for (int64_t y = 0; y < r.rows; y++)
            sum += sum_of_run(run_at(&r, t->data, c * r.rows + y), r.length);
        mean[c] = sum / (double)(r.rows * r.length);
    }
}

void ncc_observation_channels(float *min, float *max, const struct tensor *t, struct window window)
{
    const struct runs r = runs_of(t, window);
    for (int64_t c = 0; c < r.planes; c++) {
        struct extremes e = {0};
        for (int64_t y = 0; y < r.rows; y++)
            extremes_add(&e, run_at(&r, t->data, c * r.rows + y), r.length);
        float lo, hi;
        const bool finite = extremes_join(&e, &lo, &hi);
        min[c] = fminf(min[c], lo);
        max[c] = finite ? fmaxf(max[c], hi) : INFINITY;
    }
}
