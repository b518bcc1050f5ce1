/* Every second column of a map, in KPU RAM. A pick halves the rows, too; so it is done twice, for even and for odd
 * rows, and the two come to lie between each other. For views, turns and the digits of two of a line, l4 .. l0, see
 * enlarge.c; q is 0 for even rows, and a line may hold two half lines h of 32 bytes whatever its channels are:
 *
 *     picks, one channel after the other                 even rows | odd rows
 *     a turn of 32 lines of each in half lines:          h x0 x4 .. x1   l0 q l4 .. l1
 *     four turns of 64 lines in half lines:              h x4 .. x0      l4 .. l0 q
 *
 * so line l of the even rows becomes line 2 l, of the odd ones 2 l + 1: row by row the same maps, half as wide. About
 * 10 ns for a byte of the map.
 */
#include "compiler/k210/thin.h"
#include "compiler/k210/turns.h"
#include "kpu/layout.h"
#include "kpu/limits.h"

enum { BLOCK = 32, HALF_LINE = NCC_KPU_LINE_SIZE / 2, N_TURNS = 4, MAX_BLOCKS = 16, MIN_CHANNELS = 4 };

/* ---- even and odd rows ---- */

struct corner {
    int row, column;
};

static struct pick_source same_channel(const void *corner, int o)
{
    const struct corner *p = corner;
    return (struct pick_source){o, p->row, p->column, false};
}

/* A layer is quadratic in its channels. */
static int best_channels(const struct lowering *l, const struct value *x)
{
    const int *d = x->shape.dim;
    int best = 0;
    double best_clocks = 0;
    for (int n = MIN_CHANNELS; best == 0 || n < 2 * d[1]; n *= 2) {
        const double clocks = (d[1] + n - 1) / n * ncc_lower_pick_clocks(l, n, d[2], d[3], n);
        if (best == 0 || clocks < best_clocks) {
            best = n;
            best_clocks = clocks;
        }
    }
    return best;
}

/* Canvases that side by side hold x's even or odd rows of every second column. */
static int pick_rows(struct lowering *l, const char *name, struct value *x, const struct corner *p, struct value **part)
{
    const int c = x->shape.dim[1], each = best_channels(l, x);
    int n = 0;
    for (int at = 0; at < c; at += each) {
        const int count = c - at < each ? c - at : each;
        part[n++] = ncc_lower_pick(l, name, ncc_lower_channels(l, x, at, count), count, same_channel, p);
    }
    return n;
}

/* ---- put between each other ---- */

/* From channels (q, block, half) to (block, l0, q, half, x0). */
static struct pick_source first_turn(const void *blocks, int o)
{
    const int n = *(const int *)blocks, x = o % 2, half = o / 2 % 2, q = o / 4 % 2, l = o / 8 % 2, block = o / 16;
    return (struct pick_source){(q * n + block) * 2 + half, l, x, false};
}

/* From channels (block, half) to (block, l, half, x). */
static struct pick_source next_turn(const void *unused, int o)
{
    (void)unused;
    const int x = o % 2, half = o / 2 % 2, l = o / 4 % 2, block = o / 8;
    return (struct pick_source){block * 2 + half, l, x, false};
}

/* Both phases, of `lines` lines each; the second begins at line `second`. */
struct phases {
    struct lowering *l;
    const char *name;
    struct value *x;
    int n_blocks, second;
};

static bool adjacent(const struct phases *j, int n)
{
    return j->second == n * BLOCK;
}

static struct value *blocks_between(const struct phases *j, int block, int n)
{
    struct lowering *l = j->l;
    struct value *y;
    if (adjacent(j, n)) {
        y = ncc_lower_maps_of(l, j->name, j->x, 0, 4 * n, BLOCK, HALF_LINE);
    } else {
        struct value *phase[2];
        for (int q = 0; q < 2; q++)
            phase[q] = ncc_lower_maps_of(l, j->name, j->x, q * j->second + block * BLOCK, 2 * n, BLOCK, HALF_LINE);
        y = ncc_lower_beside(l, phase, 2, ncc_name(l->g, j->name, "phases"));
    }
    y = ncc_lower_pick(l, j->name, y, 16 * n, first_turn, &n);
    for (int i = 0; i < N_TURNS; i++)
        y = ncc_lower_pick(l, j->name, ncc_lower_maps_of(l, j->name, y, 0, 2 * n, 2 * BLOCK, HALF_LINE), 8 * n,
                           next_turn, NULL);
    return y;
}

static double blocks_clocks(const struct phases *j, int n)
{
    const struct ncc_kpu_shape copy = {2 * n, BLOCK, HALF_LINE, 2 * n, 3, true, NCC_KPU_POOL_NONE};
    return (adjacent(j, n) ? 0 : 2 * ncc_lower_layer_clocks(j->l, &copy)) +
           ncc_lower_pick_clocks(j->l, 4 * n, BLOCK, HALF_LINE, 16 * n) +
           N_TURNS * ncc_lower_pick_clocks(j->l, 2 * n, 2 * BLOCK, HALF_LINE, 8 * n);
}

static int best_blocks(const struct phases *j)
{
    int best = 1;
    double best_clocks = 0;
    for (int n = 1; n <= j->n_blocks && n <= MAX_BLOCKS; n++) {
        const int left = j->n_blocks % n;
        const double clocks = j->n_blocks / n * blocks_clocks(j, n) + (left ? blocks_clocks(j, left) : 0);
        if (best_clocks == 0 || clocks < best_clocks) {
            best = n;
            best_clocks = clocks;
        }
    }
    return best;
}

static struct value *between(const struct phases *j)
{
    const int most = best_blocks(j);
    struct value **part = NCC_NEW(j->l->g->arena, struct value *, (size_t)j->n_blocks);
    int n = 0;
    for (int b = 0; b < j->n_blocks; b += most)
        part[n++] = blocks_between(j, b, j->n_blocks - b < most ? j->n_blocks - b : most);
    return ncc_lower_beside(j->l, part, n, ncc_name(j->l->g, j->name, "tiles"));
}

/* ---- the map ---- */

static int even(int n, int least)
{
    return n < least ? least : n + n % 2;
}

/* The even rows, the odd ones, and behind each what fills its last block. */
static struct phases both_phases(struct lowering *l, const char *name, struct value *x, int column)
{
    const int *d = x->shape.dim, half[2] = {d[2] / 2, d[3] / 2}, group = ncc_kpu_layout_of(half[1]).group;
    const int64_t lines = ncc_kpu_lines(d[1], half[0], half[1]);
    const int blocks = (int)((lines + BLOCK - 1) / BLOCK);
    const int groups = (int)((blocks * BLOCK - lines + half[0] - 1) / half[0]); /* of filling */
    struct value **part = NCC_NEW(l->g->arena, struct value *, (size_t)(2 * (d[1] + groups)));
    int n = 0;
    for (int q = 0; q < 2; q++) {
        const int first = n;
        n += pick_rows(l, name, x, &(struct corner){q, column}, part + n);
        for (int i = 0; i < groups; i++) {
            const int c = part[first]->shape.dim[1];
            part[n++] = c <= group ? part[first] : ncc_lower_channels(l, part[first], 0, group);
        }
    }
    return (struct phases){.l = l,
                           .name = name,
                           .x = ncc_lower_beside(l, part, n, ncc_name(l->g, name, "rows")),
                           .n_blocks = blocks,
                           .second = (int)lines + groups * half[0]};
}

static struct value *halve(struct lowering *l, const char *name, struct value *x, int first, int count,
                           const char **why)
{
    const int width = even(x->shape.dim[3], 2 * NCC_KPU_MIN_W);
    x = width <= 2 * NCC_KPU_LINE_SIZE ? ncc_lower_grow(l, x, even(x->shape.dim[2], 2 * NCC_KPU_MIN_H), width) : NULL;
    if (!x) {
        *why = "the rows are longer than two lines, or the map has no room for another";
        return NULL;
    }
    const int *d = x->shape.dim, column = x->window.left + first;
    if (ncc_kpu_lines(d[1], d[2], d[3]) + 2 * ncc_kpu_lines(d[1], d[2], d[3] / 2) > NCC_KPU_RAM_LINES) {
        *why = "the map and its thinned one together must fit the 2 MiB of KPU RAM";
        return NULL;
    }
    const struct phases j = both_phases(l, name, x, column % 2);
    const struct kpu_view_attrs a = {.c = d[1],
                                     .canvas_h = d[2],
                                     .canvas_w = d[3] / 2,
                                     .top = x->window.top,
                                     .left = column / 2,
                                     .h = x->window.h,
                                     .w = count,
                                     .outside = OUT_JUNK};
    return NCC_OP(l->g, OP_kpu_view, ncc_name(l->g, name, "thinned"), &a, between(&j));
}

struct value *ncc_lower_thin_columns(struct lowering *l, const char *name, struct value *x, int first, int step,
                                     int count, const char **why)
{
    while (x && step > 1) {
        step /= 2;
        x = halve(l, name, x, first, (count - 1) * step + 1, why);
        first = 0;
    }
    return x;
}
