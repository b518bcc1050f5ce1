/* Values whose channels come from several groups. */
#include "compiler/quant/code_groups.h"

#include "compiler/ops/attrs.h"
#include "compiler/quant/by_channel.h"

#include <math.h>

/* ---- where channels come from ---- */

/* Operators through which channels keep quants of their own. */
bool ncc_mixed_keeps_channels(const struct node *n)
{
    return n->op == OP_kpu_concat || n->op == OP_kpu_slice || n->op == OP_kpu_recanvas || ncc_quant_is_copy(n);
}

/* Channels that share a line of KPU RAM: doc/kpu.md section 3. */
static int channels_per_line(const struct value *v)
{
    const int w = v->shape.dim[v->shape.rank - 1];
    return w <= 16 ? 4 : w <= 32 ? 2 : 1;
}

static bool is_empty(const struct value *v, int c);

/* The input channel whose codes output channel c of a copy has; -1: none has. Of several, which a sum is made of, the
 * first one that is not empty. */
static int copied_channel(const struct node *n, int c)
{
    const struct kpu_conv_attrs *a = n->attrs;
    if (a->depthwise)
        return c;
    const struct value *w = n->in[1];
    const int taps = a->kernel * a->kernel, n_in = w->shape.dim[1];
    const float *row = (const float *)w->data + (int64_t)c * n_in * taps;
    int found = -1;
    for (int i = 0; i < n_in * taps; i++) {
        if (row[i] == 0)
            continue;
        if (found >= 0)
            return is_empty(n->in[0], found) ? i / taps : found;
        found = i / taps;
    }
    return found;
}

/* What channel *c of a mixed value comes from, and which channel of it. An unused slot is taken for the channel before
 * it. */
static struct value *behind(const struct value *v, int *c)
{
    const struct node *n = v->def;
    int input = 0;
    if (n->op == OP_kpu_slice) {
        *c += ((const struct kpu_slice_attrs *)n->attrs)->begin;
    } else if (ncc_quant_is_copy(n)) {
        const int from = copied_channel(n, *c);
        *c = from < 0 ? 0 : from;
    } else if (n->op == OP_kpu_concat) {
        const int group = channels_per_line(v);
        int room = (n->in[0]->shape.dim[1] + group - 1) / group * group;
        while (input + 1 < n->n_in && *c >= room) {
            *c -= room;
            input++;
            room = (n->in[input]->shape.dim[1] + group - 1) / group * group;
        }
    }
    if (*c >= n->in[input]->shape.dim[1])
        *c = n->in[input]->shape.dim[1] - 1;
    return n->in[input];
}

/* Does a copy make this channel out of nothing? Such are added to others that have something there. */
static bool is_empty(const struct value *v, int c)
{
    for (; v->def && ncc_mixed_keeps_channels(v->def); v = behind(v, &c))
        if (ncc_quant_is_copy(v->def) && copied_channel(v->def, c) < 0)
            return true;
    return false;
}

/* Follows channel *c of a mixed value to the ordinary value that it comes from. */
struct value *ncc_mixed_origin(const struct code_groups *s, struct value *v, int *c)
{
    while (s->mixed[v->id])
        v = behind(v, c);
    return v;
}

/* Is channel c of a mixed value a difference of codes? It may have been moved since. */
static bool is_difference(const struct code_groups *s, const struct value *v, int c)
{
    while (s->mixed[v->id] && !ncc_quant_is_difference(v->def))
        v = behind(v, &c);
    return s->mixed[v->id];
}

/* ---- what readers need ---- */

enum need { NEED_NOTHING, NEED_EQUAL_ZERO, NEED_ONE_QUANT };

static bool only_centre_taps(const struct node *n)
{
    const struct value *w = n->in[1];
    const float *x = w->data;
    const int64_t count = ncc_shape_count(w->shape);
    for (int64_t i = 0; i < count; i++)
        if (x[i] != 0 && i % 9 != 4)
            return false;
    return true;
}

/* What a reader needs of a mixed input. */
static enum need need_of(const struct node *n)
{
    if (n->op != OP_kpu_conv)
        return ncc_mixed_keeps_channels(n) ? NEED_NOTHING : NEED_ONE_QUANT;
    const struct kpu_conv_attrs *a = n->attrs;
    if (a->tied || (ncc_quant_is_difference(n) && !a->depthwise))
        return NEED_ONE_QUANT;
    if (a->kernel == 1 || a->pad_lowest || only_centre_taps(n))
        return NEED_NOTHING;
    return NEED_EQUAL_ZERO;
}

static bool zeros_differ(const struct code_groups *s, struct value *v)
{
    double first = 0;
    for (int c = 0; c < v->shape.dim[1]; c++) {
        int k = c;
        const struct value *from = ncc_mixed_origin(s, v, &k);
        const struct quant q = ncc_group_quant(s, from);
        const double zero = q.n_channels ? rint(ncc_quant_zero(&q, k)) : 0;
        if (c && zero != first)
            return true;
        first = zero;
    }
    return false;
}

static bool unite_origins(const struct code_groups *s, struct value *v,
                          bool (*unite)(const struct code_groups *, const struct value *, const struct value *))
{
    bool changed = false;
    int c0 = 0;
    const struct value *first = ncc_mixed_origin(s, v, &c0);
    for (int c = 1; c < v->shape.dim[1]; c++) {
        int k = c;
        changed |= unite(s, first, ncc_mixed_origin(s, v, &k));
    }
    return changed;
}

/* One zero point, with scales of their own; if it turns out that they cannot have one, one quant. */
static bool equal_zeros(const struct code_groups *s, struct value *v)
{
    if (!zeros_differ(s, v))
        return false;
    return (s->joint && unite_origins(s, v, ncc_joint_zero_unite)) || unite_origins(s, v, ncc_group_unite);
}

/* What a mover makes of a mixed value that has become one has its codes, too. */
static bool unite_with_origin(const struct code_groups *s, struct value *v, const struct node *mover)
{
    bool changed = false;
    int c = 0;
    const struct value *from = ncc_mixed_origin(s, v, &c);
    for (int i = 0; i < mover->n_out; i++)
        if (s->value[mover->out[i]->id] && !s->mixed[mover->out[i]->id])
            changed |= ncc_group_unite(s, from, mover->out[i]);
    return changed;
}

bool ncc_mixed_unite(const struct code_groups *s)
{
    bool changed = false;
    for (int id = 0; id < s->n; id++) {
        struct value *v = s->value[id];
        if (!v || !s->mixed[id])
            continue;
        enum need need = ncc_value_is_output(s->g, v) ? NEED_ONE_QUANT : NEED_NOTHING;
        for (const struct use *u = v->uses; u; u = u->next)
            need = need_of(u->node) > need ? need_of(u->node) : need;
        if (need == NEED_ONE_QUANT)
            changed |= unite_origins(s, v, ncc_group_unite);
        else if (need == NEED_EQUAL_ZERO)
            changed |= equal_zeros(s, v);
        for (const struct use *u = v->uses; u; u = u->next)
            if (need_of(u->node) == NEED_ONE_QUANT && ncc_group_moves(s, u->node))
                changed |= unite_with_origin(s, v, u->node);
    }
    return changed;
}

/* ---- the result ---- */

void ncc_mixed_write(const struct code_groups *s, struct value *v)
{
    const int n = v->shape.dim[1];
    double *scale = NCC_NEW(s->g->arena, double, n), *zero_point = NCC_NEW(s->g->arena, double, n);
    bool all_equal = true;
    for (int c = 0; c < n; c++) {
        int k = c;
        const struct quant q = ncc_group_quant(s, ncc_mixed_origin(s, v, &k));
        if (!q.n_channels)
            return;
        scale[c] = ncc_quant_scale(&q, k);
        zero_point[c] = is_difference(s, v, c) ? 0 : ncc_quant_zero(&q, k);
        all_equal &= scale[c] == scale[0] && zero_point[c] == zero_point[0];
    }
    v->quant = (struct quant){all_equal ? 1 : n, scale, zero_point};
    v->range = ncc_codes_reach(v->quant);
}
