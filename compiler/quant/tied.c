#include "compiler/quant/tied.h"

#include "compiler/ops/attrs.h"

static int root(int *parent, int i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

int ncc_tied_place(const struct tied *t, const struct value *v, int c)
{
    return root(t->parent, t->first[v->id] + c);
}

int ncc_tied_family(const struct tied *t, const struct value *v)
{
    return root(t->family, v->id);
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

/* How many of n's first inputs are tied to its result, channel by channel; 0: n does not tie. */
static int n_tied(const struct node *n)
{
    switch (n->op) {
    case OP_relu:
    case OP_leaky_relu:
    case OP_max_pool:
    case OP_avg_pool:
    case OP_resize:
        return 1;
    case OP_prelu:
        return ncc_is_const(n->in[1]) ? 1 : 0;
    case OP_add:
    case OP_sub:
    case OP_maximum:
    case OP_minimum:
        return ncc_shape_equal(n->in[0]->shape, n->in[1]->shape) ? 2 : 0;
    case OP_concat:
        return ((const struct concat_attrs *)n->attrs)->axis == 1 ? n->n_in : 0;
    default:
        return 0;
    }
}

static void tie_node(struct tied *t, const struct node *n)
{
    if (ncc_tied_ends(n))
        return;
    const int tied = has_places(t, n->out[0]) ? n_tied(n) : 0;
    for (int i = 0, at = 0; i < tied; i++) {
        tie(t, n->in[i], n->out[0], at);
        at += n->op == OP_concat ? n->in[i]->shape.dim[1] : 0;
    }
    for (int i = tied; i < n->n_in; i++)
        fix(t, n->in[i]);
    for (int i = 0; i < n->n_out && !tied; i++)
        fix(t, n->out[i]);
}

static void add_places(struct tied *t, const struct value *v)
{
    t->first[v->id] = v->dtype == DT_F32 && v->shape.rank == 4 ? t->n : -1;
    t->n += t->first[v->id] >= 0 ? v->shape.dim[1] : 0;
}

struct tied ncc_quant_tie(const struct graph *g, struct arena *a)
{
    struct tied t = {.first = NCC_NEW(a, int, g->next_id), .family = NCC_NEW(a, int, g->next_id)};
    for (int i = 0; i < g->next_id; i++) {
        t.first[i] = -1;
        t.family[i] = i;
    }
    for (int i = 0; i < g->inputs.n; i++)
        add_places(&t, g->inputs.v[i]);
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            add_places(&t, n->out[i]);
    t.parent = NCC_NEW(a, int, t.n);
    t.fixed = NCC_NEW(a, bool, t.n);
    for (int i = 0; i < t.n; i++)
        t.parent[i] = i;
    for (const struct node *n = g->first; n; n = n->next)
        tie_node(&t, n);
    for (int i = 0; i < g->inputs.n; i++)
        fix(&t, g->inputs.v[i]);
    for (int i = 0; i < g->outputs.n; i++)
        fix(&t, g->outputs.v[i].value);
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i]->range.known)
                fix(&t, n->out[i]);
    return t;
}
