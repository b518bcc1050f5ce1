/* Decimation put off. No pick of the KPU takes every third pixel, so a stride of 3 leaves a slice to the CPU, in the
 * middle of the network. But what reads every s-th pixel may as well be computed at all pixels, s times as far apart:
 *
 *     slice ::s  ->  conv, kernel 3      =      conv, kernel 3, dilation s  ->  slice ::s
 *
 * and so on through all that follows, until the slice stands in the head, where the CPU works anyway, or at a single
 * pixel, where nothing is left of it. Costs s * s times the pixels, which on small maps is less than the way through
 * main memory. Judged by the estimate of the whole graph with and without.
 *
 * Exact, borders included: a pad of p becomes one of p * s, as what lies s pixels before the first is outside as well.
 */
#include "compiler/k210/legalise.h"
#include "compiler/pass/match.h"

#include <math.h>

/* ---- one dimension ---- */

/* Pixel i of the slice is pixel begin + i * step of a map of `in`. */
struct taken {
    int begin, step, n, in;
};

static struct taken taken_by(const struct node *slice, int axis)
{
    const struct slice_attrs *a = slice->attrs;
    return (struct taken){a->begin.v[axis], a->stride.v[axis], slice->out[0]->shape.dim[axis],
                          slice->in[0]->shape.dim[axis]};
}

/* Nothing behind the last pixel that is taken: those may be left out. */
static struct taken trimmed(struct taken t)
{
    t.in = t.begin + (t.n - 1) * t.step + 1;
    return t;
}

/* What a window of `kernel` pixels, `dilation` apart, does on all pixels. */
struct spread {
    int before, after, dilation, stride; /* of the node on all pixels */
    struct taken taken;                  /* from its result */
};

/* A window at every `stride`-th of the taken pixels; pick: the stride that the node may have. False: it would see
 * pixels that were not taken where it saw padding. */
static bool spread_window(const struct taken *t, int kernel, int dilation, int stride, int before, int after, int pick,
                          struct spread *out)
{
    const int total = stride * t->step, reach = (kernel - 1) * dilation * t->step;
    const bool takes_all = t->begin < t->step && t->begin + t->n * t->step >= t->in;
    const int n_out = (t->n + before + after - (kernel - 1) * dilation - 1) / stride + 1;
    if (total % pick || t->step < 1 || ((before > 0 || after > 0) && !takes_all))
        return false;
    const int start = t->begin - before * t->step; /* first pixel that output 0 sees */
    out->dilation = dilation * t->step;
    out->stride = pick;
    out->before = start < 0 ? -start : 0;
    out->taken.begin = start < 0 ? 0 : start;
    if (out->taken.begin % pick)
        return false;
    out->taken.begin /= pick;
    out->taken.step = total / pick;
    out->taken.n = n_out;
    const int n_all = out->taken.begin + (n_out - 1) * out->taken.step + 1;
    out->after = (n_all - 1) * pick + reach + 1 - t->in - out->before;
    out->after = out->after > 0 ? out->after : 0;
    out->taken.in = (t->in + out->before + out->after - reach - 1) / pick + 1;
    return true;
}

static bool is_decimation(const struct node *n)
{
    if (n->op != OP_slice || n->in[0]->shape.rank != 4 || n->out[0]->shape.dim[0] != 1)
        return false;
    const struct taken rows = taken_by(n, 2), cols = taken_by(n, 3);
    const struct slice_attrs *a = n->attrs;
    return a->begin.v[1] == 0 && n->out[0]->shape.dim[1] == n->in[0]->shape.dim[1] && rows.step > 0 && cols.step > 0 &&
           ((rows.step > 1 && rows.n > 1) || (cols.step > 1 && cols.n > 1));
}

/* ---- the slice behind ---- */

static struct value *take(struct graph *g, const char *name, struct value *x, const struct taken *rows,
                          const struct taken *cols)
{
    const struct slice_attrs a = {.begin = {4, {0, 0, rows->begin, cols->begin}},
                                  .size = {4, {1, x->shape.dim[1], rows->n, cols->n}},
                                  .stride = {4, {1, 1, rows->n > 1 ? rows->step : 1, cols->n > 1 ? cols->step : 1}}};
    const bool all = rows->n == x->shape.dim[2] && cols->n == x->shape.dim[3];
    return all ? x : NCC_OP(g, OP_slice, ncc_name(g, name, "every"), &a, x);
}

/* The first h x w pixels of what is decimated: a window, which costs nothing. */
static struct value *first_pixels(struct graph *g, const struct node *slice, int h, int w)
{
    struct value *x = slice->in[0];
    const struct taken rows = {.step = 1, .n = h}, cols = {.step = 1, .n = w};
    return take(g, slice->name, x, &rows, &cols);
}

/* ---- what a decimation can pass ---- */

static int pick_of(int rows, int cols)
{
    for (int pick = 4; pick > 1; pick /= 2)
        if (rows % pick == 0 && cols % pick == 0)
            return pick;
    return 1;
}

static struct value *behind_conv(struct graph *g, const struct node *slice, const struct node *conv)
{
    struct conv2d_attrs a = *(const struct conv2d_attrs *)conv->attrs;
    const int *k = conv->in[1]->shape.dim;
    if (!ncc_match_is_layer(conv) || conv->in[0] != slice->out[0])
        return NULL;
    struct taken rows = taken_by(slice, 2), cols = taken_by(slice, 3);
    if (!a.pad_top && !a.pad_bottom)
        rows = trimmed(rows);
    if (!a.pad_left && !a.pad_right)
        cols = trimmed(cols);
    struct spread row, col;
    for (int pick = pick_of(a.stride_h * rows.step, a.stride_w * cols.step);; pick /= 2) {
        if (pick == 0)
            return NULL;
        if (spread_window(&rows, k[2], a.dil_h, a.stride_h, a.pad_top, a.pad_bottom, pick, &row) &&
            spread_window(&cols, k[3], a.dil_w, a.stride_w, a.pad_left, a.pad_right, pick, &col))
            break;
    }
    a.pad_top = row.before;
    a.pad_bottom = row.after;
    a.pad_left = col.before;
    a.pad_right = col.after;
    a.dil_h = row.dilation;
    a.dil_w = col.dilation;
    a.stride_h = a.stride_w = row.stride;
    struct value *in[3] = {first_pixels(g, slice, rows.in, cols.in), conv->in[1], conv->n_in > 2 ? conv->in[2] : NULL};
    struct value *y = ncc_op(g, OP_conv2d, conv->name, &a, in, conv->n_in);
    if (y)
        y->def->origin = conv->origin ? conv->origin : conv->name;
    return y ? take(g, conv->name, y, &row.taken, &col.taken) : NULL;
}

/* A pool whose pixels lie apart: maxima of the map and itself moved, a direction at a time. */
static struct value *largest_of(struct graph *g, const struct node *pool, struct value *x, int axis, int kernel, int step)
{
    struct value *top = NULL;
    for (int k = 0; k < kernel; k++) {
        struct slice_attrs s = {.begin = {4, {0}}, .size = {4, {0}}, .stride = {4, {1, 1, 1, 1}}};
        for (int i = 0; i < 4; i++)
            s.size.v[i] = x->shape.dim[i];
        s.begin.v[axis] = k * step;
        s.size.v[axis] -= (kernel - 1) * step;
        struct value *v = kernel > 1 ? NCC_OP(g, OP_slice, ncc_name(g, pool->name, "moved"), &s, x) : x;
        top = top ? NCC_OP(g, OP_maximum, ncc_name(g, pool->name, "top"), NULL, top, v) : v;
        if (top && top->def)
            top->def->origin = pool->origin ? pool->origin : pool->name;
    }
    return top;
}

static struct value *behind_max_pool(struct graph *g, const struct node *slice, const struct node *pool)
{
    const struct pool_attrs *a = pool->attrs;
    const struct taken rows = taken_by(slice, 2), cols = taken_by(slice, 3);
    struct spread row, col;
    if (a->pad_top || a->pad_left || (rows.n - 1) / a->stride_h * a->stride_h + a->kernel_h > rows.n + a->stride_h - 1 ||
        a->pad_bottom || a->pad_right || !spread_window(&rows, a->kernel_h, 1, a->stride_h, 0, 0, 1, &row) ||
        !spread_window(&cols, a->kernel_w, 1, a->stride_w, 0, 0, 1, &col))
        return NULL;
    struct value *x = largest_of(g, pool, slice->in[0], 2, a->kernel_h, rows.step);
    x = x ? largest_of(g, pool, x, 3, a->kernel_w, cols.step) : NULL;
    return x ? take(g, pool->name, x, &row.taken, &col.taken) : NULL;
}

static struct value *behind_unary(struct graph *g, const struct node *slice, const struct node *n)
{
    const struct taken rows = taken_by(slice, 2), cols = taken_by(slice, 3);
    struct value *y = ncc_match_again_1(g, n, slice->in[0]);
    return y ? take(g, n->name, y, &rows, &cols) : NULL;
}

static struct value *behind(struct graph *g, const struct node *slice, const struct node *reader)
{
    if (reader->op == OP_conv2d)
        return behind_conv(g, slice, reader);
    if (reader->op == OP_max_pool)
        return behind_max_pool(g, slice, reader);
    return ncc_op_desc(reader->op)->flags & OP_UNARY ? behind_unary(g, slice, reader) : NULL;
}

/* ---- the walk ---- */

/* Moves the decimation behind all that it can pass, and what comes of it further. */
static void put_off(struct graph *g, struct node *slice)
{
    enum { MAX_READERS = 32 };
    struct node *reader[MAX_READERS];
    int n = 0;
    for (const struct use *u = slice->out[0]->uses; u && n < MAX_READERS; u = u->next)
        reader[n++] = u->node;
    for (int i = 0; i < n; i++) {
        g->cursor = reader[i];
        struct value *y = behind(g, slice, reader[i]);
        if (!y)
            continue;
        struct node *next = is_decimation(y->def) ? y->def : NULL;
        if (next)
            next->in[0]->range = reader[i]->out[0]->range; /* all other pixels count for nothing */
        ncc_match_become(g, reader[i], y, NULL);
        if (next)
            put_off(g, next);
    }
}

bool ncc_legal_decimate_later(struct graph *g, struct node *n)
{
    struct node *slice = is_decimation(n) ? n : NULL;
    g->cursor = n;
    if (!slice) {
        struct value *y = ncc_legal_split_stride(g, n);
        slice = y && is_decimation(y->def) ? y->def : NULL;
    }
    if (slice)
        put_off(g, slice);
    g->cursor = NULL;
    ncc_graph_sweep(g);
    return slice != NULL;
}

bool ncc_legal_is_decimation(const struct node *n)
{
    return !n->barred && (is_decimation(n) || ncc_legal_has_odd_stride(n));
}

/* ---- by estimate ---- */

/* What all of the graph takes, with the node that makes value `id` in the form of this file; -1: as it is. */
static double whole_us(const struct legaliser *l, int id)
{
    struct diags quiet;
    ncc_diag_init(&quiet, l->scratch);
    struct graph *g = ncc_graph_copy(l->g, l->scratch, &quiet);
    struct node *n = g->first;
    while (n && n->out[0]->id != id)
        n = n->next;
    if ((id >= 0 && !ncc_legal_decimate_later(g, n)) || !ncc_k210_place(g, l->options, l->scratch))
        return INFINITY;
    return ncc_k210_placed_us(g, l->options);
}

static bool is_among(const int *ids, int n, int id)
{
    for (int i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

void ncc_legal_decimations(const struct legaliser *l)
{
    enum { MAX_TRIALS = 16 };
    int tried[MAX_TRIALS], n_tried = 0;
    double us = -1;
    for (struct node *n = l->g->first; n && n_tried < MAX_TRIALS;) {
        const int id = n->out[0]->id;
        if (!ncc_legal_is_decimation(n) || is_among(tried, n_tried, id)) {
            n = n->next;
            continue;
        }
        us = us < 0 ? whole_us(l, -1) : us;
        const double other = whole_us(l, id);
        tried[n_tried++] = id;
        if (other < us) {
            ncc_legal_decimate_later(l->g, n);
            us = other;
            n = l->g->first; /* what was behind n is another now */
        }
    }
}
