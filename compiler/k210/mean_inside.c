/* Means that leave the padding out of the count, from means that count it:
 *
 *     y(r, c) = f(r) g(c) counted(r, c)        f(r): rows of the kernel / rows of it inside the map; columns alike
 *
 * f is 1 but near the edges, and no layer knows where a pixel stands. But a map can be moved over the edge of its canvas and
 * back (surround.c), which leaves zero in the rows that were pushed out; and f is a sum of what can be had that way:
 *
 *     3/2  1  1 .. 1  3/2   =   3/2 (1 1 1 .. 1 1)  -  1/2 (0 1 1 .. 1 0)          3x3, one pixel of padding around
 *
 * So y is a sum of cleared copies (sum_lines.c), one for each pair of a mask of rows and one of columns; for the 3x3 above 9/4,
 * -3/4, -3/4 and 1/4 of four of them. The copies have the codes of the map, and the weights are whole multiples of one of
 * them: a single rounding more than where the padding counts.
 */
#include "compiler/k210/mean_inside.h"

static int inside(int out, int stride, int before, int kernel, int size)
{
    const int first = out * stride - before, end = first + kernel;
    return (end < size ? end : size) - (first > 0 ? first : 0);
}

/* A mask that clears rows at the end, and whose counterpart at the front is without one yet. */
static struct mask *counterpart(struct masks *m, const struct mask *end)
{
    for (int i = 1; i < m->n; i++)
        if (m->v[i].before == end->after && m->v[i].after == 0 && m->v[i].factor == end->factor)
            return &m->v[i];
    return NULL;
}

/* Wherever the factor changes, the nearer end is cleared up to there: what is cleared at both ends alike, at once. */
static bool masks_of(struct masks *m, int n_out, int stride, int before, int kernel, int size)
{
    const double of_first = (double)kernel / inside(0, stride, before, kernel, size);
    double last = of_first;
    *m = (struct masks){.n = 1, .v = {{0, 0, of_first}}};
    for (int i = 1; i < n_out; i++) {
        const double factor = (double)kernel / inside(i, stride, before, kernel, size);
        const struct mask front = {i, 0, factor - last}, end = {0, n_out - i, last - factor};
        struct mask *other = i > n_out / 2 ? counterpart(m, &end) : NULL;
        if (other)
            other->after = end.after;
        else if (factor != last && m->n == NCC_MAX_MASKS)
            return false;
        else if (factor != last)
            m->v[m->n++] = i > n_out / 2 ? end : front;
        last = factor;
    }
    for (int i = 1; i < m->n; i++) /* what the first row gets of the others */
        m->v[0].factor -= m->v[i].before == 0 ? m->v[i].factor : 0;
    return true;
}

bool ncc_mean_inside_of(const struct node *n, struct mean_inside *m)
{
    const struct pool_attrs *a = n->attrs;
    const int *x = n->in[0]->shape.dim, *y = n->out[0]->shape.dim;
    return masks_of(&m->row, y[2], a->stride_h, a->pad_top, a->kernel_h, x[2]) &&
           masks_of(&m->col, y[3], a->stride_w, a->pad_left, a->kernel_w, x[3]);
}

/* x with zero but in what a mask of rows and one of columns leave. NULL: too far to move. */
static struct value *cleared(struct lowering *l, struct value *x, const struct mask *row, const struct mask *col)
{
    const struct window w = x->window;
    const struct kpu_recanvas_attrs whole = {.canvas_h = x->shape.dim[2],
                                             .canvas_w = x->shape.dim[3],
                                             .top = w.top,
                                             .left = w.left,
                                             .h = w.h,
                                             .w = w.w,
                                             .outside = OUT_JUNK};
    struct kpu_recanvas_attrs left = whole;
    left.top += row->before;
    left.left += col->before;
    left.h -= row->before + row->after;
    left.w -= col->before + col->after;
    if (left.h == w.h && left.w == w.w)
        return x;
    x = NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, x->name, "left"), &left, x);
    x = ncc_lower_surround(l, x, whole.canvas_h, whole.canvas_w, OUT_ZERO, END_SAME_PLACE);
    return x ? NCC_OP(l->g, OP_kpu_recanvas, ncc_name(l->g, x->name, "cleared"), &whole, x) : NULL;
}

struct value *ncc_lower_mean_inside(struct lowering *l, const struct mean_inside *m, const struct conv_job *job,
                                    const char **why)
{
    struct value *part[NCC_MAX_MASKS * NCC_MAX_MASKS];
    float factor[NCC_MAX_MASKS * NCC_MAX_MASKS];
    int n = 0;
    for (int r = 0; r < m->row.n; r++)
        for (int c = 0; c < m->col.n; c++) {
            const struct mask *row = &m->row.v[r], *col = &m->col.v[c];
            factor[n] = (float)(row->factor * col->factor);
            if (!(part[n++] = cleared(l, job->x, row, col))) {
                *why = "what the edges cut off is too far to move";
                return NULL;
            }
        }
    return ncc_lower_line_sums(l, job, part, factor, n, why);
}
