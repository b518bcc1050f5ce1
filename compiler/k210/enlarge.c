/* Maps twice as large, in KPU RAM.
 *
 * No layer makes a map larger, or puts pixels between others. But layers can take a map apart into its even and odd rows and
 * columns (one-hot taps and a pick), the same bytes can be declared as another canvas (kpu_view), and doing the first often
 * enough brings together what the second laid side by side. Think of the address of a byte as digits of two, column digits
 * x5 .. x0 in a line of 64 and line digits .. l1 l0. A pick that keeps all four phases as channels
 *
 *     one 64 x 64 map  ->  four of 32 x 32, phases as channels:      lines  l5 l4 l3 l2 l1 l0  ->  l0 l5 l4 l3 l2 l1
 *     two beside each other in a line, and the pairs below           columns x5 x4 x3 x2 x1 x0 ->  x0 x5 x4 x3 x2 x1
 *
 * turns both by one digit: declared as a map of 64 x 64 again, it is ready for the next pick. Five picks turn six digits by
 * five, which is back by one: what was in front is behind.
 *
 *     p x4 x3 x2 x1 x0   ->   x4 x3 x2 x1 x0 p        a half line p times 32 columns: column 2 x + p
 *     q l4 l3 l2 l1 l0   ->   l4 l3 l2 l1 l0 q        32 lines, then 32 others: line 2 l + q
 *
 * What p and q stand for is free: the same pixel, zeros, or one of four maps (phases) that come to lie between each other.
 *
 * So 32 lines of the small map become one tile of 64 lines: four times the same half lines, say. Lines are
 * lines, whatever rows and channels they are; only what becomes of the two halves of a line depends on the layout:
 *
 *     W <= 16    two channels in each half  \  the upper halves are channels of their own, behind all others:
 *     W <= 32    a channel in each half     /  their tiles follow those of the lower halves
 *     W <= 8     the same; a large row has 16 of its 32 bytes, which are called the even channels of four in a line
 *     W <= 64    columns 0 .. 31 and 32 .. 63 of the same row: two lines of the large one, so that a digit for the half
 *                goes behind q; tiles of 128 lines, seven digits
 *     W <= 128   a row has two lines, which become four: q goes between l4 .. l1 and l0, which counts the lines
 *
 * The first pick is where lines multiply (its channels are told in any order), four more turn. Every layer reads few tiles
 * (a regular layer is quadratic in its channels), all five of a tile follow each other, and copies move codes unchanged.
 * About 10 ns for a byte of the result, where the CPU takes 150 ns and more to move it.
 */
#include "compiler/k210/enlarge.h"
#include "compiler/k210/turns.h"
#include "kpu/layout.h"

enum { TILE_W = 64, BLOCK = 32, N_TURNS = 4, MAX_BLOCKS = 16 };

/* What tells the channels of the first pick's result apart, the slowest first. `block` and `half` say which half lines
 * they come from, `row` and `column` which pixels they are taken from, q and p where they go. */
enum digit { D_HALF, D_BLOCK, D_ROW, D_Q, D_COLUMN, D_P, N_DIGITS };

struct layout {
    enum digit order[N_DIGITS];
    bool halves_apart; /* the halves of lines are different channels */
    int tile_h;        /* lines that a block's lines become: for each half, or for both */
};

static const struct layout narrow = {{D_HALF, D_BLOCK, D_ROW, D_Q, D_COLUMN, D_P}, true, 64};
static const struct layout one_line = {{D_BLOCK, D_ROW, D_Q, D_HALF, D_COLUMN, D_P}, false, 128};
static const struct layout two_lines = {{D_BLOCK, D_Q, D_ROW, D_HALF, D_COLUMN, D_P}, false, 128};

static const struct layout *layout_of(int w)
{
    return w <= 32 ? &narrow : w <= 64 ? &one_line : w <= 128 ? &two_lines : NULL;
}

struct job {
    struct lowering *l;
    const char *name;
    const struct layout *layout;
    enum enlarge between;
    struct value *x; /* whole blocks of lines */
    int n_blocks, n_halves;
    int n_phases, phase_lines; /* maps that are put between each other, 1 or 4, each so many lines behind the one before */
};

/* Blocks, and halves of their lines, that go through the picks together. */
struct part {
    int block, n_blocks, half, n_halves;
};

/* ---- layers ---- */

static struct value *view(struct job *j, struct value *x, const struct kpu_view_attrs *a)
{
    return NCC_OP(j->l->g, OP_kpu_view, ncc_name(j->l->g, j->name, "view"), a, x);
}

struct first_pick {
    const struct job *j;
    const struct part *p;
};

static struct pick_source first_source(const void *arg, int o)
{
    const struct first_pick *f = arg;
    int digit[N_DIGITS];
    for (int i = N_DIGITS - 1; i >= 0; i--) {
        const enum digit d = f->j->layout->order[i];
        const int n = d == D_BLOCK ? f->p->n_blocks : d == D_HALF ? f->p->n_halves : 2;
        digit[d] = o % n;
        o /= n;
    }
    const int phase = f->j->between == ENLARGE_PHASES ? 2 * digit[D_Q] + digit[D_P] : 0;
    return (struct pick_source){2 * (phase * f->p->n_blocks + digit[D_BLOCK]) + f->p->half + digit[D_HALF], digit[D_ROW], digit[D_COLUMN],
                           f->j->between == ENLARGE_ZEROS && (digit[D_P] || digit[D_Q])};
}

static int n_tiles(const struct job *j, const struct part *p)
{
    return p->n_blocks * (j->layout->halves_apart ? p->n_halves : 1);
}

/* Do the blocks of all phases follow each other? */
static bool phases_adjacent(const struct job *j, int n_blocks)
{
    return j->n_phases == 1 || j->phase_lines == n_blocks * BLOCK;
}

/* The half lines of a part: of each phase, blocks by blocks. */
static struct value *half_lines(struct job *j, const struct part *p)
{
    if (phases_adjacent(j, p->n_blocks))
        return ncc_lower_maps_of(j->l, j->name, j->x, p->block * BLOCK, 2 * p->n_blocks * j->n_phases, BLOCK, TILE_W / 2);
    struct value *phase[4];
    for (int i = 0; i < j->n_phases; i++)
        phase[i] = ncc_lower_maps_of(j->l, j->name, j->x, i * j->phase_lines + p->block * BLOCK, 2 * p->n_blocks, BLOCK, TILE_W / 2);
    return ncc_lower_beside(j->l, phase, j->n_phases, ncc_name(j->l->g, j->name, "phases"));
}

/* The tiles of a part, as four maps of half their size each. */
static struct value *enlarged_part(struct job *j, const struct part *p)
{
    const int tiles = n_tiles(j, p), tile_h = j->layout->tile_h;
    struct value *y = half_lines(j, p);
    y = ncc_lower_pick(j->l, j->name, y, 16 * p->n_blocks * p->n_halves, first_source, &(struct first_pick){j, p});
    return ncc_lower_turns(j->l, j->name, y, tiles, tile_h, N_TURNS);
}

/* ---- parts ---- */

static double part_clocks(const struct job *j, const struct part *p)
{
    const int tiles = n_tiles(j, p), in_c = 2 * p->n_blocks;
    const struct ncc_kpu_shape copy = {in_c, BLOCK, TILE_W / 2, in_c, 3, true, NCC_KPU_POOL_NONE};
    const double copies = phases_adjacent(j, p->n_blocks) ? 0 : j->n_phases * ncc_lower_layer_clocks(j->l, &copy);
    return copies + ncc_lower_pick_clocks(j->l, in_c * j->n_phases, BLOCK, TILE_W / 2, 16 * p->n_blocks * p->n_halves) +
           ncc_lower_turns_clocks(j->l, tiles, j->layout->tile_h, N_TURNS);
}

/* How many blocks and halves at a time are cheapest: each layer has a fixed part, and one quadratic in its channels. */
static struct part best_part(const struct job *j)
{
    struct part best = {.n_blocks = 1, .n_halves = j->n_halves};
    double best_clocks = 0;
    for (int n_blocks = 1; n_blocks <= j->n_blocks && n_blocks <= MAX_BLOCKS; n_blocks++)
        for (int n_halves = j->layout->halves_apart ? 1 : j->n_halves; n_halves <= j->n_halves; n_halves++) {
            if (n_halves > 1 && j->layout->halves_apart && n_blocks < j->n_blocks)
                continue; /* all blocks of one half come before those of the other */
            const struct part p = {.n_blocks = n_blocks, .n_halves = n_halves};
            const int times = (j->n_blocks + n_blocks - 1) / n_blocks * (j->n_halves / n_halves);
            const double clocks = times * part_clocks(j, &p);
            if (best_clocks == 0 || clocks < best_clocks) {
                best = p;
                best_clocks = clocks;
            }
        }
    return best;
}

/* All tiles, in the order of their lines. */
static struct value *all_tiles(struct job *j)
{
    const struct part step = best_part(j);
    struct value **y = NCC_NEW(j->l->g->arena, struct value *, (size_t)(j->n_halves * j->n_blocks));
    int n = 0;
    for (int half = 0; half < j->n_halves; half += step.n_halves)
        for (int b = 0; b < j->n_blocks; b += step.n_blocks) {
            const int left = j->n_blocks - b;
            const struct part p = {b, left < step.n_blocks ? left : step.n_blocks, half, step.n_halves};
            y[n++] = enlarged_part(j, &p);
        }
    return ncc_lower_beside(j->l, y, n, ncc_name(j->l->g, j->name, "tiles"));
}

/* ---- the map ---- */

/* Of what a line of the result holds, every other channel is nobody's. */
static bool has_gaps(const struct value *x)
{
    return x->shape.dim[3] <= 8;
}

/* As many columns as make rows of the lines that they are given, and pairs of channels of lines. */
static int least_width(int w)
{
    return w <= 8 ? 2 * w : w <= 16 ? 17 : w > 64 ? 3 * NCC_KPU_LINE_SIZE + 1 : 2 * w;
}

static struct kpu_view_attrs result_view(const struct value *x, int line, int c)
{
    const struct window *w = &x->window;
    const int width = 2 * x->shape.dim[3], least = least_width(x->shape.dim[3]);
    return (struct kpu_view_attrs){.line = line,
                                   .c = c,
                                   .canvas_h = 2 * x->shape.dim[2],
                                   .canvas_w = width > least ? width : least,
                                   .top = 2 * w->top,
                                   .left = 2 * w->left,
                                   .h = 2 * w->h,
                                   .w = 2 * w->w,
                                   .outside = w->outside == OUT_ZERO && width >= least && c == x->shape.dim[1] && !has_gaps(x) ? OUT_ZERO : OUT_JUNK};
}

/* The channels of the halves follow each other, at once where no line of filling lies between them. */
static struct value *result(struct job *j, struct value *tiles, const struct value *x)
{
    const int *d = x->shape.dim, groups = ncc_kpu_groups(d[1], d[3]);
    const int each = ncc_kpu_layout_of(d[3]).group / 2 * groups * (has_gaps(x) ? 2 : 1), half_lines = j->n_blocks * j->layout->tile_h;
    const bool adjacent = ncc_kpu_lines(d[1], d[2], d[3]) == j->n_blocks * BLOCK;
    if (!j->layout->halves_apart || j->n_halves == 1 || adjacent) {
        const struct kpu_view_attrs a =
            result_view(x, 0, j->layout->halves_apart ? each * j->n_halves : d[1]);
        return view(j, tiles, &a);
    }
    struct value *half[2];
    for (int i = 0; i < 2; i++) {
        const struct kpu_view_attrs a = result_view(x, i * half_lines, each);
        half[i] = view(j, tiles, &a);
    }
    return ncc_lower_beside(j->l, half, 2, ncc_name(j->l->g, j->name, "halves"));
}

static void set_slots(const struct value *x, const struct layout *layout, int *slot)
{
    const int c = x->shape.dim[1], group = ncc_kpu_layout_of(x->shape.dim[3]).group, in_half = group / 2;
    const int first_of_upper = in_half * ncc_kpu_groups(c, x->shape.dim[3]);
    for (int i = 0; i < c; i++) {
        slot[i] = i;
        if (layout->halves_apart)
            slot[i] = i % group / in_half * first_of_upper + i / group * in_half + i % in_half;
        slot[i] *= has_gaps(x) ? 2 : 1;
    }
}

struct value *ncc_lower_enlarge(struct lowering *l, const char *name, struct value *x, enum enlarge between, int *slot,
                                const char **why)
{
    const int n_phases = between == ENLARGE_PHASES ? 4 : 1;
    struct value one = *x; /* of the maps that are put between each other */
    one.shape.dim[1] /= n_phases;
    const int *d = one.shape.dim, group = ncc_kpu_layout_of(d[3]).group;
    const struct layout *layout = layout_of(d[3]);
    const int64_t lines = ncc_kpu_lines(d[1], d[2], d[3]), n_blocks = (lines + BLOCK - 1) / BLOCK;
    const bool one_half = layout == &narrow && d[1] <= group / 2;
    if (!layout || 2 * d[2] > NCC_KPU_MAX_H) {
        *why = "only maps of at most 128 rows and columns can be enlarged on the KPU";
        return NULL;
    }
    if (n_blocks * BLOCK * (n_phases + (one_half ? 2 : 4)) > NCC_KPU_RAM_LINES) {
        *why = "the map and the enlarged one together must fit the 2 MiB of KPU RAM";
        return NULL;
    }
    if (n_phases > 1 && d[1] % group) {
        *why = "the channels of each phase must fill whole lines";
        return NULL;
    }
    struct job j = {.l = l,
                    .name = name,
                    .layout = layout,
                    .between = between,
                    .x = ncc_lower_fill_lines(l, name, x, n_blocks * BLOCK - lines),
                    .n_blocks = (int)n_blocks,
                    .n_halves = one_half ? 1 : 2,
                    .n_phases = n_phases,
                    .phase_lines = (int)lines};
    set_slots(&one, layout, slot);
    return result(&j, all_tiles(&j), &one);
}
