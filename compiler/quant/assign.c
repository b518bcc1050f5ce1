/* What values have equal codes, and what the codes of each group are. Uniting groups changes ranges and with them zero
 * points, so it is repeated until nothing changes; groups only grow.
 */
#include "compiler/quant/assign.h"

#include "compiler/base/union_find.h"
#include "compiler/ops/attrs.h"
#include "compiler/ops/kpu_moves.h"
#include "compiler/quant/by_channel.h"
#include "compiler/quant/code_groups.h"
#include "compiler/quant/cuts.h"
#include "compiler/quant/reach.h"

#include <math.h>

static bool has_codes(const struct value *v)
{
    return v && !v->data && (v->dtype == DT_F32 || v->dtype == DT_U8);
}

/* ---- union-find ---- */

int ncc_group_root(const struct code_groups *s, int id)
{
    return ncc_sets_root(s->parent, id);
}

bool ncc_group_unite(const struct code_groups *s, const struct value *a, const struct value *b)
{
    ncc_sets_unite(s->zeros, a->id, b->id);
    return ncc_sets_unite(s->parent, a->id, b->id);
}

struct quant ncc_group_quant(const struct code_groups *s, const struct value *v)
{
    return s->group[ncc_group_root(s, v->id)].quant;
}

/* ---- who moves codes unchanged ---- */

static bool is_tied(const struct node *n)
{
    return n->op == OP_kpu_conv && ((const struct kpu_conv_attrs *)n->attrs)->tied;
}

/* Backwards: does an upload read the value, or what moves it on? */
static void find_uploads(struct code_groups *s)
{
    for (const struct node *n = s->g->last; n; n = n->prev) {
        const bool moves = ncc_op_desc(n->op)->flags & OP_SAME_QUANT || n->op == OP_concat;
        bool reaches = n->op == OP_kpu_upload;
        for (int i = 0; moves && i < n->n_out; i++)
            reaches |= s->reaches_upload[n->out[i]->id];
        for (int i = 0; reaches && i < n->n_in; i++)
            if (n->in[i])
                s->reaches_upload[n->in[i]->id] = true;
    }
}

/* A concat on the CPU moves codes if the chip wants its result; otherwise it may as well be in float. */
bool ncc_group_moves(const struct code_groups *s, const struct node *n)
{
    if (n->op == OP_concat)
        return s->reaches_upload[n->out[0]->id];
    return n->op != OP_kpu_concat &&
           ((ncc_op_desc(n->op)->flags & OP_SAME_QUANT) || ncc_quant_is_copy(n) || is_tied(n));
}

/* Ordinary, but every channel has a scale of its own, unless the value is united with others. */
static bool has_channels(const struct code_groups *s, const struct value *v)
{
    return v->quant.n_channels > 1 || (v->id < s->seen->n && s->seen->v[v->id].channel_max);
}

static void collect(struct code_groups *s)
{
    for (int i = 0; i < s->g->inputs.n; i++)
        if (has_codes(s->g->inputs.v[i]))
            s->value[s->g->inputs.v[i]->id] = s->g->inputs.v[i];
    for (const struct node *n = s->g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++) {
            struct value *v = n->out[i];
            if (!has_codes(v))
                continue;
            s->value[v->id] = v;
            s->mixed[v->id] = n->op == OP_kpu_concat || ncc_quant_is_difference(n) || (ncc_kpu_moves(n) && has_codes(n->in[0]) &&
                                                         (s->mixed[n->in[0]->id] || has_channels(s, n->in[0])));
        }
}

/* ---- groups ---- */

static bool ordinary(const struct code_groups *s, const struct value *v)
{
    return has_codes(v) && !s->mixed[v->id];
}

static bool same_quant(struct quant a, struct quant b)
{
    bool same = a.n_channels == b.n_channels;
    for (int c = 0; same && c < a.n_channels; c++)
        same = a.scale[c] == b.scale[c] && a.zero_point[c] == b.zero_point[c];
    return same;
}

/* What somebody else decided the codes of v's group to mean, or NULL. */
static const struct quant *given_quant(const struct code_groups *s, const struct value *v)
{
    for (int id = 0; id < s->n; id++)
        if (s->value[id] && s->value[id]->quant.n_channels > 0 && ncc_group_root(s, id) == ncc_group_root(s, v->id))
            return &s->value[id]->quant;
    return NULL;
}

/* Given codes would be forced on all parts of a concat, which may need a wider range: better to stay apart, unless all
 * parts are given the same. */
static bool may_tie(const struct code_groups *s, const struct node *n)
{
    const struct quant *first = NULL;
    bool some = false;
    for (int i = 0; n->op == OP_concat && i < n->n_in; i++) {
        if (!ordinary(s, n->in[i]))
            continue;
        const struct quant *q = given_quant(s, n->in[i]);
        if (some && (!q != !first || (q && !same_quant(*q, *first))))
            return false;
        first = q;
        some = true;
    }
    return true;
}

static void tie_moves(const struct code_groups *s)
{
    for (const struct node *n = s->g->first; n; n = n->next) {
        if (!ncc_group_moves(s, n) || !ordinary(s, n->in[0]) || !may_tie(s, n))
            continue;
        for (int i = 0; i < n->n_out; i++)
            if (ordinary(s, n->out[i]))
                ncc_group_unite(s, n->in[0], n->out[i]);
        if (n->op != OP_concat && n->op != OP_kpu_stack)
            continue;
        for (int i = 1; i < n->n_in; i++)
            if (ordinary(s, n->in[i]))
                ncc_group_unite(s, n->in[0], n->in[i]);
    }
}

static struct range join(struct range a, struct range b)
{
    if (!a.known || !b.known)
        return a.known ? a : b;
    return (struct range){true, fminf(a.lo, b.lo), fmaxf(a.hi, b.hi)};
}

/* What the codes of a quant reach. */
struct range ncc_codes_reach(struct quant q)
{
    struct range r = {0};
    for (int c = 0; c < q.n_channels; c++) {
        const double lo = -q.zero_point[c] * q.scale[c], hi = (255 - q.zero_point[c]) * q.scale[c];
        r = join(r, (struct range){true, (float)lo, (float)hi});
    }
    return r;
}

/* Quants that members have already. That of a graph input is a promise to the caller and wins; if others differ, the
 * group gets codes that reach as far as all of them. */
static void take_given(struct group *group, const struct value *v)
{
    if (!v->quant.n_channels)
        return;
    if (!group->fixed) {
        group->conflict |= group->given && !same_quant(group->quant, v->quant);
        group->quant = v->quant;
    }
    group->fixed |= !v->def;
    group->given = true;
    group->range = join(group->range, ncc_codes_reach(v->quant));
}

static struct range chosen_range(const struct code_groups *s, int id)
{
    if (!s->is_chosen[id]) {
        s->is_chosen[id] = true;
        if (id < s->seen->n)
            s->chosen[id] = ncc_quant_choose(&s->seen->v[id], s->method);
    }
    return s->chosen[id];
}

/* The view that alone reads what a layer made, and knows which of it counts; NULL: there is none. */
static const struct value *shown_by(const struct code_groups *s, const struct value *v)
{
    const struct node *n = v->def && v->def->op == OP_kpu_conv ? ncc_value_only_use(s->g, v) : NULL;
    const struct value *view = n && n->op == OP_kpu_view ? n->out[0] : NULL;
    return view && (view->window.h < view->shape.dim[2] || view->window.w < view->shape.dim[3]) ? view : NULL;
}

static bool is_source(const struct code_groups *s, const struct value *v)
{
    if (v->def && v->def->op == OP_kpu_view && shown_by(s, v->def->in[0]))
        return !ncc_group_moves(s, v->def->in[0]->def);
    return !v->def || (!ncc_group_moves(s, v->def) && !shown_by(s, v));
}

/* Adds to each group's range what the members of interest contribute. */
enum step { STEP_GIVEN, STEP_KNOWN, STEP_SOURCES, STEP_ANY };
static void gather(const struct code_groups *s, enum step step)
{
    struct range *sum = NCC_NEW(s->scratch, struct range, s->n);
    for (int id = 0; id < s->n; id++) {
        const struct value *v = s->value[id];
        if (!v || s->mixed[id])
            continue;
        struct group *group = &s->group[ncc_group_root(s, id)];
        struct range *to = &sum[ncc_group_root(s, id)];
        if (step == STEP_GIVEN)
            take_given(group, v);
        else if (step == STEP_KNOWN && v->range.known)
            *to = join(*to, v->range);
        else if ((step == STEP_SOURCES && is_source(s, v)) || step == STEP_ANY)
            *to = join(*to, chosen_range(s, id));
    }
    for (int id = 0; id < s->n; id++)
        if (!s->group[id].range.known)
            s->group[id].range = sum[id];
}

bool ncc_group_channels(const struct code_groups *s, int id, struct channel_ranges *r)
{
    const struct value *v = s->value[id];
    const struct group *group = &s->group[id];
    if (!v || s->mixed[id] || group->n_members != 1 || group->given || !has_channels(s, v) ||
        !(group->range.hi > group->range.lo))
        return false;
    const struct observation *o = &s->seen->v[id];
    const int n = v->shape.dim[1];
    *r = (struct channel_ranges){.n = n,
                                 .min = o->channel_min,
                                 .max = o->channel_max,
                                 .whole = group->range,
                                 .margin = ncc_channels_margin((double)o->n / n),
                                 .limit = ncc_channels_limit(v),
                                 .reach = NCC_REACH_SEEN};
    if (s->reach[id].factor == 0)
        s->reach[id] = s->reach_seen ? NCC_REACH_SEEN : ncc_channels_reach(r, o, s->scratch);
    r->reach = s->reach[id];
    return true;
}

static void choose_codes(const struct code_groups *s, int id)
{
    struct group *group = &s->group[id];
    struct channel_ranges channels;
    if (ncc_group_channels(s, id, &channels))
        group->quant = ncc_quant_channels(&channels, ncc_channels_best_zero(&channels), s->g->arena);
    else if (group->range.known && !ncc_group_keeps(group))
        group->quant = ncc_quant_make(ncc_quant_codes(group->range), s->g->arena);
}

static bool is_alone(const struct code_groups *s, const struct value *v)
{
    return v && !s->mixed[v->id] && s->group[ncc_group_root(s, v->id)].n_members == 1;
}

/* The result of a layer that only cuts keeps the size of its input's codes (cuts.h), unless it must have another zero
 * point. */
static void keep_codes(const struct code_groups *s, const struct node *n)
{
    const struct value *y = n->out[0];
    const double *factor = is_alone(s, y) ? ncc_quant_cut(n, s->scratch) : NULL;
    struct group *group = &s->group[ncc_group_root(s, y->id)];
    if (!factor || group->given || y->range.known || (group->quant.n_channels && group->quant.zero_point[0] != 0))
        return;
    const int channels = y->shape.dim[1];
    double *scale = NCC_NEW(s->g->arena, double, channels), *zero_point = NCC_NEW(s->g->arena, double, channels);
    bool all_equal = true;
    for (int c = 0; c < channels; c++) {
        int k = c;
        const struct quant q = ncc_group_quant(s, ncc_mixed_origin(s, n->in[0], &k));
        if (!q.n_channels || ncc_quant_zero(&q, k) != rint(ncc_quant_zero(&q, k)))
            return;
        scale[c] = ncc_quant_scale(&q, k) * factor[c];
        all_equal &= scale[c] == scale[0];
    }
    if (!all_equal && !has_channels(s, y))
        return;
    group->quant = (struct quant){all_equal ? 1 : channels, scale, zero_point};
    group->kept = true;
}

/* Scales of channels that one member was given mean nothing for others, whose channels may come in another order. */
static void give_up_channels(struct group *group)
{
    group->conflict |= group->given && !group->fixed && group->n_members > 1 && group->quant.n_channels > 1;
}

static void settle(const struct code_groups *s)
{
    for (int id = 0; id < s->n; id++)
        s->group[id] = (struct group){0};
    for (enum step step = STEP_GIVEN; step <= STEP_ANY; step++)
        gather(s, step);
    for (int id = 0; id < s->n; id++)
        s->group[ncc_group_root(s, id)].n_members++;
    for (int id = 0; id < s->n; id++) {
        give_up_channels(&s->group[id]);
        choose_codes(s, id);
    }
    if (s->joint_zeros)
        ncc_joint_zeros(s);
    for (const struct node *n = s->g->first; n; n = n->next)
        keep_codes(s, n);
}

/* Pieces of one map saw the same, and so mostly have the same codes already; but one of them may share its codes with
 * others. */
static bool unite_families(const struct code_groups *s)
{
    const struct value **first = NCC_NEW(s->scratch, const struct value *, s->n + 1);
    bool changed = false;
    for (int id = 0; id < s->n; id++) {
        const struct value *v = s->value[id];
        if (!v || s->mixed[id] || !v->family)
            continue;
        const struct value **head = &first[v->family];
        if (!*head)
            *head = v;
        else if (!same_quant(ncc_group_quant(s, *head), ncc_group_quant(s, v)))
            changed |= (s->joint_zeros && ncc_joint_zero_unite(s, *head, v)) || ncc_group_unite(s, *head, v);
    }
    return changed;
}

/* ---- the result ---- */

static void write_ordinary(const struct code_groups *s, struct value *v)
{
    struct group *group = &s->group[ncc_group_root(s, v->id)];
    if (!group->quant.n_channels) {
        if (v->dtype != DT_F32)
            return;
        group->range = (struct range){true, 0, 1};
        group->quant = ncc_quant_make(ncc_quant_codes(group->range), s->g->arena);
        ncc_diag_warn(s->g->diags, (struct place){.file = s->g->file, .node = v->def ? v->def->name : v->name},
                      "no sample gave this value a range; 0 .. 1 is assumed", "use more samples", "value '%s'",
                      v->name);
    }
    v->quant = group->quant;
    v->range = group->range;
}

bool ncc_quant_assign(struct graph *g, const struct observations *seen, const struct assign_options *options,
                      struct arena *scratch)
{
    struct code_groups s = {.g = g,
                            .seen = seen,
                            .method = options->method,
                            .joint_zeros = options->joint & JOINT_CONCAT,
                            .reach_seen = options->reach_seen || options->method != RANGE_AUTO,
                            .scratch = scratch,
                            .n = g->next_id};
    s.value = NCC_NEW(scratch, struct value *, s.n);
    s.mixed = NCC_NEW(scratch, bool, s.n);
    s.reaches_upload = NCC_NEW(scratch, bool, s.n);
    s.parent = NCC_NEW(scratch, int, s.n);
    s.zeros = NCC_NEW(scratch, int, s.n);
    s.reach = NCC_NEW(scratch, struct reach, s.n);
    s.chosen = NCC_NEW(scratch, struct range, s.n);
    s.is_chosen = NCC_NEW(scratch, bool, s.n);
    s.group = NCC_NEW(scratch, struct group, s.n);
    ncc_sets_begin(s.parent, s.n);
    ncc_sets_begin(s.zeros, s.n);
    collect(&s);
    find_uploads(&s);
    tie_moves(&s);
    bool united;
    do {
        settle(&s);
        united = ncc_mixed_unite(&s);
        united = unite_families(&s) || united;
    } while (united);
    if (options->joint & JOINT_SUM)
        ncc_joint_sums(&s);
    for (int id = 0; id < s.n; id++)
        if (s.value[id] && !s.mixed[id])
            write_ordinary(&s, s.value[id]);
    for (int id = 0; id < s.n; id++)
        if (s.value[id] && s.mixed[id])
            ncc_mixed_write(&s, s.value[id]);
    for (int id = 0; id < s.n && id < seen->n; id++)
        if (s.value[id])
            s.value[id]->mean = seen->v[id].mean;
    return true;
}
