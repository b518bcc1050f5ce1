/* One KPU layer from real numbers to integers; the header has the arithmetic.
 *
 * Order of decisions: the weights' zero point; v_scale; from both, per channel, mul and with it the weight scale; the
 * weights; add; the range of v that these give in the worst case; and the table for that range. If something does not
 * fit its bits, v_scale is doubled and all after it done again.
 */
#include "compiler/k210/integer.h"

#include "compiler/base/parallel.h"
#include "compiler/k210/act_table.h"
#include "compiler/k210/weight_rounding.h"
#include "compiler/ops/attrs.h"

#include <assert.h>
#include <math.h>

/* v is finer than the steepest output code by 2^8, so that its rounding does not show; up to 2^12 where the
 * multipliers would have few bits otherwise. Coarser is better for the table, whose slopes have 20 binary places. */
struct fineness {
    int bits, max_bits; /* of v below a code: to begin with, and at most, until the largest multiplier is */
    int good_mul;
};
static const struct fineness plain = {8, 12, 128};
/* Where the weights keep the source's grid, layers differ from the source's only by how they round. */
static const struct fineness on_grid = {12, 14, 16384};

enum { MAX_MUL = (1 << (NCC_KPU_MUL_BITS_SAFE - 1)) - 1 };

struct channel {
    double lo, hi; /* of its weights, input scales included; lo <= 0 <= hi */
    double
        grid; /* of which all its weights are multiples lo .. hi / grid, as those of a quantised model are; 0: none */
    double factor; /* of weights and bias: the sign, and what gives all outputs the table's scale */
    double bias;
    double scale; /* of a weight's code */
    struct ncc_kpu_bn bn;
    int64_t acc_lo, acc_hi; /* over all possible inputs */
};

struct layer {
    const struct kpu_conv_attrs *a;
    const struct value *x, *y;
    const float *w, *bias;
    int rounding_passes;
    int n_out, n_in, taps; /* n_in: input channels that one output reads */
    double sign;           /* -1: the sum is negated */
    double table_scale;    /* of the output */
    int x_zero, w_zero;
    double v_scale;    /* positive here */
    double z_lo, z_hi; /* the real sum in the worst case */
    struct channel *c;
    uint8_t *q;
    int64_t v_lo, v_hi;
    double signal, noise; /* of the weights */
};

static double of_channel(const double *v, int n_channels, int c)
{
    return v[n_channels == 1 ? 0 : c];
}

static int input_channel(const struct layer *l, int o, int i)
{
    return l->a->depthwise ? o : i;
}

static double input_scale(const struct layer *l, int o, int i)
{
    return of_channel(l->x->quant.scale, l->x->quant.n_channels, input_channel(l, o, i));
}

/* The coarsest of the output's scales: that of the table. */
static double output_scale(const struct layer *l)
{
    double scale = 0;
    for (int o = 0; o < l->y->quant.n_channels; o++)
        scale = fmax(scale, l->y->quant.scale[o]);
    return scale;
}

/* What output channel o is multiplied by, so that all have the scale of the table. */
static double output_factor(const struct layer *l, int o)
{
    return l->sign * l->table_scale / of_channel(l->y->quant.scale, l->y->quant.n_channels, o);
}

static double input_zero(const struct layer *l, int o, int i)
{
    return of_channel(l->x->quant.zero_point, l->x->quant.n_channels, input_channel(l, o, i));
}

/* The mean of an input channel in codes above zero, where it was observed. */
static double mean_code(const struct layer *l, int o, int i)
{
    return l->x->mean ? l->x->mean[input_channel(l, o, i)] / input_scale(l, o, i) : 0;
}

/* What a weight is multiplied by before it is quantised. */
static double fold_of(const struct layer *l, int o, int i)
{
    return l->c[o].factor * input_scale(l, o, i);
}

static const float *weights_of(const struct layer *l, int o, int i)
{
    return l->w + ((int64_t)o * l->n_in + i) * l->taps;
}

static struct layer open_layer(struct graph *g, const struct node *n)
{
    const struct kpu_conv_attrs *a = n->attrs;
    const struct value *w = n->in[1], *bias = n->n_in > 2 ? n->in[2] : NULL;
    struct layer l = {.a = a, .x = n->in[0], .y = n->out[0], .w = w->data, .sign = 1};
    assert(l.x->dtype == DT_U8 && l.x->quant.n_channels > 0 && l.y->quant.n_channels > 0);
    assert(w->data && w->dtype == DT_F32 && (!bias || bias->data));
    l.bias = bias ? bias->data : NULL;
    l.n_out = w->shape.dim[0];
    l.n_in = w->shape.dim[1];
    l.taps = a->kernel * a->kernel;
    l.c = NCC_NEW(g->arena, struct channel, l.n_out);
    l.q = NCC_NEW(g->arena, uint8_t, (size_t)l.n_out * l.n_in * l.taps);
    l.table_scale = output_scale(&l);
    l.x_zero = a->pad_lowest ? 0 : (int)fmin(fmax(rint(l.x->quant.zero_point[0]), 0), 255);
    return l;
}

/* ---- weights that were codes before ---- */

/* How far from a whole code still counts as one: what f32 loses on the way. */
#define GRID_SLACK 1e-3

static bool lies_on_grid(const struct layer *l, int o, double grid)
{
    for (int i = 0; i < l->n_in; i++) {
        const float *w = weights_of(l, o, i);
        const double codes = fold_of(l, o, i) / grid;
        for (int t = 0; t < l->taps; t++)
            if (fabs(w[t] * codes - rint(w[t] * codes)) > GRID_SLACK)
                return false;
    }
    return true;
}

/* The coarsest step of which all weights are multiples and that 256 codes can reach. Most steps fail at the first
 * weights. */
static double find_grid(const struct layer *l, int o)
{
    const struct channel *c = &l->c[o];
    const double largest = fmax(-c->lo, c->hi);
    for (int n = 1; n <= 255 && largest > 0; n++) {
        const double grid = largest / n;
        if (rint((c->hi - c->lo) / grid) > 255)
            return 0;
        if (lies_on_grid(l, o, grid))
            return grid;
    }
    return 0;
}

static bool grid_fits(const struct channel *c, int w_zero)
{
    return c->grid > 0 && rint(-c->lo / c->grid) <= w_zero && rint(c->hi / c->grid) <= 255 - w_zero;
}

/* A zero point at which all channels that have a grid keep it, the nearest to the middle; -1: there is none. */
static int grid_zero(const struct layer *l)
{
    double least = 0, most = 255;
    for (int o = 0; o < l->n_out; o++) {
        const struct channel *c = &l->c[o];
        if (c->grid == 0)
            continue;
        least = fmax(least, rint(-c->lo / c->grid));
        most = fmin(most, 255 - rint(c->hi / c->grid));
    }
    return least > most ? -1 : (int)fmin(fmax(128, least), most);
}

/* ---- what the weights and sums can be ---- */

static void measure_weights(struct layer *l)
{
    for (int o = 0; o < l->n_out; o++) {
        struct channel *c = &l->c[o];
        const double factor = output_factor(l, o);
        *c = (struct channel){.factor = factor, .bias = l->bias ? factor * l->bias[o] : 0};
        double z_lo = c->bias, z_hi = c->bias;
        for (int i = 0; i < l->n_in; i++) {
            const float *w = weights_of(l, o, i);
            const double scale = fold_of(l, o, i), zero = input_zero(l, o, i);
            for (int t = 0; t < l->taps; t++) {
                const double x = w[t] * scale;
                c->lo = fmin(c->lo, x);
                c->hi = fmax(c->hi, x);
                z_lo += fmin(x * (255 - zero), -x * zero);
                z_hi += fmax(x * (255 - zero), -x * zero);
            }
        }
        l->z_lo = o ? fmin(l->z_lo, z_lo) : z_lo;
        l->z_hi = o ? fmax(l->z_hi, z_hi) : z_hi;
    }
}

/* All channels or none: a few that have a grid by chance are not worth other decisions. */
static void find_grids(struct layer *l)
{
    bool all = true;
    for (int o = 0; o < l->n_out && all; o++) {
        l->c[o].grid = find_grid(l, o);
        all = l->c[o].grid > 0 || (l->c[o].lo == 0 && l->c[o].hi == 0);
    }
    for (int o = 0; o < l->n_out && !all; o++)
        l->c[o].grid = 0;
}

/* ---- the weights' zero point ---- */

/* The finest scale at which codes 0..255 reach both ends, or that at which they are exact. */
static double finest_scale(const struct channel *c, int w_zero)
{
    if (grid_fits(c, w_zero))
        return c->grid;
    const double below = c->lo < 0 ? -c->lo / w_zero : 0;
    const double above = c->hi > 0 ? c->hi / (255 - w_zero) : 0;
    return fmax(below, above);
}

static int weight_code(double w, double inverse_scale, int w_zero)
{
    const double q = w * inverse_scale + w_zero + 0.5;
    return q < 0 ? 0 : q >= 256 ? 255 : (int)q;
}

/* As if the rounding error were spread evenly over a code. */
static double expected_error(const struct layer *l, int w_zero)
{
    double sum = 0;
    for (int o = 0; o < l->n_out; o++) {
        const double scale = grid_fits(&l->c[o], w_zero) ? 0 : finest_scale(&l->c[o], w_zero);
        sum += scale * scale;
    }
    return sum;
}

static double squared_error(const struct layer *l, int w_zero)
{
    double sum = 0;
    for (int o = 0; o < l->n_out; o++) {
        const double scale = finest_scale(&l->c[o], w_zero);
        if (scale == 0)
            continue;
        if (isinf(scale))
            return INFINITY;
        for (int i = 0; i < l->n_in; i++) {
            const float *w = weights_of(l, o, i);
            const double fold = fold_of(l, o, i);
            for (int t = 0; t < l->taps; t++) {
                const double d = w[t] * fold - (weight_code(w[t] * fold, 1 / scale, w_zero) - w_zero) * scale;
                sum += d * d;
            }
        }
    }
    return sum;
}

/* Zero points that released compilers would take: the middle, and that of the whole layer's range. */
static int whole_range_zero(const struct layer *l)
{
    double lo = 0, hi = 0;
    for (int o = 0; o < l->n_out; o++) {
        lo = fmin(lo, l->c[o].lo);
        hi = fmax(hi, l->c[o].hi);
    }
    return hi > lo ? (int)rint(-lo * 255 / (hi - lo)) : 0;
}

/* The true error is computed for the zero points that look best, for the two usual ones, and for that of a grid. */
static int best_zero(const struct layer *l)
{
    enum { N_TRIED = 6, N_USUAL = 3 };
    double expected[256];
    for (int z = 0; z < 256; z++)
        expected[z] = expected_error(l, z);
    const int grid = grid_zero(l), usual[N_USUAL] = {grid < 0 ? 128 : grid, 128, whole_range_zero(l)};
    int best = 128;
    double best_error = INFINITY;
    for (int n = 0; n < N_TRIED; n++) {
        int z = 0;
        for (int other = 1; other < 256; other++)
            z = expected[other] < expected[z] ? other : z;
        if (n < N_USUAL)
            z = usual[n];
        const double error = squared_error(l, z);
        expected[z] = INFINITY;
        if (error < best_error) {
            best_error = error;
            best = z;
        }
    }
    return best;
}

/* ---- scales ---- */

/* mul is the next whole number, and the weight scale follows from it, so that their product is exact. Weights on a grid
 * keep its scale, and mul is the nearest number. */
static void set_multiplier(const struct layer *l, struct channel *c)
{
    const bool exact = grid_fits(c, l->w_zero);
    const double wanted = finest_scale(c, l->w_zero) / l->v_scale;
    int shift = NCC_KPU_MAX_BN_SHIFT;
    while (shift > 0 && ceil(ldexp(wanted, shift)) > MAX_MUL)
        shift--;
    const double mul = ldexp(wanted, shift), whole = fmax(exact ? rint(mul) : ceil(mul), 1);
    c->bn.mul = whole > MAX_MUL ? MAX_MUL : (int32_t)whole;
    c->bn.shift = shift;
    c->scale = exact ? c->grid : ldexp(c->bn.mul, -shift) * l->v_scale;
}

static const struct fineness *fineness_of(const struct layer *l)
{
    for (int o = 0; o < l->n_out; o++)
        if (grid_fits(&l->c[o], l->w_zero))
            return &on_grid;
    return &plain;
}

static int largest_multiplier(const struct layer *l)
{
    int largest = 0;
    for (int o = 0; o < l->n_out; o++)
        largest = l->c[o].bn.mul > largest ? l->c[o].bn.mul : largest;
    return largest;
}

static void set_multipliers(struct layer *l)
{
    for (int o = 0; o < l->n_out; o++)
        set_multiplier(l, &l->c[o]);
}

/* ---- integers ---- */

struct rounding_job {
    struct layer *l;
    struct weight_rounding rounding;
    int passes;
};

static void round_weights(const struct rounding_job *job, int o, int thread, bool again)
{
    struct layer *l = job->l;
    for (int i = 0; i < l->n_in; i++) {
        const float *w = weights_of(l, o, i);
        const double quantum = l->c[o].scale / fold_of(l, o, i);
        for (int t = 0; t < l->taps; t++) {
            const int row = input_channel(l, o, i) * l->taps + t;
            uint8_t *q = &l->q[w - l->w + t];
            /* Looked at again, a weight is what its code makes of it: only what is left may move it. */
            const double now = again ? (*q - l->w_zero) * quantum : (double)w[t];
            *q = (uint8_t)ncc_rounding_code(&job->rounding, thread, row, now, quantum, l->w_zero);
        }
    }
}

static void round_channel(void *ctx, int o, int thread)
{
    const struct rounding_job *job = ctx;
    ncc_rounding_begin(&job->rounding, thread);
    round_weights(job, o, thread, false);
    for (int pass = 1; pass < job->passes; pass++)
        round_weights(job, o, thread, true);
}

/* The codes of all weights by what the layer reads. */
static void round_by_patches(struct layer *l, const struct patches *p, struct arena *a)
{
    const int n_rows = l->x->shape.dim[1] * l->taps;
    struct rounding_job job = {l, ncc_rounding_open(p, n_rows, l->n_in * l->taps, a), l->rounding_passes};
    ncc_parallel_for(l->n_out, round_channel, &job);
}

/* The codes of one output channel, rounded to the nearest. */
static void round_to_nearest(struct layer *l, int o)
{
    for (int i = 0; i < l->n_in; i++) {
        const float *w = weights_of(l, o, i);
        const double fold = fold_of(l, o, i);
        for (int t = 0; t < l->taps; t++)
            l->q[w - l->w + t] = (uint8_t)weight_code(w[t] * fold, 1 / l->c[o].scale, l->w_zero);
    }
}

/* What follows from the codes: sums, their range, and the constant. */
static void quantise_channel(struct layer *l, int o)
{
    struct channel *c = &l->c[o];
    double shift_of_zero = 0; /* sum of (x_zero - zero point of the input) * weight */
    double lost = 0;          /* what the weights' rounding takes from the mean of the sum */
    c->acc_lo = c->acc_hi = 0;
    for (int i = 0; i < l->n_in; i++) {
        const float *w = weights_of(l, o, i);
        const uint8_t *q = l->q + (w - l->w);
        const double fold = fold_of(l, o, i);
        int64_t sum = 0;
        for (int t = 0; t < l->taps; t++) {
            const int d = q[t] - l->w_zero;
            const double error = w[t] * fold - d * c->scale;
            l->signal += w[t] * fold * (w[t] * fold);
            l->noise += error * error;
            lost += error * mean_code(l, o, i);
            sum += d;
            c->acc_lo += d < 0 ? d * (255 - l->x_zero) : -d * l->x_zero;
            c->acc_hi += d > 0 ? d * (255 - l->x_zero) : -d * l->x_zero;
        }
        shift_of_zero += (l->x_zero - input_zero(l, o, i)) * (double)sum;
    }
    /* The floor of >> loses half a quantum on average, less where mul has trailing zeros. */
    const double step = ldexp(c->bn.mul & -c->bn.mul, -c->bn.shift);
    const double floor_loss = step < 1 ? (1 - step) / 2 : 0;
    const double gain = ldexp(c->bn.mul, -c->bn.shift); /* of the sums, in v */
    const double add = rint((c->bias + lost) / l->v_scale + gain * shift_of_zero + floor_loss);
    c->bn.add = (int32_t)fmax(fmin(add, INT32_MAX), INT32_MIN);
}

/* Quantises all channels; false when v needs more than 35 bits or add more than 31, one spare each, or acc 36. */
static bool quantise(struct layer *l, const struct patches *patches, struct arena *a)
{
    const int64_t v_limit = NCC_KPU_ACC_MAX / 2;
    bool fits = true;
    l->signal = l->noise = 0;
    l->v_lo = INT64_MAX;
    l->v_hi = INT64_MIN;
    if (patches && patches->n_points)
        round_by_patches(l, patches, a);
    else
        for (int o = 0; o < l->n_out; o++)
            round_to_nearest(l, o);
    for (int o = 0; o < l->n_out; o++) {
        struct channel *c = &l->c[o];
        quantise_channel(l, o);
        const int64_t lo = ncc_kpu_bn_apply(c->bn, c->acc_lo), hi = ncc_kpu_bn_apply(c->bn, c->acc_hi);
        l->v_lo = lo < l->v_lo ? lo : l->v_lo;
        l->v_hi = hi > l->v_hi ? hi : l->v_hi;
        fits &= ncc_kpu_acc_fits(c->acc_lo) && ncc_kpu_acc_fits(c->acc_hi);
        fits &= lo >= -v_limit && hi <= v_limit && c->bn.add < INT32_MAX / 2 && c->bn.add > INT32_MIN / 2;
    }
    return fits;
}

static void choose_scales(struct layer *l, const struct integer_options *options, struct arena *a)
{
    const double zero = l->y->quant.zero_point[0], y_scale = l->table_scale;
    l->sign = 1;
    measure_weights(l);
    if (ncc_act_falls(&l->a->act, l->z_lo, l->z_hi)) {
        l->sign = -1;
        measure_weights(l);
    }
    find_grids(l);
    l->w_zero = options && options->w_zero >= 0 ? options->w_zero : best_zero(l);
    const double z_lo = l->sign > 0 ? l->z_lo : -l->z_hi, z_hi = l->sign > 0 ? l->z_hi : -l->z_lo;
    const double slope = ncc_act_slope(&l->a->act, z_lo, z_hi, -zero * y_scale, (255 - zero) * y_scale);
    /* In powers of two, so that slopes such as 1 stay exact in the table. */
    const double steep = slope > 0 ? fmin(fmax(ceil(log2(slope) - 1e-3), -6), 8) : 0;
    const struct fineness *fine = fineness_of(l);
    int bits = fine->bits;
    do {
        l->v_scale = y_scale * exp2(-bits - steep);
        set_multipliers(l);
    } while (largest_multiplier(l) < fine->good_mul && bits++ < fine->max_bits);
    while (!quantise(l, options ? options->patches : NULL, a)) {
        l->v_scale *= 2;
        set_multipliers(l);
    }
}

/* Mean pools drop the fraction: 0, 1/4, 1/2 or 3/4 of a code, or as many sixteenths. */
static double pool_loss(int pool)
{
    return pool == 2 || pool == 8 ? 3.0 / 8 : pool == 4 ? 15.0 / 32 : 0;
}

static int bits_of(int64_t lo, int64_t hi)
{
    int bits = 1;
    while (lo < -(INT64_C(1) << (bits - 1)) || hi > (INT64_C(1) << (bits - 1)) - 1)
        bits++;
    return bits;
}

static void fit_table(const struct layer *l, struct ncc_kpu_table *table, struct layer_quality *quality)
{
    const struct act_target t = {.act = &l->a->act,
                                 .v_scale = l->sign * l->v_scale,
                                 .v_min = l->v_lo,
                                 .v_max = l->v_hi,
                                 .y_scale = l->table_scale,
                                 .y_zero = l->y->quant.zero_point[0] + pool_loss(l->a->pool)};
    struct act_fit fit;
    ncc_act_table_fit(&t, table, quality ? &fit : NULL);
    if (!quality)
        return;
    *quality = (struct layer_quality){.weight_sqnr_db = l->noise > 0 ? 10 * log10(l->signal / l->noise) : INFINITY,
                                      .act_max_error = fit.max_error,
                                      .act_mean_error = fit.mean_error,
                                      .act_pieces = fit.n_pieces,
                                      .w_zero = l->w_zero,
                                      .v_bits = bits_of(l->v_lo, l->v_hi),
                                      .v_scale = t.v_scale};
    for (int o = 0; o < l->n_out; o++) {
        const int bits = bits_of(l->c[o].acc_lo, l->c[o].acc_hi);
        quality->acc_bits = bits > quality->acc_bits ? bits : quality->acc_bits;
    }
}

/* ---- layers that only move codes ---- */

static void make_copy(struct layer *l, struct ncc_kpu_table *table, struct layer_quality *quality)
{
    const int64_t n = (int64_t)l->n_out * l->n_in * l->taps;
    l->w_zero = 0;
    for (int64_t i = 0; i < n; i++) {
        assert(l->w[i] == 0 || l->w[i] == 1);
        l->q[i] = l->w[i] != 0;
    }
    for (int o = 0; o < l->n_out; o++)
        l->c[o].bn = (struct ncc_kpu_bn){.mul = 1 << NCC_KPU_MAX_BN_SHIFT, .shift = NCC_KPU_MAX_BN_SHIFT};
    ncc_act_table_copy(l->x_zero, table);
    if (quality)
        *quality = (struct layer_quality){
            .weight_sqnr_db = INFINITY, .act_pieces = 2, .acc_bits = 9, .v_bits = 9, .v_scale = 1};
}

/* ---- the node ---- */

static struct value *batch_norm_words(struct graph *g, const struct layer *l, const char *name)
{
    int64_t *words = NCC_NEW(g->arena, int64_t, l->n_out);
    for (int o = 0; o < l->n_out; o++)
        words[o] = (int64_t)ncc_kpu_bn_pack(l->c[o].bn);
    return ncc_const(g, ncc_name(g, name, "bn"), DT_I64, ncc_shape_make(1, (int[]){l->n_out}), words);
}

static struct value *table_bytes(struct graph *g, const struct ncc_kpu_table *table, const char *name)
{
    uint8_t *bytes = NCC_NEW(g->arena, uint8_t, NCC_KPU_TABLE_SIZE);
    ncc_kpu_table_pack(table, bytes);
    return ncc_const(g, ncc_name(g, name, "act"), DT_U8, ncc_shape_make(1, (int[]){NCC_KPU_TABLE_SIZE}), bytes);
}

static struct node *replace(struct graph *g, struct node *conv, const struct layer *l,
                            const struct ncc_kpu_table *table)
{
    const struct kpu_conv_attrs *a = l->a;
    const struct kpu_layer_attrs attrs = {.kernel = a->kernel,
                                          .depthwise = a->depthwise,
                                          .pool = a->pool,
                                          .x_zero = l->x_zero,
                                          .w_zero = l->w_zero,
                                          .top = a->top,
                                          .left = a->left,
                                          .h = a->h,
                                          .w = a->w,
                                          .outside = a->outside};
    struct value *const in[] = {conv->in[0],
                                ncc_const(g, ncc_name(g, conv->name, "weights"), DT_U8, conv->in[1]->shape, l->q),
                                batch_norm_words(g, l, conv->name), table_bytes(g, table, conv->name)};
    struct node *const cursor = g->cursor;
    g->cursor = conv;
    struct node *layer = ncc_node_new(g, OP_kpu_layer, conv->name, &attrs, in, 4);
    g->cursor = cursor == conv ? conv->next : cursor;
    if (!layer)
        return NULL;
    layer->origin = conv->origin;
    layer->on_kpu = conv->on_kpu;
    layer->reason = conv->reason;
    ncc_value_succeed(g, conv->out[0], layer->out[0]);
    ncc_node_remove(g, conv);
    return layer;
}

struct node *ncc_k210_integer_layer(struct graph *g, struct node *kpu_conv, const struct integer_options *options,
                                    struct layer_quality *quality)
{
    struct layer l = open_layer(g, kpu_conv);
    l.rounding_passes = options ? options->rounding_passes : 0;
    struct ncc_kpu_table table;
    if (l.a->copy) {
        make_copy(&l, &table, quality);
    } else {
        choose_scales(&l, options, g->arena);
        fit_table(&l, &table, quality);
    }
    assert(!ncc_kpu_table_check(&table));
    return replace(g, kpu_conv, &l, &table);
}
