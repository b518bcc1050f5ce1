/* Resizing by a power of two, pixels set apart with zeros between them, or put together from blocks: what makes maps larger. enlarge.c does it by two,
 * as often as it takes, and moves codes unchanged. What is between the pixels of a bilinear resize is filtered out of that:
 *
 *     centres   by 2    1/4 1/2 1/4
 *               by 4    1/2  0  1/2, then 1/4 1/2 1/4: the mean of 4 neighbours, and of those moved by one
 *               by 8    1/2  0  1/2 behind the second and the third time, then 1/4 1/2 1/4
 *     corners           0   1/2 1/2 behind each time
 *
 * Beyond its edges the map goes on as at its edges, but a layer reads zeros there. As the enlarged map shows its first and last
 * pixel at least twice, what is missing is a share of the very pixel: of 1/4 1/2 1/4 the first output is 3/4 of what it
 * should be. So the edges of what was filtered are multiplied, by 4/3, or 2 where half is missing (edge_filter.c).
 *
 * To the nearest pixel by 2 n + 1 (of n) is by 2, of the small map with its first pixel there twice, but for one of the four.
 */
#include "compiler/k210/edge_filter.h"
#include "compiler/k210/enlarge.h"
#include "kpu/layout.h"

/* The window may end in front of the last pixels; where these are zeros, so is what is outside of it (but for channels
 * that are nobody's). And it begins behind the first ones where they were wanted three times and are
 * there four times. */
static struct value *cut(struct lowering *l, struct value *y, const struct shape *to, const struct enlarging *e)
{
    const bool zeros = e->between == ENLARGE_ZEROS && ncc_lower_is_full(y) && y->shape.dim[1] == to->dim[1];
    if (y->window.h == to->dim[2] && y->window.w == to->dim[3])
        return y;
    const struct kpu_recanvas_attrs a = {.canvas_h = y->shape.dim[2],
                                         .canvas_w = y->shape.dim[3],
                                         .top = y->window.top + e->first_row,
                                         .left = y->window.left + e->first_column,
                                         .h = to->dim[2],
                                         .w = to->dim[3],
                                         .outside = e->between != ENLARGE_ZEROS ? OUT_JUNK
                                                    : zeros                     ? OUT_ZERO
                                                                                : (int)y->window.outside};
    return NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, y->name, "window"), &a, y);
}

/* Columns behind the window cost something in the large map; rows do, too, but to lose them is a layer
 * for each group. */
static struct value *narrowed(struct lowering *l, struct value *x)
{
    int w = x->window.left + x->window.w;
    while (ncc_kpu_layout_of(w).pitch != ncc_kpu_layout_of(x->shape.dim[3]).pitch ||
           ncc_kpu_layout_of(w).row_lines != ncc_kpu_layout_of(x->shape.dim[3]).row_lines || w < NCC_KPU_MIN_W)
        w++;
    return ncc_lower_recanvas(l, x, x->shape.dim[2], w);
}

static const struct edge_filter
    centres_wide = {.tap = {0.5F, 0, 0.5F}}, centres_last = {.tap = {0.25F, 0.5F, 0.25F}}, corners = {.tap = {0, 0.5F, 0.5F}},
    centres_wide_edges = {.tap = {0, 1, 0}, .edge = 1, .front = true, .behind = true},
    centres_last_edges = {.tap = {0, 1, 0}, .edge = 1 / 3.0F, .front = true, .behind = true},
    corners_edge = {.tap = {0, 1, 0}, .edge = 1, .behind = true}, pixel = {.tap = {0, 1, 0}},
    first_again = {.tap = {1, 0, 0}, .edge = 1, .front = true, .more = true};

/* A map with its channels at slots. */
struct slotted {
    struct value *x;
    int n_channels, *slot;
    bool one_scale; /* what comes of it will have the same codes for all channels */
};

static bool filter(struct lowering *l, const struct node *n, struct slotted *m, const struct edge_filter *row,
                   const struct edge_filter *col, const struct act_chain *act, const char **why)
{
    const struct edge_filter_job j = {.name = n->name,
                                      .origin = n->origin ? n->origin : n->name,
                                      .x = m->x,
                                      .row = *row,
                                      .col = *col,
                                      .act = act ? *act : (struct act_chain){0},
                                      .tied = row->more || col->more,
                                      .one_scale = m->one_scale,
                                      .n_channels = m->n_channels,
                                      .slot = m->slot};
    int *to = NCC_NEW(l->g->arena, int, m->n_channels);
    m->x = ncc_lower_edge_filter(l, &j, to, why);
    m->slot = to;
    return m->x != NULL;
}

/* A filter and what its edges need, alike in both directions. */
static bool smooth(struct lowering *l, const struct node *n, struct slotted *m, const struct edge_filter *inside,
                   const struct edge_filter *edges, const struct act_chain *act, const char **why)
{
    return filter(l, n, m, inside, inside, NULL, why) && filter(l, n, m, edges, edges, act, why);
}

static bool twice(struct lowering *l, const struct node *n, struct slotted *m, enum enlarge between, const char **why)
{
    int *to = NCC_NEW(l->g->arena, int, m->x->shape.dim[1]);
    if (!(m->x = ncc_lower_enlarge(l, n->name, m->x, between, to, why)))
        return false;
    for (int i = 0; i < m->n_channels; i++)
        m->slot[i] = to[m->slot[i]];
    return true;
}

static bool enlarge(struct lowering *l, const struct node *n, struct slotted *m, const struct enlarging *e, const struct act_chain *act,
                    const char **why)
{
    if ((e->first_row || e->first_column) &&
        !filter(l, n, m, e->first_row ? &first_again : &pixel, e->first_column ? &first_again : &pixel, NULL, why))
        return false;
    for (int f = 2; f <= e->factor; f *= 2) {
        const bool last = f == e->factor;
        if (!twice(l, n, m, e->between, why))
            return false;
        if (e->smooth == SMOOTH_CORNERS && !smooth(l, n, m, &corners, &corners_edge, last ? act : NULL, why))
            return false;
        if (e->smooth == SMOOTH_CENTRES && f > 2 && !smooth(l, n, m, &centres_wide, &centres_wide_edges, NULL, why))
            return false;
    }
    return e->smooth != SMOOTH_CENTRES || smooth(l, n, m, &centres_last, &centres_last_edges, act, why);
}

/* The node's input, whose channels are at `at`; NULL: in order. */
static struct slotted slotted_at(struct lowering *l, const struct node *n, struct value *x, const int *at,
                                 const struct fused *f)
{
    struct slotted m = {.x = x, .n_channels = n->out[0]->shape.dim[1], .one_scale = ncc_lower_has_one_scale(f)};
    m.slot = NCC_NEW(l->g->arena, int, m.n_channels);
    for (int i = 0; i < m.n_channels; i++)
        m.slot[i] = at ? at[i] : i;
    return m;
}

struct task {
    const struct node *n;
    const struct enlarging *e;
    const struct fused *f;
    struct value *x;
    const int *at;
    struct slotted *result;
};

/* Where the input is; or, when that is a large canvas of which the map is a small part, by way of main memory on one that
 * holds no more than the map. */
static struct value *on_canvas(struct lowering *l, const void *task, int clean, const char **why)
{
    const struct task *t = task;
    struct value *x = clean ? ncc_lower_clean(l, t->n->in[0], 0, 0) : narrowed(l, t->x);
    if (!x)
        return NULL;
    struct slotted m = slotted_at(l, t->n, x, clean ? NULL : t->at, t->f);
    if (!enlarge(l, t->n, &m, t->e, &t->f->act, why))
        return NULL;
    *t->result = m;
    return m.x;
}

bool ncc_lower_op_enlarge(struct lowering *l, struct node *n, const char **why)
{
    if (l->options->short_of_ram) { /* its picks have many weights */
        *why = "its layers take RAM that the board does not have";
        return false;
    }
    const struct enlarging e = ncc_lower_enlarging(n);
    const int *at = NULL;
    const bool phases = e.between == ENLARGE_PHASES; /* they have to lie where they are counted */
    struct value *x = phases ? ncc_lower_canvas(l, n->in[0]) : ncc_lower_spread(l, n->in[0], &at);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    struct fused f = {.end = n->out[0]};
    if (e.smooth)
        f = ncc_lower_fuse(l, n, false);
    const struct task t = {n, &e, &f, x, at, NCC_NEW(l->g->arena, struct slotted, 1)};
    static const struct lower_way ways[] = {{on_canvas, false}, {on_canvas, true}};
    const bool only_here = phases || ncc_lower_is_full(x);
    if (!ncc_lower_cheapest(l, ways, only_here ? 1 : 2, &t, why))
        return false;
    struct slotted m = *t.result;
    m.x = cut(l, m.x, &n->out[0]->shape, &e);
    if (e.smooth) {
        f.slot = m.slot;
        ncc_lower_fused(l, n, &f, m.x);
    } else {
        ncc_lower_set_spread(l, n->out[0], m.x, m.slot);
    }
    return true;
}
