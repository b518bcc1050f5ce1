#include "tests/k210/dequantised.h"

#include "compiler/k210/kpu_integer.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/range.h"
#include "kpu/arith.h"
#include "kpu/layer.h"

#include <math.h>
#include <stdlib.h>

/* ---- weights ---- */

/* The largest scale of a value's channels: what v_scale is for. A channel with a smaller one has its sum multiplied by
 * as much. */
static double coarsest(const struct quant *q)
{
    double scale = 0;
    for (int c = 0; c < q->n_channels; c++)
        scale = fmax(scale, q->scale[c]);
    return scale;
}

/* What a weight's code is worth, from doc/kpu.md section 5: with
 *
 *     v = m * sum((x - x_zero) * (w - w_zero)) + add
 *
 * the sum's real value is v * v_scale * (own / coarsest scale), where the real input is (x - its own zero) * its own
 * scale, both perhaps different for each channel. */
static double worth_of_code(const struct node *layer, double v_scale, int o, int in)
{
    const struct quant *x = &layer->in[0]->quant, *y = &layer->out[0]->quant;
    const struct ncc_kpu_bn bn = ncc_kpu_bn_unpack(((const uint64_t *)layer->in[2]->data)[o]);
    return ldexp(bn.mul, -bn.shift) * v_scale * (ncc_quant_scale(y, o) / coarsest(y)) / ncc_quant_scale(x, in);
}

/* Of an input that is nothing but the rounding errors of a zero the multiplier is too small to have any bits; what it
 * makes of the weights moves no code of the output. */
static bool is_unseen(const struct node *layer, double error, int o, int in)
{
    const double most = error * 255 * ncc_quant_scale(&layer->in[0]->quant, in);
    return most < 1e-3 * ncc_quant_scale(&layer->out[0]->quant, o);
}

/* Weights of quantised models keep their codes, and the multiplier has ten bits at least. */
static void check_weight(const struct node *layer, double was, double is, double code, int q, bool unseen)
{
    if (!unseen && fabs(was - is) > fabs(code) * (0.501 + q * ldexp(1, -10)) + 1e-7)
        fail_msg("layer %s: a weight of %g became %g, %g codes off", layer->name, was, is, fabs((was - is) / code));
}

static void dequantise_layer(struct graph *g, struct node *real, const struct node *layer, double v_scale)
{
    const struct kpu_layer_attrs *a = layer->attrs;
    const struct shape *s = &layer->in[1]->shape;
    const int taps = s->dim[2] * s->dim[3], in_c = s->dim[1];
    const uint8_t *q = layer->in[1]->data;
    const float *from = real->in[1]->data, *bias = real->n_in > 2 && real->in[2] ? real->in[2]->data : NULL;
    const double *mean = real->in[0]->mean;
    float *w = NCC_NEW(g->arena, float, ncc_shape_count(*s)), *b = NCC_NEW(g->arena, float, s->dim[0]);
    for (int o = 0; o < s->dim[0]; o++) {
        double lost = 0;
        for (int i = 0; i < in_c * taps; i++) {
            const int in = a->depthwise ? o : i / taps, at = o * in_c * taps + i;
            const double code = worth_of_code(layer, v_scale, o, in), is = code * (q[at] - a->w_zero);
            check_weight(layer, (double)from[at], is, code, abs(q[at] - a->w_zero),
                         is_unseen(layer, fabs((double)from[at] - is), o, in));
            w[at] = (float)is;
            lost += mean ? ((double)from[at] - is) * mean[in] : 0;
        }
        b[o] = (float)((bias ? (double)bias[o] : 0) + lost);
    }
    ncc_node_set_input(real, 1, ncc_const(g, "w", DT_F32, *s, w), g->arena);
    ncc_node_set_input(real, 2, ncc_const(g, "b", DT_F32, ncc_shape_make(1, &s->dim[0]), b), g->arena);
}

/* ---- how far roundings can carry ---- */

/* By channel of the layer with the largest weights. The table's own error is what its maker says of it; a mean pool
 * truncates once more. */
static struct spread through_layer(const struct node *real, struct spread in, const struct layer_quality *q)
{
    const struct kpu_conv_attrs *a = real->attrs;
    const struct shape *s = &real->in[1]->shape;
    const float *w = real->in[1]->data;
    const int n = (int)(ncc_shape_count(*s) / s->dim[0]);
    const bool mean = ncc_kpu_pool_info(a->pool)->kind == NCC_KPU_POOL_MEAN;
    double sum = 0, squares = 0, slope = 1;
    for (int o = 0; o < s->dim[0]; o++) {
        double x = 0, y = 0;
        for (int i = 0; i < n; i++) {
            x += fabs((double)w[o * n + i]);
            y += (double)w[o * n + i] * (double)w[o * n + i];
        }
        sum = fmax(sum, x);
        squares = fmax(squares, y);
    }
    for (int i = 0; i < a->act.n; i++)
        slope *= a->act.step[i].op == OP_hard_swish ? 1.5 : 1;
    const double code = coarsest(&real->out[0]->quant);
    const double most = q->act_max_error + 0.1 + mean, rms = fmax(q->act_mean_error * 1.2, 0.29) + 0.35 * mean;
    return (struct spread){slope * sum * in.most + most * code,
                           sqrt(slope * slope * squares * in.rms * in.rms + rms * rms * code * code),
                           fmax(in.table_most, q->act_max_error), fmax(in.table_mean, q->act_mean_error)};
}

static struct spread of_inputs(const struct node *n, const struct spread *e)
{
    struct spread most = {.table_most = 0.5, .table_mean = 0.25};
    for (int i = 0; i < n->n_in; i++) {
        const struct spread *in = n->in[i] ? &e[n->in[i]->id] : &most;
        most.rms = in->most > most.most ? in->rms : most.rms;
        most.most = fmax(most.most, in->most);
        most.table_most = fmax(most.table_most, in->table_most);
        most.table_mean = fmax(most.table_mean, in->table_mean);
    }
    return most;
}

/* Walks the graph beside a copy in which layers become integers. */
struct spread *dequantise_weights(struct net *n, struct graph *g)
{
    struct graph *copy = ncc_graph_copy(g, &n->arena, &n->diags);
    struct spread *e = ncc_arena_alloc(&n->arena, (size_t)g->next_id, sizeof *e, 8);
    for (int i = 0; i < copy->inputs.n; i++)
        copy->inputs.v[i]->dtype = DT_U8;
    struct node *real = g->first;
    for (struct node *k = copy->first, *next; k; k = next, real = real->next) {
        next = k->next;
        copy->cursor = k;
        struct spread *out = &e[real->out[0]->id];
        *out = of_inputs(real, e);
        if (k->op != OP_kpu_conv) {
            k->out[0]->dtype = DT_U8;
            continue;
        }
        const bool moves = ((const struct kpu_conv_attrs *)k->attrs)->copy;
        struct layer_quality quality;
        const struct node *layer = ncc_k210_integer_layer(copy, k, NULL, &quality);
        assert_non_null(layer);
        assert_int_equal(real->op, OP_kpu_conv);
        if (moves)
            continue;
        dequantise_layer(g, real, layer, quality.v_scale);
        *out = through_layer(real, *out, &quality);
    }
    return e;
}

/* ---- roundings ---- */

/* One-hot weights, nothing added, and no scale: codes pass. */
static bool only_moves(const struct node *layer)
{
    const struct kpu_layer_attrs *a = layer->attrs;
    const uint64_t *bn = layer->in[2]->data;
    const uint8_t *w = layer->in[1]->data;
    for (int64_t i = 0; i < ncc_shape_count(layer->in[1]->shape); i++)
        if (w[i] > 1)
            return false;
    for (int o = 0; o < layer->in[1]->shape.dim[0]; o++) {
        const struct ncc_kpu_bn b = ncc_kpu_bn_unpack(bn[o]);
        if (b.add || ldexp(b.mul, -b.shift) != 1)
            return false;
    }
    return a->w_zero == 0;
}

static int roundings_of(const struct node *n)
{
    switch ((int)n->op) {
    case OP_kpu_layer:
        return !only_moves(n) +
               (ncc_kpu_pool_info(((const struct kpu_layer_attrs *)n->attrs)->pool)->kind == NCC_KPU_POOL_MEAN);
    case OP_quantize:
    case OP_lookup:
    case OP_q_binary:
    case OP_q_conv2d:
    case OP_q_matmul:
        return 1;
    case OP_resize:
        return n->out[0]->dtype == DT_U8 && ((const struct resize_attrs *)n->attrs)->mode == RESIZE_BILINEAR;
    default:
        return 0;
    }
}

int *count_roundings(const struct graph *codes, struct arena *a)
{
    int *count = NCC_NEW(a, int, codes->next_id);
    for (const struct node *n = codes->first; n; n = n->next) {
        int most = 0;
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i] && count[n->in[i]->id] > most)
                most = count[n->in[i]->id];
        for (int o = 0; o < n->n_out; o++)
            count[n->out[o]->id] = most + roundings_of(n);
    }
    return count;
}

/* ---- the same roundings at best ---- */

/* By id of the real graph: is this value rounded to its codes? */
static bool *find_rounded(const struct compiled *c, struct arena *a)
{
    bool *rounded = NCC_NEW(a, bool, c->real->next_id);
    for (const struct node *n = c->codes->first; n; n = n->next)
        for (int o = 0; o < n->n_out; o++)
            if (roundings_of(n) && n->out[o]->real_id < c->real->next_id)
                rounded[n->out[o]->real_id] = true;
    for (const struct node *n = c->real->first; n; n = n->next) /* also those that a pool was joined to */
        if (n->op == OP_kpu_conv)
            rounded[n->out[0]->id] = !((const struct kpu_conv_attrs *)n->attrs)->copy;
    return rounded;
}

static void round_value(void *ctx, const struct value *v, struct tensor *t)
{
    const bool *rounded = ctx;
    const struct quant *q = &v->quant;
    if (!rounded[v->id] || !q->n_channels || v->dtype != DT_F32)
        return;
    float *x = t->data;
    const int64_t n = ncc_shape_count(v->shape), per = q->n_channels > 1 ? n / v->shape.dim[1] : n;
    for (int64_t i = 0; i < n; i++) {
        const double s = ncc_quant_scale(q, (int)(i / per)), z = ncc_quant_zero(q, (int)(i / per));
        x[i] = (float)((fmin(fmax(rint((double)x[i] / s + z), 0), 255) - z) * s);
    }
}

struct tensor *evaluate_rounded(struct net *n, const struct compiled *c, uint64_t seed)
{
    return net_evaluate_with(&n->arena, c->real, seed, round_value, find_rounded(c, &n->arena));
}

/* ---- comparing ---- */

struct code_errors compare_codes(const struct value *v, const struct tensor *want, const float *got)
{
    struct code_errors e = {.n = ncc_shape_count(v->shape)};
    const float *data = want->data;
    const int64_t per = v->shape.rank > 1 ? e.n / v->shape.dim[1] : e.n;
    for (int64_t i = 0; i < e.n; i++) {
        const double s = ncc_quant_scale(&v->quant, (int)(i / per)), z = ncc_quant_zero(&v->quant, (int)(i / per));
        const double x = fmin(255 - z, fmax(-z, (double)data[i] / s)); /* beyond the samples' range it saturates */
        const double off = (double)got[i] / s - x;
        e.most = fmax(e.most, fabs(off));
        e.mean += fabs(off) / (double)e.n;
        e.bias += off / (double)e.n;
    }
    return e;
}

struct code_errors add_errors(struct code_errors a, struct code_errors b)
{
    const double n = (double)(a.n + b.n), x = n > 0 ? (double)a.n / n : 0, y = n > 0 ? (double)b.n / n : 0;
    return (struct code_errors){fmax(a.most, b.most), x * a.mean + y * b.mean, x * a.bias + y * b.bias, a.n + b.n};
}
