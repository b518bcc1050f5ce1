/* Layers with 16-bit weights, regular and depthwise: one channel per cell, sums of 64 bits. Few files have such
 * weights, so this is plain: some ten times slower than the others. */
#include "sim/job.h"

#include "compiler/base/cpu.h"

#include <limits.h>

enum { STRETCH = 256 }; /* positions whose sums stay in the cache while the inputs pass by */

static int n_inputs(const struct job *job)
{
    return job->shape.depthwise ? 1 : job->shape.in_c;
}

static int64_t weight_at(const struct job *job, size_t i)
{
    return job->weights[2 * i] | job->weights[2 * i + 1] << 8;
}

NCC_FOR_EACH_CPU
static void add_product(int64_t *sum, const uint32_t *x, uint32_t w, int n)
{
    for (int i = 0; i < n; i++)
        sum[i] += x[i] * w; /* at most 255 * 65535 */
}

static const uint32_t *cells_of(const struct job *job, int channel, int tap, int position)
{
    return job->cells + (size_t)channel * (size_t)job->grid.n_cells + job->grid.tap_off[tap] + position;
}

static void pack_item(void *ctx, int c, int thread)
{
    const struct job *job = ctx;
    (void)thread;
    ncc_sim_pack_input(job, c, 1, 8, job->cells + (size_t)c * (size_t)job->grid.n_cells);
}

/* The term of the sum of inputs for n positions of output channel o. */
static void sum_inputs(const struct job *job, int o, int position, int n, int64_t *to)
{
    const int first = job->shape.depthwise ? o : 0;
    for (int i = 0; i < n; i++)
        to[i] = 0;
    for (int c = first; c < first + n_inputs(job); c++)
        for (int t = 0; t < job->grid.n_taps; t++)
            add_product(to, cells_of(job, c, t, position), 1, n);
    for (int i = 0; i < n; i++)
        to[i] = ncc_kpu_zero_term(job->regs->arg_x, to[i], (int)job->regs->shr_x);
}

static int stretch_at(const struct job *job, int position)
{
    const int left = job->grid.n_positions - position;
    return left < STRETCH ? left : STRETCH;
}

/* Regular layers: once for all output channels. */
static void x_term_item(void *ctx, int i, int thread)
{
    const struct job *job = ctx;
    const int position = i * STRETCH;
    (void)thread;
    sum_inputs(job, 0, position, stretch_at(job, position), job->x_term + position);
}

static struct channel channel_of(const struct job *job, int o)
{
    const struct ncc_kpu_regs *r = job->regs;
    const size_t n = (size_t)(n_inputs(job) * job->grid.n_taps);
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += weight_at(job, (size_t)o * n + i);
    return (struct channel){.bn = ncc_kpu_bn_unpack(job->bn[o]),
                            .constant = ncc_kpu_zero_term(r->arg_w, sum, (int)r->shr_w) + r->arg_add * n_inputs(job)};
}

static void channel_item(void *ctx, int o, int thread)
{
    const struct job *job = ctx;
    const int n_in = n_inputs(job), taps = job->grid.n_taps, first = job->shape.depthwise ? o : 0;
    struct overflow overflow = {INT_MAX, 0, false};
    int64_t sum[STRETCH];
    (void)thread;
    job->channels[o] = channel_of(job, o);
    for (int position = 0; position < job->grid.n_positions; position += STRETCH) {
        const int n = stretch_at(job, position);
        if (job->shape.depthwise)
            sum_inputs(job, o, position, n, sum);
        else
            for (int i = 0; i < n; i++)
                sum[i] = job->x_term[position + i];
        for (int c = 0; c < n_in; c++)
            for (int t = 0; t < taps; t++)
                add_product(sum, cells_of(job, first + c, t, position),
                            (uint32_t)weight_at(job, (size_t)((o * n_in + c) * taps + t)), n);
        for (int i = 0; i < n; i++)
            ncc_sim_finish_one(job, o, position + i, sum[i] + job->channels[o].constant, &overflow);
    }
    job->items[o] = overflow;
}

bool ncc_sim_wide_run(struct job *job, struct workspace *ws, struct overflow *overflow)
{
    const struct grid *g = &job->grid;
    const struct ncc_kpu_shape *s = &job->shape;
    job->cells = ncc_sim_reserve(&ws->cells, (size_t)s->in_c * (size_t)g->n_cells, sizeof *job->cells);
    job->x_term = ncc_sim_reserve(&ws->x_term, (size_t)g->n_positions, sizeof *job->x_term);
    job->items = ncc_sim_reserve(&ws->items, (size_t)s->out_c, sizeof *job->items);
    if (!job->cells || !job->x_term || !job->items)
        return false;
    const int64_t n_cells = (int64_t)s->in_c * g->n_cells,
                  products = (int64_t)n_inputs(job) * g->n_taps * g->n_positions;
    ncc_sim_spread(s->in_c, n_cells, pack_item, job);
    if (!s->depthwise)
        ncc_sim_spread((g->n_positions + STRETCH - 1) / STRETCH, products, x_term_item, job);
    ncc_sim_spread(s->out_c, products * s->out_c, channel_item, job);
    for (int o = 0; o < s->out_c; o++)
        ncc_sim_overflow_merge(overflow, &job->items[o]);
    return true;
}
