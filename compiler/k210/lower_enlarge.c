/* Resizing to the nearest pixel by a power of two (and a pixel less), and pixels set apart with zeros between them: what makes maps larger
 * without computing anything. enlarge.c does it by two, as often as it takes. */
#include "compiler/k210/enlarge.h"
#include "compiler/ops/resize.h"
#include "kpu/layout.h"

/* Does output pixel o show input pixel o / f? The last ones may be missing. */
static bool repeats(const struct resize_attrs *a, int in, int out, int f)
{
    bool same = out <= f * in;
    for (int o = 0; o < out && same; o++)
        same = ncc_resize_nearest(a, in, out, o) == o / f;
    return same;
}

static int times(const struct node *n)
{
    const struct resize_attrs *a = n->attrs;
    const int *x = n->in[0]->shape.dim;
    for (int f = 2; a->mode == RESIZE_NEAREST && f <= 2 * a->out_h && f <= 2 * a->out_w; f *= 2)
        if (repeats(a, x[2], a->out_h, f) && repeats(a, x[3], a->out_w, f))
            return f;
    return 0;
}

/* Each channel by itself, and nothing but the pixel. */
static bool sets_apart(const struct node *n)
{
    if (n->op != OP_conv2d_transpose || (n->n_in > 2 && n->in[2]) || !ncc_is_const(n->in[1]))
        return false;
    const struct conv2d_transpose_attrs *a = n->attrs;
    const struct shape *w = &n->in[1]->shape;
    const float *one = n->in[1]->data;
    if (a->groups != n->in[0]->shape.dim[1] || w->dim[1] != 1 || w->dim[2] != 1 || w->dim[3] != 1 || a->pad_top ||
        a->pad_left || a->pad_bottom || a->pad_right)
        return false;
    for (int i = 0; i < w->dim[0]; i++)
        if (one[i] != 1)
            return false;
    return true;
}

static int power_of_two(int n)
{
    return n > 1 && (n & (n - 1)) == 0 ? n : 0;
}

int ncc_lower_enlarges(const struct node *n, enum enlarge *between)
{
    const struct shape *x = &n->in[0]->shape, *y = &n->out[0]->shape;
    if (x->rank != 4 || x->dim[0] != 1)
        return 0;
    if (n->op == OP_resize) {
        *between = ENLARGE_REPEAT;
        return times(n);
    }
    if (!sets_apart(n))
        return 0;
    const struct conv2d_transpose_attrs *a = n->attrs;
    *between = ENLARGE_ZEROS;
    return a->stride_h == a->stride_w && y->dim[2] <= a->stride_h * x->dim[2] && y->dim[3] <= a->stride_w * x->dim[3]
               ? power_of_two(a->stride_h)
               : 0;
}

/* The window may end in front of the last pixels; where these are zeros, so is what is outside of it. */
static struct value *cut(struct lowering *l, struct value *y, const struct shape *to, enum enlarge between)
{
    if (y->window.h == to->dim[2] && y->window.w == to->dim[3])
        return y;
    const struct kpu_recanvas_attrs a = {.canvas_h = y->shape.dim[2],
                                         .canvas_w = y->shape.dim[3],
                                         .top = y->window.top,
                                         .left = y->window.left,
                                         .h = to->dim[2],
                                         .w = to->dim[3],
                                         .outside = between == ENLARGE_REPEAT   ? OUT_JUNK
                                                    : ncc_lower_is_full(y) ? OUT_ZERO
                                                                           : (int)y->window.outside};
    return NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, y->name, "window"), &a, y);
}

/* Columns behind the window cost something in the large map; rows do, too, but to lose them is a layer for each group. */
static struct value *narrowed(struct lowering *l, struct value *x)
{
    int w = x->window.left + x->window.w;
    while (ncc_kpu_layout_of(w).pitch != ncc_kpu_layout_of(x->shape.dim[3]).pitch ||
           ncc_kpu_layout_of(w).row_lines != ncc_kpu_layout_of(x->shape.dim[3]).row_lines || w < NCC_KPU_MIN_W)
        w++;
    return ncc_lower_recanvas(l, x, x->shape.dim[2], w);
}

bool ncc_lower_op_enlarge(struct lowering *l, struct node *n, const char **why)
{
    enum enlarge between;
    const int c = n->in[0]->shape.dim[1], *at;
    struct value *x = ncc_lower_spread(l, n->in[0], &at);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    x = narrowed(l, x);
    int *slot = NCC_NEW(l->g->arena, int, c);
    for (int i = 0; i < c; i++)
        slot[i] = at ? at[i] : i;
    for (int f = ncc_lower_enlarges(n, &between); f > 1; f /= 2) {
        int *to = NCC_NEW(l->g->arena, int, x->shape.dim[1]);
        if (!(x = ncc_lower_enlarge(l, n->name, x, between, to, why)))
            return false;
        for (int i = 0; i < c; i++)
            slot[i] = to[slot[i]];
    }
    ncc_lower_set_spread(l, n->out[0], cut(l, x, &n->out[0]->shape, between), slot);
    return true;
}
