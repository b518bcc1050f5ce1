/* When buffers are written first and read last. */
#include "compiler/plan/alias.h"

#include <limits.h>

static void touch(struct life *life, const struct alias_map *m, const struct value *v, int step)
{
    if (!v || m->buffer_of[v->id] < 0)
        return;
    struct life *l = &life[m->buffer_of[v->id]];
    l->birth = step < l->birth ? step : l->birth;
    l->death = step > l->death ? step : l->death;
}

struct life *ncc_plan_life(const struct graph *g, const struct alias_map *m, struct arena *a)
{
    struct life *life = NCC_NEW(a, struct life, m->n_buffers);
    int *written = NCC_NEW(a, int, m->n_ids); /* by value: the step of its node */
    for (int i = 0; i < m->n_buffers; i++)
        life[i] = (struct life){m->buffer[i].input ? 0 : INT_MAX, 0};
    int step = 0;
    for (const struct node *n = g->first; n; n = n->next, step++) {
        const struct node *layer = ncc_plan_fused_layer(n);
        for (int i = 0; i < n->n_in; i++)
            touch(life, m, n->in[i], step);
        for (int i = 0; i < n->n_out; i++) {
            written[n->out[i]->id] = step;
            touch(life, m, n->out[i], step);
            if (layer)
                touch(life, m, n->out[i], written[layer->out[0]->id]);
        }
    }
    for (int i = 0; i < m->n_buffers; i++) {
        if (life[i].birth == INT_MAX)
            life[i].birth = 0;
        if (m->buffer[i].output)
            life[i].death = step > 0 ? step - 1 : 0;
    }
    return life;
}
