/* Operands of CPU kernels that are broadcast, written out: the field's v4 kernels take five times as long for an element
 * where shapes differ (runtime/kernels.def), even where one operand is a single number. A constant is as large as the
 * result then; what is computed is copied by a concatenation, if that is quicker after all. */
#include "compiler/ir/broadcasting.h"
#include "compiler/k210/cost.h"
#include "compiler/k210/k210.h"
#include "compiler/k210/repeat.h"
#include "compiler/ops/attrs.h"

static struct value *wide_constant(struct graph *g, const struct value *v, struct shape to)
{
    const int64_t n = ncc_shape_count(to);
    float *wide = NCC_NEW(g->arena, float, n);
    for (int64_t i = 0; i < n; i++)
        wide[i] = ((const float *)v->data)[ncc_broadcast_index(v->shape, to, i)];
    return ncc_const(g, ncc_name(g, v->name, "wide"), DT_F32, to, wide);
}

/* The last axis first, so that runs become longer. */
static struct value *copies(struct graph *g, const struct node *n, struct value *v, struct shape to)
{
    const struct shape padded = ncc_shape_left_pad(v->shape, to.rank);
    if (!ncc_shape_equal(padded, v->shape)) {
        struct reshape_attrs r = {.shape.n = to.rank};
        for (int i = 0; i < to.rank; i++)
            r.shape.v[i] = padded.dim[i];
        v = NCC_OP(g, OP_reshape, ncc_name(g, v->name, "padded"), &r, v);
    }
    for (int axis = to.rank - 1; axis >= 0; axis--) {
        if (v->shape.dim[axis] == to.dim[axis])
            continue;
        v = ncc_k210_repeated(g, ncc_name(g, v->name, "wide"), v, axis, to.dim[axis]);
        v->def->origin = n->origin;
    }
    return v;
}

/* What the nodes in front of n take that are not older than value number `first`. */
static double copies_us(const struct node *n, int first, enum ncc_kpu_runtime runtime)
{
    double us = 0;
    for (n = n->prev; n && n->out[0]->id >= first; n = n->prev)
        us += ncc_cost_cpu_us(n, runtime);
    return us;
}

static bool is_of_reals(const struct value *v)
{
    return v->dtype == DT_F32 && v->mem == MEM_MAIN;
}

static bool may_be_widened(const struct node *n)
{
    return (ncc_op_desc(n->op)->flags & OP_BINARY) && n->n_in == 2 && is_of_reals(n->in[0]) && is_of_reals(n->in[1]) &&
           is_of_reals(n->out[0]) && !ncc_shape_equal(n->in[0]->shape, n->in[1]->shape);
}

static void widen(struct graph *g, struct node *n, enum ncc_kpu_runtime runtime)
{
    struct value *const was[2] = {n->in[0], n->in[1]};
    const struct shape to = n->out[0]->shape;
    const double before = ncc_cost_cpu_us(n, runtime);
    const int first = g->next_id;
    g->cursor = n;
    for (int k = 0; k < 2; k++)
        if (!ncc_shape_equal(was[k]->shape, to))
            ncc_node_set_input(n, k, ncc_is_const(was[k]) ? wide_constant(g, was[k], to) : copies(g, n, was[k], to),
                               g->arena);
    if (copies_us(n, first, runtime) + ncc_cost_cpu_us(n, runtime) < before)
        return;
    for (int k = 0; k < 2; k++)
        ncc_node_set_input(n, k, was[k], g->arena);
}

void ncc_k210_widen_operands(struct graph *g, const struct k210_options *o)
{
    if (!ncc_k210_has_room(o) || o->runtime != NCC_KPU_RUNTIME_V4)
        return;
    for (struct node *n = g->first; n; n = n->next)
        if (may_be_widened(n))
            widen(g, n, o->runtime);
    g->cursor = NULL;
    ncc_graph_sweep(g);
}
