/* A 1x1 convolution of maps side by side of which one was resized, as in front of the heads of many detectors: the share of
 * that one is computed on the small map, and what is resized has as many channels as the result, not as the part.
 *
 *     W [up(a); b] + k  =  up(Wa a) + (Wb b + k)
 *
 * Exact, as the weights of a pixel add up to 1. By estimate: it adds a sum, and a rounding.
 */
#include "compiler/k210/legalise.h"
#include "compiler/pass/match.h"

#include <string.h>

enum { MAX_PARTS = 8 };

/* The first part that is made by a resize, or NULL. */
static const struct node *resize_of(const struct node *concat, int *part)
{
    for (*part = 0; *part < concat->n_in; ++*part)
        if (ncc_match_def(concat->in[*part], OP_resize))
            return concat->in[*part]->def;
    return NULL;
}

/* The concat in front of a convolution of single pixels, or NULL. */
static const struct node *concat_of(const struct graph *g, const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    const struct node *concat = ncc_match_only(g, n->in[0], OP_concat);
    const struct shape *w = &n->in[1]->shape;
    const bool pixels = ncc_match_is_layer(n) && a->groups == 1 && a->stride_h == 1 && a->stride_w == 1 && w->dim[2] == 1 &&
                        w->dim[3] == 1 && !a->pad_top && !a->pad_left && !a->pad_bottom && !a->pad_right;
    return pixels && concat && concat->n_in > 1 && concat->n_in <= MAX_PARTS &&
                   ((const struct concat_attrs *)concat->attrs)->axis == 1
               ? concat
               : NULL;
}

/* The convolution with the weights of channels begin .. begin + x's channels. */
static struct value *share(struct graph *g, const struct node *n, struct value *x, const int *begin, bool bias)
{
    const int out_c = n->in[1]->shape.dim[0], all = n->in[1]->shape.dim[1], c = x->shape.dim[1];
    const float *from = n->in[1]->data;
    float *w = NCC_NEW(g->arena, float, (size_t)out_c * (size_t)c);
    for (size_t o = 0; o < (size_t)out_c; o++)
        for (int i = 0; i < c; i++)
            w[o * (size_t)c + (size_t)i] = from[o * (size_t)all + (size_t)begin[i]];
    struct value *y = NCC_OP(g, OP_conv2d, n->name, n->attrs, x, ncc_const(g, n->in[1]->name, DT_F32, ncc_shape_4(out_c, c, 1, 1), w),
                             bias && n->n_in > 2 ? ncc_legal_const(g, n->in[2]) : NULL);
    y->def->origin = n->origin ? n->origin : n->name;
    return y;
}

static struct value *side_by_side(struct graph *g, const struct node *concat, struct value *const *x, int n)
{
    return n == 1 ? x[0] : ncc_op(g, OP_concat, concat->name, concat->attrs, x, n);
}

static struct value *together(struct graph *g, const struct node *n, struct value *const *from)
{
    int resized;
    const struct node *concat = n->in[0]->def, *resize = resize_of(concat, &resized);
    struct value *part[MAX_PARTS];
    for (int i = 0; i < concat->n_in; i++)
        part[i] = i == resized ? ncc_legal_again(g, resize, from[i]) : from[i];
    return ncc_legal_again(g, n, side_by_side(g, concat, part, concat->n_in));
}

static struct value *apart(struct graph *g, const struct node *n, struct value *const *from)
{
    int resized, n_others = 0, c = 0, n_small = 0, n_rest = 0;
    const struct node *concat = n->in[0]->def, *resize = resize_of(concat, &resized);
    const int all = n->in[1]->shape.dim[1];
    struct value *other[MAX_PARTS];
    int *small = NCC_NEW(g->arena, int, all), *rest = NCC_NEW(g->arena, int, all);
    for (int i = 0; i < concat->n_in; i++) {
        for (int k = 0; k < concat->in[i]->shape.dim[1]; k++, c++) {
            if (i == resized)
                small[n_small++] = c;
            else
                rest[n_rest++] = c;
        }
        if (i != resized)
            other[n_others++] = from[i];
    }
    struct value *a = ncc_legal_again(g, resize, share(g, n, from[resized], small, false));
    struct value *b = share(g, n, side_by_side(g, concat, other, n_others), rest, true);
    return NCC_OP(g, OP_add, n->name, NULL, a, b);
}

bool ncc_legal_resized_part(const struct legaliser *l, struct node *n)
{
    int resized;
    struct value *from[MAX_PARTS];
    const struct node *concat = concat_of(l->g, n), *resize = concat ? resize_of(concat, &resized) : NULL;
    if (!resize || !ncc_value_only_use(l->g, resize->out[0]))
        return false;
    for (int i = 0; i < concat->n_in; i++)
        from[i] = i == resized ? resize->in[0] : concat->in[i];
    if (ncc_legal_us(l, n, from, concat->n_in, apart) >= ncc_legal_us(l, n, from, concat->n_in, together))
        return false;
    return ncc_match_become(l->g, n, apart(l->g, n, from), concat);
}
