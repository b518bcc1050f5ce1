/* What the sums of a layer were at the gathered places of the samples. */
#include "compiler/base/cpu.h"
#include "compiler/k210/kpu_numbers.h"

#include <math.h>

enum { MAX_SEEN = 8192 };

/* The sums of channel o at places first, first + step ..., without weights' and inputs' rounding: row by row, as a row's
 * places lie side by side. */
NCC_FOR_EACH_CPU
static void add_row(double *sum, const float *row, float mean, float w, int64_t step, int n)
{
#pragma omp simd
    for (int k = 0; k < n; k++)
        sum[k] += (double)w * (double)(row[k * step] + mean);
}

static void sum_at(const struct kpu_numbers *l, const struct patches *p, int o, int64_t first, int64_t step, int n,
                   double *sum)
{
    for (int k = 0; k < n; k++)
        sum[k] = l->bias ? (double)l->bias[o] : 0;
    for (int i = 0; i < l->n_in; i++) {
        const float *w = ncc_kpu_weights_of(l, o, i);
        const int64_t row = (int64_t)ncc_kpu_input_channel(l, o, i) * l->taps;
        for (int t = 0; t < l->taps; t++)
            add_row(sum, p->data + (row + t) * p->n_points + first, p->mean[row + t], w[t], step, n);
    }
}

struct act_seen ncc_kpu_seen(const struct kpu_numbers *l, const struct patches *p, struct arena *a)
{
    if (!p || !p->n_points)
        return (struct act_seen){0};
    /* Of many channels and places every so many, so that all samples count. */
    const int64_t all = (int64_t)l->n_out * p->n_points, step = (all + MAX_SEEN - 1) / MAX_SEEN;
    int64_t *v = NCC_NEW(a, int64_t, all / step + 1);
    double *sum = NCC_NEW(a, double, p->n_points / step + 1);
    int n = 0;
    for (int64_t k = 0; k < all;) {
        const int o = (int)(k / p->n_points);
        const int64_t first = k % p->n_points;
        const int count = (int)((p->n_points - first + step - 1) / step);
        sum_at(l, p, o, first, step, count, sum);
        for (int i = 0; i < count; i++, k += step) {
            const double seen = l->c[o].factor * sum[i] / l->v_scale;
            v[n++] = (int64_t)fmin(fmax(rint(seen), (double)l->v_lo), (double)l->v_hi);
        }
    }
    return (struct act_seen){n, v};
}
