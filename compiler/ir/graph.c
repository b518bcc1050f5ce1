/* Making, changing and copying graphs. */
#include "compiler/ir/graph.h"
#include "compiler/ir/infer.h"

#include <assert.h>
#include <string.h>

/* ---- making ---- */

struct graph *ncc_graph_new(struct arena *arena, struct diags *d, const char *file)
{
    struct graph *g = NCC_NEW(arena, struct graph, 1);
    g->arena = arena;
    g->diags = d;
    g->file = file ? ncc_arena_printf(arena, "%s", file) : NULL;
    return g;
}

/* Lowering names a great many nodes: without printf. */
static char *copied(struct arena *a, const char *text)
{
    return ncc_arena_copy(a, text, strlen(text));
}

static const char *kept_name(struct graph *g, const char *name)
{
    return g->unnamed ? name : copied(g->arena, name);
}

static struct value *new_value(struct graph *g, const char *name)
{
    struct value *v = NCC_NEW(g->arena, struct value, 1);
    v->id = g->next_id++;
    v->name = kept_name(g, name ? name : "");
    v->addr = -1;
    v->real_id = v->id;
    return v;
}

struct value *ncc_graph_input(struct graph *g, const char *name, enum dtype dtype, struct shape shape)
{
    struct value *v = new_value(g, name);
    v->dtype = dtype;
    v->shape = shape;
    NCC_PUSH(g->arena, &g->inputs, v);
    return v;
}

void ncc_graph_output(struct graph *g, struct value *v, const char *name)
{
    const struct graph_output out = {v, ncc_arena_printf(g->arena, "%s", name ? name : v->name)};
    NCC_PUSH(g->arena, &g->outputs, out);
}

void ncc_graph_source(struct graph *g, const char *name, const char *op, bool needed)
{
    NCC_PUSH(g->arena, &g->sources, ((struct source_node){name, op, needed}));
}

struct value *ncc_const(struct graph *g, const char *name, enum dtype dtype, struct shape shape, const void *data)
{
    struct value *v = new_value(g, name);
    v->dtype = dtype;
    v->shape = shape;
    v->data = data;
    return v;
}

struct value *ncc_const_copy(struct graph *g, const char *name, enum dtype dtype, struct shape shape, const void *data)
{
    const size_t size = (size_t)ncc_shape_count(shape) * ncc_dtype_size(dtype);
    void *copy = ncc_arena_alloc(g->arena, size ? size : 1, 1, 64);
    if (size)
        memcpy(copy, data, size);
    return ncc_const(g, name, dtype, shape, copy);
}

static void add_use(struct value *v, struct node *n, int index, struct arena *a)
{
    if (!v)
        return;
    struct use **at = &v->uses;
    while (*at)
        at = &(*at)->next;
    *at = NCC_NEW(a, struct use, 1);
    **at = (struct use){n, index, NULL};
}

static void drop_use(struct value *v, const struct node *n, int index)
{
    if (!v)
        return;
    for (struct use **at = &v->uses; *at; at = &(*at)->next) {
        if ((*at)->node == n && (*at)->index == index) {
            *at = (*at)->next;
            return;
        }
    }
}

static void link_before(struct graph *g, struct node *n, struct node *where)
{
    n->next = where;
    n->prev = where ? where->prev : g->last;
    *(n->prev ? &n->prev->next : &g->first) = n;
    *(where ? &where->prev : &g->last) = n;
}

static void unlink_node(struct graph *g, struct node *n)
{
    *(n->prev ? &n->prev->next : &g->first) = n->next;
    *(n->next ? &n->next->prev : &g->last) = n->prev;
    if (g->cursor == n)
        g->cursor = n->next;
    n->prev = n->next = NULL;
}

static void take_inferred(struct value *v, const struct inferred *r, int index)
{
    v->dtype = r->out[index].dtype;
    v->shape = r->out[index].shape;
    v->mem = r->out[index].mem;
    v->window = r->out[index].window;
}

/* Codes that are only moved keep their meaning. A pair per channel would have to follow its
 * dimension: whoever makes such a node says what becomes of it. */
static void inherit_quant(struct value *out, const struct node *n)
{
    if ((ncc_op_desc(n->op)->flags & OP_SAME_QUANT) && n->in[0]->quant.n_channels == 1)
        out->quant = n->in[0]->quant;
}

struct node *ncc_node_new(struct graph *g, enum op op, const char *name, const void *attrs, struct value *const *in,
                          int n_in)
{
    struct node *n = NCC_NEW(g->arena, struct node, 1);
    n->op = op;
    n->name = kept_name(g, name ? name : ncc_op_desc(op)->name);
    n->attrs = ncc_attrs_copy(op, attrs, g->arena);
    n->in = NCC_NEW(g->arena, struct value *, n_in);
    n->n_in = n_in;
    if (n_in)
        memcpy(n->in, in, (size_t)n_in * sizeof *in);
    struct inferred r;
    if (!ncc_infer_node(n, &r)) {
        ncc_infer_report(g, n, &r, FAULT_INPUT);
        return NULL;
    }
    n->out = NCC_NEW(g->arena, struct value *, r.n_out);
    n->n_out = r.n_out;
    for (int i = 0; i < r.n_out; i++) {
        n->out[i] = new_value(g, r.n_out == 1 ? n->name : ncc_arena_printf(g->arena, "%s:%d", n->name, i));
        n->out[i]->def = n;
        n->out[i]->def_index = i;
        take_inferred(n->out[i], &r, i);
        inherit_quant(n->out[i], n);
    }
    for (int i = 0; i < n_in; i++)
        add_use(n->in[i], n, i, g->arena);
    link_before(g, n, g->cursor);
    return n;
}

struct value *ncc_op(struct graph *g, enum op op, const char *name, const void *attrs, struct value *const *in,
                     int n_in)
{
    struct node *n = ncc_node_new(g, op, name, attrs, in, n_in);
    return n ? n->out[0] : NULL;
}

/* ---- changing ---- */

void ncc_node_set_input(struct node *n, int index, struct value *v, struct arena *a)
{
    if (n->in[index] == v)
        return;
    drop_use(n->in[index], n, index);
    n->in[index] = v;
    add_use(v, n, index, a);
}

void ncc_value_replace(struct graph *g, struct value *old, struct value *with)
{
    if (old == with)
        return;
    for (struct use *u = old->uses; u; u = u->next)
        u->node->in[u->index] = with;
    struct use **end = &with->uses;
    while (*end)
        end = &(*end)->next;
    *end = old->uses;
    old->uses = NULL;
    for (int i = 0; i < g->outputs.n; i++)
        if (g->outputs.v[i].value == old)
            g->outputs.v[i].value = with;
}

void ncc_value_succeed(struct graph *g, struct value *old, struct value *with)
{
    with->name = old->name;
    with->quant = old->quant;
    with->range = old->range;
    with->mean = old->mean;
    with->seen = old->seen;
    with->real_id = old->real_id;
    ncc_value_replace(g, old, with);
}

void ncc_node_remove(struct graph *g, struct node *n)
{
    for (int i = 0; i < n->n_out; i++)
        assert(!n->out[i]->uses && !ncc_value_is_output(g, n->out[i]));
    for (int i = 0; i < n->n_in; i++)
        drop_use(n->in[i], n, i);
    unlink_node(g, n);
}

void ncc_node_move_before(struct graph *g, struct node *n, struct node *where)
{
    if (n == where)
        return;
    struct node *const cursor = g->cursor;
    unlink_node(g, n);
    g->cursor = cursor;
    link_before(g, n, where);
}

static bool is_needed(const struct graph *g, const struct node *n)
{
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i]->uses || ncc_value_is_output(g, n->out[i]))
            return true;
    return false;
}

int ncc_graph_sweep(struct graph *g)
{
    int n_removed = 0;
    for (struct node *n = g->last, *prev; n; n = prev) { /* users stand behind what they use */
        prev = n->prev;
        if (!is_needed(g, n)) {
            ncc_node_remove(g, n);
            n_removed++;
        }
    }
    return n_removed;
}

/* ---- copying ---- */

struct copier {
    const struct graph *from;
    struct graph *to;
    struct value **values; /* by id: the copy, or NULL when there is none yet */
};

static const char *copy_text(struct copier *c, const char *text)
{
    return text ? copied(c->to->arena, text) : NULL;
}

static const double *copy_doubles(struct copier *c, const double *from, int n)
{
    double *to = NCC_NEW(c->to->arena, double, n);
    memcpy(to, from, (size_t)n * sizeof *from);
    return to;
}

/* Uses and definition are linked when the nodes are copied. */
static struct value *copy_value(struct copier *c, const struct value *v)
{
    if (!v)
        return NULL;
    if (c->values[v->id])
        return c->values[v->id];
    struct value *to = NCC_NEW(c->to->arena, struct value, 1);
    *to = *v;
    to->name = copy_text(c, v->name);
    to->uses = NULL;
    to->def = NULL;
    if (v->quant.n_channels > 0) {
        to->quant.scale = copy_doubles(c, v->quant.scale, v->quant.n_channels);
        to->quant.zero_point = copy_doubles(c, v->quant.zero_point, v->quant.n_channels);
    }
    c->values[v->id] = to;
    return to;
}

static void copy_node(struct copier *c, const struct node *n)
{
    struct arena *a = c->to->arena;
    struct node *to = NCC_NEW(a, struct node, 1);
    *to = *n;
    to->name = copy_text(c, n->name);
    to->origin = copy_text(c, n->origin);
    to->reason = copy_text(c, n->reason);
    to->attrs = ncc_attrs_copy(n->op, n->attrs, a);
    to->in = NCC_NEW(a, struct value *, n->n_in);
    to->out = NCC_NEW(a, struct value *, n->n_out);
    for (int i = 0; i < n->n_in; i++) {
        to->in[i] = copy_value(c, n->in[i]);
        add_use(to->in[i], to, i, a);
    }
    for (int i = 0; i < n->n_out; i++) {
        to->out[i] = copy_value(c, n->out[i]);
        to->out[i]->def = to;
    }
    link_before(c->to, to, NULL);
}

struct graph *ncc_graph_copy(const struct graph *g, struct arena *arena, struct diags *d)
{
    struct graph *to = ncc_graph_new(arena, d, g->file);
    struct copier c = {g, to, NCC_NEW(arena, struct value *, g->next_id)};
    to->next_id = g->next_id; /* values keep their ids */
    for (int i = 0; i < g->inputs.n; i++)
        NCC_PUSH(arena, &to->inputs, copy_value(&c, g->inputs.v[i]));
    for (const struct node *n = g->first; n; n = n->next)
        copy_node(&c, n);
    for (int i = 0; i < g->outputs.n; i++)
        ncc_graph_output(to, copy_value(&c, g->outputs.v[i].value), g->outputs.v[i].name);
    return to;
}

/* ---- asking ---- */

bool ncc_value_is_output(const struct graph *g, const struct value *v)
{
    for (int i = 0; i < g->outputs.n; i++)
        if (g->outputs.v[i].value == v)
            return true;
    return false;
}

struct node *ncc_value_only_use(const struct graph *g, const struct value *v)
{
    if (!v->uses || v->uses->next || ncc_value_is_output(g, v))
        return NULL;
    return v->uses->node;
}

struct place ncc_node_place(const struct graph *g, const struct node *n)
{
    return (struct place){.file = g->file, .node = n->name, .op = ncc_op_desc(n->op)->name};
}

int ncc_graph_n_nodes(const struct graph *g)
{
    int n = 0;
    for (const struct node *at = g->first; at; at = at->next)
        n++;
    return n;
}

const char *ncc_name(struct graph *g, const char *base, const char *suffix)
{
    if (g->unnamed)
        return base;
    const size_t n = strlen(base), m = strlen(suffix);
    char *name = ncc_arena_alloc(g->arena, n + m + 2, 1, 1);
    memcpy(name, base, n);
    name[n] = '/';
    memcpy(name + n + 1, suffix, m);
    return name;
}
