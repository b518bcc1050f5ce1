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

/* ---- maps declared as one ---- */

/* pool_type codes 5 to 7: one element of each window (doc/kpu.md section 6). */
static bool picks_pixels(const struct node *copy)
{
    const int pool = ((const struct kpu_conv_attrs *)copy->attrs)->pool;
    return pool >= 5 && pool <= 7;
}

/* Does somebody take v's codes for numbers, or those of a copy of all its pixels: a layer that computes, a download? What
 * picks some pixels may bring channels back that a view took apart. */
static bool is_computed_with(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->node;
        const bool picks = ncc_quant_is_copy(n) && picks_pixels(n);
        if (!ncc_kpu_moves(n) || (!picks && is_computed_with(n->out[0])))
            return true;
    }
    return false;
}

/* Where a pixel of a channel comes from; v NULL: from nowhere. */
static struct kpu_pixel origin_of(struct value *v, int c, int y, int x)
{
    struct kpu_pixel p = {v, c, y, x};
    bool from_somewhere = true;
    while (from_somewhere && p.v->def && ncc_kpu_moves(p.v->def))
        from_somewhere = ncc_kpu_moved_from(&p);
    return from_somewhere ? p : (struct kpu_pixel){0};
}

/* Do some pixels of channel c come from different channels? */
static bool is_of_many(struct value *v, int c)
{
    enum { SOME = 5 };
    const struct window *w = &v->window;
    struct kpu_pixel first = {0};
    for (int i = 0; i < SOME * SOME; i++) {
        const int y = w->top + (w->h - 1) * (i / SOME) / (SOME - 1), x = w->left + w->w * (i % SOME) / SOME;
        const struct kpu_pixel p = origin_of(v, c, y, x);
        if (first.v && p.v && (p.v != first.v || p.c != first.c))
            return true;
        first = p.v ? p : first;
    }
    return false;
}

bool ncc_quant_merges(const struct node *n)
{
    if (n->op != OP_kpu_view || !is_computed_with(n->out[0]))
        return false;
    const int last = n->out[0]->shape.dim[1] - 1;
    return is_of_many(n->out[0], 0) || is_of_many(n->out[0], last / 2) || is_of_many(n->out[0], last);
}

/* ---- who may have them ---- */

static bool only_layers_read(const struct graph *g, const struct value *v)
{
    if (ncc_value_is_output(g, v))
        return false;
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->node;
        if (ncc_quant_merges(n) || (ncc_kpu_moves(n) ? !only_layers_read(g, n->out[0]) : !is_layer(n)))
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
