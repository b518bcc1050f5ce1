/* Spilling: a map that is needed much later leaves KPU RAM and comes back. In the graph that is a slice of all of it,
 * which must run on the CPU: a view in main memory, so that what it costs is the copy there and back. */
#include "compiler/k210/k210.h"
#include "compiler/ops/attrs.h"

void ncc_k210_spill(struct graph *g, struct value *v, int place)
{
    struct slice_attrs all = {.begin = {v->shape.rank, {0}}, .size = {v->shape.rank, {0}}, .stride = {v->shape.rank, {0}}};
    for (int i = 0; i < v->shape.rank; i++) {
        all.size.v[i] = v->shape.dim[i];
        all.stride.v[i] = 1;
    }
    struct use *readers = NULL; /* in an array of its own, as setting an input changes the list */
    int n = 0, at = 0;
    for (const struct use *u = v->uses; u; u = u->next)
        n++;
    readers = NCC_NEW(g->arena, struct use, n);
    n = 0;
    for (struct node *k = g->first; k; k = k->next, at++)
        for (int i = 0; i < k->n_in && at >= place; i++)
            if (k->in[i] == v)
                readers[n++] = (struct use){k, i, NULL};
    g->cursor = v->def->next;
    struct node *spill = ncc_node_new(g, OP_slice, ncc_name(g, v->name, "spill"), &all, &v, 1);
    g->cursor = NULL;
    spill->barred = true;
    spill->reason = "kept in main memory until it is needed again";
    for (int i = 0; i < n; i++)
        ncc_node_set_input(readers[i].node, readers[i].index, spill->out[0], g->arena);
}
