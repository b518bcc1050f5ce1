/* The codes of a layer's weights, and what follows from them: the constant, and what the sums can be. */
#include "compiler/base/parallel.h"
#include "compiler/k210/kpu_numbers.h"
#include "compiler/k210/weight_rounding.h"

#include <math.h>

int ncc_weight_code(double w, double inverse_scale, int w_zero, int w_max)
{
    const double q = w * inverse_scale + w_zero + 0.5;
    return q < 0 ? 0 : q >= w_max + 1 ? w_max : (int)q;
}

struct rounding_job {
    struct kpu_numbers *l;
    struct weight_rounding rounding;
    int passes;
};

static void round_weights(const struct rounding_job *job, int o, int thread, bool again)
{
    struct kpu_numbers *l = job->l;
    for (int i = 0; i < l->n_in; i++) {
        const float *w = ncc_kpu_weights_of(l, o, i);
        const double quantum = l->c[o].scale / ncc_kpu_fold_of(l, o, i);
        for (int t = 0; t < l->taps; t++) {
            const int row = ncc_kpu_input_channel(l, o, i) * l->taps + t;
            uint16_t *q = &l->q[w - l->w + t];
            /* Looked at again, a weight is what its code makes of it: only what is left may move it. */
            const double now = again ? (*q - l->w_zero) * quantum : (double)w[t];
            *q = (uint16_t)ncc_rounding_code(&job->rounding, thread, row, now, quantum, l->w_zero);
        }
    }
}

static void round_channel(void *ctx, int o, int thread)
{
    const struct rounding_job *job = ctx;
    ncc_rounding_begin(&job->rounding, thread);
    round_weights(job, o, thread, false);
    for (int pass = 1; pass < job->passes; pass++)
        round_weights(job, o, thread, true);
}

/* The codes of all weights by what the layer reads. */
static void round_by_patches(struct kpu_numbers *l, const struct patches *p, struct arena *a)
{
    const int n_rows = l->x->shape.dim[1] * l->taps;
    struct rounding_job job = {l, ncc_rounding_open(p, n_rows, l->n_in * l->taps, a), l->rounding_passes};
    ncc_parallel_for(l->n_out, round_channel, &job);
}

/* The codes of one output channel, rounded to the nearest. */
static void round_to_nearest(struct kpu_numbers *l, int o)
{
    for (int i = 0; i < l->n_in; i++) {
        const float *w = ncc_kpu_weights_of(l, o, i);
        const double fold = ncc_kpu_fold_of(l, o, i);
        for (int t = 0; t < l->taps; t++)
            l->q[w - l->w + t] = (uint16_t)ncc_weight_code(w[t] * fold, 1 / l->c[o].scale, l->w_zero, l->w_max);
    }
}

/* What follows from the codes: sums, their range, and the constant. */
static void quantise_channel(struct kpu_numbers *l, int o)
{
    struct kpu_channel *c = &l->c[o];
    double shift_of_zero = 0; /* sum of (x_zero - zero point of the input) * weight */
    double lost = 0;          /* what the weights' rounding takes from the mean of the sum */
    c->acc_lo = c->acc_hi = 0;
    for (int i = 0; i < l->n_in; i++) {
        const float *w = ncc_kpu_weights_of(l, o, i);
        const uint16_t *q = l->q + (w - l->w);
        const double fold = ncc_kpu_fold_of(l, o, i);
        int64_t sum = 0;
        for (int t = 0; t < l->taps; t++) {
            const int d = q[t] - l->w_zero;
            const double error = w[t] * fold - d * c->scale;
            l->signal += w[t] * fold * (w[t] * fold);
            l->noise += error * error;
            lost += error * ncc_kpu_mean_code(l, o, i);
            sum += d;
            const int64_t above = (int64_t)d * (255 - l->x_zero), below = (int64_t)-d * l->x_zero;
            c->acc_lo += d < 0 ? above : below;
            c->acc_hi += d > 0 ? above : below;
        }
        shift_of_zero += (l->x_zero - ncc_kpu_input_zero(l, o, i)) * (double)sum;
    }
    /* The floor of >> loses half a quantum on average, less where mul has trailing zeros. */
    const double step = ldexp(c->bn.mul & -c->bn.mul, -c->bn.shift);
    const double floor_loss = step < 1 ? (1 - step) / 2 : 0;
    const double gain = ldexp(c->bn.mul, -c->bn.shift); /* of the sums, in v */
    const double add = rint((c->bias + lost) / l->v_scale + gain * shift_of_zero + floor_loss);
    c->bn.add = (int32_t)fmax(fmin(add, INT32_MAX), INT32_MIN);
}

/* Quantises all channels; false when v needs more than 35 bits or add more than 31, one spare each, or acc 36. */
bool ncc_weights_to_codes(struct kpu_numbers *l, const struct patches *patches, struct arena *a)
{
    const int64_t v_limit = NCC_KPU_ACC_MAX / 2;
    bool fits = true;
    l->signal = l->noise = 0;
    l->v_lo = INT64_MAX;
    l->v_hi = INT64_MIN;
    if (patches && patches->rounds && l->w_max <= UINT8_MAX)
        round_by_patches(l, patches, a);
    else
        for (int o = 0; o < l->n_out; o++)
            round_to_nearest(l, o);
    for (int o = 0; o < l->n_out; o++) {
        struct kpu_channel *c = &l->c[o];
        quantise_channel(l, o);
        const int64_t lo = ncc_kpu_bn_apply(c->bn, c->acc_lo), hi = ncc_kpu_bn_apply(c->bn, c->acc_hi);
        l->v_lo = lo < l->v_lo ? lo : l->v_lo;
        l->v_hi = hi > l->v_hi ? hi : l->v_hi;
        fits &= ncc_kpu_acc_fits(c->acc_lo) && ncc_kpu_acc_fits(c->acc_hi);
        fits &= lo >= -v_limit && hi <= v_limit && c->bn.add < INT32_MAX / 2 && c->bn.add > INT32_MIN / 2;
    }
    return fits;
}
