/* From nodes to units, and where the segments are. */
#include "compiler/plan/order.h"

static void add_once(struct arena *a, struct int_list *list, int item)
{
    for (int i = 0; i < list->n; i++) {
        if (list->v[i] == item)
            return;
    }
    NCC_PUSH(a, list, item);
}

struct builder {
    struct units u;
    int *writer; /* by value id: the unit that writes it, -1: none */
    const struct alias_map *map;
    struct arena *arena;
};

static void touch(struct builder *b, int unit, const struct value *v)
{
    const int buffer = v ? b->map->buffer_of[v->id] : -1;
    if (buffer < 0)
        return;
    struct int_list *list = &b->u.v[unit].touch;
    const int before = list->n;
    add_once(b->arena, list, buffer);
    if (list->n == before)
        return;
    NCC_PUSH(b->arena, &b->u.held[buffer].touched_by, unit);
}

static void depend(struct builder *b, int unit, const struct value *v)
{
    const int from = v ? b->writer[v->id] : -1;
    if (from < 0 || from == unit)
        return;
    /* A reader's edges are added together, so an edge that exists already is the last one. */
    struct int_list *next = &b->u.v[from].next;
    if (next->n > 0 && next->v[next->n - 1] == unit)
        return;
    NCC_PUSH(b->arena, next, unit);
    b->u.v[unit].n_before++;
}

static void add_node(struct builder *b, const struct node *n, int position)
{
    const struct node *layer = ncc_plan_fused_layer(n);
    const int unit = layer ? b->writer[layer->out[0]->id] : b->u.n++;
    NCC_PUSH(b->arena, &b->u.v[unit].nodes, position);
    for (int i = 0; i < n->n_in; i++) {
        depend(b, unit, n->in[i]);
        touch(b, unit, n->in[i]);
    }
    for (int i = 0; i < n->n_out; i++) {
        b->writer[n->out[i]->id] = unit;
        touch(b, unit, n->out[i]);
    }
}

/* alone[i] stays true where, walking in the given direction, unit i is the only one that can come next: everything
 * further on then depends on it. */
static void mark_forward(const struct units *u, bool *alone, struct arena *a)
{
    int *waits = NCC_NEW(a, int, u->n);
    int ready = 0;
    for (int i = 0; i < u->n; i++) {
        waits[i] = u->v[i].n_before;
        ready += waits[i] == 0;
    }
    for (int i = 0; i < u->n; i++) {
        alone[i] = alone[i] && ready == 1;
        ready--;
        for (int k = 0; k < u->v[i].next.n; k++)
            ready += --waits[u->v[i].next.v[k]] == 0;
    }
}

static void mark_backward(const struct units *u, bool *alone, struct arena *a)
{
    /* Walking down, a unit is ready when the nearest of those that follow it is done. */
    int *nearest = NCC_NEW(a, int, u->n), *becomes_ready = NCC_NEW(a, int, u->n);
    int ready = 0;
    for (int i = 0; i < u->n; i++) {
        nearest[i] = -1;
        for (int k = 0; k < u->v[i].next.n; k++) {
            const int next = u->v[i].next.v[k];
            nearest[i] = nearest[i] < 0 || next < nearest[i] ? next : nearest[i];
        }
        if (nearest[i] < 0)
            ready++;
        else
            becomes_ready[nearest[i]]++;
    }
    for (int i = u->n - 1; i >= 0; i--) {
        alone[i] = alone[i] && ready == 1;
        ready += becomes_ready[i] - 1;
    }
}

static void find_segments(struct units *u, struct arena *a)
{
    bool *alone = NCC_NEW(a, bool, u->n);
    for (int i = 0; i < u->n; i++)
        alone[i] = true;
    mark_forward(u, alone, a);
    mark_backward(u, alone, a);
    u->segments = NCC_NEW(a, struct segment, u->n);
    int begin = 0;
    for (int i = 0; i <= u->n; i++) {
        if (i < u->n && !alone[i])
            continue;
        if (i > begin)
            u->segments[u->n_segments++] = (struct segment){begin, i};
        if (i < u->n)
            u->segments[u->n_segments++] = (struct segment){i, i + 1};
        begin = i + 1;
    }
}

struct units ncc_plan_units(const struct graph *g, const struct alias_map *m, struct arena *a)
{
    struct builder b = {.map = m, .arena = a, .writer = NCC_NEW(a, int, m->n_ids)};
    b.u.v = NCC_NEW(a, struct unit, ncc_graph_n_nodes(g));
    b.u.n_held = m->n_buffers;
    b.u.held = NCC_NEW(a, struct held, m->n_buffers);
    for (int i = 0; i < m->n_buffers; i++) {
        const struct shared *s = &m->buffer[i];
        b.u.held[i] = (struct held){.mem = s->mem, .size = s->size, .from_start = s->input, .to_end = s->output};
    }
    for (int i = 0; i < m->n_ids; i++)
        b.writer[i] = -1;
    int position = 0;
    for (const struct node *n = g->first; n; n = n->next)
        add_node(&b, n, position++);
    find_segments(&b.u, a);
    return b.u;
}
