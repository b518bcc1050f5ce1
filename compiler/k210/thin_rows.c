/* Every second or third row of a map, in KPU RAM: strides that no pick has, for the rows alone.
 *
 * What lies `step` lines apart cannot be picked, but declared: see enlarge.c for views, picks and the digits of two of
 * a byte's column in a line, x5 .. x0, and of its line. With i5 .. i0 the digits of the row that is wanted:
 *
 *     by 2    a pick of 64 x 64 with both phases of its columns and even rows only:   x0 x5 .. x1,   i4 .. i0
 *             five turns of 32 lines:                                                 x5 .. x0,      i4 .. i0
 *
 *     by 3    rows of three lines, 129 columns of them: row i begins with line 3 i, and half of it fills a line
 *             a pick, all phases:                                                     s x5 .. x1,    i0 x0 i5 .. i1
 *             s = 0 is line 3 i; two channels of 32 columns are one,
 *             a pick of 32 x 32 from every other:                                     x1 x0 x5 .. x2, i1 i0 i5 .. i2
 *             four turns of 64 lines:                                                 x5 .. x0,      i5 .. i0
 *
 * Lines are lines, whatever channels and columns they hold, if each row is one and every map begins with a row that is
 * wanted: so its height is made a multiple of the step. Six layers for some tiles of 64 or 192 lines, as many as are
 * cheapest; 8 ns for a byte of the map, where the CPU takes 87 to copy it out alone.
 */
#include "compiler/k210/thin.h"
#include "compiler/k210/turns.h"
#include "kpu/layout.h"
#include "kpu/limits.h"

struct program {
    int step, tile_h; /* lines of the result that are made of step * tile_h lines */
    int n_turns;
};

static const struct program by_2 = {2, 32, 5}, by_3 = {3, 64, 4};

enum { LINE = NCC_KPU_LINE_SIZE, ROW_OF_3 = 2 * LINE + 1, MAX_TILES = 16 };

/* ---- layers ---- */

static struct pick_source even_row(const void *unused, int o)
{
    (void)unused;
    return (struct pick_source){o / 2, 0, o % 2, false};
}

/* From channels (tile, i0, x0, s) to (tile, i1, i0, x1, x0). */
static struct pick_source first_line(const void *unused, int o)
{
    (void)unused;
    const int tile = o / 16, i1 = o / 8 % 2, i0 = o / 4 % 2, x1 = o / 2 % 2, x0 = o % 2;
    return (struct pick_source){8 * tile + 4 * i0 + 2 * x0, i1, x1, false};
}

/* n tiles from a line of x on. */
static struct value *thin_tiles(struct lowering *l, const char *name, const struct program *p, struct value *x,
                                int line, int n)
{
    struct value *y;
    if (p == &by_2) {
        y = ncc_lower_pick(l, name, ncc_lower_maps_of(l, name, x, line, n, LINE, LINE), 2 * n, even_row, NULL);
    } else {
        y = ncc_lower_maps_of(l, name, x, line, n, p->tile_h, ROW_OF_3);
        y = ncc_lower_pick(l, name, y, 4 * n, ncc_lower_turn_source, NULL);
        y = ncc_lower_maps_of(l, name, y, 0, 8 * n, p->tile_h / 2, LINE / 2);
        y = ncc_lower_pick(l, name, y, 16 * n, first_line, NULL);
    }
    return ncc_lower_turns(l, name, y, n, p->tile_h, p->n_turns);
}

static double tiles_clocks(const struct lowering *l, const struct program *p, int n)
{
    const double turns = ncc_lower_turns_clocks(l, n, p->tile_h, p->n_turns);
    if (p == &by_2)
        return turns + ncc_lower_pick_clocks(l, n, LINE, LINE, 2 * n);
    return turns + ncc_lower_pick_clocks(l, n, p->tile_h, ROW_OF_3, 4 * n) +
           ncc_lower_pick_clocks(l, 8 * n, p->tile_h / 2, LINE / 2, 16 * n);
}

/* Each layer has a fixed part, and one quadratic in its channels. */
static int best_tiles(const struct lowering *l, const struct program *p, int all)
{
    int best = 1;
    double best_clocks = 0;
    for (int n = 1; n <= all && n <= MAX_TILES; n++) {
        const double clocks = (all / n) * tiles_clocks(l, p, n) + (all % n ? tiles_clocks(l, p, all % n) : 0);
        if (best_clocks == 0 || clocks < best_clocks) {
            best = n;
            best_clocks = clocks;
        }
    }
    return best;
}

/* ---- the map ---- */

static int round_up(int n, int unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Every map has whole steps, and enough of them for a layer to read the result. */
static struct value *whole_steps(struct lowering *l, struct value *x, int step)
{
    const int h = round_up(x->shape.dim[2], step), least = NCC_KPU_MIN_H * step;
    return ncc_lower_grow(l, x, h < least ? least : h, x->shape.dim[3]);
}

static struct value *thin(struct lowering *l, const char *name, struct value *x, int first, const struct program *p,
                          int count, const char **why)
{
    x = ncc_kpu_layout_of(x->shape.dim[3]).row_lines == 1 ? whole_steps(l, x, p->step) : NULL;
    if (!x) {
        *why = "the rows are longer than a line, or the map has no room for a multiple of the step";
        return NULL;
    }
    const int *d = x->shape.dim, row = x->window.top + first, in_tile = p->step * p->tile_h;
    const int64_t lines = ncc_kpu_lines(d[1], d[2], d[3]), tiles = (lines + in_tile - 1) / in_tile;
    const int64_t needed = row % p->step + tiles * in_tile;
    if (needed + 2 * tiles * p->tile_h > NCC_KPU_RAM_LINES) {
        *why = "the map and its thinned one together must fit the 2 MiB of KPU RAM";
        return NULL;
    }
    x = ncc_lower_fill_lines(l, name, x, needed - lines);
    const int most = best_tiles(l, p, (int)tiles);
    struct value **part = NCC_NEW(l->g->arena, struct value *, (size_t)tiles);
    int n = 0;
    for (int t = 0; t < tiles; t += most)
        part[n++] = thin_tiles(l, name, p, x, row % p->step + t * in_tile, tiles - t < most ? (int)tiles - t : most);
    const struct kpu_view_attrs a = {.c = d[1],
                                     .canvas_h = d[2] / p->step,
                                     .canvas_w = d[3],
                                     .top = row / p->step,
                                     .left = x->window.left,
                                     .h = count,
                                     .w = x->window.w,
                                     .outside = OUT_JUNK};
    return NCC_OP(l->g, OP_kpu_view, ncc_name(l->g, name, "thinned"), &a,
                  ncc_lower_beside(l, part, n, ncc_name(l->g, name, "tiles")));
}

static int without(int n, int factor)
{
    while (n > 1 && n % factor == 0)
        n /= factor;
    return n;
}

bool ncc_lower_thins(int width, int row_step, int column_step)
{
    const int left = column_step > 1 ? (width + column_step - 1) / column_step : width;
    return without(column_step, 2) == 1 && without(without(row_step, 2), 3) == 1 &&
           (column_step == 1 || width <= 2 * LINE) && (row_step == 1 || left <= LINE);
}

struct value *ncc_lower_thin_rows(struct lowering *l, const char *name, struct value *x, int first, int step, int count,
                                  const char **why)
{
    while (x && step > 1) {
        const struct program *p = step % 3 ? &by_2 : &by_3;
        step /= p->step;
        x = thin(l, name, x, first, p, (count - 1) * step + 1, why);
        first = 0;
    }
    return x;
}
