/* Which part of every value a piece computes: from its share of the results backwards, node by node. */
#include "compiler/k210/lower.h"
#include "compiler/k210/bands.h"
#include "kpu/layout.h"

#include <math.h>
#include <string.h>

/* Output i of a node reads its input at i * stride - before and the extent - 1 pixels behind that. */
struct reach {
    int stride, before, extent, kernel;
};

static struct reach reach_of(const struct node *n, int axis)
{
    const bool rows = axis == AXIS_ROWS;
    if (n->op == OP_conv2d) {
        const struct conv2d_attrs *a = n->attrs;
        const int k = n->in[1]->shape.dim[2 + axis], dil = rows ? a->dil_h : a->dil_w;
        return (struct reach){rows ? a->stride_h : a->stride_w, rows ? a->pad_top : a->pad_left, (k - 1) * dil + 1, k};
    }
    if (n->op == OP_max_pool || n->op == OP_avg_pool) {
        const struct pool_attrs *a = n->attrs;
        const int k = rows ? a->kernel_h : a->kernel_w;
        return (struct reach){rows ? a->stride_h : a->stride_w, rows ? a->pad_top : a->pad_left, k, k};
    }
    return (struct reach){1, 0, 1, 1};
}

static bool is_map(const struct value *v)
{
    return v->shape.rank == 4 && v->shape.dim[0] == 1 && v->dtype == DT_F32;
}

bool ncc_bands_is_map(const struct node *n, int i)
{
    const struct value *v = n->in[i];
    if (!v || v->data || v->shape.rank != 4)
        return false;
    const int *x = v->shape.dim, *y = n->out[0]->shape.dim;
    return n->op == OP_conv2d || n->op == OP_max_pool || n->op == OP_avg_pool || (x[2] == y[2] && x[3] == y[3]);
}

/* A constant that is the same for every pixel. */
static bool is_flat(const struct value *v)
{
    const int r = v->shape.rank;
    return (r < 1 || v->shape.dim[r - 1] == 1) && (r < 2 || v->shape.dim[r - 2] == 1);
}

static bool operands_possible(const struct node *n)
{
    bool some = false;
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] && n->in[i]->data ? !is_flat(n->in[i]) : !n->in[i] || !is_map(n->in[i]))
            return false;
        const bool map = ncc_bands_is_map(n, i);
        if (!map && !is_flat(n->in[i]))
            return false;
        some |= map;
    }
    return some;
}

/* Only channels are padded. */
static bool pads_channels(const struct node *n)
{
    const struct pad_attrs *a = n->attrs;
    return a->mode == PAD_CONSTANT && a->before.n == 4 && !a->before.v[2] && !a->before.v[3] && !a->after.v[2] &&
           !a->after.v[3];
}

/* Every output reads a pixel: a band of nothing but padding would have no input. */
static bool pads_less_than_kernel(const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    const int *k = n->in[1]->shape.dim, h = (k[2] - 1) * a->dil_h + 1, w = (k[3] - 1) * a->dil_w + 1;
    return a->pad_top < h && a->pad_bottom < h && a->pad_left < w && a->pad_right < w;
}

bool ncc_bands_possible(const struct node *n)
{
    if (n->barred || n->n_out != 1 || n->n_in < 1 || !n->in[0] || !is_map(n->out[0]))
        return false;
    const unsigned flags = ncc_op_desc(n->op)->flags;
    switch ((int)n->op) {
    case OP_conv2d:
        return is_map(n->in[0]) && !n->in[0]->data && ncc_is_const(n->in[1]) &&
               (n->n_in < 3 || !n->in[2] || n->in[2]->data) && pads_less_than_kernel(n);
    case OP_max_pool:
    case OP_avg_pool:
        return is_map(n->in[0]) && !n->in[0]->data;
    case OP_concat:
        return ((const struct concat_attrs *)n->attrs)->axis == 1 && operands_possible(n);
    case OP_pad:
        return pads_channels(n) && operands_possible(n);
    case OP_prelu:
        return operands_possible(n);
    default:
        return flags & (OP_UNARY | OP_BINARY) && operands_possible(n);
    }
}

/* ---- what is read ---- */

struct stretch ncc_bands_reached(const struct node *n, int axis, struct stretch out)
{
    const struct reach r = reach_of(n, axis);
    const int first = out.begin * r.stride - r.before;
    return (struct stretch){first, first + (out.end - out.begin - 1) * r.stride + r.extent};
}

struct stretch ncc_bands_needed(const struct node *n, int i, int axis, struct stretch out)
{
    const int size = n->in[i]->shape.dim[2 + axis];
    if (!ncc_bands_is_map(n, i))
        return (struct stretch){0, size};
    const struct stretch s = ncc_bands_reached(n, axis, out);
    return (struct stretch){s.begin < 0 ? 0 : s.begin, s.end > size ? size : s.end};
}

/* ---- the group ---- */

static bool needed_outside(const struct banding *t, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (!t->inside[u->node->out[0]->id])
            return true;
    return ncc_value_is_output(t->g, v);
}

void ncc_bands_open(struct banding *t, const struct graph *g, struct node **node, int n, struct arena *a)
{
    *t = (struct banding){.g = g, .n_ids = g->next_id, .arena = a, .node = node, .n = n};
    t->inside = NCC_NEW(a, bool, g->next_id);
    t->part = NCC_NEW(a, struct band_part, g->next_id);
    bool *seen = NCC_NEW(a, bool, g->next_id);
    for (int k = 0; k < n; k++)
        t->inside[node[k]->out[0]->id] = true;
    for (int k = 0; k < n; k++) {
        for (int i = 0; i < node[k]->n_in; i++) {
            struct value *v = node[k]->in[i];
            if (!v || v->data || t->inside[v->id] || seen[v->id])
                continue;
            seen[v->id] = true;
            NCC_PUSH(a, &t->enter, v);
        }
        if (needed_outside(t, node[k]->out[0]))
            NCC_PUSH(a, &t->leave, node[k]->out[0]);
    }
}

static void want(struct band_part *p, int axis, struct stretch s)
{
    if (!p->known || s.begin < p->of[axis].begin)
        p->of[axis].begin = s.begin;
    if (!p->known || s.end > p->of[axis].end)
        p->of[axis].end = s.end;
}

static void spread(struct banding *t)
{
    for (int k = t->n - 1; k >= 0; k--) {
        const struct node *n = t->node[k];
        const struct band_part *out = &t->part[n->out[0]->id];
        for (int i = 0; i < n->n_in; i++) {
            if (!n->in[i] || n->in[i]->data || n->in[i]->shape.rank != 4)
                continue;
            struct band_part *in = &t->part[n->in[i]->id];
            for (int axis = 0; axis < N_AXES; axis++)
                want(in, axis, ncc_bands_needed(n, i, axis, out->of[axis]));
            in->known = true;
        }
    }
}

/* ---- places on the canvas ---- */

/* How much of its input a layer has to take twice, or more often, since pixels do not stand where it wants them. */
static int copies(const struct reach *r)
{
    if (r->extent <= 3 || r->kernel == 1)
        return 1;
    return r->extent == r->kernel ? (r->kernel + 2) / 3 + 1 : r->kernel;
}

static int64_t part_bytes(const struct banding *t, const struct value *v)
{
    const struct band_part *p = &t->part[v->id];
    const int h = p->canvas[0] > NCC_KPU_MIN_H ? p->canvas[0] : NCC_KPU_MIN_H;
    const int w = p->canvas[1] > NCC_KPU_MIN_W ? p->canvas[1] : NCC_KPU_MIN_W;
    return ncc_kpu_bytes(v->shape.dim[1], h, w);
}

/* Where a node's result begins before its stride, on the canvas of an input. */
static int centre(const struct reach *r, const struct band_part *in, const struct band_part *out, int axis)
{
    return in->at[axis] + out->of[axis].begin * r->stride - r->before - in->of[axis].begin + (r->extent - 1) / 2;
}

/* Columns of stride 2 may be odd: there is a pick for these, but not for pools. */
static bool place_matters(const struct node *n, int axis)
{
    return axis == AXIS_ROWS || n->op != OP_conv2d || reach_of(n, axis).stride > 2;
}

/* Puts every value on its canvas; returns the weight of what stands badly. */
static double put(struct banding *t, int axis)
{
    double bad = 0;
    for (int i = 0; i < t->enter.n; i++) {
        struct band_part *p = &t->part[t->enter.v[i]->id];
        p->at[axis] = p->lead[axis];
        p->canvas[axis] = p->of[axis].end - p->of[axis].begin + p->lead[axis] + p->trail[axis];
    }
    for (int k = 0; k < t->n; k++) {
        const struct node *n = t->node[k];
        const struct reach r = reach_of(n, axis);
        struct band_part *out = &t->part[n->out[0]->id];
        bool first = true;
        for (int i = 0; i < n->n_in; i++) {
            if (!ncc_bands_is_map(n, i))
                continue;
            const struct band_part *in = &t->part[n->in[i]->id];
            const int at = centre(&r, in, out, axis);
            if (at % r.stride && place_matters(n, axis))
                bad += (double)part_bytes(t, n->in[i]);
            if (!first && (out->at[axis] != at / r.stride || out->canvas[axis] != in->canvas[axis] / r.stride))
                bad += 8 * (double)part_bytes(t, n->in[i]);
            if (first) {
                out->at[axis] = at / r.stride;
                out->canvas[axis] = in->canvas[axis] / r.stride;
            }
            first = false;
        }
    }
    return bad;
}

/* Leads up to the largest stride, and in columns up to a line more. */
enum { MAX_LEAD = 31, MAX_LEAD_COLS = MAX_LEAD + NCC_KPU_LINE_SIZE };

/* What a byte costs that the CPU copies to KPU RAM, where it might have gone by DMA, against one that a layer reads
 * twice. */
enum { COPIED_BYTE = 60 };

/* Columns behind the part that fill its last line, or 0: it is narrow, or the map ends before. */
static int fill_line(const struct value *v, const struct band_part *p, int lead)
{
    const int width = p->of[AXIS_COLS].end - p->of[AXIS_COLS].begin + lead;
    const int trail = (NCC_KPU_LINE_SIZE - width % NCC_KPU_LINE_SIZE) % NCC_KPU_LINE_SIZE;
    return width > NCC_KPU_LINE_SIZE / 2 && p->of[AXIS_COLS].end + trail <= v->shape.dim[3] ? trail : 0;
}

static double copied(const struct value *v, const struct band_part *p)
{
    const int width = p->of[AXIS_COLS].end - p->of[AXIS_COLS].begin + p->lead[AXIS_COLS] + p->trail[AXIS_COLS];
    const double bytes = (double)v->shape.dim[1] * (p->of[AXIS_ROWS].end - p->of[AXIS_ROWS].begin) * width;
    return width % NCC_KPU_LINE_SIZE ? COPIED_BYTE * bytes : 0;
}

/* What a lead leaves to be done; or, when that is at least `enough`, something that is too. */
static double with_lead(struct banding *t, const struct value *v, int axis, int lead, double enough)
{
    struct band_part *p = &t->part[v->id];
    p->lead[axis] = lead;
    p->trail[axis] = axis == AXIS_COLS ? fill_line(v, p, lead) : 0;
    const double copies = axis == AXIS_COLS ? copied(v, p) : 0;
    return copies >= enough ? copies : copies + put(t, axis);
}

/* The lead of a value that enters: the shortest of those that leave least to be done. */
static void choose_lead(struct banding *t, const struct value *v, int axis)
{
    const struct band_part *p = &t->part[v->id];
    const int max = axis == AXIS_COLS ? MAX_LEAD_COLS : MAX_LEAD;
    double least = with_lead(t, v, axis, 0, INFINITY);
    int best = 0;
    for (int lead = 1; lead <= max && lead <= p->of[axis].begin && least > 0; lead++) {
        const double bad = with_lead(t, v, axis, lead, least);
        if (bad < least) {
            least = bad;
            best = lead;
        }
    }
    with_lead(t, v, axis, best, INFINITY);
}

static void choose_leads(struct banding *t)
{
    for (int axis = 0; axis < N_AXES; axis++)
        for (int i = 0; i < t->enter.n; i++)
            if (t->enter.v[i]->shape.rank == 4)
                choose_lead(t, t->enter.v[i], axis);
}

struct stretch ncc_bands_share(const struct banding *t, const struct value *v, int axis, int row, int col)
{
    const int64_t size = v->shape.dim[2 + axis], i = axis == AXIS_ROWS ? row : col,
                  count = axis == AXIS_ROWS ? t->rows : t->cols;
    return (struct stretch){(int)(size * i / count), (int)(size * (i + 1) / count)};
}

bool ncc_bands_regions(struct banding *t, int row, int col)
{
    memset(t->part, 0, (size_t)t->n_ids * sizeof *t->part);
    for (int i = 0; i < t->leave.n; i++) {
        const struct value *v = t->leave.v[i];
        struct band_part *p = &t->part[v->id];
        for (int axis = 0; axis < N_AXES; axis++) {
            p->of[axis] = ncc_bands_share(t, v, axis, row, col);
            if (p->of[axis].begin == p->of[axis].end)
                return false;
        }
        p->known = true;
    }
    spread(t);
    choose_leads(t);
    return true;
}

/* ---- memory ---- */

/* Does the only reader of n's result ride in n's layer? */
static const struct node *rider(const struct banding *t, const struct node *n)
{
    const struct node *next = ncc_value_only_use(t->g, n->out[0]);
    if (!next || !t->inside[next->out[0]->id] || n->op == OP_concat)
        return NULL;
    const bool unary = ncc_op_desc(next->op)->flags & OP_UNARY;
    const bool pool = n->op == OP_conv2d && ncc_lower_pool_is_one(next);
    return unary || pool ? next : NULL;
}

/* Bytes that the layer of n reads beside its input: shifted copies of it. */
static int64_t copied_bytes(const struct banding *t, const struct node *n)
{
    int count = 1;
    for (int axis = 0; axis < N_AXES; axis++) {
        const struct reach r = reach_of(n, axis);
        const bool odd = n->op == OP_conv2d && place_matters(n, axis) && r.extent > 1 &&
                         centre(&r, &t->part[n->in[0]->id], &t->part[n->out[0]->id], axis) % r.stride;
        count *= copies(&r) + odd;
    }
    return n->op == OP_conv2d && count > 1 ? count * part_bytes(t, n->in[0]) : 0;
}

int64_t ncc_bands_bytes(const struct banding *t)
{
    const struct arena_mark before = ncc_arena_mark(t->arena);
    int *last = NCC_NEW(t->arena, int, t->n_ids); /* by value id: the last reader, plus one */
    bool *rides = NCC_NEW(t->arena, bool, t->n);
    for (int k = 0; k < t->n; k++) {
        const struct node *n = t->node[k], *next = rider(t, n);
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i])
                last[n->in[i]->id] = k + 1;
        for (int j = k + 1; next && j < t->n; j++)
            rides[j] |= t->node[j] == next;
    }
    int64_t live = 0, most = 0;
    for (int k = 0; k < t->n; k++) {
        const struct node *n = t->node[k];
        for (int i = 0; i < n->n_in; i++) { /* what enters is uploaded when it is first read */
            if (n->in[i] && !n->in[i]->data && n->in[i]->shape.rank == 4 && !t->inside[n->in[i]->id] &&
                last[n->in[i]->id] > 0) {
                live += part_bytes(t, n->in[i]);
                last[n->in[i]->id] = -last[n->in[i]->id]; /* negative: it is there */
            }
        }
        if (rides[k])
            live -= n->op == OP_concat ? 0 : part_bytes(t, n->in[0]); /* was counted with the layer before */
        if (n->op != OP_concat)
            live += part_bytes(t, n->out[0]);
        const struct node *next = rider(t, n);
        const bool shrinks = next && !(ncc_op_desc(next->op)->flags & OP_UNARY);
        const int64_t now = live + copied_bytes(t, n) - (shrinks ? part_bytes(t, n->out[0]) - part_bytes(t, next->out[0]) : 0);
        most = now > most ? now : most;
        if (last[n->out[0]->id] == 0) /* only needed outside, where it has gone already */
            live -= part_bytes(t, n->out[0]);
        for (int i = 0; i < n->n_in && n->op != OP_concat; i++) {
            const struct value *v = n->in[i];
            bool again = !v || v->data || v->shape.rank != 4 || (last[v->id] != k + 1 && last[v->id] != -(k + 1));
            for (int j = 0; j < i; j++)
                again |= n->in[j] == v;
            if (!again && !rides[k])
                live -= part_bytes(t, v);
        }
    }
    ncc_arena_rewind(t->arena, &before);
    return most;
}
