/* The whole plan: order, shared bytes, lifetimes, addresses. */
#include "compiler/plan/plan.h"

#include "compiler/plan/address.h"
#include "compiler/plan/alias.h"
#include "compiler/plan/order.h"

static bool report(const struct graph *g, const struct alias_conflict *c)
{
    const struct value *v = c->concat->in[c->index];
    ncc_diag_error(g->diags, FAULT_INTERNAL, ncc_node_place(g, c->concat),
                   "the inputs of a kpu_concat must be able to lie side by side",
                   "copy the input by a layer of its own", "input %d, '%s', lies elsewhere already", c->index, v->name);
    return false;
}

/* Addresses of all buffers of one memory. */
static void pack_memory(const struct alias_map *m, const struct life *life, enum memory mem, int64_t enough,
                        int64_t nodes, struct arena *a, int64_t *addr, struct plan_memory *out)
{
    struct job *jobs = NCC_NEW(a, struct job, m->n_buffers);
    int *buffer = NCC_NEW(a, int, m->n_buffers), n = 0;
    for (int i = 0; i < m->n_buffers; i++) {
        if (m->buffer[i].mem != mem)
            continue;
        buffer[n] = i;
        jobs[n++] = (struct job){m->buffer[i].size, life[i].birth, life[i].death, 0};
    }
    ncc_plan_pack(jobs, n, enough, nodes, a, out);
    for (int i = 0; i < n; i++)
        addr[buffer[i]] = jobs[i].addr;
}

/* A choice of shared bytes, with the addresses that follow. */
struct draft {
    struct alias_map map;
    const struct life *life;
    int64_t *addr;
    struct plan_memory main;
};

static struct draft draft_main(const struct graph *g, enum in_place mode, int64_t nodes, struct arena *a)
{
    struct draft d;
    struct alias_conflict none;
    ncc_plan_alias(g, mode, a, &d.map, &none); /* cannot fail: it did not for another order */
    d.life = ncc_plan_life(g, &d.map, a);
    d.addr = NCC_NEW(a, int64_t, d.map.n_buffers);
    pack_memory(&d.map, d.life, MEM_MAIN, 0, nodes, a, d.addr, &d.main);
    return d;
}

/* Sharing bytes makes buffers live longer, which may need more in the end, or be harder to place. So the choices are
 * compared, and the first is kept unless another is better. */
static struct draft best_draft(const struct graph *g, int64_t nodes, struct arena *a)
{
    static const enum in_place modes[] = {IN_PLACE_THIS_ORDER, IN_PLACE_CONVERSIONS, IN_PLACE_NEVER};
    enum { N_MODES = sizeof modes / sizeof modes[0] };
    const int64_t some = nodes < NCC_PLAN_NODES_PER_SECOND / 20 ? nodes : NCC_PLAN_NODES_PER_SECOND / 20;
    struct draft best = draft_main(g, modes[0], some, a);
    int mode = 0;
    for (int i = 1; i < N_MODES; i++) {
        const struct draft d = draft_main(g, modes[i], some, a);
        if (d.main.peak >= best.main.peak)
            continue;
        best = d;
        mode = i;
    }
    return best.main.optimal || nodes == some ? best : draft_main(g, modes[mode], nodes, a);
}

/* In a KPU RAM that is large enough anyway there is little to be gained by a long search. */
static struct plan_memory draft_kpu(const struct draft *d, int64_t limit, int64_t enough, int64_t nodes,
                                    struct arena *a)
{
    const int64_t some = nodes < NCC_PLAN_NODES_PER_SECOND / 2 ? nodes : NCC_PLAN_NODES_PER_SECOND / 2;
    struct plan_memory m;
    pack_memory(&d->map, d->life, MEM_KPU, enough, some, a, d->addr, &m);
    if (m.peak > limit && !m.optimal && nodes > some)
        pack_memory(&d->map, d->life, MEM_KPU, enough, nodes, a, d->addr, &m);
    return m;
}

static void finish(const struct draft *d, struct arena *a, struct plan *out)
{
    for (int i = 0; i < d->map.n_buffers; i++) {
        const struct shared *s = &d->map.buffer[i];
        const struct buffer b = {s->mem, s->size, d->life[i].birth, d->life[i].death, d->addr[i]};
        NCC_PUSH(a, &out->buffers, b);
    }
    out->buffer_of = d->map.buffer_of;
    out->offset_in = d->map.offset_in;
    out->main = d->main;
}

static void set_addr(const struct plan *p, struct value *v)
{
    const int b = v ? p->buffer_of[v->id] : -1;
    if (b >= 0)
        v->addr = p->buffers.v[b].addr + p->offset_in[v->id];
}

static void set_all_addr(struct graph *g, const struct plan *p)
{
    for (int i = 0; i < g->inputs.n; i++)
        set_addr(p, g->inputs.v[i]);
    for (struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_out; i++)
            set_addr(p, n->out[i]);
    }
}

static int64_t search_nodes(const struct plan_options *options)
{
    const double seconds = options->solve_seconds < 0 ? 0 : options->solve_seconds < 1e6 ? options->solve_seconds : 1e6;
    return (int64_t)(seconds * NCC_PLAN_NODES_PER_SECOND);
}

bool ncc_plan_make(struct graph *g, const struct plan_options *options, struct arena *a, struct plan *out)
{
    struct alias_map m;
    struct alias_conflict conflict;
    if (!ncc_plan_alias(g, IN_PLACE_ANY_ORDER, a, &m, &conflict))
        return report(g, &conflict);
    ncc_plan_order(g, &m, a);

    const int64_t nodes = search_nodes(options);
    const struct draft d = best_draft(g, nodes, a);
    *out = (struct plan){.n_ids = g->next_id, .n_steps = ncc_graph_n_nodes(g)};
    out->kpu = draft_kpu(&d, options->kpu_limit, 0, nodes, a);
    finish(&d, a, out);
    set_all_addr(g, out);
    return true;
}

/* ---- on trial ---- */

/* Of the search for addresses. Where it misses, the need is what that part found, and a plan may still fit. */
enum { TRIAL_SHARE = 16 };

/* The step where most bytes of KPU RAM are alive, with what is. */
static void find_peak(const struct graph *g, const struct draft *d, int64_t limit, struct arena *a,
                      struct plan_need *out)
{
    int64_t *change = NCC_NEW(a, int64_t, ncc_graph_n_nodes(g) + 2), live = 0;
    for (int i = 0; i < d->map.n_buffers; i++) {
        if (d->map.buffer[i].mem != MEM_KPU)
            continue;
        change[d->life[i].birth] += d->map.buffer[i].size;
        change[d->life[i].death + 1] -= d->map.buffer[i].size;
    }
    int step = 0, peak = 0;
    *out = (struct plan_need){.at = g->first, .alive = NCC_NEW(a, bool, g->next_id)};
    for (const struct node *n = g->first; n; n = n->next, step++) {
        live += change[step];
        out->excess += live > limit ? live - limit : 0;
        if (live > out->bound) {
            out->bound = live;
            out->at = n;
            peak = step;
        }
    }
    for (int id = 0; id < g->next_id; id++) {
        const int b = d->map.buffer_of[id];
        out->alive[id] = b >= 0 && d->map.buffer[b].mem == MEM_KPU && d->life[b].birth <= peak && d->life[b].death >= peak;
    }
}

static struct node **nodes_of(const struct graph *g, struct arena *a)
{
    struct node **v = NCC_NEW(a, struct node *, ncc_graph_n_nodes(g));
    int n = 0;
    for (struct node *k = g->first; k; k = k->next)
        v[n++] = k;
    return v;
}

static void relink(struct graph *g, struct node *const *order, int n)
{
    for (int i = 0; i < n; i++)
        ncc_node_move_before(g, order[i], NULL);
}

bool ncc_plan_need(struct graph *g, const struct plan_options *options, struct arena *a, struct plan_need *out)
{
    struct draft d;
    struct alias_conflict conflict;
    if (!ncc_plan_alias(g, IN_PLACE_ANY_ORDER, a, &d.map, &conflict))
        return report(g, &conflict);
    struct node *const *source = nodes_of(g, a);
    ncc_plan_order_for_kpu(g, &d.map, options->kpu_limit, a);
    d.life = ncc_plan_life(g, &d.map, a);
    find_peak(g, &d, options->kpu_limit, a, out);
    out->peak = out->bound;
    if (out->bound <= options->kpu_limit) {
        d.addr = NCC_NEW(a, int64_t, d.map.n_buffers);
        out->peak = draft_kpu(&d, options->kpu_limit, options->kpu_limit, search_nodes(options) / TRIAL_SHARE, a).peak;
    }
    relink(g, source, ncc_graph_n_nodes(g));
    return true;
}
