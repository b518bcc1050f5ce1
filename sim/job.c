/* What all kinds of layers share: fetching the input, finishing values, pooling, storing. */
#include "sim/job.h"

#include "compiler/base/parallel.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void *ncc_sim_reserve(struct buffer *b, size_t n, size_t size)
{
    const size_t wanted = n * size; /* a layer fits 2 MiB of KPU RAM: far from overflowing */
    if (wanted > b->size) {
        free(b->data);
        b->data = malloc(wanted);
        b->size = b->data ? wanted : 0;
    }
    return b->data;
}

void ncc_sim_spread(int n, int64_t work, void (*body)(void *ctx, int i, int thread), void *ctx)
{
    enum { WORTH_THREADS = 200000 }; /* waking and joining threads is cheap only while the machine is idle */
    if (work >= WORTH_THREADS) {
        ncc_parallel_for(n, body, ctx);
        return;
    }
    for (int i = 0; i < n; i++)
        body(ctx, i, 0);
}

void ncc_sim_overflow_merge(struct overflow *a, const struct overflow *b)
{
    if (b->channel < a->channel || (b->channel == a->channel && b->position < a->position))
        *a = *b;
}

static const uint8_t *input_map(const struct job *job, int c)
{
    const struct ncc_kpu_regs *r = job->regs;
    const int group = (int)r->coef_group;
    const int64_t line = r->image_src_addr + r->channel_switch_addr * (c / group);
    return job->ram + NCC_KPU_LINE_SIZE * line + NCC_KPU_LINE_SIZE / group * (c % group);
}

uint8_t *ncc_sim_output_row(const struct job *job, int c, int y)
{
    const struct ncc_kpu_regs *r = job->regs;
    const int group = (int)r->wb_group;
    const int64_t line = r->image_dst_addr + r->wb_channel_switch_addr * (c / group) + r->wb_row_switch_addr * y;
    return job->ram + NCC_KPU_LINE_SIZE * line + NCC_KPU_LINE_SIZE / group * (c % group);
}

/* cells[i] = the elements i * step of the rows side by side. */
SIM_INLINE void interleave_each(uint32_t *cells, const uint8_t *const *row, int n_rows, int bits, int n, int step)
{
    for (int i = 0; i < n; i++) {
        uint32_t cell = row[0][i * step];
        for (int k = 1; k < n_rows; k++)
            cell |= (uint32_t)row[k][i * step] << bits * k;
        cells[i] = cell;
    }
}

/* The same for neighbours, in steps of SIM_STEP: reads and writes up to SIM_STEP - 1 elements more. */
SIM_INLINE void interleave_steps(uint32_t *cells, const uint8_t *const *row, int n_rows, int bits, int n)
{
    for (int i = 0; i < n; i += SIM_STEP) {
        uint32_t step[SIM_STEP];
        for (int j = 0; j < SIM_STEP; j++)
            step[j] = row[0][i + j];
        for (int k = 1; k < n_rows; k++)
            for (int j = 0; j < SIM_STEP; j++)
                step[j] |= (uint32_t)row[k][i + j] << bits * k;
        memcpy(cells + i, step, sizeof step);
    }
}

static void interleave(uint32_t *cells, const uint8_t *const row[4], int n_rows, int bits, int n, int step)
{
    if (step > 1)
        interleave_each(cells, row, n_rows, bits, n, step);
    else if (n_rows == 4)
        interleave_steps(cells, row, 4, 8, n);
    else if (n_rows == 1)
        interleave_steps(cells, row, 1, 0, n);
    else
        interleave_steps(cells, row, n_rows, bits, n);
}

/* The channels that are packed together. */
struct packing {
    const uint8_t *map[4];
    int n, bits;
    uint32_t padding; /* a cell of it */
};

/* Row `row` of plane (a, b): padded row row * stride + a, padded columns b, b + stride ... May spoil cells after the
 * row. */
static void pack_row(const struct job *job, const struct packing *p, int a, int b, int row, uint32_t *cells)
{
    const struct grid *g = &job->grid;
    const int y = row * g->stride + a - g->pad;

    int begin = g->pitch, end = g->pitch; /* of the cells inside the image */
    if (y >= 0 && y < job->shape.in_h) {
        const int last = job->shape.in_w - 1 + g->pad - b;
        begin = b < g->pad ? 1 : 0;
        end = last < 0 ? 0 : last / g->stride + 1;
        end = end > g->pitch ? g->pitch : end;
        begin = begin > end ? end : begin;
        const uint8_t *rows[4] = {NULL};
        for (int k = 0; k < p->n; k++)
            rows[k] = p->map[k] + NCC_KPU_LINE_SIZE * job->regs->row_switch_addr * y + begin * g->stride + b - g->pad;
        if (begin < end)
            interleave(cells + begin, rows, p->n, p->bits, end - begin, g->stride);
    }
    for (int i = 0; i < begin; i++)
        cells[i] = p->padding;
    for (int i = end; i < g->pitch; i++)
        cells[i] = p->padding;
}

void ncc_sim_pack_input(const struct job *job, int first, int n, int bits, uint32_t *cells)
{
    const struct grid *g = &job->grid;
    const int n_planes = g->stride * g->stride;
    struct packing p = {.n = n, .bits = bits};
    for (int k = 0; k < n; k++) {
        p.map[k] = input_map(job, first + k);
        p.padding |= (uint32_t)job->regs->pad_value << bits * k;
    }
    for (int plane = 0; plane < n_planes; plane++) {
        uint32_t *to = cells + plane * g->plane_size;
        if (!g->plane_used[plane]) {
            memset(to, 0, (size_t)g->plane_size * sizeof *to);
            continue;
        }
        for (int row = 0; row < g->rows; row++)
            pack_row(job, &p, plane / g->stride, plane % g->stride, row, to + row * g->pitch);
    }
    const int used = n_planes * g->plane_size;
    memset(cells + used, 0, (size_t)(g->n_cells - used) * sizeof *cells);
}

/* What the inputs add to the accumulator lies in low..high, whatever they are. */
struct range {
    int64_t low, high;
};

/* From the sum of the weights alone. */
static struct range coarse_range(const struct ncc_kpu_regs *r, int32_t w_sum, int n)
{
    const int64_t term = ncc_kpu_zero_term(r->arg_x, INT64_C(255) * n, (int)r->shr_x);
    return (struct range){term < 0 ? term : 0, (term > 0 ? term : 0) + INT64_C(255) * w_sum};
}

/* When the shift loses nothing, an input counts x * (w + factor): each 0 or 255 at worst. */
static struct range fine_range(int64_t factor, const uint8_t *w, int n)
{
    struct range range = {0, 0};
    for (int i = 0; i < n; i++) {
        const int64_t each = w[i] + factor;
        *(each < 0 ? &range.low : &range.high) += 255 * each;
    }
    return range;
}

/* Finds out how far accumulator and batch-norm output can go. */
static void bound(struct channel *c, struct range inputs)
{
    const int64_t low = inputs.low + c->constant, high = inputs.high + c->constant;
    c->safe = c->narrow = false;
    if (!ncc_kpu_acc_fits(low) || !ncc_kpu_acc_fits(high))
        return;
    const int64_t a = ncc_kpu_bn_apply(c->bn, low), b = ncc_kpu_bn_apply(c->bn, high);
    const int64_t least = a < b ? a : b, most = a < b ? b : a;
    c->safe = ncc_kpu_acc_fits(least) && ncc_kpu_acc_fits(most);
    c->narrow = low >= INT32_MIN && high <= INT32_MAX && least > -SIM_NARROW && most < SIM_NARROW;
}

static int32_t sum_bytes(const uint8_t *w, int n)
{
    enum { CHUNK = 64 }; /* of constant length, for the compiler to vectorise */
    int32_t sum = 0;
    int i = 0;
    for (; i + CHUNK <= n; i += CHUNK)
        for (int k = 0; k < CHUNK; k++)
            sum += w[i + k];
    for (; i < n; i++)
        sum += w[i];
    return sum;
}

struct channel ncc_sim_channel(const struct job *job, int channel, const uint8_t *w, int n)
{
    const struct ncc_kpu_regs *r = job->regs;
    const int32_t w_sum = sum_bytes(w, n);
    const int in_c = job->shape.depthwise ? 1 : job->shape.in_c;
    struct channel c = {.bn = ncc_kpu_bn_unpack(job->bn[channel])};
    c.constant = ncc_kpu_zero_term(r->arg_w, w_sum, (int)r->shr_w) + r->arg_add * in_c;
    bound(&c, coarse_range(r, w_sum, n));
    const int64_t unit = INT64_C(1) << r->shr_x;
    if (!c.narrow && r->arg_x % unit == 0)
        bound(&c, fine_range(r->arg_x / unit, w, n));
    c.narrow = c.narrow && job->act.narrow;
    return c;
}

void ncc_sim_finish_one(const struct job *job, int channel, int position, int64_t acc, struct overflow *overflow)
{
    const struct grid *g = &job->grid;
    if (position >= g->h * g->pitch || position % g->pitch >= g->w)
        return; /* not a position of the map */
    const bool fits = ncc_kpu_acc_fits(acc);
    const int64_t v = fits ? ncc_kpu_bn_apply(job->channels[channel].bn, acc) : 0;
    if (fits && ncc_kpu_acc_fits(v)) {
        job->planes[(size_t)channel * (size_t)g->n_positions + (size_t)position] = ncc_kpu_table_apply(&job->table, v);
        return;
    }
    const struct overflow found = {channel, position, fits};
    ncc_sim_overflow_merge(overflow, &found);
}

/* One value at a time, looking at the range of each. */
static void finish_checked(const struct job *job, int channel, int position, int n, const int32_t *dot,
                           const int64_t *x_term, struct overflow *overflow)
{
    for (int i = 0; i < n; i++)
        ncc_sim_finish_one(job, channel, position + i, dot[i] + x_term[i] + job->channels[channel].constant, overflow);
}

void ncc_sim_finish(const struct job *job, int channel, int position, int n, const int32_t *dot, const int64_t *x_term,
                    const int32_t *x_low, struct overflow *overflow)
{
    const struct channel *c = &job->channels[channel];
    if (!c->safe) {
        finish_checked(job, channel, position, n, dot, x_term, overflow);
        return;
    }
    const struct sim_post post = {
        .dot = dot,
        .x_term = x_term,
        .x_low = x_low,
        .constant = c->constant,
        .bn = c->bn,
        .act = &job->act,
        .narrow = c->narrow,
        .n = n,
        .out = job->planes + (size_t)channel * (size_t)job->grid.n_positions + position,
    };
    job->kernel->post(&post);
}

static void store_item(void *ctx, int i, int thread)
{
    (void)thread;
    ncc_sim_store(ctx, i);
}

bool ncc_sim_job_run(struct job *job, struct workspace *ws, struct overflow *overflow)
{
    const struct ncc_kpu_shape *s = &job->shape;
    ncc_sim_grid_init(&job->grid, s);
    *overflow = (struct overflow){INT_MAX, 0, false};
    const int64_t n_values = (int64_t)s->out_c * job->grid.n_positions;
    job->planes = ncc_sim_reserve(&ws->planes, (size_t)n_values + SIM_STEP, 1);
    job->channels = ncc_sim_reserve(&ws->channels, (size_t)s->out_c, sizeof *job->channels);
    if (!job->planes || !job->channels)
        return false;
    if (!(job->weight_size == 2 ? ncc_sim_wide_run
          : s->depthwise        ? ncc_sim_depthwise_run
                                : ncc_sim_conv_run)(job, ws, overflow))
        return false;
    if (overflow->channel == INT_MAX)
        ncc_sim_spread(s->out_c, n_values / 4, store_item, job);
    return true;
}
