/* One KPU layer on its way from real numbers to integers: what kpu_integer.c and its helpers share; kpu_integer.h has
 * the arithmetic.
 *
 *     kpu_integer.c         opens the layer, chooses scales and multipliers, fits the table, makes the node
 *     kpu_weight_scales.c   the weights' zero point, and the finest scale of each channel
 *     kpu_scale_limits.c    what the numbers cannot hold
 *     kpu_seen.c            what the sums were on the samples
 *     kpu_weight_codes.c    the weights' codes, and what the sums over these can be
 */
#ifndef NCC_K210_KPU_NUMBERS_H
#define NCC_K210_KPU_NUMBERS_H

#include "compiler/k210/act_table.h"
#include "compiler/k210/kpu_integer.h"
#include "compiler/ops/attrs.h"
#include "kpu/arith.h"

struct kpu_channel {
    double lo, hi; /* of its weights, input scales included; lo <= 0 <= hi */
    double grid;   /* its weights are whole multiples of it, as those of a quantised model are; 0: of none */
    double factor; /* of weights and bias: the sign, and what gives all outputs the table's scale */
    double bias;
    double scale; /* of a weight's code */
    struct ncc_kpu_bn bn;
    int64_t acc_lo, acc_hi; /* over all possible inputs */
};

struct kpu_numbers {
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
    struct kpu_channel *c;
    int weight_bits; /* 8 or 16 */
    int w_max;       /* largest code of a weight: 255, or up to 65535 */
    uint16_t *q;     /* codes of the weights */
    int64_t v_lo, v_hi;
    double signal, noise; /* of the weights */
};

static inline double ncc_kpu_of_channel(const double *v, int n_channels, int c)
{
    return v[n_channels == 1 ? 0 : c];
}

static inline int ncc_kpu_input_channel(const struct kpu_numbers *l, int o, int i)
{
    return l->a->depthwise ? o : i;
}

static inline double ncc_kpu_input_scale(const struct kpu_numbers *l, int o, int i)
{
    return ncc_kpu_of_channel(l->x->quant.scale, l->x->quant.n_channels, ncc_kpu_input_channel(l, o, i));
}

/* What output channel o is multiplied by, so that all have the scale of the table. */
static inline double ncc_kpu_output_factor(const struct kpu_numbers *l, int o)
{
    return l->sign * l->table_scale / ncc_kpu_of_channel(l->y->quant.scale, l->y->quant.n_channels, o);
}

static inline double ncc_kpu_input_zero(const struct kpu_numbers *l, int o, int i)
{
    return ncc_kpu_of_channel(l->x->quant.zero_point, l->x->quant.n_channels, ncc_kpu_input_channel(l, o, i));
}

/* The mean of an input channel in codes above zero, where it was observed. */
static inline double ncc_kpu_mean_code(const struct kpu_numbers *l, int o, int i)
{
    return l->x->mean ? l->x->mean[ncc_kpu_input_channel(l, o, i)] / ncc_kpu_input_scale(l, o, i) : 0;
}

/* What a weight is multiplied by before it is quantised. */
static inline double ncc_kpu_fold_of(const struct kpu_numbers *l, int o, int i)
{
    return l->c[o].factor * ncc_kpu_input_scale(l, o, i);
}

static inline const float *ncc_kpu_weights_of(const struct kpu_numbers *l, int o, int i)
{
    return l->w + ((int64_t)o * l->n_in + i) * l->taps;
}

/* ---- kpu_weight_scales.c ---- */

/* Sets every channel's grid, from lo and hi: of all channels or none, since a few that have one by chance are not worth
 * other decisions. */
void ncc_weights_find_grids(struct kpu_numbers *l);

/* Whether codes around w_zero reach all multiples of the channel's grid that its weights are. */
bool ncc_weights_keep_grid(const struct kpu_numbers *l, const struct kpu_channel *c, int w_zero);

/* The finest scale at which codes around w_zero reach all weights of a channel, or that at which they are exact. */
double ncc_weights_finest_scale(const struct kpu_numbers *l, const struct kpu_channel *c, int w_zero);

/* The zero point with the least squared error of the weights. */
int ncc_weights_best_zero(const struct kpu_numbers *l);

/* ---- kpu_weight_codes.c ---- */

/* The code nearest to w, 0..w_max. */
int ncc_weight_code(double w, double inverse_scale, int w_zero, int w_max);

/* Codes of all weights, add, and the range of acc and v, from the zero point, the scales and the multipliers. False
 * when v needs more than 35 bits or add more than 31, one spare each, or acc 36. */
bool ncc_weights_to_codes(struct kpu_numbers *l, const struct patches *patches, struct arena *a);

/* ---- kpu_scale_limits.c ---- */

/* Warns of scales of the layer that its numbers do not hold. */
void ncc_kpu_tell_limits(const struct kpu_numbers *l, const struct graph *g, const struct node *n);

/* ---- kpu_seen.c ---- */

/* v at the gathered places, some thousand at most; none if there are no places. */
struct act_seen ncc_kpu_seen(const struct kpu_numbers *l, const struct patches *p, struct arena *a);

#endif
