/* The walk: every node that placement put on the KPU builds its canvas, together with the activations and the pool
 * behind it; every other node gets its inputs in main memory. A node that cannot be built after all stays on
 * the CPU with the reason. */
#include "compiler/k210/lower.h"

#include <string.h>

static const char *joined(struct lowering *l, const char *a, const char *b)
{
    return a && b ? ncc_arena_printf(l->g->arena, "%s,%s", a, b) : a ? a : b;
}

struct fused ncc_lower_fuse(struct lowering *l, struct node *n, bool allow_pool)
{
    struct fused f = {.end = n->out[0], .origin = n->origin ? n->origin : n->name};
    for (;;) {
        struct node *next = ncc_value_only_use(l->g, f.end);
        if (!next || !next->on_kpu)
            break;
        const bool unary = ncc_op_desc(next->op)->flags & OP_UNARY && ncc_act_push(&f.act, next);
        const bool pool = !unary && allow_pool && !l->no_rides && ncc_lower_pool_rides(next);
        if (!unary && !pool)
            break;
        f.end = next->out[0];
        f.origin = joined(l, f.origin, next->origin);
        if (pool) {
            f.pool = next;
            break;
        }
    }
    return f;
}

/* The layers of this node that write a canvas in parts share what is known of the whole: samples may show less of each.
 */
static void give_range(const struct lowering *l, struct value *canvas, const struct value *like)
{
    if (canvas->range.known)
        return;
    canvas->range = like->range;
    const struct node *n = canvas->def;
    for (int i = 0; n && n->op == OP_kpu_concat && like->range.known && i < n->n_in; i++) {
        const struct node *part = n->in[i]->def;
        const bool made = part && (part->op == OP_kpu_concat ||
                                   (part->op == OP_kpu_conv && !((const struct kpu_conv_attrs *)part->attrs)->copy));
        if (made && n->in[i]->id >= l->span->first)
            give_range(l, n->in[i], like);
    }
}

void ncc_lower_fused(struct lowering *l, const struct node *n, const struct fused *f, struct value *canvas)
{
    give_range(l, canvas, f->end);
    for (struct value *v = n->out[0];; v = v->uses->node->out[0]) {
        if (f->slot)
            ncc_lower_set_spread(l, v, canvas, f->slot);
        else
            ncc_lower_form_to_set(l, v)->kpu = canvas;
        if (v == f->end)
            return;
    }
}

typedef bool lower_fn(struct lowering *l, struct node *n, const char **why);

static bool constant_operand(const struct node *n)
{
    return ncc_is_const(n->in[0]) || ncc_is_const(n->in[1]);
}

static lower_fn *method_of(const struct node *n)
{
    switch ((int)n->op) {
    case OP_conv2d:
        return ncc_lower_op_conv2d;
    case OP_matmul:
        return ncc_lower_op_matmul;
    case OP_reshape:
        return ncc_lower_op_vector;
    case OP_reduce:
        return ncc_lower_op_reduce;
    case OP_max_pool:
    case OP_avg_pool:
        return ncc_lower_op_pool;
    case OP_add:
    case OP_sub:
        return constant_operand(n) ? ncc_lower_op_affine : ncc_lower_op_sum;
    case OP_maximum:
    case OP_minimum:
        return ncc_lower_op_extremum;
    case OP_mul:
        return constant_operand(n) ? ncc_lower_op_affine : ncc_lower_op_product;
    case OP_div:
        return ncc_lower_op_affine;
    case OP_concat:
        return ((const struct concat_attrs *)n->attrs)->axis == 2 ? ncc_lower_op_stack : ncc_lower_op_concat;
    case OP_pad:
        return ncc_lower_op_pad;
    case OP_slice:
        return ncc_lower_op_slice;
    case OP_resize:
    case OP_conv2d_transpose:
    case OP_depth_to_space:
        return ncc_lower_op_enlarge;
    case OP_gather:
        return ncc_lower_op_gather;
    case OP_prelu:
        return ncc_lower_op_prelu;
    default:
        return ncc_op_desc(n->op)->flags & OP_UNARY ? ncc_lower_op_unary : NULL;
    }
}

static void take_from_main(struct lowering *l, struct node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        struct value *v = n->in[i];
        if (v && !v->data && v->id < l->n_forms)
            ncc_node_set_input(n, i, ncc_lower_main(l, v), l->g->arena);
    }
}

static struct family layers_between(struct lowering *l, const struct node *first, const struct node *end)
{
    struct family layers = {0};
    for (const struct node *n = first; n != end; n = n->next)
        if (n->op == OP_kpu_conv && !((const struct kpu_conv_attrs *)n->attrs)->copy)
            NCC_PUSH(l->g->arena, &layers, n);
    return layers;
}

static bool are_alike(const struct node *a, const struct node *b)
{
    const struct kpu_conv_attrs *x = a->attrs, *y = b->attrs;
    return a->out[0]->shape.dim[1] == b->out[0]->shape.dim[1] && x->tied == y->tied && x->act.n == y->act.n;
}

/* The layers between two nodes belong together with those that were made for the other pieces of the same map: one by
 * one where they were made in the same way, else the last, which makes the piece. */
static void join_family(struct lowering *l, int number, struct node *first, const struct node *end)
{
    struct family *f = &l->families[number];
    const struct family own = layers_between(l, first, end);
    if (!f->n)
        *f = own;
    bool alike = own.n == f->n;
    for (int i = 0; i < own.n && alike; i++)
        alike = are_alike(own.v[i], f->v[i]);
    for (int i = 0; i < own.n; i++) {
        const int from_last = own.n - 1 - i, other = f->n - 1 - from_last;
        if (alike || (from_last == 0 && are_alike(own.v[i], f->v[other])))
            own.v[i]->out[0]->family = f->v[other]->out[0]->id + 1;
    }
}

/* What stands between two nodes was made for the second. */
static void give_origin(struct node *first, const struct node *end)
{
    for (struct node *n = first; n != end; n = n->next) {
        n->made_for = 1 + end->out[0]->id;
        if (!n->origin)
            n->origin = end->origin;
    }
}

/* If its layer cannot take the pool behind it, the pool has layers of its own. */
static bool lower_node(struct lowering *l, struct node *n, const char **why)
{
    lower_fn *lower = method_of(n);
    const struct attempt a = ncc_lower_begin(l);
    if (!lower || lower(l, n, why))
        return lower != NULL;
    ncc_lower_undo(l, &a);
    l->no_rides = true;
    const bool good = lower(l, n, why);
    l->no_rides = false;
    return good;
}

static void visit(struct lowering *l, struct node *n)
{
    if (n->on_kpu) {
        if (l->forms[n->out[0]->id].kpu || l->forms[n->out[0]->id].spread)
            return; /* fused into an earlier layer */
        const char *why = "no KPU form of this operator is known";
        const struct node *before = n->prev;
        if (lower_node(l, n, &why)) {
            struct node *first = before ? before->next : l->g->first;
            if (n->out[0]->family)
                join_family(l, n->out[0]->family, first, n);
            give_origin(first, n);
            return;
        }
        n->on_kpu = false;
        n->reason = why;
    }
    take_from_main(l, n);
}

void ncc_lower_walk(struct lowering *l, struct arena *scratch)
{
    struct graph *g = l->g;
    l->n_forms = g->next_id;
    l->forms = NCC_NEW(scratch, struct form, l->n_forms);
    l->set = NCC_NEW(scratch, int, NCC_LOWER_N_FORMS * l->n_forms);
    l->spans = NCC_NEW(scratch, struct span, l->n_forms + 1);
    l->families = NCC_NEW(scratch, struct family, l->n_forms + 1);
    ncc_lower_try(l, 0);
    ncc_lower_decisions_new(l, scratch);
    ncc_lower_taps_new(l, scratch);
    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        g->cursor = n;
        l->span = &l->spans[n->out[0]->id];
        l->span->first = g->next_id;
        l->decisions.n = 0;
        visit(l, n);
        l->span->end = g->next_id;
    }
    g->cursor = NULL;
    l->span = &l->spans[l->n_forms];
    l->span->first = g->next_id;
    for (int i = 0; i < g->outputs.n; i++)
        g->outputs.v[i].value = ncc_lower_main(l, g->outputs.v[i].value);
    l->span->end = g->next_id;
    if (l->options->n_made)
        *l->options->n_made += g->next_id - l->n_forms;
    ncc_graph_sweep(g);
}

double ncc_lower_walked_us(const struct lowering *l)
{
    double us = 0;
    for (int i = 0; i <= l->n_forms; i++)
        us += l->spans[i].detour_us;
    for (const struct node *n = l->g->first; n; n = n->next)
        us += ncc_lower_layer_us(l, n);
    return us;
}

/* Kernels of up to three rows and columns need no margin. */
static bool is_large(const struct node *n)
{
    if (n->op == OP_conv2d) {
        const struct conv2d_attrs *a = n->attrs;
        const int *w = n->in[1]->shape.dim;
        return (w[2] - 1) * a->dil_h > 2 || (w[3] - 1) * a->dil_w > 2;
    }
    const struct pool_attrs *a = n->op == OP_avg_pool ? n->attrs : NULL;
    return a && (a->kernel_h > 3 || a->kernel_w > 3);
}

static bool may_make_margins(const struct graph *g)
{
    for (const struct node *n = g->first; n; n = n->next)
        if (n->on_kpu && is_large(n))
            return true;
    return false;
}

bool ncc_k210_lower(struct graph *g, const struct k210_options *options, struct arena *scratch)
{
    struct lowering l = {.g = g, .options = options, .trying = options->on_trial};
    l.no_margins = !may_make_margins(g) || !ncc_lower_margins_pay(g, options, scratch);
    ncc_lower_walk(&l, scratch);
    return true;
}
