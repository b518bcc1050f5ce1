#include "compiler/quant/equalise.h"

#include "compiler/base/cpu.h"
#include "compiler/ops/attrs.h"

#include <math.h>
#include <string.h>

#define MAX_SAMPLES 8
#define LANES       16
#define MAX_SCALE   1e4

struct pair {
    struct node *a, *b;
    const struct value *between; /* what B reads */
    int c;                       /* its channels */
    float *largest;              /* [sample][c]: of |x| */
    double *squares;             /* [sample][c]: mean of x^2 */
};

struct equaliser {
    struct graph *g;
    struct {
        struct pair *v;
        int n, cap;
    } pairs;
    int *pair_of; /* by value id: 1 + index of the pair that watches it */
    bool (*feed)(void *ctx, int sample, int input, struct tensor *to);
    void *ctx;
    int n_all, n_samples;
};

/* ---- finding pairs ---- */

static bool is_plain_conv(const struct node *n)
{
    if (!n || n->op != OP_conv2d || !ncc_is_const(n->in[1]))
        return false;
    const bool bias_known = n->n_in < 3 || !n->in[2] || ncc_is_const(n->in[2]);
    const struct conv2d_attrs *a = n->attrs;
    const int in_c = n->in[0]->shape.dim[1];
    return bias_known && (a->groups == 1 || a->groups == in_c);
}

/* Positively homogeneous. */
static bool scales_along(const struct node *n)
{
    return n->op == OP_relu || n->op == OP_leaky_relu;
}

static void find_pair(struct equaliser *e, struct node *b, struct arena *scratch)
{
    struct pair p = {.b = b, .between = b->in[0], .c = b->in[0]->shape.dim[1]};
    const struct value *v = p.between;
    while (v->def && ncc_value_only_use(e->g, v) && scales_along(v->def))
        v = v->def->in[0];
    p.a = v->def;
    if (!is_plain_conv(p.a) || !ncc_value_only_use(e->g, v))
        return;
    p.largest = NCC_NEW(scratch, float, (size_t)e->n_samples *p.c);
    p.squares = NCC_NEW(scratch, double, (size_t)e->n_samples *p.c);
    NCC_PUSH(scratch, &e->pairs, p);
    e->pair_of[p.between->id] = e->pairs.n;
}

/* ---- watching ---- */

static bool feed_some(void *ctx, int sample, int input, struct tensor *to)
{
    const struct equaliser *e = ctx;
    return e->feed(e->ctx, (int)((int64_t)sample * e->n_all / e->n_samples), input, to);
}

/* The largest |x| and the sum of x^2, in lanes that the machine adds side by side. */
NCC_FOR_EACH_CPU
static void measure(const float *x, size_t n, float *largest, double *squares)
{
    float high[LANES] = {0}, sum[LANES] = {0};
    for (size_t i = 0; i < n / LANES * LANES; i += LANES)
        for (int k = 0; k < LANES; k++) {
            const float v = x[i + k], size = fabsf(v);
            sum[k] += v * v;
            high[k] = size > high[k] ? size : high[k];
        }
    for (size_t i = n / LANES * LANES; i < n; i++) {
        sum[0] += x[i] * x[i];
        high[0] = fmaxf(high[0], fabsf(x[i]));
    }
    *largest = 0;
    *squares = 0;
    for (int k = 0; k < LANES; k++) {
        *largest = fmaxf(*largest, high[k]);
        *squares += (double)sum[k];
    }
}

static void see(void *ctx, int sample, int thread, const struct value *v, const struct tensor *t)
{
    (void)thread;
    struct equaliser *e = ctx;
    if (!e->pair_of[v->id])
        return;
    const struct pair *p = &e->pairs.v[e->pair_of[v->id] - 1];
    const size_t n = (size_t)t->shape.dim[2] * t->shape.dim[3], at = (size_t)sample * p->c;
    for (int c = 0; c < p->c; c++) {
        measure((const float *)t->data + c * n, n, &p->largest[at + c], &p->squares[at + c]);
        p->squares[at + c] /= (double)n;
    }
}

/* ---- judging ---- */

/* B's weight for output o and input channel c, all taps: a pointer to the first, and how many. */
static const float *weights_of(const struct node *b, int o, int c, int *n)
{
    const struct conv2d_attrs *a = b->attrs;
    const struct shape *s = &b->in[1]->shape;
    *n = s->dim[2] * s->dim[3];
    const float *w = b->in[1]->data;
    if (a->groups > 1) /* depthwise: output o belongs to channel o / multiplier */
        return o / (s->dim[0] / a->groups) == c ? w + (size_t)o * *n : NULL;
    return w + ((size_t)o * s->dim[1] + c) * *n;
}

/* Expected squared error of B's results over all outputs, up to a common factor. `step` is the width of a code. */
static double expected_error(const struct pair *p, const double *scale, const double *power, double step)
{
    const int out_c = p->b->in[1]->shape.dim[0];
    double total = 0, signal = 0;
    for (int c = 0; c < p->c; c++)
        signal += scale[c] * scale[c] * power[c];
    for (int o = 0; o < out_c; o++) {
        double codes = 0, largest = 0, own = signal;
        int taps = 1;
        for (int c = 0; c < p->c; c++) {
            int n;
            const float *w = weights_of(p->b, o, c, &n);
            if (!w)
                continue;
            if (((const struct conv2d_attrs *)p->b->attrs)->groups > 1)
                own = scale[c] * scale[c] * power[c];
            taps = n;
            for (int i = 0; i < n; i++) {
                const double x = (double)w[i] / scale[c];
                codes += x * x;
                largest = fmax(largest, fabs(x));
            }
        }
        const double weight_step = largest / 127;
        total += codes * step * step + weight_step * weight_step * own * taps;
    }
    return total;
}

/* Fills scale[] for an exponent. Channels that are always zero stay as they are. */
static void scales(const struct pair *p, const double *largest, double whole, double exponent, double *scale)
{
    for (int c = 0; c < p->c; c++) {
        const double s = largest[c] > 0 ? pow(whole / largest[c], exponent) : 1;
        scale[c] = fmin(s, MAX_SCALE);
    }
}

static void apply(const struct equaliser *e, struct pair *p, const double *scale)
{
    struct graph *g = e->g;
    struct value *wa = p->a->in[1], *wb = p->b->in[1];
    float *a = ncc_arena_alloc(g->arena, (size_t)ncc_shape_count(wa->shape), sizeof *a, 64);
    float *b = ncc_arena_alloc(g->arena, (size_t)ncc_shape_count(wb->shape), sizeof *b, 64);
    const size_t row = (size_t)ncc_shape_count(wa->shape) / (size_t)p->c;
    for (int c = 0; c < p->c; c++)
        for (size_t i = 0; i < row; i++)
            a[c * row + i] = (float)((double)((const float *)wa->data)[c * row + i] * scale[c]);
    for (int o = 0; o < wb->shape.dim[0]; o++)
        for (int c = 0; c < p->c; c++) {
            int n;
            const float *w = weights_of(p->b, o, c, &n);
            for (int i = 0; w && i < n; i++)
                b[w - (const float *)wb->data + i] = (float)((double)w[i] / scale[c]);
        }
    ncc_node_set_input(p->a, 1, ncc_const(g, wa->name, DT_F32, wa->shape, a), g->arena);
    ncc_node_set_input(p->b, 1, ncc_const(g, wb->name, DT_F32, wb->shape, b), g->arena);
    if (p->a->n_in < 3 || !p->a->in[2])
        return;
    float *bias = NCC_NEW(g->arena, float, p->c);
    for (int c = 0; c < p->c; c++)
        bias[c] = (float)((double)((const float *)p->a->in[2]->data)[c] * scale[c]);
    ncc_node_set_input(p->a, 2, ncc_const(g, p->a->in[2]->name, DT_F32, p->a->in[2]->shape, bias), g->arena);
}

static void equalise(struct equaliser *e, struct pair *p, struct arena *scratch)
{
    double *largest = NCC_NEW(scratch, double, p->c), *power = NCC_NEW(scratch, double, p->c);
    double *scale = NCC_NEW(scratch, double, p->c), *best = NCC_NEW(scratch, double, p->c), whole = 0;
    for (int s = 0; s < e->n_samples; s++)
        for (int c = 0; c < p->c; c++) {
            largest[c] = fmax(largest[c], (double)p->largest[(size_t)s * p->c + c]);
            power[c] += p->squares[(size_t)s * p->c + c] / e->n_samples;
            whole = fmax(whole, largest[c]);
        }
    double least = INFINITY;
    for (int i = 0; i <= 4 && whole > 0 && isfinite(whole); i++) {
        scales(p, largest, whole, i / 4.0, scale);
        const double error = expected_error(p, scale, power, whole / 255);
        if (error < least) {
            least = error;
            memcpy(best, scale, (size_t)p->c * sizeof *best);
        }
    }
    if (isfinite(least))
        apply(e, p, best);
}

bool ncc_quant_equalise(struct graph *g, bool (*feed)(void *ctx, int sample, int input, struct tensor *to), void *ctx,
                        int n_samples, struct arena *scratch)
{
    struct equaliser e = {.g = g,
                          .feed = feed,
                          .ctx = ctx,
                          .n_all = n_samples,
                          .n_samples = n_samples < MAX_SAMPLES ? n_samples : MAX_SAMPLES};
    e.pair_of = NCC_NEW(scratch, int, g->next_id);
    for (struct node *n = g->first; n; n = n->next)
        if (is_plain_conv(n) && n->in[0]->def)
            find_pair(&e, n, scratch);
    if (!e.pairs.n)
        return true;
    struct evaluator *run = ncc_eval_open(g, EVAL_FAST, 0);
    const struct eval_hooks hooks = {.ctx = &e, .feed = feed_some, .see = see};
    const bool good = run && ncc_eval_run(run, e.n_samples, &hooks);
    ncc_eval_close(run);
    for (int i = 0; i < e.pairs.n && good; i++)
        equalise(&e, &e.pairs.v[i], scratch);
    return good;
}
