/* One KPU layer from real numbers to integers; the header has the arithmetic.
 *
 * Order of decisions: the weights' zero point; v_scale; from both, per channel, mul and with it the weight scale; the
 * weights; add; the range of v that these give in the worst case; and the table for that range. If something does not
 * fit its bits, v_scale is doubled and all after it done again.
 */
#include "compiler/k210/kpu_integer.h"

#include "compiler/k210/kpu_numbers.h"

#include <assert.h>
#include <math.h>

/* v is finer than the steepest output code by 2^8, so that its rounding does not show; up to 2^12 where the
 * multipliers would have few bits otherwise. Coarser leaves acc and v more room in their 36 bits. */
struct fineness {
    int bits, max_bits; /* of v below a code: to begin with, and at most, until the largest multiplier is */
    int good_mul;
};
static const struct fineness plain = {8, 12, 128};
/* Where the weights keep the source's grid, layers differ from the source's only by how they round. */
static const struct fineness on_grid = {12, 14, 16384};

enum { MAX_MUL = (1 << (NCC_KPU_MUL_BITS_SAFE - 1)) - 1 };

/* The coarsest of the output's scales: that of the table. */
static double output_scale(const struct kpu_numbers *l)
{
    double scale = 0;
    for (int o = 0; o < l->y->quant.n_channels; o++)
        scale = fmax(scale, l->y->quant.scale[o]);
    return scale;
}

/* With 16 bits the sums of products themselves, before zero points are taken off, could leave 36 bits. */
static int largest_wide_code(int n_weights)
{
    return (int)fmin(floor((double)NCC_KPU_ACC_MAX / (255.0 * n_weights)), UINT16_MAX);
}

static struct kpu_numbers open_layer(struct graph *g, const struct node *n, int weight_bits)
{
    const struct kpu_conv_attrs *a = n->attrs;
    const struct value *w = n->in[1], *bias = n->n_in > 2 ? n->in[2] : NULL;
    struct kpu_numbers l = {.a = a, .x = n->in[0], .y = n->out[0], .w = w->data, .sign = 1};
    assert(l.x->dtype == DT_U8 && l.x->quant.n_channels > 0 && l.y->quant.n_channels > 0);
    assert(w->data && w->dtype == DT_F32 && (!bias || bias->data));
    l.bias = bias ? bias->data : NULL;
    l.n_out = w->shape.dim[0];
    l.n_in = w->shape.dim[1];
    l.taps = a->kernel * a->kernel;
    l.c = NCC_NEW(g->arena, struct kpu_channel, l.n_out);
    l.q = NCC_NEW(g->arena, uint16_t, (size_t)l.n_out * l.n_in * l.taps);
    l.weight_bits = weight_bits;
    l.w_max = weight_bits == 16 ? largest_wide_code(l.n_in * l.taps) : UINT8_MAX;
    l.table_scale = output_scale(&l);
    l.x_zero = a->pad_lowest ? 0 : (int)fmin(fmax(rint(l.x->quant.zero_point[0]), 0), 255);
    return l;
}

/* ---- what the weights and sums can be ---- */

static void measure_weights(struct kpu_numbers *l)
{
    for (int o = 0; o < l->n_out; o++) {
        struct kpu_channel *c = &l->c[o];
        const double factor = ncc_kpu_output_factor(l, o);
        *c = (struct kpu_channel){.factor = factor, .bias = l->bias ? factor * l->bias[o] : 0};
        double z_lo = c->bias, z_hi = c->bias;
        for (int i = 0; i < l->n_in; i++) {
            const float *w = ncc_kpu_weights_of(l, o, i);
            const double scale = ncc_kpu_fold_of(l, o, i), zero = ncc_kpu_input_zero(l, o, i);
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

/* ---- scales ---- */

/* mul is the next whole number, and the weight scale follows from it, so that their product is exact. Weights on a grid
 * keep its scale, and mul is the nearest number. False: mul would have too many bits, as v is too fine for what a code
 * of the weights is worth. */
static bool set_multiplier(const struct kpu_numbers *l, struct kpu_channel *c)
{
    const bool exact = ncc_weights_keep_grid(l, c, l->w_zero);
    const double wanted = ncc_weights_finest_scale(l, c, l->w_zero) / l->v_scale;
    int shift = NCC_KPU_MAX_BN_SHIFT;
    while (shift > 0 && ceil(ldexp(wanted, shift)) > MAX_MUL)
        shift--;
    const double mul = ldexp(wanted, shift), whole = fmax(exact ? rint(mul) : ceil(mul), 1);
    c->bn.mul = whole > MAX_MUL ? MAX_MUL : (int32_t)whole;
    c->bn.shift = shift;
    c->scale = exact ? c->grid : ldexp(c->bn.mul, -shift) * l->v_scale;
    return whole <= MAX_MUL;
}

static const struct fineness *fineness_of(const struct kpu_numbers *l)
{
    for (int o = 0; o < l->n_out; o++)
        if (ncc_weights_keep_grid(l, &l->c[o], l->w_zero))
            return &on_grid;
    return &plain;
}

static int largest_multiplier(const struct kpu_numbers *l)
{
    int largest = 0;
    for (int o = 0; o < l->n_out; o++)
        largest = l->c[o].bn.mul > largest ? l->c[o].bn.mul : largest;
    return largest;
}

static bool set_multipliers(struct kpu_numbers *l)
{
    bool fit = true;
    for (int o = 0; o < l->n_out; o++)
        fit &= set_multiplier(l, &l->c[o]);
    return fit;
}

static void choose_scales(struct kpu_numbers *l, const struct integer_options *options, struct arena *a)
{
    const double zero = l->y->quant.zero_point[0], y_scale = l->table_scale;
    l->sign = 1;
    measure_weights(l);
    if (ncc_act_falls(&l->a->act, l->z_lo, l->z_hi)) {
        l->sign = -1;
        measure_weights(l);
    }
    ncc_weights_find_grids(l);
    l->w_zero = options && options->w_zero >= 0 ? options->w_zero : ncc_weights_best_zero(l);
    const double z_lo = l->sign > 0 ? l->z_lo : -l->z_hi, z_hi = l->sign > 0 ? l->z_hi : -l->z_lo;
    const double slope = ncc_act_slope(&l->a->act, z_lo, z_hi, -zero * y_scale, (255 - zero) * y_scale);
    /* In powers of two, so that slopes such as 1 stay exact in the table. */
    const double steep = slope > 0 ? fmin(fmax(ceil(log2(slope) - 1e-3), -6), 8) : 0;
    const struct fineness *fine = fineness_of(l);
    int bits = fine->bits;
    bool fit;
    do {
        l->v_scale = y_scale * exp2(-bits - steep);
        fit = set_multipliers(l);
    } while (largest_multiplier(l) < fine->good_mul && bits++ < fine->max_bits);
    while (!fit || !ncc_weights_to_codes(l, options ? options->patches : NULL, a)) {
        l->v_scale *= 2;
        fit = set_multipliers(l);
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

static void fit_table(const struct kpu_numbers *l, const struct integer_options *options, struct arena *a,
                      struct ncc_kpu_table *table, struct layer_quality *quality)
{
    const double given_back = options && options->leave_truncated ? 0 : pool_loss(l->a->pool);
    const struct act_target t = {.act = &l->a->act,
                                 .v_scale = l->sign * l->v_scale,
                                 .v_min = l->v_lo,
                                 .v_max = l->v_hi,
                                 .y_scale = l->table_scale,
                                 .y_zero = l->y->quant.zero_point[0] + given_back};
    struct act_fit fit;
    if (options && options->even_table) {
        ncc_act_table_fit(&t, table, quality ? &fit : NULL);
    } else {
        const struct arena_mark mark = ncc_arena_mark(a);
        const struct act_seen seen = ncc_kpu_seen(l, options ? options->patches : NULL, a);
        ncc_act_table_fit_seen(&t, &seen, a, table, quality ? &fit : NULL);
        ncc_arena_rewind(a, &mark);
    }
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

/* ---- layers that work on codes as they are ---- */

static void make_copy(struct kpu_numbers *l, struct ncc_kpu_table *table, struct layer_quality *quality)
{
    const int64_t n = (int64_t)l->n_out * l->n_in * l->taps;
    l->w_zero = 0;
    for (int64_t i = 0; i < n; i++)
        l->w_zero |= l->w[i] < 0;
    for (int64_t i = 0; i < n; i++) {
        assert(l->w[i] == 0 || l->w[i] == 1 || (l->w_zero && l->w[i] == -1));
        l->q[i] = (uint16_t)((int)l->w[i] + l->w_zero);
    }
    for (int o = 0; o < l->n_out; o++)
        l->c[o].bn = (struct ncc_kpu_bn){.mul = 1 << NCC_KPU_MAX_BN_SHIFT, .shift = NCC_KPU_MAX_BN_SHIFT};
    ncc_act_table_copy(l->x_zero, table);
    if (quality)
        *quality = (struct layer_quality){
            .weight_sqnr_db = INFINITY, .act_pieces = 2, .acc_bits = 9, .v_bits = 9, .v_scale = 1};
}

/* ---- the node ---- */

static struct value *batch_norm_words(struct graph *g, const struct kpu_numbers *l, const char *name)
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

static struct value *weight_codes(struct graph *g, const struct kpu_numbers *l, const struct node *conv)
{
    const char *name = ncc_name(g, conv->name, "weights");
    const struct shape shape = conv->in[1]->shape;
    const int64_t n = ncc_shape_count(shape);
    if (l->weight_bits == 16) {
        int32_t *codes = NCC_NEW(g->arena, int32_t, n);
        for (int64_t i = 0; i < n; i++)
            codes[i] = l->q[i];
        return ncc_const(g, name, DT_I32, shape, codes);
    }
    uint8_t *codes = NCC_NEW(g->arena, uint8_t, n);
    for (int64_t i = 0; i < n; i++)
        codes[i] = (uint8_t)l->q[i];
    return ncc_const(g, name, DT_U8, shape, codes);
}

static struct node *replace(struct graph *g, struct node *conv, const struct kpu_numbers *l,
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
    struct value *const in[] = {conv->in[0], weight_codes(g, l, conv), batch_norm_words(g, l, conv->name),
                                table_bytes(g, table, conv->name)};
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
    struct kpu_numbers l = open_layer(g, kpu_conv, options && options->weight_bits ? options->weight_bits : 8);
    l.rounding_passes = options ? options->rounding_passes : 0;
    struct ncc_kpu_table table;
    if (l.a->copy) {
        make_copy(&l, &table, quality);
    } else {
        choose_scales(&l, options, g->arena);
        ncc_kpu_tell_limits(&l, g, kpu_conv);
        fit_table(&l, options, g->arena, &table, quality);
    }
    assert(!ncc_kpu_table_check(&table));
    return replace(g, kpu_conv, &l, &table);
}
