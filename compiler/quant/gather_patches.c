#include "compiler/quant/gather_patches.h"

#include "compiler/ops/attrs.h"
#include "compiler/quant/families.h"

#include <math.h>
#include <stdlib.h>

/* Per layer: as many as the budget covers for all layers. More bring nothing; fewer are fitted too closely, and some
 * layers have none then. */
enum { LEAST_POINTS = 256, QUICK_POINTS = 1024, THOROUGH_POINTS = 3072 };
/* Of each channel's sum, for a table: so that there are this many of all channels together. */
enum { TABLE_VALUES = 8192, TABLE_MIN_POINTS = 16 };
enum { MAX_TOGETHER = 64, MAX_TAPS = 9 };

static bool is_layer(const struct node *n)
{
    return n->op == OP_kpu_conv && !((const struct kpu_conv_attrs *)n->attrs)->copy && n->in[1]->data;
}

static int rows_of(const struct node *n)
{
    const struct kpu_conv_attrs *a = n->attrs;
    return n->in[0]->shape.dim[1] * a->kernel * a->kernel;
}

/* Multiply-adds of rounding all its weights, per point. */
static double work(const struct node *n)
{
    return 2.0 * (double)ncc_shape_count(n->in[1]->shape);
}

static int by_work(const void *a, const void *b)
{
    const struct node *const *x = a, *const *y = b;
    const double d = work(*x) - work(*y);
    if (d != 0)
        return d < 0 ? -1 : 1;
    return (*x)->out[0]->id - (*y)->out[0]->id;
}

static bool is_curved(const struct act_chain *act)
{
    for (int i = 0; i < act->n; i++)
        if (!(ncc_op_desc(act->step[i].op)->flags & OP_STRAIGHT))
            return true;
    return false;
}

/* `points` at most, the same number of each sample. */
static struct patches room(const struct node *n, int points, int n_samples, bool rounds, struct arena *a)
{
    struct patches p = {.per_sample = points / n_samples > 0 ? points / n_samples : 1, .rounds = rounds};
    p.n_points = p.per_sample * (n_samples < points ? n_samples : points);
    p.data = NCC_NEW(a, float, (size_t)rows_of(n) * p.n_points);
    p.mean = NCC_NEW(a, float, rows_of(n));
    return p;
}

static struct patches room_for_table(const struct node *n, int n_samples, struct arena *a)
{
    const int points = TABLE_VALUES / n->out[0]->shape.dim[1];
    const int enough = points < TABLE_MIN_POINTS ? TABLE_MIN_POINTS : points > QUICK_POINTS ? QUICK_POINTS : points;
    return room(n, enough, n_samples, false, a);
}

struct patch_table ncc_gather_prepare(const struct graph *g, int n_samples, const struct gather_options *options,
                                      struct arena *a)
{
    struct patch_table table = {.n = g->next_id, .v = NCC_NEW(a, struct patches, g->next_id)};
    const struct node **layer = NCC_NEW(a, const struct node *, ncc_graph_n_nodes(g));
    const bool *gathers = ncc_family_gathers(g, a);
    int n = 0;
    for (const struct node *k = g->first; k; k = k->next)
        if (is_layer(k) && gathers[k->out[0]->id])
            layer[n++] = k;
    qsort(layer, n, sizeof *layer, by_work);
    double budget = options->budget, all = 1;
    for (int i = 0; i < n; i++)
        all += work(layer[i]);
    const int points =
        (int)fmin(fmax(budget / all, LEAST_POINTS), options->thorough ? THOROUGH_POINTS : QUICK_POINTS);
    for (int i = 0; i < n; i++) {
        struct patches *p = &table.v[layer[i]->out[0]->id];
        budget -= work(layer[i]) * points;
        if (budget >= 0)
            *p = room(layer[i], points, n_samples, true, a);
        else if (options->tables && is_curved(&((const struct kpu_conv_attrs *)layer[i]->attrs)->act))
            *p = room_for_table(layer[i], n_samples, a);
    }
    return table;
}

/* A fixed sequence that spreads points over a map. */
static uint32_t scatter(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352dU;
    x ^= x >> 15;
    x *= 0x846ca68bU;
    return x ^ x >> 16;
}

/* Where the layer computes the output that stands at a place of its window: with a pool, the first pixel under it. */
static void place_of(const struct node *n, uint32_t seed, int *y, int *x)
{
    const struct kpu_conv_attrs *a = n->attrs;
    const int stride =
        n->in[0]->shape.dim[2] / n->out[0]->shape.dim[2] > 1 ? n->in[0]->shape.dim[2] / n->out[0]->shape.dim[2] : 1;
    *y = (a->top + (int)(scatter(seed) % (uint32_t)a->h)) * stride;
    *x = (a->left + (int)(scatter(seed ^ 0x9e3779b9U) % (uint32_t)a->w)) * stride + (a->pool == 6);
}

/* The points of one sample. Their values lie side by side in each row, so it is the rows that are walked along. */
static void add_points(const struct node *n, const struct patches *p, int first, int count, const struct tensor *t)
{
    const struct kpu_conv_attrs *a = n->attrs;
    const int h = t->shape.dim[2], w = t->shape.dim[3], k = a->kernel;
    for (int point = first; point < first + count; point += MAX_TOGETHER) {
        const int together = first + count - point < MAX_TOGETHER ? first + count - point : MAX_TOGETHER;
        int at[MAX_TAPS][MAX_TOGETHER]; /* what is read; -1: beyond the edge, where zeros are */
        for (int i = 0; i < together; i++) {
            int y0, x0;
            place_of(n, (uint32_t)(point + i) * 2654435761U, &y0, &x0);
            for (int tap = 0; tap < k * k; tap++) {
                const int y = y0 + tap / k - k / 2, x = x0 + tap % k - k / 2;
                at[tap][i] = y >= 0 && y < h && x >= 0 && x < w ? y * w + x : -1;
            }
        }
        const float *map = t->data;
        float *to = p->data + point;
        for (int c = 0; c < t->shape.dim[1]; c++, map += (size_t)h * w)
            for (int tap = 0; tap < k * k; tap++, to += p->n_points)
                for (int i = 0; i < together; i++)
                    to[i] = at[tap][i] >= 0 ? map[at[tap][i]] : 0;
    }
}

void ncc_gather_add(const struct patch_table *table, int sample, const struct value *v, const struct tensor *t)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        if (u->index != 0 || !is_layer(u->node))
            continue;
        const struct patches *p = &table->v[u->node->out[0]->id];
        const int first = sample * p->per_sample, left = p->n_points - first;
        if (left > 0)
            add_points(u->node, p, first, left < p->per_sample ? left : p->per_sample, t);
    }
}

void ncc_gather_finish(struct patch_table *table, const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next) {
        const struct patches *p = n->n_out ? &table->v[n->out[0]->id] : NULL;
        for (int r = 0; p && p->n_points && r < rows_of(n); r++) {
            float *row = p->data + (size_t)r * p->n_points;
            double sum = 0;
            for (int i = 0; i < p->n_points; i++)
                sum += (double)row[i];
            const float mean = p->mean[r] = (float)(sum / p->n_points);
            for (int i = 0; i < p->n_points; i++)
                row[i] -= mean;
        }
    }
}
