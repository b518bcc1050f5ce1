/* A depthwise convolution with a kernel larger than 3x3, or dilated: a sum of depthwise layers, one for each shifted copy
 * of the input, each with the taps that fall to its copy. The sum is a 1x1 layer over the pieces of a block of channels:
 *
 *     5x5:   y = p0 + p1 + .. + p8       p_i: depthwise 3x3 of copy i
 *
 * Against regular layers with the kernels on the diagonal this takes a ninth of the weights, and a rounding for each
 * piece, whose scales are finer than that of the sum.
 */
#include "compiler/k210/lower.h"
#include "compiler/k210/taps.h"
#include "kpu/limits.h"

#include <stdio.h>

struct cover {
    const struct conv_job *j;
    struct taps row, col;
    struct value *copy[NCC_MAX_COPIES * NCC_MAX_COPIES];
    int n;
};

/* Kernel elements that copy (r, c) reads, at their taps: [count][1][3][3]. */
static struct value *weights_of(struct lowering *l, const struct cover *v, int r, int c, int begin, int count)
{
    const struct conv_job *j = v->j;
    float *w = ncc_lower_weights(l, (size_t)count * 9);
    for (int i = 0; i < count && !l->trying; i++)
        for (int y = 0; y < j->kh; y++)
            for (int x = 0; x < j->kw; x++) {
                const struct tap ty = v->row.of[y], tx = v->col.of[x];
                if (ty.copy == r && tx.copy == c)
                    w[i * 9 + (ty.tap + 1) * 3 + tx.tap + 1] += j->w[((size_t)(begin + i) * (size_t)j->kh + (size_t)y) * (size_t)j->kw + (size_t)x];
            }
    return ncc_const(l->g, ncc_name(l->g, j->name, "w"), DT_F32, ncc_shape_4(count, 1, 3, 3), w);
}

static struct value *piece(struct lowering *l, const struct cover *v, int r, int c, int begin, int count)
{
    const struct conv_job *j = v->j;
    char suffix[48];
    snprintf(suffix, sizeof suffix, "c%d/p%d", begin, r * v->col.n_copies + c);
    const struct kpu_conv_attrs a = {.kernel = 3,
                                     .depthwise = true,
                                     .top = v->row.first,
                                     .left = v->col.first,
                                     .h = (j->out_h - 1) * j->stride + 1,
                                     .w = (j->out_w - 1) * j->stride + 1,
                                     .outside = OUT_JUNK};
    struct value *x = ncc_lower_channels(l, v->copy[r * v->col.n_copies + c], begin, count);
    struct value *b = ncc_const(l->g, ncc_name(l->g, j->name, "b"), DT_F32, ncc_shape_make(1, &count),
                                NCC_NEW(l->g->arena, float, count));
    struct value *y = NCC_OP(l->g, OP_kpu_conv, ncc_name(l->g, j->name, suffix), &a, x,
                             weights_of(l, v, r, c, begin, count), b);
    y->def->origin = j->origin;
    y->def->on_kpu = true;
    return y;
}

static bool is_read(const struct taps *t, int kernel, int copy)
{
    for (int i = 0; i < kernel; i++)
        if (t->of[i].copy == copy)
            return true;
    return false;
}

static struct value *block_of_channels(struct lowering *l, const void *cover, int begin, int count, const char **why)
{
    const struct cover *v = cover;
    if (v->row.n_copies * v->col.n_copies * ((count + 3) / 4 * 4) > NCC_KPU_MAX_C) {
        *why = "the pieces have more than 1024 channels together";
        return NULL;
    }
    struct value *part[NCC_MAX_COPIES * NCC_MAX_COPIES];
    int n = 0;
    for (int r = 0; r < v->row.n_copies; r++)
        for (int c = 0; c < v->col.n_copies; c++)
            if (is_read(&v->row, v->j->kh, r) && is_read(&v->col, v->j->kw, c))
                part[n++] = piece(l, v, r, c, begin, count);
    return ncc_lower_total(l, v->j, part, NULL, n, begin, why);
}

struct value *ncc_lower_depthwise_pieces(struct lowering *l, const struct conv_job *job, int least, const char **why)
{
    struct cover v = {.j = job};
    const int c = job->x->shape.dim[1];
    if (!ncc_lower_taps(l, job, &v.row, &v.col, why))
        return NULL;
    for (int r = 0; r < v.row.n_copies; r++)
        for (int k = 0; k < v.col.n_copies; k++)
            v.copy[v.n++] = ncc_lower_shift_far(l, job->x, v.row.copy[r], v.col.copy[k]);
    const int block = ncc_lower_best_block(l, block_of_channels, &v, c, least, why);
    const int n_blocks = block ? (c + block - 1) / block : 0;
    struct value **y = NCC_NEW(l->g->arena, struct value *, n_blocks);
    for (int b = 0; b < n_blocks; b++) {
        const int begin = b * block, count = c - begin < block ? c - begin : block;
        if (!(y[b] = block_of_channels(l, &v, begin, count, why)))
            return NULL;
    }
    return block ? ncc_lower_beside(l, y, n_blocks, ncc_name(l->g, job->name, "blocks")) : NULL;
}
