/* More channels than a layer has: inputs as a sum of layers, depthwise layers one after another.
 *
 *     y = act(W x + b) = act([1 1 .. 1] [W0 x0; W1 x1; ..] + b)       x0, x1, ..: channel ranges of x
 *
 * The partial sums are tensors of their own, with scales of their own, so each costs a rounding. They are added in chunks of
 * outputs, whose partial sums together have at most 1024 channels; pool and activation belong to the sum.
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int round_up(int n, int unit)
{
    return (n + unit - 1) / unit * unit;
}

struct value *ncc_lower_channels(struct lowering *l, struct value *x, int begin, int count)
{
    if (begin == 0 && count == x->shape.dim[1])
        return x;
    char suffix[32];
    snprintf(suffix, sizeof suffix, "c%d", begin);
    const struct kpu_slice_attrs s = {begin, count};
    return NCC_OP(l->g, OP_kpu_slice, ncc_name(l->g, x->name, suffix), &s, x);
}

/* ---- depthwise ---- */

struct value *ncc_lower_depthwise_ranges(struct lowering *l, const struct conv_job *j, const char **why)
{
    const int c = j->x->shape.dim[1], n = (c + NCC_KPU_MAX_C - 1) / NCC_KPU_MAX_C;
    struct value **part = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; i < n; i++) {
        struct conv_job p = *j;
        const int c0 = i * NCC_KPU_MAX_C;
        p.out_c = c - c0 < NCC_KPU_MAX_C ? c - c0 : NCC_KPU_MAX_C;
        p.x = ncc_lower_channels(l, j->x, c0, p.out_c);
        p.w = j->w + (size_t)c0 * (size_t)(j->kh * j->kw);
        p.bias = j->bias ? j->bias + c0 : NULL;
        part[i] = ncc_lower_conv_as_is(l, &p, why);
        if (!part[i])
            return NULL;
    }
    return ncc_lower_beside(l, part, n, j->name);
}

/* ---- sums over input channels ---- */

struct range_of_channels {
    int begin, count;
};

/* The weights between ranges of inputs and outputs. */
static const float *cut(struct lowering *l, const struct conv_job *j, struct range_of_channels in,
                        struct range_of_channels out)
{
    const size_t taps = (size_t)(j->kh * j->kw), row = (size_t)j->x->shape.dim[1] * taps;
    const size_t n = (size_t)in.count * taps;
    float *w = ncc_lower_weights(l, (size_t)out.count *n);
    if (l->trying)
        return w;
    for (size_t o = 0; o < (size_t)out.count; o++)
        memcpy(w + o * n, j->w + ((size_t)out.begin + o) * row + (size_t)in.begin * taps, n * sizeof *w);
    return w;
}

static struct value *partial_sum(struct lowering *l, const struct conv_job *j, struct range_of_channels in,
                                 struct range_of_channels out, const char **why)
{
    char suffix[48];
    snprintf(suffix, sizeof suffix, "o%d/i%d", out.begin, in.begin);
    struct conv_job p = *j;
    p.name = ncc_name(l->g, j->name, suffix);
    p.x = ncc_lower_channels(l, j->x, in.begin, in.count);
    p.out_c = out.count;
    p.w = cut(l, j, in, out);
    p.bias = NULL;
    p.act.n = 0;
    p.pool = NCC_KPU_POOL_NONE;
    p.pooled_h = j->out_h;
    p.pooled_w = j->out_w;
    return ncc_lower_conv_as_is(l, &p, why);
}

struct value *ncc_lower_total(struct lowering *l, const struct conv_job *j, struct value **part, const float *factor,
                              int n, int begin, const char **why)
{
    const int c = part[0]->shape.dim[1], step = round_up(c, ncc_kpu_layout_of(part[0]->shape.dim[3]).group);
    const int in_c = (n - 1) * step + c;
    char suffix[32];
    snprintf(suffix, sizeof suffix, "o%d", begin);
    float *w = ncc_lower_weights(l, (size_t)c *(size_t)in_c);
    for (int o = 0; o < c; o++)
        for (int i = 0; i < n; i++)
            w[(size_t)o * (size_t)in_c + (size_t)(i * step + o)] = factor ? factor[i] : 1;
    struct conv_job s = *j;
    s.name = c == j->out_c ? j->name : ncc_name(l->g, j->name, suffix);
    s.x = ncc_lower_beside(l, part, n, ncc_name(l->g, s.name, "parts"));
    s.out_c = c;
    s.w = w;
    s.bias = j->bias ? j->bias + begin : NULL;
    s.depthwise = false;
    s.kh = s.kw = s.dil_h = s.dil_w = 1;
    s.pad_top = s.pad_left = 0;
    return ncc_lower_conv_as_is(l, &s, why);
}

struct sum_of_ranges {
    const struct conv_job *j;
    int n, per; /* ranges of inputs; channels of all but the last */
};

/* Outputs whose partial sums a layer for each range makes, and of these how many are added at once. A layer that adds
 * all its operands' channels is quadratic in them; where it takes fewer, the channels of the partial sums that it reads
 * are copied to lie beside each other, or are made by layers of their own (chunk == block), which need no copy. */
struct cut {
    int block, chunk;
};

static int count_from(int begin, int step, int end)
{
    return end - begin < step ? end - begin : step;
}

static bool partial_sums(struct lowering *l, const struct sum_of_ranges *s, struct range_of_channels out,
                         struct value **part, const char **why)
{
    const int c = s->j->x->shape.dim[1];
    for (int i = 0; i < s->n; i++) {
        const struct range_of_channels in = {i * s->per, count_from(i * s->per, s->per, c)};
        if (!(part[i] = partial_sum(l, s->j, in, out, why)))
            return false;
    }
    return true;
}

/* `of`: among the channels of the parts, which are outputs from `begin` on. */
static struct value *total_of_chunk(struct lowering *l, const struct sum_of_ranges *s, struct value *const *part,
                                    struct range_of_channels of, int begin, const char **why)
{
    struct conv_job picked = *s->j;
    picked.stride = 1;
    struct value **chunk = NCC_NEW(l->g->arena, struct value *, s->n);
    for (int i = 0; i < s->n; i++)
        chunk[i] = ncc_lower_channels(l, part[i], of.begin, of.count);
    return ncc_lower_total(l, &picked, chunk, NULL, s->n, begin + of.begin, why);
}

/* All blocks are alike: of the first, the partial sums and the first chunk are built, counted, and taken back. */
static double cut_us(struct lowering *l, const struct sum_of_ranges *s, struct cut cut, const char **why)
{
    const struct attempt all = ncc_lower_begin(l);
    struct value **part = NCC_NEW(l->g->arena, struct value *, s->n), *y = NULL;
    double us = INFINITY;
    ncc_lower_try(l, 1);
    if (partial_sums(l, s, (struct range_of_channels){0, cut.block}, part, why)) {
        const struct attempt adding = ncc_lower_begin(l);
        if ((y = total_of_chunk(l, s, part, (struct range_of_channels){0, cut.chunk}, 0, why))) {
            const double added = ncc_lower_spent(l, &adding, y), made = ncc_lower_spent(l, &all, y) - added;
            us = (double)s->j->out_c * (made / cut.block + added / cut.chunk);
        }
    }
    ncc_lower_undo(l, &all);
    ncc_lower_try(l, -1);
    return us;
}

/* May all partial sums be there at once, with the input and the result? */
static bool all_fit(const struct sum_of_ranges *s)
{
    const int *d = s->j->x->shape.dim;
    return ncc_kpu_lines(d[1], d[2], d[3]) + (s->n + 1) * ncc_kpu_lines(s->j->out_c, d[2], d[3]) <= NCC_KPU_RAM_LINES;
}

static struct cut best_cut(struct lowering *l, const struct sum_of_ranges *s, const char **why)
{
    enum { LEAST = 16, MAX_CHUNKS = 64 };
    const int c = s->j->out_c, most = NCC_KPU_MAX_C / s->n / 4 * 4;
    struct cut best = {c < most ? c : most, c < most ? c : most};
    double best_us = INFINITY;
    int chunk = LEAST;
    while (chunk * MAX_CHUNKS < c)
        chunk *= 2;
    if (chunk < c)
        best_us = cut_us(l, s, best, why);
    for (; chunk < c && chunk <= most; chunk *= 2)
        for (int copied = 0; copied <= all_fit(s); copied++) {
            const struct cut cut = {copied ? c : chunk, chunk};
            const double us = cut_us(l, s, cut, why);
            if (us < best_us) {
                best_us = us;
                best = cut;
            }
        }
    return best;
}

struct value *ncc_lower_in_parts(struct lowering *l, const struct conv_job *j, int n_copies, const char **why)
{
    const int c = j->x->shape.dim[1], group = ncc_kpu_layout_of(j->x->shape.dim[3]).group;
    const int most = NCC_KPU_MAX_C / n_copies / group * group, n = most ? (c + most - 1) / most : 0;
    if (!n || NCC_KPU_MAX_C / n < 4) {
        *why = "the layers that would have to be added have more than 1024 channels together";
        return NULL;
    }
    const struct sum_of_ranges s = {j, n, round_up((c + n - 1) / n, group)};
    const struct cut cut = best_cut(l, &s, why);
    struct value **part = NCC_NEW(l->g->arena, struct value *, n);
    struct value **y = NCC_NEW(l->g->arena, struct value *, (j->out_c + cut.chunk - 1) / cut.chunk);
    int n_chunks = 0;
    for (int begin = 0; begin < j->out_c; begin += cut.block) {
        const struct range_of_channels block = {begin, count_from(begin, cut.block, j->out_c)};
        if (!partial_sums(l, &s, block, part, why))
            return NULL;
        for (int at = 0; at < block.count; at += cut.chunk) {
            const struct range_of_channels of = {at, count_from(at, cut.chunk, block.count)};
            if (!(y[n_chunks++] = total_of_chunk(l, &s, part, of, begin, why)))
                return NULL;
        }
    }
    return ncc_lower_beside(l, y, n_chunks, ncc_name(l->g, j->name, "blocks"));
}

/* ---- groups ---- */

struct value *ncc_lower_group_ranges(struct lowering *l, const struct conv_job *j, int n, const char **why)
{
    const int in_c = j->x->shape.dim[1] / n, out_c = j->out_c / n;
    struct value **part = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; i < n; i++) {
        const struct range_of_channels in = {i * in_c, in_c}, out = {i * out_c, out_c};
        char suffix[32];
        snprintf(suffix, sizeof suffix, "o%d", out.begin);
        struct conv_job p = *j;
        p.name = ncc_name(l->g, j->name, suffix);
        p.x = ncc_lower_channels(l, j->x, in.begin, in.count);
        p.out_c = out_c;
        p.w = cut(l, j, in, out);
        p.bias = j->bias ? j->bias + out.begin : NULL;
        if (!(part[i] = ncc_lower_conv_as_is(l, &p, why)))
            return NULL;
    }
    return ncc_lower_beside(l, part, n, ncc_name(l->g, j->name, "groups"));
}
