/* Where to cut: groups of growing depth around the node in question, each in as few pieces as fit, compared by the
 * estimated time of the whole graph. */
#include "compiler/k210/cost.h"
#include "compiler/k210/bands.h"
#include "kpu/layout.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_BEGINS = 8,  /* nodes before the one in question where a group may begin */
    MAX_DEPTH = 40,  /* nodes behind it that a group may go on */
    MAX_LEAVING = 3, /* results of a group */
    MAX_ROWS = 48,
    MAX_COLS = 8,
};

struct choosing {
    const struct graph *g;
    const struct k210_options *options;
    struct arena *arena;
    struct node **node; /* of the graph, by place */
    int n;
    struct band_choice *out;
    int n_out, max;
};

/* ---- time ---- */

/* What a byte more of the kmodel is worth. */
#define US_PER_BYTE 0.02

static double weights_us(const struct graph *g)
{
    double bytes = 0;
    for (const struct node *n = g->first; n; n = n->next)
        if (n->on_kpu && n->n_in > 1 && ncc_is_const(n->in[1]))
            bytes += (double)ncc_shape_count(n->in[1]->shape);
    return bytes * US_PER_BYTE;
}

static double estimate(struct choosing *c, const struct band_choice *choice)
{
    const struct arena_mark before = ncc_arena_mark(c->arena);
    struct graph *g = ncc_graph_copy(c->g, c->arena, c->g->diags);
    ncc_bands_apply(g, choice);
    double us = 1e30;
    if (ncc_k210_place(g, c->options, c->arena))
        us = ncc_k210_placed_us(g, c->options) + weights_us(g);
    ncc_arena_rewind(c->arena, &before);
    return us;
}

static void keep(struct choosing *c, struct band_choice choice, const int *node)
{
    choice.node = NCC_NEW(c->arena, int, choice.n);
    memcpy(choice.node, node, (size_t)choice.n * sizeof *node);
    choice.us = estimate(c, &choice);
    if (c->n_out == c->max && c->out[c->max - 1].us <= choice.us)
        return;
    int at = c->n_out < c->max ? c->n_out++ : c->max - 1;
    for (; at > 0 && c->out[at - 1].us > choice.us; at--)
        c->out[at] = c->out[at - 1];
    c->out[at] = choice;
}

/* ---- the number of pieces ---- */

static int64_t whole_bytes(struct value *const *v, int n)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        const int *d = v[i]->shape.dim;
        sum += v[i]->shape.rank == 4 ? ncc_kpu_bytes(d[1], d[2], d[3]) : 0;
    }
    return sum;
}

/* Do all canvases keep the limits of height and width? */
static bool sizes_fit(const struct banding *t)
{
    for (int i = 0; i < t->n_ids; i++)
        if (t->part[i].known &&
            (t->part[i].canvas[AXIS_ROWS] > NCC_KPU_MAX_H || t->part[i].canvas[AXIS_COLS] > NCC_KPU_MAX_W))
            return false;
    return true;
}

static bool widths_fit(const struct banding *t)
{
    for (int i = 0; i < t->n_ids; i++)
        if (t->part[i].known && t->part[i].canvas[AXIS_COLS] > NCC_KPU_MAX_W)
            return false;
    return true;
}

/* The need of the largest piece; -1: some piece is empty, or larger than the KPU takes. */
static int64_t largest_piece(struct banding *t)
{
    int64_t most = 0;
    for (int r = 0; r < t->rows; r++)
        for (int k = 0; k < t->cols; k++) {
            if (!ncc_bands_regions(t, r, k) || !sizes_fit(t))
                return -1;
            const int64_t bytes = ncc_bands_bytes(t);
            most = bytes > most ? bytes : most;
        }
    return most;
}

static bool columns_that_fit(struct banding *t)
{
    for (t->rows = 1, t->cols = 1; t->cols <= MAX_COLS; t->cols++) {
        bool fit = true;
        for (int k = 0; k < t->cols && fit; k++)
            fit = ncc_bands_regions(t, 0, k) && widths_fit(t);
        if (fit)
            return true;
    }
    return false;
}

/* The fewest rows with which a piece, and what is kept beside it, fits. */
static void choose_rows(struct choosing *c, struct banding *t, const int *node, bool join_in_main, bool enter_in_kpu)
{
    const int64_t room = NCC_KPU_RAM_SIZE - (join_in_main ? 0 : whole_bytes(t->leave.v, t->leave.n)) -
                         (enter_in_kpu ? whole_bytes(t->enter.v, t->enter.n) : 0);
    for (t->rows = 1; t->rows <= MAX_ROWS; t->rows++) {
        const int64_t bytes = largest_piece(t);
        if (bytes < 0 && t->rows > 1 && !ncc_bands_regions(t, 0, 0))
            return;
        if (bytes < 0 || bytes > room || t->rows * t->cols == 1)
            continue;
        keep(c, (struct band_choice){.n = t->n, .rows = t->rows, .cols = t->cols, .join_in_main = join_in_main,
                                     .enter_in_kpu = enter_in_kpu, .kpu_bytes = bytes}, node);
        return;
    }
}

/* ---- the group ---- */

static bool reads(const struct node *n, const bool *of)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && !n->in[i]->data && of[n->in[i]->id])
            return true;
    return false;
}

/* A cut in front of what would ride in the same layer costs a layer. */
static bool good_cut(const struct choosing *c, const struct node *last)
{
    const struct node *next = ncc_value_only_use(c->g, last->out[0]);
    return !next || !(ncc_op_desc(next->op)->flags & OP_UNARY) || !ncc_bands_possible(next);
}

static void try_group(struct choosing *c, const int *place, int n)
{
    struct banding t;
    struct node **node = NCC_NEW(c->arena, struct node *, n);
    for (int i = 0; i < n; i++)
        node[i] = c->node[place[i]];
    ncc_bands_open(&t, c->g, node, n, c->arena);
    if (t.leave.n > MAX_LEAVING || !columns_that_fit(&t))
        return;
    choose_rows(c, &t, place, true, false);
    if (t.cols == 1)
        choose_rows(c, &t, place, false, false);
}

/* Inputs of the graph come from main memory in any case. */
static bool made_here(const struct banding *t)
{
    for (int i = 0; i < t->enter.n; i++)
        if (!t->enter.v[i]->def)
            return false;
    return true;
}

/* The ways that came out best, with what enters copied within KPU RAM. */
static void try_entering(struct choosing *c)
{
    const int n = c->n_out;
    struct band_choice *best = NCC_NEW(c->arena, struct band_choice, n);
    memcpy(best, c->out, (size_t)n * sizeof *best);
    for (int i = 0; i < n; i++) {
        struct banding t;
        struct node **node = NCC_NEW(c->arena, struct node *, best[i].n);
        for (int k = 0; k < best[i].n; k++)
            node[k] = c->node[best[i].node[k]];
        ncc_bands_open(&t, c->g, node, best[i].n, c->arena);
        t.cols = 1;
        if (best[i].cols == 1 && made_here(&t))
            choose_rows(c, &t, best[i].node, best[i].join_in_main, true);
    }
}

/* Adds what can be computed from the group and its inputs alone, node by node, in the graph's order. */
static void grow(struct choosing *c, int begin, int least)
{
    int *place = NCC_NEW(c->arena, int, c->n), n = 0;
    bool *near = NCC_NEW(c->arena, bool, c->g->next_id); /* values that the group reads or makes */
    bool *made = NCC_NEW(c->arena, bool, c->g->next_id);
    bool *behind = NCC_NEW(c->arena, bool, c->g->next_id); /* depends on the group, and lies outside */
    for (int i = begin; i < c->n && i <= least + MAX_DEPTH; i++) {
        const struct node *k = c->node[i];
        if ((n == 0 || reads(k, near)) && !reads(k, behind) && ncc_bands_possible(k)) {
            place[n++] = i;
            made[k->out[0]->id] = near[k->out[0]->id] = true;
            for (int j = 0; j < k->n_in; j++)
                if (k->in[j])
                    near[k->in[j]->id] = true;
            if (i >= least && made[c->node[least]->out[0]->id] && good_cut(c, k))
                try_group(c, place, n);
        } else if (reads(k, made) || reads(k, behind)) {
            for (int j = 0; j < k->n_out; j++)
                behind[k->out[j]->id] = true;
        }
    }
}

int ncc_bands_choices(const struct graph *g, int node, const struct k210_options *options, struct arena *scratch,
                     struct band_choice *out, int max)
{
    struct choosing c = {.g = g, .options = options, .arena = scratch, .out = out, .max = max};
    c.node = NCC_NEW(scratch, struct node *, ncc_graph_n_nodes(g));
    for (struct node *n = g->first; n; n = n->next)
        c.node[c.n++] = n;
    memset(out, 0, (size_t)max * sizeof *out);
    for (int begin = node, tried = 0; begin >= 0 && tried < MAX_BEGINS; begin--)
        if (ncc_bands_possible(c.node[begin])) {
            grow(&c, begin, node);
            tried++;
        }
    try_entering(&c);
    return c.n_out;
}
