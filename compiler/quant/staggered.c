/* One output several times. The header has the arithmetic. */
#include "compiler/quant/staggered.h"

#include "compiler/ops/attrs.h"

#include <string.h>

/* ---- what can be staggered ---- */

static bool has_constants(const struct node *n)
{
    return ncc_is_const(n->in[1]) && n->in[1]->dtype == DT_F32 &&
           (n->n_in < 3 || !n->in[2] || ncc_is_const(n->in[2]));
}

/* A row times a matrix, or a convolution of one map. */
static bool is_linear(const struct node *n)
{
    if (n->op == OP_matmul)
        return n->in[0]->shape.rank == 2 && n->in[0]->shape.dim[0] == 1 && has_constants(n);
    return n->op == OP_conv2d && ((const struct conv2d_attrs *)n->attrs)->groups == 1 &&
           n->out[0]->shape.dim[0] == 1 && has_constants(n);
}

static bool ends_in_outputs(const struct graph *g, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->node;
        const bool moves = ncc_op_desc(n->op)->flags & OP_SAME_QUANT && n->op != OP_max_pool;
        if ((!moves && n->op != OP_softmax) || n->n_out != 1 || !ends_in_outputs(g, n->out[0]))
            return false;
    }
    return v->uses || ncc_value_is_output(g, v);
}

bool ncc_quant_can_stagger(const struct graph *g, const struct value *y)
{
    return y->def && is_linear(y->def) && !y->range.known && ends_in_outputs(g, y);
}

/* ---- rewriting ---- */

/* Weights with the rows of outputs n times one after the other: outputs are the first dimension, or the last one. */
static struct value *n_times(struct graph *g, const struct value *v, int n, bool last)
{
    struct shape s = v->shape;
    const int64_t count = ncc_shape_count(s), outer = last ? count / s.dim[s.rank - 1] : 1, run = count / outer;
    float *data = NCC_NEW(g->arena, float, n * count);
    for (int64_t i = 0; i < outer; i++)
        for (int k = 0; k < n; k++)
            memcpy(data + (i * n + k) * run, (const float *)v->data + i * run, (size_t)run * sizeof *data);
    s.dim[last ? s.rank - 1 : 0] *= n;
    return ncc_const(g, v->name, DT_F32, s, data);
}

static struct value *staggered_bias(struct graph *g, const struct node *made, int n_out, float scale, int n)
{
    const float *bias = made->n_in > 2 && made->in[2] ? made->in[2]->data : NULL;
    const int all = n * n_out;
    float *data = NCC_NEW(g->arena, float, all);
    for (int i = 0; i < all; i++)
        data[i] = (bias ? bias[i % n_out] : 0) + (((float)(i / n_out) + 0.5f) / (float)n - 0.5f) * scale;
    return ncc_const(g, ncc_name(g, made->name, "bias"), DT_F32, ncc_shape_make(1, &all), data);
}

static struct value *reshaped(struct graph *g, const char *name, struct value *x, struct shape to)
{
    struct reshape_attrs attrs = {.shape = {.n = to.rank}};
    memcpy(attrs.shape.v, to.dim, sizeof to.dim);
    return NCC_OP(g, OP_reshape, name, &attrs, x);
}

static struct value *mean_of(struct graph *g, const char *name, struct value *rows)
{
    const struct reduce_attrs attrs = {.kind = REDUCE_MEAN, .axes = {.n = 1, .v = {0}}, .keep_dims = true};
    struct value *mean = NCC_OP(g, OP_reduce, ncc_name(g, name, "mean"), &attrs, rows);
    if (mean) {
        mean->def->barred = mean->def->in_float = true;
        mean->def->reason = "the mean of codes that stand for parts of a code is finer than a code";
    }
    return mean;
}

bool ncc_quant_stagger(struct graph *g, struct value *y, float lo, float hi, int n)
{
    struct node *made = y->def, *after = made->next;
    const int n_out = y->shape.dim[1], rows[] = {n, (int)ncc_shape_count(y->shape)};
    g->cursor = after;
    struct value *v = NCC_OP(g, made->op, made->name, made->attrs, made->in[0],
                             n_times(g, made->in[1], n, made->op == OP_matmul),
                             staggered_bias(g, made, n_out, (hi - lo) / 255, n));
    if (v)
        v->range = (struct range){true, lo, hi};
    v = v ? reshaped(g, ncc_name(g, y->name, "copies"), v, ncc_shape_make(2, rows)) : NULL;
    v = v ? mean_of(g, y->name, v) : NULL;
    v = v ? reshaped(g, y->name, v, y->shape) : NULL;
    g->cursor = NULL;
    if (!v)
        return false;
    for (struct node *m = made->next; m != after; m = m->next)
        m->origin = made->origin;
    ncc_value_replace(g, y, v);
    ncc_node_remove(g, made);
    return true;
}
