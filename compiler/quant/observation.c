/* Looking at one tensor. */
#include "compiler/quant/observation.h"

#include "compiler/base/cpu.h"
#include "compiler/quant/window_runs.h"

#include <assert.h>
#include <math.h>

/* Elements of a tensor that a histogram counts at least, if there are as many. */
enum { N_COUNTED = 4096 };

enum { LANES = 16 };

/* Minimum and maximum; `zero` stays 0 as long as all is finite. Comparisons with NaN are false, so NaN is skipped. */
struct extremes {
    float min[LANES], max[LANES], zero[LANES];
};

/* Goes over a run; returns its sum. */
NCC_FOR_EACH_CPU
static double extremes_add(struct extremes *e, const float *x, int64_t n)
{
    struct extremes local = *e;
    float lane[LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            local.min[k] = x[i + k] < local.min[k] ? x[i + k] : local.min[k];
            local.max[k] = x[i + k] > local.max[k] ? x[i + k] : local.max[k];
            local.zero[k] += x[i + k] * 0.0f;
            lane[k] += x[i + k];
        }
    for (; i < n; i++) {
        local.min[0] = x[i] < local.min[0] ? x[i] : local.min[0];
        local.max[0] = x[i] > local.max[0] ? x[i] : local.max[0];
        local.zero[0] += x[i] * 0.0f;
        rest += x[i];
    }
    *e = local;
    double sum = (double)rest;
    for (int k = 0; k < LANES; k++)
        sum += (double)lane[k];
    return sum;
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

static struct extremes no_extremes(void)
{
    struct extremes e;
    for (int k = 0; k < LANES; k++) {
        e.min[k] = INFINITY;
        e.max[k] = -INFINITY;
        e.zero[k] = 0;
    }
    return e;
}

/* All in one pass, since it is memory that this waits for. Whether all is finite. */
static bool look(const struct runs *r, const float *x, const struct channel_marks *marks, float *min, float *max)
{
    bool finite = true;
    *min = INFINITY;
    *max = -INFINITY;
    for (int64_t c = 0; c < r->planes; c++) {
        struct extremes e = no_extremes();
        double sum = 0;
        float lo, hi;
        for (int64_t y = 0; y < r->rows; y++)
            sum += extremes_add(&e, x + ncc_run_at(r, c * r->rows + y), r->length);
        const bool good = extremes_join(&e, &lo, &hi);
        finite = finite && good;
        *min = fminf(*min, lo);
        *max = fmaxf(*max, hi);
        if (marks && marks->mean)
            marks->mean[c] = sum / (double)(r->rows * r->length);
        if (!marks || !marks->max)
            continue;
        marks->min[c] = fminf(marks->min[c], lo);
        marks->max[c] = good ? fmaxf(marks->max[c], hi) : INFINITY;
    }
    return finite;
}

static void count(struct histogram *hist, const struct runs *r, const float *x)
{
    const int64_t stride = stride_for(r);
    int64_t skip = 0;
    for (int64_t i = 0; i < r->planes * r->rows; i++) {
        if (skip >= r->length)
            skip -= r->length;
        else
            skip = ncc_histogram_add(hist, x + ncc_run_at(r, i) + skip, r->length - skip, stride);
    }
}

void ncc_observation_add(struct observation *o, struct histogram *hist, const struct tensor *t, struct window window,
                         const struct channel_marks *marks)
{
    assert(t->dtype == DT_F32);
    const struct runs r = ncc_window_runs(t->shape, window);
    const float *x = t->data;
    if (r.planes * r.rows * r.length == 0)
        return;
    float min, max;
    if (!look(&r, x, marks, &min, &max)) {
        for (int64_t i = 0; i < r.planes * r.rows; i++)
            add_one_by_one(o, hist, x + ncc_run_at(&r, i), r.length);
        return;
    }
    extend(o, min, max, r.planes * r.rows * r.length);
    if (!hist)
        return;
    ncc_histogram_cover(hist, min, max);
    count(hist, &r, x);
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
