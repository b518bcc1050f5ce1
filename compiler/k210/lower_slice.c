/* slice, gather: neighbouring rows and columns are a smaller window on the same canvas (rows of a band are copied), and
 * channels are an address, or (where they start inside a line, or come in another order) an address and slots behind it; none
 * takes a layer. Every so many-th row or column does: thin.h. */
#include "compiler/ir/element.h"
#include "compiler/k210/thin.h"
#include "kpu/layout.h"

/* The lines with channels channel[0] .. channel[n - 1] of v, and where in them each lies. */
static struct value *of_channels(struct lowering *l, const struct node *n, const int *channel, int count, int **slot)
{
    const int *from;
    struct value *x = ncc_lower_spread(l, n->in[0], &from);
    if (!x)
        return NULL;
    const int group = ncc_kpu_layout_of(x->shape.dim[3]).group;
    int first = x->shape.dim[1], last = 0;
    *slot = NCC_NEW(l->g->arena, int, count);
    for (int i = 0; i < count; i++) {
        const int at = from ? from[channel[i]] : channel[i];
        (*slot)[i] = at;
        first = at < first ? at : first;
        last = at > last ? at : last;
    }
    const int begin = first / group * group;
    for (int i = 0; i < count; i++)
        (*slot)[i] -= begin;
    return ncc_lower_channels(l, x, begin, last + 1 - begin);
}

/* Rows and columns that do not follow each other; row, column: where those that are left begin in what *x is then. */
static bool thinned(struct lowering *l, const struct node *n, struct value **x, int *row, int *column, const char **why)
{
    const struct slice_attrs *a = n->attrs;
    const int rows = a->size.v[2] > 1 ? a->stride.v[2] : 1, columns = a->size.v[3] > 1 ? a->stride.v[3] : 1;
    if (rows == 1 && columns == 1)
        return true;
    if (l->options->short_of_ram) {
        *why = "its layers take RAM that the board does not have"; /* picks have many weights */
        return false;
    }
    if (columns > 1) {
        *x = ncc_lower_thin_columns(l, n->name, *x, *column, columns, a->size.v[3], why);
        *column = 0;
    }
    if (*x && rows > 1) {
        *x = ncc_lower_thin_rows(l, n->name, *x, *row, rows, a->size.v[2], why);
        *row = 0;
    }
    return *x != NULL;
}

bool ncc_lower_op_slice(struct lowering *l, struct node *n, const char **why)
{
    const struct slice_attrs *a = n->attrs;
    const int count = a->size.v[1];
    int *slot, *channel = NCC_NEW(l->g->arena, int, count);
    for (int i = 0; i < count; i++)
        channel[i] = a->begin.v[1] + i * a->stride.v[1];
    struct value *x = of_channels(l, n, channel, count, &slot);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    const bool is_input = !n->in[0]->def && !l->options->float_input;
    if (ncc_lower_was_uploaded(x) && !is_input) {
        *why = "the map comes from main memory, where it is sliced as well";
        return false;
    }
    int row = a->begin.v[2], column = a->begin.v[3];
    if (!thinned(l, n, &x, &row, &column, why))
        return false;
    if (n->apart && a->size.v[2] < x->window.h && a->size.v[2] >= NCC_KPU_MIN_H) {
        x = ncc_lower_rows_apart(l, x, row, a->size.v[2], n->name);
        row = 0;
    }
    const struct window *w = &x->window;
    if (a->size.v[2] != w->h || a->size.v[3] != w->w) {
        const struct kpu_recanvas_attrs r = {.canvas_h = x->shape.dim[2],
                                             .canvas_w = x->shape.dim[3],
                                             .top = w->top + row,
                                             .left = w->left + column,
                                             .h = a->size.v[2],
                                             .w = a->size.v[3],
                                             .outside = OUT_JUNK};
        x = NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, n->name, "window"), &r, x);
    }
    ncc_lower_set_spread(l, n->out[0], x, slot);
    return true;
}

bool ncc_lower_op_gather(struct lowering *l, struct node *n, const char **why)
{
    const struct value *list = n->in[1];
    const int count = list->shape.dim[0], dim = n->in[0]->shape.dim[1];
    int *slot, *channel = NCC_NEW(l->g->arena, int, count);
    for (int i = 0; i < count; i++) {
        const int64_t at = ncc_element_int(list->dtype, list->data, i);
        channel[i] = (int)(at < 0 ? at + dim : at);
    }
    struct value *x = of_channels(l, n, channel, count, &slot);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    ncc_lower_set_spread(l, n->out[0], x, slot);
    return true;
}
