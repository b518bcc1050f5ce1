/* Which values are sliced, and how finely, and which outputs are staggered: slices, or copies, are added where they take
 * the most off the outputs' error for what they cost, until nothing is left that is worth one or the budget is spent.
 */
#include "compiler/ops/attrs.h"
#include "compiler/quant/compare.h"
#include "compiler/quant/range.h"
#include "compiler/quant/shares.h"
#include "compiler/quant/slices.h"
#include "compiler/quant/staggered.h"

#include <math.h>

enum { MAX_CHANNELS = 64, MAX_SLICES = 4, MAX_CANDIDATES = 24 };

/* Outputs that may be staggered: their elements, and how many. */
enum { MAX_ELEMENTS = 256, MAX_OUTPUTS = 4 };

/* The canvas of the slices, in bytes of KPU RAM (of 2 MiB). */
enum { MAX_CANVAS = 1 << 20 };

/* Of the error that rounding makes: what a value's slices must take away at least. */
#define LEAST_GAIN 0.02

/* Outputs that are off by no more than this (squared, relative: 45 dB) are good enough; where softmaxes make all of
 * them, and the largest is what matters, by no more than that in front of them (36 dB). */
#define GOOD_ENOUGH       3e-5
#define GOOD_ENOUGH_ORDER 2.5e-4

/* What all slices may cost together: a share of what all layers take, each of them with what a layer takes however
 * small it is (10 us or so), in the unit of conv_work; and which share of the error slices must take away for each
 * share that they cost, where outputs are off by FAIR (30 dB): the better they are, the more. */
struct price {
    double budget, rate;
};
#define FAIR 1e-3
static const struct price dear = {0.3, 1};
/* Where a clip (ReLU6) says how far values go: such nets have few codes to lose, and no slice is there for room alone.
 */
static const struct price behind_clips = {1, 0.1};
#define LAYER_WORK 7e4
/* The fixed part that a 1x1 layer has and a 3x3 layer has not (16 000 clocks, doc/kpu.md 7.1), unless its weights are
 * so few that nine times as many are nothing. */
#define POINTWISE_WORK 2.8e5
#define FEW_WEIGHTS    500
/* A step of a max pool, for every channel and column: a layer of some 30 us for every 384 of them. */
#define POOL_WORK 520
/* An element of a copy, brought to the CPU and added there. */
#define ELEMENT_WORK 1.7e3

struct candidate {
    struct value *y;
    struct sliceable s; /* of a value between layers */
    struct share share;
    int slices; /* or copies; 0: as it is */
    struct slice_counts counts;
};

/* Outputs come first, and then values between layers. */
struct chooser {
    const struct graph *g;
    struct candidate v[MAX_CANDIDATES];
    int n, n_outputs;
};

static bool is_output(const struct chooser *c, const struct candidate *k)
{
    return k < c->v + c->n_outputs;
}

/* ---- what convolutions cost ---- */

static double pointwise_work(double outs, double ins, const struct shape *map)
{
    return LAYER_WORK + outs * ins * map->dim[2] * map->dim[3] + (outs * ins > FEW_WEIGHTS ? POINTWISE_WORK : 0);
}

/* What a KPU layer takes is in proportion to this, whether its kernel is 1x1 or 3x3; depthwise layers are nearly free.
 * outs, ins: channels. */
static double conv_work(const struct node *n, double outs, double ins)
{
    const struct shape *x = &n->in[0]->shape;
    const bool depthwise =
        ((const struct conv2d_attrs *)n->attrs)->groups > 1 && ins == x->dim[1] && outs == n->out[0]->shape.dim[1];
    return outs * x->dim[2] * x->dim[3] * (depthwise ? 1 : ins);
}

/* The sliced value that a makes, or the one that is y; NULL: none. */
static const struct candidate *sliced_by(const struct chooser *c, const struct node *a, const struct value *y)
{
    for (int i = c->n_outputs; i < c->n; i++)
        if (c->v[i].slices && (c->v[i].s.a == a || c->v[i].y == y))
            return &c->v[i];
    return NULL;
}

/* The first step rides in the layer before. */
static double pooled_work(const struct node *pool, double channels)
{
    const struct pool_attrs *a = pool->attrs;
    double work = 0;
    for (int k = 2; k < a->kernel_h || k < a->kernel_w; k *= 2)
        work += LAYER_WORK + POOL_WORK * channels * pool->in[0]->shape.dim[3];
    return work;
}

/* A PReLU as it is: its convolution makes both halves, and a layer puts them together, if the next one does not. */
static double prelu_work(const struct chooser *c, const struct node *a, const struct node *prelu, double ins)
{
    const struct shape *s = &prelu->out[0]->shape;
    double together = pointwise_work(s->dim[1], 2.0 * s->dim[1], s);
    const struct node *reader = ncc_value_only_use(c->g, prelu->out[0]);
    if (reader && reader->op == OP_conv2d)
        together = fmin(together, conv_work(reader, reader->out[0]->shape.dim[1], s->dim[1]));
    return conv_work(a, s->dim[1], ins) + together;
}

static double work_of(const struct chooser *c, const struct node *n)
{
    if (n->op == OP_max_pool && n->out[0]->shape.rank == 4 && !sliced_by(c, NULL, n->out[0]))
        return pooled_work(n, n->out[0]->shape.dim[1]);
    if (n->op != OP_conv2d)
        return 0;
    const struct candidate *made = sliced_by(c, n, NULL), *read = sliced_by(c, NULL, n->in[0]);
    const struct slice_counts m = made ? made->counts : (struct slice_counts){n->out[0]->shape.dim[1], 0};
    const double ins = read ? read->counts.made + read->counts.larger : n->in[0]->shape.dim[1];
    double work = conv_work(n, m.made, ins);
    const struct node *next = ncc_value_only_use(c->g, n->out[0]);
    if (!made)
        return work + (next && next->op == OP_prelu ? prelu_work(c, n, next, ins) : 0);
    if (made->s.pool)
        work += pooled_work(made->s.pool, m.made);
    return work + (m.larger ? pointwise_work(m.larger, m.made, &made->y->shape) : 0);
}

static double all_work(const struct chooser *c)
{
    double sum = 0;
    for (const struct node *n = c->g->first; n; n = n->next)
        sum += LAYER_WORK + work_of(c, n);
    for (int i = 0; i < c->n_outputs; i++)
        sum += ELEMENT_WORK * (c->v[i].slices ? c->v[i].slices : 1) * (double)ncc_shape_count(c->v[i].y->shape);
    return sum;
}

/* ---- candidates ---- */

static bool is_small(const struct shape *s, int n_slices)
{
    return s->rank == 4 && s->dim[1] <= MAX_CHANNELS && (int64_t)n_slices * s->dim[1] * s->dim[2] * s->dim[3] <= MAX_CANVAS;
}

/* How far finer codes go beyond what was seen: with them more headroom costs little. */
static double room_of(const struct candidate *k)
{
    return pow(ncc_quant_headroom(k->share.n_seen), 2);
}

static struct slicing slicing_of(const struct candidate *k, int n)
{
    const struct extremes *all = &k->share.whole;
    return ncc_quant_slicing(room_of(k) * (double)all->lo, fmin(room_of(k) * (double)all->hi, (double)k->s.max), n);
}

/* A PReLU is rounded twice: as halves, and as what they make. */
static double share_of(const struct candidate *k)
{
    return k->share.of_all * (k->s.act && k->s.act->op == OP_prelu ? 2 : 1);
}

/* What is left of a value's share with n slices, or copies; 0: none. */
static double left_with(const struct chooser *c, const struct candidate *k, int n)
{
    const struct extremes *all = &k->share.whole;
    const double reach = (double)all->hi - (double)all->lo;
    double width = reach;
    if (is_output(c, k))
        width = n ? reach * room_of(k) / n : reach * ncc_quant_headroom(k->share.n_seen);
    else if (n)
        width = (double)slicing_of(k, n).width;
    return width > 0 ? (n ? k->share.of_all : share_of(k)) * pow(width / reach, 2) : INFINITY;
}

static void find_outputs(struct chooser *c)
{
    for (struct node *n = c->g->first; n && c->n < MAX_OUTPUTS; n = n->next)
        if (n->n_out == 1 && ncc_shape_count(n->out[0]->shape) <= MAX_ELEMENTS && ncc_quant_can_stagger(c->g, n->out[0]))
            c->v[c->n++] = (struct candidate){.y = n->out[0], .s.max = INFINITY};
    c->n_outputs = c->n;
}

/* The first ones, in the order of the graph: their errors meet all others. */
static void find_values(struct chooser *c)
{
    struct sliceable s;
    for (struct node *n = c->g->first; n && c->n < MAX_CANDIDATES; n = n->next)
        if (n->n_out == 1 && ncc_quant_can_slice(c->g, n->out[0], &s) && is_small(&s.a->out[0]->shape, 2))
            c->v[c->n++] = (struct candidate){.y = n->out[0], .s = s};
}

static const float *gains_of(const struct share *s, struct arena *a)
{
    float *gain = NCC_NEW(a, float, s->n_channels);
    for (int c = 0; c < s->n_channels; c++)
        gain[c] = (float)(((double)s->whole.hi - (double)s->whole.lo) / ncc_quant_reach(s->channel[c], s->whole));
    return gain;
}

/* ---- choosing ---- */

struct choice {
    struct candidate *k;
    int slices;
    double gain, cost;
};

static bool better(struct choice a, struct choice b)
{
    return a.gain * b.cost > b.gain * a.cost;
}

static void take(const struct chooser *c, struct candidate *k, int slices)
{
    k->slices = slices;
    if (slices && !is_output(c, k))
        k->counts = ncc_quant_slice_counts(&k->s, slicing_of(k, slices));
}

/* The most worthwhile way to more slices for k; gain 0: there is none. */
static struct choice best_step(const struct chooser *c, struct candidate *k, double before, double now, double error)
{
    const struct price price = isfinite(k->s.max) ? behind_clips : dear;
    const double room = before * (1 + price.budget) - now, rate = price.rate * sqrt(FAIR / error) / before;
    struct choice best = {k, 0, 0, 1};
    const int had = k->slices;
    for (int n = had ? had + 1 : 2; n <= MAX_SLICES && (is_output(c, k) || is_small(&k->s.a->out[0]->shape, n)); n++) {
        take(c, k, n);
        const struct choice s = {k, n, left_with(c, k, had) - left_with(c, k, n), fmax(all_work(c) - now, 1)};
        take(c, k, had);
        const bool worth = s.gain > LEAST_GAIN && s.gain >= rate * s.cost;
        if (worth && s.cost <= room && better(s, best))
            best = s;
    }
    return best;
}

static double good_enough(const struct graph *g)
{
    for (int k = 0; k < g->outputs.n; k++)
        if (!ncc_softmax_of(g->outputs.v[k].value).n)
            return GOOD_ENOUGH;
    return GOOD_ENOUGH_ORDER;
}

/* `error`: of the outputs, without slices. Shares may come to more than all: each is what is lost alone. */
static void choose(struct chooser *c, double error)
{
    const double before = all_work(c), wanted = good_enough(c->g);
    double all = 0;
    for (int i = 0; i < c->n; i++)
        all += share_of(&c->v[i]);
    for (double left = fmax(all, 1); left * error > wanted;) {
        const double now = all_work(c);
        struct choice best = {NULL, 0, 0, 1};
        for (int i = 0; i < c->n; i++) {
            const struct choice s = best_step(c, &c->v[i], before, now, left * error);
            if (better(s, best))
                best = s;
        }
        if (!best.k)
            return;
        take(c, best.k, best.slices);
        left -= best.gain;
    }
}

static bool stagger(struct graph *g, const struct candidate *k)
{
    const float room = (float)room_of(k);
    return ncc_quant_stagger(g, k->y, room * k->share.whole.lo, room * k->share.whole.hi, k->slices);
}

static bool slice(struct graph *g, const struct candidate *k, struct arena *scratch)
{
    struct sliceable s;
    if (!ncc_quant_can_slice(g, k->y, &s))
        return true;
    struct slicing how = slicing_of(k, k->slices);
    how.gain = isfinite(k->s.max) ? NULL : gains_of(&k->share, scratch); /* a clip says how far all may go */
    return ncc_quant_slice_value(g, &s, how);
}

bool ncc_quant_make_finer(struct graph *g, unsigned what, const struct samples *samples, struct arena *scratch)
{
    struct chooser c = {.g = g};
    if (what & FINER_OUTPUTS)
        find_outputs(&c);
    if (what & FINER_VALUES)
        find_values(&c);
    if (!c.n || !samples->n)
        return true;
    struct value *v[MAX_CANDIDATES];
    struct share share[MAX_CANDIDATES] = {0};
    for (int i = 0; i < c.n; i++)
        v[i] = c.v[i].y;
    double error;
    if (!ncc_quant_shares(g, samples, v, c.n, c.n_outputs, scratch, share, &error))
        return false;
    for (int i = 0; i < c.n; i++)
        c.v[i].share = share[i];
    choose(&c, error);
    for (int i = 0; i < c.n_outputs; i++)
        if (c.v[i].slices && !stagger(g, &c.v[i]))
            return false;
    /* From the last: a value's own convolution may be the reader of one before it. */
    for (int i = c.n - 1; i >= c.n_outputs; i--)
        if (c.v[i].slices && !slice(g, &c.v[i], scratch))
            return false;
    return true;
}
