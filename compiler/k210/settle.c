/* A convolution whatever its input's canvas looks like: when the canvas is too small, or holds junk where zeros are
 * read, the map is settled anew. All ways are built, and the one that takes least time stays. */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

static struct value *layers_of(struct lowering *l, const struct conv_job *j, const char **why)
{
    struct value *y = ncc_lower_conv(l, j, why);
    return y || !j->depthwise ? y : ncc_lower_diagonal(l, j, why);
}

enum way {
    AS_IS,
    SURROUNDED,      /* zeros around the window, which moves */
    SURROUNDED_STAY, /* which ends where it was: its parity decides which picks there are */
    ROOM,            /* the same three on a canvas with more rows or columns */
    ROOM_SURROUNDED,
    ROOM_STAY,
    DETOUR,          /* through main memory, to a canvas of its own */
    DETOUR_ROOM,
    N_WAYS
};

/* Canvas size that holds all outputs where the convolution computes them, and a legal map behind the pick or pool. */
static int room(const struct conv_job *j, bool rows)
{
    const struct window *win = &j->x->window;
    const int start = rows ? win->top : win->left, pad = rows ? j->pad_top : j->pad_left;
    const int reach = ((rows ? j->kh : j->kw) - 1) * (rows ? j->dil_h : j->dil_w);
    const int n = rows ? j->out_h : j->out_w, pooled = rows ? j->pooled_h : j->pooled_w;
    const int pool = j->stride > 1 ? j->stride : ncc_kpu_pool_info(j->pool)->stride;
    const int least = rows ? NCC_KPU_MIN_H : NCC_KPU_MIN_W, size = j->x->shape.dim[rows ? 2 : 3];
    const int centre = start - pad + reach / 2; /* of output 0 */
    int need = (centre > 0 ? centre : 0) + (n - 1) * j->stride + 1;
    need = need < (pooled < least ? least : pooled) * pool ? (pooled < least ? least : pooled) * pool : need;
    return need > size ? (need + pool - 1) / pool * pool : size;
}

static struct value *roomy(struct lowering *l, const struct conv_job *j)
{
    const int h = room(j, true), w = room(j, false);
    if (h == j->x->shape.dim[2] && w == j->x->shape.dim[3])
        return NULL;
    return ncc_lower_grow(l, j->x, h, w);
}

/* The input for a way, or NULL where that is not possible or no other than an earlier one. */
static struct value *input_for(struct lowering *l, const struct conv_job *j, struct value *v, enum way way)
{
    struct conv_job on = *j;
    if (way == AS_IS)
        return j->x;
    if (way == DETOUR || way == DETOUR_ROOM) {
        if (!v || (way == DETOUR && ncc_lower_is_full(j->x)))
            return NULL;
        on.x = ncc_lower_clean(l, v);
        return way == DETOUR || !on.x ? on.x : roomy(l, &on);
    }
    if (way >= ROOM && !(on.x = roomy(l, j)))
        return NULL;
    if (way == ROOM)
        return on.x;
    const bool stay = way == SURROUNDED_STAY || way == ROOM_STAY;
    struct value *x = ncc_lower_surround(l, on.x, OUT_ZERO, stay);
    return x == on.x ? NULL : x;
}

static struct value *try(struct lowering *l, const struct conv_job *j, struct value *v, enum way way, const char **why)
{
    struct conv_job on = *j;
    on.x = input_for(l, j, v, way);
    return on.x ? layers_of(l, &on, why) : NULL;
}

struct value *ncc_lower_settled(struct lowering *l, const struct conv_job *j, struct value *v, const char **why)
{
    enum way best = N_WAYS;
    double least = 0;
    for (enum way way = AS_IS; way < N_WAYS; way++) {
        const char *text = "the input does not fit the KPU";
        const struct attempt a = ncc_lower_begin(l);
        const struct value *y = try(l, j, v, way, &text);
        const bool plain = y && y->def->op == OP_kpu_conv && y->def->in[0] == j->x;
        const double us = y ? ncc_lower_spent(l, &a, y) : 0;
        ncc_lower_undo(l, &a);
        if (way == AS_IS)
            *why = text;
        if (y && (best == N_WAYS || us < least)) {
            best = way;
            least = us;
        }
        if (way == AS_IS && plain)
            break; /* all others add layers */
    }
    return best == N_WAYS ? NULL : try(l, j, v, best, why);
}
