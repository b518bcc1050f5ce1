/* What the sums of a layer were at the gathered places of the samples. */
#include "compiler/k210/kpu_numbers.h"

#include <math.h>

enum { MAX_SEEN = 8192 };

/* The sum of channel o at a place, without weights' and inputs' rounding. */
static double sum_at(const struct kpu_numbers *l, const struct patches *p, int o, int place)
{
    double sum = l->bias ? (double)l->bias[o] : 0;
    for (int i = 0; i < l->n_in; i++) {
        const float *w = ncc_kpu_weights_of(l, o, i);
        const int64_t row = (int64_t)ncc_kpu_input_channel(l, o, i) * l->taps;
        for (int t = 0; t < l->taps; t++)
            sum += (double)w[t] * (double)(p->data[(row + t) * p->n_points + place] + p->mean[row + t]);
    }
    return sum;
}

struct act_seen ncc_kpu_seen(const struct kpu_numbers *l, const struct patches *p, struct arena *a)
{
    if (!p || !p->n_points)
        return (struct act_seen){0};
    /* Of many channels and places every so many, so that all samples count. */
    const int64_t all = (int64_t)l->n_out * p->n_points, step = (all + MAX_SEEN - 1) / MAX_SEEN;
    int64_t *v = NCC_NEW(a, int64_t, all / step + 1);
    int n = 0;
    for (int64_t k = 0; k < all; k += step) {
        const int o = (int)(k / p->n_points), place = (int)(k % p->n_points);
        const double sum = l->c[o].factor * sum_at(l, p, o, place) / l->v_scale;
        v[n++] = (int64_t)fmin(fmax(rint(sum), (double)l->v_lo), (double)l->v_hi);
    }
    return (struct act_seen){n, v};
}
