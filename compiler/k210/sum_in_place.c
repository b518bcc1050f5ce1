/* The sum of a whole map of up to 8x8, channel by channel, where it stands: depthwise layers of three taps whose product is a
 * row of ones. Written as polynomials, z for a step to the next pixel:
 *
 *     5, 6    (1 + z) (1 - z + z^2) (1 + z + z^2)                               1 + z^3 = (1 + z) (1 - z + z^2)
 *     7, 8    (1 + az + z^2) (1 - az + z^2) (1 + z^2) (1 + z),  a = sqrt 2      1 + z^4 = (1 + az + z^2) (1 - az + z^2)
 *
 * The odd sizes read one zero behind the map. Nothing that is needed on the way lies outside of it: of 7 pixels 6, 4 and 2
 * are left, and in the end the one in the middle.
 *
 *     x0 x1 x2 x3 x4 x5 x6 (0)  ->  . a a a a a a  ->  . . b b b b .  ->  . . . c c . .  ->  . . . y . . .
 *
 * So a map need not grow to an even size and take picks in blocks of channels. Rounding of the steps adds up to about that of
 * the other way: where taps differ in sign, the result is again a sum of what was not negative (b is x0 + x4 ..).
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <math.h>
#include <stdio.h>

enum { MOST = 8, MAX_STEPS = 4 };

#define ROOT 1.41421356237309505

/* Taps at -1, 0, +1; the sum of pixels 0 .. n - 1 stands at `centre`. */
static const struct row_sum {
    int n_steps, centre;
    double tap[MAX_STEPS][3];
} sums[MOST + 1] = {
    [1] = {0, 0, {{0}}},
    [2] = {1, 0, {{0, 1, 1}}},
    [3] = {1, 1, {{1, 1, 1}}},
    [4] = {2, 1, {{0, 1, 1}, {1, 0, 1}}},
    [5] = {3, 2, {{0, 1, 1}, {1, -1, 1}, {1, 1, 1}}},
    [6] = {3, 2, {{0, 1, 1}, {1, -1, 1}, {1, 1, 1}}},
    [7] = {4, 3, {{1, ROOT, 1}, {1, -ROOT, 1}, {1, 0, 1}, {0, 1, 1}}},
    [8] = {4, 3, {{1, ROOT, 1}, {1, -ROOT, 1}, {1, 0, 1}, {0, 1, 1}}},
};

struct step {
    double row[3], col[3];
    int top, left, h, w; /* what is needed of the result */
};

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* Steps of one direction; one that has fewer rests in the end. */
static void set_taps(struct step *s, int n_steps, const struct row_sum *r, bool rows)
{
    for (int i = 0; i < n_steps; i++)
        for (int t = 0; t < 3; t++)
            (rows ? s[i].row : s[i].col)[t] = i < r->n_steps ? r->tap[i][t] : t == 1;
}

/* From the last step back: what it reads of the one before. */
static void set_windows(struct step *s, int n_steps, int top, int left)
{
    struct step need = {.top = top, .left = left, .h = 1, .w = 1};
    for (int i = n_steps - 1; i >= 0; i--) {
        s[i].top = need.top;
        s[i].left = need.left;
        s[i].h = need.h;
        s[i].w = need.w;
        const int above = s[i].row[0] != 0, before = s[i].col[0] != 0;
        need.top -= above;
        need.left -= before;
        need.h += above + (s[i].row[2] != 0);
        need.w += before + (s[i].col[2] != 0);
    }
}

static struct value *layer(struct lowering *l, const struct node *n, struct value *x, const struct step *s, double factor,
                           const struct act_chain *act, const char *suffix)
{
    const int c = x->shape.dim[1];
    struct kpu_conv_attrs a = {.kernel = 3, .depthwise = true, .top = s->top, .left = s->left, .h = s->h, .w = s->w,
                               .outside = OUT_JUNK};
    if (act)
        a.act = *act;
    float *w = ncc_lower_weights(l, (size_t)c * 9);
    for (int i = 0; i < c * 9; i++)
        w[i] = (float)(factor * s->row[i % 9 / 3] * s->col[i % 3]);
    const char *name = ncc_name(l->g, n->name, suffix);
    struct value *y = NCC_OP(l->g, OP_kpu_conv, name, &a, x, ncc_const(l->g, name, DT_F32, ncc_shape_4(c, 1, 3, 3), w),
                             ncc_const(l->g, name, DT_F32, ncc_shape_make(1, &c), NCC_NEW(l->g->arena, float, c)));
    y->def->origin = n->origin ? n->origin : n->name;
    y->def->on_kpu = true;
    return y;
}

static struct value *in_ranges(struct lowering *l, const struct node *n, struct value *x, const struct step *s, double factor,
                               const struct act_chain *act, int number)
{
    const int c = x->shape.dim[1], n_ranges = (c + NCC_KPU_MAX_C - 1) / NCC_KPU_MAX_C;
    struct value **part = NCC_NEW(l->g->arena, struct value *, n_ranges);
    for (int i = 0; i < n_ranges; i++) {
        const int begin = i * NCC_KPU_MAX_C, left = c - begin;
        char suffix[48];
        snprintf(suffix, sizeof suffix, n_ranges > 1 ? "sum%d/c%d" : "sum%d", number, begin);
        part[i] = layer(l, n, ncc_lower_channels(l, x, begin, left < NCC_KPU_MAX_C ? left : NCC_KPU_MAX_C), s, factor,
                        act, suffix);
    }
    return ncc_lower_beside(l, part, n_ranges, ncc_name(l->g, n->name, "sums"));
}

/* Beyond an odd size stands zero: the canvas's edge, or what the window promises. */
static bool ends_in_zero(int size, int end, int canvas, enum outside outside)
{
    return size <= 3 || size % 2 == 0 || end == canvas || outside == OUT_ZERO;
}

/* Declared no wider than its window reaches, where that moves no address. */
static struct value *narrowed(struct lowering *l, struct value *x)
{
    const int w = most(x->window.left + x->window.w, NCC_KPU_MIN_W);
    const struct ncc_kpu_layout from = ncc_kpu_layout_of(x->shape.dim[3]), to = ncc_kpu_layout_of(w);
    return from.group == to.group && from.row_lines == to.row_lines ? ncc_lower_recanvas(l, x, x->shape.dim[2], w) : x;
}

struct value *ncc_lower_sum_in_place(struct lowering *l, const struct node *n, struct value *x, double factor,
                                     const struct act_chain *act)
{
    const struct window w = x->window;
    if (w.h > MOST || w.w > MOST || !w.h || !w.w)
        return NULL;
    const struct row_sum *rows = &sums[w.h], *cols = &sums[w.w];
    const int n_steps = most(1, most(rows->n_steps, cols->n_steps));
    x = narrowed(l, x);
    if (!ends_in_zero(w.h, w.top + w.h, x->shape.dim[2], w.outside) ||
        !ends_in_zero(w.w, w.left + w.w, x->shape.dim[3], w.outside))
        return NULL;
    struct step step[MAX_STEPS];
    set_taps(step, n_steps, rows, true);
    set_taps(step, n_steps, cols, false);
    set_windows(step, n_steps, w.top + rows->centre, w.left + cols->centre);
    for (int i = 0; i < n_steps; i++) /* whoever takes it out of KPU RAM has fewer bytes to move from narrow maps */
        x = in_ranges(l, n, narrowed(l, x), &step[i], i + 1 < n_steps ? 1 : factor, i + 1 < n_steps ? NULL : act, i);
    return narrowed(l, x);
}
