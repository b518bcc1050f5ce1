/* More channels than a layer has: inputs as a sum of layers, depthwise layers one after another.
 *
 *     y = act(W x + b) = act([1 1 .. 1] [W0 x0; W1 x1; ..] + b)       x0, x1, ..: channel ranges of x
 *
 * The partial sums are tensors of their own, with scales of their own, so each costs a rounding. Outputs are taken in
 * blocks, so that a block's partial sums together have at most 1024 channels; pool and activation belong to the sum.
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

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

struct value *ncc_lower_total(struct lowering *l, const struct conv_job *j, struct value **part, int n, int begin,
                              const char **why)
{
    const int c = part[0]->shape.dim[1], step = round_up(c, ncc_kpu_layout_of(part[0]->shape.dim[3]).group);
    const int in_c = (n - 1) * step + c;
    char suffix[32];
    snprintf(suffix, sizeof suffix, "o%d", begin);
    float *w = ncc_lower_weights(l, (size_t)c *(size_t)in_c);
    for (int o = 0; o < c; o++)
        for (int i = 0; i < n; i++)
            w[(size_t)o * (size_t)in_c + (size_t)(i * step + o)] = 1;
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

struct value *ncc_lower_in_parts(struct lowering *l, const struct conv_job *j, int n_copies, const char **why)
{
    const int c = j->x->shape.dim[1], group = ncc_kpu_layout_of(j->x->shape.dim[3]).group;
    const int most = NCC_KPU_MAX_C / n_copies / group * group;
    const int n = most ? (c + most - 1) / most : 0, block = n ? NCC_KPU_MAX_C / n / 4 * 4 : 0;
    if (!block) {
        *why = "the layers that would have to be added have more than 1024 channels together";
        return NULL;
    }
    const int per = round_up((c + n - 1) / n, group), n_blocks = (j->out_c + block - 1) / block;
    struct conv_job picked = *j;
    picked.stride = 1;
    struct value **part = NCC_NEW(l->g->arena, struct value *, n), **y = NCC_NEW(l->g->arena, struct value *, n_blocks);
    for (int b = 0; b < n_blocks; b++) {
        const struct range_of_channels out = {b * block, b + 1 < n_blocks ? block : j->out_c - b * block};
        for (int i = 0; i < n; i++) {
            const struct range_of_channels in = {i * per, i + 1 < n ? per : c - i * per};
            if (!(part[i] = partial_sum(l, j, in, out, why)))
                return NULL;
        }
        if (!(y[b] = ncc_lower_total(l, &picked, part, n, out.begin, why)))
            return NULL;
    }
    return ncc_lower_beside(l, y, n_blocks, ncc_name(l->g, j->name, "blocks"));
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
