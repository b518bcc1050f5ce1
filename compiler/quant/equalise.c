#include "compiler/quant/equalise.h"

#include "compiler/base/cpu.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/tied.h"

#include <math.h>
#include <string.h>

#define MAX_SAMPLES 8
#define LANES       16
#define MAX_SCALE   1e4
#define N_EXPONENTS 5 /* 0, 1/4 ... 1 */

/* A value that is kept in codes, whose channels may get factors. */
struct watched {
    const struct value *v;
    float *largest;  /* [sample][c]: of |x| */
    double *squares; /* [sample][c]: mean of x^2 */
    double *most;    /* [c]: largest of all samples */
    double *power;   /* [c]: mean of x^2 in all of them */
};

struct equaliser {
    struct graph *g;
    struct tied tied;
    struct {
        struct watched *v;
        int n, cap;
    } watched;
    int *watch_of;               /* by value id: 1 + its index in `watched` */
    double *factor[N_EXPONENTS]; /* by place: room to the power of 0 .. 1 */
    struct samples samples;      /* that it looks at */
};

/* ---- what to watch ---- */

static bool has_free_channels(const struct equaliser *e, const struct value *v)
{
    for (int c = 0; e->tied.first[v->id] >= 0 && c < v->shape.dim[1]; c++)
        if (!e->tied.fixed[ncc_tied_place(&e->tied, v, c)])
            return true;
    return false;
}

/* Not what only a layer's function reads, which the layer does in one go. */
static bool is_kept(const struct graph *g, const struct value *v)
{
    const struct node *n = ncc_value_only_use(g, v);
    return !n || (n->op != OP_relu && n->op != OP_leaky_relu && n->op != OP_prelu);
}

static void watch(struct equaliser *e, const struct value *v, struct arena *scratch)
{
    if (!has_free_channels(e, v) || !is_kept(e->g, v))
        return;
    const size_t n = (size_t)e->samples.n * (size_t)v->shape.dim[1];
    const struct watched w = {.v = v,
                              .largest = NCC_NEW(scratch, float, n),
                              .squares = NCC_NEW(scratch, double, n),
                              .most = NCC_NEW(scratch, double, v->shape.dim[1]),
                              .power = NCC_NEW(scratch, double, v->shape.dim[1])};
    NCC_PUSH(scratch, &e->watched, w);
    e->watch_of[v->id] = e->watched.n;
}

static const struct watched *watched(const struct equaliser *e, const struct value *v)
{
    const int i = e->watch_of[v->id];
    return i ? &e->watched.v[i - 1] : NULL;
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
    const struct watched *w = watched(ctx, v);
    if (!w)
        return;
    const int n_c = v->shape.dim[1];
    const size_t n = (size_t)t->shape.dim[2] * (size_t)t->shape.dim[3], at = (size_t)sample * (size_t)n_c;
    for (int c = 0; c < n_c; c++) {
        measure((const float *)t->data + (size_t)c * n, n, &w->largest[at + (size_t)c], &w->squares[at + (size_t)c]);
        w->squares[at + (size_t)c] /= (double)n;
    }
}

/* ---- judging ---- */

static void sum_up(const struct equaliser *e, const struct watched *w)
{
    const int n_c = w->v->shape.dim[1];
    for (int s = 0; s < e->samples.n; s++)
        for (int c = 0; c < n_c; c++) {
            w->most[c] = fmax(w->most[c], (double)w->largest[(size_t)s * (size_t)n_c + (size_t)c]);
            w->power[c] += w->squares[(size_t)s * (size_t)n_c + (size_t)c] / e->samples.n;
        }
}

/* What a channel may grow by is what it may in every value that it is part of. Channels that are always zero, and those
 * of values that are not finite, stay as they are. */
static void find_factors(struct equaliser *e, struct arena *scratch)
{
    double *room = NCC_NEW(scratch, double, e->tied.n);
    for (int i = 0; i < e->watched.n; i++) {
        const struct watched *w = &e->watched.v[i];
        double whole = 0;
        sum_up(e, w);
        for (int c = 0; c < w->v->shape.dim[1]; c++)
            whole = fmax(whole, w->most[c]);
        for (int c = 0; c < w->v->shape.dim[1]; c++) {
            double *r = &room[ncc_tied_place(&e->tied, w->v, c)];
            const double own = isfinite(whole) ? whole / w->most[c] : 1;
            if (w->most[c] > 0)
                *r = *r > 0 ? fmin(*r, own) : own;
        }
    }
    for (int k = 0; k < N_EXPONENTS; k++) {
        e->factor[k] = NCC_NEW(scratch, double, e->tied.n);
        for (int i = 0; i < e->tied.n; i++)
            e->factor[k][i] =
                e->tied.fixed[i] || !(room[i] > 0) ? 1 : fmin(pow(room[i], k / (N_EXPONENTS - 1.0)), MAX_SCALE);
    }
}

/* The taps between output o and input channel c: a pointer to the first of them, or NULL. */
static const float *taps_between(const struct node *n, int o, int c, int *count)
{
    const int *dim = n->in[1]->shape.dim, in_c = n->in[0]->shape.dim[1], out_c = n->out[0]->shape.dim[1];
    const float *w = n->in[1]->data;
    *count = dim[2] * dim[3];
    if (n->op == OP_conv2d) { /* [out][in / groups] */
        const int groups = ((const struct conv2d_attrs *)n->attrs)->groups;
        return o / (out_c / groups) == c / dim[1] ? w + ((size_t)o * dim[1] + c % dim[1]) * *count : NULL;
    }
    const int groups = ((const struct conv2d_transpose_attrs *)n->attrs)->groups; /* [in][out / groups] */
    return c / (in_c / groups) == o / dim[1] ? w + ((size_t)c * dim[1] + o % dim[1]) * *count : NULL;
}

/* Expected squared error of b's results over all outputs, up to a common factor: w is what it reads. */
static double expected_error(const struct equaliser *e, const struct node *b, const struct watched *w, int exponent,
                             double *scale)
{
    const int in_c = w->v->shape.dim[1];
    double total = 0, top = 0;
    for (int c = 0; c < in_c; c++) {
        scale[c] = e->factor[exponent][ncc_tied_place(&e->tied, w->v, c)];
        top = fmax(top, scale[c] * w->most[c]);
    }
    const double step = top / 255; /* of codes */
    for (int o = 0; o < b->out[0]->shape.dim[1]; o++) {
        double codes = 0, most = 0, signal = 0;
        int n = 1;
        for (int c = 0; c < in_c; c++) {
            const float *taps = taps_between(b, o, c, &n);
            if (!taps)
                continue;
            signal += scale[c] * scale[c] * w->power[c];
            for (int i = 0; i < n; i++) {
                const double x = (double)taps[i] / scale[c];
                codes += x * x;
                most = fmax(most, fabs(x));
            }
        }
        const double weight_step = most / 127;
        total += codes * step * step + weight_step * weight_step * signal * n;
    }
    return total;
}

/* By family: the exponent with the least sum over its readers of what each loses, as a share of what it loses now. */
static int *choose(const struct equaliser *e, struct arena *scratch)
{
    double(*errors)[N_EXPONENTS] = (double(*)[N_EXPONENTS])NCC_NEW(scratch, double, N_EXPONENTS * e->g->next_id);
    int *choice = NCC_NEW(scratch, int, e->g->next_id);
    for (const struct node *b = e->g->first; b; b = b->next) {
        const struct watched *w = ncc_tied_ends(b) ? watched(e, b->in[0]) : NULL;
        if (!w)
            continue;
        double *scale = NCC_NEW(scratch, double, w->v->shape.dim[1]);
        double *sum = errors[ncc_tied_family(&e->tied, w->v)];
        const double now = expected_error(e, b, w, 0, scale);
        for (int k = 0; k < N_EXPONENTS && now > 0; k++)
            sum[k] += expected_error(e, b, w, k, scale) / now;
    }
    for (int i = 0; i < e->g->next_id; i++)
        for (int k = 1; k < N_EXPONENTS; k++)
            if (errors[i][k] < errors[i][choice[i]])
                choice[i] = k;
    return choice;
}

/* ---- applying ---- */

/* The factors of v's channels; NULL: it has none. */
static double *factors_of(const struct equaliser *e, const struct value *v, const int *choice, struct arena *scratch)
{
    if (!has_free_channels(e, v))
        return NULL;
    const double *factor = e->factor[choice[ncc_tied_family(&e->tied, v)]];
    double *s = NCC_NEW(scratch, double, v->shape.dim[1]);
    for (int c = 0; c < v->shape.dim[1]; c++)
        s[c] = factor[ncc_tied_place(&e->tied, v, c)];
    return s;
}

static void set_const(struct graph *g, struct node *n, int input, const float *data)
{
    const struct value *old = n->in[input];
    ncc_node_set_input(n, input, ncc_const(g, old->name, DT_F32, old->shape, data), g->arena);
}

/* What it makes times `made`, what it reads divided by `read`. */
static void rescale(struct graph *g, struct node *n, const double *made, const double *read)
{
    const int in_c = n->in[0]->shape.dim[1], out_c = n->out[0]->shape.dim[1];
    const float *w = n->in[1]->data, *b = n->n_in > 2 && n->in[2] ? n->in[2]->data : NULL;
    float *weights = ncc_arena_alloc(g->arena, (size_t)ncc_shape_count(n->in[1]->shape), sizeof *weights, 64);
    for (int o = 0; o < out_c; o++)
        for (int c = 0; c < in_c; c++) {
            int count;
            const float *taps = taps_between(n, o, c, &count);
            const double s = (made ? made[o] : 1) / (read ? read[c] : 1);
            for (int i = 0; taps && i < count; i++)
                weights[taps - w + i] = (float)((double)taps[i] * s);
        }
    set_const(g, n, 1, weights);
    if (!made || !b)
        return;
    float *bias = NCC_NEW(g->arena, float, out_c);
    for (int o = 0; o < out_c; o++)
        bias[o] = (float)((double)b[o] * made[o]);
    set_const(g, n, 2, bias);
}

static void apply(const struct equaliser *e, struct arena *scratch)
{
    const int *choice = choose(e, scratch);
    for (struct node *n = e->g->first; n; n = n->next) {
        if (!ncc_tied_ends(n))
            continue;
        const double *made = factors_of(e, n->out[0], choice, scratch);
        const double *read = factors_of(e, n->in[0], choice, scratch);
        if (made || read)
            rescale(e->g, n, made, read);
    }
}

bool ncc_quant_equalise(struct graph *g, unsigned through, const struct samples *samples, struct arena *scratch)
{
    struct equaliser e = {.g = g, .samples = ncc_samples_spread(samples, MAX_SAMPLES)};
    if (!through)
        return true;
    e.tied = ncc_quant_tie(g, through, scratch);
    e.watch_of = NCC_NEW(scratch, int, g->next_id);
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            watch(&e, n->out[i], scratch);
    if (!e.watched.n)
        return true;
    const struct eval_hooks hooks = {.ctx = &e, .see = see};
    if (!ncc_eval_samples(g, 0, &e.samples, &hooks))
        return false;
    find_factors(&e, scratch);
    apply(&e, scratch);
    return true;
}
