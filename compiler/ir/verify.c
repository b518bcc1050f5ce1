/* Every invariant of a graph, checked without trusting the functions that keep them. */
#include "compiler/ir/infer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct checker {
    const struct graph *g;
    const char *after;
    const struct node *node;      /* where we are, or NULL */
    const struct value **seen;    /* by id: values that exist at this point */
    const struct node **nodes;    /* sorted by address: a graph may have ten thousand */
    int n_nodes;
    bool good;
};

__attribute__((format(printf, 3, 4))) static void broken(struct checker *c, const char *rule, const char *format, ...)
{
    va_list args;
    char found[200];
    va_start(args, format);
    vsnprintf(found, sizeof found, format, args);
    va_end(args);
    struct place where = {.file = c->g->file};
    if (c->node)
        where = (struct place){c->g->file, c->node->name ? c->node->name : "(no name)", ncc_op_desc(c->node->op)->name};
    ncc_diag_error(c->g->diags, FAULT_INTERNAL, where, rule, NULL, "%s, after %s", found, c->after);
    c->good = false;
}

static bool check_links(struct checker *c)
{
    const struct node *prev = NULL;
    for (const struct node *n = c->g->first; n; prev = n, n = n->next) {
        if (n->prev != prev) { /* also ends a circle */
            broken(c, "a node must follow the one that it calls its predecessor", "node '%s'", n->name);
            return false;
        }
        if ((unsigned)n->op >= N_OPS || !n->name) {
            broken(c, "a node must have an operator and a name", "operator %d", (int)n->op);
            return false;
        }
    }
    if (c->g->last != prev)
        broken(c, "the list of nodes must end with the last one", "'%s'", prev ? prev->name : "none");
    return c->g->last == prev;
}

static void check_quant(struct checker *c, const struct value *v)
{
    const struct quant *q = &v->quant;
    const int c_dim = v->shape.rank > 1 ? v->shape.dim[1] : 0, o_dim = v->shape.rank > 0 ? v->shape.dim[0] : 0;
    if (q->n_channels == 0)
        return;
    if (q->n_channels < 0 || !q->scale || !q->zero_point) {
        broken(c, "quantisation must have scales and zero points", "value '%s'", v->name);
        return;
    }
    if (q->n_channels > 1 && q->n_channels != c_dim && !(v->data && q->n_channels == o_dim))
        broken(c, "quantisation must have one pair, or one per channel", "value '%s': %d pairs", v->name,
               q->n_channels);
    for (int i = 0; i < q->n_channels; i++) {
        if (!(q->scale[i] > 0)) {
            broken(c, "a scale must be positive", "value '%s': %g", v->name, q->scale[i]);
            return;
        }
    }
}

static void check_window(struct checker *c, const struct value *v)
{
    const struct window *w = &v->window;
    if (v->mem == MEM_MAIN) {
        if (w->h != 0)
            broken(c, "a value in main memory must have no window", "value '%s'", v->name);
    } else if (v->shape.rank != 4 || w->top < 0 || w->left < 0 || w->h < 1 || w->w < 1 ||
               w->top > v->shape.dim[2] - w->h || w->left > v->shape.dim[3] - w->w) {
        broken(c, "the window must lie inside the canvas", "value '%s': (%d, %d) %dx%d", v->name, w->top, w->left,
               w->h, w->w);
    }
}

/* A value as such, when it comes into existence. */
static void check_value(struct checker *c, const struct value *v)
{
    if (!v->name) {
        broken(c, "a value must have a name", "id %d", v->id);
        return;
    }
    if (v->id < 0 || v->id >= c->g->next_id || (c->seen[v->id] && c->seen[v->id] != v)) {
        broken(c, "a value's id must be its own", "value '%s', id %d", v->name, v->id);
        return;
    }
    c->seen[v->id] = v;
    if ((unsigned)v->dtype >= N_DTYPES || v->shape.rank < 0 || v->shape.rank > NCC_MAX_RANK ||
        ncc_shape_count(v->shape) < 0) {
        broken(c, "a value must have a valid type and shape", "value '%s'", v->name);
        return;
    }
    if (v->range.known && !(v->range.lo <= v->range.hi))
        broken(c, "a range must not be empty", "value '%s': %g .. %g", v->name, (double)v->range.lo,
               (double)v->range.hi);
    check_quant(c, v);
    check_window(c, v);
}

static bool exists(const struct checker *c, const struct value *v)
{
    return v->id >= 0 && v->id < c->g->next_id && c->seen[v->id] == v;
}

static int count_use(const struct value *v, const struct node *n, int index)
{
    int count = 0;
    for (const struct use *u = v->uses; u; u = u->next)
        count += u->node == n && u->index == index;
    return count;
}

static void check_inputs(struct checker *c, const struct node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        const struct value *v = n->in[i];
        if (!v)
            continue;
        if (v->data && !v->def && v->id >= 0 && v->id < c->g->next_id && !c->seen[v->id])
            check_value(c, v); /* constants exist from their first use on */
        if (!exists(c, v))
            broken(c, "a value must be made before it is used", "input %d, value '%s'", i, v->name);
        if (count_use(v, n, i) != 1)
            broken(c, "a value must know each of its uses once", "input %d, value '%s'", i, v->name);
    }
}

static void check_types(struct checker *c, const struct node *n)
{
    struct inferred r;
    if (!ncc_infer_node(n, &r)) {
        struct graph g = *c->g;
        ncc_infer_report(&g, n, &r, FAULT_INTERNAL);
        broken(c, "the operator must accept its inputs", "see above");
        return;
    }
    if (r.n_out != n->n_out) {
        broken(c, "a node must have as many outputs as its operator makes", "%d instead of %d", n->n_out, r.n_out);
        return;
    }
    for (int i = 0; i < n->n_out; i++) {
        const struct value *v = n->out[i];
        char is[80], should[80];
        if (v->dtype != r.out[i].dtype || !ncc_shape_equal(v->shape, r.out[i].shape))
            broken(c, "an output must have the type that is inferred", "%s %s instead of %s %s",
                   ncc_dtype_name(v->dtype), ncc_shape_text(v->shape, is), ncc_dtype_name(r.out[i].dtype),
                   ncc_shape_text(r.out[i].shape, should));
        if (v->mem != r.out[i].mem || memcmp(&v->window, &r.out[i].window, sizeof v->window) != 0)
            broken(c, "an output must have the memory and window that are inferred", "output %d", i);
    }
}

static void check_node(struct checker *c, const struct node *n)
{
    c->node = n;
    if (ncc_op_desc(n->op)->attrs_size > 0 && !n->attrs) {
        broken(c, "a node must have the attributes of its operator", "none");
        return;
    }
    check_inputs(c, n);
    for (int i = 0; i < n->n_out; i++) {
        const struct value *v = n->out[i];
        if (v->def != n || v->def_index != i || v->data)
            broken(c, "an output must know the node that makes it", "output %d, value '%s'", i, v->name);
        if (v->id >= 0 && v->id < c->g->next_id && c->seen[v->id])
            broken(c, "a value must be made once, before it is used", "value '%s'", v->name);
        check_value(c, v);
    }
    if (n->op == OP_quantize && n->n_out == 1 && n->out[0]->quant.n_channels == 0)
        broken(c, "the result of quantize must have a scale", "none");
    check_types(c, n);
}

static int by_address(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)*(const struct node *const *)a, y = (uintptr_t)*(const struct node *const *)b;
    return (x > y) - (x < y);
}

static void list_nodes(struct checker *c)
{
    c->n_nodes = ncc_graph_n_nodes(c->g);
    c->nodes = NCC_NEW(c->g->arena, const struct node *, c->n_nodes);
    int at = 0;
    for (const struct node *n = c->g->first; n; n = n->next)
        c->nodes[at++] = n;
    qsort(c->nodes, (size_t)c->n_nodes, sizeof *c->nodes, by_address);
}

/* Uses that no node confirms; the node may be anything. */
static void check_uses(struct checker *c, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *const n = u->node;
        const bool there = bsearch(&n, c->nodes, (size_t)c->n_nodes, sizeof *c->nodes, by_address);
        if (!there || u->index < 0 || u->index >= n->n_in || n->in[u->index] != v)
            broken(c, "a value must know only real uses", "value '%s'", v->name);
    }
}

bool ncc_graph_verify(const struct graph *g, const char *after)
{
    struct checker c = {.g = g, .after = after, .seen = NCC_NEW(g->arena, const struct value *, g->next_id), .good = true};
    if (!check_links(&c))
        return false;
    list_nodes(&c);
    for (int i = 0; i < g->inputs.n; i++) {
        if (g->inputs.v[i]->def || g->inputs.v[i]->data)
            broken(&c, "a graph input must not be computed", "'%s'", g->inputs.v[i]->name);
        check_value(&c, g->inputs.v[i]);
    }
    for (const struct node *n = g->first; n; n = n->next)
        check_node(&c, n);
    c.node = NULL;
    for (int i = 0; i < g->outputs.n; i++) {
        const struct graph_output *o = &g->outputs.v[i];
        if (!o->name || !o->value || (!exists(&c, o->value) && !o->value->data))
            broken(&c, "a graph output must exist and have a name", "'%s'", o->name ? o->name : "");
    }
    for (int i = 0; i < g->next_id; i++)
        if (c.seen[i])
            check_uses(&c, c.seen[i]);
    return c.good;
}
