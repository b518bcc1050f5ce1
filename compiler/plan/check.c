/* Replays a plan, step by step, over a map of both memories that says who wrote each byte last.
 *
 * Nothing of the planner is used: not its buffers, not its lifetimes, only value->addr and the peaks. Bytes that are
 * always written and read together are one cell of the map: cells begin wherever a value begins or ends.
 *
 * What a value should find in its bytes is a list of pieces. A value that a node writes is one piece, itself; a view
 * has the pieces of what it shows, and a concat that copies nothing those of its inputs, one after another.
 */
#include "compiler/plan/plan.h"

#include "compiler/ops/attrs.h"
#include "compiler/ops/slice.h"
#include "kpu/layout.h"

#include <stdlib.h>

enum { MAX_REPORTS = 20, NOBODY = -1 };

struct piece {
    const struct value *writer;
    int64_t from; /* offset in the writer */
    int64_t at;   /* offset in the value that has this piece */
    int64_t size;
};

struct pieces {
    struct piece *v;
    int n, cap;
};

struct map {
    int64_t *edge; /* cell i holds the bytes edge[i] .. edge[i + 1] - 1 */
    int *writer;   /* by cell: id of the value that wrote it last */
    int n_edges;
};

struct check {
    const struct graph *g;
    const struct plan *plan;
    struct arena *arena;
    const struct value **value; /* by id; NULL: a constant, or none */
    struct pieces *pieces;      /* by id */
    bool *part;                 /* by id: lies inside a concat, where it need not be aligned to 8 bytes */
    struct map map[2];          /* by enum memory */
    int n_reports;
};

/* ---- reports ---- */

static void fail(struct check *c, const struct node *n, const struct value *v, const char *what)
{
    const struct place where = n ? ncc_node_place(c->g, n) : (struct place){.file = c->g->file};
    if (c->n_reports++ < MAX_REPORTS)
        ncc_diag_error(c->g->diags, FAULT_INTERNAL, where, what, NULL, "'%s' at byte %lld of %s, %lld bytes", v->name,
                       (long long)v->addr, v->mem == MEM_KPU ? "KPU RAM" : "main memory",
                       (long long)ncc_plan_value_size(v));
}

/* ---- what values consist of ---- */

static bool is_free_concat(const struct node *n)
{
    if (n->op == OP_kpu_concat || n->op == OP_kpu_stack)
        return true;
    if (n->op != OP_concat)
        return false;
    const struct concat_attrs *a = n->attrs;
    int64_t offset = 0;
    for (int i = 0; i < a->axis; i++) {
        if (n->out[0]->shape.dim[i] != 1)
            return false;
    }
    for (int i = 0; i < n->n_in; i++) {
        if (ncc_is_const(n->in[i]) || n->in[i]->addr != n->out[0]->addr + offset)
            return false;
        offset += ncc_plan_value_size(n->in[i]);
    }
    return true;
}

/* Bytes from the start of the input to a slice of one run that lies in place; -1: it is copied. */
static int64_t sliced_bytes(const struct node *n)
{
    struct slice_runs r;
    if (n->op != OP_slice || ncc_is_const(n->in[0]) || !ncc_slice_runs(n, &r) || r.n != 1)
        return -1;
    const int64_t at = ncc_slice_run_at(n, &r, 0) * (int64_t)ncc_dtype_size(n->in[0]->dtype);
    return n->out[0]->addr == n->in[0]->addr + at ? at : -1;
}

static bool is_view(const struct node *n)
{
    return n->op == OP_kpu_slice || (ncc_op_desc(n->op)->flags & OP_ALIAS) || sliced_bytes(n) >= 0;
}

/* The pieces of `from` that lie in its bytes skip .. skip + size - 1 appear at byte `at` of `to`. */
static void show(struct check *c, const struct value *to, int64_t at, const struct value *from, int64_t skip,
                 int64_t size)
{
    const struct pieces *list = &c->pieces[from->id];
    for (int i = 0; i < list->n; i++) {
        struct piece p = list->v[i];
        const int64_t cut = p.at < skip ? skip - p.at : 0;
        const int64_t end = p.at + p.size < skip + size ? p.at + p.size : skip + size;
        p.size = end - p.at - cut;
        p.from += cut;
        p.at += cut - skip + at;
        if (p.size > 0)
            NCC_PUSH(c->arena, &c->pieces[to->id], p);
    }
}

static void show_inputs(struct check *c, const struct node *n)
{
    const struct value *out = n->out[0];
    if (is_view(n)) {
        int64_t skip = n->op == OP_slice ? sliced_bytes(n) : 0;
        if (n->op == OP_kpu_recanvas && ((const struct kpu_recanvas_attrs *)n->attrs)->skip > 0)
            skip = ncc_kpu_bytes(1, ((const struct kpu_recanvas_attrs *)n->attrs)->skip, n->in[0]->shape.dim[3]);
        if (n->op == OP_kpu_view)
            skip = (int64_t)((const struct kpu_view_attrs *)n->attrs)->line * NCC_KPU_LINE_SIZE;
        if (n->op == OP_kpu_slice && ((const struct kpu_slice_attrs *)n->attrs)->begin > 0) {
            const struct shape *x = &n->in[0]->shape;
            skip = ncc_kpu_bytes(((const struct kpu_slice_attrs *)n->attrs)->begin, x->dim[2], x->dim[3]);
        }
        show(c, out, 0, n->in[0], skip, ncc_plan_value_size(out));
        return;
    }
    int64_t at = 0;
    for (int i = 0; i < n->n_in; i++) {
        const int64_t size = ncc_plan_value_size(n->in[i]);
        show(c, out, at, n->in[i], 0, size);
        at += size;
    }
}

static void add_value(struct check *c, const struct value *v, bool written)
{
    c->value[v->id] = v;
    const struct piece whole = {.writer = v, .size = ncc_plan_value_size(v)};
    if (written)
        NCC_PUSH(c->arena, &c->pieces[v->id], whole);
}

static void find_values(struct check *c)
{
    const struct graph *g = c->g;
    for (int i = 0; i < g->inputs.n; i++)
        add_value(c, g->inputs.v[i], true);
    for (const struct node *n = g->first; n; n = n->next) {
        const bool shows = is_view(n) || is_free_concat(n);
        if (is_view(n) && !c->value[n->in[0]->id])
            continue; /* of a constant: a constant too */
        for (int i = 0; i < n->n_out; i++)
            add_value(c, n->out[i], !shows);
        if (shows)
            show_inputs(c, n);
    }
}

static void find_parts(struct check *c)
{
    for (const struct node *n = c->g->last; n; n = n->prev) {
        for (int i = 0; i < n->n_in && is_free_concat(n); i++)
            c->part[n->in[i]->id] = true;
        if (is_view(n) && c->part[n->out[0]->id])
            c->part[n->in[0]->id] = true;
    }
    for (const struct node *n = c->g->first; n; n = n->next) {
        if (is_view(n) && c->part[n->in[0]->id])
            c->part[n->out[0]->id] = true;
    }
}

/* ---- the map ---- */

static int compare_edges(const void *x, const void *y)
{
    const int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static void make_map(struct check *c, enum memory mem)
{
    struct map *m = &c->map[mem];
    m->edge = NCC_NEW(c->arena, int64_t, 2 * c->g->next_id);
    int n = 0;
    for (int i = 0; i < c->g->next_id; i++) {
        const struct value *v = c->value[i];
        if (!v || v->mem != mem)
            continue;
        m->edge[n++] = v->addr;
        m->edge[n++] = v->addr + ncc_plan_value_size(v);
    }
    qsort(m->edge, (size_t)n, sizeof *m->edge, compare_edges);
    for (int i = 0; i < n; i++) {
        if (m->n_edges == 0 || m->edge[m->n_edges - 1] != m->edge[i])
            m->edge[m->n_edges++] = m->edge[i];
    }
    m->writer = NCC_NEW(c->arena, int, m->n_edges);
    for (int i = 0; i < m->n_edges; i++)
        m->writer[i] = NOBODY;
}

/* The first cell at or behind a byte. */
static int find_cell(const struct map *m, int64_t byte)
{
    int lo = 0, hi = m->n_edges;
    while (lo < hi) {
        const int mid = (lo + hi) / 2;
        if (m->edge[mid] < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void write_value(struct check *c, const struct value *v)
{
    struct map *m = &c->map[v->mem];
    const int64_t end = v->addr + ncc_plan_value_size(v);
    for (int i = find_cell(m, v->addr); i < m->n_edges && m->edge[i] < end; i++)
        m->writer[i] = v->id;
}

static void read_value(struct check *c, const struct node *n, const struct value *v)
{
    const struct map *m = &c->map[v->mem];
    for (int k = 0; k < c->pieces[v->id].n; k++) {
        const struct piece *p = &c->pieces[v->id].v[k];
        const int64_t begin = v->addr + p->at;
        if (begin != p->writer->addr + p->from) {
            fail(c, n, v, "a value that shares bytes with another does not lie where these are");
            return;
        }
        /* A piece may begin inside of a cell: no edge lies between, so the cell is written as a whole. */
        int i = find_cell(m, begin);
        i -= i == m->n_edges || m->edge[i] > begin;
        for (; i < m->n_edges && m->edge[i] < begin + p->size; i++) {
            if (m->writer[i] != p->writer->id) {
                fail(c, n, v, "a value is read after its bytes were overwritten, or before they were written");
                return;
            }
        }
    }
}

/* ---- the rules ---- */

static void check_address(struct check *c, const struct value *v)
{
    const bool kpu = v->mem == MEM_KPU;
    const int64_t peak = kpu ? c->plan->kpu.peak : c->plan->main.peak;
    const bool words = ncc_dtype_size(v->dtype) % 4 == 0;
    const int64_t align = kpu ? NCC_KPU_LINE_SIZE : c->part[v->id] && words ? 4 : 8;
    if (v->addr < 0 || v->addr + ncc_plan_value_size(v) > peak)
        fail(c, v->def, v, "a value lies outside of the planned memory");
    else if (v->addr % align)
        fail(c, v->def, v, "a value is not aligned");
}

static bool overlap(const struct value *x, const struct value *y)
{
    return x->mem == y->mem && x->addr < y->addr + ncc_plan_value_size(y) &&
           y->addr < x->addr + ncc_plan_value_size(x);
}

/* Codes at the end of the floats that they become, floats that begin where their codes do: with the elements taken in
 * order, none is overwritten before it is read (alias.c). */
static bool converts_in_place(const struct value *x, const struct value *y)
{
    const int64_t from = ncc_plan_value_size(x), to = ncc_plan_value_size(y);
    return x->mem == MEM_MAIN && y->mem == MEM_MAIN && ncc_shape_count(x->shape) == ncc_shape_count(y->shape) &&
           (to > from ? x->addr + from == y->addr + to : x->addr == y->addr);
}

/* Element-wise operators read an element before they write it. */
static bool may_be_in_place(const struct node *n, int index)
{
    const bool elementwise =
        (ncc_op_desc(n->op)->flags & (OP_UNARY | OP_BINARY)) || n->op == OP_q_binary || n->op == OP_lookup;
    const struct value *x = n->in[index], *y = n->out[0];
    if (n->op == OP_softmax) /* row by row; the largest of a row is found before any is written */
        return x->addr == y->addr && ((const struct softmax_attrs *)n->attrs)->axis == x->shape.rank - 1;
    if (n->op == OP_quantize || (n->op == OP_dequantize && x->dtype == DT_U8))
        return converts_in_place(x, y);
    return elementwise && index < 2 && x->mem == MEM_MAIN && x->addr == y->addr &&
           ncc_shape_equal(x->shape, y->shape) && ncc_dtype_size(x->dtype) == ncc_dtype_size(y->dtype);
}

static void check_overlap(struct check *c, const struct node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        for (int k = 0; k < n->n_out; k++) {
            if (n->in[i] && c->value[n->in[i]->id] && overlap(n->in[i], n->out[k]) && !may_be_in_place(n, i))
                fail(c, n, n->in[i], "a node's output overlaps its input");
        }
    }
}

/* A layer stores its canvas and, in the same step, what its downloads are to deliver. */
static const struct value *stored_by(const struct node *n)
{
    const struct value *x = n->op == OP_kpu_download ? n->in[0] : NULL;
    return x && x->def && (x->def->op == OP_kpu_layer || x->def->op == OP_kpu_conv) ? x : NULL;
}

static void run(struct check *c, const struct node *n)
{
    if (is_view(n) || is_free_concat(n))
        return;
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] && c->value[n->in[i]->id])
            read_value(c, n, n->in[i]);
    }
    if (stored_by(n)) {
        read_value(c, n, n->out[0]); /* written with the canvas */
        return;
    }
    check_overlap(c, n);
    for (int i = 0; i < n->n_out; i++)
        write_value(c, n->out[i]);
    for (const struct use *u = n->out[0]->uses; u; u = u->next) {
        if (stored_by(u->node) == n->out[0])
            write_value(c, u->node->out[0]);
    }
    for (int i = 0; i < n->n_out; i++)
        read_value(c, n, n->out[i]); /* two outputs in the same bytes */
}

bool ncc_plan_check(const struct graph *g, const struct plan *p, struct arena *scratch)
{
    struct check c = {.g = g, .plan = p, .arena = scratch};
    c.value = NCC_NEW(scratch, const struct value *, g->next_id);
    c.pieces = NCC_NEW(scratch, struct pieces, g->next_id);
    c.part = NCC_NEW(scratch, bool, g->next_id);
    find_values(&c);
    find_parts(&c);
    for (int i = 0; i < g->next_id; i++) {
        if (c.value[i])
            check_address(&c, c.value[i]);
    }
    if (c.n_reports > 0)
        return false;
    make_map(&c, MEM_MAIN);
    make_map(&c, MEM_KPU);
    for (int i = 0; i < g->inputs.n; i++)
        write_value(&c, g->inputs.v[i]);
    for (const struct node *n = g->first; n; n = n->next)
        run(&c, n);
    for (int i = 0; i < g->outputs.n; i++) {
        if (c.value[g->outputs.v[i].value->id])
            read_value(&c, NULL, g->outputs.v[i].value);
    }
    return c.n_reports == 0;
}
