#include "compiler/quant/layer_error.h"

#include "compiler/base/parallel.h"
#include "compiler/base/progress.h"
#include "compiler/quant/code_rows.h"
#include "compiler/quant/code_samples.h"
#include "compiler/quant/compare.h"
#include "compiler/quant/layer_run.h"
#include "compiler/quant/window_runs.h"

#include <math.h>
#include <string.h>

enum { N_BINS = 256 };

/* What a thread works with. */
struct store {
    struct tensor *real; /* by id of the real graph: this sample's values */
    struct codes_room codes;
    struct layer_room layer;
    float *logits[2];        /* of the largest output */
    float *largest;          /* [channels of all layers]: over the samples */
    int64_t (*bins)[N_BINS]; /* [layer]: how often which share of the range was reached */
};

struct job {
    struct layer_graphs g;
    bool brief;                        /* of layers only the signal and what they do alone */
    int only;                          /* the layer that is looked at; -1: all, and the outputs */
    float **want;                      /* in brief: [sample][output] of the real graph */
    struct store *store;               /* [thread] */
    struct layer_sums *sums, *outputs; /* [sample][layer], [sample][output] */
    struct progress progress;
};

/* ---- comparing ---- */

static void add_rounding(struct layer_sums *sum, struct code_pair q, const float *y, int n)
{
    float back[NCC_ROW];
    ncc_row_rounded(q, y, n, back);
    for (int i = 0; i < n; i++) {
        const double off = (double)y[i] - (double)back[i];
        sum->output += off * off;
        if (fabs(off) <= 0.5001 * q.scale)
            continue;
        sum->clipped += off * off;
        sum->n_clipped++;
    }
}

/* How far values go, of what the codes reach. */
static void add_reach(struct store *s, int layer, struct code_pair q, const float *y, int n)
{
    const double per_bin = fmax(fabs(q.zero_point), fabs(255 - q.zero_point)) * q.scale / (N_BINS - 1);
    for (int i = 0; i < n; i++)
        s->bins[layer][(int)fmin(fabs((double)y[i]) / per_bin, N_BINS - 1)]++;
}

static void add_largest(float *largest, const float *y, int n)
{
    for (int i = 0; i < n; i++)
        *largest = fmaxf(*largest, fabsf(y[i]));
}

/* What is held against a layer's real result; NULL: there is none. */
struct results {
    const struct tensor *own, *total, *input;
};

/* Elements `at`.. of a layer, which share a scale. */
static void compare_row(const struct job *j, struct store *s, int layer, const struct results *r, int channel,
                        int64_t at, int n, struct layer_sums *sum)
{
    const struct layer_pair *l = &j->g.pairs.v[layer];
    const struct quant *q = &l->code->quant;
    const struct code_pair pair = ncc_code_pair(q, channel);
    const float *want = (const float *)s->real[l->y->id].data + at;
    double got[NCC_ROW];
    sum->signal += ncc_row_power(want, n);
    if (r->own) {
        ncc_row_reals(r->own, pair, at, n, got);
        sum->own += ncc_row_error(got, want, n);
    }
    if (j->brief)
        return;
    if (r->total) {
        ncc_row_reals(r->total, pair, at, n, got);
        sum->total += ncc_row_error(got, want, n);
    }
    if (r->input) {
        ncc_row_reals(r->input, pair, at, n, got);
        sum->input += ncc_row_error(got, want, n);
    }
    add_largest(&s->largest[l->first_channel + (channel < l->n_channels ? channel : 0)], want, n);
    if (l->code->dtype != DT_U8 || !q->n_channels)
        return;
    add_rounding(sum, pair, want, n);
    add_reach(s, layer, pair, want, n);
}

static void compare(const struct job *j, struct store *s, int layer, struct layer_sums *sum)
{
    const struct layer_pair *l = &j->g.pairs.v[layer];
    const struct results results = {.own = ncc_layer_own(&j->g, s->real, l, &s->layer),
                                    .total = j->only < 0 ? &s->codes.value[l->code->id] : NULL,
                                    .input = j->brief ? NULL : ncc_layer_rounded(s->real, l, &s->layer)};
    const struct runs r = ncc_channel_runs(l->y);
    sum->n = r.planes * r.rows * r.length;
    sum->own = results.own ? 0 : (double)NAN;
    for (int64_t i = 0; i < r.planes * r.rows; i++)
        for (int64_t k = 0; k < r.length; k += NCC_ROW) {
            const int n = (int)(r.length - k < NCC_ROW ? r.length - k : NCC_ROW);
            compare_row(j, s, layer, &results, (int)(i / r.rows), ncc_run_at(&r, i) + k, n, sum);
        }
}

/* An output of the real graph, and the same of the integer graph. */
struct output_pair {
    const float *want;
    struct tensor got;
};

/* What stands in front of the softmax that makes it, if one does. */
static struct output_pair in_front(const struct job *j, struct store *s, int output, struct output_pair p)
{
    const struct along softmax = ncc_compared_softmax(j->g.real->outputs.v[output].value, p.got.dtype);
    if (softmax.n <= 0)
        return p;
    ncc_before_softmax(p.want, softmax, s->logits[0]);
    ncc_before_softmax(p.got.data, softmax, s->logits[1]);
    p.got.data = s->logits[1];
    return (struct output_pair){s->logits[0], p.got};
}

static void compare_output(const struct job *j, struct store *s, int output, struct output_pair p,
                           struct layer_sums *sum)
{
    const struct value *v = j->g.codes->outputs.v[output].value, *y = j->g.real->outputs.v[output].value;
    if (v->data || y->data || y->dtype != DT_F32)
        return; /* a constant, or whole numbers: nothing is lost that this could measure */
    p = in_front(j, s, output, p);
    sum->n = ncc_shape_count(y->shape);
    const int64_t run = ncc_code_run(v);
    for (int64_t i = 0; i < sum->n; i += run)
        for (int64_t k = i; k < i + run; k += NCC_ROW) {
            double got[NCC_ROW];
            const int n = (int)(i + run - k < NCC_ROW ? i + run - k : NCC_ROW);
            ncc_row_reals(&p.got, ncc_code_pair(&v->quant, (int)(i / run)), k, n, got);
            sum->signal += ncc_row_power(p.want + k, n);
            sum->total += ncc_row_error(got, p.want + k, n);
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
    struct store *s = &j->store[thread];
    const int n_layers = j->g.pairs.n, n_outputs = j->g.codes->outputs.n;
    if (!j->brief)
        ncc_layer_run_all(&j->g, s->real, &s->codes);
    for (int i = 0; i < n_layers; i++)
        compare(j, s, i, &j->sums[(size_t)sample * n_layers + i]);
    for (int k = 0; k < n_outputs; k++)
        if (j->brief)
            memcpy(j->want[sample * n_outputs + k], outputs[k]->data, ncc_value_size(j->g.real->outputs.v[k].value));
        else
            compare_output(j, s, k,
                           (struct output_pair){outputs[k]->data, s->codes.value[j->g.codes->outputs.v[k].value->id]},
                           &j->outputs[(size_t)sample * n_outputs + k]);
}

static void judge_one(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    struct job *j = ctx;
    (void)outputs;
    compare(j, &j->store[thread], j->only, &j->sums[(size_t)sample * j->g.pairs.n + j->only]);
}

static void judge_outputs(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    struct job *j = ctx;
    const int n_outputs = j->g.codes->outputs.n;
    for (int k = 0; k < n_outputs; k++)
        compare_output(j, &j->store[thread], k, (struct output_pair){j->want[sample * n_outputs + k], *outputs[k]},
                       &j->outputs[(size_t)sample * n_outputs + k]);
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
        n += largest > 0 && (double)largest < ncc_code_pair(&v->quant, c).scale / 2;
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
    int64_t most = 0;
    for (int k = 0; k < j->g.real->outputs.n; k++) {
        const int64_t n = ncc_shape_count(j->g.real->outputs.v[k].value->shape);
        most = n > most ? n : most;
    }
    for (int i = 0; i < 2; i++)
        s->logits[i] = NCC_NEW(a, float, most);
    s->real = ncc_value_tensors(j->g.real_values, j->g.real->next_id, a);
    s->layer = ncc_layer_room(&j->g, a);
    if (!j->brief)
        s->codes = ncc_codes_room(&j->g, s->layer.scratch, a);
    s->largest = NCC_NEW(a, float, j->g.pairs.n_channels);
    s->bins = ncc_arena_alloc(a, (size_t)j->g.pairs.n, sizeof *s->bins, 64);
}

static void prepare_outputs(struct job *j, int n_samples, struct arena *a)
{
    const int n_outputs = j->g.codes->outputs.n, n = n_samples * n_outputs;
    j->outputs = NCC_NEW(a, struct layer_sums, n);
    j->want = NCC_NEW(a, float *, n);
    for (int i = 0; i < n && j->brief; i++)
        j->want[i] = ncc_arena_alloc(a, ncc_value_size(j->g.real->outputs.v[i % n_outputs].value) + 1, 1, 64);
}

/* The integer graph by itself: nothing but its outputs is wanted. */
static bool run_codes(struct job *j, const struct samples *samples)
{
    struct code_samples coded = {j->g.codes, *samples};
    const struct samples in_codes = ncc_code_samples(&coded);
    const struct eval_hooks hooks = {.ctx = j, .done = judge_outputs};
    return ncc_eval_samples(j->g.codes, 0, &in_codes, &hooks);
}

/* What is left out for all, for the least precise one: another run of the real graph, unless its values are still
 * there.
 */
static bool look_closely(struct job *j, const struct samples *samples, int layer)
{
    j->brief = false;
    j->only = layer;
    for (int s = 0; s < samples->n; s++)
        j->sums[(size_t)s * j->g.pairs.n + layer] = (struct layer_sums){0};
    if (samples->n == 1) {
        judge_one(j, 0, 0, NULL);
        return true;
    }
    const struct eval_hooks hooks = {.ctx = j, .see = keep, .done = judge_one};
    return ncc_eval_samples(j->g.real, 0, samples, &hooks);
}

bool ncc_quant_layer_errors(const struct graph *real, const struct graph *codes, const struct samples *samples,
                            const struct layer_error_options *options, struct arena *arena, struct layer_errors *out)
{
    struct job j = {.g = ncc_layer_graphs(real, codes, arena), .brief = options->brief, .only = -1};
    const int n_threads = samples->n < ncc_parallel_threads() ? samples->n : ncc_parallel_threads();
    j.store = NCC_NEW(arena, struct store, n_threads);
    for (int t = 0; t < n_threads; t++)
        open_store(&j, &j.store[t], arena);
    j.sums = NCC_NEW(arena, struct layer_sums, (size_t)samples->n * j.g.pairs.n);
    prepare_outputs(&j, samples->n, arena);
    j.progress = ncc_progress_begin("comparing layers", samples->n, options->quiet);
    const struct eval_hooks hooks = {.ctx = &j, .see = keep, .done = judge, .step = step};
    const bool good = ncc_eval_samples(real, 0, samples, &hooks) && (!j.brief || run_codes(&j, samples));
    ncc_progress_end(&j.progress);
    if (!good)
        return false;
    sum_up(&j, n_threads, samples->n, arena, out);
    const struct layer_error *least = options->brief ? ncc_layer_least_precise(out) : NULL;
    if (!least)
        return true;
    if (!look_closely(&j, samples, (int)(least - out->v)))
        return false;
    sum_up(&j, n_threads, samples->n, arena, out);
    return true;
}

/* ---- asking ---- */

double ncc_layer_own_db(const struct layer_error *e)
{
    return e->sum.signal > 0 ? ncc_layer_db(e->sum.signal, e->sum.own) : INFINITY;
}

const struct layer_error *ncc_layer_least_precise(const struct layer_errors *e)
{
    const struct layer_error *least = NULL;
    for (int i = 0; i < e->n; i++)
        if (ncc_layer_own_db(&e->v[i]) < (least ? ncc_layer_own_db(least) : NCC_LAYER_GOOD_DB))
            least = &e->v[i];
    return least;
}
