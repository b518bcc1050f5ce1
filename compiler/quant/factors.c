#include "compiler/quant/factors.h"

#include "compiler/base/parallel.h"

#include <math.h>

enum { MAX_SAMPLES = 8 };

struct watch {
    struct swing **extent; /* by value id: [thread][channel]; NULL: no factor */
};

static bool is_map(const struct value *v)
{
    return !v->data && v->dtype == DT_F32 && v->shape.rank == 4 && v->shape.dim[0] == 1;
}

/* Values whose channels the product of n pairs. */
static bool multiplies_maps(const struct node *n)
{
    return n->op == OP_mul && is_map(n->in[0]) && is_map(n->in[1]) && n->in[0]->shape.dim[1] == n->in[1]->shape.dim[1];
}

static void see(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    (void)sample;
    const struct watch *w = ctx;
    if (!w->extent[v->id])
        return;
    const int channels = v->shape.dim[1];
    const int64_t plane = (int64_t)v->shape.dim[2] * v->shape.dim[3];
    const float *x = t->data;
    for (int c = 0; c < channels; c++) {
        struct swing *e = &w->extent[v->id][(size_t)thread * channels + c];
        for (int64_t i = 0; i < plane; i++, x++) {
            e->lo = fminf(e->lo, *x);
            e->hi = fmaxf(e->hi, *x);
        }
    }
}

/* That of all threads, in the first one's place. */
static void tell(const struct watch *w, struct value *v, int n_threads)
{
    struct swing *e = w->extent[v->id];
    const int channels = v->shape.dim[1];
    for (int i = channels; i < n_threads * channels; i++) {
        e[i % channels].lo = fminf(e[i % channels].lo, e[i].lo);
        e[i % channels].hi = fmaxf(e[i % channels].hi, e[i].hi);
    }
    v->seen = e;
}

bool ncc_quant_see_factors(struct graph *g, const struct samples *samples, struct arena *scratch)
{
    const int n_threads = ncc_parallel_threads();
    struct watch w = {NCC_NEW(scratch, struct swing *, g->next_id)};
    bool some = false;
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; multiplies_maps(n) && i < 2; i++) {
            struct swing **e = &w.extent[n->in[i]->id];
            const size_t count = (size_t)n_threads * (size_t)n->in[i]->shape.dim[1];
            some = true;
            if (*e)
                continue;
            *e = NCC_NEW(g->arena, struct swing, count);
            for (size_t k = 0; k < count; k++)
                (*e)[k] = (struct swing){INFINITY, -INFINITY};
        }
    if (!some || !samples->n)
        return true;
    const struct samples few = ncc_samples_spread(samples, MAX_SAMPLES);
    const struct eval_hooks hooks = {.ctx = &w, .see = see};
    if (!ncc_eval_samples(g, 0, &few, &hooks))
        return false;
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; multiplies_maps(n) && i < 2; i++)
            tell(&w, n->in[i], n_threads);
    return true;
}
