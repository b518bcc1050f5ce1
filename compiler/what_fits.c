#include "compiler/what_fits.h"

#include "compiler/steps.h"

#include <math.h>

/* Of one search; then the best so far is good enough. Work is counted in values that lowering makes, some microseconds each,
 * and not in seconds, so that what is suggested is the same on every machine. */
enum { MAX_TRIES = 8 };
#define MAX_WORK       1e6
#define MACS_PER_VALUE 2e4 /* that a sample takes meanwhile */

enum outcome { FITS, TOO_LARGE, IMPOSSIBLE };

static double work_of(const struct compilation *c)
{
    const double macs = c->graph ? c->data.n * ncc_graph_macs(c->graph) : 0;
    return (double)c->n_made + macs / MACS_PER_VALUE;
}

/* Compiles as far as the report, without a trace. */
static enum outcome attempt(const struct ncc_compile_options *changed, double *work)
{
    struct ncc_compile_options o = *changed;
    o.output = o.report = o.dataset = o.print_after = NULL;
    o.min_sqnr = 0;
    o.steps.rounding = NCC_ROUNDING_NONE;
    o.verify_passes = o.dump_ir = o.dump_weights_range = o.json = o.verbose = false;
    o.quiet = true;
    FILE *nowhere = fopen("/dev/null", "w");
    if (!nowhere)
        return IMPOSSIBLE;
    struct compilation t;
    ncc_compilation_open(&t, &o, nowhere, nowhere);
    t.trying = true;
    const enum ncc_exit e = ncc_compilation_run(&t, ncc_compile_steps, ncc_compile_n_steps);
    *work += work_of(&t);
    ncc_compilation_close(&t);
    fclose(nowhere);
    return e == NCC_EXIT_DONE ? FITS : e == NCC_EXIT_NO_FIT ? TOO_LARGE : IMPOSSIBLE;
}

/* ---- a smaller input ---- */

enum { COARSE = 32, FINE = 8, COARSE_FROM = 128 };

struct picture {
    const char *name;
    struct shape shape;
    int unit;
};

static int longer_side(const struct picture *p)
{
    return p->shape.dim[2] > p->shape.dim[3] ? p->shape.dim[2] : p->shape.dim[3];
}

/* A side of the picture when the longer one is `longer`. */
static int scaled(const struct picture *p, int side, int longer)
{
    if (side < p->unit)
        return side;
    const int units = (int)lrint((double)side * longer / longer_side(p) / p->unit);
    return units > 0 ? units * p->unit : p->unit;
}

static struct shape scaled_shape(const struct picture *p, int i)
{
    struct shape s = p->shape;
    s.dim[2] = scaled(p, p->shape.dim[2], i * p->unit);
    s.dim[3] = scaled(p, p->shape.dim[3], i * p->unit);
    return s;
}

static enum outcome with_size(const struct compilation *c, const struct picture *p, int i, double *work)
{
    const struct shape s = scaled_shape(p, i);
    const struct ncc_shape_override shape = {p->name, 4, {s.dim[0], s.dim[1], s.dim[2], s.dim[3]}};
    struct ncc_compile_options o = *c->options;
    o.shapes = &shape;
    o.n_shapes = 1;
    return attempt(&o, work);
}

/* By bisection: what fits also fits when it is smaller. */
const char *ncc_smaller_that_fits(const struct compilation *c, struct arena *a)
{
    if (c->trying || c->graph->inputs.n != 1 || c->graph->inputs.v[0]->shape.rank != 4)
        return NULL;
    struct picture p = {c->graph->inputs.v[0]->name, c->graph->inputs.v[0]->shape, FINE};
    if (longer_side(&p) >= COARSE_FROM)
        p.unit = COARSE;
    int fits = 0, too_large = (longer_side(&p) + p.unit - 1) / p.unit;
    double work = 0;
    for (int i = 0; i < MAX_TRIES && work < MAX_WORK && too_large - fits > 1; i++) {
        const int middle = fits + (too_large - fits) / 2;
        const enum outcome r = with_size(c, &p, middle, &work);
        if (r == IMPOSSIBLE)
            break;
        *(r == FITS ? &fits : &too_large) = middle;
    }
    if (!fits)
        return NULL;
    const struct shape shape = scaled_shape(&p, fits);
    return ncc_arena_printf(a, "an input of %dx%d (width x height)", shape.dim[3], shape.dim[2]);
}

/* ---- an earlier end ---- */

/* Results of nodes behind which nothing else that was computed is needed any more, in order. */
static int find_necks(const struct graph *g, const char **names, struct arena *a)
{
    int *last = NCC_NEW(a, int, g->next_id);
    int place = 0, n = 0, until = -1;
    for (const struct node *k = g->first; k; k = k->next, place++)
        for (int i = 0; i < k->n_in; i++)
            if (k->in[i])
                last[k->in[i]->id] = place;
    for (int i = 0; i < g->outputs.n; i++)
        last[g->outputs.v[i].value->id] = place;
    for (int i = 0; i < g->inputs.n; i++)
        until = last[g->inputs.v[i]->id] > until ? last[g->inputs.v[i]->id] : until;
    place = 0;
    for (const struct node *k = g->first; k; k = k->next, place++) {
        if (until <= place && k->n_out == 1 && !ncc_value_is_output(g, k->out[0]))
            names[n++] = k->out[0]->name;
        for (int i = 0; i < k->n_out; i++)
            until = last[k->out[i]->id] > until ? last[k->out[i]->id] : until;
    }
    return n;
}

/* Some of them, from the last on: one that ends earlier may have a larger result, and not fit. */
const char *ncc_cut_that_fits(const struct compilation *c, struct arena *a)
{
    if (c->trying || !c->source)
        return NULL;
    const char **names = NCC_NEW(a, const char *, ncc_graph_n_nodes(c->source));
    const int n = find_necks(c->source, names, a), step = (n + MAX_TRIES - 1) / MAX_TRIES;
    double work = 0;
    for (int i = n - 1; i >= 0 && work < MAX_WORK; i -= step) {
        struct ncc_compile_options o = *c->options;
        o.output_tensors = &names[i];
        o.n_output_tensors = 1;
        if (attempt(&o, &work) == FITS)
            return ncc_arena_printf(a, "a cut with --output-tensor '%s'", names[i]);
    }
    return NULL;
}
