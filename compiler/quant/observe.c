/* Watching values while the float graph runs. Every thread has its own observations; they are added up at the end. */
#include "compiler/quant/observe.h"

#include "compiler/base/parallel.h"
#include "compiler/base/progress.h"
#include "compiler/quant/by_channel.h"
#include "compiler/quant/families.h"

#include <math.h>

/* Each gives a histogram some 16 K counts at most (observation.c), in 32 bits. Later samples give minima and maxima
 * only. */
enum { MAX_HISTOGRAM_SAMPLES = 1 << 17 };

/* Parts of the samples whose channels' extremes are kept apart. */
enum { MAX_FOLDS = 16 };

/* Samples whose means are taken. */
enum { N_MEAN_SAMPLES = 64 };

struct watch {
    int n_values;
    struct observation *seen; /* [thread][half][value id] */
    bool *watched;            /* by value id */
    struct histogram *hist;   /* [thread][half][slot], or NULL */
    int *slot;                /* by value id; -1: it has no histogram */
    int n_slots;
    float *channel_min, *channel_max; /* [thread][fold][n_channels]; both include 0 */
    const int64_t *channel_of;        /* by value id: its first channel in a row; -1: one scale will do */
    int64_t n_channels;
    int n_folds;
    double *sums;          /* [n_sum_samples][n_sums]: means of every canvas' channels; added up in order, since
                              sums of floats depend on it */
    const int64_t *sum_of; /* by value id: its first channel in a row of sums; -1: none */
    int64_t n_sums;
    int n_samples, n_sum_samples;
    struct patch_table patches;
    struct progress progress;
};

/* -1: this sample is not among those whose means are taken, which are evenly spread. */
static int row_of_sums(const struct watch *w, int sample)
{
    if (!w->n_sum_samples)
        return -1;
    const int row = (int)((int64_t)sample * w->n_sum_samples / w->n_samples);
    const int first = (int)(((int64_t)row * w->n_samples + w->n_sum_samples - 1) / w->n_sum_samples);
    return sample == first ? row : -1;
}

static int64_t fold_row(const struct watch *w, int thread, int fold)
{
    return ((int64_t)thread * w->n_folds + fold) * w->n_channels;
}

static struct histogram *histogram(const struct watch *w, size_t part, int id)
{
    return w->hist && w->slot[id] >= 0 ? &w->hist[part * w->n_slots + w->slot[id]] : NULL;
}

static void see(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    struct watch *w = ctx;
    if (!w->watched[v->id])
        return;
    ncc_gather_add(&w->patches, sample, v, t);
    struct channel_marks marks = {0};
    const int row = w->sum_of[v->id] >= 0 ? row_of_sums(w, sample) : -1;
    if (row >= 0)
        marks.mean = w->sums + row * w->n_sums + w->sum_of[v->id];
    if (w->channel_of[v->id] >= 0) {
        const int64_t first = fold_row(w, thread, sample % w->n_folds) + w->channel_of[v->id];
        marks.min = w->channel_min + first;
        marks.max = w->channel_max + first;
    }
    const size_t part = 2 * (size_t)thread + (size_t)(sample % 2);
    struct histogram *hist = sample < MAX_HISTOGRAM_SAMPLES ? histogram(w, part, v->id) : NULL;
    ncc_observation_add(w->seen + part * w->n_values + v->id, hist, t, v->window, &marks);
}

static void step(void *ctx)
{
    struct watch *w = ctx;
    ncc_progress_step(&w->progress);
}

static bool can_watch(const struct value *v)
{
    return v->dtype == DT_F32 && !v->data;
}

/* What is moved gets the codes of where it came from, and that has a histogram. (Of what a layer makes for a view, it
 * is the view that knows what counts.) */
static bool is_moved(const struct value *v)
{
    return v->def && v->def->op != OP_kpu_view && ncc_op_desc(v->def->op)->flags & OP_SAME_QUANT;
}

/* Room for the means of one value. */
static void number_sums(struct watch *w, const struct value *v, int64_t *sum_of)
{
    if (!can_watch(v) || v->mem != MEM_KPU || !v->window.h)
        return;
    sum_of[v->id] = w->n_sums;
    w->n_sums += v->shape.dim[1];
}

static void prepare_means(struct watch *w, const struct graph *g, int n_samples, struct arena *arena)
{
    int64_t *sum_of = NCC_NEW(arena, int64_t, g->next_id);
    for (int i = 0; i < g->next_id; i++)
        sum_of[i] = -1;
    for (int i = 0; i < g->inputs.n && n_samples > 0; i++)
        number_sums(w, g->inputs.v[i], sum_of);
    for (const struct node *node = g->first; node && n_samples > 0; node = node->next)
        for (int i = 0; i < node->n_out; i++)
            number_sums(w, node->out[i], sum_of);
    w->sum_of = sum_of;
    w->n_samples = n_samples;
    w->n_sum_samples = n_samples < N_MEAN_SAMPLES ? n_samples : N_MEAN_SAMPLES;
    w->sums = NCC_NEW(arena, double, (size_t)w->n_sum_samples * w->n_sums);
}

static void prepare_channels(struct watch *w, const struct graph *g, bool wanted, int n_threads, int n_samples,
                             struct arena *arena)
{
    int64_t *channel_of = NCC_NEW(arena, int64_t, g->next_id);
    for (int i = 0; i < g->next_id; i++)
        channel_of[i] = -1;
    for (const struct node *node = g->first; node; node = node->next)
        if (wanted && ncc_quant_by_channel(g, node->out[0])) {
            channel_of[node->out[0]->id] = w->n_channels;
            w->n_channels += node->out[0]->shape.dim[1];
        }
    w->channel_of = channel_of;
    w->n_folds = n_samples < 1 ? 1 : n_samples < MAX_FOLDS ? n_samples : MAX_FOLDS;
    w->channel_min = NCC_NEW(arena, float, (size_t)fold_row(w, n_threads, 0));
    w->channel_max = NCC_NEW(arena, float, (size_t)fold_row(w, n_threads, 0));
}

/* The extremes of all threads, by fold and of all folds; none where one is infinite. */
static void join_channels(const struct watch *w, int n_threads, const struct value *v, struct observation *seen,
                          struct arena *arena)
{
    if (w->channel_of[v->id] < 0)
        return;
    const int n = v->shape.dim[1];
    float *min = NCC_NEW(arena, float, (size_t)(w->n_folds + 1) * n);
    float *max = NCC_NEW(arena, float, (size_t)(w->n_folds + 1) * n);
    bool finite = true;
    for (int i = 0; i < n_threads * w->n_folds * n; i++) {
        const int fold = i / n % w->n_folds, c = i % n;
        const int64_t from = fold_row(w, i / n / w->n_folds, fold) + w->channel_of[v->id] + c;
        const int to[2] = {fold * n + c, w->n_folds * n + c}; /* the last row is of all folds */
        for (int k = 0; k < 2; k++) {
            min[to[k]] = fminf(min[to[k]], w->channel_min[from]);
            max[to[k]] = fmaxf(max[to[k]], w->channel_max[from]);
        }
        finite = finite && isfinite(w->channel_min[from]) && isfinite(w->channel_max[from]);
    }
    if (!finite)
        return;
    seen[v->id].channel_min = min + (size_t)w->n_folds * n;
    seen[v->id].channel_max = max + (size_t)w->n_folds * n;
    seen[v->id].fold = (struct fold_extremes){w->n_folds, min, max};
}

/* The means over the samples stand in the first sample's row afterwards. Where one is not finite there are none. */
static void join_means(const struct watch *w, const struct value *v, struct observation *seen)
{
    const int64_t first = w->sum_of[v->id];
    if (first < 0 || w->n_sum_samples == 0)
        return;
    double *mean = w->sums + first;
    bool finite = true;
    for (int c = 0; c < v->shape.dim[1]; c++) {
        for (int s = 1; s < w->n_sum_samples; s++)
            mean[c] += mean[s * w->n_sums + c];
        mean[c] /= w->n_sum_samples;
        finite = finite && isfinite(mean[c]);
    }
    seen[v->id].mean = finite ? mean : NULL;
}

static void join_all_means(const struct watch *w, const struct graph *g, struct observation *seen)
{
    for (int i = 0; i < g->inputs.n; i++)
        join_means(w, g->inputs.v[i], seen);
    for (const struct node *node = g->first; node; node = node->next)
        for (int i = 0; i < node->n_out; i++)
            join_means(w, node->out[i], seen);
}

static void watch_value(struct watch *w, const struct value *v)
{
    w->watched[v->id] = can_watch(v);
    if (can_watch(v) && !is_moved(v))
        w->slot[v->id] = w->n_slots++;
}

static void choose_values(struct watch *w, const struct graph *g, struct arena *arena)
{
    w->n_values = g->next_id;
    w->watched = NCC_NEW(arena, bool, g->next_id);
    w->slot = NCC_NEW(arena, int, g->next_id);
    for (int i = 0; i < g->next_id; i++)
        w->slot[i] = -1;
    for (int i = 0; i < g->inputs.n; i++)
        watch_value(w, g->inputs.v[i]);
    for (const struct node *node = g->first; node; node = node->next)
        for (int i = 0; i < node->n_out; i++)
            watch_value(w, node->out[i]);
}

/* The observations of all threads: of each half, and of both. */
static void join_threads(const struct watch *w, int n_threads, int id, struct observation *out, struct histogram *hist)
{
    struct observation *half[2];
    for (int h = 0; h < 2; h++) {
        half[h] = &w->seen[(size_t)h * w->n_values + id];
        for (int t = 0; t < n_threads; t++) {
            const size_t part = 2 * (size_t)t + (size_t)h;
            struct observation *o = &w->seen[part * w->n_values + id];
            if (o->n)
                o->hist = histogram(w, part, id);
            if (t)
                ncc_observation_join(half[h], histogram(w, (size_t)h, id), o);
        }
        ncc_observation_join(out, hist, half[h]);
    }
}

static void warn_of_bad(const struct graph *g, const struct value *v, const struct observation *o)
{
    if (!o->n_bad)
        return;
    const struct place where = v->def ? ncc_node_place(g, v->def) : (struct place){.file = g->file, .node = v->name};
    ncc_diag_warn(g->diags, where, "values are infinite or not a number; they are left out of the range",
                  "check the model with these samples in its own framework, and the samples' mean and std",
                  "%lld of %lld elements of '%s'", (long long)o->n_bad, (long long)(o->n + o->n_bad), v->name);
}

static void warn_of_all(const struct graph *g, const struct observations *seen)
{
    for (int i = 0; i < g->inputs.n; i++)
        warn_of_bad(g, g->inputs.v[i], &seen->v[g->inputs.v[i]->id]);
    for (const struct node *node = g->first; node; node = node->next)
        for (int i = 0; i < node->n_out; i++)
            warn_of_bad(g, node->out[i], &seen->v[node->out[i]->id]);
}

static struct histogram *new_histograms(size_t n, struct arena *arena)
{
    struct histogram *h = NCC_NEW(arena, struct histogram, n);
    for (size_t i = 0; i < n; i++)
        ncc_histogram_init(&h[i]);
    return h;
}

/* What is moved is spread as what it was before. */
static void pass_on_histograms(const struct graph *g, struct observation *seen)
{
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            if (is_moved(n->out[i]) && n->in[0] && seen[n->out[i]->id].n)
                seen[n->out[i]->id].hist = seen[n->in[0]->id].hist;
}

/* Everything that was seen of all values, and of the halves of the samples. */
static struct observation *join_all(const struct watch *w, int n_threads, struct arena *arena)
{
    struct observation *all = NCC_NEW(arena, struct observation, w->n_values);
    struct observation *halves = NCC_NEW(arena, struct observation, 2 * (size_t)w->n_values);
    struct histogram *hist = w->hist ? new_histograms(w->n_slots, arena) : NULL;
    for (int i = 0; i < w->n_values; i++) {
        if (!w->watched[i])
            continue;
        join_threads(w, n_threads, i, &all[i], hist && w->slot[i] >= 0 ? &hist[w->slot[i]] : NULL);
        for (int h = 0; h < 2; h++)
            halves[2 * i + h] = w->seen[(size_t)h * w->n_values + i];
        all[i].half = &halves[2 * i];
    }
    return all;
}

bool ncc_quant_observe(const struct graph *g, const struct samples *samples, const struct observe_options *options,
                       struct arena *arena, struct observations *out)
{
    const int n_threads = ncc_parallel_threads(), n_samples = samples->n;
    struct watch w = {0};
    choose_values(&w, g, arena);
    w.seen = NCC_NEW(arena, struct observation, 2 * (size_t)n_threads * w.n_values);
    if (options->histograms)
        w.hist = new_histograms(2 * (size_t)n_threads * w.n_slots, arena);
    prepare_means(&w, g, options->no_means ? 0 : n_samples, arena);
    prepare_channels(&w, g, !options->no_channels, n_threads, n_samples, arena);
    w.patches = ncc_gather_prepare(g, n_samples, &options->gather, arena);
    w.progress = ncc_progress_begin("calibrating", n_samples, options->quiet);
    const struct eval_hooks hooks = {.ctx = &w, .see = see, .step = step};
    const bool good = ncc_eval_samples(g, options->limit, samples, &hooks);
    ncc_progress_end(&w.progress);
    if (!good)
        return false;
    struct observation *seen = join_all(&w, n_threads, arena);
    pass_on_histograms(g, seen);
    for (const struct node *node = g->first; node; node = node->next)
        join_channels(&w, n_threads, node->out[0], seen, arena);
    join_all_means(&w, g, seen);
    ncc_gather_finish(&w.patches, g);
    *out = (struct observations){.n = w.n_values, .v = seen, .patches = w.patches};
    warn_of_all(g, out);
    ncc_family_join(g, out, arena);
    return true;
}
