/* Depthwise convolutions: channel by channel, one channel per cell. */
#include "sim/job.h"

#include "compiler/base/parallel.h"

#include <limits.h>

enum { STRETCH = 128 }; /* positions between two passes through the finishing loop */

/* The factor that can be added to each weight in place of the term of the inputs' sum, if there is a small one. */
static bool folds(const struct ncc_kpu_regs *r, int32_t *factor)
{
    const int64_t unit = INT64_C(1) << r->shr_x;
    *factor = (int32_t)(r->arg_x / unit);
    return r->arg_x % unit == 0 && *factor >= -0x8000 && *factor < 0x8000;
}

static void channel_item(void *ctx, int c, int thread)
{
    const struct job *job = ctx;
    const struct grid *g = &job->grid;
    const struct ncc_kpu_regs *r = job->regs;
    const uint8_t *w = job->weights + (size_t)c * (size_t)g->n_taps;
    uint32_t *cells = job->cells + (size_t)thread * (size_t)g->n_cells;
    const int32_t *x = (const int32_t *)cells;
    struct overflow overflow = {INT_MAX, 0, false};

    job->channels[c] = ncc_sim_channel(job, c, w, g->n_taps);
    ncc_sim_pack_input(job, c, 1, 8, cells);
    int32_t factor, weights[SIM_MAX_TAPS], ones[SIM_MAX_TAPS];
    const bool folded = folds(r, &factor);
    for (int t = 0; t < g->n_taps; t++) {
        weights[t] = folded ? w[t] + factor : w[t];
        ones[t] = 1;
    }
    for (int first = 0; first < g->n_positions; first += STRETCH) {
        const int left = g->n_positions - first, n = left < STRETCH ? left : STRETCH;
        int32_t acc[STRETCH], sum[SIM_STEP];
        int64_t x_term[STRETCH] = {0};
        for (int p = 0; p < n; p += SIM_STEP) {
            job->kernel->depthwise(x + first + p, g->tap_off, g->n_taps, weights, acc + p);
            if (folded)
                continue;
            job->kernel->depthwise(x + first + p, g->tap_off, g->n_taps, ones, sum);
            for (int i = 0; i < SIM_STEP; i++)
                x_term[p + i] = ncc_kpu_zero_term(r->arg_x, sum[i], (int)r->shr_x);
        }
        ncc_sim_finish(job, c, first, n, acc, x_term, &overflow);
    }
    job->items[c] = overflow;
}

bool ncc_sim_depthwise_run(struct job *job, struct workspace *ws, struct overflow *overflow)
{
    const struct grid *g = &job->grid;
    const int channels = job->shape.out_c;
    const size_t threads = (size_t)ncc_parallel_threads();
    job->cells = ncc_sim_reserve(&ws->cells, threads * (size_t)g->n_cells, sizeof *job->cells);
    job->items = ncc_sim_reserve(&ws->items, (size_t)channels, sizeof *job->items);
    if (!job->cells || !job->items)
        return false;
    ncc_sim_spread(channels, 4 * (int64_t)channels * g->n_positions, channel_item, job);
    for (int c = 0; c < channels; c++)
        ncc_sim_overflow_merge(overflow, &job->items[c]);
    return true;
}
