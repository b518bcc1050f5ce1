/* The order in which nodes can run. Files should have it, but some tools put constants at the end, or append the nodes
 * that they add, and other runtimes sort. */
#include "compiler/import/onnx.h"

/* Nodes of this scope that a node needs, by number. */
struct needs {
    int *v, n, cap;
    int next;     /* the first of them that was not looked at yet */
    bool is_open; /* on the way from the node that was asked for, or in the order already */
};

struct ordering {
    struct onnx *m;
    const struct ox_scope *s;
    const int *maker; /* of each tensor of the scope: a node, or -1 */
    struct needs *nodes;
};

static void need(struct ordering *o, struct needs *n, const char *name)
{
    const struct ox_tensor *t = ncc_onnx_find(o->s, name);
    const bool is_here = t && t >= o->s->tensors && t < o->s->tensors + o->s->n;
    if (is_here && o->maker[t - o->s->tensors] >= 0)
        NCC_PUSH(o->m->arena, n, o->maker[t - o->s->tensors]);
}

/* Also what its branches read. Every node of the file is looked at once per level. */
static void find_needs(struct ordering *o, struct needs *n, const Onnx__NodeProto *p)
{
    for (size_t k = 0; k < p->n_input; k++)
        need(o, n, p->input[k]);
    for (size_t a = 0; a < p->n_attribute; a++) {
        const Onnx__GraphProto *g = p->attribute[a]->g;
        for (size_t i = 0; g && i < g->n_node; i++)
            find_needs(o, n, g->node[i]);
        for (size_t i = 0; g && i < g->n_output; i++)
            need(o, n, g->output[i]->name);
    }
}

/* Puts a node behind all that it needs. In a circle one of them comes too early, and is refused for it later. */
static int put(struct ordering *o, int node, int *stack, int *order, int n_order)
{
    int depth = 0;
    stack[depth++] = node;
    o->nodes[node].is_open = true;
    while (depth > 0) {
        struct needs *n = &o->nodes[stack[depth - 1]];
        while (n->next < n->n && o->nodes[n->v[n->next]].is_open)
            n->next++;
        if (n->next == n->n) {
            order[n_order++] = stack[--depth];
            continue;
        }
        stack[depth] = n->v[n->next];
        o->nodes[stack[depth++]].is_open = true;
    }
    return n_order;
}

const Onnx__NodeProto **ncc_onnx_order(struct onnx *m, const struct ox_scope *s)
{
    const int n = (int)s->p->n_node;
    int *maker = NCC_NEW(m->arena, int, s->n), *stack = NCC_NEW(m->arena, int, n), *order = NCC_NEW(m->arena, int, n);
    struct ordering o = {m, s, maker, NCC_NEW(m->arena, struct needs, n)};
    for (int i = 0; i < s->n; i++)
        maker[i] = -1;
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < s->p->node[i]->n_output; k++) {
            const struct ox_tensor *t = ncc_onnx_find(s, s->p->node[i]->output[k]);
            if (t)
                maker[t - s->tensors] = i;
        }
    for (int i = 0; i < n; i++)
        find_needs(&o, &o.nodes[i], s->p->node[i]);
    int n_order = 0;
    for (int i = 0; i < n; i++)
        if (!o.nodes[i].is_open)
            n_order = put(&o, i, stack, order, n_order);
    const Onnx__NodeProto **nodes = NCC_NEW(m->arena, const Onnx__NodeProto *, n);
    for (int i = 0; i < n; i++)
        nodes[i] = s->p->node[order[i]];
    return nodes;
}
