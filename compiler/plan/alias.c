/* Values that share bytes, as sets: each value knows its parent in the set and its offset from it (union-find with
 * offsets). A set remembers which of its values are written by a node; no two of these may overlap, while views of
 * them (reshape, slice, concat ...) may.
 *
 *     set of a kpu_concat:   | a . . . . | b . . | c . . . . . |     written
 *                            | concat . . . . . . . . . . . . .|     view
 *                            | recanvas |        | slice |           views
 */
#include "compiler/plan/alias.h"

#include "compiler/ops/attrs.h"
#include "compiler/ops/slice.h"
#include "kpu/layout.h"

#include <limits.h>

struct member {
    const struct value *value; /* NULL: no such id */
    int parent;                /* itself: the root */
    int64_t from_parent;       /* offset */
    int next_written;          /* list of the set's written values, -1 at the end */
};

struct set { /* valid at the root's id */
    int64_t lo, hi;                 /* extent, relative to the root's first byte */
    int first_written, last_written;
    int birth, death;               /* steps of the present order */
    int n_reads;                    /* inputs of nodes that are not views */
    bool input, output, constant;
};

struct sets {
    struct member *member;
    struct set *set;
    int n_ids;
    bool *concat_is_view; /* by the id of a concat's output */
};

static bool is_layer(const struct node *n)
{
    return n && (n->op == OP_kpu_layer || n->op == OP_kpu_conv);
}

const struct node *ncc_plan_fused_layer(const struct node *n)
{
    return n->op == OP_kpu_download && is_layer(n->in[0]->def) ? n->in[0]->def : NULL;
}

int64_t ncc_plan_value_size(const struct value *v)
{
    if (v->mem == MEM_KPU)
        return ncc_kpu_bytes(v->shape.dim[1], v->shape.dim[2], v->shape.dim[3]);
    return ncc_shape_count(v->shape) * (int64_t)ncc_dtype_size(v->dtype);
}

/* ---- sets ---- */

static int find(const struct sets *s, int id, int64_t *offset)
{
    int root = id;
    int64_t total = 0;
    for (; s->member[root].parent != root; root = s->member[root].parent)
        total += s->member[root].from_parent;
    *offset = total;
    while (s->member[id].parent != root && id != root) {
        struct member *m = &s->member[id];
        const int64_t rest = total - m->from_parent;
        id = m->parent;
        m->parent = root;
        m->from_parent = total;
        total = rest;
    }
    return root;
}

static void add_value(struct sets *s, const struct value *v, bool written)
{
    if (s->member[v->id].value)
        return;
    s->member[v->id] = (struct member){.value = v, .parent = v->id, .next_written = -1};
    s->set[v->id] = (struct set){.hi = ncc_plan_value_size(v), .first_written = -1, .last_written = -1,
                                 .birth = INT_MAX, .death = 0, .constant = ncc_is_const(v)};
    if (written)
        s->set[v->id].first_written = s->set[v->id].last_written = v->id;
}

/* Would a written value of set y, moved by `shift`, lie on one of set x? */
static bool collide(const struct sets *s, int x, int y, int64_t shift)
{
    for (int i = s->set[x].first_written; i >= 0; i = s->member[i].next_written) {
        int64_t at;
        find(s, i, &at);
        const int64_t end = at + ncc_plan_value_size(s->member[i].value);
        for (int k = s->set[y].first_written; k >= 0; k = s->member[k].next_written) {
            int64_t other;
            find(s, k, &other);
            other += shift;
            if (other < end && at < other + ncc_plan_value_size(s->member[k].value))
                return true;
        }
    }
    return false;
}

static int64_t least(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

static int64_t most(int64_t x, int64_t y)
{
    return x > y ? x : y;
}

/* Set y becomes part of set x, its root at offset `shift` from x's. */
static void unite(struct sets *s, int x, int y, int64_t shift)
{
    struct set *a = &s->set[x];
    const struct set *b = &s->set[y];
    s->member[y].parent = x;
    s->member[y].from_parent = shift;
    a->lo = least(a->lo, b->lo + shift);
    a->hi = most(a->hi, b->hi + shift);
    a->birth = (int)least(a->birth, b->birth);
    a->death = (int)most(a->death, b->death);
    a->n_reads += b->n_reads;
    a->input |= b->input;
    a->output |= b->output;
    a->constant |= b->constant;
    if (b->first_written < 0)
        return;
    if (a->first_written < 0)
        a->first_written = b->first_written;
    else
        s->member[a->last_written].next_written = b->first_written;
    a->last_written = b->last_written;
}

/* Lays y at `offset` bytes from the start of x. False when they lie otherwise already, or cannot. */
static bool join(struct sets *s, const struct value *x, const struct value *y, int64_t offset)
{
    int64_t at_x, at_y;
    const int root_x = find(s, x->id, &at_x), root_y = find(s, y->id, &at_y);
    const int64_t shift = at_x + offset - at_y;
    if (root_x == root_y)
        return shift == 0;
    if (collide(s, root_x, root_y, shift))
        return false;
    unite(s, root_x, root_y, shift);
    return true;
}

/* ---- views ---- */

/* A slice of one run, aligned as values in main memory are. */
static bool is_slice_view(const struct node *n)
{
    struct slice_runs r;
    return n->op == OP_slice && n->in[0]->mem == MEM_MAIN && !ncc_is_const(n->in[0]) && ncc_slice_runs(n, &r) &&
           r.n == 1 && ncc_slice_run_at(n, &r, 0) * (int64_t)ncc_dtype_size(n->in[0]->dtype) % 8 == 0;
}

/* A node whose output lies in its first input. */
static bool is_view(const struct node *n)
{
    return (ncc_op_desc(n->op)->flags & OP_ALIAS) || n->op == OP_kpu_slice || is_slice_view(n);
}

static int64_t view_offset(const struct node *n)
{
    if (n->op == OP_slice) {
        struct slice_runs r;
        ncc_slice_runs(n, &r);
        return ncc_slice_run_at(n, &r, 0) * (int64_t)ncc_dtype_size(n->in[0]->dtype);
    }
    if (n->op == OP_kpu_recanvas) {
        const struct kpu_recanvas_attrs *a = n->attrs;
        return a->skip ? ncc_kpu_bytes(1, a->skip, n->in[0]->shape.dim[3]) : 0;
    }
    if (n->op == OP_kpu_view)
        return (int64_t)((const struct kpu_view_attrs *)n->attrs)->line * NCC_KPU_LINE_SIZE;
    if (n->op != OP_kpu_slice)
        return 0;
    const struct kpu_slice_attrs *a = n->attrs;
    const struct shape *x = &n->in[0]->shape;
    return a->begin ? ncc_kpu_bytes(a->begin, x->dim[2], x->dim[3]) : 0;
}

/* Does a place exist where all inputs of a kpu_concat lie side by side, or of a kpu_stack below one another? */
static bool join_canvases(struct sets *s, const struct node *n, struct alias_conflict *conflict)
{
    int64_t offset = 0;
    for (int i = 0; i < n->n_in; i++) {
        /* The second of two equal inputs would have to lie where the first lies. */
        if (!join(s, n->out[0], n->in[i], offset)) {
            *conflict = (struct alias_conflict){n, i};
            return false;
        }
        offset += ncc_plan_value_size(n->in[i]);
    }
    return true;
}

/* A whole set can become part of a concat: neither a constant, nor a graph input, nor already a part. */
static bool can_be_part(const struct sets *s, const struct value *v, int64_t offset)
{
    int64_t at;
    const struct set *t = &s->set[find(s, v->id, &at)];
    const int64_t align = v->dtype == DT_F32 || v->dtype == DT_I32 ? 4 : 8; /* bytes are also moved eight at a time */
    return !t->constant && !t->input && t->lo == at && t->hi == at + ncc_plan_value_size(v) && offset % align == 0;
}

static bool can_join_parts(const struct sets *s, const struct node *n)
{
    const struct concat_attrs *a = n->attrs;
    for (int i = 0; i < a->axis; i++) {
        if (n->out[0]->shape.dim[i] != 1)
            return false;
    }
    int64_t offset = 0, at;
    for (int i = 0; i < n->n_in; i++) {
        if (!can_be_part(s, n->in[i], offset))
            return false;
        for (int k = 0; k < i; k++) {
            if (find(s, n->in[i]->id, &at) == find(s, n->in[k]->id, &at))
                return false;
        }
        offset += ncc_plan_value_size(n->in[i]);
    }
    return true;
}

static void join_parts(struct sets *s, const struct node *n)
{
    int64_t offset = 0;
    for (int i = 0; i < n->n_in; i++) {
        join(s, n->out[0], n->in[i], offset);
        offset += ncc_plan_value_size(n->in[i]);
    }
}

static bool add_node(struct sets *s, const struct node *n, struct alias_conflict *conflict)
{
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i])
            add_value(s, n->in[i], false); /* only constants are new here */
    }
    const bool main_concat = n->op == OP_concat && n->out[0]->mem == MEM_MAIN && can_join_parts(s, n);
    const bool canvases = n->op == OP_kpu_concat || n->op == OP_kpu_stack, view = main_concat || canvases || is_view(n);
    for (int i = 0; i < n->n_out; i++)
        add_value(s, n->out[i], !view);
    s->concat_is_view[n->out[0]->id] = main_concat || canvases;
    if (canvases)
        return join_canvases(s, n, conflict);
    if (main_concat)
        join_parts(s, n);
    else if (view)
        join(s, n->in[0], n->out[0], view_offset(n));
    return true;
}

/* ---- in place ---- */

/* Fills birth, death and n_reads of all sets. */
static void find_lives(const struct graph *g, struct sets *s)
{
    int64_t at;
    int step = 0;
    for (const struct node *n = g->first; n; n = n->next, step++) {
        const bool view = is_view(n) || s->concat_is_view[n->out[0]->id];
        for (int i = 0; i < n->n_in; i++) {
            if (!n->in[i])
                continue;
            struct set *t = &s->set[find(s, n->in[i]->id, &at)];
            t->death = step;
            t->n_reads += !view;
        }
        for (int i = 0; i < n->n_out; i++) {
            struct set *t = &s->set[find(s, n->out[i]->id, &at)];
            t->birth = (int)least(t->birth, step);
            t->death = step;
        }
    }
}

/* Each element is read before it is written. So it is in a softmax over the last axis: rows are done one by one, and the
 * largest element of a row is found before any is written. */
static bool reads_first(const struct node *n)
{
    if (n->op == OP_softmax)
        return ((const struct softmax_attrs *)n->attrs)->axis == n->in[0]->shape.rank - 1;
    return (ncc_op_desc(n->op)->flags & (OP_UNARY | OP_BINARY)) || n->op == OP_q_binary || n->op == OP_lookup;
}

/* Element i of the output may lie where element i of this input lies. */
static bool same_elements(const struct value *x, const struct value *y)
{
    return x && !ncc_is_const(x) && x->mem == MEM_MAIN && y->mem == MEM_MAIN && ncc_shape_equal(x->shape, y->shape) &&
           ncc_dtype_size(x->dtype) == ncc_dtype_size(y->dtype);
}

static bool fills_its_set(const struct sets *s, const struct value *v, int *root)
{
    int64_t at;
    *root = find(s, v->id, &at);
    return s->set[*root].lo == at && s->set[*root].hi == at + ncc_plan_value_size(v);
}

static int count_reads(const struct sets *s, const struct node *n, int root)
{
    int64_t at;
    int count = 0;
    for (int i = 0; i < n->n_in; i++)
        count += n->in[i] && find(s, n->in[i]->id, &at) == root;
    return count;
}

/* Conversions go through their elements from the first to the last. Codes at the end of the floats that they become are
 * read before they are overwritten, and floats at the place of their codes:
 *
 *     codes             . . . . . . . . . 0 1 2        floats   0000 1111 2222
 *     floats            0000 1111 2222                 codes    0 1 2
 */
static bool is_conversion(const struct node *n)
{
    return (n->op == OP_dequantize && n->in[0]->dtype == DT_U8) || n->op == OP_quantize;
}

/* Nothing else is written where v lies. */
static bool is_alone(const struct sets *s, const struct value *v, int *root)
{
    int64_t at, other;
    *root = find(s, v->id, &at);
    const int64_t end = at + ncc_plan_value_size(v);
    for (int i = s->set[*root].first_written; i >= 0; i = s->member[i].next_written) {
        find(s, i, &other);
        if (s->member[i].value != v && other < end && at < other + ncc_plan_value_size(s->member[i].value))
            return false;
    }
    return true;
}

static void convert_in_place(struct sets *s, const struct node *n, int step)
{
    const struct value *in = n->in[0], *out = n->out[0];
    int x, y;
    if (ncc_is_const(in) || in->mem != MEM_MAIN || out->mem != MEM_MAIN || !fills_its_set(s, in, &x) ||
        !(n->op == OP_quantize ? fills_its_set(s, out, &y) : is_alone(s, out, &y)))
        return;
    const struct set *t = &s->set[x];
    if (x == y || t->constant || t->input || t->output || t->death != step)
        return;
    int64_t at_x, at_y;
    find(s, in->id, &at_x);
    find(s, out->id, &at_y);
    const int64_t behind = n->op == OP_quantize ? 0 : ncc_plan_value_size(out) - ncc_plan_value_size(in);
    if ((at_y - s->set[y].lo + behind) % 8 == 0)
        unite(s, x, y, at_x - behind - at_y);
}

static void write_in_place(struct sets *s, const struct node *n, int step, enum in_place mode)
{
    int x, y;
    if (is_conversion(n) && mode == IN_PLACE_CONVERSIONS)
        convert_in_place(s, n, step);
    if (!reads_first(n))
        return;
    for (int i = 0; i < n->n_in && i < 2; i++) {
        if (!same_elements(n->in[i], n->out[0]) || !fills_its_set(s, n->in[i], &x) ||
            !fills_its_set(s, n->out[0], &y))
            continue;
        struct set *t = &s->set[x];
        if (x == y || t->constant || t->input || t->output)
            continue;
        const int reads = count_reads(s, n, x);
        if (mode == IN_PLACE_ANY_ORDER ? t->n_reads != reads : t->death != step || s->set[y].birth != step)
            continue;
        t->n_reads -= reads;
        int64_t at_x, at_y;
        find(s, n->in[i]->id, &at_x);
        find(s, n->out[0]->id, &at_y);
        unite(s, x, y, at_x - at_y);
        return;
    }
}

/* ---- the result ---- */

static int64_t round_up(int64_t size, int64_t to)
{
    return (size + to - 1) / to * to;
}

static void number_buffers(struct sets *s, struct arena *a, struct alias_map *out)
{
    int *index = NCC_NEW(a, int, s->n_ids);
    *out = (struct alias_map){.n_ids = s->n_ids, .buffer_of = NCC_NEW(a, int, s->n_ids),
                              .offset_in = NCC_NEW(a, int64_t, s->n_ids),
                              .buffer = NCC_NEW(a, struct shared, s->n_ids)};
    for (int id = 0; id < s->n_ids; id++) {
        out->buffer_of[id] = -1;
        if (!s->member[id].value)
            continue;
        int64_t at;
        const int root = find(s, id, &at);
        const struct set *t = &s->set[root];
        if (t->constant)
            continue;
        if (!index[root]) {
            const enum memory mem = s->member[root].value->mem;
            const int64_t size = round_up(t->hi - t->lo, mem == MEM_KPU ? NCC_KPU_LINE_SIZE : 8);
            out->buffer[out->n_buffers] = (struct shared){mem, size, t->input, t->output};
            index[root] = ++out->n_buffers;
        }
        out->buffer_of[id] = index[root] - 1;
        out->offset_in[id] = at - t->lo;
    }
}

bool ncc_plan_alias(const struct graph *g, enum in_place mode, struct arena *a, struct alias_map *out,
                    struct alias_conflict *conflict)
{
    struct sets s = {.n_ids = g->next_id};
    int64_t at;
    s.member = NCC_NEW(a, struct member, s.n_ids);
    s.set = NCC_NEW(a, struct set, s.n_ids);
    s.concat_is_view = NCC_NEW(a, bool, s.n_ids);
    for (int i = 0; i < g->inputs.n; i++) {
        add_value(&s, g->inputs.v[i], true);
        s.set[g->inputs.v[i]->id].input = true;
    }
    for (const struct node *n = g->first; n; n = n->next) {
        if (!add_node(&s, n, conflict))
            return false;
    }
    for (int i = 0; i < g->outputs.n; i++) {
        add_value(&s, g->outputs.v[i].value, false);
        s.set[find(&s, g->outputs.v[i].value->id, &at)].output = true;
    }
    if (mode != IN_PLACE_NEVER) {
        int step = 0;
        find_lives(g, &s);
        for (const struct node *n = g->first; n; n = n->next, step++)
            write_in_place(&s, n, step, mode);
    }
    number_buffers(&s, a, out);
    return true;
}
