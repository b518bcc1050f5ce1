/* How long the graph takes when it is cut in one way or another. Every way is rewritten, placed and lowered on trial, on
 * a copy of its own, so several threads do it side by side.
 *
 * Of the many ways that come into question most are far from the best. Around the nodes that any of them cuts, the graph
 * has a few neighbours whose layers may change with the cut; all else takes the same time. So they are compared first
 * on that part alone:
 *
 *     nodes ... | MARGIN  nodes that some way cuts  MARGIN | ... nodes
 *               '- inputs                                  '- outputs
 */
#include "compiler/k210/bands.h"
#include "compiler/k210/cost.h"

#include "compiler/base/parallel.h"

enum { MARGIN = 12 };

/* ---- time ---- */

/* What a byte more of the kmodel is worth. */
#define US_PER_BYTE 0.02

double ncc_bands_weights_us(const struct graph *g)
{
    double bytes = 0;
    for (const struct node *n = g->first; n; n = n->next)
        if (n->on_kpu && n->n_in > 1 && ncc_is_const(n->in[1]))
            bytes += (double)ncc_shape_count(n->in[1]->shape);
    return bytes * US_PER_BYTE;
}

static double estimate(const struct graph *whole, const struct k210_options *options, const struct band_choice *choice,
                       struct arena *a)
{
    const struct arena_mark before = ncc_arena_mark(a);
    struct diags quiet;
    ncc_diag_init(&quiet, a);
    struct graph *g = ncc_graph_copy(whole, a, &quiet);
    ncc_bands_apply(g, choice);
    const double us = ncc_k210_place(g, options, a) ? ncc_k210_placed_us(g, options) + ncc_bands_weights_us(g) : 1e30;
    ncc_arena_rewind(a, &before);
    return us;
}

/* ---- side by side ---- */

/* A thread has memory of its own, and comes back here when that runs out. */
struct bench {
    struct exit exit;
    struct arena arena;
    bool failed;
};

struct comparing {
    const struct graph *g;
    const struct k210_options *options;
    struct band_choice *way;
    struct bench *bench; /* by thread */
};

static void time_one(void *ctx, int i, int thread)
{
    struct comparing *c = ctx;
    struct bench *b = &c->bench[thread];
    if (b->failed || setjmp(b->exit.env)) {
        b->failed = true;
        return;
    }
    c->way[i].us = estimate(c->g, c->options, &c->way[i], &b->arena);
}

void ncc_bands_time(const struct graph *g, const struct k210_options *options, struct arena *scratch,
                    struct band_choice *way, int n)
{
    const int n_threads = ncc_parallel_threads();
    struct comparing c = {g, options, way, NCC_NEW(scratch, struct bench, n_threads)};
    for (int t = 0; t < n_threads; t++) {
        c.bench[t].exit.limit = scratch->exit->limit;
        c.bench[t].arena = ncc_arena_make(&c.bench[t].exit);
    }
    ncc_parallel_for(n, time_one, &c);
    bool failed = false;
    for (int t = 0; t < n_threads; t++) {
        failed |= c.bench[t].failed;
        ncc_arena_release(&c.bench[t].arena);
    }
    if (failed)
        ncc_arena_no_memory(scratch);
}

/* ---- the part of the graph that changes ---- */

static bool used_behind(const struct graph *g, const struct value *v, const int *place, int last)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (place[u->node->out[0]->id] > last)
            return true;
    return ncc_value_is_output(g, v);
}

/* A copy of the nodes first..last. What they read from before becomes inputs, what is read behind them outputs. */
static struct graph *part_of(const struct graph *whole, int first, int last, struct diags *quiet, struct arena *a)
{
    struct graph *g = ncc_graph_copy(whole, a, quiet);
    int *place = NCC_NEW(a, int, g->next_id), n = 0;
    for (const struct node *k = g->first; k; k = k->next, n++)
        for (int i = 0; i < k->n_out; i++)
            place[k->out[i]->id] = n;
    struct {
        struct value **v;
        int n, cap;
    } leave = {0};
    for (struct node *k = g->first; k; k = k->next)
        for (int i = 0; i < k->n_out; i++)
            if (place[k->out[i]->id] >= first && place[k->out[i]->id] <= last && used_behind(g, k->out[i], place, last))
                NCC_PUSH(a, &leave, k->out[i]);
    g->outputs.n = 0;
    for (int i = 0; i < leave.n; i++)
        ncc_graph_output(g, leave.v[i], NULL);
    ncc_graph_sweep(g);
    for (const struct node *k = g->first; k && place[k->out[0]->id] < first; k = k->next)
        for (int i = 0; i < k->n_out; i++) {
            struct value *v = k->out[i], *in = ncc_graph_input(g, v->name, v->dtype, v->shape);
            in->range = v->range;
            ncc_value_replace(g, v, in);
        }
    ncc_graph_sweep(g);
    return g;
}

void ncc_bands_time_near(const struct graph *g, const struct k210_options *options, struct arena *scratch,
                         struct band_choice *way, int n)
{
    const int n_nodes = ncc_graph_n_nodes(g);
    int first = n_nodes, last = 0;
    for (int i = 0; i < n; i++) {
        first = way[i].node[0] < first ? way[i].node[0] : first;
        last = way[i].node[way[i].n - 1] > last ? way[i].node[way[i].n - 1] : last;
    }
    first = first > MARGIN ? first - MARGIN : 0;
    last = last + MARGIN < n_nodes ? last + MARGIN : n_nodes - 1;
    struct diags quiet;
    ncc_diag_init(&quiet, scratch);
    const struct graph *part = part_of(g, first, last, &quiet, scratch);
    struct band_choice *in_part = NCC_NEW(scratch, struct band_choice, n);
    for (int i = 0; i < n; i++) {
        in_part[i] = way[i];
        in_part[i].node = NCC_NEW(scratch, int, way[i].n);
        for (int k = 0; k < way[i].n; k++)
            in_part[i].node[k] = way[i].node[k] - first;
    }
    ncc_bands_time(part, options, scratch, in_part, n);
    for (int i = 0; i < n; i++)
        way[i].us = in_part[i].us;
}
