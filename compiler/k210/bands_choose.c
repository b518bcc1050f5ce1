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
    struct {
        struct band_choice *v;
        int n, cap;
    } found;
};

/* ---- what came into question ---- */

static void keep(struct choosing *c, struct band_choice choice, const int *node)
{
    choice.node = NCC_NEW(c->arena, int, choice.n);
    memcpy(choice.node, node, (size_t)choice.n * sizeof *node);
    NCC_PUSH(c->arena, &c->found, choice);
}

/* Sorts by time, of equals what was found first, and keeps at most n. */
static void keep_best(struct choosing *c, int n)
{
    struct band_choice *v = c->found.v;
    for (int i = 1; i < c->found.n; i++) {
        const struct band_choice one = v[i];
        int at = i;
        for (; at > 0 && v[at - 1].us > one.us; at--)
            v[at] = v[at - 1];
        v[at] = one;
    }
    c->found.n = c->found.n < n ? c->found.n : n;
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

/* What pieces of a group need, by the number of rows: found when it is first asked for. */
struct needs {
    bool known[MAX_ROWS + 1];
    int64_t bytes[MAX_ROWS + 1]; /* as largest_piece says */
};

static int64_t need_of(struct needs *n, struct banding *t)
{
    if (!n->known[t->rows]) {
        n->known[t->rows] = true;
        n->bytes[t->rows] = largest_piece(t);
    }
    return n->bytes[t->rows];
}

/* The fewest rows with which a piece, and what is kept beside it, fits. */
static void choose_rows(struct choosing *c, struct banding *t, struct needs *needs, const int *node, bool join_in_main,
                        bool enter_in_kpu)
{
    const int64_t room = NCC_KPU_RAM_SIZE - (join_in_main ? 0 : whole_bytes(t->leave.v, t->leave.n)) -
                         (enter_in_kpu ? whole_bytes(t->enter.v, t->enter.n) : 0);
    for (t->rows = 1; t->rows <= MAX_ROWS; t->rows++) {
        const int64_t bytes = need_of(needs, t);
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
    struct needs needs = {0};
    choose_rows(c, &t, &needs, place, true, false);
    if (t.cols == 1)
        choose_rows(c, &t, &needs, place, false, false);
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
static void add_entering(struct choosing *c)
{
    for (int i = 0, n = c->found.n; i < n; i++) {
        const struct band_choice best = c->found.v[i];
        struct banding t;
        struct node **node = NCC_NEW(c->arena, struct node *, best.n);
        for (int k = 0; k < best.n; k++)
            node[k] = c->node[best.node[k]];
        ncc_bands_open(&t, c->g, node, best.n, c->arena);
        t.cols = 1;
        if (best.cols == 1 && made_here(&t))
            choose_rows(c, &t, &(struct needs){0}, best.node, best.join_in_main, true);
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

static void find(struct choosing *c, int node, int max)
{
    for (int begin = node, tried = 0; begin >= 0 && tried < MAX_BEGINS; begin--)
        if (ncc_bands_possible(c->node[begin])) {
            grow(c, begin, node);
            tried++;
        }
    if (c->found.n > max)
        ncc_bands_time_near(c->g, c->options, c->arena, c->found.v, c->found.n);
    keep_best(c, max);
    add_entering(c);
    if (c->found.n > max)
        ncc_bands_time_near(c->g, c->options, c->arena, c->found.v, c->found.n);
    keep_best(c, max);
    ncc_bands_time(c->g, c->options, c->arena, c->found.v, c->found.n);
    keep_best(c, max);
}

int ncc_bands_choices(const struct graph *g, int node, const struct k210_options *options, struct arena *scratch,
                      struct band_choice *out, int max)
{
    struct choosing c = {.g = g, .options = options, .arena = scratch};
    const int n_nodes = ncc_graph_n_nodes(g);
    for (int i = 0; i < max; i++)
        out[i] = (struct band_choice){.node = NCC_NEW(scratch, int, n_nodes)};
    const struct arena_mark before = ncc_arena_mark(scratch);
    c.node = NCC_NEW(scratch, struct node *, n_nodes);
    for (struct node *n = g->first; n; n = n->next)
        c.node[c.n++] = n;
    find(&c, node, max);
    for (int i = 0; i < c.found.n; i++) {
        int *nodes = out[i].node;
        memcpy(nodes, c.found.v[i].node, (size_t)c.found.v[i].n * sizeof *nodes);
        out[i] = c.found.v[i];
        out[i].node = nodes;
    }
    ncc_arena_rewind(scratch, &before);
    return c.found.n;
}
