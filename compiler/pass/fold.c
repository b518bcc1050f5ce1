/* fold: constants are computed, nodes that do nothing vanish, and what is computed twice is
 * computed once.
 */
#include "compiler/ir/eval.h"
#include "compiler/pass/match.h"
#include "compiler/pass/passes.h"
#include "compiler/pass/perm.h"
#include "compiler/pass/rewrite.h"

#include <math.h>

static bool fold_constant(struct graph *g, struct node *n)
{
    return ncc_eval_fold(g, n);
}

/* ---- nodes that do nothing ---- */

static bool all_zero(const struct ints *v)
{
    for (int i = 0; i < v->n; i++) {
        if (v->v[i] != 0)
            return false;
    }
    return true;
}

/* The result has the shape of the input: what starts later or skips elements must be turned round. */
static bool slices_all(const struct slice_attrs *a, struct shape s)
{
    for (int i = 0; i < a->stride.n; i++) {
        if (a->stride.v[i] != 1 && s.dim[i] != 1)
            return false;
    }
    return true;
}

static bool pools_nothing(const struct pool_attrs *a)
{
    return a->kernel_h == 1 && a->kernel_w == 1 && a->pad_top == 0 && a->pad_left == 0;
}

static bool is_neutral(const struct node *n)
{
    struct value *x;
    float c;
    if (!ncc_match_with_uniform(n, &x, &c))
        return false;
    return n->op == OP_add || n->op == OP_sub ? c == 0 : c == 1;
}

static bool cuts_nothing(const struct clip_attrs *a)
{
    return a->min == -INFINITY && a->max == INFINITY;
}

/* For a node whose result has the type of its first (or only varying) input. */
static bool does_nothing(const struct node *n)
{
    const struct value *x = n->in[0];
    switch (n->op) {
    case OP_reshape:
    case OP_cast:
    case OP_resize:
    case OP_tile:
    case OP_depth_to_space:
    case OP_space_to_depth:
    case OP_reduce: /* over dimensions of 1 */
        return true;
    case OP_concat:
        return n->n_in == 1;
    case OP_split:
        return n->n_out == 1;
    case OP_transpose:
        return ncc_perm_is_identity(&((const struct transpose_attrs *)n->attrs)->perm);
    case OP_pad:
        return all_zero(&((const struct pad_attrs *)n->attrs)->before);
    case OP_slice:
        return slices_all(n->attrs, x->shape);
    case OP_max_pool:
    case OP_avg_pool:
        return pools_nothing(n->attrs);
    case OP_clip:
        return cuts_nothing(n->attrs);
    case OP_leaky_relu:
        return ((const struct leaky_relu_attrs *)n->attrs)->alpha == 1;
    case OP_add:
    case OP_sub:
    case OP_mul:
    case OP_div:
    case OP_pow:
        return is_neutral(n);
    default:
        return false;
    }
}

static bool drop_identity(struct graph *g, struct node *n)
{
    if (n->n_in == 0 || n->n_out != 1)
        return false;
    struct value *x = n->n_in == 2 && ncc_is_const(n->in[0]) ? n->in[1] : n->in[0];
    return ncc_match_same_type(x, n->out[0]) && does_nothing(n) && ncc_match_replace(g, n, x);
}

/* ---- twins ---- */

/* How many users of a value are looked at: a value that feeds hundreds must not cost their square. */
#define MAX_TWINS 16

static bool are_twins(const struct node *a, const struct node *b)
{
    if (a->op != b->op || a->n_in != b->n_in || a->n_out != b->n_out || !ncc_attrs_equal(a->op, a->attrs, b->attrs))
        return false;
    for (int i = 0; i < a->n_in; i++) {
        if (a->in[i] != b->in[i])
            return false;
    }
    for (int i = 0; i < a->n_out; i++) {
        if (!ncc_match_same_type(a->out[i], b->out[i]))
            return false;
    }
    return true;
}

/* Another user of n's input computes what n computes. Only nodes whose other inputs are constants: then
 * n may move up to where the input is made, and it need not be known which of the two comes first. */
static bool merge_twin(struct graph *g, struct node *n)
{
    for (int i = 1; i < n->n_in; i++) {
        if (n->in[i] && !ncc_is_const(n->in[i]))
            return false;
    }
    struct value *x = n->n_in > 0 ? n->in[0] : NULL;
    int n_seen = 0;
    for (const struct use *u = x ? x->uses : NULL; u && n_seen < MAX_TWINS; u = u->next, n_seen++) {
        if (u->node == n || !are_twins(u->node, n))
            continue;
        const struct node *twin = u->node;
        ncc_node_move_before(g, n, x->def ? x->def->next : g->first);
        for (int i = 0; i < n->n_out; i++)
            ncc_value_replace(g, twin->out[i], n->out[i]);
        return true;
    }
    return false;
}

bool ncc_pass_fold(struct graph *g, struct arena *scratch)
{
    static const struct rewrite set[] = {
        {"fold_constant", ANY_OP, fold_constant},
        {"drop_identity", ANY_OP, drop_identity},
        {"merge_twin", ANY_OP, merge_twin},
    };
    (void)scratch;
    return ncc_rewrite_run(g, set, NCC_COUNT(set));
}
