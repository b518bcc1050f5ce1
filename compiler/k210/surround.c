/* What stands around a window: from junk to zero (or the lowest code) without leaving KPU RAM.
 *
 * A shifted copy loses what is pushed over the edge of the canvas and brings the pad in at the other side:
 *
 *     V V V j        . . . .        . . . .      V: value, j: junk, .: pad
 *     V V V j   -->  . V V V        . . . .      one shift by (-1, -1) clears what is below and to the right;
 *     V V V j        . V V V        . V V V      in the third drawing more is cleared than needed
 *     j j j j        . V V V        . V V V
 *
 * One side takes as many shifts as it has rows or columns; two opposite sides take a way there and back. Rows and
 * columns move together. The layers are depthwise, which are nearly free, and move all 256 codes unchanged, whatever
 * their zero point. What lies to the right often needs no layer at all: a canvas may be declared narrower.
 */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

#define MAX_MOVES 160

/* Which of `before` rows in front of the window and `behind` rows after it must go, in single steps of +1 (towards the
 * front) or -1. -1: too many. */
static int list_moves(int before, int behind, enum surround_end end, int *move)
{
    const bool front_first = end != END_ANYWHERE || before <= behind;
    const int total = before + behind, first = front_first ? before : behind, sign = front_first ? 1 : -1;
    const int last = end == END_SAME_PLACE ? behind : end == END_CORNER ? total : 0;
    if (first + total + last > MAX_MOVES)
        return -1;
    int n = 0;
    for (int i = 0; i < first; i++)
        move[n++] = sign;
    for (int i = 0; i < total; i++)
        move[n++] = -sign;
    for (int i = 0; i < last; i++)
        move[n++] = sign;
    return n;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* Declares fewer rows and columns where that costs nothing: the canvas's own edge is the best surrounding. */
static struct value *trim(struct lowering *l, struct value *x, int least_h, int least_w)
{
    const struct window *win = &x->window;
    int h = x->shape.dim[2], w = x->shape.dim[3];
    least_h = most(least_h, most(win->top + win->h, NCC_KPU_MIN_H));
    least_w = most(least_w, most(win->left + win->w, NCC_KPU_MIN_W));
    const struct ncc_kpu_layout from = ncc_kpu_layout_of(w), to = ncc_kpu_layout_of(least_w);
    if (least_w < w && from.group == to.group && from.row_lines == to.row_lines)
        w = least_w;
    if (least_h < h && ncc_kpu_groups(x->shape.dim[1], w) == 1)
        h = least_h;
    return ncc_lower_recanvas(l, x, h, w);
}

/* One row and column a layer. */
static struct value *moved(struct lowering *l, struct value *x, const int *rows, int n_rows, const int *cols, int n_cols,
                           enum outside outside)
{
    const int n = n_rows > n_cols ? n_rows : n_cols;
    for (int i = 0; i < n; i++)
        x = ncc_lower_move(l, x, i < n_rows ? rows[i] : 0, i < n_cols ? cols[i] : 0, outside, i + 1 == n);
    return x;
}

struct value *ncc_lower_surround(struct lowering *l, struct value *x, int least_h, int least_w, enum outside outside,
                                 enum surround_end end)
{
    const bool done = x->window.outside == outside;
    if (done && (end != END_CORNER || (!x->window.top && !x->window.left)))
        return x;
    x = done ? x : trim(l, x, least_h, least_w);
    const struct window win = x->window;
    const int below = x->shape.dim[2] - win.top - win.h, right = x->shape.dim[3] - win.left - win.w;
    int rows[MAX_MOVES], cols[MAX_MOVES];
    int n_rows = list_moves(win.top, below, end, rows), n_cols = list_moves(win.left, right, end, cols);
    if (n_rows < 0 || n_cols < 0)
        return NULL;
    if (done) { /* nothing has to go over an edge: straight to the corner */
        n_rows = win.top;
        n_cols = win.left;
    }
    x = moved(l, x, rows, n_rows, cols, n_cols, outside);
    return done ? x : trim(l, x, least_h, least_w);
}
