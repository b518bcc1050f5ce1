#include "compiler/quant/layer_error.h"

#include "compiler/base/parallel.h"
#include "compiler/base/progress.h"
#include "compiler/quant/layer_run.h"
#include "compiler/quant/range.h"

#include <math.h>
#include <string.h>

enum { N_BINS = 256 };

/* What a thread works with. */
struct store {
    struct tensor *real; /* by id of the real graph: this sample's values */
    struct codes_room codes;
    struct layer_room layer;
    float *largest;          /* [channels of all layers]: over the samples */
    int64_t (*bins)[N_BINS]; /* [layer]: how often which share of the range was reached */
};

struct job {
    struct layer_graphs g;
    struct store *store;               /* [thread] */
    struct layer_sums *sums, *outputs; /* [sample][layer], [sample][output] */
    struct progress progress;
};

/* ---- comparing ---- */

static void add_output(struct layer_sums *sum, const struct quant *q, int channel, double y)
{
    const double back = ncc_real_of(q, channel, ncc_code_of(q, channel, y)), error = (y - back) * (y - back);
    sum->output += error;
    if (fabs(y - back) <= 0.5001 * ncc_quant_scale(q, channel))
        return;
    sum->clipped += error;
    sum->n_clipped++;
}

static void note_reach(struct store *s, int layer, const struct layer_pair *l, const struct quant *q, int channel,
                       double y)
{
    float *largest = &s->largest[l->first_channel + (channel < l->n_channels ? channel : 0)];
    *largest = fmaxf(*largest, (float)fabs(y));
    if (!q)
        return;
    const double reach = fmax(fabs(ncc_real_of(q, channel, 0)), fabs(ncc_real_of(q, channel, 255)));
    const int bin = (int)fmin(fabs(y) / reach * (N_BINS - 1), N_BINS - 1);
    s->bins[layer][bin]++;
}

static void compare(const struct job *j, struct store *s, int layer, struct layer_sums *sum)
{
    const struct layer_pair *l = &j->g.pairs.v[layer];
    const struct value *v = l->code;
    const struct quant *q = v->dtype == DT_U8 && v->quant.n_channels ? &v->quant : NULL;
    const struct tensor *own = ncc_layer_own(&j->g, s->real, l, &s->layer);
    const struct tensor *input = ncc_layer_rounded(s->real, l, &s->layer);
    const float *y = s->real[l->y->id].data;
    sum->n = ncc_window_count(l->y);
    sum->own = own ? 0 : (double)NAN;
    for (int64_t i = 0; i < sum->n; i++) {
        const struct place_in p = ncc_window_element(l->y, i);
        const double want = (double)y[p.at];
        const double total = ncc_tensor_real(&s->codes.value[v->id], q, p.channel, p.at) - want;
        sum->signal += want * want;
        sum->total += total * total;
        if (own) {
            const double e = ncc_tensor_real(own, q, p.channel, p.at) - want;
            sum->own += e * e;
        }
        if (input) {
            const double e = (double)((const float *)input->data)[p.at] - want;
            sum->input += e * e;
        }
        if (q)
            add_output(sum, q, p.channel, want);
        note_reach(s, layer, l, q, p.channel, want);
    }
}

static void compare_output(const struct job *j, const struct store *s, int output, struct layer_sums *sum)
{
    const struct value *v = j->g.codes->outputs.v[output].value, *y = j->g.real->outputs.v[output].value;
    const float *want = s->real[y->id].data;
    const struct quant *q = v->dtype == DT_U8 && v->quant.n_channels ? &v->quant : NULL;
    if (v->data || y->data)
        return; /* a constant: nothing is lost */
    sum->n = ncc_shape_count(y->shape);
    const int64_t run = q && q->n_channels > 1 ? sum->n / y->shape.dim[1] : sum->n;
    for (int64_t i = 0; i < sum->n; i++) {
        const double e = ncc_tensor_real(&s->codes.value[v->id], q, (int)(i / run), i) - (double)want[i];
        sum->signal += (double)want[i] * (double)want[i];
        sum->total += e * e;
    }
}

/* ---- running ---- */

static void keep(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    const struct job *j = ctx;
    (void)sample;
    if (j->store[thread].real[v->id].data)
        memcpy(j->store[thread].real[v->id].data, t->data, ncc_value_size(v));
}

static void judge(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    struct job *j = ctx;
    (void)outputs;
    ncc_layer_run_all(&j->g, j->store[thread].real, &j->store[thread].codes);
    for (int i = 0; i < j->g.pairs.n; i++)
        compare(j, &j->store[thread], i, &j->sums[(size_t)sample * j->g.pairs.n + i]);
    for (int k = 0; k < j->g.codes->outputs.n; k++)
        compare_output(j, &j->store[thread], k, &j->outputs[(size_t)sample * j->g.codes->outputs.n + k]);
}

static void step(void *ctx)
{
    ncc_progress_step(&((struct job *)ctx)->progress);
}

/* ---- all ---- */

static void add_sums(struct layer_sums *to, const struct layer_sums *s)
{
    to->signal += s->signal;
    to->own += s->own;
    to->total += s->total;
    to->input += s->input;
    to->output += s->output;
    to->clipped += s->clipped;
    to->n += s->n;
    to->n_clipped += s->n_clipped;
}

/* The share of the range that holds 999 of 1000 elements. */
static double used_share(const struct job *j, int n_threads, int layer)
{
    int64_t bins[N_BINS] = {0}, n = 0, seen = 0;
    for (int t = 0; t < n_threads; t++)
        for (int b = 0; b < N_BINS; b++) {
            bins[b] += j->store[t].bins[layer][b];
            n += j->store[t].bins[layer][b];
        }
    int b = 0;
    for (; b < N_BINS - 1 && (double)(seen + bins[b]) < 0.999 * (double)n; b++)
        seen += bins[b];
    return n ? (double)(b + 1) / N_BINS : 1;
}

static int n_silent(const struct job *j, int n_threads, const struct layer_pair *l)
{
    const struct value *v = l->code;
    int n = 0;
    for (int c = 0; c < l->n_channels && v->dtype == DT_U8 && v->quant.n_channels; c++) {
        float largest = 0;
        for (int t = 0; t < n_threads; t++)
            largest = fmaxf(largest, j->store[t].largest[l->first_channel + c]);
        n += largest > 0 && (double)largest < ncc_quant_scale(&v->quant, c) / 2;
    }
    return n;
}

static void sum_up(const struct job *j, int n_threads, int n_samples, struct arena *a, struct layer_errors *out)
{
    const int n_outputs = j->g.codes->outputs.n;
    *out = (struct layer_errors){NCC_NEW(a, struct layer_error, j->g.pairs.n), j->g.pairs.n,
                                 NCC_NEW(a, struct layer_sums, n_outputs), n_outputs};
    for (int s = 0; s < n_samples; s++)
        for (int k = 0; k < n_outputs; k++)
            add_sums(&out->outputs[k], &j->outputs[(size_t)s * n_outputs + k]);
    for (int i = 0; i < j->g.pairs.n; i++) {
        struct layer_error *e = &out->v[i];
        *e = (struct layer_error){.node = j->g.pairs.v[i].node, .n_channels = j->g.pairs.v[i].n_channels};
        for (int s = 0; s < n_samples; s++)
            add_sums(&e->sum, &j->sums[(size_t)s * j->g.pairs.n + i]);
        e->n_silent = n_silent(j, n_threads, &j->g.pairs.v[i]);
        e->used = used_share(j, n_threads, i);
    }
}

static void open_store(const struct job *j, struct store *s, struct arena *a)
{
    s->real = ncc_value_tensors(j->g.real_values, j->g.real->next_id, a);
    s->codes = ncc_codes_room(&j->g, a);
    s->layer = ncc_layer_room(&j->g, a);
    s->largest = NCC_NEW(a, float, j->g.pairs.n_channels);
    s->bins = ncc_arena_alloc(a, (size_t)j->g.pairs.n, sizeof *s->bins, 64);
}

bool ncc_quant_layer_errors(const struct graph *real, const struct graph *codes, const struct samples *samples,
                            bool quiet, struct arena *arena, struct layer_errors *out)
{
    struct job j = {.g = ncc_layer_graphs(real, codes, arena)};
    const int n_threads = ncc_parallel_threads();
    j.store = NCC_NEW(arena, struct store, n_threads);
    for (int t = 0; t < n_threads; t++)
        open_store(&j, &j.store[t], arena);
    j.sums = NCC_NEW(arena, struct layer_sums, (size_t)samples->n * j.g.pairs.n);
    j.outputs = NCC_NEW(arena, struct layer_sums, (size_t)samples->n * codes->outputs.n);
    j.progress = ncc_progress_begin("comparing layers", samples->n, quiet);
    const struct eval_hooks hooks = {.ctx = &j, .see = keep, .done = judge, .step = step};
    const bool good = ncc_eval_samples(real, 0, samples, &hooks);
    ncc_progress_end(&j.progress);
    if (good)
        sum_up(&j, n_threads, samples->n, arena, out);
    return good;
}
