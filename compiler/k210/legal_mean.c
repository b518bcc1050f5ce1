/* Means (or sums) of whole maps, average pools, and products with constants change places where that is cheaper:
 *
 *     W mean(x) + b = mean(W x + b)        sum(W x + b) = W sum(x) + pixels * b
 *     W pool(x) + b = pool(W x + b)        where no padding is counted
 *
 * A mean of few channels takes less than one of many, and a product with one pixel less than one with all. Exact; what
 * is added up pixel by pixel is rounded there, and the mean evens that out.
 */
#include "compiler/k210/linear.h"
#include "compiler/pass/match.h"

/* A mean or sum of a whole map, for each channel. */
static bool is_reduction(const struct node *n)
{
    const struct reduce_attrs *a = n->attrs;
    return !n->barred && n->in[0]->shape.rank == 4 && n->in[0]->shape.dim[0] == 1 && a->keep_dims && a->axes.n == 2 &&
           a->axes.v[0] == 2 && a->axes.v[1] == 3 && (a->kind == REDUCE_MEAN || a->kind == REDUCE_SUM);
}

/* The one that v shows, perhaps as a vector, if nobody else reads it. */
static const struct node *reduction(const struct graph *g, const struct value *v)
{
    const struct node *n = ncc_match_only(g, v, OP_reshape);
    n = ncc_match_only(g, n ? n->in[0] : v, OP_reduce);
    return n && is_reduction(n) ? n : NULL;
}

static int pixels(const struct value *map)
{
    return map->shape.dim[2] * map->shape.dim[3];
}

static bool is_pointwise(const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    const struct shape *w = &n->in[1]->shape;
    return w->dim[2] == 1 && w->dim[3] == 1 && a->groups == 1 && a->stride_h == 1 && a->stride_w == 1 && !a->pad_top &&
           !a->pad_left && !a->pad_bottom && !a->pad_right;
}

/* A matrix product or 1x1 convolution as a convolution. */
static struct linear product_of(struct graph *g, const struct node *n)
{
    if (n->op == OP_conv2d)
        return ncc_linear_of(g, n);
    const int k = n->in[1]->shape.dim[0], m = n->in[1]->shape.dim[1];
    const float *w = n->in[1]->data;
    float *turned = NCC_NEW(g->arena, float, (size_t)k *(size_t)m);
    for (int o = 0; o < m; o++)
        for (int i = 0; i < k; i++)
            turned[(size_t)o * (size_t)k + (size_t)i] = w[(size_t)i * (size_t)m + (size_t)o];
    return (struct linear){.a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1},
                           .out_c = m,
                           .in_c = k,
                           .kh = 1,
                           .kw = 1,
                           .w = turned,
                           .b = n->n_in > 2 && n->in[2] ? n->in[2]->data : NCC_NEW(g->arena, float, m)};
}

/* The reduction, in the place of `like`. */
static struct value *reduced(struct graph *g, const struct node *like, struct value *x)
{
    struct value *y = NCC_OP(g, OP_reduce, like->name, like->attrs, x);
    y->def->origin = like->origin ? like->origin : like->name;
    return y;
}

/* The product, in the place of `like`, with `times` its bias. */
static struct value *product(struct graph *g, const struct node *like, double times, struct value *x)
{
    struct linear l = product_of(g, like);
    float *b = NCC_NEW(g->arena, float, l.out_c);
    for (int o = 0; o < l.out_c; o++)
        b[o] = (float)(times * l.b[o]);
    l.b = b;
    return ncc_linear_node(g, like, NULL, &l, x);
}

static bool is_sum(const struct node *reduce)
{
    return ((const struct reduce_attrs *)reduce->attrs)->kind == REDUCE_SUM;
}

static struct value *in_shape(struct graph *g, const struct node *n, struct value *x, struct shape s)
{
    return ncc_shape_equal(x->shape, s) ? x : ncc_match_reshape(g, ncc_name(g, n->name, "vector"), x, s);
}

/* ---- a product behind a mean ---- */

static struct value *mean_first(struct graph *g, const struct node *n, struct value *const *x)
{
    struct value *mean = reduced(g, reduction(g, n->in[0]), x[0]);
    return ncc_legal_again(g, n, in_shape(g, n, mean, n->in[0]->shape));
}

static struct value *mean_last(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct node *mean = reduction(g, n->in[0]);
    struct value *y = product(g, n, is_sum(mean) ? 1.0 / pixels(mean->in[0]) : 1, x[0]);
    return in_shape(g, n, reduced(g, mean, y), n->out[0]->shape);
}

/* The share of the time to stay below. A quantised model tells the range of the mean's product, not that of each
 * pixel's: where x has a known range, codes come from made-up inputs, and the time must be worth it. */
static double worth(const struct value *x)
{
    return x->range.known ? 0.5 : 1;
}

bool ncc_legal_mean_last(const struct legaliser *l, struct node *n)
{
    const bool of_vector = n->op == OP_matmul && n->in[0]->shape.rank == 2 && n->in[1]->shape.rank == 2;
    if (!ncc_match_is_layer(n) || !(of_vector || (n->op == OP_conv2d && is_pointwise(n))))
        return false;
    const struct node *mean = reduction(l->g, n->in[0]);
    if (!mean || ncc_legal_us(l, n, mean->in, 1, mean_last) >=
                     worth(mean->in[0]) * ncc_legal_us(l, n, mean->in, 1, mean_first))
        return false;
    return ncc_match_become(l->g, n, mean_last(l->g, n, mean->in), mean);
}

/* ---- a mean behind a product ---- */

static struct value *product_first(struct graph *g, const struct node *n, struct value *const *x)
{
    return reduced(g, n, product(g, n->in[0]->def, 1, x[0]));
}

static struct value *product_last(struct graph *g, const struct node *n, struct value *const *x)
{
    return product(g, n->in[0]->def, is_sum(n) ? pixels(n->in[0]) : 1, reduced(g, n, x[0]));
}

bool ncc_legal_mean_first(const struct legaliser *l, struct node *n)
{
    const struct node *conv = ncc_linear_only_conv(l->g, n->in[0]);
    if (!is_reduction(n) || !conv || !is_pointwise(conv) ||
        ncc_legal_us(l, n, conv->in, 1, product_last) >= ncc_legal_us(l, n, conv->in, 1, product_first))
        return false;
    return ncc_match_become(l->g, n, product_last(l->g, n, conv->in), conv);
}

/* ---- a product behind an average pool ---- */

static struct value *pool_first(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, ncc_legal_again(g, n->in[0]->def, x[0]));
}

static struct value *pool_last(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n->in[0]->def, product(g, n, 1, x[0]));
}

/* Do the weights of all windows add up to 1? */
static bool leaves_constants(const struct node *pool)
{
    const struct pool_attrs *a = pool->attrs;
    return !a->count_pad || (!a->pad_top && !a->pad_left && !a->pad_bottom && !a->pad_right);
}

bool ncc_legal_pool_last(const struct legaliser *l, struct node *n)
{
    const struct node *pool = ncc_match_only(l->g, n->in[0], OP_avg_pool);
    if (!pool || pool->barred || !leaves_constants(pool) || !ncc_match_is_layer(n) || !is_pointwise(n) ||
        n->in[0]->shape.dim[0] != 1 ||
        ncc_legal_us(l, n, pool->in, 1, pool_last) >= worth(pool->in[0]) * ncc_legal_us(l, n, pool->in, 1, pool_first))
        return false;
    return ncc_match_become(l->g, n, pool_last(l->g, n, pool->in), pool);
}
