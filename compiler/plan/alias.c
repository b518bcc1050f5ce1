/* Which values share bytes: views lie in what they show, parts of a concatenation in the whole. */
#include "compiler/plan/value_sets.h"

#include "compiler/ops/attrs.h"
#include "compiler/ops/slice.h"
#include "kpu/layout.h"

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
        if (!ncc_sets_join(s, n->out[0], n->in[i], offset)) {
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
    const struct set *t = &s->set[ncc_sets_find(s, v->id, &at)];
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
            if (ncc_sets_find(s, n->in[i]->id, &at) == ncc_sets_find(s, n->in[k]->id, &at))
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
        ncc_sets_join(s, n->out[0], n->in[i], offset);
        offset += ncc_plan_value_size(n->in[i]);
    }
}

bool ncc_sets_is_view(const struct sets *s, const struct node *n)
{
    return is_view(n) || s->concat_is_view[n->out[0]->id];
}

static bool add_node(struct sets *s, const struct node *n, struct alias_conflict *conflict)
{
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i])
            ncc_sets_add(s, n->in[i], false); /* only constants are new here */
    }
    const bool main_concat = n->op == OP_concat && n->out[0]->mem == MEM_MAIN && can_join_parts(s, n);
    const bool canvases = n->op == OP_kpu_concat || n->op == OP_kpu_stack, view = main_concat || canvases || is_view(n);
    for (int i = 0; i < n->n_out; i++)
        ncc_sets_add(s, n->out[i], !view);
    s->concat_is_view[n->out[0]->id] = main_concat || canvases;
    if (canvases)
        return join_canvases(s, n, conflict);
    if (main_concat)
        join_parts(s, n);
    else if (view)
        ncc_sets_join(s, n->in[0], n->out[0], view_offset(n));
    return true;
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
        const int root = ncc_sets_find(s, id, &at);
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
        ncc_sets_add(&s, g->inputs.v[i], true);
        s.set[g->inputs.v[i]->id].input = true;
    }
    for (const struct node *n = g->first; n; n = n->next) {
        if (!add_node(&s, n, conflict))
            return false;
    }
    for (int i = 0; i < g->outputs.n; i++) {
        ncc_sets_add(&s, g->outputs.v[i].value, false);
        s.set[ncc_sets_find(&s, g->outputs.v[i].value->id, &at)].output = true;
    }
    ncc_sets_write_in_place(&s, g, mode);
    number_buffers(&s, a, out);
    return true;
}
