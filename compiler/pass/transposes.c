/* transposes: importers of NHWC formats put a transpose before and after every operator that
 * knows only NCHW. This pass moves them down through everything that does not care about the
 * order of dimensions, until they meet and cancel, or vanish in the rows of a matrix.
 *
 *     conv -> T -> relu -> pad -> T' -> conv      becomes      conv -> relu -> pad -> conv
 *
 * A transpose with several users goes down into each of them, one copy per user: a residual
 * connection needs that, and copies that meet again merge. Reshapes take part (reshapes.c),
 * for a transpose of dimensions of 1 is a reshape.
 */
#include "compiler/pass/match.h"
#include "compiler/pass/passes.h"
#include "compiler/pass/perm.h"
#include "compiler/pass/reshapes.h"
#include "compiler/pass/turned.h"

/* ---- transpose over transpose, transpose as reshape ---- */

static bool merge_transposes(struct graph *g, struct node *n)
{
    const struct node *above = ncc_match_def(n->in[0], OP_transpose);
    if (!above)
        return false;
    const struct ints p = ncc_perm_then(ncc_perm_above(n->in[0]), ncc_perm_above(n->out[0]));
    if (ncc_perm_is_identity(&p) && ncc_match_same_type(above->in[0], n->out[0]))
        return ncc_match_replace(g, n, above->in[0]);
    return ncc_match_become(g, n, ncc_perm_transpose(g, n->name, above->in[0], &p), above);
}

static bool transpose_to_reshape(struct graph *g, struct node *n)
{
    if (!ncc_perm_keeps_order(ncc_perm_above(n->out[0]), n->in[0]->shape))
        return false;
    return ncc_match_become(g, n, ncc_match_reshape(g, n->name, n->in[0], n->out[0]->shape), NULL);
}

/* ---- moving down ---- */

/* Whether v can be written as the transpose, by perm, of something that costs nothing to get. */
static bool can_lift(const struct value *v, const struct ints *perm)
{
    const struct ints *above = ncc_perm_above(v);
    if (above && ncc_perm_equal(above, perm))
        return true;
    if (v->shape.rank > perm->n)
        return false;
    const struct ints inverse = ncc_perm_invert(perm);
    return ncc_match_floats(v) || ncc_perm_keeps_order(&inverse, ncc_shape_left_pad(v->shape, perm->n));
}

static struct value *lift(struct graph *g, struct value *v, const struct ints *perm)
{
    const struct ints *above = ncc_perm_above(v);
    if (above && ncc_perm_equal(above, perm))
        return v->def->in[0];
    if (ncc_shape_count(v->shape) == 1)
        return v;
    const struct transpose_attrs inverse = {ncc_perm_invert(perm)};
    const struct shape padded = ncc_shape_left_pad(v->shape, perm->n);
    if (!ncc_match_floats(v))
        return ncc_match_reshape(g, ncc_name(g, v->name, "view"), v, ncc_perm_shape(&inverse.perm, padded));
    struct value *c = ncc_const(g, v->name, v->dtype, padded, v->data);
    return ncc_match_compute(g, OP_transpose, v->name, &inverse, &c, 1);
}

static void move_list(struct ints *list, const struct ints *perm)
{
    const struct ints old = *list;
    for (int i = 0; i < old.n; i++)
        list->v[perm->v[i]] = old.v[i];
}

static void move_axes(struct ints *axes, const struct ints *perm)
{
    bool is_axis[NCC_MAX_RANK] = {false};
    for (int i = 0; i < axes->n; i++)
        is_axis[perm->v[axes->v[i]]] = true;
    axes->n = 0;
    for (int i = 0; i < perm->n; i++) {
        if (is_axis[i])
            axes->v[axes->n++] = i;
    }
}

/* Says in terms of the dimensions above the transpose what `attrs` say of those below. */
static void lift_attrs(enum op op, void *attrs, const struct ints *perm)
{
    if (op == OP_concat) {
        struct concat_attrs *a = attrs;
        a->axis = perm->v[a->axis];
    } else if (op == OP_split) {
        struct split_attrs *a = attrs;
        a->axis = perm->v[a->axis];
    } else if (op == OP_softmax) {
        struct softmax_attrs *a = attrs;
        a->axis = perm->v[a->axis];
    } else if (op == OP_l2_normalize) {
        struct l2_normalize_attrs *a = attrs;
        a->axis = perm->v[a->axis];
    } else if (op == OP_slice) {
        struct slice_attrs *a = attrs;
        move_list(&a->begin, perm);
        move_list(&a->size, perm);
        move_list(&a->stride, perm);
    } else if (op == OP_pad) {
        struct pad_attrs *a = attrs;
        move_list(&a->before, perm);
        move_list(&a->after, perm);
    } else if (op == OP_reduce) {
        move_axes(&((struct reduce_attrs *)attrs)->axes, perm);
    }
}

/* Operators that mean the same with their dimensions in another order. */
static bool lets_pass(const struct node *n)
{
    switch (n->op) {
    case OP_concat:
    case OP_split:
    case OP_softmax:
    case OP_l2_normalize:
    case OP_slice:
    case OP_pad:
    case OP_cast:
        return true;
    case OP_reduce:
        return ((const struct reduce_attrs *)n->attrs)->keep_dims;
    case OP_quantize:
    case OP_dequantize: /* a pair per channel is bound to dimension 1 */
        return n->in[0]->quant.n_channels <= 1 && n->out[0]->quant.n_channels <= 1;
    default:
        return (ncc_op_desc(n->op)->flags & OP_UNARY) || ncc_match_is_binary(n->op);
    }
}

/* The transpose that n would take below itself. An operand that is broadcast is none: below the
 * result it would have more to move. */
static const struct node *transpose_above(const struct node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        const struct node *t = ncc_match_def(n->in[i], OP_transpose);
        if (t && (!ncc_match_is_binary(n->op) || ncc_shape_equal(n->in[i]->shape, n->out[0]->shape)))
            return t;
    }
    return NULL;
}

static bool sink_transpose(struct graph *g, struct node *n)
{
    const struct node *t = transpose_above(n);
    if (!t || !lets_pass(n))
        return false;
    const struct ints *perm = ncc_perm_above(t->out[0]);
    for (int i = 0; i < n->n_in; i++) {
        if (!can_lift(n->in[i], perm))
            return false;
    }
    struct value **in = NCC_NEW(g->arena, struct value *, n->n_in);
    for (int i = 0; i < n->n_in; i++)
        in[i] = lift(g, n->in[i], perm);
    struct node lifted = *n;
    lifted.attrs = ncc_attrs_copy(n->op, n->attrs, g->arena);
    lift_attrs(n->op, lifted.attrs, perm);
    struct node *above = ncc_match_again(g, &lifted, in, n->n_in);
    for (int i = 0; above && i < n->n_out; i++) {
        struct value *below = ncc_perm_transpose(g, t->name, above->out[i], perm);
        below->def->origin = t->origin;
        below->quant = n->out[i]->quant;
        above->out[i]->range = below->range = n->out[i]->range;
        ncc_value_replace(g, n->out[i], below);
    }
    return above;
}

/* ---- into the rows of a matrix ---- */

#define MAX_BETWEEN 16

static bool is_dense(const struct node *n, int64_t n_elements)
{
    return n->op == OP_matmul && ncc_match_is_layer(n) && n->in[1]->shape.dim[0] == n_elements;
}

/* Whether v, through reshapes and functions of single elements, reaches nothing but products of
 * all its elements with constant matrices, where their order is a matter of the matrix's rows. */
static bool ends_in_dense(const struct graph *g, const struct value *v, int64_t n_elements, int depth)
{
    if (!v->uses || depth == MAX_BETWEEN || ncc_value_is_output(g, v))
        return false;
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->node;
        if (is_dense(n, n_elements) && u->index == 0)
            continue;
        if (n->op != OP_reshape && !(ncc_op_desc(n->op)->flags & OP_UNARY))
            return false;
        if (!ends_in_dense(g, n->out[0], n_elements, depth + 1))
            return false;
    }
    return true;
}

/* Row `to[i]` of the new matrix is row i of the old one. */
static void move_rows(struct graph *g, struct node *dense, const float *to)
{
    const struct value *w = dense->in[1];
    const int n_rows = w->shape.dim[0], n_columns = w->shape.dim[1];
    const float *old = w->data;
    float *moved = NCC_NEW(g->arena, float, ncc_shape_count(w->shape));
    for (int i = 0; i < n_rows; i++) {
        for (int j = 0; j < n_columns; j++)
            moved[(int64_t)to[i] * n_columns + j] = old[(int64_t)i * n_columns + j];
    }
    ncc_node_set_input(dense, 1, ncc_const(g, w->name, DT_F32, w->shape, moved), g->arena);
}

static void move_rows_below(struct graph *g, const struct value *v, const float *to)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        if (u->node->op == OP_matmul)
            move_rows(g, u->node, to);
        else
            move_rows_below(g, u->node->out[0], to);
    }
}

/* transpose, flatten, matrix product: the elements stay where they are and the rows go to them.
 * Which row goes where is what the transpose makes of the indices 0, 1, 2... */
static bool transpose_into_rows(struct graph *g, struct node *n)
{
    const struct shape s = n->in[0]->shape;
    const int64_t n_elements = ncc_shape_count(s);
    if (n_elements > 1 << 24 || !ends_in_dense(g, n->out[0], n_elements, 0)) /* a float counts no further */
        return false;
    float *indices = NCC_NEW(g->arena, float, n_elements);
    for (int64_t i = 0; i < n_elements; i++)
        indices[i] = (float)i;
    struct value *v = ncc_const(g, n->name, DT_F32, s, indices);
    const struct value *to = ncc_match_compute(g, OP_transpose, n->name, n->attrs, &v, 1);
    move_rows_below(g, n->out[0], to->data);
    return ncc_match_become(g, n, ncc_match_reshape(g, n->name, n->in[0], n->out[0]->shape), NULL);
}

bool ncc_pass_transposes(struct graph *g, struct arena *scratch)
{
    static const struct rewrite set[] = {
        {"merge_transposes", OP_transpose, merge_transposes},
        {"transpose_to_reshape", OP_transpose, transpose_to_reshape},
        {"transpose_into_rows", OP_transpose, transpose_into_rows},
        {"keep_dims", OP_reduce, ncc_reshapes_keep_dims},
        {"sink_transpose", ANY_OP, sink_transpose},
        {"merge_reshapes", OP_reshape, ncc_reshapes_merge},
        {"sink_transpose_below_split", OP_reshape, ncc_reshapes_sink_transpose},
        {"raise_transpose_above_merge", OP_transpose, ncc_reshapes_raise_transpose},
        {"sink_reshape", ANY_OP, ncc_reshapes_sink},
        {"sink_reshape_below_slice", OP_slice, ncc_reshapes_sink_below_slice},
        {"turn_convolution", OP_conv2d, ncc_turned_sink},
        {"turn_max_pool", OP_max_pool, ncc_turned_sink},
        {"turn_mean", OP_avg_pool, ncc_turned_sink},
    };
    (void)scratch;
    return ncc_rewrite_run(g, set, NCC_COUNT(set));
}
