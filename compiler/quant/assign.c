/* Groups of values with equal codes, and what each group's codes are.
 *
 * Two kinds of values:
 * - ordinary ones belong to a group (union-find over value ids), and the group has one quant;
 * - mixed ones are kpu_concat outputs, what moves these on, and differences of codes. They belong to no group: each
 *   channel has the quant of the ordinary value that it comes from, differences with zero point 0. Where a reader cannot
 *   use that, the groups of these are united.
 * Uniting changes ranges and with them zero points, so it is repeated until nothing changes; groups only grow.
 */
#include "compiler/quant/assign.h"

#include "compiler/ops/attrs.h"
#include "compiler/quant/by_channel.h"
#include "compiler/quant/cuts.h"

#include <math.h>

struct group {
    struct quant quant; /* n_channels 0: not known yet */
    struct range range;
    int n_members;
    bool given, conflict, fixed; /* quants of members: some; different ones; one that the outside world relies on */
};

struct state {
    struct graph *g;
    const struct observations *seen;
    enum range_method method;
    struct arena *scratch;
    int n;                /* ids */
    struct value **value; /* by id; NULL: of no interest */
    bool *mixed;
    bool *reaches_upload; /* by id */
    int *parent;          /* union-find by id */
    struct range *chosen; /* by id, filled when first needed */
    bool *is_chosen;
    struct group *group; /* by the id of the group's root */
};

static bool has_codes(const struct value *v)
{
    return v && !v->data && (v->dtype == DT_F32 || v->dtype == DT_U8);
}

static int find(const struct state *s, int id)
{
    while (s->parent[id] != id) {
        s->parent[id] = s->parent[s->parent[id]];
        id = s->parent[id];
    }
    return id;
}

/* The smaller id becomes the root, so that results do not depend on the order of unions. */
static bool unite(const struct state *s, const struct value *a, const struct value *b)
{
    const int x = find(s, a->id), y = find(s, b->id);
    if (x < y)
        s->parent[y] = x;
    else
        s->parent[x] = y;
    return x != y;
}

/* ---- who moves codes unchanged ---- */

static bool is_tied(const struct node *n)
{
    return n->op == OP_kpu_conv && ((const struct kpu_conv_attrs *)n->attrs)->tied;
}

/* Backwards: does an upload read the value, or what moves it on? */
static void find_uploads(struct state *s)
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
static bool moves_codes(const struct state *s, const struct node *n)
{
    if (n->op == OP_concat)
        return s->reaches_upload[n->out[0]->id];
    return n->op != OP_kpu_concat &&
           ((ncc_op_desc(n->op)->flags & OP_SAME_QUANT) || ncc_quant_is_copy(n) || is_tied(n));
}

/* Operators through which channels keep quants of their own. */
static bool keeps_channels(const struct node *n)
{
    return n->op == OP_kpu_concat || n->op == OP_kpu_slice || n->op == OP_kpu_recanvas || ncc_quant_is_copy(n);
}

/* Ordinary, but every channel has a scale of its own, unless the value is united with others. */
static bool has_channels(const struct state *s, const struct value *v)
{
    return v->quant.n_channels > 1 || (v->id < s->seen->n && s->seen->v[v->id].channel_max);
}

static void collect(struct state *s)
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
            s->mixed[v->id] = n->op == OP_kpu_concat || ncc_quant_is_difference(n) || (keeps_channels(n) && has_codes(n->in[0]) &&
                                                         (s->mixed[n->in[0]->id] || has_channels(s, n->in[0])));
        }
}

/* ---- mixed values ---- */

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
    for (; v->def && keeps_channels(v->def); v = behind(v, &c))
        if (ncc_quant_is_copy(v->def) && copied_channel(v->def, c) < 0)
            return true;
    return false;
}

/* Follows channel *c of a mixed value to the ordinary value that it comes from. */
static struct value *origin(const struct state *s, struct value *v, int *c)
{
    while (s->mixed[v->id])
        v = behind(v, c);
    return v;
}

/* Is channel c of a mixed value a difference of codes? It may have been moved since. */
static bool is_difference(const struct state *s, const struct value *v, int c)
{
    while (s->mixed[v->id] && !ncc_quant_is_difference(v->def))
        v = behind(v, &c);
    return s->mixed[v->id];
}

static struct quant quant_of(const struct state *s, const struct value *v)
{
    return s->group[find(s, v->id)].quant;
}

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
        return keeps_channels(n) ? NEED_NOTHING : NEED_ONE_QUANT;
    const struct kpu_conv_attrs *a = n->attrs;
    if (a->tied || (ncc_quant_is_difference(n) && !a->depthwise))
        return NEED_ONE_QUANT;
    if (a->kernel == 1 || a->pad_lowest || only_centre_taps(n))
        return NEED_NOTHING;
    return NEED_EQUAL_ZERO;
}

static bool zeros_differ(const struct state *s, struct value *v)
{
    double first = 0;
    for (int c = 0; c < v->shape.dim[1]; c++) {
        int k = c;
        const struct value *from = origin(s, v, &k);
        const struct quant q = quant_of(s, from);
        const double zero = q.n_channels ? rint(ncc_quant_zero(&q, k)) : 0;
        if (c && zero != first)
            return true;
        first = zero;
    }
    return false;
}

static bool unite_origins(const struct state *s, struct value *v)
{
    bool changed = false;
    int c0 = 0;
    const struct value *first = origin(s, v, &c0);
    for (int c = 1; c < v->shape.dim[1]; c++) {
        int k = c;
        changed |= unite(s, first, origin(s, v, &k));
    }
    return changed;
}

/* What a mover makes of a mixed value that has become one has its codes, too. */
static bool unite_with_origin(const struct state *s, struct value *v, const struct node *mover)
{
    bool changed = false;
    int c = 0;
    const struct value *from = origin(s, v, &c);
    for (int i = 0; i < mover->n_out; i++)
        if (s->value[mover->out[i]->id] && !s->mixed[mover->out[i]->id])
            changed |= unite(s, from, mover->out[i]);
    return changed;
}

static bool unite_for_readers(const struct state *s)
{
    bool changed = false;
    for (int id = 0; id < s->n; id++) {
        struct value *v = s->value[id];
        if (!v || !s->mixed[id])
            continue;
        enum need need = ncc_value_is_output(s->g, v) ? NEED_ONE_QUANT : NEED_NOTHING;
        for (const struct use *u = v->uses; u; u = u->next)
            need = need_of(u->node) > need ? need_of(u->node) : need;
        if (need == NEED_ONE_QUANT || (need == NEED_EQUAL_ZERO && zeros_differ(s, v)))
            changed |= unite_origins(s, v);
        for (const struct use *u = v->uses; u; u = u->next)
            if (need_of(u->node) == NEED_ONE_QUANT && moves_codes(s, u->node))
                changed |= unite_with_origin(s, v, u->node);
    }
    return changed;
}

/* ---- groups ---- */

static bool ordinary(const struct state *s, const struct value *v)
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
static const struct quant *given_quant(const struct state *s, const struct value *v)
{
    for (int id = 0; id < s->n; id++)
        if (s->value[id] && s->value[id]->quant.n_channels > 0 && find(s, id) == find(s, v->id))
            return &s->value[id]->quant;
    return NULL;
}

/* Given codes would be forced on all parts of a concat, which may need a wider range: better to stay apart, unless all
 * parts are given the same. */
static bool may_tie(const struct state *s, const struct node *n)
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

static void tie_moves(const struct state *s)
{
    for (const struct node *n = s->g->first; n; n = n->next) {
        if (!moves_codes(s, n) || !ordinary(s, n->in[0]) || !may_tie(s, n))
            continue;
        for (int i = 0; i < n->n_out; i++)
            if (ordinary(s, n->out[i]))
                unite(s, n->in[0], n->out[i]);
        if (n->op != OP_concat && n->op != OP_kpu_stack)
            continue;
        for (int i = 1; i < n->n_in; i++)
            if (ordinary(s, n->in[i]))
                unite(s, n->in[0], n->in[i]);
    }
}

static struct range join(struct range a, struct range b)
{
    if (!a.known || !b.known)
        return a.known ? a : b;
    return (struct range){true, fminf(a.lo, b.lo), fmaxf(a.hi, b.hi)};
}

/* What the codes of a quant reach. */
static struct range reach(struct quant q)
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
    group->range = join(group->range, reach(v->quant));
}

static struct range chosen_range(const struct state *s, int id)
{
    if (!s->is_chosen[id]) {
        s->is_chosen[id] = true;
        if (id < s->seen->n)
            s->chosen[id] = ncc_quant_choose(&s->seen->v[id], s->method);
    }
    return s->chosen[id];
}

static bool is_source(const struct state *s, const struct value *v)
{
    return !v->def || !moves_codes(s, v->def);
}

/* Adds to each group's range what the members of interest contribute. */
enum step { STEP_GIVEN, STEP_KNOWN, STEP_SOURCES, STEP_ANY };
static void gather(const struct state *s, enum step step)
{
    struct range *sum = NCC_NEW(s->scratch, struct range, s->n);
    for (int id = 0; id < s->n; id++) {
        const struct value *v = s->value[id];
        if (!v || s->mixed[id])
            continue;
        struct group *group = &s->group[find(s, id)];
        struct range *to = &sum[find(s, id)];
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

static bool is_alone(const struct state *s, const struct value *v)
{
    return v && !s->mixed[v->id] && s->group[find(s, v->id)].n_members == 1;
}

/* The result of a layer that only cuts keeps the size of its input's codes (cuts.h). */
static void keep_codes(const struct state *s, const struct node *n)
{
    const struct value *y = n->out[0];
    const double *factor = is_alone(s, y) ? ncc_quant_cut(n, s->scratch) : NULL;
    struct group *group = &s->group[find(s, y->id)];
    if (!factor || group->given || y->range.known)
        return;
    const int channels = y->shape.dim[1];
    double *scale = NCC_NEW(s->g->arena, double, channels), *zero_point = NCC_NEW(s->g->arena, double, channels);
    bool all_equal = true;
    for (int c = 0; c < channels; c++) {
        int k = c;
        const struct quant q = quant_of(s, origin(s, n->in[0], &k));
        if (!q.n_channels || ncc_quant_zero(&q, k) != rint(ncc_quant_zero(&q, k)))
            return;
        scale[c] = ncc_quant_scale(&q, k) * factor[c];
        all_equal &= scale[c] == scale[0];
    }
    if (all_equal || has_channels(s, y))
        group->quant = (struct quant){all_equal ? 1 : channels, scale, zero_point};
}

static void settle(const struct state *s)
{
    for (int id = 0; id < s->n; id++)
        s->group[id] = (struct group){0};
    for (enum step step = STEP_GIVEN; step <= STEP_ANY; step++)
        gather(s, step);
    for (int id = 0; id < s->n; id++) {
        struct group *group = &s->group[id];
        const bool keep = group->fixed || (group->given && !group->conflict);
        if (group->range.known && !keep)
            group->quant = ncc_quant_make(ncc_quant_codes(group->range), s->g->arena);
    }
    for (int id = 0; id < s->n; id++)
        s->group[find(s, id)].n_members++;
    for (int id = 0; id < s->n; id++) {
        struct group *group = &s->group[id];
        const struct value *v = s->value[id];
        if (is_alone(s, v) && !group->given && group->range.hi > group->range.lo && has_channels(s, v))
            group->quant = ncc_quant_channels(s->seen->v[id].channel_min, s->seen->v[id].channel_max, v->shape.dim[1],
                                              group->range, s->seen->v[id].n, s->g->arena);
    }
    for (const struct node *n = s->g->first; n; n = n->next)
        keep_codes(s, n);
}

/* Pieces of one map saw the same, and so mostly have the same codes already; but one of them may share its codes with
 * others. */
static bool unite_families(const struct state *s)
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
        else if (!same_quant(quant_of(s, *head), quant_of(s, v)))
            changed |= unite(s, *head, v);
    }
    return changed;
}

/* ---- the result ---- */

static void write_mixed(const struct state *s, struct value *v)
{
    const int n = v->shape.dim[1];
    double *scale = NCC_NEW(s->g->arena, double, n), *zero_point = NCC_NEW(s->g->arena, double, n);
    bool all_equal = true;
    for (int c = 0; c < n; c++) {
        int k = c;
        const struct quant q = quant_of(s, origin(s, v, &k));
        if (!q.n_channels)
            return;
        scale[c] = ncc_quant_scale(&q, k);
        zero_point[c] = is_difference(s, v, c) ? 0 : ncc_quant_zero(&q, k);
        all_equal &= scale[c] == scale[0] && zero_point[c] == zero_point[0];
    }
    v->quant = (struct quant){all_equal ? 1 : n, scale, zero_point};
    v->range = reach(v->quant);
}

static void write_ordinary(const struct state *s, struct value *v)
{
    struct group *group = &s->group[find(s, v->id)];
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

bool ncc_quant_assign(struct graph *g, const struct observations *seen, enum range_method method, struct arena *scratch)
{
    struct state s = {.g = g, .seen = seen, .method = method, .scratch = scratch, .n = g->next_id};
    s.value = NCC_NEW(scratch, struct value *, s.n);
    s.mixed = NCC_NEW(scratch, bool, s.n);
    s.reaches_upload = NCC_NEW(scratch, bool, s.n);
    s.parent = NCC_NEW(scratch, int, s.n);
    s.chosen = NCC_NEW(scratch, struct range, s.n);
    s.is_chosen = NCC_NEW(scratch, bool, s.n);
    s.group = NCC_NEW(scratch, struct group, s.n);
    for (int id = 0; id < s.n; id++)
        s.parent[id] = id;
    collect(&s);
    find_uploads(&s);
    tie_moves(&s);
    bool united;
    do {
        settle(&s);
        united = unite_for_readers(&s);
        united = unite_families(&s) || united;
    } while (united);
    for (int id = 0; id < s.n; id++)
        if (s.value[id] && !s.mixed[id])
            write_ordinary(&s, s.value[id]);
    for (int id = 0; id < s.n; id++)
        if (s.value[id] && s.mixed[id])
            write_mixed(&s, s.value[id]);
    for (int id = 0; id < s.n && id < seen->n; id++)
        if (s.value[id])
            s.value[id]->mean = seen->v[id].mean;
    return true;
}
