/* A convolution whatever its input's canvas looks like: when the canvas is too small, or holds junk where zeros are
 * read, the map is settled anew. All ways are built, and the one that takes least time stays. */
#include "compiler/k210/lower.h"
#include "compiler/k210/taps.h"
#include "kpu/layout.h"

static struct value *layers_of(struct lowering *l, const struct conv_job *j, const char **why)
{
    if (j->diagonal || j->copy || j->tied)
        return ncc_lower_diagonal(l, j, why);
    struct value *y = ncc_lower_conv(l, j, why);
    return y || !j->depthwise ? y : ncc_lower_diagonal(l, j, why);
}

enum way {
    AS_IS,
    ON_PICKS,        /* moved, so that output 0 stands where there is a pick */
    SURROUNDED,      /* zeros (copies: the lowest code) around the window, which moves */
    SURROUNDED_STAY, /* which ends where it was: its parity decides which picks there are */
    CORNER,          /* which ends in the upper left corner, where all picks are */
    ROOM,            /* the same four on a canvas with more rows or columns */
    ROOM_SURROUNDED,
    ROOM_STAY,
    ROOM_CORNER,
    MARGIN_COLUMN,   /* zeros in one more column: fewer shifted copies */
    MARGIN,          /* and in one more row */
    MARGIN_AGAIN,    /* the same, where the layers in front of it make a larger map */
    DETOUR,          /* through main memory, to a canvas of its own */
    DETOUR_ROOM,
    N_WAYS
};

/* Canvas size that holds all outputs where the convolution computes them, and a legal map behind the pick or pool. */
static int needed(const struct conv_job *j, bool rows)
{
    const struct window *win = &j->x->window;
    const int start = rows ? win->top : win->left, pad = rows ? j->pad_top : j->pad_left;
    const int reach = ((rows ? j->kh : j->kw) - 1) * (rows ? j->dil_h : j->dil_w);
    const int n = rows ? j->out_h : j->out_w, pooled = rows ? j->pooled_h : j->pooled_w;
    const int pool = j->stride > 1 ? j->stride : ncc_kpu_pool_info(j->pool)->stride;
    const int least = rows ? NCC_KPU_MIN_H : NCC_KPU_MIN_W;
    const int centre = start - pad + reach / 2; /* of output 0 */
    int need = (centre > 0 ? centre : 0) + (n - 1) * j->stride + 1;
    need = need < (pooled < least ? least : pooled) * pool ? (pooled < least ? least : pooled) * pool : need;
    return (need + pool - 1) / pool * pool;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

static struct value *roomy(struct lowering *l, const struct conv_job *j)
{
    const int h = j->x->shape.dim[2], w = j->x->shape.dim[3];
    const int more_h = most(h, needed(j, true)), more_w = most(w, needed(j, false));
    return h == more_h && w == more_w ? NULL : ncc_lower_grow(l, j->x, more_h, more_w);
}

/* Through main memory to the upper left corner of a canvas that has all the room. */
static struct value *clean_with_room(struct lowering *l, const struct conv_job *j, struct value *v)
{
    struct conv_job at_corner = *j;
    struct value corner = *j->x;
    corner.window.top = corner.window.left = 0;
    at_corner.x = &corner;
    const int h = needed(&at_corner, true), w = needed(&at_corner, false);
    return h > corner.window.h || w > corner.window.w ? ncc_lower_clean(l, v, h, w) : NULL;
}

static int fewest_copies(int kernel, int dilation)
{
    return ((kernel - 1) * dilation + 3) / 3;
}

/* Does the canvas's edge ask for more copies than the kernel does? */
static bool wants_margin(const struct lowering *l, const struct conv_job *j)
{
    struct taps row, col;
    const char *ignored;
    if (j->copy || j->tied)
        return false;
    return !ncc_lower_taps(l, j, &row, &col, &ignored) || row.n_copies > fewest_copies(j->kh, j->dil_h) ||
           col.n_copies > fewest_copies(j->kw, j->dil_w);
}

/* With more channel groups to copy, a row has never paid. */
enum { MAX_GROUPS = 16 };

/* At least a column (a row) of zeros beside the window. A copy that is moved loses nothing at that edge. */
static struct value *with_margin(struct lowering *l, const struct conv_job *j, const struct value *v, enum way way)
{
    struct value *x = j->x;
    const int h = most(x->shape.dim[2], way == MARGIN_COLUMN ? 0 : x->window.h + 1);
    const int w = most(x->shape.dim[3], x->window.w + 1);
    const bool only_here = v && !x->uses && ncc_value_only_use(l->g, v);
    if (!wants_margin(l, j) || (way != MARGIN_COLUMN && (h == x->shape.dim[2] || l->no_margins)))
        return NULL;
    if (way == MARGIN && ncc_kpu_groups(x->shape.dim[1], w) > MAX_GROUPS)
        return NULL;
    if (way != MARGIN_AGAIN)
        x = ncc_lower_grow(l, x, h, w);
    else if (only_here && (x = ncc_lower_made_again(l, x, h, w)))
        ncc_lower_replace(l, j->x);
    return x && x != j->x ? ncc_lower_surround(l, x, h, w, OUT_ZERO, END_ANYWHERE) : NULL;
}

static bool picks(const struct conv_job *j)
{
    return j->stride > 1 || ncc_kpu_pool_info(j->pool)->stride > 1;
}

/* The rows and columns that output 0 of a job with one tap lies behind a pick: code 6 has odd columns too. */
static struct value *on_picks(struct lowering *l, const struct conv_job *j)
{
    if (j->kh > 1 || j->kw > 1 || j->pad_top || j->pad_left)
        return NULL;
    struct value *x = j->x;
    int rows = j->stride > 1 ? x->window.top % j->stride : 0, cols = j->stride == 4 ? x->window.left % j->stride : 0;
    for (; rows > 0 || cols > 0; rows--, cols--)
        x = ncc_lower_move(l, x, rows > 0, cols > 0, OUT_ZERO, false);
    return x == j->x ? NULL : x;
}

/* The input for a way, or NULL where that is not possible or no other than an earlier one. */
static struct value *input_for(struct lowering *l, const struct conv_job *j, struct value *v, enum way way)
{
    struct conv_job on = *j;
    if (way == AS_IS)
        return j->x;
    if (way == ON_PICKS)
        return on_picks(l, j);
    if (way == DETOUR || way == DETOUR_ROOM) {
        const bool looks_beyond = j->seen_h > j->out_h || j->seen_w > j->out_w; /* then the pool goes by itself */
        if (!v || j->copy || looks_beyond || (way == DETOUR && ncc_lower_is_full(j->x)))
            return NULL; /* there is zero around what comes from main memory */
        return way == DETOUR ? ncc_lower_clean(l, v, 0, 0) : clean_with_room(l, j, v);
    }
    if (way >= MARGIN_COLUMN)
        return with_margin(l, j, v, way);
    if (way >= ROOM && !(on.x = roomy(l, j)))
        return NULL;
    if (way == ROOM)
        return on.x;
    const enum surround_end end = way == SURROUNDED_STAY || way == ROOM_STAY ? END_SAME_PLACE
                                  : way == CORNER || way == ROOM_CORNER    ? END_CORNER
                                                                           : END_ANYWHERE;
    const bool in_corner = on.x->window.top == 0 && on.x->window.left == 0;
    if (end == END_CORNER && (in_corner || !picks(j)))
        return NULL;
    struct value *x = ncc_lower_surround(l, on.x, needed(j, true), needed(j, false), j->copy ? OUT_LOWEST : OUT_ZERO, end);
    return x == on.x ? NULL : x;
}

/* Is this layer of a single tap 3x3, for a pick beside the pixel? Its weights are nine times as many. */
static bool reaches_for_pick(const struct conv_job *j, const struct node *layer)
{
    return !j->copy && !j->depthwise && j->kh == 1 && j->kw == 1 &&
           ((const struct kpu_conv_attrs *)layer->attrs)->kernel == 3;
}

struct settling {
    const struct conv_job *job;
    struct value *v;
    enum way *last; /* that was built: in the end, the cheapest */
};

static struct value *by_way(struct lowering *l, const void *settling, int way, const char **why)
{
    const struct settling *s = settling;
    struct conv_job on = *s->job;
    *s->last = (enum way)way;
    on.x = input_for(l, s->job, s->v, (enum way)way);
    return on.x ? layers_of(l, &on, why) : NULL;
}

/* Does it take a single layer as it is? Then all else adds to it, and *y is that layer. */
static bool is_single(struct lowering *l, const struct conv_job *j, const char **why, struct value **y)
{
    struct decision d;
    if (ncc_lower_recalled(l, &d)) {
        *why = d.why;
        *y = d.way ? layers_of(l, j, why) : NULL;
        return d.way;
    }
    const struct attempt a = ncc_lower_begin(l);
    struct search_log log = ncc_lower_search(l);
    ncc_lower_try(l, 1);
    const struct value *tried = layers_of(l, j, why);
    d.way = tried && tried->def->op == OP_kpu_conv && tried->def->in[0] == j->x && !reaches_for_pick(j, tried->def);
    d.why = *why;
    ncc_lower_try(l, -1);
    ncc_lower_undo(l, &a);
    if (d.way)
        ncc_lower_search_keep(l, &log);
    ncc_lower_search_end(l, &log, d);
    if (!d.way)
        return false;
    ncc_lower_replay(l, &log);
    *y = layers_of(l, j, why);
    ncc_lower_replayed(l);
    return true;
}

struct value *ncc_lower_settled(struct lowering *l, const struct conv_job *j, struct value *v, const char **why)
{
    struct value *y;
    if (is_single(l, j, why, &y))
        return y;
    struct lower_way ways[N_WAYS];
    for (int i = 0; i < N_WAYS; i++)
        ways[i] = (struct lower_way){by_way, i};
    struct settling s = {j, v, &(enum way){AS_IS}};
    struct value *settled = ncc_lower_cheapest(l, ways, N_WAYS, &s, why);
    l->made_margin |= settled && (*s.last == MARGIN || *s.last == MARGIN_AGAIN);
    return settled;
}
