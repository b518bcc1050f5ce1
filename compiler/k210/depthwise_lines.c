/* A depthwise convolution with a large kernel, whose pieces (depthwise_pieces.c) are added line by line (sum_lines.c): a layer
 * for each piece of all channels.
 *
 *     y = p0 + p1 + ..       p_k: depthwise 3x3 of x, every channel of it shifted by something of its own
 *
 * A piece has one scale for all channels. Were p_k what falls to the k-th copy, then for most k there would be a channel whose
 * kernel lies there for the most part, and all pieces would be as coarse as the sum. But a one-hot layer shifts each channel
 * as that channel wants it. So p0 has, of every channel, the piece with the largest weights, p1 the next, and so on; the share
 * of p_k is at most 1 / (k + 1), and what their roundings add is hardly more than that of p0.
 */
#include "compiler/k210/lower.h"
#include "compiler/k210/taps.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_PIECES = NCC_MAX_COPIES * NCC_MAX_COPIES };

/* What falls to one shifted copy: numbers of its rows' and columns' copies. */
struct piece {
    int row, col;
    float size; /* of its weights, in one channel */
};

struct channels {
    const struct conv_job *j; /* of these channels only */
    struct taps row, col;
    int n;                    /* pieces */
    struct piece *of;         /* [channel][n], the largest first */
};

static size_t element(const struct conv_job *j, int channel, int y, int x)
{
    return ((size_t)channel * (size_t)j->kh + (size_t)y) * (size_t)j->kw + (size_t)x;
}

static bool falls_to(const struct channels *c, const struct piece *p, int y, int x)
{
    return c->row.of[y].copy == p->row && c->col.of[x].copy == p->col;
}

/* All that are not empty. */
static int list(const struct channels *c, struct piece *piece)
{
    int n = 0;
    for (int row = 0; row < c->row.n_copies; row++)
        for (int col = 0; col < c->col.n_copies; col++) {
            const struct piece p = {row, col, 0};
            bool some = false;
            for (int i = 0; i < c->j->kh * c->j->kw; i++)
                some |= falls_to(c, &p, i / c->j->kw, i % c->j->kw);
            if (some)
                piece[n++] = p;
        }
    return n;
}

static int by_size(const void *a, const void *b)
{
    const struct piece *p = a, *q = b;
    if (p->size != q->size)
        return p->size < q->size ? 1 : -1;
    return p->row != q->row ? p->row - q->row : p->col - q->col;
}

static void sort_pieces(struct lowering *l, struct channels *c)
{
    struct piece all[MAX_PIECES];
    const struct conv_job *j = c->j;
    c->n = list(c, all);
    c->of = NCC_NEW(l->g->arena, struct piece, (size_t)j->out_c * (size_t)c->n);
    for (int i = 0; i < j->out_c; i++) {
        struct piece *of = c->of + (size_t)i * (size_t)c->n;
        for (int k = 0; k < c->n; k++) {
            of[k] = all[k];
            for (int y = 0; y < j->kh; y++)
                for (int x = 0; x < j->kw; x++)
                    of[k].size += falls_to(c, &all[k], y, x) ? fabsf(j->w[element(j, i, y, x)]) : 0;
        }
        qsort(of, (size_t)c->n, sizeof *of, by_size);
    }
}

/* ---- layers ---- */

static struct value *layer(struct lowering *l, const struct channels *c, const char *suffix, struct kpu_conv_attrs a,
                           struct value *x, const float *w, const float *b)
{
    const char *name = ncc_name(l->g, c->j->name, suffix);
    const int count = c->j->out_c;
    a.kernel = 3;
    a.depthwise = true;
    struct value *y = NCC_OP(l->g, OP_kpu_conv, name, &a, x,
                             ncc_const(l->g, ncc_name(l->g, name, "w"), DT_F32, ncc_shape_4(count, 1, 3, 3), w),
                             ncc_const(l->g, ncc_name(l->g, name, "b"), DT_F32, ncc_shape_make(1, &count), b));
    y->def->origin = c->j->origin;
    y->def->on_kpu = true;
    return y;
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* Step `i` of a shift by n: 1, 0 or -1. */
static int step_of(int n, int i)
{
    return i < abs(n) ? sign(n) : 0;
}

/* x, every channel shifted as its piece k wants it. */
static struct value *shifted(struct lowering *l, const struct channels *c, int k)
{
    struct value *x = c->j->x;
    const struct window *win = &x->window;
    const struct kpu_conv_attrs a = {
        .copy = true, .top = win->top, .left = win->left, .h = win->h, .w = win->w, .outside = OUT_JUNK};
    for (int step = 0;; step++) {
        float *w = ncc_lower_weights(l, (size_t)c->j->out_c * 9);
        bool moves = false;
        for (int i = 0; i < c->j->out_c; i++) {
            const struct piece *p = &c->of[(size_t)i * (size_t)c->n + (size_t)k];
            const int down = step_of(c->row.copy[p->row], step), right = step_of(c->col.copy[p->col], step);
            w[i * 9 + 4 + 3 * down + right] = 1;
            moves |= down || right;
        }
        if (!moves)
            return x;
        char suffix[32];
        snprintf(suffix, sizeof suffix, "x%d/%d", k, step);
        x = layer(l, c, suffix, a, x, w, NCC_NEW(l->g->arena, float, c->j->out_c));
    }
}

static struct value *make_piece(struct lowering *l, const struct channels *c, int k)
{
    const struct conv_job *j = c->j;
    float *w = ncc_lower_weights(l, (size_t)j->out_c * 9);
    for (int i = 0; i < j->out_c; i++)
        for (int y = 0; y < j->kh; y++)
            for (int x = 0; x < j->kw; x++)
                if (falls_to(c, &c->of[(size_t)i * (size_t)c->n + (size_t)k], y, x))
                    w[i * 9 + 4 + 3 * c->row.of[y].tap + c->col.of[x].tap] += j->w[element(j, i, y, x)];
    const struct kpu_conv_attrs a = {
        .top = c->row.first, .left = c->col.first, .h = j->out_h, .w = j->out_w, .outside = OUT_JUNK};
    char suffix[32];
    snprintf(suffix, sizeof suffix, "p%d", k);
    const float *bias = k == 0 && j->bias ? j->bias : NCC_NEW(l->g->arena, float, j->out_c);
    return layer(l, c, suffix, a, shifted(l, c, k), w, bias);
}

static struct value *some_channels(struct lowering *l, const struct conv_job *job, const char **why)
{
    struct value *part[MAX_PIECES];
    struct channels c = {.j = job};
    if (!ncc_lower_taps(l, job, &c.row, &c.col, why))
        return NULL;
    sort_pieces(l, &c);
    for (int k = 0; k < c.n; k++)
        part[k] = make_piece(l, &c, k);
    return ncc_lower_line_sum(l, job, part, NULL, c.n, why);
}

struct value *ncc_lower_depthwise_lines(struct lowering *l, const struct conv_job *job, const char **why)
{
    const int *d = job->x->shape.dim;
    struct value **y = NCC_NEW(l->g->arena, struct value *, d[1]);
    int n = 0;
    for (int begin = 0; begin < d[1]; n++) {
        struct conv_job j = *job;
        j.out_c = ncc_lower_line_channels(d[1] - begin, d[2], d[3]);
        j.x = ncc_lower_channels(l, job->x, begin, j.out_c);
        j.w = job->w + element(job, begin, 0, 0);
        j.bias = job->bias ? job->bias + begin : NULL;
        if (j.out_c < d[1]) {
            char suffix[32];
            snprintf(suffix, sizeof suffix, "c%d", begin);
            j.name = ncc_name(l->g, job->name, suffix);
        }
        if (!(y[n] = some_channels(l, &j, why)))
            return NULL;
        begin += j.out_c;
    }
    return ncc_lower_maps_beside(l, y, n, job->name);
}
