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

/* ---- readers ---- */

enum reader { READER_REFUSED, READER_ENDS, READER_HANDS_ON /* what it makes is as good as what it reads */ };

static int n_uses(const struct value *v)
{
    int n = 0;
    for (const struct use *u = v->uses; u; u = u->next)
        n++;
    return n;
}

/* Does `judge` accept all that read v, which a node made, or what is handed on? Once along the nodes, since there may be
 * any number of ways to one. */
static bool all_readers(const struct graph *g, const struct value *v,
                        enum reader (*judge)(const struct graph *, const struct node *))
{
    const struct arena_mark before = ncc_arena_mark(g->arena);
    bool *reached = NCC_NEW(g->arena, bool, g->next_id);
    bool accepted = true;
    int n_open = n_uses(v);
    reached[v->id] = true;
    for (const struct node *n = v->def->next; n && n_open > 0 && accepted; n = n->next) {
        int n_read = 0;
        for (int i = 0; i < n->n_in; i++)
            n_read += n->in[i] && reached[n->in[i]->id];
        if (!n_read)
            continue;
        const enum reader r = judge(g, n);
        n_open -= n_read;
        accepted = r != READER_REFUSED;
        if (r == READER_HANDS_ON) {
            reached[n->out[0]->id] = true;
            n_open += n_uses(n->out[0]);
        }
    }
    ncc_arena_rewind(g->arena, &before);
    return accepted;
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
static enum reader not_computed_with(const struct graph *g, const struct node *n)
{
    (void)g;
    if (!ncc_kpu_moves(n))
        return READER_REFUSED;
    return ncc_quant_is_copy(n) && picks_pixels(n) ? READER_ENDS : READER_HANDS_ON;
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

bool ncc_quant_merges(const struct graph *g, const struct node *n)
{
    if (n->op != OP_kpu_view || all_readers(g, n->out[0], not_computed_with))
        return false;
    const int last = n->out[0]->shape.dim[1] - 1;
    return is_of_many(n->out[0], 0) || is_of_many(n->out[0], last / 2) || is_of_many(n->out[0], last);
}

/* ---- who may have them ---- */

static enum reader layer_or_mover(const struct graph *g, const struct node *n)
{
    const bool moves = ncc_kpu_moves(n);
    if (ncc_quant_merges(g, n) || (moves ? ncc_value_is_output(g, n->out[0]) : !is_layer(n)))
        return READER_REFUSED;
    return moves ? READER_HANDS_ON : READER_ENDS;
}

bool ncc_quant_by_channel(const struct graph *g, const struct value *v)
{
    const struct node *n = v->def;
    return n && n->op == OP_kpu_conv && !ncc_quant_is_copy(n) && v->shape.dim[1] > 1 && !v->quant.n_channels &&
           !v->range.known && one_table(&((const struct kpu_conv_attrs *)n->attrs)->act) && !ncc_value_is_output(g, v) &&
           all_readers(g, v, layer_or_mover);
}

double ncc_channels_limit(const struct value *v)
{
    const struct act_chain *act = &((const struct kpu_conv_attrs *)v->def->attrs)->act;
    double limit = INFINITY;
    for (int i = 0; i < act->n; i++)
        if (act->step[i].op == OP_clip)
            limit = fmin(limit, (double)((const struct clip_attrs *)act->step[i].attrs)->max);
    return limit;
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
    if (!isfinite(whole))
        return INFINITY;
    const double scale = own > whole ? fmin(own, whole * r->reach.most) : sqrt(whole * fmax(own, whole * LEAST_SHARE));
    return fmin(r->reach.factor * scale, r->limit / (255 - zero_point));
}

int ncc_channels_best_zero(const struct channel_ranges *r)
{
    int best = 0;
    double least = INFINITY;
    if (r->whole.lo >= 0)
        return 0; /* every scale grows with it */
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
