/* The rewrite: one copy of the group for each piece, slices in front, concats behind. */
#include "compiler/k210/bands.h"

#include "compiler/ops/attrs.h"

#include <stdio.h>

struct builder {
    struct banding t;
    struct graph *g;
    struct value **made;  /* by value id: the present piece */
    struct value **piece; /* [leaving value][row][col] */
    const char *suffix;
    bool enter_in_kpu;
};

/* ---- order: what the group needs, the group, what needs it ---- */

static bool reads_any(const struct node *n, const bool *of)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && of[n->in[i]->id])
            return true;
    return false;
}

static void bring_together(struct builder *b, struct arena *a)
{
    bool *behind = NCC_NEW(a, bool, b->g->next_id);
    struct node *const first = b->t.node[0];
    bool passed = false;
    for (struct node *n = b->g->first, *next; n; n = next) {
        next = n->next;
        passed |= n == first;
        const bool member = b->t.inside[n->out[0]->id];
        if (!passed || member)
            continue;
        if (reads_any(n, behind) || reads_any(n, b->t.inside)) {
            for (int i = 0; i < n->n_out; i++)
                behind[n->out[i]->id] = true;
        } else {
            ncc_node_move_before(b->g, n, first);
        }
    }
    b->g->cursor = first;
}

/* ---- pieces ---- */

static int length(struct stretch s)
{
    return s.end - s.begin;
}

/* `why` keeps it on the CPU; NULL: on the KPU it takes nothing. */
static struct value *cut(struct builder *b, struct value *v, struct stretch rows, struct stretch cols, const char *why,
                         const char *suffix)
{
    const int *d = v->shape.dim;
    if (length(rows) == d[2] && length(cols) == d[3])
        return v;
    const struct slice_attrs a = {.begin = {4, {0, 0, rows.begin, cols.begin}},
                                  .size = {4, {1, d[1], length(rows), length(cols)}},
                                  .stride = {4, {1, 1, 1, 1}}};
    struct node *n = ncc_node_new(b->g, OP_slice, ncc_name(b->g, v->name, suffix), &a, &v, 1);
    n->barred = why != NULL;
    n->reason = why;
    return n->out[0];
}

static struct stretch widened(const struct band_part *p, int axis)
{
    return (struct stretch){p->of[axis].begin - p->lead[axis], p->of[axis].end + p->trail[axis]};
}

/* A value from outside: its part with lead and trail, of which these are cut off again, for nothing, on the canvas. */
static struct value *entered(struct builder *b, struct value *v)
{
    const struct band_part *p = &b->t.part[v->id];
    if (v->shape.rank != 4)
        return v;
    struct value *wide = cut(b, v, widened(p, AXIS_ROWS), widened(p, AXIS_COLS),
                             b->enter_in_kpu ? NULL : "a band of a large map enters through main memory", b->suffix);
    if (wide != v && b->enter_in_kpu)
        wide->def->apart = true;
    const struct stretch rows = {p->lead[0], p->lead[0] + length(p->of[0])};
    const struct stretch cols = {p->lead[1], p->lead[1] + length(p->of[1])};
    return cut(b, wide, rows, cols, NULL, "even");
}

static struct value *input_of(struct builder *b, const struct node *n, int i)
{
    struct value *v = n->in[i];
    if (!v || v->data || v->shape.rank != 4)
        return v;
    const struct band_part *p = &b->t.part[v->id], *out = &b->t.part[n->out[0]->id];
    struct stretch s[N_AXES];
    for (int axis = 0; axis < N_AXES; axis++) {
        s[axis] = ncc_bands_needed(n, i, axis, out->of[axis]);
        s[axis].begin -= p->of[axis].begin;
        s[axis].end -= p->of[axis].begin;
    }
    return cut(b, b->made[v->id], s[0], s[1], NULL, "part");
}

/* Padding is what sticks out of the whole map. */
static const void *padded(const struct builder *b, const struct node *n, void *room)
{
    int before[N_AXES], after[N_AXES];
    for (int axis = 0; axis < N_AXES; axis++) {
        const struct stretch s = ncc_bands_reached(n, axis, b->t.part[n->out[0]->id].of[axis]);
        const int size = n->in[0]->shape.dim[2 + axis];
        before[axis] = s.begin < 0 ? -s.begin : 0;
        after[axis] = s.end > size ? s.end - size : 0;
    }
    if (n->op == OP_conv2d) {
        struct conv2d_attrs *a = room;
        *a = *(const struct conv2d_attrs *)n->attrs;
        a->pad_top = before[0];
        a->pad_left = before[1];
        a->pad_bottom = after[0];
        a->pad_right = after[1];
        return a;
    }
    if (n->op == OP_max_pool || n->op == OP_avg_pool) {
        struct pool_attrs *a = room;
        *a = *(const struct pool_attrs *)n->attrs;
        a->pad_top = before[0];
        a->pad_left = before[1];
        a->pad_bottom = after[0];
        a->pad_right = after[1];
        return a;
    }
    return n->attrs;
}

static void build_node(struct builder *b, const struct node *n)
{
    union {
        struct conv2d_attrs conv;
        struct pool_attrs pool;
    } room;
    struct value **in = NCC_NEW(b->g->arena, struct value *, n->n_in);
    for (int i = 0; i < n->n_in; i++)
        in[i] = input_of(b, n, i);
    struct node *piece =
        ncc_node_new(b->g, n->op, ncc_name(b->g, n->name, b->suffix), padded(b, n, &room), in, n->n_in);
    piece->origin = n->origin ? n->origin : n->name;
    const struct value *whole = n->out[0];
    piece->out[0]->range = whole->range;
    piece->out[0]->family = whole->family ? whole->family : whole->id + 1;
    b->made[whole->id] = piece->out[0];
}

static struct value *leaving(struct builder *b, const struct value *v, int row, int col)
{
    struct stretch s[N_AXES];
    for (int axis = 0; axis < N_AXES; axis++) {
        s[axis] = ncc_bands_share(&b->t, v, axis, row, col);
        s[axis].begin -= b->t.part[v->id].of[axis].begin;
        s[axis].end -= b->t.part[v->id].of[axis].begin;
    }
    return cut(b, b->made[v->id], s[0], s[1], NULL, "share");
}

static void build_piece(struct builder *b, int row, int col)
{
    struct banding *t = &b->t;
    char suffix[40];
    snprintf(suffix, sizeof suffix, t->cols > 1 ? "band%d.%d" : "band%d", row, col);
    b->suffix = ncc_arena_printf(b->g->arena, "%s", suffix);
    ncc_bands_regions(t, row, col);
    for (int i = 0; i < t->enter.n; i++)
        b->made[t->enter.v[i]->id] = entered(b, t->enter.v[i]);
    for (int k = 0; k < t->n; k++)
        build_node(b, t->node[k]);
    for (int i = 0; i < t->leave.n; i++)
        b->piece[(i * t->rows + row) * t->cols + col] = leaving(b, t->leave.v[i], row, col);
}

/* ---- putting together ---- */

static struct value *beside(struct builder *b, struct value *const *v, int n, int axis, const struct value *whole,
                            bool in_main, const char *suffix)
{
    if (n == 1)
        return v[0];
    const struct concat_attrs a = {axis};
    struct node *join = ncc_node_new(b->g, OP_concat, ncc_name(b->g, whole->name, suffix), &a, v, n);
    if (in_main) {
        join->barred = true;
        join->reason = "bands are put together in main memory";
    }
    return join->out[0];
}

static struct value *whole_of(struct builder *b, int i, bool in_main)
{
    const struct banding *t = &b->t;
    struct value *const whole = t->leave.v[i];
    struct value **column = NCC_NEW(b->g->arena, struct value *, t->cols);
    struct value **row = NCC_NEW(b->g->arena, struct value *, t->rows);
    for (int c = 0; c < t->cols; c++) {
        for (int r = 0; r < t->rows; r++)
            row[r] = b->piece[(i * t->rows + r) * t->cols + c];
        column[c] = beside(b, row, t->rows, 2, whole, in_main, "rows");
    }
    return beside(b, column, t->cols, 3, whole, in_main, "columns");
}

void ncc_bands_apply(struct graph *g, const struct band_choice *choice)
{
    struct arena *a = g->arena;
    struct builder b = {.g = g, .made = NCC_NEW(a, struct value *, g->next_id), .enter_in_kpu = choice->enter_in_kpu};
    struct node **node = NCC_NEW(a, struct node *, choice->n);
    int place = 0, n = 0;
    for (struct node *k = g->first; k && n < choice->n; k = k->next, place++)
        if (place == choice->node[n])
            node[n++] = k;
    ncc_bands_open(&b.t, g, node, n, a);
    b.t.rows = choice->rows;
    b.t.cols = choice->cols;
    b.piece = NCC_NEW(a, struct value *, (size_t)b.t.leave.n * choice->rows * choice->cols);
    bring_together(&b, a);
    for (int r = 0; r < choice->rows; r++)
        for (int c = 0; c < choice->cols; c++)
            build_piece(&b, r, c);
    for (int i = 0; i < b.t.leave.n; i++)
        ncc_value_replace(g, b.t.leave.v[i], whole_of(&b, i, choice->join_in_main));
    g->cursor = NULL;
    ncc_graph_sweep(g);
}
