#include "compiler/quant/shares.h"

#include "compiler/base/cpu.h"
#include "compiler/base/parallel.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/compare.h"

#include <math.h>
#include <string.h>

/* Samples that show the ranges, samples on which values are rounded, and values: as many as so many multiply-adds let
 * run (tenths of a second). */
enum { LEAST_RANGE = 6, MOST_RANGE = 32, LEAST_TRIALS = 1, MOST_TRIALS = 8, LEAST_VALUES = 3 };
#define RANGE_MACS 5e8
#define TRIAL_MACS 1.5e8
#define ALL_MACS   5e8

/* Channels with less of the range count as if they had so much (by_channel.c). */
#define LEAST_REACH (1.0 / 256)

struct trials {
    struct graph *g;
    struct samples range, trial; /* that show the ranges; on which values are rounded */
    struct arena *scratch;
    struct extremes *seen; /* [thread][first[value id] + channel] */
    int *first, n_seen;
    float **clean; /* [sample][output]: as real numbers give it; in front of a softmax that makes it */
    float **noisy; /* [thread]: the same of one output, with roundings */
    const struct value **only; /* [trial]: what is rounded; NULL: all that `rounded` says, by id */
    bool *rounded;
    double *error; /* [trial][sample][output]: squared, over the squared signal */
};

/* ---- ranges ---- */

static int channels_of(const struct value *v)
{
    return v->shape.rank == 4 ? v->shape.dim[1] : 1;
}

NCC_FOR_EACH_CPU
static void extend(struct extremes *e, const float *x, int64_t n)
{
    enum { LANES = 16 };
    float lo[LANES] = {0}, hi[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            lo[k] = x[i + k] < lo[k] ? x[i + k] : lo[k];
            hi[k] = x[i + k] > hi[k] ? x[i + k] : hi[k];
        }
    for (; i < n; i++) {
        lo[0] = fminf(lo[0], x[i]);
        hi[0] = fmaxf(hi[0], x[i]);
    }
    for (int k = 0; k < LANES; k++) {
        e->lo = fminf(e->lo, lo[k]);
        e->hi = fmaxf(e->hi, hi[k]);
    }
}

static void see(void *ctx, int sample, int thread, const struct value *v, const struct tensor *x)
{
    (void)sample;
    const struct trials *t = ctx;
    if (x->dtype != DT_F32)
        return;
    struct extremes *e = t->seen + (size_t)thread * t->n_seen + t->first[v->id];
    const int channels = channels_of(v);
    const int64_t images = v->shape.rank == 4 ? v->shape.dim[0] : 1, n = ncc_shape_count(v->shape) / images / channels;
    for (int64_t i = 0; i < images * channels; i++)
        extend(&e[i % channels], (const float *)x->data + i * n, n);
}

static void number_channels(struct trials *t)
{
    t->first = NCC_NEW(t->scratch, int, t->g->next_id);
    for (int i = 0; i < t->g->inputs.n; i++) {
        t->first[t->g->inputs.v[i]->id] = t->n_seen;
        t->n_seen += channels_of(t->g->inputs.v[i]);
    }
    for (const struct node *n = t->g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++) {
            t->first[n->out[i]->id] = t->n_seen;
            t->n_seen += channels_of(n->out[i]);
        }
}

static bool observe(struct trials *t, struct evaluator *e)
{
    const int n_threads = ncc_parallel_threads();
    number_channels(t);
    t->seen = NCC_NEW(t->scratch, struct extremes, (size_t)n_threads * t->n_seen);
    const struct eval_hooks hooks = {.ctx = t, .see = see};
    if (!ncc_eval_run(e, &t->range, &hooks))
        return false;
    for (int i = 0; i < n_threads * t->n_seen; i++) {
        struct extremes *sum = &t->seen[i % t->n_seen];
        sum->lo = fminf(sum->lo, t->seen[i].lo);
        sum->hi = fmaxf(sum->hi, t->seen[i].hi);
    }
    return true;
}

static struct share range_of(const struct trials *t, const struct value *v)
{
    struct share s = {.channel = t->seen + t->first[v->id], .n_channels = channels_of(v)};
    s.n_seen = ncc_shape_count(v->shape) * t->range.n;
    for (int c = 0; c < s.n_channels; c++) {
        s.whole.lo = fminf(s.whole.lo, s.channel[c].lo);
        s.whole.hi = fmaxf(s.whole.hi, s.channel[c].hi);
    }
    return s;
}

double ncc_quant_reach(struct extremes channel, struct extremes whole)
{
    const double all = (double)whole.hi - (double)whole.lo, own = (double)channel.hi - (double)channel.lo;
    return sqrt(all * fmax(own, all * LEAST_REACH));
}

/* ---- rounding ---- */

static bool is_activation(const struct node *n)
{
    return n && (n->op == OP_relu || n->op == OP_leaky_relu || n->op == OP_prelu || n->op == OP_clip);
}

/* Values that become codes of their own: not those that a layer makes on its way, nor what the CPU makes of them. */
static bool is_rounded(const struct graph *g, const struct value *v)
{
    return v->dtype == DT_F32 && v->shape.rank >= 2 && !(ncc_op_desc(v->def->op)->flags & OP_SAME_QUANT) &&
           v->def->op != OP_softmax && !is_activation(ncc_value_only_use(g, v));
}

/* To the nearest multiples of a step. */
NCC_FOR_EACH_CPU
static void round_run(float step, float *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        x[i] = rintf(x[i] / step) * step;
}

static void round_value(const struct trials *t, const struct value *v, float *x)
{
    const struct share s = range_of(t, v);
    const float all = s.whole.hi - s.whole.lo;
    if (!(all > 1e-20f && all < 1e20f))
        return;
    const int64_t images = v->shape.rank == 4 ? v->shape.dim[0] : 1;
    const int64_t n = ncc_shape_count(v->shape) / images / s.n_channels;
    for (int64_t i = 0; i < images * s.n_channels; i++)
        round_run((float)(ncc_quant_reach(s.channel[i % s.n_channels], s.whole) / 255), x + i * n, n);
}

/* What runs as one sample: trial i / n on the (i % n)-th of n samples. */
static bool feed_trial(void *ctx, int i, int input, struct tensor *to)
{
    const struct trials *t = ctx;
    return ncc_samples_feed(&t->trial, i % t->trial.n, input, to);
}

/* Rounds, where it lies, what the trial says, before anybody reads it. */
static void change(void *ctx, int i, int thread, const struct value *v, const struct tensor *x)
{
    const struct trials *t = ctx;
    const struct value *only = t->only[i / t->trial.n];
    (void)thread;
    if (only ? v == only : t->rounded[v->id])
        round_value(t, v, x->data);
}

/* Output k, or what stands in front of its softmax. */
static void compared(const struct trials *t, int k, const struct tensor *output, float *to)
{
    const struct along softmax = ncc_softmax_of(t->g->outputs.v[k].value);
    if (softmax.n)
        ncc_before_softmax(output->data, softmax, to);
    else
        memcpy(to, output->data, (size_t)ncc_shape_count(output->shape) * sizeof(float));
}

static void compare(void *ctx, int i, int thread, const struct tensor *const *outputs)
{
    const struct trials *t = ctx;
    const int n_out = t->g->outputs.n;
    for (int k = 0; k < n_out; k++) {
        const float *want = t->clean[i % t->trial.n * n_out + k];
        float *x = t->noisy[thread];
        double signal = 0, error = 0;
        compared(t, k, outputs[k], x);
        for (int64_t e = 0, n = ncc_shape_count(outputs[k]->shape); e < n; e++) {
            const double d = (double)x[e] - (double)want[e];
            signal += (double)want[e] * (double)want[e];
            error += d * d;
        }
        t->error[(size_t)i * n_out + k] = signal > 0 ? error / signal : 0;
    }
}

/* The mean relative squared error of the outputs in a trial. */
static double error_of(const struct trials *t, int trial)
{
    const int n = t->trial.n * t->g->outputs.n;
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += t->error[(size_t)trial * n + i] / n;
    return sum;
}

static void keep(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    (void)thread;
    const struct trials *t = ctx;
    for (int k = 0; k < t->g->outputs.n; k++)
        compared(t, k, outputs[k], t->clean[sample * t->g->outputs.n + k]);
}

static void prepare(struct trials *t, int n_trials)
{
    const int n_out = t->g->outputs.n, n = t->trial.n * n_out;
    t->clean = NCC_NEW(t->scratch, float *, n);
    t->error = NCC_NEW(t->scratch, double, (size_t)n_trials *n);
    int64_t largest = 0;
    for (int i = 0; i < n; i++) {
        const int64_t count = ncc_shape_count(t->g->outputs.v[i % n_out].value->shape);
        t->clean[i] = NCC_NEW(t->scratch, float, count);
        largest = count > largest ? count : largest;
    }
    t->noisy = NCC_NEW(t->scratch, float *, ncc_parallel_threads());
    for (int i = 0; i < ncc_parallel_threads(); i++)
        t->noisy[i] = NCC_NEW(t->scratch, float, largest);
    t->rounded = NCC_NEW(t->scratch, bool, t->g->next_id);
    for (const struct node *k = t->g->first; k; k = k->next)
        for (int i = 0; i < k->n_out; i++)
            t->rounded[k->out[i]->id] = is_rounded(t->g, k->out[i]);
}

/* The ranges; the outputs as they should be; and then all trials side by side. */
static bool run_all(struct trials *t, int n_trials)
{
    struct evaluator *e = ncc_eval_need(t->g, 0);
    const struct samples tried = {.feed = feed_trial, .ctx = t, .n = n_trials * t->trial.n};
    const struct eval_hooks keeping = {.ctx = t, .done = keep}, trying = {.ctx = t, .see = change, .done = compare};
    const bool good = e && observe(t, e) && ncc_eval_run(e, &t->trial, &keeping) && ncc_eval_run(e, &tried, &trying);
    ncc_eval_close(e);
    return good;
}

static int affordable(double macs, double each, int least, int most)
{
    return (int)fmin(fmax(macs / (each + 1), least), most);
}

bool ncc_quant_shares(struct graph *g, const struct samples *samples, struct value *const *v, int n, int certain,
                      struct arena *scratch, struct share *out, double *all)
{
    const double macs = ncc_graph_macs(g);
    const int n_trials = affordable(TRIAL_MACS, macs, LEAST_TRIALS, MOST_TRIALS);
    struct trials t = {.g = g, .scratch = scratch};
    t.range = ncc_samples_spread(samples, affordable(RANGE_MACS, macs, LEAST_RANGE, MOST_RANGE));
    t.trial = ncc_samples_spread(samples, n_trials);
    const int enough = certain + affordable(ALL_MACS, macs * n_trials, LEAST_VALUES,
                                            n - certain > LEAST_VALUES ? n - certain : LEAST_VALUES);
    const int n_values = enough < n ? enough : n;
    t.only = NCC_NEW(scratch, const struct value *, n_values + 1); /* the first: all */
    for (int i = 0; i < n_values; i++)
        t.only[i + 1] = v[i];
    prepare(&t, n_values + 1);
    if (!run_all(&t, n_values + 1))
        return false;
    *all = error_of(&t, 0);
    for (int i = 0; i < n; i++) {
        out[i] = range_of(&t, v[i]);
        out[i].of_all = *all > 0 && i < n_values ? error_of(&t, i + 1) / *all : 0;
    }
    return true;
}
