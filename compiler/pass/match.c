#include "compiler/pass/match.h"
#include "compiler/ir/eval.h"

#include <string.h>

struct node *ncc_match_def(const struct value *v, enum op op)
{
    return v && v->def && v->def->op == op ? v->def : NULL;
}

struct node *ncc_match_only(const struct graph *g, const struct value *v, enum op op)
{
    struct node *d = ncc_match_def(v, op);
    return d && ncc_value_only_use(g, v) ? d : NULL;
}

const float *ncc_match_floats(const struct value *v)
{
    return ncc_is_const(v) && v->dtype == DT_F32 ? v->data : NULL;
}

bool ncc_match_uniform(const struct value *v, float *out)
{
    const float *p = ncc_match_floats(v);
    const int64_t n = p ? ncc_shape_count(v->shape) : 0;
    for (int64_t i = 1; i < n; i++) {
        if (p[i] != p[0])
            return false;
    }
    if (n > 0)
        *out = p[0];
    return n > 0;
}

bool ncc_match_per_axis(const struct value *v, struct shape of, int axis)
{
    if (!ncc_match_floats(v) || v->shape.rank > of.rank)
        return false;
    const struct shape s = ncc_shape_left_pad(v->shape, of.rank);
    for (int i = 0; i < of.rank; i++) {
        if (s.dim[i] != 1 && (i != axis || s.dim[i] != of.dim[i]))
            return false;
    }
    return true;
}

bool ncc_match_is_binary(enum op op)
{
    return (ncc_op_desc(op)->flags & OP_BINARY) || op == OP_prelu;
}

int ncc_match_constant_side(const struct node *n)
{
    if (!ncc_match_is_binary(n->op) || ncc_is_const(n->in[0]) == ncc_is_const(n->in[1]))
        return -1;
    const int side = ncc_is_const(n->in[0]) ? 0 : 1;
    const struct value *x = n->in[1 - side];
    return ncc_match_floats(n->in[side]) && ncc_shape_equal(x->shape, n->out[0]->shape) ? side : -1;
}

bool ncc_match_with_uniform(const struct node *n, struct value **x, float *c)
{
    const int side = ncc_match_constant_side(n);
    if (side < 0 || !ncc_match_uniform(n->in[side], c))
        return false;
    *x = n->in[1 - side];
    return side == 1 || (ncc_op_desc(n->op)->flags & OP_COMMUTES);
}

static bool same_quant(const struct quant *a, const struct quant *b)
{
    if (a->n_channels != b->n_channels)
        return false;
    for (int i = 0; i < a->n_channels; i++) {
        if (a->scale[i] != b->scale[i] || a->zero_point[i] != b->zero_point[i])
            return false;
    }
    return true;
}

bool ncc_match_same_type(const struct value *a, const struct value *b)
{
    return a->dtype == b->dtype && a->mem == b->mem && ncc_shape_equal(a->shape, b->shape) &&
           same_quant(&a->quant, &b->quant);
}

bool ncc_match_is_layer(const struct node *n)
{
    if (n->op != OP_conv2d && n->op != OP_conv2d_transpose && n->op != OP_matmul)
        return false;
    if (!ncc_match_floats(n->in[1]) || (n->op == OP_matmul && n->in[1]->shape.rank != 2))
        return false;
    return n->n_in < 3 || !n->in[2] || ncc_match_floats(n->in[2]);
}

/* ---- building ---- */

struct node *ncc_match_again(struct graph *g, const struct node *n, struct value *const *in, int n_in)
{
    struct node *again = ncc_node_new(g, n->op, n->name, n->attrs, in, n_in);
    if (again)
        again->origin = n->origin;
    for (int i = 0; again && i < again->n_out; i++)
        again->out[i]->quant = n->out[i]->quant;
    return again;
}

struct value *ncc_match_again_1(struct graph *g, const struct node *n, struct value *x)
{
    struct node *again = ncc_match_again(g, n, &x, 1);
    return again ? again->out[0] : NULL;
}

struct value *ncc_match_compute(struct graph *g, enum op op, const char *name, const void *attrs,
                                struct value *const *in, int n_in)
{
    struct tensor from[2];
    const struct tensor *inputs[2] = {&from[0], &from[1]};
    struct node *n = ncc_node_new(g, op, name, attrs, in, n_in);
    if (!n)
        return NULL;
    for (int i = 0; i < n_in; i++) /* evaluation only reads it */
        from[i] = (struct tensor){in[i]->dtype, in[i]->shape, (void *)(uintptr_t)in[i]->data};
    struct tensor to = {n->out[0]->dtype, n->out[0]->shape, NULL};
    to.data = NCC_NEW(g->arena, float, ncc_shape_count(to.shape));
    ncc_eval_node(n, inputs, (struct tensor *[]){&to}, EVAL_REFERENCE);
    ncc_node_remove(g, n);
    return ncc_const(g, name, to.dtype, to.shape, to.data);
}

struct value *ncc_match_scalar(struct graph *g, const char *name, float x)
{
    return ncc_const_copy(g, name, DT_F32, (struct shape){.rank = 0}, &x);
}

struct value *ncc_match_reshape(struct graph *g, const char *name, struct value *x, struct shape shape)
{
    struct reshape_attrs a = {.shape = {.n = shape.rank}};
    memcpy(a.shape.v, shape.dim, sizeof shape.dim);
    return NCC_OP(g, OP_reshape, name, &a, x);
}

bool ncc_match_replace(struct graph *g, struct node *n, struct value *v)
{
    if (!v)
        return false;
    if (!v->range.known)
        v->range = n->out[0]->range;
    if (!v->seen && ncc_shape_equal(v->shape, n->out[0]->shape))
        v->seen = n->out[0]->seen;
    ncc_value_replace(g, n->out[0], v);
    return true;
}

/* Long chains that melt into one node must not make its list of origins grow without bound. */
#define MAX_ORIGIN 2000

static const char *join_origins(struct graph *g, const struct node *a, const struct node *b)
{
    const char *x = a->origin ? a->origin : a->name;
    const char *y = b ? b->origin ? b->origin : b->name : "";
    if (!*y || strcmp(x, y) == 0)
        return x;
    return strlen(x) + strlen(y) > MAX_ORIGIN ? y : ncc_arena_printf(g->arena, "%s,%s", y, x);
}

bool ncc_match_become(struct graph *g, struct node *n, struct value *v, const struct node *also)
{
    if (!v)
        return false;
    v->def->origin = join_origins(g, n, also);
    v->quant = n->out[0]->quant;
    return ncc_match_replace(g, n, v);
}

void ncc_match_stands_for(struct graph *g, struct value *v, const struct node *also)
{
    v->def->origin = join_origins(g, v->def, also);
}
