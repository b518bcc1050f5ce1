/* Filters that do something else at the edges of maps, which no layer tells from other places.
 *
 * But a map whose edges were lost and replaced by zeros (two shifts and back, surround.c) does:
 *
 *     edges = x - x without its edges          filter + e * edges = [filter + e] x  -  e (x without its edges)
 *
 * Both directions multiply: one layer over up to four maps - whole, without rows, without columns, without both - which
 * hold the same codes, so there is one rounding. It is a layer of all channels of a block, since a depthwise one
 * does not add maps, or of lines (sum_lines.c) where it reads no neighbours; where no edge is told apart it is
 * depthwise.
 */
#include "compiler/k210/edge_filter.h"
#include "kpu/layout.h"
#include "kpu/limits.h"

#include <stdio.h>
#include <string.h>

enum { MAX_PIECES = 4, N_BLOCK_SIZES = 8, LEAST_BLOCK = 4 };

/* The map, or what is left of it (and the window, smaller), and the kernel that reads it. */
struct piece {
    struct value *x;
    float kernel[3][3];
};

struct pieces {
    struct piece v[MAX_PIECES];
    int n;
};

struct filtering {
    const struct edge_filter_job *job;
    struct value *x;      /* with zeros around its window */
    struct pieces pieces; /* of all channels; none: each block makes its own, as KPU RAM has no room for more */
    const int *at;        /* by slot of the input: the channel there, or -1 */
    int *to;              /* by channel: its slot in the result */
};

static int outputs(int size, const struct edge_filter *f)
{
    return size + (f->more ? 1 : 0);
}

/* The taps that read the map, or (`rest`) the map without its edges. */
static void taps_of(const struct edge_filter *f, bool rest, float tap[3])
{
    for (int i = 0; i < 3; i++)
        tap[i] = rest ? 0 : f->tap[i];
    tap[1] += rest ? -f->edge : f->edge;
}

/* x with zeros all around on a canvas that holds all outputs. */
static struct value *whole(struct lowering *l, const struct edge_filter_job *job)
{
    const struct window *w = &job->x->window;
    const int h = w->top + outputs(w->h, &job->row), width = w->left + outputs(w->w, &job->col);
    struct value *x = job->x;
    if (h > x->shape.dim[2] || width > x->shape.dim[3])
        x = ncc_lower_grow(l, x, h > x->shape.dim[2] ? h : x->shape.dim[2],
                           width > x->shape.dim[3] ? width : x->shape.dim[3]);
    return x ? ncc_lower_surround(l, x, h, width, OUT_ZERO, END_SAME_PLACE) : NULL;
}

static struct value *declared(struct lowering *l, struct value *x, const struct window *w)
{
    const struct kpu_recanvas_attrs a = {.canvas_h = x->shape.dim[2],
                                         .canvas_w = x->shape.dim[3],
                                         .top = w->top,
                                         .left = w->left,
                                         .h = w->h,
                                         .w = w->w,
                                         .outside = (int)w->outside};
    return NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, x->name, "window"), &a, x);
}

/* x with zeros in place of the edges that are told apart: *y, NULL if there is nothing else. False: not possible. */
static bool without_edges(struct lowering *l, struct value *x, const struct edge_filter *row,
                          const struct edge_filter *col, struct value **y)
{
    const struct window all = x->window;
    struct window w = {.top = all.top, .left = all.left, .h = all.h, .w = all.w, .outside = OUT_JUNK};
    w.top += row && row->front;
    w.h -= row ? row->front + row->behind : 0;
    w.left += col && col->front;
    w.w -= col ? col->front + col->behind : 0;
    *y = NULL;
    if (w.h < 1 || w.w < 1)
        return true;
    *y = ncc_lower_surround(l, declared(l, x, &w), x->shape.dim[2], x->shape.dim[3], OUT_ZERO, END_SAME_PLACE);
    return *y != NULL;
}

static void add_piece(struct pieces *p, const struct edge_filter_job *job, struct value *x, bool no_rows,
                      bool no_columns)
{
    float row[3], col[3];
    if (!x)
        return;
    struct piece *piece = &p->v[p->n++];
    piece->x = x;
    taps_of(&job->row, no_rows, row);
    taps_of(&job->col, no_columns, col);
    for (int y = 0; y < 3; y++)
        for (int k = 0; k < 3; k++)
            piece->kernel[y][k] = row[y] * col[k];
}

static bool make_pieces(struct lowering *l, const struct edge_filter_job *job, struct value *x, struct pieces *p)
{
    const struct edge_filter *row = job->row.edge != 0 ? &job->row : NULL;
    const struct edge_filter *col = job->col.edge != 0 ? &job->col : NULL;
    struct value *no_rows = NULL, *no_columns = NULL, *neither = NULL;
    if ((row && !without_edges(l, x, row, NULL, &no_rows)) || (col && !without_edges(l, x, NULL, col, &no_columns)) ||
        (row && col && !without_edges(l, x, row, col, &neither)))
        return false;
    p->n = 0;
    add_piece(p, job, x, false, false);
    add_piece(p, job, no_rows, true, false);
    add_piece(p, job, no_columns, false, true);
    add_piece(p, job, neither, true, true);
    return true;
}

static bool is_pixel(const struct edge_filter *f)
{
    return f->tap[0] == 0 && f->tap[2] == 0 && !f->more;
}

/* 1 where only pixels themselves are read, else 3. */
static int kernel_of(const struct edge_filter_job *job)
{
    return is_pixel(&job->row) && is_pixel(&job->col) ? 1 : 3;
}

static struct conv_job layer_of(const struct edge_filter_job *job, struct value *x)
{
    const int h = outputs(x->window.h, &job->row), w = outputs(x->window.w, &job->col), k = kernel_of(job);
    struct conv_job j = ncc_lower_pointwise_job(job->name, job->origin, x, 0);
    j.kh = j.kw = k;
    j.pad_top = j.pad_left = k / 2;
    j.out_h = j.pooled_h = h;
    j.out_w = j.pooled_w = w;
    j.act = job->act;
    j.tied = job->tied;
    return j;
}

static void put_kernel(const struct piece *p, int k, float *w)
{
    const int first = 1 - k / 2;
    for (int y = 0; y < k; y++)
        for (int x = 0; x < k; x++)
            w[y * k + x] = p->kernel[first + y][first + x];
}

/* Weights [channels in the block][pieces, each on lines of its own][k][k]. */
static const float *weights_of(struct lowering *l, const struct filtering *f, const struct pieces *p, int begin,
                               int count, int step, int out_c)
{
    const int k = kernel_of(f->job);
    const size_t in_c = (size_t)((p->n - 1) * step + count), taps = (size_t)(k * k);
    float *w = ncc_lower_weights(l, (size_t)out_c * in_c * taps);
    size_t o = 0;
    for (int s = 0; s < count && !l->trying; s++) {
        if (f->at[begin + s] < 0)
            continue;
        for (int i = 0; i < p->n; i++)
            put_kernel(&p->v[i], k, w + (o * in_c + (size_t)(i * step + s)) * taps);
        o++;
    }
    return w;
}

static int n_channels_in(const struct filtering *f, int begin, int count)
{
    int n = 0;
    for (int s = begin; s < begin + count; s++)
        n += f->at[s] >= 0;
    return n;
}

/* Slots begin .. begin + count - 1 of all pieces, as one layer; its outputs are the channels there. */
static struct value *block_of_slots(struct lowering *l, const void *filtering, int begin, int count, const char **why)
{
    const struct filtering *f = filtering;
    const int group = ncc_kpu_layout_of(f->x->shape.dim[3]).group, step = (count + group - 1) / group * group;
    const bool own = f->pieces.n == 0;
    struct pieces p = f->pieces;
    if (own && !make_pieces(l, f->job, ncc_lower_channels(l, f->x, begin, count), &p))
        return NULL;
    struct value *part[MAX_PIECES];
    for (int i = 0; i < p.n; i++) {
        part[i] = own ? p.v[i].x : ncc_lower_channels(l, p.v[i].x, begin, count);
        if (i > 0)
            part[i] = declared(l, part[i], &f->x->window);
    }
    struct conv_job j = layer_of(f->job, ncc_lower_beside(l, part, p.n, ncc_name(l->g, f->job->name, "pieces")));
    char suffix[32];
    snprintf(suffix, sizeof suffix, "c%d", begin);
    j.name = count == f->x->shape.dim[1] ? f->job->name : ncc_name(l->g, f->job->name, suffix);
    j.out_c = n_channels_in(f, begin, count);
    j.w = weights_of(l, f, &p, begin, count, step, j.out_c);
    return ncc_lower_conv_as_is(l, &j, why);
}

/* Where the blocks put the channels: what is side by side starts on lines of its own. */
static void set_slots(const struct filtering *f, int block)
{
    const int slots = f->x->shape.dim[1], group = ncc_kpu_layout_of(f->x->shape.dim[3]).group;
    int to = 0;
    for (int begin = 0; begin < slots; begin += block) {
        to = (to + group - 1) / group * group;
        for (int s = begin; s < begin + block && s < slots; s++)
            if (f->at[s] >= 0)
                f->to[f->at[s]] = to++;
    }
}

static struct value *in_blocks(struct lowering *l, const void *filtering, int block, const char **why)
{
    const struct filtering *f = filtering;
    const int slots = f->x->shape.dim[1];
    struct value **part = NCC_NEW(l->g->arena, struct value *, (size_t)(slots + block - 1) / (size_t)block);
    int n = 0;
    for (int begin = 0; begin < slots; begin += block) {
        const int count = slots - begin < block ? slots - begin : block;
        if (n_channels_in(f, begin, count) > 0 && !(part[n++] = block_of_slots(l, f, begin, count, why)))
            return NULL;
    }
    set_slots(f, block);
    return ncc_lower_beside(l, part, n, ncc_name(l->g, f->job->name, "blocks"));
}

/* All places are alike: each channel by itself, where it is. */
static struct value *channel_by_channel(struct lowering *l, const struct filtering *f, const char **why)
{
    struct pieces p = {.n = 0};
    add_piece(&p, f->job, f->x, false, false);
    struct conv_job j = layer_of(f->job, f->x);
    j.out_c = f->x->shape.dim[1];
    j.depthwise = true;
    j.kh = j.kw = 3;
    j.pad_top = j.pad_left = 1;
    float *w = ncc_lower_weights(l, (size_t)j.out_c * 9);
    for (int s = 0; s < j.out_c && !l->trying; s++)
        if (f->at[s] >= 0) /* of what is nobody's, zeros: it must not widen the range */
            put_kernel(&p.v[0], 3, w + (size_t)s * 9);
    j.w = w;
    memcpy(f->to, f->job->slot, (size_t)f->job->n_channels * sizeof *f->to);
    return ncc_lower_conv_as_is(l, &j, why);
}

/* Where pixels themselves are read, the layer does the same to all channels, and may take them as lines. */
static struct value *line_by_line(struct lowering *l, const struct filtering *f, const char **why)
{
    const struct conv_job j = layer_of(f->job, f->x);
    struct value *part[MAX_PIECES];
    float factor[MAX_PIECES];
    for (int i = 0; i < f->pieces.n; i++) {
        part[i] = f->pieces.v[i].x;
        factor[i] = f->pieces.v[i].kernel[1][1];
    }
    memcpy(f->to, f->job->slot, (size_t)f->job->n_channels * sizeof *f->to);
    return ncc_lower_line_sums(l, &j, part, factor, f->pieces.n, why);
}

struct value *ncc_lower_edge_filter(struct lowering *l, const struct edge_filter_job *job, int *to, const char **why)
{
    struct filtering f = {.job = job, .x = whole(l, job), .to = to};
    *why = "the map cannot be cleared of what is around it, or has no room for another row or column";
    if (!f.x)
        return NULL;
    const int *d = f.x->shape.dim;
    int *at = NCC_NEW(l->g->arena, int, d[1]);
    for (int s = 0; s < d[1]; s++)
        at[s] = -1;
    for (int c = 0; c < job->n_channels; c++)
        at[job->slot[c]] = c;
    f.at = at;
    if (job->row.edge == 0 && job->col.edge == 0)
        return channel_by_channel(l, &f, why);
    const bool room = ncc_kpu_lines(d[1], d[2], d[3]) * (MAX_PIECES + 2) <= NCC_KPU_RAM_LINES;
    if (room && !make_pieces(l, job, f.x, &f.pieces))
        return NULL;
    if (room && kernel_of(job) == 1 && job->one_scale)
        return line_by_line(l, &f, why);
    if (job->n_channels == d[1]) { /* no slot is empty: blocks are alike */
        const int block = ncc_lower_best_block(l, block_of_slots, &f, d[1], LEAST_BLOCK, why);
        return block ? in_blocks(l, &f, block, why) : NULL;
    }
    struct lower_way ways[N_BLOCK_SIZES];
    int n = 0;
    for (int block = LEAST_BLOCK; n < N_BLOCK_SIZES && (n == 0 || block < 2 * d[1]); block *= 2)
        ways[n++] = (struct lower_way){in_blocks, block};
    return ncc_lower_cheapest(l, ways, n, &f, why);
}
