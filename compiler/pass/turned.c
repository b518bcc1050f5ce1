#include "compiler/pass/turned.h"
#include "compiler/pass/match.h"

/* n x c x 1 x w as n x c x w x 1: the node, or NULL. A row is what suits the KPU, so only this way round. */
static const struct node *turn_of(const struct value *v)
{
    const struct node *r = ncc_match_def(v, OP_reshape);
    if (!r || r->in[0]->shape.rank != 4 || v->shape.rank != 4)
        return NULL;
    const int *from = r->in[0]->shape.dim, *to = v->shape.dim;
    const bool same = from[0] == to[0] && from[1] == to[1];
    return same && from[2] == 1 && to[3] == 1 && from[3] == to[2] && from[3] > 1 ? r : NULL;
}

static void swap(int *a, int *b)
{
    const int kept = *a;
    *a = *b;
    *b = kept;
}

static struct value *pool_of_row(struct graph *g, const struct node *n, struct value *row)
{
    struct pool_attrs a = *(const struct pool_attrs *)n->attrs;
    swap(&a.kernel_h, &a.kernel_w);
    swap(&a.stride_h, &a.stride_w);
    swap(&a.pad_top, &a.pad_left);
    swap(&a.pad_bottom, &a.pad_right);
    return NCC_OP(g, n->op, n->name, &a, row);
}

static struct value *conv_of_row(struct graph *g, const struct node *n, struct value *row)
{
    static const struct transpose_attrs turn = {{4, {0, 1, 3, 2}}};
    struct conv2d_attrs a = *(const struct conv2d_attrs *)n->attrs;
    swap(&a.stride_h, &a.stride_w);
    swap(&a.pad_top, &a.pad_left);
    swap(&a.pad_bottom, &a.pad_right);
    swap(&a.dil_h, &a.dil_w);
    struct value *w = ncc_match_compute(g, OP_transpose, n->in[1]->name, &turn, &n->in[1], 1);
    struct value *in[3] = {row, w, n->n_in > 2 ? n->in[2] : NULL};
    return w ? ncc_op(g, OP_conv2d, n->name, &a, in, 3) : NULL;
}

bool ncc_turned_sink(struct graph *g, struct node *n)
{
    const struct node *r = turn_of(n->in[0]);
    if (!r || (n->op == OP_conv2d && !ncc_match_is_layer(n)))
        return false;
    struct value *row = n->op == OP_conv2d ? conv_of_row(g, n, r->in[0]) : pool_of_row(g, n, r->in[0]);
    if (!row)
        return false;
    row->def->origin = n->origin;
    row->range = n->out[0]->range;
    row->quant = n->out[0]->quant;
    return ncc_match_replace(g, n, ncc_match_reshape(g, r->name, row, n->out[0]->shape));
}
