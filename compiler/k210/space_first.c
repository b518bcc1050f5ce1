/* A strided convolution over blocks of pixels: space to depth first, which divides the taps by the stride, then a
 * convolution of stride 1 on the small map.
 *
 *     row s * k - pad + j of the input is row a of block m, where s * m + a - off = s * k - pad + j
 *
 *     7x7, stride 2, pad 3     blocks -2 .. +1, 4C channels at half the size, where 9C channels at full size would do
 *     11x11, stride 4          3x3 over 16C channels at a quarter
 *     10x10 with dilation 3, one output        stride 2, as any would do: 5x5 over 4C channels at half the size
 *
 * Exact. The blocks are one-hot sums whose codes are tied to those of the input, so they add no rounding. Pays for large
 * kernels, and for few channels with many outputs (a layer writes at most a line in four clocks, before its pick).
 */
#include "compiler/k210/lower.h"
#include "kpu/limits.h"

/* One dimension. */
struct blocks {
    int size, stride, off; /* of the input; `off` zeros come before the first pixel */
    int n;                 /* blocks that hold pixels */
    int lo, hi;            /* blocks that output 0 reads; 0 is among them */
};

static int block_of(const struct blocks *b, int row)
{
    const int at = row + b->off;
    return at >= 0 ? at / b->stride : -((-at + b->stride - 1) / b->stride);
}

static struct blocks blocks_with(int size, int stride, int off, int pad, int kernel, int dilation)
{
    struct blocks b = {.size = size, .stride = stride, .off = off, .n = (size + off + stride - 1) / stride};
    const int lo = block_of(&b, -pad), hi = block_of(&b, -pad + (kernel - 1) * dilation);
    b.lo = lo < 0 ? lo : 0;
    b.hi = hi > 0 ? hi : 0;
    return b;
}

/* The fewest blocks under the kernel, but no more of them than a map of this size has. */
static struct blocks best_blocks(int size, int stride, int pad, int kernel, int dilation)
{
    struct blocks best = blocks_with(size, stride, 0, pad, kernel, dilation);
    for (int off = 1; off < stride; off++) {
        const struct blocks b = blocks_with(size, stride, off, pad, kernel, dilation);
        if (b.hi - b.lo < best.hi - best.lo && b.n <= best.n)
            best = b;
    }
    return best;
}

static struct value *to_blocks(struct lowering *l, const struct conv_job *j, const struct blocks *row,
                               const struct blocks *col, const char **why)
{
    const int s = j->stride, c = j->x->shape.dim[1];
    float *w = ncc_lower_weights(l, (size_t)(c * s * s) * (size_t)(c * s * s));
    for (int o = 0; o < c * s * s; o++) /* channel (a * s + b) * c + i */
        w[(size_t)(o * c + o % c) * (size_t)(s * s) + (size_t)(o / c)] = 1;
    const struct conv_job to = {
        .name = ncc_name(l->g, j->name, "blocks"),
        .origin = j->origin,
        .x = j->x,
        .out_c = c * s * s,
        .w = w,
        .kh = s,
        .kw = s,
        .dil_h = 1,
        .dil_w = 1,
        .stride = s,
        .pad_top = row->off,
        .pad_left = col->off,
        .out_h = row->n,
        .out_w = col->n,
        .tied = true,
        .pooled_h = row->n,
        .pooled_w = col->n,
    };
    return ncc_lower_conv_as_is(l, &to, why);
}

static float *weights_on_blocks(struct lowering *l, const struct conv_job *j, const struct blocks *row,
                                const struct blocks *col)
{
    const int s = j->stride, c = j->x->shape.dim[1], kh = row->hi - row->lo + 1, kw = col->hi - col->lo + 1;
    float *w = ncc_lower_weights(l, (size_t)j->out_c * (size_t)(c * s * s) * (size_t)(kh * kw));
    if (l->trying)
        return w;
    for (int o = 0; o < j->out_c; o++)
        for (int i = 0; i < c; i++)
            for (int y = 0; y < j->kh; y++)
                for (int x = 0; x < j->kw; x++) {
                    const int ry = y * j->dil_h - j->pad_top, rx = x * j->dil_w - j->pad_left;
                    const int my = block_of(row, ry), mx = block_of(col, rx);
                    const int a = ry + row->off - my * s, b = rx + col->off - mx * s;
                    const size_t channel = (size_t)o * (size_t)(c * s * s) + (size_t)((a * s + b) * c + i);
                    w[(channel * (size_t)kh + (size_t)(my - row->lo)) * (size_t)kw + (size_t)(mx - col->lo)] +=
                        j->w[(((size_t)o * (size_t)c + (size_t)i) * (size_t)j->kh + (size_t)y) * (size_t)j->kw +
                             (size_t)x];
                }
    return w;
}

struct value *ncc_lower_space_first(struct lowering *l, const struct conv_job *j, const char **why)
{
    const struct window *in = &j->x->window;
    const struct blocks row = best_blocks(in->h, j->stride, j->pad_top, j->kh, j->dil_h);
    const struct blocks col = best_blocks(in->w, j->stride, j->pad_left, j->kw, j->dil_w);
    if (j->x->shape.dim[1] * j->stride * j->stride > NCC_KPU_MAX_C) {
        *why = "blocks of pixels would have more than 1024 channels";
        return NULL;
    }
    struct conv_job small = *j;
    small.x = to_blocks(l, j, &row, &col, why);
    if (!small.x)
        return NULL;
    small.w = weights_on_blocks(l, j, &row, &col);
    small.kh = row.hi - row.lo + 1;
    small.kw = col.hi - col.lo + 1;
    small.pad_top = -row.lo;
    small.pad_left = -col.lo;
    small.stride = small.dil_h = small.dil_w = 1;
    return ncc_lower_is_single(&small) ? ncc_lower_conv(l, &small, why) : ncc_lower_conv_as_is(l, &small, why);
}
