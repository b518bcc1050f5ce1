/* Scales that are chosen for several values together, since one layer reads them side by side.
 *
 * Concatenations: a 3x3 layer pads all channels with one code, so what it reads must have one zero point. Values behind
 * it get the one with which the layer errs least, and each keeps scales of its own:
 *
 *     expected error of the sums = sum over channels of scale(zero)^2 / 12 * squares of the weights that read it
 *
 * (With one quant for all of them, the part with the largest values would decide for the others.)
 *
 * Sums: a layer whose rows are few weights, such as a + b,
 *
 *     code(y) ~ (scale of a / scale of y) * code(a) + (scale of b / scale of y) * code(b)
 *
 * has weights of 8 bits: the larger one is K = 255 (127 where some are negative), and the other is rounded to a whole
 * code, which errs by up to half a code for every code of the operand. So the scale of one of them is enlarged, by at
 * most one part in that code, to make the weight a whole one where that costs less than the rounding of the weight
 * does. Scales of other values, of those that earlier sums rely on, and of those with given codes stay.
 */
#include "compiler/base/union_find.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/code_groups.h"

#include <math.h>

static bool ordinary(const struct code_groups *s, int id)
{
    return s->value[id] && !s->mixed[id];
}

/* ---- one zero point ---- */

bool ncc_joint_zero_unite(const struct code_groups *s, const struct value *a, const struct value *b)
{
    return ncc_sets_unite(s->zeros, a->id, b->id);
}

static void add_weights_read(const struct code_groups *s, const struct node *n, double **weight)
{
    const struct kpu_conv_attrs *a = n->attrs;
    const struct shape *shape = &n->in[1]->shape;
    const float *w = n->in[1]->data;
    const int taps = a->kernel * a->kernel;
    for (int o = 0; o < shape->dim[0]; o++)
        for (int i = 0; i < shape->dim[1]; i++) {
            int c = a->depthwise ? o : i;
            const struct value *from = ncc_mixed_origin(s, n->in[0], &c);
            if (!weight[from->id])
                weight[from->id] = NCC_NEW(s->scratch, double, from->shape.dim[1]);
            for (int t = 0; t < taps; t++, w++)
                weight[from->id][c] += (double)*w * (double)*w;
        }
}

/* By value id and channel: the squares of the weights with which layers read it beside others; NULL: none does. */
static double **weights_read(const struct code_groups *s)
{
    double **weight = NCC_NEW(s->scratch, double *, s->n);
    for (const struct node *n = s->g->first; n; n = n->next)
        if (n->op == OP_kpu_conv && s->value[n->in[0]->id] && s->mixed[n->in[0]->id] && !ncc_quant_is_copy(n))
            add_weights_read(s, n, weight);
    return weight;
}

/* Groups with one zero point as lists: by id of a group, the next one of its set; -1: the last. */
struct sets {
    const struct code_groups *s;
    double **weight; /* by value id and channel */
    double *sum;     /* by group: of the weights of all channels of its members */
    int *next;
};

static double error_of_group(const struct sets *t, int id, int zero)
{
    const struct group *group = &t->s->group[id];
    struct channel_ranges r;
    if (ncc_group_keeps(group) || !group->range.known)
        return 0;
    if (!ncc_group_channels(t->s, id, &r))
        return t->sum[id] * pow(ncc_codes_needed((double)group->range.lo, (double)group->range.hi, zero), 2);
    double error = 0;
    for (int c = 0; c < r.n; c++)
        error += (t->weight[id] ? t->weight[id][c] : 0) * pow(ncc_channels_scale(&r, c, zero), 2);
    return error;
}

/* The least expected error decides, unless one of the groups has its codes already. */
static int best_zero(const struct sets *t, int first)
{
    int best = 0;
    double least = INFINITY;
    for (int id = first; id >= 0; id = t->next[id]) {
        const struct group *group = &t->s->group[id];
        if (ncc_group_keeps(group) && group->quant.n_channels)
            return (int)fmin(fmax(rint(group->quant.zero_point[0]), 0), 255);
    }
    for (int zero = 0; zero <= 255; zero++) {
        double error = 0;
        for (int id = first; id >= 0; id = t->next[id])
            error += error_of_group(t, id, zero);
        if (error < least) {
            least = error;
            best = zero;
        }
    }
    return best;
}

/* A group that cannot have codes with this zero point stays as it is: it will share one quant with the others then. */
static void set_zero(const struct sets *t, int id, int zero)
{
    struct group *group = &t->s->group[id];
    struct channel_ranges r;
    if (ncc_group_keeps(group) || !group->range.known)
        return;
    const double scale = ncc_codes_needed((double)group->range.lo, (double)group->range.hi, zero);
    if (!isfinite(scale))
        return;
    if (ncc_group_channels(t->s, id, &r))
        group->quant = ncc_quant_channels(&r, zero, t->s->g->arena);
    else
        group->quant = ncc_quant_make((struct codes){scale > 1e-30 ? scale : 1.0 / 255, zero}, t->s->g->arena);
}

void ncc_joint_zeros(const struct code_groups *s)
{
    struct sets t = {.s = s, .next = NCC_NEW(s->scratch, int, s->n), .sum = NCC_NEW(s->scratch, double, s->n)};
    int *first = NCC_NEW(s->scratch, int, s->n);
    bool some = false;
    for (int id = 0; id < s->n; id++)
        first[id] = t.next[id] = -1;
    for (int id = s->n - 1; id >= 0; id--) {
        if (!ordinary(s, ncc_group_root(s, id)) || ncc_group_root(s, id) != id)
            continue;
        int *head = &first[ncc_sets_root(s->zeros, id)];
        some = some || *head >= 0;
        t.next[id] = *head;
        *head = id;
    }
    if (!some)
        return;
    t.weight = weights_read(s);
    for (int id = 0; id < s->n; id++)
        for (int c = 0; t.weight[id] && c < s->value[id]->shape.dim[1]; c++)
            t.sum[ncc_group_root(s, id)] += t.weight[id][c];
    for (int k = 0; k < s->n; k++) {
        if (first[k] < 0 || t.next[first[k]] < 0)
            continue;
        const int zero = best_zero(&t, first[k]);
        for (int id = first[k]; id >= 0; id = t.next[id])
            set_zero(&t, id, zero);
    }
}

/* ---- sums ---- */

enum { MAX_TERMS = 8 };

/* What has scales that may be enlarged: a group, or the groups of all pieces of one map. */
struct owner {
    int n;          /* scales: one, or one per channel; 0: not looked at yet */
    bool fixed;     /* they may not be enlarged */
    double *factor; /* what each is enlarged by */
    bool *relied;   /* a sum relies on it as it is */
    int *layer;     /* the last one that was seen to read it: 1 and up */
};

struct sums {
    const struct code_groups *s;
    int *owner_of; /* union-find over ids of groups */
    struct owner *owner;
    double *variance; /* by value id; negative: not known yet */
};

/* One weight of a row of a layer, and what it reads. */
struct term {
    const struct value *from;
    struct owner *owner;
    int c, k; /* channel of `from`, and which of the owner's scales it has */
    double weight, scale;
};
struct row {
    int n;
    struct term term[MAX_TERMS];
};

static double size_of(const struct term *x)
{
    return fabs(x->weight) * x->scale * x->owner->factor[x->k];
}

static struct owner *owner_of(const struct sums *t, const struct value *v, int n)
{
    struct owner *o = &t->owner[ncc_sets_root(t->owner_of, ncc_group_root(t->s, v->id))];
    if (o->n == 0) {
        o->n = n;
        o->factor = NCC_NEW(t->s->scratch, double, n);
        o->relied = NCC_NEW(t->s->scratch, bool, n);
        o->layer = NCC_NEW(t->s->scratch, int, n);
        for (int i = 0; i < n; i++)
            o->factor[i] = 1;
    }
    return o;
}

/* False: it has other weights than a few at the centre, or reads what has no codes. */
static bool read_row(const struct sums *t, const struct node *n, int o, struct row *row)
{
    const struct kpu_conv_attrs *a = n->attrs;
    const int n_in = n->in[1]->shape.dim[1], taps = a->kernel * a->kernel;
    const float *w = (const float *)n->in[1]->data + (int64_t)o * n_in * taps;
    row->n = 0;
    for (int i = 0; i < n_in * taps; i++) {
        if (w[i] == 0)
            continue;
        int c = i / taps;
        const struct value *from = ncc_mixed_origin(t->s, n->in[0], &c);
        const struct quant q = ncc_group_quant(t->s, from);
        if (i % taps != taps / 2 || row->n == MAX_TERMS || !q.n_channels)
            return false;
        const int k = q.n_channels > 1 ? c : 0;
        row->term[row->n++] = (struct term){from, owner_of(t, from, q.n_channels), c, k, (double)w[i], q.scale[k]};
    }
    return true;
}

/* Nothing but rows of few weights. What one scale is for must have one weight, as that can be made whole for all rows
 * only: a channel with a scale of its own is read by one row, and channels that share a scale with one weight. `layer`
 * is a number of n's own, 1 and up. */
static bool is_sum(const struct sums *t, const struct node *n, int layer, bool *negative)
{
    const struct kpu_conv_attrs *a = n->op == OP_kpu_conv ? n->attrs : NULL;
    struct term single[MAX_TERMS];
    struct row row;
    int n_single = 0, most = 0;
    *negative = false;
    if (!a || a->copy || a->tied || a->depthwise || !t->s->value[n->in[0]->id])
        return false;
    for (int o = 0; o < n->in[1]->shape.dim[0]; o++) {
        if (!read_row(t, n, o, &row))
            return false;
        most = row.n > most ? row.n : most;
        for (int i = 0; i < row.n; i++) {
            const struct term *x = &row.term[i];
            int k = 0;
            *negative = *negative || x->weight < 0;
            while (k < n_single && single[k].owner != x->owner)
                k++;
            if (x->owner->n > 1 && x->owner->layer[x->k] == layer)
                return false;
            x->owner->layer[x->k] = layer;
            if (x->owner->n > 1)
                continue;
            if (k == MAX_TERMS || (k < n_single && fabs(single[k].weight) != fabs(x->weight)))
                return false;
            single[k] = *x;
            n_single = k == n_single ? k + 1 : n_single;
        }
    }
    return most > 1;
}

static double variance_of_value(const struct observation *o)
{
    double n = 0, x = 0, xx = 0;
    if (!o->hist) /* as if evenly spread */
        return o->n ? pow((double)o->max - (double)o->min, 2) / 12 : 0;
    for (int64_t i = 0; i <= o->hist->last - o->hist->first; i++) {
        const double at = ldexp((double)(o->hist->first + i) + 0.5, o->hist->exponent), count = o->hist->bin[i];
        n += count;
        x += count * at;
        xx += count * at * at;
    }
    n += (double)o->hist->n_zero;
    return n > 0 ? xx / n - x / n * (x / n) : 0;
}

/* Of the codes of a term; a channel's values are taken to be spread as those of the whole, over its own range. */
static double variance_of(const struct sums *t, const struct term *x)
{
    if (x->from->id >= t->s->seen->n)
        return 0;
    const struct observation *o = &t->s->seen->v[x->from->id];
    double *whole = &t->variance[x->from->id];
    if (*whole < 0)
        *whole = variance_of_value(o);
    const double range = (double)o->max - (double)o->min;
    const double share =
        o->channel_max && range > 0 ? ((double)o->channel_max[x->c] - (double)o->channel_min[x->c]) / range : 1;
    return *whole * share * share / (x->scale * x->scale);
}

static int n_readers(const struct value *v)
{
    int n = 0;
    for (const struct use *u = v->uses; u; u = u->next)
        n++;
    return n;
}

/* May its scale be enlarged for this row? One scale for many rows only if all rows ask for the same. */
static bool is_free(const struct row *row, const struct term *x)
{
    bool all_single = true;
    for (int i = 0; i < row->n; i++)
        all_single = all_single && row->term[i].owner->n == 1;
    return !x->owner->fixed && !x->owner->relied[x->k] && (x->owner->n > 1 || all_single);
}

/* What rounding the codes of a term costs more when they get coarser by a factor. */
static double cost_of(const struct row *row, const struct term *x, double factor)
{
    return is_free(row, x) ? pow(size_of(x), 2) * (factor * factor - 1) / 12 * n_readers(x->from) : INFINITY;
}

/* Makes the weight of x whole, where `top` has the weight of K codes. False: it is not whole. */
static bool make_whole(const struct sums *t, const struct row *row, struct term *x, struct term *top, int k)
{
    const double unit = size_of(top) / k, codes = size_of(x) / unit, off = codes - rint(codes);
    if (fabs(off) < 1e-6)
        return true;
    const double gain = pow(off * unit, 2) * variance_of(t, x);
    const double up = ceil(codes) / codes, down = floor(codes) >= 1 && row->n == 2 ? codes / floor(codes) : INFINITY;
    const double cost_up = cost_of(row, x, up), cost_down = isfinite(down) ? cost_of(row, top, down) : INFINITY;
    if (fmin(cost_up, cost_down) >= gain)
        return false;
    if (cost_up <= cost_down)
        x->owner->factor[x->k] *= up;
    else
        top->owner->factor[top->k] *= down;
    return true;
}

static void fit_row(const struct sums *t, struct row *row, int k)
{
    struct term *top = row->term;
    bool whole = true;
    for (int i = 1; i < row->n; i++)
        top = size_of(&row->term[i]) > size_of(top) ? &row->term[i] : top;
    for (int i = 0; i < row->n; i++)
        if (&row->term[i] != top && size_of(top) > 0)
            whole &= make_whole(t, row, &row->term[i], top, k);
    for (int i = 0; i < row->n && row->n > 1 && whole; i++)
        row->term[i].owner->relied[row->term[i].k] = true;
}

static void fit_sum(const struct sums *t, const struct node *n, int layer)
{
    bool negative;
    struct row row;
    if (!is_sum(t, n, layer, &negative))
        return;
    for (int o = 0; o < n->in[1]->shape.dim[0]; o++)
        if (read_row(t, n, o, &row))
            fit_row(t, &row, negative ? 127 : 255);
}

/* Codes that depend on each other stay: those of what a layer cuts from another value, and of that. */
static void fix_cut(const struct sums *t, const struct node *n)
{
    const struct code_groups *s = t->s;
    if (!ordinary(s, n->out[0]->id) || !s->group[ncc_group_root(s, n->out[0]->id)].kept)
        return;
    t->owner[ncc_sets_root(t->owner_of, ncc_group_root(s, n->out[0]->id))].fixed = true;
    for (int c = 0; c < n->in[0]->shape.dim[1]; c++) {
        int k = c;
        const struct value *from = ncc_mixed_origin(s, n->in[0], &k);
        t->owner[ncc_sets_root(t->owner_of, ncc_group_root(s, from->id))].fixed = true;
    }
}

/* With scales by channel a clip is where code 255 is, of every channel; larger scales would put it elsewhere in each.
 */
static bool clips_at_last_code(const struct code_groups *s, int id)
{
    const struct node *n = s->value[id]->def;
    return n && n->op == OP_kpu_conv && s->group[ncc_group_root(s, id)].quant.n_channels > 1 &&
           isfinite(ncc_channels_limit(s->value[id]));
}

/* Pieces of one map have one owner. Codes that somebody else decided, and ranges that are known, stay. */
static void find_owners(const struct sums *t)
{
    const struct code_groups *s = t->s;
    int *first = NCC_NEW(s->scratch, int, s->n + 1); /* by family: 1 + id */
    ncc_sets_begin(t->owner_of, s->n);
    for (int id = 0; id < s->n; id++) {
        const int family = ordinary(s, id) ? s->value[id]->family : 0;
        if (family && first[family])
            ncc_sets_unite(t->owner_of, ncc_group_root(s, id), ncc_group_root(s, first[family] - 1));
        else if (family)
            first[family] = id + 1;
    }
    for (int id = 0; id < s->n; id++)
        if (ordinary(s, id) &&
            (s->group[ncc_group_root(s, id)].given || s->value[id]->range.known || clips_at_last_code(s, id)))
            t->owner[ncc_sets_root(t->owner_of, ncc_group_root(s, id))].fixed = true;
    for (const struct node *n = s->g->first; n; n = n->next)
        if (n->n_out == 1)
            fix_cut(t, n);
}

static void enlarge(const struct sums *t, int id)
{
    struct group *group = &t->s->group[id];
    const struct owner *o = &t->owner[ncc_sets_root(t->owner_of, id)];
    const int n = group->quant.n_channels;
    if (o->n == 0 || o->n != n || o->fixed)
        return;
    double *scale = NCC_NEW(t->s->g->arena, double, n);
    for (int c = 0; c < n; c++)
        scale[c] = group->quant.scale[c] * o->factor[c];
    group->quant.scale = scale;
}

void ncc_joint_sums(const struct code_groups *s)
{
    struct sums t = {.s = s,
                     .owner_of = NCC_NEW(s->scratch, int, s->n),
                     .owner = NCC_NEW(s->scratch, struct owner, s->n),
                     .variance = NCC_NEW(s->scratch, double, s->n)};
    for (int id = 0; id < s->n; id++)
        t.variance[id] = -1;
    find_owners(&t);
    int layer = 0;
    for (const struct node *n = s->g->first; n; n = n->next)
        fit_sum(&t, n, ++layer);
    for (int id = 0; id < s->n; id++)
        if (ordinary(s, ncc_group_root(s, id)) && ncc_group_root(s, id) == id)
            enlarge(&t, id);
}
