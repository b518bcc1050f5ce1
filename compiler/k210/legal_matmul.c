/* Matrix products by constants in forms that the KPU likes better.
 *
 *     of a flattened map            [1, C, h, w] -> [1, C h w] -> product     a valid convolution with kernel h x w
 *     of several rows               [M, K] x [K, N]                           a 1x1 convolution of a map with K channels
 *                                                                             and M pixels; rows become channels by a transpose
 */
#include "compiler/k210/legalise.h"
#include "compiler/k210/rules.h"
#include "compiler/pass/match.h"

/* Is v a vector: all in its channels? */
static bool is_vector(const struct value *v)
{
    const struct shape *s = &v->shape;
    return (s->rank == 2 && s->dim[0] == 1) || (s->rank == 4 && s->dim[0] == 1 && s->dim[2] == 1 && s->dim[3] == 1);
}

/* [k][n] -> [n][k], k being any run of dimensions. */
static struct value *turned(struct graph *g, const struct value *w, struct shape as)
{
    const int k = w->shape.dim[0], n = w->shape.dim[1];
    const float *from = w->data;
    float *to = NCC_NEW(g->arena, float, ncc_shape_count(as));
    for (int o = 0; o < n; o++)
        for (int i = 0; i < k; i++)
            to[(size_t)o * (size_t)k + (size_t)i] = from[(size_t)i * (size_t)n + (size_t)o];
    return ncc_const(g, w->name, DT_F32, as, to);
}

static struct value *bias_of(struct graph *g, const struct node *n)
{
    return ncc_legal_const(g, n->n_in > 2 ? n->in[2] : NULL);
}

static struct value *pointwise(struct graph *g, const struct node *n, struct value *x, struct shape kernel)
{
    const struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    struct value *y = NCC_OP(g, OP_conv2d, n->name, &a, x, turned(g, n->in[1], kernel), bias_of(g, n));
    y->def->origin = n->origin ? n->origin : n->name;
    return y;
}

/* ---- of a flattened map ---- */

static struct value *flat_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    struct value *flat = ncc_match_reshape(g, n->name, x[0], n->in[0]->shape);
    return NCC_OP(g, OP_matmul, n->name, NULL, flat, ncc_legal_const(g, n->in[1]), bias_of(g, n));
}

static struct value *flat_as_conv(struct graph *g, const struct node *n, struct value *const *x)
{
    const int *d = x[0]->shape.dim;
    return pointwise(g, n, x[0], ncc_shape_4(n->out[0]->shape.dim[1], d[1], d[2], d[3]));
}

/* Then the convolution would stay there, and be slower. A slice may yet disappear (legal_decimation.c). */
static bool comes_from_cpu(const struct value *x)
{
    char found[120];
    return x->def && x->def->op != OP_slice && ncc_k210_rule_broken(x->def, found);
}

bool ncc_legal_flat_matmul(const struct legaliser *l, struct node *n)
{
    const struct node *flat = ncc_match_def(n->in[0], OP_reshape);
    if (!flat || !ncc_match_is_layer(n) || n->in[0]->shape.rank != 2 || n->in[0]->shape.dim[0] != 1)
        return false;
    struct value *x = flat->in[0];
    if (x->shape.rank != 4 || x->shape.dim[0] != 1 || is_vector(x) || x->dtype != DT_F32)
        return false;
    if (comes_from_cpu(x))
        return false;
    if (ncc_legal_us(l, n, &x, 1, flat_as_conv) >= ncc_legal_us(l, n, &x, 1, flat_as_is))
        return false;
    struct unaries u;
    struct value *end = ncc_legal_unaries(l->g, n->out[0], &u);
    struct value *y = ncc_legal_apply(l->g, &u, flat_as_conv(l->g, n, &x));
    y = ncc_match_reshape(l->g, ncc_name(l->g, n->name, "vector"), y, end->shape);
    return ncc_match_become(l->g, end->def, y, end->def == n ? NULL : n);
}

/* ---- of several rows ---- */

/* A map of `pixels` with few strips to a row: the widest rows that divide them, up to one line. */
static struct shape map_of(int channels, int pixels)
{
    int w = 1;
    for (int i = 1; i <= 64; i++)
        w = pixels % i == 0 && pixels / i >= 4 ? i : w;
    if (pixels / w > 256) /* too high: as wide as the chip allows */
        for (int i = 65; i <= 512; i++)
            w = pixels % i == 0 && pixels / w > 256 ? i : w;
    return ncc_shape_4(1, channels, pixels / w, w);
}

static struct value *swapped(struct graph *g, const char *name, struct value *x, int rows, int columns)
{
    const struct transpose_attrs t = {{2, {1, 0}}};
    x = ncc_match_reshape(g, ncc_name(g, name, "matrix"), x, ncc_shape_make(2, (int[]){rows, columns}));
    return NCC_OP(g, OP_transpose, ncc_name(g, name, "turned"), &t, x);
}

static int rows_of(const struct node *n)
{
    return (int)(ncc_shape_count(n->in[0]->shape) / n->in[1]->shape.dim[0]);
}

static struct value *rows_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return NCC_OP(g, OP_matmul, n->name, NULL, x[0], ncc_legal_const(g, n->in[1]), bias_of(g, n));
}

static struct value *rows_as_conv(struct graph *g, const struct node *n, struct value *const *x)
{
    const int k = n->in[1]->shape.dim[0], m = n->in[1]->shape.dim[1], rows = rows_of(n);
    struct value *map = swapped(g, n->name, x[0], rows, k);
    map = ncc_match_reshape(g, ncc_name(g, n->name, "map"), map, map_of(k, rows));
    return pointwise(g, n, map, ncc_shape_4(m, k, 1, 1));
}

bool ncc_legal_many_rows(const struct legaliser *l, struct node *n)
{
    if (!ncc_match_is_layer(n) || rows_of(n) < 2)
        return false;
    const int m = n->in[1]->shape.dim[1], rows = rows_of(n);
    const struct shape map = map_of(n->in[1]->shape.dim[0], rows);
    if (map.dim[2] > 256 || map.dim[3] > 512 ||
        ncc_legal_us(l, n, n->in, 1, rows_as_conv) >= ncc_legal_us(l, n, n->in, 1, rows_as_is))
        return false;
    struct unaries u;
    struct value *end = ncc_legal_unaries(l->g, n->out[0], &u);
    struct value *y = ncc_legal_apply(l->g, &u, rows_as_conv(l->g, n, n->in));
    y = swapped(l->g, ncc_name(l->g, n->name, "back"), y, m, rows);
    y = ncc_match_reshape(l->g, ncc_name(l->g, n->name, "rows"), y, end->shape);
    return ncc_match_become(l->g, end->def, y, end->def == n ? NULL : n);
}
