/* Transpositions next to one another, and products that need none: what is left of a softmax over channels, mostly, which
 * stands between two of them. */
#include "compiler/k210/cpu_forms.h"
#include "compiler/ops/attrs.h"
#include "compiler/pass/perm.h"

static bool merge_transposes(struct graph *g, struct node *n)
{
    const struct ints *first = ncc_perm_above(n->in[0]);
    if (!first)
        return false;
    struct value *x = n->in[0]->def->in[0];
    const struct ints both = ncc_perm_then(first, &((const struct transpose_attrs *)n->attrs)->perm);
    ncc_k210_replace(g, n, ncc_perm_keeps_order(&both, x->shape) ? ncc_k210_reshaped(g, n, x, n->out[0]->shape)
                                                                 : ncc_perm_transpose(g, n->name, x, &both));
    return true;
}

static bool is_pointwise(const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    const int *w = n->in[1]->shape.dim;
    return w[2] == 1 && w[3] == 1 && a->groups == 1 && a->stride_h == 1 && a->stride_w == 1 && !a->pad_top &&
           !a->pad_left && !a->pad_bottom && !a->pad_right;
}

/* A 1x1 convolution to a single channel, of a map that had its channels last: the products of its rows. They may have to
 * be turned, which are fewer. */
static bool conv_of_turned(struct graph *g, struct node *n)
{
    static const struct transpose_attrs turn = {{4, {0, 1, 3, 2}}};
    const struct ints *perm = ncc_perm_above(n->in[0]);
    if (!perm || perm->n != 4 || perm->v[0] != 0 || perm->v[1] != 3 || !is_pointwise(n) ||
        n->out[0]->shape.dim[1] != 1 || !ncc_is_const(n->in[1]))
        return false;
    struct value *x = n->in[0]->def->in[0];
    const int *d = x->shape.dim, c = d[3], rows = d[1] * d[2];
    struct value *in[3] = {ncc_k210_reshaped(g, n, x, ncc_shape_make(2, (int[]){rows, c})),
                           ncc_const(g, n->in[1]->name, DT_F32, ncc_shape_make(2, (int[]){c, 1}), n->in[1]->data),
                           n->n_in > 2 ? n->in[2] : NULL};
    struct value *y = ncc_op(g, OP_matmul, n->name, NULL, in, n->n_in);
    y = ncc_k210_reshaped(g, n, y, ncc_shape_4(1, 1, d[1], d[2]));
    if (perm->v[2] == 2)
        y = NCC_OP(g, OP_transpose, ncc_name(g, n->name, "turned"), &turn, y);
    ncc_k210_replace(g, n, y);
    return true;
}

const struct rewrite ncc_k210_turned[] = {
    {"transposes in a row", OP_transpose, merge_transposes},
    {"convolution of a transpose", OP_conv2d, conv_of_turned},
};
const int ncc_k210_n_turned = sizeof ncc_k210_turned / sizeof ncc_k210_turned[0];
