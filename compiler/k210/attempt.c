/* Trying one way of lowering, to compare it with others by estimated time: what was built is counted, and can be taken
 * back without a trace. */
#include "compiler/k210/cost.h"
#include "compiler/k210/lower.h"

#include <assert.h>

/* Weights take general RAM and flash: a byte counts as much as a clock of the KPU. */
#define US_PER_WEIGHT (1e6 / NCC_KPU_CLOCK_HZ)

static struct node *last_made(const struct lowering *l)
{
    return l->g->cursor ? l->g->cursor->prev : l->g->last;
}

struct form *ncc_lower_form_to_set(struct lowering *l, const struct value *v)
{
    assert(l->n_set < NCC_LOWER_N_FORMS * l->n_forms);
    l->set[l->n_set++] = v->id;
    return &l->forms[v->id];
}

static void make_unread(struct lowering *l, size_t n)
{
    l->unread = (struct unread){NCC_NEW(l->g->arena, float, n), n};
}

/* Room that an attempt makes goes with it. So that not every attempt makes it again, it is made in front of the next
 * one. */
struct attempt ncc_lower_begin(struct lowering *l)
{
    if (l->unread.n < l->most_unread)
        make_unread(l, l->most_unread);
    return (struct attempt){last_made(l), l->g->next_id, l->n_set,
                            l->span->detour_us, l->replaced_us, l->unread, ncc_arena_mark(l->g->arena)};
}

void ncc_lower_try(struct lowering *l, int more)
{
    l->trying += more;
    l->g->unnamed = l->trying > 0;
}

static bool is_newer(const struct value *v, const struct attempt *a)
{
    return v && v->id >= a->first_id;
}

/* Users stand behind what they use: from the last one on, nothing that is removed is still read. */
static void remove_unread(struct lowering *l, const struct attempt *a, const struct value *keep)
{
    for (struct node *n = last_made(l), *prev; n != a->last; n = prev) {
        prev = n->prev;
        bool read = false;
        for (int i = 0; i < n->n_out; i++)
            read = read || n->out[i]->uses || n->out[i] == keep;
        if (!read)
            ncc_node_remove(l->g, n);
    }
}

static double node_us(const struct lowering *l, const struct node *n)
{
    const double weights = n->op == OP_kpu_conv ? (double)ncc_shape_count(n->in[1]->shape) : 0;
    return ncc_lower_layer_us(l, n) + weights * US_PER_WEIGHT;
}

double ncc_lower_spent(struct lowering *l, const struct attempt *a, const struct value *result)
{
    remove_unread(l, a, result);
    double us = l->span->detour_us - a->detour_us - (l->replaced_us - a->replaced_us);
    for (const struct node *n = last_made(l); n != a->last; n = n->prev)
        us += node_us(l, n);
    return us;
}

void ncc_lower_replace(struct lowering *l, const struct value *x)
{
    const bool several = x->def->op == OP_kpu_concat;
    for (int i = 0; i < (several ? x->def->n_in : 1); i++)
        l->replaced_us += node_us(l, several ? x->def->in[i]->def : x->def);
}

/* Packed maps are moved as bytes, an element each. */
static double copied_us(const struct node *n, enum ncc_kpu_runtime runtime)
{
    const int *d = (n->op == OP_kpu_download ? n->in[0] : n->out[0])->shape.dim;
    if (n->op == OP_kpu_download)
        return ncc_kpu_download_us(d[1], d[2], d[3], runtime);
    if (n->op == OP_kpu_upload)
        return ncc_kpu_upload_us(d[1], d[2], d[3], runtime);
    return n->op == OP_kpu_conv ? 0 : ncc_cost_cpu_us(n, runtime);
}

double ncc_lower_copied(const struct lowering *l, const struct attempt *a)
{
    double us = 0;
    for (const struct node *n = last_made(l); n != a->last; n = n->prev)
        us += copied_us(n, l->options->runtime);
    return us;
}

float *ncc_lower_weights(struct lowering *l, size_t n)
{
    if (!l->trying)
        return NCC_NEW(l->g->arena, float, n);
    if (l->unread.n < n) {
        make_unread(l, n > 2 * l->unread.n ? n : 2 * l->unread.n);
        l->most_unread = l->unread.n;
    }
    return l->unread.v;
}

void ncc_lower_undo(struct lowering *l, const struct attempt *a)
{
    for (; l->n_set > a->n_set; l->n_set--) {
        struct form *f = &l->forms[l->set[l->n_set - 1]];
        if (is_newer(f->kpu, a))
            f->kpu = NULL;
        if (is_newer(f->main, a))
            f->main = NULL;
        if (is_newer(f->spread, a))
            f->spread = NULL;
    }
    remove_unread(l, a, NULL);
    l->span->detour_us = a->detour_us;
    l->replaced_us = a->replaced_us;
    l->unread = a->unread;
    ncc_arena_rewind(l->g->arena, &a->memory);
}
