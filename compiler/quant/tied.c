#include "compiler/quant/tied.h"

#include "compiler/base/union_find.h"
#include "compiler/ops/attrs.h"

int ncc_tied_place(const struct tied *t, const struct value *v, int c)
{
    return ncc_sets_root(t->parent, t->first[v->id] + c);
}

int ncc_tied_family(const struct tied *t, const struct value *v)
{
    return ncc_sets_root(t->family, v->id);
}

static bool has_places(const struct tied *t, const struct value *v)
{
    return v && t->first[v->id] >= 0;
}

static void fix(struct tied *t, const struct value *v)
{
    for (int c = 0; has_places(t, v) && c < v->shape.dim[1]; c++)
        t->fixed[ncc_tied_place(t, v, c)] = true;
}

/* All channels of x to those of y from `first` on. */
static void tie(struct tied *t, const struct value *x, const struct value *y, int first)
{
    for (int c = 0; c < x->shape.dim[1]; c++) {
        const int a = has_places(t, x) ? ncc_tied_place(t, x, c) : -1, b = ncc_tied_place(t, y, first + c);
        if (a < 0) {
            t->fixed[b] = true;
        } else {
            t->fixed[b] |= t->fixed[a];
            t->parent[a] = b;
        }
    }
    if (has_places(t, x))
        t->family[ncc_tied_family(t, x)] = ncc_tied_family(t, y);
}

bool ncc_tied_ends(const struct node *n)
{
    if (n->op != OP_conv2d && n->op != OP_conv2d_transpose)
        return false;
    return ncc_is_const(n->in[1]) && (n->n_in < 3 || !n->in[2] || ncc_is_const(n->in[2]));
}

/* What factors go through in n; 0: n does not let them. */
static unsigned passes(const struct node *n)
{
    switch (n->op) {
    case OP_relu:
    case OP_leaky_relu:
        return THROUGH_RELU;
    case OP_max_pool:
    case OP_avg_pool:
    case OP_resize:
        return THROUGH_POOL;
    case OP_prelu:
        return ncc_is_const(n->in[1]) ? THROUGH_PRELU : 0;
    case OP_add:
    case OP_sub:
    case OP_maximum:
    case OP_minimum:
        return ncc_shape_equal(n->in[0]->shape, n->in[1]->shape) ? THROUGH_SUM : 0;
    case OP_concat:
        return ((const struct concat_attrs *)n->attrs)->axis == 1 ? THROUGH_CONCAT : 0;
    default:
        return 0;
    }
}

/* How many of n's first inputs are tied to its result, channel by channel. */
static int n_tied(const struct node *n, unsigned through)
{
    switch (passes(n) & through) {
    case THROUGH_SUM:
        return 2;
    case THROUGH_CONCAT:
        return n->n_in;
    default:
        return passes(n) & through ? 1 : 0;
    }
}

static bool is_depthwise(const struct node *n)
{
    const int c = n->in[0]->shape.dim[1];
    return n->op == OP_conv2d && c > 1 && ((const struct conv2d_attrs *)n->attrs)->groups == c;
}

/* Both ends of n are free, unless the caller wants none there. */
static void end_ties(struct tied *t, const struct node *n, unsigned through)
{
    const bool whole = !is_depthwise(n) || through & THROUGH_DEPTHWISE;
    const struct node *before = n->in[0]->def;
    if (!whole || (before && ncc_tied_ends(before) && !(through & THROUGH_RELU)))
        fix(t, n->in[0]);
    if (!whole)
        fix(t, n->out[0]);
}

static void tie_node(struct tied *t, const struct node *n, unsigned through)
{
    if (ncc_tied_ends(n)) {
        end_ties(t, n, through);
        return;
    }
    const int tied = has_places(t, n->out[0]) ? n_tied(n, through) : 0;
    for (int i = 0, at = 0; i < tied; i++) {
        tie(t, n->in[i], n->out[0], at);
        at += n->op == OP_concat ? n->in[i]->shape.dim[1] : 0;
    }
    for (int i = tied; i < n->n_in; i++)
        fix(t, n->in[i]);
    for (int i = 0; i < n->n_out && !tied; i++)
        fix(t, n->out[i]);
}

/* What is known to come with codes, or is not to have factors for its readers' number. */
static bool stays(const struct value *v, unsigned through)
{
    const bool several = v->uses && v->uses->next;
    return v->range.known || (several && !(through & THROUGH_READERS));
}

static void add_places(struct tied *t, const struct value *v)
{
    t->first[v->id] = v->dtype == DT_F32 && v->shape.rank == 4 ? t->n : -1;
    t->n += t->first[v->id] >= 0 ? v->shape.dim[1] : 0;
}

struct tied ncc_quant_tie(const struct graph *g, unsigned through, struct arena *a)
{
    struct tied t = {.first = NCC_NEW(a, int, g->next_id), .family = NCC_NEW(a, int, g->next_id)};
    ncc_sets_begin(t.family, g->next_id);
    for (int i = 0; i < g->next_id; i++)
        t.first[i] = -1;
    for (int i = 0; i < g->inputs.n; i++)
        add_places(&t, g->inputs.v[i]);
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            add_places(&t, n->out[i]);
    t.parent = NCC_NEW(a, int, t.n);
    t.fixed = NCC_NEW(a, bool, t.n);
    ncc_sets_begin(t.parent, t.n);
    for (const struct node *n = g->first; n; n = n->next)
        tie_node(&t, n, through);
    for (int i = 0; i < g->inputs.n; i++)
        fix(&t, g->inputs.v[i]);
    for (int i = 0; i < g->outputs.n; i++)
        fix(&t, g->outputs.v[i].value);
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            if (stays(n->out[i], through))
                fix(&t, n->out[i]);
    return t;
}
