/* slice: neighbouring rows and columns are a smaller window on the same canvas, and channels are an address, or (where
 * they start inside a line) an address and slots behind it; neither takes a layer. */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

/* The lines with channels begin .. begin + count - 1 of v, and where in them each lies. */
static struct value *of_channels(struct lowering *l, const struct node *n, int begin, int count, int **slot)
{
    const int *from;
    struct value *x = ncc_lower_spread(l, n->in[0], &from);
    if (!x)
        return NULL;
    const int group = ncc_kpu_layout_of(x->shape.dim[3]).group;
    int first = from ? from[begin] : begin, last = first;
    *slot = NCC_NEW(l->g->arena, int, count);
    for (int i = 0; i < count; i++) {
        (*slot)[i] = from ? from[begin + i] : begin + i;
        first = (*slot)[i] < first ? (*slot)[i] : first;
        last = (*slot)[i] > last ? (*slot)[i] : last;
    }
    const struct kpu_slice_attrs s = {first / group * group, last + 1 - first / group * group};
    for (int i = 0; i < count; i++)
        (*slot)[i] -= s.begin;
    return s.count == x->shape.dim[1] ? x : NCC_OP(l->g, OP_kpu_slice, ncc_name(l->g, n->name, "channels"), &s, x);
}

bool ncc_lower_op_slice(struct lowering *l, struct node *n, const char **why)
{
    const struct slice_attrs *a = n->attrs;
    int *slot;
    struct value *x = of_channels(l, n, a->begin.v[1], a->size.v[1], &slot);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    if (ncc_lower_was_uploaded(x)) {
        *why = "the map comes from main memory, where it is sliced as well";
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
    ncc_lower_set_spread(l, n->out[0], x, slot);
    return true;
}
