#include "compiler/quant/mean_error.h"

#include "compiler/ops/attrs.h"
#include "compiler/quant/code_samples.h"
#include "compiler/quant/range.h"

#include <math.h>

/* Fewer tell nothing of a mean; more make it no better that anybody would see. */
enum { MIN_SAMPLES = 16, MAX_SAMPLES = 128 };

/* A layer, its counterpart, and where its channels stand in a row of means. */
struct pair {
    struct node *layer;
    const struct value *y, *real;
    int first;
};

struct job {
    struct samples samples; /* of the real graph */
    const struct pair *pair;
    int n_pairs, n_channels;
    const int *pair_of_code, *pair_of_real; /* by value id; -1: none */
    double *mean;                           /* [sample][channel], of the codes less the real ones; in codes */
};

/* ---- which layers ---- */

static void mark_layers(const struct value *v, bool *seen, bool *last)
{
    if (!v || !v->def || seen[v->id])
        return;
    seen[v->id] = true;
    if (v->def->op == OP_kpu_layer) {
        last[v->id] = true;
        return;
    }
    for (int i = 0; i < v->def->n_in; i++)
        mark_layers(v->def->in[i], seen, last);
}

/* Only what adds to the sum adds as much to the result. */
static bool is_linear(const struct value *real)
{
    const struct node *n = real ? real->def : NULL;
    const struct kpu_conv_attrs *a = n && n->op == OP_kpu_conv ? n->attrs : NULL;
    return a && a->act.n == 0 && !a->copy && !a->tied;
}

static void list_pairs(struct job *j, const struct graph *real, struct graph *codes, struct arena *a)
{
    struct value **real_value = NCC_NEW(a, struct value *, real->next_id);
    for (const struct node *n = real->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            real_value[n->out[i]->id] = n->out[i];
    bool *seen = NCC_NEW(a, bool, codes->next_id), *last = NCC_NEW(a, bool, codes->next_id);
    for (int k = 0; k < codes->outputs.n; k++)
        mark_layers(codes->outputs.v[k].value, seen, last);
    struct pair *pair = NCC_NEW(a, struct pair, ncc_graph_n_nodes(codes));
    int *of_code = NCC_NEW(a, int, codes->next_id), *of_real = NCC_NEW(a, int, real->next_id);
    for (int i = 0; i < codes->next_id; i++)
        of_code[i] = -1;
    for (int i = 0; i < real->next_id; i++)
        of_real[i] = -1;
    for (struct node *n = codes->first; n; n = n->next) {
        const struct value *y = n->n_out ? n->out[0] : NULL;
        const struct value *r = y && last[y->id] && y->real_id < real->next_id ? real_value[y->real_id] : NULL;
        if (!is_linear(r) || !ncc_shape_equal(r->shape, y->shape) || of_real[r->id] >= 0)
            continue;
        of_code[y->id] = of_real[r->id] = j->n_pairs;
        pair[j->n_pairs++] = (struct pair){n, y, r, j->n_channels};
        j->n_channels += y->shape.dim[1];
    }
    j->pair = pair;
    j->pair_of_code = of_code;
    j->pair_of_real = of_real;
}

/* ---- running ---- */

/* The mean of a channel inside the window, in codes of the layer's result. */
static double mean_code(const struct pair *p, int c, const struct tensor *t)
{
    const struct window *w = &p->real->window;
    const int full_h = t->shape.dim[2], full_w = t->shape.dim[3];
    const int h = w->h ? w->h : full_h, width = w->h ? w->w : full_w;
    double sum = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < width; x++) {
            const int64_t i = ((int64_t)c * full_h + w->top + y) * full_w + w->left + x;
            sum += t->dtype == DT_U8 ? ((const uint8_t *)t->data)[i] : (double)((const float *)t->data)[i];
        }
    const double mean = sum / ((double)h * width);
    return t->dtype == DT_U8 ? mean
                             : mean / ncc_quant_scale(&p->y->quant, c) + ncc_quant_zero(&p->y->quant, c);
}

static void add_means(const struct job *j, int pair, int sample, const struct tensor *t, double sign)
{
    const struct pair *p = &j->pair[pair];
    for (int c = 0; c < t->shape.dim[1]; c++)
        j->mean[(size_t)sample * j->n_channels + p->first + c] += sign * mean_code(p, c, t);
}

static void see_real(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    const struct job *j = ctx;
    (void)thread;
    if (j->pair_of_real[v->id] >= 0)
        add_means(j, j->pair_of_real[v->id], sample, t, -1);
}

static void see_codes(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    const struct job *j = ctx;
    (void)thread;
    if (j->pair_of_code[v->id] >= 0)
        add_means(j, j->pair_of_code[v->id], sample, t, 1);
}

/* ---- the result ---- */

/* The mean of a channel's n differences, less what chance may have to do with it. */
static double certain_mean(const struct job *j, int channel)
{
    double sum = 0, squares = 0;
    const int n = j->samples.n;
    for (int s = 0; s < n; s++)
        sum += j->mean[(size_t)s * j->n_channels + channel];
    const double mean = sum / n;
    for (int s = 0; s < n; s++)
        squares += pow(j->mean[(size_t)s * j->n_channels + channel] - mean, 2);
    const double variance = squares / (n - 1) / n;
    return mean * mean > variance ? mean * (1 - variance / (mean * mean)) : 0;
}

bool ncc_quant_mean_errors(const struct graph *real, struct graph *codes, const struct samples *samples, double budget,
                           struct arena *arena, struct mean_errors *out)
{
    *out = (struct mean_errors){0};
    const int n_samples = (int)fmin(fmin(samples->n, MAX_SAMPLES), budget / fmax(ncc_graph_macs(real), 1));
    if (n_samples < MIN_SAMPLES)
        return true;
    struct job j = {.samples = ncc_samples_spread(samples, n_samples)};
    list_pairs(&j, real, codes, arena);
    if (!j.n_pairs)
        return true;
    j.mean = NCC_NEW(arena, double, (size_t)n_samples *j.n_channels);
    struct code_samples coded = {codes, j.samples};
    const struct samples in_codes = ncc_code_samples(&coded);
    const struct eval_hooks of_real = {.ctx = &j, .see = see_real}, of_codes = {.ctx = &j, .see = see_codes};
    if (!ncc_eval_samples(real, 0, &j.samples, &of_real) || !ncc_eval_samples(codes, 0, &in_codes, &of_codes))
        return false;
    for (int i = 0; i < j.n_pairs; i++) {
        const struct pair *p = &j.pair[i];
        const int n = p->y->shape.dim[1];
        struct mean_error e = {p->layer, NCC_NEW(arena, double, n)};
        for (int c = 0; c < n; c++)
            e.error[c] = certain_mean(&j, p->first + c);
        NCC_PUSH(arena, out, e);
    }
    return true;
}
