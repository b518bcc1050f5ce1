#include "compiler/quant/families.h"

#include <math.h>
#include <string.h>

/* The members of a family, in the graph's order. */
struct members {
    struct value **v;
    int n, cap;
};

static struct members *find_families(const struct graph *g, struct arena *a)
{
    struct members *of = NCC_NEW(a, struct members, g->next_id + 1); /* by number */
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i]->family)
                NCC_PUSH(a, &of[n->out[i]->family], n->out[i]);
    return of;
}

static int channels(const struct value *v)
{
    return v->shape.rank > 1 ? v->shape.dim[1] : 1;
}

static bool is_alike(const struct members *m)
{
    for (int i = 1; i < m->n; i++)
        if (channels(m->v[i]) != channels(m->v[0]))
            return false;
    return m->n > 1;
}

/* ---- observations ---- */

/* What all members saw: of all samples, or (half 0 or 1) of each second one. */
static struct observation join_seen(const struct observations *seen, const struct members *m, int half, struct arena *a)
{
    struct observation all = {0};
    struct histogram *h = NULL;
    for (int i = 0; i < m->n; i++) {
        const struct observation *o = &seen->v[m->v[i]->id];
        o = half < 0 ? o : &o->half[half];
        all.n_bad += o->n_bad;
        if (!o->n)
            continue;
        all.min = all.n ? fminf(all.min, o->min) : o->min;
        all.max = all.n ? fmaxf(all.max, o->max) : o->max;
        all.n += o->n;
        if (o->hist && h) {
            ncc_histogram_merge(h, o->hist);
        } else if (o->hist) {
            h = NCC_NEW(a, struct histogram, 1);
            *h = *o->hist;
        }
    }
    all.hist = h;
    return all;
}

static const struct observation *join_halves(const struct observations *seen, const struct members *m, struct arena *a)
{
    struct observation *half = NCC_NEW(a, struct observation, 2);
    for (int i = 0; i < m->n; i++)
        if (!seen->v[m->v[i]->id].half)
            return NULL;
    for (int h = 0; h < 2; h++)
        half[h] = join_seen(seen, m, h, a);
    return half;
}

/* Rows of folds and behind them, as in observe.c, the one of all folds. */
static void join_channels(const struct observations *seen, const struct members *m, struct observation *out,
                          struct arena *a)
{
    const int n_folds = seen->v[m->v[0]->id].fold.n, n = (n_folds + 1) * channels(m->v[0]);
    float *min = NCC_NEW(a, float, n), *max = NCC_NEW(a, float, n);
    for (int i = 0; i < m->n; i++) {
        const struct observation *o = &seen->v[m->v[i]->id];
        if (!o->channel_max)
            return;
        for (int k = 0; k < n; k++) {
            min[k] = fminf(min[k], o->fold.min[k]);
            max[k] = fmaxf(max[k], o->fold.max[k]);
        }
    }
    out->fold = (struct fold_extremes){n_folds, min, max};
    out->channel_min = min + n - channels(m->v[0]);
    out->channel_max = max + n - channels(m->v[0]);
}

/* Weighted by the areas of the windows. */
static const double *join_means(const struct observations *seen, const struct members *m, struct arena *a)
{
    const int n = channels(m->v[0]);
    double *mean = NCC_NEW(a, double, n), area = 0;
    for (int i = 0; i < m->n; i++) {
        const double *one = seen->v[m->v[i]->id].mean;
        const double pixels = (double)m->v[i]->window.h * m->v[i]->window.w;
        if (!one)
            return NULL;
        for (int c = 0; c < n; c++)
            mean[c] += one[c] * pixels;
        area += pixels;
    }
    for (int c = 0; c < n; c++)
        mean[c] /= area;
    return mean;
}

static void join_observations(struct observations *seen, const struct members *m, struct arena *a)
{
    struct observation all = join_seen(seen, m, -1, a);
    all.half = join_halves(seen, m, a);
    all.mean = join_means(seen, m, a);
    join_channels(seen, m, &all, a);
    for (int i = 0; i < m->n; i++)
        seen->v[m->v[i]->id] = all;
}

/* ---- patches ---- */

static bool same_weights(const struct value *x, const struct value *y)
{
    if (!x->def || !y->def || x->def->n_in < 2 || y->def->n_in < 2)
        return false;
    const struct value *v = x->def->in[1], *w = y->def->in[1];
    return ncc_is_const(v) && ncc_is_const(w) && v->dtype == w->dtype && ncc_shape_equal(v->shape, w->shape) &&
           !memcmp(v->data, w->data, (size_t)ncc_shape_count(v->shape) * ncc_dtype_size(v->dtype));
}

/* Layers that spread the same weights over different copies of their inputs round them by themselves, each to the
 * nearest, and come to the same. */
static void join_patches(struct observations *seen, const struct members *m)
{
    const struct value *gathers = m->v[m->n / 2];
    struct patches p = {0};
    bool same = true;
    for (int i = 0; i < m->n; i++)
        same = same && same_weights(m->v[i], gathers);
    if (same && gathers->id < seen->patches.n)
        p = seen->patches.v[gathers->id];
    for (int i = 0; i < m->n && m->v[i]->id < seen->patches.n; i++)
        seen->patches.v[m->v[i]->id] = p;
}

bool *ncc_family_gathers(const struct graph *g, struct arena *a)
{
    const struct members *of = find_families(g, a);
    bool *gathers = NCC_NEW(a, bool, g->next_id);
    for (int i = 0; i < g->next_id; i++)
        gathers[i] = true;
    for (int f = 1; f <= g->next_id; f++)
        for (int i = 0; i < of[f].n; i++)
            gathers[of[f].v[i]->id] = i == of[f].n / 2;
    return gathers;
}

void ncc_family_join(const struct graph *g, struct observations *seen, struct arena *a)
{
    const struct members *of = find_families(g, a);
    for (int f = 1; f <= g->next_id; f++) {
        if (!is_alike(&of[f]))
            continue;
        join_observations(seen, &of[f], a);
        join_patches(seen, &of[f]);
    }
}
