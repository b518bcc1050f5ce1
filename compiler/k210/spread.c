/* Channels that do not lie where they are counted: a value may stand on a canvas whose channels are in another order or
 * have others between them. Concatenations whose parts do not fill whole lines, slices that start inside a line, and
 * shuffles are such values; none of them takes a layer.
 *
 *     concat of 3 and 5 channels, 4 to a line    canvas  a0 a1 a2 --  b0 b1 b2 b3  b4
 *                                                slot    0  1  2      4  5  6  7   8
 *
 * A regular convolution reads it as it is, with its weights put where the channels are. What works channel by channel
 * leaves them where they are. A concatenation copies the lines that hold some. For all other readers the
 * channels are moved together once, by a layer that copies codes.
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <math.h>
#include <string.h>

static int round_up(int n, int unit)
{
    return (n + unit - 1) / unit * unit;
}

void ncc_lower_set_spread(struct lowering *l, const struct value *v, struct value *canvas, const int *slot)
{
    const int c = v->shape.dim[1];
    bool dense = canvas->shape.dim[1] == c;
    for (int i = 0; i < c; i++)
        dense = dense && slot[i] == i;
    struct form *f = ncc_lower_form_to_set(l, v);
    if (dense)
        f->kpu = canvas;
    else
        *f = (struct form){.spread = canvas, .slot = slot};
}

struct value *ncc_lower_spread(struct lowering *l, struct value *v, const int **slot)
{
    const struct form *f = &l->forms[v->id];
    *slot = f->spread ? f->slot : NULL;
    return f->spread ? f->spread : ncc_lower_canvas(l, v);
}

const float *ncc_lower_slotted(struct lowering *l, const float *w, int out_c, int taps, int in_c, const int *slot,
                               int n_slots)
{
    if (!slot)
        return w;
    const size_t n = (size_t)taps;
    float *to = ncc_lower_weights(l, (size_t)out_c * (size_t)n_slots * n);
    if (l->trying)
        return to;
    for (size_t o = 0; o < (size_t)out_c; o++)
        for (size_t c = 0; c < (size_t)in_c; c++)
            for (size_t t = 0; t < n; t++) /* channels may share a slot */
                to[(o * (size_t)n_slots + (size_t)slot[c]) * n + t] += w[(o * (size_t)in_c + c) * n + t];
    return to;
}

/* ---- channel by channel ---- */

static bool all_differ(struct lowering *l, const int *slot, int n, int n_slots)
{
    bool *taken = NCC_NEW(l->g->arena, bool, n_slots);
    for (int i = 0; i < n; i++) {
        if (taken[slot[i]])
            return false;
        taken[slot[i]] = true;
    }
    return true;
}

/* With more slots than this to a channel they are moved together first. */
#define MOST_SLOTS 2

struct value *ncc_lower_by_channel(struct lowering *l, struct value *v, const int **slot)
{
    const struct form *f = &l->forms[v->id];
    const int c = v->shape.dim[1];
    *slot = NULL;
    if (!f->spread || f->kpu || f->spread->shape.dim[1] > MOST_SLOTS * c ||
        !all_differ(l, f->slot, c, f->spread->shape.dim[1]))
        return ncc_lower_canvas(l, v);
    *slot = f->slot;
    return f->spread;
}

const float *ncc_lower_slotted_channels(struct lowering *l, const float *w, int c, int per, const int *slot,
                                        int n_slots)
{
    if (!slot || !w)
        return w;
    float *to = NCC_NEW(l->g->arena, float, (size_t)n_slots *(size_t)per);
    for (int i = 0; i < c; i++)
        memcpy(to + (size_t)slot[i] * (size_t)per, w + (size_t)i * (size_t)per, (size_t)per * sizeof *w);
    return to;
}

bool ncc_lower_as_counted(const struct lowering *l, const struct value *v)
{
    const struct form *f = &l->forms[v->id];
    const struct node *concat = f->spread->def;
    if (!concat || concat->op != OP_kpu_concat)
        return false;
    const int group = ncc_kpu_layout_of(f->spread->shape.dim[3]).group;
    int c = 0;
    for (int i = 0, at = 0; i < concat->n_in; i++) {
        const int count = concat->in[i]->shape.dim[1];
        for (int k = 0; k < count; k++, c++)
            if (c >= v->shape.dim[1] || f->slot[c] != at + k)
                return false;
        at = round_up(at + count, group);
    }
    return c == v->shape.dim[1];
}

struct value *ncc_lower_packed(struct lowering *l, const struct value *v)
{
    const struct form *f = &l->forms[v->id];
    const int c = v->shape.dim[1], n = f->spread->shape.dim[1];
    float *w = ncc_lower_weights(l, (size_t)c * (size_t)n);
    for (int i = 0; i < c; i++)
        w[(size_t)i * (size_t)n + (size_t)f->slot[i]] = 1;
    const char *why;
    struct conv_job j = ncc_lower_pointwise_job(ncc_name(l->g, v->name, "packed"), NULL, f->spread, c);
    j.w = w;
    j.copy = true;
    return ncc_lower_conv_as_is(l, &j, &why);
}

/* ---- side by side again ---- */

/* Runs of lines that hold channels of v, with not more than `gap` lines between two channels that hold none. */
struct runs {
    int n, *begin, *end; /* lines */
    int n_empty;         /* lines inside of runs that hold none */
};

static struct runs runs_of(struct lowering *l, const struct form *f, int c, int gap)
{
    const int group = ncc_kpu_layout_of(f->spread->shape.dim[3]).group;
    const int n_lines = (f->spread->shape.dim[1] + group - 1) / group;
    bool *used = NCC_NEW(l->g->arena, bool, n_lines);
    for (int i = 0; i < c; i++)
        used[f->slot[i] / group] = true;
    struct runs r = {0, NCC_NEW(l->g->arena, int, n_lines), NCC_NEW(l->g->arena, int, n_lines), 0};
    for (int i = 0; i < n_lines; i++) {
        if (!used[i])
            continue;
        const int between = r.n ? i - r.end[r.n - 1] : gap + 1;
        if (between > gap)
            r.begin[r.n++] = i;
        else
            r.n_empty += between;
        r.end[r.n - 1] = i + 1;
    }
    return r;
}

/* The runs as canvases, and where the channels are when these lie side by side, the first at channel `at`. */
static int cut_runs(struct lowering *l, const struct form *f, int c, const struct runs *r, int at, struct value **part,
                    int *slot)
{
    const int group = ncc_kpu_layout_of(f->spread->shape.dim[3]).group, n_slots = f->spread->shape.dim[1];
    for (int i = 0; i < r->n; i++) {
        const int begin = r->begin[i] * group, end = r->end[i] * group < n_slots ? r->end[i] * group : n_slots;
        part[i] = ncc_lower_channels(l, f->spread, begin, end - begin);
        for (int k = 0; k < c; k++)
            if (f->slot[k] >= begin && f->slot[k] < end)
                slot[k] = at + f->slot[k] - begin;
        at += (r->end[i] - r->begin[i]) * group;
    }
    return r->n;
}

/* What reading lines of nothing costs a layer with as many outputs as v has channels. */
static double empty_us(const struct value *v, const struct value *canvas, int n_lines)
{
    const int *d = canvas->shape.dim;
    return (double)n_lines * ncc_kpu_layout_of(d[3]).row_lines * v->shape.dim[1] * (d[2] + 7) / NCC_KPU_CLOCK_HZ * 1e6;
}

/* Microseconds until all parts can lie beside others; undone. */
static double placed_us(struct lowering *l, const struct attempt *a, struct value **part, int n)
{
    bool possible = true;
    for (int i = 0; i < n; i++) {
        possible = possible && part[i];
        part[i] = part[i] ? ncc_lower_placeable(l, part[i]) : NULL;
    }
    const double us = !possible ? INFINITY
                      : n == 1  ? ncc_lower_spent(l, a, part[0])
                                : ncc_lower_spent(l, a, ncc_op(l->g, OP_kpu_concat, "parts", NULL, part, n));
    ncc_lower_undo(l, a);
    return us;
}

/* The same for runs, and what it takes to read them there. */
static double runs_us(struct lowering *l, const struct value *v, const struct runs *r)
{
    const struct form *f = &l->forms[v->id];
    const struct attempt a = ncc_lower_begin(l);
    struct value *part[NCC_LOWER_MAX_PARTS];
    const int n = cut_runs(l, f, v->shape.dim[1], r, 0, part, NCC_NEW(l->g->arena, int, v->shape.dim[1]));
    return placed_us(l, &a, part, n) + empty_us(v, f->spread, r->n_empty);
}

static double packed_us(struct lowering *l, struct value *v)
{
    const struct attempt a = ncc_lower_begin(l);
    return placed_us(l, &a, (struct value *[]){ncc_lower_canvas(l, v)}, 1);
}

int ncc_lower_parts(struct lowering *l, struct value *v, int at, struct value **part, int *slot)
{
    static const int gaps[] = {0, 4, 1 << 20};
    const struct form *f = &l->forms[v->id];
    const int c = v->shape.dim[1];
    struct runs best = {0};
    double least = f->spread ? packed_us(l, v) : 0;
    for (size_t i = 0; f->spread && i < sizeof gaps / sizeof *gaps; i++) {
        const struct runs r = runs_of(l, f, c, gaps[i]);
        const double us = r.n <= NCC_LOWER_MAX_PARTS ? runs_us(l, v, &r) : INFINITY;
        if (us < least) {
            least = us;
            best = r;
        }
    }
    if (best.n)
        return cut_runs(l, f, c, &best, at, part, slot);
    part[0] = ncc_lower_canvas(l, v);
    for (int k = 0; k < c; k++)
        slot[k] = at + k;
    return part[0] ? 1 : 0;
}
