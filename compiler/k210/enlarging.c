/* Which nodes make maps larger by a power of two without computing anything, or little. What a resize takes is asked
 * output by output, whatever it is called in the model. */
#include "compiler/k210/enlarge.h"
#include "compiler/ops/resize.h"

#include <math.h>

/* ---- to the nearest pixel ---- */

/* Does output pixel o show input pixel (o - more) / f, the first ones pixel 0? The last ones may be missing. */
static bool repeats(const struct resize_attrs *a, int in, int out, int f, int more)
{
    bool same = out <= f * in + more;
    for (int o = 0; o < out && same; o++)
        same = ncc_resize_nearest(a, in, out, o) == (o > more ? (o - more) / f : 0);
    return same;
}

static bool nearest_by(const struct resize_attrs *a, const int *x, int f, struct enlarging *e)
{
    const bool rows = repeats(a, x[2], a->out_h, f, 0), columns = repeats(a, x[3], a->out_w, f, 0);
    e->first_row = !rows && f == 2 && repeats(a, x[2], a->out_h, f, 1);
    e->first_column = !columns && f == 2 && repeats(a, x[3], a->out_w, f, 1);
    return (rows || e->first_row) && (columns || e->first_column);
}

/* ---- bilinear ---- */

static double place(enum smooth s, int in, int f, int o)
{
    const double at = s == SMOOTH_CENTRES ? (o + 0.5) / f - 0.5 : (double)o / f;
    return fmin(fmax(at, 0), in - 1);
}

static bool between(const struct resize_attrs *a, enum smooth s, int in, int out, int f)
{
    bool same = out <= f * in;
    for (int o = 0; o < out && same; o++) {
        const struct resize_between b = ncc_resize_between(a, in, out, o);
        const double at = b.first + (double)b.part * (b.second - b.first);
        same = fabs(at - place(s, in, f, o)) < 1e-6;
    }
    return same;
}

static bool bilinear_by(const struct resize_attrs *a, const int *x, int f, struct enlarging *e)
{
    e->smooth = a->half_pixel ? SMOOTH_CENTRES : SMOOTH_CORNERS;
    return between(a, e->smooth, x[2], a->out_h, f) && between(a, e->smooth, x[3], a->out_w, f);
}

static struct enlarging resizing(const struct node *n)
{
    const struct resize_attrs *a = n->attrs;
    const int *x = n->in[0]->shape.dim;
    for (int f = 2; f <= 2 * a->out_h || f <= 2 * a->out_w; f *= 2) {
        struct enlarging e = {.factor = f, .between = ENLARGE_REPEAT};
        if (a->mode == RESIZE_NEAREST ? nearest_by(a, x, f, &e) : bilinear_by(a, x, f, &e))
            return e;
    }
    return (struct enlarging){0};
}

/* ---- pixels set apart ---- */

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

static struct enlarging setting_apart(const struct node *n)
{
    const struct conv2d_transpose_attrs *a = n->attrs;
    const struct shape *x = &n->in[0]->shape, *y = &n->out[0]->shape;
    const bool good = sets_apart(n) && a->stride_h == a->stride_w && y->dim[2] <= a->stride_h * x->dim[2] &&
                      y->dim[3] <= a->stride_w * x->dim[3];
    return (struct enlarging){.factor = good ? power_of_two(a->stride_h) : 0, .between = ENLARGE_ZEROS};
}

/* ---- blocks of pixels ---- */

/* Whatever the width, four channels fill lines. */
enum { CHANNELS_OF_A_LINE = 4 };

static struct enlarging putting_together(const struct node *n)
{
    const struct depth_to_space_attrs *a = n->attrs;
    const bool good = a->block == 2 && !a->crd && n->out[0]->shape.dim[1] % CHANNELS_OF_A_LINE == 0;
    return (struct enlarging){.factor = good ? 2 : 0, .between = ENLARGE_PHASES};
}

struct enlarging ncc_lower_enlarging(const struct node *n)
{
    const struct shape *x = &n->in[0]->shape;
    if (x->rank != 4 || x->dim[0] != 1)
        return (struct enlarging){0};
    if (n->op == OP_depth_to_space)
        return putting_together(n);
    return n->op == OP_resize ? resizing(n) : setting_apart(n);
}
