#include "compiler/quant/by_channel.h"

#include "compiler/ops/attrs.h"

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
        const bool hands_on =
            n->op == OP_kpu_concat || n->op == OP_kpu_slice || n->op == OP_kpu_recanvas || ncc_quant_is_copy(n);
        if (hands_on ? !only_layers_read(g, n->out[0]) : !is_layer(n))
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
static double margin_for(double n)
{
    const double ln = log(n);
    return 1 + fmax(log(12 * 255.0 * 255.0 / (n * ln)), 0) / ln;
}

/* The scale at which codes with this zero point reach both ends. */
static double needed(double lo, double hi, int zero)
{
    const double below = lo < 0 ? -lo / zero : 0, above = hi > 0 ? hi / (255 - zero) : 0;
    return fmax(below, above);
}

static double scale_for(double lo, double hi, double whole, int zero, double margin)
{
    return sqrt(whole * fmin(fmax(margin * needed(lo, hi, zero), whole * LEAST_SHARE), whole));
}

static int best_zero(const float *min, const float *max, int n, struct range whole, double margin)
{
    int best = 0;
    double least = INFINITY;
    for (int zero = 0; zero <= 255; zero++) {
        const double all = needed((double)whole.lo, (double)whole.hi, zero);
        double sum = 0;
        for (int c = 0; c < n && isfinite(all); c++)
            sum += pow(scale_for((double)min[c], (double)max[c], all, zero, margin), 2);
        if (isfinite(all) && sum < least) {
            least = sum;
            best = zero;
        }
    }
    return best;
}

struct quant ncc_quant_channels(const float *min, const float *max, int n, struct range whole, int64_t n_seen,
                                struct arena *a)
{
    const double margin = margin_for(fmax((double)n_seen / n, 4));
    double *scale = NCC_NEW(a, double, n), *zero_point = NCC_NEW(a, double, n);
    const int zero = best_zero(min, max, n, whole, margin);
    const double all = needed((double)whole.lo, (double)whole.hi, zero);
    for (int c = 0; c < n; c++) {
        scale[c] = scale_for((double)min[c], (double)max[c], all, zero, margin);
        zero_point[c] = zero;
    }
    return (struct quant){n, scale, zero_point};
}
