/* Sampling an activation where it matters. */
#include "compiler/k210/act_curve.h"

#include "compiler/ops/attrs.h"

#include <math.h>
#include <stdlib.h>

/* Beyond what any clamp leaves, but small enough to calculate with. */
static const double FAR = 1e6;

static double apply(const struct act_chain *act, double x)
{
    if (!act || act->n == 0)
        return x;
    const double y = ncc_act_apply(act, (float)x);
    return isnan(y) ? -FAR : y;
}

double ncc_act_code(const struct act_target *t, int64_t v)
{
    const double y = apply(t->act, (double)v * t->v_scale);
    return fmax(-FAR, fmin(FAR, y / t->y_scale + t->y_zero));
}

/* Points over lo..hi: evenly spread ones, and more and more of them towards zero, since a worst case may be
 * far wider than the part where something happens. Sorted. */
enum { N_EVEN = 512, PER_OCTAVE = 16, N_OCTAVES = 24, N_SPREAD = N_EVEN + 1 + 2 * PER_OCTAVE * N_OCTAVES };

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int spread(double lo, double hi, double out[N_SPREAD])
{
    int n = 0;
    for (int i = 0; i <= N_EVEN; i++)
        out[n++] = lo + (hi - lo) * i / N_EVEN;
    const double far = fmax(fabs(lo), fabs(hi));
    for (int i = 0; i < PER_OCTAVE * N_OCTAVES; i++) {
        const double x = far * exp2(-(double)i / PER_OCTAVE);
        if (x >= lo && x <= hi)
            out[n++] = x;
        if (-x >= lo && -x <= hi)
            out[n++] = -x;
    }
    qsort(out, n, sizeof *out, compare_doubles);
    return n;
}

void ncc_act_domain(const struct act_target *t, int64_t *lo, int64_t *hi)
{
    double at[N_SPREAD];
    const int n = spread((double)t->v_min, (double)t->v_max, at);
    int first = 0, last = n - 1;
    const double left = ncc_act_clamp(ncc_act_code(t, t->v_min)), right = ncc_act_clamp(ncc_act_code(t, t->v_max));
    while (first < n - 1 && fabs(ncc_act_clamp(ncc_act_code(t, (int64_t)at[first + 1])) - left) <= 0.01)
        first++;
    while (last > 0 && fabs(ncc_act_clamp(ncc_act_code(t, (int64_t)at[last - 1])) - right) <= 0.01)
        last--;
    *lo = (int64_t)at[first];
    *hi = (int64_t)at[last];
    if (*lo >= *hi) {
        *lo = t->v_min;
        *hi = t->v_max;
    }
}

/* ---- samples ---- */

struct bag {
    const struct act_target *t;
    int n;
    int64_t v[2 * NCC_ACT_SAMPLES];
};

static void put(struct bag *b, int64_t v)
{
    if (b->n < 2 * NCC_ACT_SAMPLES && v >= b->t->v_min && v <= b->t->v_max)
        b->v[b->n++] = v;
}

/* The last v of lo..hi - 1 on lo's side of `level`; side(v) must differ between lo and hi. */
static int64_t last_before(const struct act_target *t, double (*f)(const struct act_target *, int64_t, int), int step,
                           double level, int64_t lo, int64_t hi)
{
    const bool side = f(t, lo, step) < level;
    while (hi - lo > 1) {
        const int64_t middle = lo + (hi - lo) / 2;
        if ((f(t, middle, step) < level) == side)
            lo = middle;
        else
            hi = middle;
    }
    return lo;
}

static double code_at(const struct act_target *t, int64_t v, int unused)
{
    (void)unused;
    return ncc_act_code(t, v);
}

/* Where the code passes `level` between neighbouring points: the nearer of the two integers; both at a jump. */
static void put_crossing(struct bag *b, double level, int64_t lo, int64_t hi)
{
    const int64_t v = last_before(b->t, code_at, 0, level, lo, hi);
    const double before = ncc_act_code(b->t, v), after = ncc_act_code(b->t, v + 1);
    const bool jump = fabs(after - before) > 0.25;
    if (jump || fabs(before - level) <= fabs(after - level))
        put(b, v);
    if (jump || fabs(before - level) > fabs(after - level))
        put(b, v + 1);
}

static void put_crossings(struct bag *b, int64_t lo, int64_t hi)
{
    const double x = 2 * ncc_act_code(b->t, lo), y = 2 * ncc_act_code(b->t, hi);
    const double from = fmax(fmin(x, y), -1), to = fmin(fmax(x, y), 511);
    for (double half = ceil(from); half <= to; half++)
        if ((x < half) != (y < half))
            put_crossing(b, half / 2, lo, hi);
}

/* The chain's value before its step number `step`. */
static double before_step(const struct act_target *t, int64_t v, int step)
{
    struct act_chain head = *t->act;
    head.n = step;
    return apply(&head, (double)v * t->v_scale);
}

static int kinks_of(const struct act_step *s, double out[2])
{
    switch (s->op) {
    case OP_clip:
        out[0] = ((const struct clip_attrs *)s->attrs)->min;
        out[1] = ((const struct clip_attrs *)s->attrs)->max;
        return 2;
    case OP_hard_swish:
        out[0] = -3;
        out[1] = 3;
        return 2;
    case OP_relu:
    case OP_leaky_relu:
    case OP_elu:
    case OP_abs:
        out[0] = 0;
        return 1;
    default:
        return 0;
    }
}

static void put_kinks(struct bag *b, const double *at, int n)
{
    const struct act_chain *act = b->t->act;
    for (int step = 0; act && step < act->n; step++) {
        double kink[2];
        const int n_kinks = kinks_of(&act->step[step], kink);
        for (int k = 0; k < n_kinks; k++)
            for (int i = 0; i + 1 < n; i++) {
                const int64_t lo = (int64_t)at[i], hi = (int64_t)at[i + 1];
                if ((before_step(b->t, lo, step) < kink[k]) == (before_step(b->t, hi, step) < kink[k]))
                    continue;
                const int64_t v = last_before(b->t, before_step, step, kink[k], lo, hi);
                put(b, v);
                put(b, v + 1);
            }
    }
}

static int compare_v(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

enum { N_PLAIN = 320 };

void ncc_act_sample(const struct act_target *t, struct act_curve *out)
{
    int64_t lo, hi;
    ncc_act_domain(t, &lo, &hi);
    /* A little further left, where the first piece may want to start. */
    const int64_t wider = lo - (hi - lo) / 64 - 1;
    lo = wider > t->v_min ? wider : t->v_min;
    struct bag b = {.t = t};
    put(&b, t->v_min);
    put(&b, t->v_max);
    for (int i = 0; i <= N_PLAIN; i++)
        put(&b, lo + (int64_t)((double)(hi - lo) * i / N_PLAIN));
    double at[N_SPREAD];
    const int n = spread((double)lo, (double)hi, at);
    put_kinks(&b, at, n);
    for (int i = 0; i + 1 < n; i++)
        put_crossings(&b, (int64_t)at[i], (int64_t)at[i + 1]);
    qsort(b.v, b.n, sizeof *b.v, compare_v);
    out->n = 0;
    for (int i = 0; i < b.n && out->n < NCC_ACT_SAMPLES; i++)
        if (i == 0 || b.v[i] != b.v[i - 1])
            out->v[out->n++] = b.v[i];
    for (int i = 0; i < out->n; i++) {
        out->code[i] = ncc_act_code(t, out->v[i]);
        out->after[i] = ncc_act_code(t, out->v[i] + 1);
    }
}

/* ---- properties ---- */

double ncc_act_slope(const struct act_chain *act, double lo, double hi, double y_lo, double y_hi)
{
    double at[N_SPREAD], steepest = 0;
    const int n = spread(lo, hi, at);
    const double least = (hi - lo) * 1e-6; /* nearer points show rounding, not slope */
    for (int i = 0; i + 1 < n; i++) {
        const double a = apply(act, at[i]), b = apply(act, at[i + 1]);
        const bool inside = fmax(a, b) >= y_lo && fmin(a, b) <= y_hi;
        if (inside && at[i + 1] - at[i] > least && fabs(a) < FAR && fabs(b) < FAR)
            steepest = fmax(steepest, fabs(b - a) / (at[i + 1] - at[i]));
    }
    return steepest;
}

bool ncc_act_falls(const struct act_chain *act, double lo, double hi)
{
    double at[N_SPREAD];
    const int n = spread(lo, hi, at);
    for (int i = 0; i + 1 < n; i++)
        if (apply(act, at[i + 1]) > apply(act, at[i]))
            return false;
    return apply(act, hi) < apply(act, lo);
}
