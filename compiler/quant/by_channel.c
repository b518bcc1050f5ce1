#include "compiler/quant/by_channel.h"

#include "compiler/ops/attrs.h"
#include "compiler/ops/kpu_moves.h"
#include "compiler/quant/range.h"

#include <math.h>

bool ncc_quant_is_copy(const struct node *n)
{
    return n->op == OP_kpu_conv && ((const struct kpu_conv_attrs *)n->attrs)->copy;
}

bool ncc_quant_is_difference(const struct node *n)
{
    return ncc_quant_is_copy(n) && ((const struct kpu_conv_attrs *)n->attrs)->act.n > 0;
}

/* The table of this chain serves every scale. Clips do only where nothing is below zero: see the header. */
static bool one_table(const struct act_chain *act)
{
    bool cut = false, clipped = false; /* at zero; anywhere else */
    for (int i = 0; i < act->n; i++) {
        const struct act_step *s = &act->step[i];
        const struct clip_attrs *clip = s->op == OP_clip ? s->attrs : NULL;
        if (s->op != OP_relu && s->op != OP_leaky_relu && !clip)
            return false;
        if (clip && (clip->max <= 0 || clip->min > 0 || (clip->min < 0 && !cut)))
            return false;
        clipped = clipped || (clip && isfinite(clip->max));
        cut = cut || s->op == OP_relu || clip;
    }
    return cut || !clipped;
}

static bool is_layer(const struct node *n)
{
    return n->op == OP_kpu_conv && !((const struct kpu_conv_attrs *)n->attrs)->tied;
}

static bool only_layers_read(const struct graph *g, const struct value *v)
{
    if (ncc_value_is_output(g, v))
        return false;
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->node;
        if (ncc_kpu_moves(n) ? !only_layers_read(g, n->out[0]) : !is_layer(n))
            return false;
    }
    return true;
}

bool ncc_quant_by_channel(const struct graph *g, const struct value *v)
{
    const struct node *n = v->def;
    return n && n->op == OP_kpu_conv && !ncc_quant_is_copy(n) && v->shape.dim[1] > 1 && !v->quant.n_channels &&
           !v->range.known && one_table(&((const struct kpu_conv_attrs *)n->attrs)->act) && only_layers_read(g, v);
}

/* Channels with less than this share of the range, silent ones among them, are treated as if they had it: they may
 * speak up one day, and the factors between channels must leave room in the layer's sums. */
#define LEAST_SHARE (1.0 / 256)

/* How many times further than the largest of n values of a channel, m, its codes should reach. If the tail of the values
 * is exponential, its scale is t = m / ln n, what lies beyond r costs 2 t^2 e^((m - r) / t) in squares, and rounding n
 * values costs n (r / 255)^2 / 12; the sum is least at r = m + t ln(12 * 255^2 t / (n r)), here with r = m inside. */
double ncc_channels_margin(double n)
{
    const double ln = log(fmax(n, 4));
    return 1 + fmax(log(12 * 255.0 * 255.0 / (fmax(n, 4) * ln)), 0) / ln;
}

double ncc_channels_scale(const struct channel_ranges *r, int c, int zero_point)
{
    const double whole = ncc_codes_needed((double)r->whole.lo, (double)r->whole.hi, zero_point);
    const double own = r->margin * ncc_codes_needed((double)r->min[c], (double)r->max[c], zero_point);
    return isfinite(whole) ? sqrt(whole * fmin(fmax(own, whole * LEAST_SHARE), whole)) : INFINITY;
}

int ncc_channels_best_zero(const struct channel_ranges *r)
{
    int best = 0;
    double least = INFINITY;
    for (int zero = 0; zero <= 255; zero++) {
        double sum = 0;
        for (int c = 0; c < r->n && sum < least; c++)
            sum += pow(ncc_channels_scale(r, c, zero), 2);
        if (sum < least) {
            least = sum;
            best = zero;
        }
    }
    return best;
}

struct quant ncc_quant_channels(const struct channel_ranges *r, int zero, struct arena *a)
{
    double *scale = NCC_NEW(a, double, r->n), *zero_point = NCC_NEW(a, double, r->n);
    for (int c = 0; c < r->n; c++) {
        scale[c] = ncc_channels_scale(r, c, zero);
        zero_point[c] = zero;
    }
    return (struct quant){r->n, scale, zero_point};
}
