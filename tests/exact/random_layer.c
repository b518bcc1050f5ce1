#include "tests/exact/random_layer.h"

#include "kpu/arith.h"
#include "kpu/layout.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t rng_next(struct rng *g)
{
    g->state ^= g->state >> 12;
    g->state ^= g->state << 25;
    g->state ^= g->state >> 27;
    return g->state * UINT64_C(2685821657736338717);
}

int64_t rng_range(struct rng *g, int64_t low, int64_t high)
{
    const uint64_t n = (uint64_t)high - (uint64_t)low + 1;
    return (int64_t)((uint64_t)low + (n ? (rng_next(g) >> 1) % n : rng_next(g)));
}

bool rng_chance(struct rng *g, int percent)
{
    return rng_range(g, 0, 99) < percent;
}

uint64_t rng_seed(void)
{
    const char *text = getenv("NCC_SEED");
    const uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    return seed ? seed : 1;
}

static int random_width(struct rng *g)
{
    static const int edges[] = {1, 2, 3, 4, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129};
    if (rng_chance(g, 30))
        return edges[rng_range(g, 0, (int64_t)(sizeof edges / sizeof *edges) - 1)];
    const int limit[] = {16, 16, 32, 64, 192};
    return (int)rng_range(g, 1, limit[rng_range(g, 0, 4)]);
}

static int random_channels(struct rng *g)
{
    static const int odd[] = {1, 2, 3, 5, 7, 11, 13, 17, 31, 37, 64, 67};
    if (rng_chance(g, 40))
        return odd[rng_range(g, 0, (int64_t)(sizeof odd / sizeof *odd) - 1)];
    return (int)rng_range(g, 1, rng_chance(g, 80) ? 20 : 130);
}

/* Layers whose weights come in several loads are large; keep their maps small. */
static void many_loads(struct ncc_kpu_shape *s, struct rng *g)
{
    s->depthwise = false;
    s->in_c = (int)rng_range(g, 300, 1024);
    s->out_c = (int)rng_range(g, s->kernel == 3 ? 4 : 31, s->kernel == 3 ? 24 : 200);
    s->in_h = (int)rng_range(g, 1, 4);
    s->in_w = (int)rng_range(g, 1, 4);
}

static void random_shape(struct ncc_kpu_shape *s, struct rng *g, int64_t max_macs)
{
    int64_t limit;
    do {
        limit = max_macs;
        s->kernel = rng_chance(g, 60) ? 3 : 1;
        s->depthwise = rng_chance(g, 30);
        s->pool = rng_chance(g, 30) ? 0 : (int)rng_range(g, 0, 9);
        s->in_c = random_channels(g);
        s->out_c = random_channels(g);
        s->in_w = random_width(g);
        s->in_h = (int)rng_range(g, 1, rng_chance(g, 50) ? 8 : 40);
        if (rng_chance(g, 1)) {
            many_loads(s, g);
            limit = 50 * max_macs;
        }
        if (s->depthwise)
            s->out_c = s->in_c;
    } while (ncc_kpu_shape_check(s, true) || ncc_kpu_macs(s) > limit);
}

/* Sometimes the input and output are parts of larger maps: rows and channel groups lie further apart. */
static void spread_maps(struct ncc_kpu_regs *r, const struct ncc_kpu_shape *s, struct rng *g)
{
    if (rng_chance(g, 50))
        r->row_switch_addr = rng_range(g, r->row_switch_addr, 6 > r->row_switch_addr ? 6 : r->row_switch_addr);
    if (rng_chance(g, 50))
        r->wb_row_switch_addr =
            rng_range(g, r->wb_row_switch_addr, 6 > r->wb_row_switch_addr ? 6 : r->wb_row_switch_addr);
    r->channel_switch_addr = r->row_switch_addr * s->in_h + rng_range(g, 0, 5);
    r->wb_channel_switch_addr = r->wb_row_switch_addr * (r->o_col_high + 1) + rng_range(g, 0, 5);
}

static void place(struct ncc_kpu_regs *r, const struct ncc_kpu_shape *s, int weight_bits, struct rng *g)
{
    const int out_w = ncc_kpu_out_w(s);
    for (;;) { /* small layers: most attempts succeed */
        struct ncc_kpu_regs try = *r;
        if (rng_chance(g, 20))
            spread_maps(&try, s, g);
        const int64_t in_lines = ncc_kpu_groups(s->in_c, s->in_w) * try.channel_switch_addr;
        const int64_t out_lines = ncc_kpu_groups(s->out_c, out_w) * try.wb_channel_switch_addr;
        if (in_lines + out_lines > NCC_KPU_RAM_LINES)
            continue;
        const int64_t gap = NCC_KPU_RAM_LINES - in_lines - out_lines;
        const int64_t before = rng_chance(g, 20) ? 0 : rng_range(g, 0, gap);
        const int64_t between = rng_chance(g, 30)   ? 0
                                : rng_chance(g, 20) ? gap - before
                                                    : rng_range(g, 0, gap - before);
        const bool input_first = rng_chance(g, 50);
        try.image_src_addr = input_first ? before : before + out_lines + between;
        try.image_dst_addr = input_first ? before + in_lines + between : before;
        if (!(weight_bits == 16 ? ncc_kpu_regs_check_16 : ncc_kpu_regs_check)(&try)) {
            *r = try;
            return;
        }
    }
}

static int random_zero(struct rng *g)
{
    const int kind = (int)rng_range(g, 0, 5);
    return kind == 0 ? 0 : kind == 1 ? 255 : (int)rng_range(g, 0, 255);
}

/* The zero-point constants in one of the forms that files have, or anything. */
static void random_constants(struct ncc_kpu_regs *r, struct rng *g)
{
    if (rng_chance(g, 25) && r->arg_x >= -255) {
        r->arg_x *= 32768;
        r->shr_x = 15;
        r->arg_w *= 32768;
        r->shr_w = 15;
    } else if (rng_chance(g, 25)) {
        const int64_t limit = rng_chance(g, 10) ? 8388607 : 100000;
        r->shr_x = rng_range(g, 0, 15);
        r->shr_w = rng_range(g, 0, 15);
        r->arg_x = rng_range(g, -limit - 1, limit);
        r->arg_w = rng_range(g, -limit - 1, limit);
        r->arg_add = rng_range(g, -1000000, 1000000);
        r->pad_value = rng_range(g, 0, 255);
        if (rng_chance(g, 3))
            r->arg_add = rng_chance(g, 50) ? -549755813888 : 549755813887;
    }
}

/* What acc typically is, for choosing the rest: mean and width of the sums of random bytes. */
static void estimate(const struct random_layer *l, double *mean, double *width)
{
    const struct ncc_kpu_regs *r = &l->regs;
    const double n_ic = l->shape.depthwise ? 1 : l->shape.in_c, n = n_ic * l->shape.kernel * l->shape.kernel;
    const double factor = (double)r->arg_x / (double)(1 << r->shr_x);
    const double w_factor = (double)r->arg_w / (double)(1 << r->shr_w);
    const double unit = l->weight_bits == 16 ? 257 : 1; /* of the weights */
    const double each = 127.5 * unit + factor;
    *mean = n * 127.5 * each + n * 127.5 * unit * w_factor + (double)r->arg_add * n_ic;
    *width = 1 + n * 73 * 40 * unit + 73 * (each < 0 ? -each : each) * n / 4;
}

static int64_t to_36_bits(double v)
{
    return v > 34359738367.0 ? 34359738367 : v < -34359738368.0 ? -34359738368 : (int64_t)v;
}

static uint64_t random_bn(const struct random_layer *l, struct rng *g)
{
    const int64_t unit = l->weight_bits == 16 ? 257 : 1;
    const int64_t small = rng_chance(g, 15) ? 300 : 0; /* outputs of batch norm no wider than the codes */
    const int64_t mul = small              ? rng_range(g, -small, small)
                        : rng_chance(g, 5) ? (rng_chance(g, 50) ? -8388608 : 8388607)
                                           : rng_range(g, -300000, 2000000) / unit;
    const int64_t add = rng_chance(g, 3) ? INT32_MIN + (int64_t)(rng_next(g) >> 32) : rng_range(g, -100000, 100000);
    const struct ncc_kpu_bn bn = {(int32_t)mul, (int32_t)add, (int)(rng_chance(g, 80) ? 15 : rng_range(g, 8, 15))};
    return ncc_kpu_bn_pack(bn) | (rng_next(g) & 15) << 60; /* the top bits are ignored */
}

static int compare_starts(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Segments around v = middle +- spread, with slopes that give visible outputs. */
static void random_act(uint8_t *act, double middle, double spread, struct rng *g)
{
    int64_t start[16] = {-34359738368};
    const int used = (int)rng_range(g, 1, 16);
    for (int i = 1; i < 16; i++) {
        start[i] = to_36_bits(middle + spread * ((double)rng_range(g, -2000, 2000) / 1000));
        if (i > 1 && rng_chance(g, 5))
            start[i] = start[i - 1];
        if (i >= used)
            start[i] = 34359738353 + i - 2;
        if (rng_chance(g, 1))
            start[i] = -34359738368;
    }
    qsort(start + 1, 15, sizeof *start, compare_starts);
    for (int i = 0; i < 16; i++) {
        int shift = (int)rng_range(g, 0, 43), mul = (int)rng_range(g, -32768, 32767);
        if (rng_chance(g, 90)) { /* a slope of about 200 codes over the spread */
            shift = 0;
            double slope = 200 / (spread + 1) * (double)rng_range(g, -300, 1000) / 1000;
            const bool steps = rng_chance(g, 85); /* else whole codes, no shift */
            while (steps && shift < 43 && slope * 2 < 32000 && slope * 2 > -32000 && (shift < 4 || rng_chance(g, 95))) {
                slope *= 2;
                shift++;
            }
            mul = (int)slope;
        }
        if (start[i] == start[0] && rng_chance(g, 70)) /* as compilers do: flat, or far out of range */
            mul = 0;
        const uint64_t word = (uint64_t)shift | ((uint64_t)mul & 0xffff) << 8 |
                              ((uint64_t)start[i] & 0xfffffffff) << 24 | (rng_next(g) & 15) << 60;
        for (int b = 0; b < 8; b++)
            act[8 * i + b] = (uint8_t)(word >> 8 * b);
        act[128 + i] = (uint8_t)rng_range(g, 0, 255);
    }
}

static void random_parameters(struct random_layer *l, struct rng *g)
{
    l->weights_size = (size_t)ncc_kpu_n_weights(&l->shape) * (size_t)l->weight_bits / 8;
    l->weights = malloc(l->weights_size);
    l->bn = malloc((size_t)l->shape.out_c * sizeof *l->bn);
    if (!l->weights || !l->bn)
        abort();
    const bool extreme = rng_chance(g, 5);
    for (size_t i = 0; i < l->weights_size; i++)
        l->weights[i] = extreme ? (rng_chance(g, 50) ? 0 : 255) : (uint8_t)rng_next(g);
    const uint64_t shared = random_bn(l, g);
    for (int c = 0; c < l->shape.out_c; c++)
        l->bn[c] = rng_chance(g, 90) ? (shared & ~UINT64_C(0xff)) | (rng_next(g) & 0xff) : random_bn(l, g);
    double mean, width;
    estimate(l, &mean, &width);
    const struct ncc_kpu_bn bn = ncc_kpu_bn_unpack(shared);
    const double scale = (double)bn.mul / (double)(1 << bn.shift);
    random_act(l->act, mean * scale + bn.add, width * (scale < 0 ? -scale : scale), g);
}

void random_layer_make(struct random_layer *l, struct rng *g, int weight_bits, int64_t max_macs)
{
    l->weight_bits = weight_bits;
    random_shape(&l->shape, g, max_macs);
    if (weight_bits == 16)
        ncc_kpu_derive_16(&l->shape, 0, 0, random_zero(g), 257 * random_zero(g), &l->regs);
    else
        ncc_kpu_derive(&l->shape, 0, 0, random_zero(g), random_zero(g), &l->regs);
    place(&l->regs, &l->shape, weight_bits, g);
    random_constants(&l->regs, g);
    if (ncc_kpu_pack(&l->regs, l->words))
        abort();
    random_parameters(l, g);
}

void random_layer_free(struct random_layer *l)
{
    free(l->weights);
    free(l->bn);
}
