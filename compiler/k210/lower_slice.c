/* slice: neighbouring rows and columns are a smaller window on the same canvas, and channels that start a line are an
 * address; neither takes a layer. */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

static struct value *of_channels(struct lowering *l, const struct node *n, struct value *x, int begin, int count)
{
    if (begin == 0 && count == x->shape.dim[1])
        return x;
    const struct kpu_slice_attrs s = {begin, count};
    return begin % ncc_kpu_layout_of(x->shape.dim[3]).group
               ? NULL
               : NCC_OP(l->g, OP_kpu_slice, ncc_name(l->g, n->name, "channels"), &s, x);
}

bool ncc_lower_op_slice(struct lowering *l, struct node *n, const char **why)
{
    const struct slice_attrs *a = n->attrs;
    struct value *x = ncc_lower_canvas(l, n->in[0]);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    if (!(x = of_channels(l, n, x, a->begin.v[1], a->size.v[1]))) {
        *why = "the first channel does not start a line";
        return false;
    }
    const struct window *w = &x->window;
    if (a->size.v[2] != w->h || a->size.v[3] != w->w) {
        const struct kpu_recanvas_attrs r = {.canvas_h = x->shape.dim[2],
                                             .canvas_w = x->shape.dim[3],
                                             .top = w->top + a->begin.v[2],
                                             .left = w->left + a->begin.v[3],
                                             .h = a->size.v[2],
                                             .w = a->size.v[3],
                                             .outside = OUT_JUNK};
        x = NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, n->name, "window"), &r, x);
    }
    l->forms[n->out[0]->id].kpu = x;
    return true;
}
