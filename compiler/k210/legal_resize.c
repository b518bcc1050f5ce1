/* Larger maps, by steps of which the CPU does no more than move bytes.
 *
 *     1x1 convolution of a resized map        the convolution first, on fewer pixels (and channels); exact, since the
 *                                             weights of a pixel add up to 1
 *     bilinear, whole factors                 nearest, edges repeated, and a depthwise filter on the KPU
 *     a gate [1, C, 1, 1] times a map         the gate spread over the map, so that the shapes are equal
 *
 * Bilinear by f, pixels taken by their centres (by their corners the firmware's kernel can): with u the map enlarged by
 * the nearest pixel, an output is the mean of the f pixels of u around it, for even f of f + 1, the outermost two
 * counting half. Beyond the edge u goes on as at the edge, and so does the definition.
 *
 *     f = 2     1/4 1/2 1/4          f = 3     1/3 1/3 1/3
 */
#include "compiler/k210/legalise.h"
#include "compiler/k210/repeat.h"
#include "compiler/pass/match.h"

/* ---- a convolution in front of it ---- */

static struct value *resize_first(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, ncc_legal_again(g, n->in[0]->def, x[0]));
}

static struct value *conv_first(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n->in[0]->def, ncc_legal_again(g, n, x[0]));
}

bool ncc_legal_conv_before_resize(const struct legaliser *l, struct node *n)
{
    const struct node *resize = ncc_match_only(l->g, n->in[0], OP_resize);
    const struct conv2d_attrs *a = n->attrs;
    if (!resize || !ncc_match_is_layer(n) || n->in[1]->shape.dim[2] != 1 || n->in[1]->shape.dim[3] != 1 ||
        a->stride_h != 1 || a->stride_w != 1 || a->pad_top || a->pad_left || a->pad_bottom || a->pad_right)
        return false;
    struct value *x = resize->in[0];
    if (ncc_legal_us(l, n, &x, 1, conv_first) >= ncc_legal_us(l, n, &x, 1, resize_first))
        return false;
    struct unaries u = {0};
    struct value *end = n->out[0];
    if (((const struct resize_attrs *)resize->attrs)->mode == RESIZE_NEAREST)
        end = ncc_legal_unaries(l->g, n->out[0], &u);
    struct value *y = ncc_legal_again(l->g, resize, ncc_legal_apply(l->g, &u, ncc_legal_again(l->g, n, x)));
    return ncc_match_become(l->g, end->def, y, resize);
}

/* ---- nearest ---- */

/* By whole factors centres and corners choose the same pixels, and the firmware's kernel knows the latter. */
bool ncc_legal_nearest(struct graph *g, struct node *n)
{
    struct resize_attrs a = *(const struct resize_attrs *)n->attrs;
    const int *x = n->in[0]->shape.dim;
    if (a.mode != RESIZE_NEAREST || !a.half_pixel || a.out_h % x[2] || a.out_w % x[3])
        return false;
    a.half_pixel = false;
    return ncc_match_become(g, n, NCC_OP(g, OP_resize, n->name, &a, n->in[0]), NULL);
}

/* ---- bilinear ---- */

/* One dimension: the filter over the enlarged map, and how often its edges are repeated. */
struct filter {
    int factor, margin, n;
    double tap[16];
};

static bool filter_of(int in, int out, struct filter *f)
{
    if (out % in != 0 || out / in > 8)
        return false;
    f->factor = out / in;
    const bool even = f->factor % 2 == 0;
    f->margin = f->factor / 2;
    f->n = 2 * f->margin + 1;
    for (int i = 0; i < f->n; i++)
        f->tap[i] = 1.0 / f->factor / (even && (i == 0 || i == f->n - 1) ? 2 : 1);
    return true;
}

/* The first or last row (column) of x. */
static struct value *edge(struct graph *g, const char *name, struct value *x, int axis, bool last)
{
    struct slice_attrs s = {.begin = {4, {0}}, .size = {4, {0}}, .stride = {4, {1, 1, 1, 1}}};
    for (int i = 0; i < 4; i++)
        s.size.v[i] = x->shape.dim[i];
    s.begin.v[axis] = last ? x->shape.dim[axis] - 1 : 0;
    s.size.v[axis] = 1;
    return NCC_OP(g, OP_slice, ncc_name(g, name, "edge"), &s, x);
}

static struct value *repeat_edges(struct graph *g, const char *name, struct value *x, int axis, const struct filter *f)
{
    struct value *part[16];
    if (f->margin == 0)
        return x;
    struct value *first = edge(g, name, x, axis, false), *last = edge(g, name, x, axis, true);
    for (int i = 0; i < f->n; i++)
        part[i] = i < f->margin ? first : i > f->margin ? last : x;
    const struct concat_attrs a = {axis};
    return ncc_op(g, OP_concat, ncc_name(g, name, "edges"), &a, part, f->n);
}

static struct value *filtered(struct graph *g, const struct node *n, struct value *x, const struct filter *row,
                              const struct filter *col)
{
    const int c = x->shape.dim[1];
    const struct shape s = ncc_shape_4(c, 1, row->n, col->n);
    float *w = NCC_NEW(g->arena, float, ncc_shape_count(s)), *to = w;
    for (int i = 0; i < c; i++)
        for (int y = 0; y < row->n; y++)
            for (int k = 0; k < col->n; k++)
                *to++ = (float)(row->tap[y] * col->tap[k]);
    const struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = c};
    return NCC_OP(g, OP_conv2d, n->name, &a, x, ncc_const(g, ncc_name(g, n->name, "filter"), DT_F32, s, w), NULL);
}

static struct value *bilinear_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return ncc_legal_again(g, n, x[0]);
}

static struct value *bilinear_filtered(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct resize_attrs *a = n->attrs;
    struct filter row, col;
    if (!filter_of(x[0]->shape.dim[2], a->out_h, &row) ||
        !filter_of(x[0]->shape.dim[3], a->out_w, &col))
        return NULL;
    const struct resize_attrs nearest = {.mode = RESIZE_NEAREST, .out_h = a->out_h, .out_w = a->out_w};
    const char *name = ncc_name(g, n->name, "nearest");
    struct value *y = NCC_OP(g, OP_resize, name, &nearest, x[0]);
    y->def->origin = n->origin ? n->origin : n->name;
    y->def->barred = true; /* the small map is the smaller one to bring out */
    y->def->reason = "the CPU repeats the edges of what it enlarges";
    y = repeat_edges(g, name, y, 2, &row);
    y = repeat_edges(g, name, y, 3, &col);
    return filtered(g, n, y, &row, &col);
}

bool ncc_legal_bilinear(const struct legaliser *l, struct node *n)
{
    const struct resize_attrs *a = n->attrs;
    struct value *x = n->in[0];
    if (a->mode != RESIZE_BILINEAR || !a->half_pixel || x->shape.dim[0] != 1 || x->dtype != DT_F32 || x->data)
        return false;
    if (ncc_legal_us(l, n, &x, 1, bilinear_filtered) >= ncc_legal_us(l, n, &x, 1, bilinear_as_is))
        return false;
    return ncc_match_become(l->g, n, bilinear_filtered(l->g, n, &x), NULL);
}

/* ---- gates ---- */

/* [1, C, 1, 1] -> [1, C, h, w], by laying copies side by side. */
static struct value *spread(struct graph *g, const char *name, struct value *gate, int h, int w)
{
    const int c = gate->shape.dim[1];
    struct value *y = ncc_match_reshape(g, ncc_name(g, name, "gate"), gate, ncc_shape_make(2, (int[]){c, 1}));
    y = ncc_k210_repeated(g, ncc_name(g, name, "row"), y, 1, w);
    y = ncc_k210_repeated(g, ncc_name(g, name, "gates"), y, 1, h);
    return ncc_match_reshape(g, ncc_name(g, name, "spread"), y, ncc_shape_4(1, c, h, w));
}

static int gate_side(const struct node *n)
{
    for (int i = 0; i < 2; i++) {
        const struct shape *s = &n->in[i]->shape, *m = &n->in[1 - i]->shape;
        if (s->rank == 4 && m->rank == 4 && s->dim[0] == 1 && m->dim[0] == 1 && s->dim[1] == m->dim[1] && s->dim[2] == 1 &&
            s->dim[3] == 1 && m->dim[2] * m->dim[3] > 1)
            return i;
    }
    return -1;
}

static struct value *gate_as_is(struct graph *g, const struct node *n, struct value *const *x)
{
    return NCC_OP(g, OP_mul, n->name, NULL, x[0], x[1]);
}

static struct value *gate_spread(struct graph *g, const struct node *n, struct value *const *x)
{
    const int side = gate_side(n);
    const struct shape *m = &n->in[1 - side]->shape;
    struct value *in[2] = {x[0], x[1]};
    in[side] = spread(g, n->name, x[side], m->dim[2], m->dim[3]);
    return NCC_OP(g, OP_mul, n->name, NULL, in[0], in[1]);
}

bool ncc_legal_gate(const struct legaliser *l, struct node *n)
{
    if (ncc_is_const(n->in[0]) || ncc_is_const(n->in[1]) || gate_side(n) < 0 || n->in[0]->dtype != DT_F32)
        return false;
    if (ncc_legal_us(l, n, n->in, 2, gate_spread) >= ncc_legal_us(l, n, n->in, 2, gate_as_is))
        return false;
    return ncc_match_become(l->g, n, gate_spread(l->g, n, n->in), NULL);
}
