/* Values whose channels come from several groups. */
#include "compiler/quant/code_groups.h"

#include "compiler/ops/attrs.h"
#include "compiler/ops/kpu_moves.h"
#include "compiler/quant/by_channel.h"

#include <math.h>

/* ---- where channels come from ---- */

/* Back to the ordinary value that the pixel comes from, or the difference of codes if it is to end there. False: it is
 * a zero, which comes from nowhere. */
static bool go_back(const struct code_groups *s, struct kpu_pixel *p, bool to_difference)
{
    bool from_somewhere = true;
    while (s->mixed[p->v->id] && !(to_difference && ncc_quant_is_difference(p->v->def)))
        from_somewhere = ncc_kpu_moved_from(p) && from_somewhere;
    return from_somewhere;
}

/* Where channel c of a value comes from: where one of its pixels does. Of maps that were set apart only every fourth
 * one in each direction comes from somewhere. */
static struct kpu_pixel behind(const struct code_groups *s, struct value *v, int c, bool to_difference)
{
    enum { APART = 4 };
    struct kpu_pixel p;
    for (int i = 0; i < APART * APART; i++) {
        p = (struct kpu_pixel){v, c, v->window.top + i / APART, v->window.left + i % APART};
        if (i / APART < v->window.h && i % APART < v->window.w && go_back(s, &p, to_difference))
            return p;
    }
    p = (struct kpu_pixel){v, c, v->window.top, v->window.left};
    go_back(s, &p, to_difference);
    return p;
}

struct value *ncc_mixed_origin(const struct code_groups *s, struct value *v, int *c)
{
    const struct kpu_pixel p = behind(s, v, *c, false);
    *c = p.c;
    return p.v;
}

/* Is channel c of a mixed value a difference of codes? It may have been moved since. */
static bool is_difference(const struct code_groups *s, struct value *v, int c)
{
    return s->mixed[behind(s, v, c, true).v->id];
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

static enum need need_of_readers(const struct code_groups *s, const struct value *v);

/* What a reader needs of a mixed input. */
static enum need need_of(const struct code_groups *s, const struct node *n)
{
    if (n->op == OP_kpu_view) /* its channels are not those of its input: what they need, all of these need */
        return ncc_quant_merges(s->g, n) ? NEED_ONE_QUANT : need_of_readers(s, n->out[0]);
    if (n->op != OP_kpu_conv)
        return ncc_kpu_moves(n) ? NEED_NOTHING : NEED_ONE_QUANT;
    const struct kpu_conv_attrs *a = n->attrs;
    if (a->tied || (ncc_quant_is_difference(n) && !a->depthwise))
        return NEED_ONE_QUANT;
    if (a->copy && ncc_kpu_copies_nothing(n))
        return NEED_EQUAL_ZERO;
    if (a->kernel == 1 || a->pad_lowest || only_centre_taps(n))
        return NEED_NOTHING;
    return NEED_EQUAL_ZERO;
}

static enum need need_of_readers(const struct code_groups *s, const struct value *v)
{
    enum need need = ncc_value_is_output(s->g, v) ? NEED_ONE_QUANT : NEED_NOTHING;
    for (const struct use *u = v->uses; u; u = u->next) {
        const enum need own = need_of(s, u->node);
        need = own > need ? own : need;
    }
    return need;
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

/* A view that lays several channels into one map: all that it shows. */
static bool unite_merged(const struct code_groups *s, struct value *v)
{
    enum { SOME = 8 };
    const struct window *w = &v->window;
    struct value *first = NULL;
    bool changed = false;
    for (int i = 0; i < v->shape.dim[1] * SOME * SOME; i++) {
        struct kpu_pixel p = {v, i / (SOME * SOME), w->top + i / SOME % SOME, w->left + i % SOME};
        if (i / SOME % SOME >= w->h || i % SOME >= w->w || !go_back(s, &p, false))
            continue;
        if (first)
            changed |= ncc_group_unite(s, first, p.v);
        first = p.v;
    }
    return changed;
}

/* One zero point, with scales of their own. What shares one already and still differs cannot have it. */
static bool join_zeros(const struct code_groups *s)
{
    bool changed = false;
    for (int id = 0; id < s->n; id++) {
        struct value *v = s->value[id];
        if (v && s->mixed[id] && need_of_readers(s, v) == NEED_EQUAL_ZERO && zeros_differ(s, v))
            changed |= unite_origins(s, v, ncc_joint_zero_unite);
    }
    return changed;
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
    if (s->joint_zeros && join_zeros(s))
        return true; /* codes have to be chosen before it can be told who else must share them */
    bool changed = false;
    for (int id = 0; id < s->n; id++) {
        struct value *v = s->value[id];
        if (!v || !s->mixed[id])
            continue;
        const enum need need = need_of_readers(s, v);
        if (ncc_quant_merges(s->g, v->def))
            changed |= unite_merged(s, v);
        if (need == NEED_ONE_QUANT)
            changed |= unite_origins(s, v, ncc_group_unite);
        else if (need == NEED_EQUAL_ZERO && zeros_differ(s, v))
            changed |= unite_origins(s, v, ncc_group_unite);
        for (const struct use *u = v->uses; u; u = u->next)
            if (need_of(s, u->node) == NEED_ONE_QUANT && ncc_group_moves(s, u->node))
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
