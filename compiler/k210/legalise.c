/* Rewrites that suit the KPU and mean the same on any device. */
#include "compiler/k210/legalise.h"
#include "compiler/pass/rewrite.h"

/* The KPU has no pick behind a depthwise layer. So
 *
 *     depthwise, stride s -> unary ... -> conv 1x1, stride 1
 *
 * becomes a depthwise of stride 1 and a 1x1 of stride s, whose layer has the pick (rewrites 3.3). Any stride: the
 * 1x1 reads every s-th pixel of what the depthwise now computes everywhere. */

static bool is_pointwise(const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    const struct shape *w = &n->in[1]->shape;
    return w->dim[2] == 1 && w->dim[3] == 1 && a->stride_h == 1 && a->stride_w == 1 && a->groups == 1 && !a->pad_top &&
           !a->pad_left && !a->pad_bottom && !a->pad_right;
}

static bool is_strided_depthwise(const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    return n->op == OP_conv2d && a->groups > 1 && a->groups == n->in[0]->shape.dim[1] && a->stride_h == a->stride_w &&
           (a->stride_h == 2 || a->stride_h == 4);
}

#define MAX_BETWEEN NCC_MAX_ACT

static bool move_stride(struct graph *g, struct node *pointwise)
{
    if (!is_pointwise(pointwise))
        return false;
    struct node *between[MAX_BETWEEN];
    int n_between = 0;
    struct value *v = pointwise->in[0];
    while (v->def && ncc_value_only_use(g, v) && ncc_op_desc(v->def->op)->flags & OP_UNARY && n_between < MAX_BETWEEN) {
        between[n_between++] = v->def;
        v = v->def->in[0];
    }
    struct node *dw = v->def;
    if (!dw || !ncc_value_only_use(g, v) || !is_strided_depthwise(dw))
        return false;
    struct conv2d_attrs full = *(const struct conv2d_attrs *)dw->attrs;
    struct conv2d_attrs picked = *(const struct conv2d_attrs *)pointwise->attrs;
    picked.stride_h = picked.stride_w = full.stride_h;
    full.stride_h = full.stride_w = 1;
    struct node *n = ncc_node_new(g, OP_conv2d, dw->name, &full, dw->in, dw->n_in);
    n->origin = dw->origin;
    while (n_between-- > 0) {
        const struct node *old = between[n_between];
        n = ncc_node_new(g, old->op, old->name, old->attrs, n->out, 1);
        n->origin = old->origin;
        n->out[0]->range = old->out[0]->range; /* of the function, wherever it is computed */
    }
    struct value *in[3] = {n->out[0], pointwise->in[1], pointwise->n_in > 2 ? pointwise->in[2] : NULL};
    n = ncc_node_new(g, OP_conv2d, pointwise->name, &picked, in, pointwise->n_in);
    n->origin = pointwise->origin;
    n->out[0]->range = pointwise->out[0]->range;
    ncc_value_replace(g, pointwise->out[0], n->out[0]);
    return true;
}

#define COUNT(set) ((int)(sizeof(set) / sizeof *(set)))

static const struct rewrite rewrites[] = {
    {"depthwise stride into the next 1x1", OP_conv2d, move_stride},
    {"split by slices", OP_split, ncc_legal_split},
    {"channel shuffle as gather", OP_reshape, ncc_legal_shuffle},
    {"nearest by whole factors", OP_resize, ncc_legal_nearest},
    {"stride of a single output", OP_conv2d, ncc_legal_single_output},
    {"stride of a single mean", OP_avg_pool, ncc_legal_single_output},
    {"functions in front of depth_to_space", OP_depth_to_space, ncc_legal_unary_first},
    {"depth_to_space of single pixels", OP_depth_to_space, ncc_legal_no_blocks},
    {"space_to_depth as convolution", OP_space_to_depth, ncc_legal_space_to_depth},
};

/* Where the estimate decides. What moves comes before what takes apart. */
struct judged {
    enum op root;
    bool (*apply)(const struct legaliser *l, struct node *n);
};
static const struct judged moves[] = {
    {OP_conv2d, ncc_legal_conv_before_resize},
    {OP_conv2d, ncc_legal_resized_part},
};
static const struct judged forms[] = {
    {OP_matmul, ncc_legal_flat_matmul},
    {OP_matmul, ncc_legal_many_rows},
    {OP_conv2d, ncc_legal_stride},
    {OP_max_pool, ncc_legal_stride},
    {OP_avg_pool, ncc_legal_stride},
    {OP_conv2d, ncc_legal_multiplier},
    {OP_conv2d, ncc_legal_conv_on_halves},
    {OP_prelu, ncc_legal_prelu_in_conv},
    {OP_conv2d, ncc_legal_join_convs},
    {OP_resize, ncc_legal_smaller},
    {OP_resize, ncc_legal_bilinear},
    {OP_conv2d_transpose, ncc_legal_transposed},
    {OP_depth_to_space, ncc_legal_depth_to_space},
    {OP_mul, ncc_legal_gate},
    {OP_add, ncc_legal_add_convs},
    {OP_sub, ncc_legal_add_convs},
    {OP_add, ncc_legal_sum},
    {OP_sub, ncc_legal_sum},
    {OP_matmul, ncc_legal_mean_last},
    {OP_conv2d, ncc_legal_mean_last},
    {OP_reduce, ncc_legal_mean_first},
    {OP_conv2d, ncc_legal_pool_last},
};

/* What is only worth it where nothing else was done. */
static const struct judged rest[] = {
    {OP_prelu, ncc_legal_prelu_in_readers},
    {OP_prelu, ncc_legal_prelu_in_two},
};

/* Applies to each node the first rewrite that takes it; what that leaves unused is swept later. */
static void judge(const struct legaliser *l, const struct judged *set, int n_set)
{
    for (struct node *n = l->g->first, *next; n; n = next) {
        next = n->next;
        bool done = n->barred;
        for (int i = 0; i < n_set && !done; i++) {
            l->g->cursor = n;
            done = n->op == set[i].root && set[i].apply(l, n);
        }
    }
    l->g->cursor = NULL;
    ncc_graph_sweep(l->g);
}

bool ncc_k210_legalise(struct graph *g, const struct k210_options *options, struct arena *scratch)
{
    const struct legaliser l = {g, options, scratch};
    if (!ncc_rewrite_run(g, rewrites, COUNT(rewrites)))
        return false;
    judge(&l, moves, COUNT(moves));
    judge(&l, forms, COUNT(forms));
    judge(&l, rest, COUNT(rest));
    ncc_legal_decimations(&l);
    return ncc_rewrite_run(g, rewrites, COUNT(rewrites));
}
