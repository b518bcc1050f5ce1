#include "compiler/quant/layer_effect.h"

#include "compiler/base/parallel.h"
#include "compiler/base/progress.h"
#include "compiler/quant/code_rows.h"
#include "compiler/quant/compare.h"
#include "compiler/quant/layer_run.h"
#include "compiler/quant/window_runs.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Work of an element that a node makes, in multiply-adds of a convolution: about what it takes to write it. */
#define ELEMENT_WORK 8

/* What a thread works with. */
struct carrier {
    struct tensor *changed; /* by id of the real graph: what is no longer as in `real`; no data: it still is */
    const struct tensor **in;
    struct tensor **out, *fixed; /* of the widest node */
    struct layer_room layer;
    float *logits; /* of the largest output */
};

struct job {
    struct layer_graphs g;
    struct tensor *real;       /* by id of the real graph: its values */
    const float **want;        /* [output]: what it is compared with */
    float **logits;            /* [output]: room for that */
    double *signal;            /* [output]: its square */
    const struct node **nodes; /* of the real graph in order */
    int n_nodes;
    int *index;              /* of a node, by id of the values that it makes */
    int *last_use;           /* index of the last node that reads a value, by id; n_nodes: an output */
    bool *counts;            /* by id: whether an output depends on it */
    bool *left_out;          /* [layer] */
    double *noise;           /* [layer][output]: sum over the samples */
    int *n_told;             /* [output]: samples with a signal */
    struct carrier *carrier; /* [thread] */
    atomic_bool failed;      /* no memory */
    struct progress progress;
};

/* ---- the graph ---- */

static void number_nodes(struct job *j, struct arena *a)
{
    const struct graph *g = j->g.real;
    j->nodes = NCC_NEW(a, const struct node *, ncc_graph_n_nodes(g));
    j->index = NCC_NEW(a, int, g->next_id);
    j->last_use = NCC_NEW(a, int, g->next_id);
    for (int i = 0; i < g->next_id; i++)
        j->index[i] = -1;
    for (const struct node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i])
                j->last_use[n->in[i]->id] = j->n_nodes;
        for (int i = 0; i < n->n_out; i++)
            j->index[n->out[i]->id] = j->last_use[n->out[i]->id] = j->n_nodes;
        j->nodes[j->n_nodes++] = n;
    }
}

static void find_what_counts(struct job *j, struct arena *a)
{
    const struct graph *g = j->g.real;
    j->counts = NCC_NEW(a, bool, g->next_id);
    for (int k = 0; k < g->outputs.n; k++) {
        j->counts[g->outputs.v[k].value->id] = true;
        j->last_use[g->outputs.v[k].value->id] = j->n_nodes;
    }
    for (const struct node *n = g->last; n; n = n->prev) {
        bool counts = false;
        for (int i = 0; i < n->n_out; i++)
            counts |= j->counts[n->out[i]->id];
        for (int i = 0; i < n->n_in && counts; i++)
            if (n->in[i])
                j->counts[n->in[i]->id] = true;
    }
}

/* ---- what it takes ---- */

static double work_of(const struct node *n)
{
    double work = ncc_op_desc(n->op)->macs ? ncc_op_desc(n->op)->macs(n) : 0;
    for (int i = 0; i < n->n_out; i++)
        work += ELEMENT_WORK * (double)ncc_shape_count(n->out[i]->shape);
    return work;
}

/* Of all that depends on a value; `depends`: by id, all false, and again so afterwards. */
static double work_behind(const struct job *j, const struct value *v, bool *depends)
{
    double work = 0;
    depends[v->id] = true;
    for (int s = j->index[v->id] + 1; s < j->n_nodes; s++) {
        const struct node *n = j->nodes[s];
        bool any = false;
        for (int i = 0; i < n->n_in; i++)
            any |= n->in[i] && depends[n->in[i]->id];
        for (int i = 0; i < n->n_out && any; i++)
            depends[n->out[i]->id] = true;
        work += any ? work_of(n) : 0;
    }
    memset(depends, 0, (size_t)j->g.real->next_id * sizeof *depends);
    return work;
}

static double work_of_sample(const struct job *j, struct arena *a)
{
    bool *depends = NCC_NEW(a, bool, j->g.real->next_id);
    double work = 0;
    for (int i = 0; i < j->g.pairs.n; i++)
        work += j->left_out[i] ? 0 : work_behind(j, j->g.pairs.v[i].y, depends);
    return work;
}

/* ---- carrying on ---- */

static void drop(struct tensor *t)
{
    free(t->data);
    t->data = NULL;
}

static bool make(struct job *j, struct tensor *t, const struct value *v)
{
    *t = (struct tensor){v->dtype, v->shape, aligned_alloc(64, ncc_value_size(v) / 64 * 64 + 64)};
    if (!t->data)
        atomic_store(&j->failed, true);
    return t->data != NULL;
}

static bool same(const struct tensor *a, const struct tensor *b, const struct value *v)
{
    return memcmp(a->data, b->data, ncc_value_size(v)) == 0;
}

/* The layer's own result in place of y, inside the window. */
static bool replace(struct job *j, struct carrier *c, const struct layer_pair *l, const struct tensor *own)
{
    const struct value *y = l->y, *v = l->code;
    struct tensor *t = &c->changed[y->id];
    if (!make(j, t, y))
        return false;
    float *to = t->data;
    memcpy(to, j->real[y->id].data, ncc_value_size(y));
    const struct runs r = ncc_channel_runs(y);
    for (int64_t i = 0; i < r.planes * r.rows; i++) {
        const struct code_pair s = ncc_code_pair(&v->quant, (int)(i / r.rows));
        for (int64_t k = 0; k < r.length; k += NCC_ROW) {
            double real[NCC_ROW];
            const int n = (int)(r.length - k < NCC_ROW ? r.length - k : NCC_ROW);
            ncc_row_reals(own, s, ncc_run_at(&r, i) + k, n, real);
            for (int e = 0; e < n; e++)
                to[ncc_run_at(&r, i) + k + e] = (float)real[e];
        }
    }
    return true;
}

/* A node that reads something changed. Results that are as they were are dropped. */
static bool run_node(struct job *j, struct carrier *c, const struct node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        const struct value *v = n->in[i];
        if (v && v->data)
            c->fixed[i] = ncc_constant_tensor(v);
        c->in[i] = !v ? NULL : v->data ? &c->fixed[i] : c->changed[v->id].data ? &c->changed[v->id] : &j->real[v->id];
    }
    bool good = true;
    for (int i = 0; i < n->n_out; i++) {
        c->out[i] = &c->changed[n->out[i]->id];
        good = make(j, c->out[i], n->out[i]) && good;
    }
    if (good)
        ncc_eval_node(n, c->in, c->out, EVAL_FAST);
    for (int i = 0; i < n->n_out; i++)
        if (!good || !j->counts[n->out[i]->id] || same(c->out[i], &j->real[n->out[i]->id], n->out[i]))
            drop(c->out[i]);
    return good;
}

static void run_behind(struct job *j, struct carrier *c, int first)
{
    for (int s = first; s < j->n_nodes && !atomic_load(&j->failed); s++) {
        const struct node *n = j->nodes[s];
        bool any = false;
        for (int i = 0; i < n->n_in; i++)
            any |= n->in[i] && c->changed[n->in[i]->id].data;
        if (any)
            run_node(j, c, n);
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i] && j->last_use[n->in[i]->id] == s)
                drop(&c->changed[n->in[i]->id]);
    }
}

/* ---- comparing ---- */

static const float *before_softmax(const struct value *v, const float *x, float *room)
{
    const struct along softmax = ncc_softmax_of(v);
    if (softmax.n <= 0)
        return x;
    ncc_before_softmax(x, softmax, room);
    return room;
}

/* Squared error over squared signal of output k on this sample. */
static double noise_of(const struct job *j, const struct carrier *c, int k)
{
    const struct value *v = j->g.real->outputs.v[k].value;
    if (!c->changed[v->id].data || v->dtype != DT_F32)
        return 0;
    const float *got = before_softmax(v, c->changed[v->id].data, c->logits), *want = j->want[k];
    double sum = 0;
    for (int64_t i = 0, n = ncc_shape_count(v->shape); i < n; i++) {
        const double e = (double)got[i] - (double)want[i];
        sum += e * e;
    }
    return sum / j->signal[k];
}

static void carry_on(void *ctx, int layer, int thread)
{
    struct job *j = ctx;
    struct carrier *c = &j->carrier[thread];
    const struct layer_pair *l = &j->g.pairs.v[layer];
    const int n_outputs = j->g.real->outputs.n;
    if (j->left_out[layer] || atomic_load(&j->failed))
        return;
    const struct tensor *own = ncc_layer_own(&j->g, j->real, l, &c->layer);
    j->left_out[layer] = !own;
    if (own && replace(j, c, l, own))
        run_behind(j, c, j->index[l->y->id] + 1);
    for (int k = 0; k < n_outputs; k++)
        if (j->signal[k] > 0)
            j->noise[layer * n_outputs + k] += noise_of(j, c, k);
    for (int i = 0; i < j->g.real->next_id; i++)
        drop(&c->changed[i]);
    ncc_progress_step(&j->progress);
}

/* ---- samples ---- */

static void keep(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    const struct job *j = ctx;
    (void)sample;
    (void)thread;
    memcpy(j->real[v->id].data, t->data, ncc_value_size(v));
}

static void see_outputs(struct job *j)
{
    for (int k = 0; k < j->g.real->outputs.n; k++) {
        const struct value *v = j->g.real->outputs.v[k].value;
        j->signal[k] = 0;
        if (v->data || v->dtype != DT_F32)
            continue;
        j->want[k] = before_softmax(v, j->real[v->id].data, j->logits[k]);
        for (int64_t i = 0, n = ncc_shape_count(v->shape); i < n; i++)
            j->signal[k] += (double)j->want[k][i] * (double)j->want[k][i];
        j->n_told[k] += j->signal[k] > 0;
    }
}

/* One after another: it is the layers that run in parallel. */
static bool run_samples(struct job *j, const struct samples *samples, int n)
{
    struct evaluator *e = ncc_eval_open(j->g.real, EVAL_FAST, 0);
    const struct eval_hooks hooks = {.ctx = j, .see = keep};
    atomic_store(&j->failed, e == NULL);
    bool good = true;
    for (int s = 0; s < n && good && !atomic_load(&j->failed); s++) {
        struct samples one = *samples;
        one.first = (int)((int64_t)s * samples->n / n);
        one.n = 1;
        good = ncc_eval_run(e, &one, &hooks);
        if (!good)
            break;
        see_outputs(j);
        ncc_parallel_for(j->g.pairs.n, carry_on, j);
    }
    ncc_eval_close(e);
    if (!atomic_load(&j->failed))
        return good;
    ncc_diag_error(j->g.real->diags, FAULT_INPUT, (struct place){.file = j->g.real->file},
                   "not enough memory to run the model", "close other programs, or use fewer threads (NCC_THREADS=1)",
                   NULL);
    return false;
}

/* ---- memory ---- */

static void open_carrier(const struct job *j, struct carrier *c, struct arena *a)
{
    int widest = 1;
    size_t largest = 0;
    for (int i = 0; i < j->n_nodes; i++) {
        widest = j->nodes[i]->n_in > widest ? j->nodes[i]->n_in : widest;
        widest = j->nodes[i]->n_out > widest ? j->nodes[i]->n_out : widest;
    }
    for (int k = 0; k < j->g.real->outputs.n; k++) {
        const size_t n = (size_t)ncc_shape_count(j->g.real->outputs.v[k].value->shape);
        largest = n > largest ? n : largest;
    }
    *c = (struct carrier){.changed = NCC_NEW(a, struct tensor, j->g.real->next_id),
                          .in = NCC_NEW(a, const struct tensor *, widest),
                          .out = NCC_NEW(a, struct tensor *, widest),
                          .fixed = NCC_NEW(a, struct tensor, widest),
                          .layer = ncc_layer_room(&j->g, a),
                          .logits = NCC_NEW(a, float, largest)};
}

static void open_samples(struct job *j, struct arena *a)
{
    const int n_outputs = j->g.real->outputs.n;
    j->real = ncc_value_tensors(j->g.real_values, j->g.real->next_id, a);
    j->want = NCC_NEW(a, const float *, n_outputs);
    j->logits = NCC_NEW(a, float *, n_outputs);
    j->signal = NCC_NEW(a, double, n_outputs);
    j->n_told = NCC_NEW(a, int, n_outputs);
    j->noise = NCC_NEW(a, double, (size_t)j->g.pairs.n *n_outputs);
    for (int k = 0; k < n_outputs; k++)
        j->logits[k] = NCC_NEW(a, float, ncc_shape_count(j->g.real->outputs.v[k].value->shape));
    j->carrier = NCC_NEW(a, struct carrier, ncc_parallel_threads());
    for (int t = 0; t < ncc_parallel_threads(); t++)
        open_carrier(j, &j->carrier[t], a);
}

/* ---- all ---- */

static void finish(const struct job *j)
{
    const int n_outputs = j->g.real->outputs.n;
    for (int i = 0; i < j->g.pairs.n * n_outputs; i++) {
        const int told = j->n_told[i % n_outputs];
        j->noise[i] = j->left_out[i / n_outputs] || !told ? NAN : j->noise[i] / told;
    }
}

bool ncc_quant_layer_effects(const struct graph *real, const struct graph *codes, const struct samples *samples,
                             struct effect_budget budget, bool quiet, struct arena *arena, struct layer_effects *out)
{
    struct job j = {.g = ncc_layer_graphs(real, codes, arena)};
    number_nodes(&j, arena);
    find_what_counts(&j, arena);
    j.left_out = NCC_NEW(arena, bool, j.g.pairs.n);
    for (int i = 0; i < j.g.pairs.n; i++)
        j.left_out[i] = !j.counts[j.g.pairs.v[i].y->id];
    *out = (struct layer_effects){.n_layers = j.g.pairs.n, .n_outputs = real->outputs.n};
    out->work = work_of_sample(&j, arena);
    if (out->work > budget.most || !samples->n)
        return true;
    out->n_samples = (int)fmin(fmax(budget.all / fmax(out->work, 1), 1), samples->n);
    open_samples(&j, arena);
    j.progress = ncc_progress_begin("following layers to the outputs", out->n_samples * j.g.pairs.n, quiet);
    const bool good = run_samples(&j, samples, out->n_samples);
    ncc_progress_end(&j.progress);
    finish(&j);
    out->noise = j.noise;
    return good;
}

/* ---- asking ---- */

int ncc_layer_effect_worst(const struct layer_effects *e, int layer)
{
    int worst = -1;
    double most = -1;
    for (int k = 0; k < e->n_outputs && e->noise; k++) {
        const double noise = e->noise[layer * e->n_outputs + k];
        if (noise > most) {
            most = noise;
            worst = k;
        }
    }
    return worst;
}

double ncc_layer_effect_db(const struct layer_effects *e, int layer, int output)
{
    const double noise = e->noise[layer * e->n_outputs + output];
    return noise == 0 ? INFINITY : -10 * log10(noise);
}

double ncc_layer_effect_share(const struct layer_effects *e, int layer, int output)
{
    double all = 0;
    for (int i = 0; i < e->n_layers; i++)
        all += fmax(e->noise[i * e->n_outputs + output], 0); /* fmax: NAN counts as 0 */
    const double noise = e->noise[layer * e->n_outputs + output];
    return all > 0 ? noise / all : noise;
}
