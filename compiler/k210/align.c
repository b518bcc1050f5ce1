/* Values that several operands of a layer come from must lie on equal canvases, at equal windows. Where they do not, one
 * operand is taken as the pattern, and the others grow to its size and are moved to its place, one depthwise layer for
 * each step; or they make a detour through main memory. The quickest of these stays.
 *
 *     V V V .        . . . .        . . . .
 *     V V V .        . V V V        . V V V       the first moves by (1, 1)
 *     . . . .        . V V V        . V V V
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#include <stdlib.h>

static bool same_canvas(const struct value *a, const struct value *b)
{
    const struct window *x = &a->window, *y = &b->window;
    return a->shape.dim[2] == b->shape.dim[2] && a->shape.dim[3] == b->shape.dim[3] && x->top == y->top &&
           x->left == y->left && x->h == y->h && x->w == y->w;
}

static bool all_same(struct value *const *x, int n)
{
    for (int i = 1; i < n; i++)
        if (!same_canvas(x[0], x[i]))
            return false;
    return true;
}

/* Further than this the detour is as good. */
#define MAX_STEPS 8

static struct value *moved_to(struct lowering *l, struct value *x, const struct window *to)
{
    if (abs(to->top - x->window.top) > MAX_STEPS || abs(to->left - x->window.left) > MAX_STEPS)
        return NULL;
    while (x->window.top != to->top || x->window.left != to->left) {
        const int down = to->top - x->window.top, right = to->left - x->window.left;
        x = ncc_lower_move(l, x, (down < 0) - (down > 0), (right < 0) - (right > 0), OUT_ZERO, false);
    }
    return x;
}

/* All like x[pattern], on the largest canvas among them. False: not possible. */
static bool follow(struct lowering *l, struct value *const *x, int n, int pattern, struct value **y)
{
    int h = 0, w = 0;
    for (int i = 0; i < n; i++) {
        h = x[i]->shape.dim[2] > h ? x[i]->shape.dim[2] : h;
        w = x[i]->shape.dim[3] > w ? x[i]->shape.dim[3] : w;
    }
    for (int i = 0; i < n; i++) {
        y[i] = ncc_lower_grow(l, x[i], h, w);
        if (!y[i] || y[i]->window.h != x[pattern]->window.h || y[i]->window.w != x[pattern]->window.w ||
            !(y[i] = moved_to(l, y[i], &x[pattern]->window)))
            return false;
    }
    return all_same(y, n);
}

static bool detour(struct lowering *l, struct value *const *v, struct value *const *x, int n, struct value **y)
{
    for (int i = 0; i < n; i++) {
        y[i] = ncc_lower_is_full(x[i]) ? x[i] : ncc_lower_clean(l, v[i], 0, 0);
        if (!y[i])
            return false;
    }
    return all_same(y, n);
}

/* Way -1 is the detour, others the number of the pattern. */
static bool try(struct lowering *l, struct value *const *v, struct value *const *x, int n, int way, struct value **y)
{
    return way < 0 ? detour(l, v, x, n, y) : follow(l, x, n, way, y);
}

bool ncc_lower_equal_spreads(struct lowering *l, struct value *const *v, int n, struct value **x, const int **slot)
{
    struct value **y = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; i < n; i++)
        if (!(x[i] = slot ? ncc_lower_spread(l, v[i], &slot[i]) : ncc_lower_canvas(l, v[i])))
            return false;
    if (all_same(x, n))
        return true;
    int best = n;
    double least = 0;
    ncc_lower_try(l, 1);
    for (int way = -1; way < n; way++) {
        const struct attempt a = ncc_lower_begin(l);
        const bool good = try(l, v, x, n, way, y);
        const double us = good ? ncc_lower_spent(l, &a, ncc_op(l->g, OP_kpu_concat, "aligned", NULL, y, n)) : 0;
        ncc_lower_undo(l, &a);
        if (good && (best == n || us < least)) {
            best = way;
            least = us;
        }
    }
    ncc_lower_try(l, -1);
    if (best == n || !try(l, v, x, n, best, y))
        return false;
    for (int i = 0; i < n; i++) {
        if (slot && best < 0 && y[i] != x[i])
            slot[i] = NULL; /* packed, on its way */
        x[i] = y[i];
    }
    return true;
}

bool ncc_lower_equal_canvases(struct lowering *l, struct value *const *v, int n, struct value **x)
{
    return ncc_lower_equal_spreads(l, v, n, x, NULL);
}
