/* concat of rows. The rows of a map with more channels than share a line do not follow each other in KPU RAM: each
 * channel group has all of its rows. So every part is copied, group by group, to where its rows belong:
 *
 *     part 0   | group 0, rows 0..9   | group 1, rows 0..9   |       whole   | group 0: rows of part 0
 *     part 1   | group 0, rows 10..19 | group 1, rows 10..19 |               |          rows of part 1
 *                                                                            | group 1: rows of part 0 ...
 *
 * A depthwise layer for each part and group; cheap next to main memory, which costs 150 ns a byte there and back.
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

/* Channels begin .. begin + count - 1 of h rows of the window, as a view. */
static struct value *rows_of(struct lowering *l, struct value *x, int begin, int count, int row, int h, const char *name)
{
    const struct window w = x->window;
    if (begin != 0 || count != x->shape.dim[1]) {
        const struct kpu_slice_attrs s = {begin, count};
        x = NCC_OP(l->g, OP_kpu_slice, ncc_name(l->g, name, "group"), &s, x);
    }
    if (h == x->shape.dim[2])
        return x;
    const struct kpu_recanvas_attrs r = {.canvas_h = h,
                                         .canvas_w = x->shape.dim[3],
                                         .skip = w.top + row,
                                         .left = w.left,
                                         .h = h,
                                         .w = w.w,
                                         .outside = OUT_JUNK};
    return NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, name, "rows"), &r, x);
}

struct value *ncc_lower_rows_apart(struct lowering *l, struct value *x, int row, int h, const char *name)
{
    const int c = x->shape.dim[1], g = ncc_kpu_layout_of(x->shape.dim[3]).group, n_groups = (c + g - 1) / g;
    if (n_groups == 1)
        return rows_of(l, x, 0, c, row, h, name);
    struct value **group = NCC_NEW(l->g->arena, struct value *, n_groups);
    for (int k = 0; k < n_groups; k++) {
        const int count = c - k * g < g ? c - k * g : g;
        group[k] = ncc_lower_shift(l, rows_of(l, x, k * g, count, row, h, name), 0, 0);
    }
    return ncc_op(l->g, OP_kpu_concat, ncc_name(l->g, name, "rows"), NULL, group, n_groups);
}

/* The canvases must have the same columns, and enough rows for a layer to copy them. */
static bool stackable(struct value *const *x, int n)
{
    for (int i = 0; i < n; i++)
        if (x[i]->shape.dim[3] != x[0]->shape.dim[3] || x[i]->shape.dim[1] != x[0]->shape.dim[1] ||
            x[i]->window.left != x[0]->window.left || x[i]->window.w != x[0]->window.w ||
            x[i]->window.h < NCC_KPU_MIN_H)
            return false;
    return true;
}

bool ncc_lower_op_stack(struct lowering *l, struct node *n, const char **why)
{
    struct value **x = NCC_NEW(l->g->arena, struct value *, n->n_in);
    for (int i = 0; i < n->n_in; i++)
        if (!(x[i] = ncc_lower_canvas(l, n->in[i]))) {
            *why = "a part does not fit the KPU";
            return false;
        }
    if (!stackable(x, n->n_in)) {
        *why = "the parts' columns do not lie below each other";
        return false;
    }
    const int c = x[0]->shape.dim[1], g = ncc_kpu_layout_of(x[0]->shape.dim[3]).group, n_groups = (c + g - 1) / g;
    struct value **group = NCC_NEW(l->g->arena, struct value *, n_groups);
    struct value **part = NCC_NEW(l->g->arena, struct value *, n->n_in);
    for (int k = 0; k < n_groups; k++) {
        const int count = c - k * g < g ? c - k * g : g;
        for (int i = 0; i < n->n_in; i++)
            part[i] = ncc_lower_shift(l, rows_of(l, x[i], k * g, count, 0, x[i]->window.h, n->name), 0, 0);
        group[k] = ncc_op(l->g, OP_kpu_stack, ncc_name(l->g, n->name, "stack"), NULL, part, n->n_in);
    }
    ncc_lower_form_to_set(l, n->out[0])->kpu =
        n_groups == 1 ? group[0] : ncc_op(l->g, OP_kpu_concat, n->name, NULL, group, n_groups);
    return true;
}
