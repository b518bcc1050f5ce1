/* One node, and folding of constants. Whole graphs: eval_graph.c. */
#include "compiler/ir/eval.h"
#include "compiler/ir/broadcasting.h"
#include "compiler/ir/eval_node.h"

#include <stdlib.h>
#include <string.h>

#define FOLD_LIMIT ((int64_t)64 << 20) /* bytes */

size_t ncc_eval_scratch(const struct node *n, enum eval_mode mode)
{
    const struct op_desc *desc = ncc_op_desc(n->op);
    return mode == EVAL_FAST && desc->eval_fast && desc->scratch ? desc->scratch(n) : 0;
}

void ncc_eval_with(const struct eval_args *a, enum eval_mode mode)
{
    const struct op_desc *desc = ncc_op_desc(a->node->op);
    if (mode == EVAL_FAST && desc->eval_fast)
        desc->eval_fast(a);
    else if (desc->eval)
        desc->eval(a);
    else if (desc->flags & OP_UNARY)
        ncc_elementwise_unary(a, desc->scalar);
    else
        ncc_elementwise_binary(a, desc->scalar2, NULL);
}

void ncc_eval_node(const struct node *n, const struct tensor *const *in, struct tensor *const *out, enum eval_mode mode)
{
    struct eval_args a = {n, in, out, NULL};
    const size_t size = ncc_eval_scratch(n, mode);
    if (size > 0) {
        a.scratch = aligned_alloc(64, (size + 63) / 64 * 64);
        mode = a.scratch ? mode : EVAL_REFERENCE; /* without memory the plain way is left */
    }
    ncc_eval_with(&a, mode);
    free(a.scratch);
}

static bool foldable(const struct node *n)
{
    int64_t size = 0;
    if (ncc_op_desc(n->op)->flags & OP_KPU)
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && !ncc_is_const(n->in[i]))
            return false;
    for (int i = 0; i < n->n_out; i++)
        size += ncc_shape_count(n->out[i]->shape) * (int64_t)ncc_dtype_size(n->out[i]->dtype);
    return size <= FOLD_LIMIT;
}

static struct tensor *tensor_of(struct arena *a, const struct value *v, void *data)
{
    struct tensor *t = NCC_NEW(a, struct tensor, 1);
    *t = (struct tensor){v->dtype, v->shape, data};
    return t;
}

bool ncc_eval_fold(struct graph *g, struct node *n)
{
    if (!foldable(n))
        return false;
    struct arena *a = g->arena;
    const struct tensor **in = NCC_NEW(a, const struct tensor *, n->n_in);
    struct tensor **out = NCC_NEW(a, struct tensor *, n->n_out);
    for (int i = 0; i < n->n_in; i++) /* nobody writes to inputs */
        in[i] = n->in[i] ? tensor_of(a, n->in[i], (void *)(uintptr_t)n->in[i]->data) : NULL;
    for (int i = 0; i < n->n_out; i++) {
        const size_t count = (size_t)ncc_shape_count(n->out[i]->shape);
        out[i] = tensor_of(a, n->out[i], ncc_arena_alloc(a, count ? count : 1, ncc_dtype_size(n->out[i]->dtype), 64));
    }
    ncc_eval_node(n, in, out, EVAL_FAST);
    for (int i = 0; i < n->n_out; i++) {
        struct value *was = n->out[i], *is = ncc_const(g, was->name, was->dtype, was->shape, out[i]->data);
        is->quant = was->quant;
        is->range = was->range;
        ncc_value_replace(g, was, is);
    }
    ncc_node_remove(g, n);
    return true;
}

double ncc_graph_macs(const struct graph *g)
{
    double sum = 0;
    for (const struct node *n = g->first; n; n = n->next)
        sum += ncc_op_desc(n->op)->macs ? ncc_op_desc(n->op)->macs(n) : 0;
    return sum;
}
