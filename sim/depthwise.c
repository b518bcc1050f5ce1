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
    return r->arg_x % unit == 0 && *factor >= -0x8000 && *factor <= 0x7fff - 255;
}

static void channel_item(void *ctx, int c, int thread)
{
    const struct job *job = ctx;
    const struct grid *g = &job->grid;
    const struct ncc_kpu_regs *r = job->regs;
    const uint8_t *w = job->weights + (size_t)c * (size_t)g->n_taps;
    uint32_t *cells = job->cells + (size_t)thread * (size_t)g->n_cells;
    const int32_t *x = (const int32_t *)cells;
    int32_t acc[STRETCH], sum[STRETCH], x_low[STRETCH] = {0};
    int64_t x_term[STRETCH] = {0};
    struct overflow overflow = {INT_MAX, 0, false};

    job->channels[c] = ncc_sim_channel(job, c, w, g->n_taps);
    ncc_sim_pack_input(job, c, 1, 8, cells);
    int32_t factor;
    const bool folded = folds(r, &factor);
    struct sim_taps weights = {.tap_off = g->tap_off, .n_taps = g->n_taps}, ones = weights;
    for (int t = 0; t < g->n_taps; t++) {
        weights.w[t] = folded ? w[t] + factor : w[t];
        ones.w[t] = 1;
    }
    for (int first = 0; first < g->n_positions; first += STRETCH) {
        const int left = g->n_positions - first, n = left < STRETCH ? left : STRETCH;
        job->kernel->depthwise(&weights, x + first, n, acc);
        if (!folded) {
            job->kernel->depthwise(&ones, x + first, n, sum);
            for (int i = 0; i < n; i++) {
                x_term[i] = ncc_kpu_zero_term(r->arg_x, sum[i], (int)r->shr_x);
                x_low[i] = (int32_t)(uint32_t)x_term[i];
            }
        }
        ncc_sim_finish(job, c, first, n, acc, x_term, x_low, &overflow);
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
