/* How precise the kmodel is, and --min-sqnr: more precision by CPU kernels in floating point.
 *
 * Codes are rounded at every layer, so what helps is a run of neighbours that stay in floating point together: the tail
 * of the network from some node on, or its head up to some node. The shortest of each that is precise enough is found
 * by bisection, and of the two the one with fewer multiply-adds on the CPU is taken. With all nodes in floating point
 * nothing is rounded.
 */
#include "compiler/quant/compare.h"
#include "compiler/quant/layer_error.h"
#include "compiler/report/judgement.h"
#include "compiler/steps.h"

#include <math.h>

enum { MAX_SAMPLES = 8 };

/* Nodes first..last - 1 of the legal graph stay in floating point. */
struct run {
    int first, last;
};

/* The worst output's signal to noise, in dB; NAN when it cannot be told. The least precise layer goes to the report. */
static double measure(struct compilation *c, int n_samples)
{
    struct layer_errors e;
    struct report_precision *p = &c->report.precision;
    const struct layer_error_options brief = {.quiet = true, .brief = true};
    struct samples samples = ncc_compilation_samples(c);
    samples.n = samples.n < n_samples ? samples.n : n_samples;
    if (!samples.n || !ncc_quant_layer_errors(c->real, c->graph, &samples, &brief, &c->scratch, &e))
        return (double)NAN;
    *p = (struct report_precision){.db = INFINITY, .n_samples = samples.n};
    for (int k = 0; k < e.n_outputs; k++) {
        const double db = ncc_layer_db(e.outputs[k].signal, e.outputs[k].total);
        if (db >= p->db)
            continue;
        p->db = db;
        p->before_softmax =
            ncc_compared_softmax(c->real->outputs.v[k].value, c->graph->outputs.v[k].value->dtype).n > 0;
    }
    /* What costs the outputs most would tell more, but to find it takes a run for each layer. */
    const struct layer_error *least = ncc_layer_least_precise(&e);
    const char *reason = least ? ncc_layer_reason(least, &c->arena) : NULL;
    if (reason) {
        p->layer = ncc_arena_printf(&c->arena, "%s", least->node->name);
        p->layer_db = ncc_layer_own_db(least);
        p->reason = reason;
    }
    return p->db;
}

/* Lowers and quantises again with this run in floating point; the worst output in dB, NAN after an error. */
static double attempt(struct compilation *c, struct run run)
{
    c->graph = ncc_graph_copy(c->legal, &c->arena, &c->diags);
    c->report.bands.n = c->report.spills.n = 0;
    int i = 0;
    for (struct node *n = c->graph->first; n; n = n->next, i++)
        if (i >= run.first && i < run.last) {
            n->barred = n->in_float = true;
            n->reason = "--min-sqnr wants more precision than codes give";
        }
    if (!ncc_step_lower(c) || !ncc_step_observe(c) || !ncc_step_quantise(c) || !ncc_step_integers(c))
        return (double)NAN;
    return measure(c, MAX_SAMPLES);
}

static double macs_of(const struct graph *g, struct run run)
{
    double sum = 0;
    int i = 0;
    for (const struct node *n = g->first; n; n = n->next, i++)
        if (i >= run.first && i < run.last && ncc_op_desc(n->op)->macs)
            sum += ncc_op_desc(n->op)->macs(n);
    return sum;
}

static struct run run_of(bool tail, int length, int n)
{
    return tail ? (struct run){n - length, n} : (struct run){0, length};
}

/* The shortest head or tail that is precise enough. All of them is. */
static struct run shortest(struct compilation *c, bool tail, int n)
{
    int too_short = 0, enough = n;
    while (enough - too_short > 1 && !c->diags.n_errors) {
        const int length = too_short + (enough - too_short) / 2;
        if (attempt(c, run_of(tail, length, n)) >= c->options->min_sqnr)
            enough = length;
        else
            too_short = length;
    }
    return run_of(tail, enough, n);
}

static bool reach(struct compilation *c)
{
    const int n = ncc_graph_n_nodes(c->legal);
    const struct run tail = shortest(c, true, n), head = shortest(c, false, n);
    const struct run best = macs_of(c->legal, head) < macs_of(c->legal, tail) ? head : tail;
    attempt(c, best);
    c->report.precision.n_float = best.last - best.first;
    c->report.precision.n_nodes = n;
    c->report.precision.head = best.first == 0;
    return c->diags.n_errors == 0;
}

bool ncc_step_precision(struct compilation *c)
{
    if (c->k210.cpu_only || c->made_up)
        return true;
    const double wanted = c->options->min_sqnr;
    const double now = measure(c, wanted > 0 ? MAX_SAMPLES : 1);
    return !(wanted > 0) || now >= wanted || reach(c);
}
