/* Transposed convolutions and depth_to_space as convolutions of the large map, in which the pixels of the small one stand
 * apart with zeros between them (enlarge.c makes it without leaving KPU RAM):
 *
 *     x0 x1    ->    x0 0 x1 0    ->    a convolution with the kernel turned around
 *
 * against the phases of legal_phases.c, whose pixels the CPU puts between each other.
 *
 *     transposed     y(o) = sum of w(k) z(o + pad - k * dilation)
 *     convolution    y(o) = sum of w'(t) z(o - pad' + t * dilation)      t = n - 1 - k, pad' = (n - 1) * dilation - pad
 */
#include "compiler/k210/enlarge.h"
#include "compiler/k210/legalise.h"
#include "compiler/pass/match.h"

/* One pixel of x at each `stride`; h x w in all, of which the last may be zeros. */
static struct value *set_apart(struct graph *g, const char *name, struct value *x, int stride, int h, int w)
{
    const int *d = x->shape.dim;
    const struct conv2d_transpose_attrs a = {.stride_h = stride,
                                             .stride_w = stride,
                                             .out_pad_h = h - (d[2] - 1) * stride - 1,
                                             .out_pad_w = w - (d[3] - 1) * stride - 1,
                                             .dil_h = 1,
                                             .dil_w = 1,
                                             .groups = d[1]};
    float *one = NCC_NEW(g->arena, float, d[1]);
    for (int i = 0; i < d[1]; i++)
        one[i] = 1;
    struct value *unit = ncc_const(g, ncc_name(g, name, "one"), DT_F32, ncc_shape_4(d[1], 1, 1, 1), one);
    struct value *y = NCC_OP(g, OP_conv2d_transpose, ncc_name(g, name, "apart"), &a, x, unit);
    return y && ncc_lower_enlarging(y->def).factor ? y : NULL;
}

/* ---- transposed convolution ---- */

/* One dimension: pads of the convolution, and pixels of the map that it reads. */
struct extent {
    int before, after, size;
};

/* False: more is cut off than the convolution has around. */
static bool extent_of(int in, int out, int stride, int pad, int kernel, int dilation, struct extent *e)
{
    const int reach = (kernel - 1) * dilation;
    e->before = reach - pad;
    e->size = in * stride;
    e->after = out - 1 - e->before + reach - (e->size - 1);
    if (e->after < 0) {
        e->size += e->after;
        e->after = 0;
    }
    return e->before >= 0 && e->size > (in - 1) * stride;
}

/* [in_c][out_g][kh][kw] -> [out_c][in_g][kh][kw], each kernel turned around. */
static struct value *turned_weights(struct graph *g, const struct value *v, int groups)
{
    const int in_g = v->shape.dim[0] / groups, out_g = v->shape.dim[1], taps = v->shape.dim[2] * v->shape.dim[3];
    const struct shape s = ncc_shape_4(out_g * groups, in_g, v->shape.dim[2], v->shape.dim[3]);
    const float *from = v->data;
    float *to = NCC_NEW(g->arena, float, ncc_shape_count(s)), *at = to;
    for (int o = 0; o < out_g * groups; o++)
        for (int i = 0; i < in_g; i++) {
            const float *kernel = from + ((size_t)(o / out_g * in_g + i) * (size_t)out_g + (size_t)(o % out_g)) * (size_t)taps;
            for (int t = 0; t < taps; t++)
                *at++ = kernel[taps - 1 - t];
        }
    return ncc_const(g, v->name, DT_F32, s, to);
}

struct value *ncc_legal_transposed_apart(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct conv2d_transpose_attrs *a = n->attrs;
    const struct value *w = n->in[1];
    const int *d = x[0]->shape.dim, *y = n->out[0]->shape.dim;
    struct extent row, col;
    if (a->stride_h != a->stride_w || !ncc_match_floats(w) ||
        !extent_of(d[2], y[2], a->stride_h, a->pad_top, w->shape.dim[2], a->dil_h, &row) ||
        !extent_of(d[3], y[3], a->stride_w, a->pad_left, w->shape.dim[3], a->dil_w, &col))
        return NULL;
    struct value *z = set_apart(g, n->name, x[0], a->stride_h, row.size, col.size);
    if (!z)
        return NULL;
    const struct conv2d_attrs c = {.stride_h = 1,
                                   .stride_w = 1,
                                   .pad_top = row.before,
                                   .pad_left = col.before,
                                   .pad_bottom = row.after,
                                   .pad_right = col.after,
                                   .dil_h = a->dil_h,
                                   .dil_w = a->dil_w,
                                   .groups = a->groups};
    z->def->origin = n->origin ? n->origin : n->name;
    struct value *v = NCC_OP(g, OP_conv2d, n->name, &c, z, turned_weights(g, w, a->groups),
                             n->n_in > 2 ? ncc_legal_const(g, n->in[2]) : NULL);
    v->def->origin = z->def->origin;
    return v;
}

/* ---- depth_to_space ---- */

/* Output c at phase (a, b) is input (a, b, c), or (c, a, b) with crd, a pixel before: one-hot kernels. */
struct value *ncc_legal_depth_to_space_apart(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct depth_to_space_attrs *a = n->attrs;
    const int *y = n->out[0]->shape.dim, b = a->block, taps = b * b;
    struct value *z = set_apart(g, n->name, x[0], b, y[2], y[3]);
    if (!z)
        return NULL;
    const struct shape s = ncc_shape_4(y[1], y[1] * taps, b, b);
    float *w = NCC_NEW(g->arena, float, ncc_shape_count(s));
    for (int c = 0; c < y[1]; c++)
        for (int p = 0; p < taps; p++)
            w[(c * y[1] * taps + (a->crd ? c * taps + p : p * y[1] + c)) * taps + taps - 1 - p] = 1;
    const struct conv2d_attrs conv = {
        .stride_h = 1, .stride_w = 1, .pad_top = b - 1, .pad_left = b - 1, .dil_h = 1, .dil_w = 1, .groups = 1};
    z->def->origin = n->origin ? n->origin : n->name;
    struct value *v = NCC_OP(g, OP_conv2d, n->name, &conv, z, ncc_const(g, ncc_name(g, n->name, "w"), DT_F32, s, w), NULL);
    v->def->origin = z->def->origin;
    return v;
}
