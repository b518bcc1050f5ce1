/* Regular convolutions: a cell holds several channels, a call of the inner loop several output channels. */
#include "sim/job.h"

#include "compiler/base/cpu.h"

#include <limits.h>
#include <string.h>

enum { CELLS_PER_ITEM = 2048 };

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

static int unit_bits(const struct job *job)
{
    return 32 / job->kernel->unit;
}

static void pack_item(void *ctx, int u, int thread)
{
    const struct job *job = ctx;
    const int unit = job->kernel->unit, left = job->shape.in_c - u * unit;
    (void)thread;
    ncc_sim_pack_input(job, u * unit, left < unit ? left : unit, unit_bits(job),
                       job->cells + (size_t)u * (size_t)job->grid.n_cells);
}

/* Sums over channels of a range of cells. */
NCC_FOR_EACH_CPU
static void sum_item(void *ctx, int i, int thread)
{
    const struct job *job = ctx;
    const int first = i * CELLS_PER_ITEM, left = job->grid.n_cells - first;
    const int n = left < CELLS_PER_ITEM ? left : CELLS_PER_ITEM;
    int32_t *sums = job->sums + first;
    (void)thread;
    memset(sums, 0, (size_t)n * sizeof *sums);
    for (int u = 0; u < job->n_units; u++) {
        const uint32_t *cells = job->cells + (size_t)u * (size_t)job->grid.n_cells + first;
        if (job->kernel->unit == 4)
            for (int k = 0; k < n; k++)
                sums[k] +=
                    (int32_t)((cells[k] & 0xff) + (cells[k] >> 8 & 0xff) + (cells[k] >> 16 & 0xff) + (cells[k] >> 24));
        else
            for (int k = 0; k < n; k++)
                sums[k] += (int32_t)((cells[k] & 0xffff) + (cells[k] >> 16));
    }
}

/* From sums over channels to what they add at each position of a range: (arg_x * S_x) >> shr_x, and what
 * the inner loop's offset of the weights took away. */
NCC_FOR_EACH_CPU
static void x_term_item(void *ctx, int i, int thread)
{
    const struct job *job = ctx;
    const struct grid *g = &job->grid;
    const int64_t arg_x = job->regs->arg_x, w_offset = job->kernel->w_offset;
    const int shr_x = (int)job->regs->shr_x, first = i * CELLS_PER_ITEM;
    const int end = first + CELLS_PER_ITEM < g->n_positions ? first + CELLS_PER_ITEM : g->n_positions;
    (void)thread;
    for (int p = first; p < end; p++) {
        int64_t sum = 0;
        for (int t = 0; t < g->n_taps; t++)
            sum += job->sums[p + g->tap_off[t]];
        job->x_term[p] = ncc_kpu_zero_term(arg_x, sum, shr_x) + w_offset * sum;
        job->x_low[p] = (int32_t)(uint32_t)job->x_term[p];
    }
}

/* One cell from the weights of `n` channels, which lie `distance` apart. */
SIM_INLINE uint32_t weight_cell(const uint8_t *w, int n, int distance, int bits)
{
    uint32_t cell = w[0];
    for (int k = 1; k < n; k++)
        cell |= (uint32_t)w[k * distance] << bits * k;
    return cell;
}

/* All cells of an output channel, `step` apart. The input's cells are 0 for channels that do not exist, so it does not
 * matter what the weights' cells hold for them. */
SIM_INLINE void pack_weights(const uint8_t *w, int in_c, int unit, int n_taps, uint32_t flip, uint32_t *to, int step)
{
    int c = 0;
    for (; c + unit <= in_c; c += unit, w += unit * n_taps)
        for (int t = 0; t < n_taps; t++, to += step)
            *to = weight_cell(w + t, unit, n_taps, 32 / unit) ^ flip;
    if (c < in_c)
        for (int t = 0; t < n_taps; t++, to += step)
            *to = weight_cell(w + t, in_c - c, n_taps, 32 / unit) ^ flip;
}

/* The weights of one block, [unit][tap][channel of the block], and the constants of its channels. */
static void weights_item(void *ctx, int b, int thread)
{
    const struct job *job = ctx;
    const struct ncc_sim_kernel *k = job->kernel;
    const int n_taps = job->grid.n_taps, in_c = job->shape.in_c;
    const size_t n_cells = (size_t)job->n_units * (size_t)n_taps * (size_t)k->block;
    uint32_t *cells = job->packed_weights + (size_t)b * n_cells;
    (void)thread;
    for (int j = 0; j < k->block; j++) {
        const int oc = b * k->block + j;
        if (oc >= job->shape.out_c) { /* computed all the same */
            for (size_t i = 0; i < n_cells; i += (size_t)k->block)
                cells[i + (size_t)j] = 0;
            continue;
        }
        const uint8_t *w = job->weights + (size_t)oc * (size_t)(in_c * n_taps);
        job->channels[oc] = ncc_sim_channel(job, oc, w, in_c * n_taps);
        if (k->unit == 4)
            pack_weights(w, in_c, 4, n_taps, k->w_flip, cells + j, k->block);
        else
            pack_weights(w, in_c, 2, n_taps, k->w_flip, cells + j, k->block);
    }
}

/* Parallel work is cut by positions, so that the input of a piece stays in the cache while the weights pass by; maps
 * that are too small for that are cut by output channels. */
struct cut {
    struct job *job;
    int n_items, tiles_per_item, blocks_per_item, n_tiles;
};

static struct cut cut_of(struct job *job)
{
    enum { ENOUGH_TILES = 16, MAX_ITEMS = 64 };
    const int n_tiles = ceil_div(job->grid.n_positions, job->kernel->tile);
    struct cut c = {.job = job, .n_tiles = n_tiles};
    if (n_tiles >= ENOUGH_TILES) {
        c.tiles_per_item = ceil_div(n_tiles, MAX_ITEMS);
        c.blocks_per_item = job->n_blocks;
        c.n_items = ceil_div(n_tiles, c.tiles_per_item);
    } else {
        c.tiles_per_item = n_tiles;
        c.blocks_per_item = 1;
        c.n_items = job->n_blocks;
    }
    return c;
}

static void run_block(const struct job *job, int block, int position, int n, struct overflow *overflow)
{
    const struct ncc_sim_kernel *k = job->kernel;
    const struct grid *g = &job->grid;
    int32_t acc[SIM_MAX_BLOCK * SIM_MAX_TILE];
    const struct sim_dot dot = {
        .x = job->cells + position,
        .w = job->packed_weights + (size_t)block * (size_t)(job->n_units * g->n_taps * k->block),
        .tap_off = g->tap_off,
        .n_taps = g->n_taps,
        .n_units = job->n_units,
        .unit_stride = (size_t)g->n_cells,
        .n = n,
        .acc = acc,
    };
    k->dot(&dot);
    for (int j = 0; j < k->block && block * k->block + j < job->shape.out_c; j++)
        ncc_sim_finish(job, block * k->block + j, position, n, acc + j * SIM_MAX_TILE, job->x_term + position,
                       job->x_low + position, overflow);
}

static void conv_item(void *ctx, int i, int thread)
{
    const struct cut *cut = ctx;
    const struct job *job = cut->job;
    const int tile = job->kernel->tile, end_of_map = job->grid.n_positions;
    const bool by_tile = cut->tiles_per_item < cut->n_tiles || cut->n_items == 1;
    const int first_tile = by_tile ? i * cut->tiles_per_item : 0;
    const int first_block = by_tile ? 0 : i * cut->blocks_per_item;
    struct overflow overflow = {INT_MAX, 0, false};
    (void)thread;
    for (int t = first_tile; t < first_tile + cut->tiles_per_item && t < cut->n_tiles; t++) {
        const int position = t * tile;
        const int n = end_of_map - position < tile ? end_of_map - position : tile;
        for (int b = first_block; b < first_block + cut->blocks_per_item; b++)
            run_block(job, b, position, n, &overflow);
    }
    job->items[i] = overflow;
}

bool ncc_sim_conv_run(struct job *job, struct workspace *ws, struct overflow *overflow)
{
    const struct grid *g = &job->grid;
    const struct ncc_kpu_shape *s = &job->shape;
    job->n_units = ceil_div(s->in_c, job->kernel->unit);
    job->n_blocks = ceil_div(s->out_c, job->kernel->block);
    struct cut cut = cut_of(job);
    const size_t block_cells = (size_t)(job->n_units * g->n_taps * job->kernel->block);
    job->cells = ncc_sim_reserve(&ws->cells, (size_t)job->n_units * (size_t)g->n_cells, sizeof *job->cells);
    job->sums = ncc_sim_reserve(&ws->sums, (size_t)g->n_cells, sizeof *job->sums);
    job->x_term = ncc_sim_reserve(&ws->x_term, (size_t)g->n_positions, sizeof *job->x_term);
    job->x_low = ncc_sim_reserve(&ws->x_low, (size_t)g->n_positions, sizeof *job->x_low);
    job->packed_weights = ncc_sim_reserve(&ws->weights, (size_t)job->n_blocks * block_cells, sizeof(uint32_t));
    job->items = ncc_sim_reserve(&ws->items, (size_t)cut.n_items, sizeof *job->items);
    if (!job->cells || !job->sums || !job->x_term || !job->x_low || !job->packed_weights || !job->items)
        return false;

    const int64_t n_cells = (int64_t)job->n_units * g->n_cells;
    ncc_sim_spread(job->n_units, n_cells, pack_item, job);
    ncc_sim_spread(ceil_div(g->n_cells, CELLS_PER_ITEM), n_cells, sum_item, job);
    ncc_sim_spread(ceil_div(g->n_positions, CELLS_PER_ITEM), 4 * (int64_t)g->n_positions, x_term_item, job);
    ncc_sim_spread(job->n_blocks, ncc_kpu_n_weights(s), weights_item, job);
    const int64_t sums = n_cells * g->n_taps * s->out_c / 64, values = (int64_t)s->out_c * g->n_positions;
    ncc_sim_spread(cut.n_items, sums + values, conv_item, &cut);
    for (int i = 0; i < cut.n_items; i++)
        ncc_sim_overflow_merge(overflow, &job->items[i]);
    return true;
}
