#include "compiler/k210/linear.h"

#include "compiler/pass/match.h"

#include <string.h>

size_t ncc_linear_n_weights(const struct linear *l)
{
    return (size_t)l->out_c * (size_t)l->in_c * (size_t)(l->kh * l->kw);
}

struct linear ncc_linear_of(struct graph *g, const struct node *n)
{
    struct linear l = {.a = *(const struct conv2d_attrs *)n->attrs};
    const struct shape *w = &n->in[1]->shape;
    l.out_c = w->dim[0];
    l.in_c = n->in[0]->shape.dim[1];
    l.kh = w->dim[2];
    l.kw = w->dim[3];
    l.w = n->in[1]->data;
    l.b = n->n_in > 2 && n->in[2] ? n->in[2]->data : NCC_NEW(g->arena, float, l.out_c);
    if (l.a.groups == 1)
        return l;
    const size_t taps = (size_t)(l.kh * l.kw), in_g = (size_t)w->dim[1], out_g = (size_t)(l.out_c / l.a.groups);
    float *dense = NCC_NEW(g->arena, float, ncc_linear_n_weights(&l));
    for (size_t o = 0; o < (size_t)l.out_c; o++)
        memcpy(dense + (o * (size_t)l.in_c + o / out_g * in_g) * taps, l.w + o * in_g * taps, in_g * taps * sizeof *l.w);
    l.w = dense;
    l.a.groups = 1;
    return l;
}

struct value *ncc_linear_node(struct graph *g, const struct node *like, const char *suffix, const struct linear *l,
                                 struct value *x)
{
    const char *name = suffix ? ncc_name(g, like->name, suffix) : like->name;
    struct value *w = ncc_const(g, ncc_name(g, name, "w"), DT_F32, ncc_shape_4(l->out_c, l->in_c, l->kh, l->kw), l->w);
    struct value *b = ncc_const(g, ncc_name(g, name, "b"), DT_F32, ncc_shape_make(1, &l->out_c), l->b);
    struct value *y = NCC_OP(g, OP_conv2d, name, &l->a, x, w, b);
    if (y)
        y->def->origin = like->origin ? like->origin : like->name;
    return y;
}

struct node *ncc_linear_only_conv(const struct graph *g, const struct value *v)
{
    struct node *n = ncc_match_only(g, v, OP_conv2d);
    return n && !n->barred && ncc_match_is_layer(n) && n->in[0]->shape.dim[0] == 1 ? n : NULL;
}

struct linear ncc_linear_composed(struct graph *g, const struct linear *first, const struct linear *second)
{
    const struct linear *k = first->kh * first->kw > 1 ? first : second; /* the one with the taps */
    struct linear l = *k;
    const size_t taps = (size_t)(k->kh * k->kw), t1 = (size_t)(first->kh * first->kw),
                 t2 = (size_t)(second->kh * second->kw), n_mid = (size_t)first->out_c;
    l.out_c = second->out_c;
    l.in_c = first->in_c;
    l.a.stride_h = first->a.stride_h * second->a.stride_h;
    l.a.stride_w = first->a.stride_w * second->a.stride_w;
    float *w = NCC_NEW(g->arena, float, ncc_linear_n_weights(&l)), *b = NCC_NEW(g->arena, float, l.out_c);
    double *sum = NCC_NEW(g->arena, double, (size_t)l.in_c *taps);
    for (size_t o = 0; o < (size_t)l.out_c; o++) {
        double bias = second->b[o];
        memset(sum, 0, (size_t)l.in_c * taps * sizeof *sum);
        for (size_t m = 0; m < n_mid; m++)
            for (size_t t = 0; t < t2; t++) {
                const double factor = second->w[(o * n_mid + m) * t2 + t];
                bias += factor * first->b[m];
                for (size_t i = 0; i < (size_t)l.in_c && factor != 0; i++)
                    for (size_t s = 0; s < t1; s++)
                        sum[i * taps + (t1 > 1 ? s : t)] += factor * first->w[(m * (size_t)l.in_c + i) * t1 + s];
            }
        b[o] = (float)bias;
        for (size_t i = 0; i < (size_t)l.in_c * taps; i++)
            w[o * (size_t)l.in_c * taps + i] = (float)sum[i];
    }
    l.w = w;
    l.b = b;
    return l;
}
