/* Canvases of another size: declared, where no address moves; else the map is written again, or made again. */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <stdio.h>
#include <string.h>

/* Does the canvas lose nothing but what is outside of the window? Then what is left keeps its promise. */
static bool shrinks(const struct value *x, int h, int w)
{
    return h <= x->shape.dim[2] && w <= x->shape.dim[3];
}

struct value *ncc_lower_recanvas(struct lowering *l, struct value *x, int h, int w)
{
    if (x->shape.dim[2] == h && x->shape.dim[3] == w)
        return x;
    const struct kpu_recanvas_attrs r = {.canvas_h = h,
                                         .canvas_w = w,
                                         .top = x->window.top,
                                         .left = x->window.left,
                                         .h = x->window.h,
                                         .w = x->window.w,
                                         .outside = shrinks(x, h, w) ? (int)x->window.outside : OUT_JUNK};
    return NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, x->name, "canvas"), &r, x);
}

/* The depthwise layer behind x restricted to channels c0 .. c0 + n - 1, reading its own slice of its input: so that
 * a map can be written in pieces without another pass over it. */
static struct value *depthwise_part(struct lowering *l, const struct node *dw, int c0, int n)
{
    const struct kpu_slice_attrs s = {c0, n};
    char suffix[32];
    snprintf(suffix, sizeof suffix, "c%d", c0);
    const char *name = ncc_name(l->g, dw->name, suffix);
    const int w_shape[4] = {n, 1, 3, 3}, b_shape[1] = {n};
    struct value *x = NCC_OP(l->g, OP_kpu_slice, ncc_name(l->g, name, "in"), &s, dw->in[0]);
    struct value *w = ncc_const(l->g, ncc_name(l->g, name, "w"), DT_F32, ncc_shape_make(4, w_shape),
                                (const float *)dw->in[1]->data + (size_t)c0 * 9);
    struct value *b = ncc_const(l->g, ncc_name(l->g, name, "b"), DT_F32, ncc_shape_make(1, b_shape),
                                (const float *)dw->in[2]->data + c0);
    struct node *part = ncc_node_new(l->g, OP_kpu_conv, name, dw->attrs, (struct value *[]){x, w, b}, 3);
    part->origin = dw->origin;
    part->out[0]->range = dw->out[0]->range;
    return part->out[0];
}

static bool is_depthwise_layer(const struct value *x)
{
    if (!x->def || x->def->op != OP_kpu_conv)
        return false;
    const struct kpu_conv_attrs *k = x->def->attrs;
    return k->depthwise && k->kernel == 3 && !x->uses;
}

/* ---- more rows ----
 *
 * Channel groups lie row_lines * H lines apart, so a map of several groups gets more rows only by being written again:
 * group by group, a copy for each into the larger map; or many groups at a time. For that the lines are declared as
 * maps of q lines with 64 columns, q a divisor of the new distance: then pieces of groups are channels, and a layer
 * with one-hot weights sets them apart.
 *
 *     4 rows, 8 wanted, q = 4      | g0 | g1 | g2 |       ->    | g0 | g0 | g1 | g1 | g2 | g2 |
 *
 * Where q does not divide the old distance, only every p-th group begins where a piece does. p layers then take a class
 * of groups each, and the groups come in another order:
 *
 *     7 rows, 8 wanted, q = 4, p = 4      g0 g4 g8 ..  g1 g5 ..  g2 g6 ..  g3 g7 ..
 */

struct growth {
    struct value *x;
    int h; /* rows that are wanted */
    /* Where the channels are in the end, NULL: where they are counted. No pointer: no other order will do. */
    int **slot;
};

static int n_groups(const struct growth *job)
{
    return ncc_kpu_groups(job->x->shape.dim[1], job->x->shape.dim[3]);
}

static int lines_of(const struct growth *job, int h)
{
    return ncc_kpu_layout_of(job->x->shape.dim[3]).row_lines * h;
}

static struct value *one_group(struct lowering *l, const struct growth *job, int i)
{
    const int c = job->x->shape.dim[1], group = ncc_kpu_layout_of(job->x->shape.dim[3]).group;
    const struct kpu_slice_attrs s = {i * group, c - i * group < group ? c - i * group : group};
    struct value *part = NCC_OP(l->g, OP_kpu_slice, ncc_name(l->g, job->x->name, "part"), &s, job->x);
    return ncc_lower_recanvas(l, ncc_lower_shift(l, part, 0, 0), job->h, job->x->shape.dim[3]);
}

static struct value *by_groups(struct lowering *l, const void *growth, int unused, const char **why)
{
    (void)unused, (void)why;
    const struct growth *job = growth;
    const int c = job->x->shape.dim[1], w = job->x->shape.dim[3], group = ncc_kpu_layout_of(w).group, n = n_groups(job);
    struct value **part = NCC_NEW(l->g->arena, struct value *, n);
    const struct node *dw = is_depthwise_layer(job->x) ? job->x->def : NULL;
    for (int i = 0; i < n; i++) {
        const int count = c - i * group < group ? c - i * group : group;
        part[i] = dw ? ncc_lower_recanvas(l, depthwise_part(l, dw, i * group, count), job->h, w) : one_group(l, job, i);
    }
    if (job->slot)
        *job->slot = NULL;
    return ncc_op(l->g, OP_kpu_concat, ncc_name(l->g, job->x->name, "grown"), NULL, part, n);
}

static int common_divisor(int a, int b)
{
    return b ? common_divisor(b, a % b) : a;
}

/* The q with the fewest classes, and of these the largest. 0: there is none. */
static int best_piece(const struct growth *job, int *classes)
{
    const int from = lines_of(job, job->x->shape.dim[2]), to = lines_of(job, job->h);
    int best = 0;
    for (int q = to < NCC_KPU_MAX_H ? to : NCC_KPU_MAX_H; q >= NCC_KPU_MIN_H; q--)
        if (to % q == 0 && (!best || q / common_divisor(q, from) < *classes)) {
            best = q;
            *classes = q / common_divisor(q, from);
        }
    return best && (*classes == 1 || job->slot) ? best : 0;
}

/* Groups first, first + step ... of which there are n, in pieces of q lines: the same groups, further apart. */
static struct value *set_apart(struct lowering *l, const struct growth *job, int q, int first, int step, int n,
                               const char **why)
{
    struct value *x = job->x;
    const int from = lines_of(job, x->shape.dim[2]), to = lines_of(job, job->h) / q, pieces = (from + q - 1) / q;
    const struct kpu_view_attrs lines = {.line = first * from,
                                         .c = (n - 1) * (step * from / q) + pieces,
                                         .canvas_h = q,
                                         .canvas_w = NCC_KPU_LINE_SIZE,
                                         .h = q,
                                         .w = NCC_KPU_LINE_SIZE};
    if (lines.c > NCC_KPU_MAX_C || n * to > NCC_KPU_MAX_C) {
        *why = "so many lines are not the channels of one layer";
        return NULL;
    }
    struct conv_job j =
        ncc_lower_pointwise_job(ncc_name(l->g, x->name, "apart"), NULL,
                                NCC_OP(l->g, OP_kpu_view, ncc_name(l->g, x->name, "lines"), &lines, x), n * to);
    float *w = ncc_lower_weights(l, (size_t)j.out_c * (size_t)lines.c);
    for (int i = 0; i < n && !l->trying; i++)
        for (int k = 0; k < to; k++) /* what is new repeats the last piece */
            w[(size_t)(i * to + k) * (size_t)lines.c +
              (size_t)(i * (step * from / q) + (k < pieces ? k : pieces - 1))] = 1;
    j.w = w;
    j.copy = true;
    struct value *y = ncc_lower_conv_as_is(l, &j, why);
    const struct window *win = &x->window;
    const int group = ncc_kpu_layout_of(x->shape.dim[3]).group, c = x->shape.dim[1] - first * group;
    const struct kpu_view_attrs grown = {.c = step == 1 && c < n * group ? c : n * group,
                                         .canvas_h = job->h,
                                         .canvas_w = x->shape.dim[3],
                                         .top = win->top,
                                         .left = win->left,
                                         .h = win->h,
                                         .w = win->w,
                                         .outside = OUT_JUNK};
    return y ? NCC_OP(l->g, OP_kpu_view, ncc_name(l->g, x->name, "grown"), &grown, y) : NULL;
}

/* A layer is quadratic in its channels: `most` groups of a class at a time. */
static struct value *by_classes(struct lowering *l, const void *growth, int most, const char **why)
{
    const struct growth *job = growth;
    const int group = ncc_kpu_layout_of(job->x->shape.dim[3]).group, from = lines_of(job, job->x->shape.dim[2]);
    const int c = job->x->shape.dim[1], all = n_groups(job);
    int classes, n = 0, at = 0;
    const int q = best_piece(job, &classes);
    if (!q)
        return NULL;
    struct value **part = NCC_NEW(l->g->arena, struct value *, all);
    int *place = NCC_NEW(l->g->arena, int, all);                      /* by group */
    const int beyond = (from + q - 1) / q * q > from ? all - 1 : all; /* the last group's pieces end behind the map */
    for (int k = 0; k < classes; k++)
        for (int first = k; first < beyond; first += most * classes) {
            const int left = (beyond - first + classes - 1) / classes, count = left < most ? left : most;
            for (int i = 0; i < count; i++)
                place[first + i * classes] = at++;
            if (!(part[n++] = set_apart(l, job, q, first, classes, count, why)))
                return NULL;
        }
    if (beyond < all) {
        place[beyond] = at;
        part[n++] = one_group(l, job, beyond);
    }
    if (job->slot)
        *job->slot = classes > 1 ? NCC_NEW(l->g->arena, int, c) : NULL;
    for (int i = 0; i < c && classes > 1; i++)
        (*job->slot)[i] = place[i / group] * group + i % group;
    return ncc_op(l->g, OP_kpu_concat, ncc_name(l->g, job->x->name, "grown"), NULL, part, n);
}

static struct value *more_rows(struct lowering *l, const struct growth *job)
{
    enum { LEAST = 4, MAX_WAYS = 10 };
    struct lower_way ways[MAX_WAYS] = {{by_groups, 0}, {by_classes, n_groups(job)}};
    int n = 2;
    for (int most = LEAST; most < n_groups(job) && n < MAX_WAYS; most *= 2)
        ways[n++] = (struct lower_way){by_classes, most};
    const char *why = NULL;
    return ncc_lower_cheapest(l, ways, n, job, &why);
}

static struct value *grown(struct lowering *l, struct value *x, int h, int w, int **slot)
{
    const struct ncc_kpu_layout from = ncc_kpu_layout_of(x->shape.dim[3]), to = ncc_kpu_layout_of(w);
    if (h > NCC_KPU_MAX_H || w > NCC_KPU_MAX_W || from.group != to.group || from.row_lines != to.row_lines)
        return NULL;
    if (h > x->shape.dim[2] && ncc_kpu_groups(x->shape.dim[1], x->shape.dim[3]) > 1)
        x = more_rows(l, &(struct growth){x, h, slot});
    return x ? ncc_lower_recanvas(l, x, h, w) : NULL;
}

struct value *ncc_lower_grow(struct lowering *l, struct value *x, int h, int w)
{
    return grown(l, x, h, w, NULL);
}

struct value *ncc_lower_grow_spread(struct lowering *l, struct value *x, int h, int w, const int **slot)
{
    int *at = NULL;
    struct value *y = grown(l, x, h, w, &at);
    *slot = at;
    return y;
}

/* ---- the same layers on a larger canvas ---- */

static bool is_pointwise_layer(const struct value *x)
{
    if (!x->def || x->def->op != OP_kpu_conv)
        return false;
    const struct kpu_conv_attrs *k = x->def->attrs;
    return k->kernel == 1 && !k->pool && !k->copy && !k->tied;
}

/* The layer on another canvas, where channel c of what it read lies at slot[c], or (NULL) where it is counted. */
static struct value *layer_on(struct lowering *l, const struct node *n, struct value *x, const int *slot)
{
    const int *d = n->in[1]->shape.dim;
    const float *w = ncc_lower_slotted(l, n->in[1]->data, d[0], 1, d[1], slot, x->shape.dim[1]);
    struct value *weights = slot ? ncc_const(l->g, ncc_name(l->g, n->in[1]->name, "larger"), DT_F32,
                                             ncc_shape_4(d[0], x->shape.dim[1], 1, 1), w)
                                 : n->in[1];
    struct kpu_conv_attrs k = *(const struct kpu_conv_attrs *)n->attrs;
    k.outside = OUT_JUNK;
    struct node *y = ncc_node_new(l->g, OP_kpu_conv, ncc_name(l->g, n->name, "larger"), &k,
                                  (struct value *[]){x, weights, n->in[2]}, 3);
    y->origin = n->origin;
    y->on_kpu = true;
    y->out[0]->range = n->out[0]->range;
    return y->out[0];
}

struct value *ncc_lower_made_again(struct lowering *l, struct value *x, int h, int w)
{
    const bool several = x->def && x->def->op == OP_kpu_concat;
    const int n = several ? x->def->n_in : 1;
    struct value *const *part = several ? x->def->in : &x;
    for (int i = 0; i < n; i++)
        if (!is_pointwise_layer(part[i]) || part[i]->def->in[0] != part[0]->def->in[0])
            return NULL;
    const int *slot;
    struct value *from = ncc_lower_grow_spread(l, part[0]->def->in[0], h, w, &slot);
    struct value **y = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; from && i < n; i++)
        y[i] = layer_on(l, part[i]->def, from, slot);
    return from ? ncc_lower_beside(l, y, n, ncc_name(l->g, x->name, "larger")) : NULL;
}
