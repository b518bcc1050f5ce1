/* One convolution on a canvas: shifted copies beside the input where its taps reach further than one pixel, the pick
 * or pool behind it, and as many layers over output channels as the weight loads allow.
 *
 * Ways, in the order of their cost: as it is; on a canvas grown by a row or column (odd sizes); at stride 1 with the
 * pick in an identity layer of its own. doc/lowering.md has the drawings.
 */
#include "compiler/k210/lower.h"
#include "compiler/k210/taps.h"
#include "kpu/layout.h"
#include "kpu/timing.h"

#include <stdio.h>
#include <string.h>

struct fit { /* how a job lies on its canvas */
    struct taps row, col;
    int code;   /* pool code of the layer */
    int pool;   /* its stride */
    int kernel; /* 1 or 3 */
};

static struct axis axis_of(const struct conv_job *j, bool rows, int pool)
{
    const struct value *x = j->x;
    return (struct axis){
        .canvas = x->shape.dim[rows ? 2 : 3],
        .start = rows ? x->window.top : x->window.left,
        .size = rows ? x->window.h : x->window.w,
        .zero_out = x->window.outside == (j->copy ? OUT_LOWEST : OUT_ZERO),
        .kernel = rows ? j->kh : j->kw,
        .dilation = rows ? j->dil_h : j->dil_w,
        .stride = j->stride,
        .pad = rows ? j->pad_top : j->pad_left,
        .n_out = rows ? j->out_h : j->out_w,
        .pool = pool,
        .phase = 1,
        .n_pooled = rows ? j->pooled_h : j->pooled_w,
    };
}

static int pick_code(int stride, int column)
{
    if (stride == 4)
        return NCC_KPU_POOL_LEFT_TOP_4;
    return column % 2 ? NCC_KPU_POOL_RIGHT_TOP_2 : NCC_KPU_POOL_LEFT_TOP_2;
}

/* A 1x1 layer has a fixed part that a 3x3 layer with eight taps of zero has not. Its nine times as many weights take
 * general RAM: a byte counts as CLOCKS_PER_BYTE. */
#define CLOCKS_PER_BYTE 4

static int kernel_for_centre(const struct conv_job *j, const struct fit *f, int in_c, int out_c)
{
    struct ncc_kpu_shape s = {in_c, j->x->shape.dim[2], j->x->shape.dim[3], out_c, 1, false, f->code};
    s.in_c *= f->row.n_copies * f->col.n_copies;
    const double one = ncc_kpu_layer_clocks(&s, 1) + CLOCKS_PER_BYTE * (double)ncc_kpu_n_weights(&s);
    s.kernel = 3;
    return ncc_kpu_layer_clocks(&s, 1) + CLOCKS_PER_BYTE * (double)ncc_kpu_n_weights(&s) < one ? 3 : 1;
}

/* A pool that looks beyond the outputs must find the canvas's edge there, or what does not count: behind an identity, the
 * lowest code for a max pool and zero for a mean. */
static bool pool_sees_nothing_else(const struct conv_job *j, const struct fit *f)
{
    const bool below = j->seen_h > j->out_h && f->row.first + j->out_h < j->x->shape.dim[2];
    const bool right = j->seen_w > j->out_w && f->col.first + j->out_w < j->x->shape.dim[3];
    const enum outside outside = j->x->window.outside;
    return !(below || right) || (j->copy && outside == OUT_LOWEST) || (j->tied && outside == OUT_ZERO);
}

/* What ncc_taps_choose said of an axis. The same ones come again and again, in every attempt. */
struct known_taps {
    struct axis axis;
    struct taps taps;
    bool good;
    const char *why; /* NULL: nothing is known here */
};
enum { N_KNOWN = 64 };

void ncc_lower_taps_new(struct lowering *l, struct arena *a)
{
    l->taps = NCC_NEW(a, struct known_taps, N_KNOWN);
}

static bool same_axis(const struct axis *a, const struct axis *b)
{
    return a->canvas == b->canvas && a->start == b->start && a->size == b->size && a->zero_out == b->zero_out &&
           a->kernel == b->kernel && a->dilation == b->dilation && a->stride == b->stride && a->pad == b->pad &&
           a->n_out == b->n_out && a->pool == b->pool && a->phase == b->phase && a->n_pooled == b->n_pooled;
}

static unsigned slot_of(const struct axis *a)
{
    const int part[] = {a->canvas, a->start, a->size, a->zero_out, a->kernel, a->dilation,
                        a->stride, a->pad,   a->n_out, a->pool,    a->phase,  a->n_pooled};
    unsigned h = 0;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        h = (h ^ (unsigned)part[i]) * 0x9e3779b1U;
    return h >> 16 & (N_KNOWN - 1);
}

static bool choose_taps(const struct lowering *l, const struct axis *a, struct taps *out, const char **why)
{
    struct known_taps *k = &l->taps[slot_of(a)];
    if (!k->why || !same_axis(&k->axis, a)) {
        k->axis = *a;
        k->good = ncc_taps_choose(a, &k->taps, &k->why);
    }
    *why = k->why;
    if (k->good)
        *out = k->taps;
    return k->good;
}

static bool choose(const struct lowering *l, const struct conv_job *j, struct fit *f, const char **why)
{
    const bool picks = j->stride > 1;
    f->pool = picks ? j->stride : ncc_kpu_pool_info(j->pool)->stride;
    struct axis rows = axis_of(j, true, f->pool), cols = axis_of(j, false, f->pool);
    if (picks && j->stride == 2)
        cols.phase = 3; /* codes 5 and 6: left or right column */
    if (!choose_taps(l, &rows, &f->row, why) || !choose_taps(l, &cols, &f->col, why))
        return false;
    f->code = picks ? pick_code(j->stride, f->col.first) : j->pool;
    const bool centre = f->row.only_centre && f->col.only_centre && !j->depthwise;
    f->kernel = !centre ? 3 : j->copy ? kernel_for_centre(j, f, j->x->shape.dim[1], j->out_c) : 1;
    const bool plain = f->row.n_copies == 1 && f->row.copy[0] == 0 && f->col.n_copies == 1 && f->col.copy[0] == 0;
    if (j->depthwise && !(plain && f->code == NCC_KPU_POOL_NONE)) {
        *why = "a depthwise layer takes one 3x3 window of its own channel and no pool";
        return false;
    }
    if (!pool_sees_nothing_else(j, f)) {
        *why = "the pool looks beyond the map, where the canvas holds other values";
        return false;
    }
    return true;
}

bool ncc_lower_taps(const struct lowering *l, const struct conv_job *job, struct taps *row, struct taps *col, const char **why)
{
    struct conv_job j = *job;
    struct fit f;
    j.depthwise = false;
    if (!choose(l, &j, &f, why))
        return false;
    *row = f.row;
    *col = f.col;
    return true;
}

static struct ncc_kpu_shape shape_of(const struct conv_job *j, const struct fit *f, int in_c, int out_c)
{
    return (struct ncc_kpu_shape){in_c,   j->x->shape.dim[2], j->x->shape.dim[3], out_c, f->kernel, j->depthwise,
                                  f->code};
}

/* Slots that one copy takes in the channels of the layer: copies start on lines of their own. */
static int slots(const struct conv_job *j)
{
    const int c = j->x->shape.dim[1], g = ncc_kpu_layout_of(j->x->shape.dim[3]).group;
    return (c + g - 1) / g * g;
}

static int n_copies(const struct fit *f)
{
    return f->row.n_copies * f->col.n_copies;
}

static int in_channels(const struct conv_job *j, const struct fit *f)
{
    return (n_copies(f) - 1) * slots(j) + j->x->shape.dim[1];
}

struct value *ncc_lower_shift_far(struct lowering *l, struct value *x, int a, int b)
{
    while (a || b) {
        const int sa = (a > 0) - (a < 0), sb = (b > 0) - (b < 0);
        x = ncc_lower_shift(l, x, sa, sb);
        a -= sa;
        b -= sb;
    }
    return x;
}

static struct value *gather_copies(struct lowering *l, const struct conv_job *j, const struct fit *f)
{
    struct value *part[NCC_MAX_COPIES * NCC_MAX_COPIES];
    int n = 0;
    for (int r = 0; r < f->row.n_copies; r++)
        for (int c = 0; c < f->col.n_copies; c++)
            part[n++] = ncc_lower_shift_far(l, j->x, f->row.copy[r], f->col.copy[c]);
    return ncc_lower_beside(l, part, n, ncc_name(l->g, j->name, "copies"));
}

/* The layer's weights [out_c][in_c or 1][k][k]: every kernel element goes to its copy and tap. */
static float *spread_weights(struct lowering *l, const struct conv_job *j, const struct fit *f)
{
    const int in_c = j->depthwise ? 1 : in_channels(j, f), from_c = j->depthwise ? 1 : j->x->shape.dim[1];
    const int k = f->kernel, step = slots(j);
    float *w = ncc_lower_weights(l, (size_t)j->out_c *in_c *k *k);
    if (l->trying)
        return w;
    for (int o = 0; o < j->out_c; o++)
        for (int c = 0; c < from_c; c++)
            for (int y = 0; y < j->kh; y++)
                for (int x = 0; x < j->kw; x++) {
                    const struct tap ty = f->row.of[y], tx = f->col.of[x];
                    const int slot = (ty.copy * f->col.n_copies + tx.copy) * step + c;
                    const int at = (ty.tap + k / 2) * k + tx.tap + k / 2;
                    w[((size_t)o * in_c + slot) * k * k + at] +=
                        j->w[(((size_t)o * from_c + c) * j->kh + y) * j->kw + x];
                }
    return w;
}

/* Output channels per layer so that the weights load in at most 64 pieces. */
static int channels_per_layer(const struct conv_job *j, const struct fit *f, int in_c)
{
    int n = j->out_c < NCC_KPU_MAX_C ? j->out_c : NCC_KPU_MAX_C;
    const int g = ncc_kpu_layout_of(j->x->shape.dim[3] / f->pool > 0 ? j->x->shape.dim[3] / f->pool : 1).group;
    while (n > g) {
        const struct ncc_kpu_shape s = shape_of(j, f, in_c, n);
        if (j->depthwise ||
            (ncc_kpu_weight_loads(&s, 1).oc_per_load > 0 && ncc_kpu_weight_loads(&s, 1).loads <= NCC_KPU_MAX_LOADS))
            break;
        n = (n / 2 + g - 1) / g * g;
    }
    return n;
}

/* Of a map with the lowest code around, nothing but that remains around a copy that has all its pixels. */
static bool stays_lowest(const struct conv_job *j, const struct fit *f)
{
    const struct window *w = &j->x->window;
    return j->copy && w->outside == OUT_LOWEST && !w->top && !w->left &&
           j->pooled_h * f->pool >= w->h + j->pad_top && j->pooled_w * f->pool >= w->w + j->pad_left;
}

static struct window result_window(const struct conv_job *j, const struct fit *f)
{
    return (struct window){.top = f->row.first / f->pool,
                           .left = f->col.first / f->pool,
                           .h = j->pooled_h,
                           .w = j->pooled_w,
                           .outside = stays_lowest(j, f) ? OUT_LOWEST : OUT_JUNK};
}

static struct value *emit_layer(struct lowering *l, const struct conv_job *j, const struct fit *f, struct value *x,
                                const float *w, int begin, int count, const char *name)
{
    const int in_c = j->depthwise ? 1 : x->shape.dim[1], k = f->kernel;
    const int w_shape[4] = {count, in_c, k, k}, b_shape[1] = {count};
    float *bias = NCC_NEW(l->g->arena, float, count);
    if (j->bias)
        memcpy(bias, j->bias + begin, (size_t)count * sizeof *bias);
    const struct window win = result_window(j, f);
    const struct kpu_conv_attrs a = {.kernel = k,
                                     .depthwise = j->depthwise,
                                     .pool = f->code,
                                     .tied = j->tied,
                                     .copy = j->copy,
                                     .pad_lowest = j->copy,
                                     .act = j->act,
                                     .top = win.top,
                                     .left = win.left,
                                     .h = win.h,
                                     .w = win.w,
                                     .outside = win.outside};
    struct value *wv = ncc_const(l->g, ncc_name(l->g, name, "w"), DT_F32, ncc_shape_make(4, w_shape),
                                 w + (size_t)begin * in_c * k * k);
    struct value *bv = ncc_const(l->g, ncc_name(l->g, name, "b"), DT_F32, ncc_shape_make(1, b_shape), bias);
    struct node *n = ncc_node_new(l->g, OP_kpu_conv, name, &a, (struct value *[]){x, wv, bv}, 3);
    n->origin = j->origin;
    n->on_kpu = true;
    return n->out[0];
}

/* Can the chip do the layers of this fit? */
static bool legal(const struct lowering *l, const struct conv_job *j, const struct fit *f, const char **why)
{
    const int in_c = in_channels(j, f), per = channels_per_layer(j, f, in_c);
    const struct ncc_kpu_shape s = shape_of(j, f, in_c, per), all = shape_of(j, f, in_c, j->out_c);
    const char *text = ncc_kpu_shape_check(&s, l->options->allow_untested);
    if (text) {
        *why = text;
        return false;
    }
    if (ncc_kpu_in_lines(&all) + ncc_kpu_out_lines(&all) > NCC_KPU_RAM_LINES) {
        *why = "input and output together must fit the 2 MiB of KPU RAM";
        return false;
    }
    return true;
}

static struct value *emit(struct lowering *l, const struct conv_job *j, const struct fit *f)
{
    struct value *x = gather_copies(l, j, f);
    const float *w = spread_weights(l, j, f);
    const int per = channels_per_layer(j, f, in_channels(j, f));
    if (per >= j->out_c)
        return emit_layer(l, j, f, x, w, 0, j->out_c, j->name);
    const int n = (j->out_c + per - 1) / per;
    struct value **part = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; i < n; i++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, "o%d", i * per);
        const int count = j->out_c - i * per < per ? j->out_c - i * per : per;
        part[i] = emit_layer(l, j, f, x, w, i * per, count, ncc_name(l->g, j->name, suffix));
    }
    return ncc_lower_beside(l, part, n, j->name);
}

/* The least size that holds every pick and leaves a map of a legal size behind the pool. */
static int grown_size(int size, int pool, int least)
{
    const int even = (size + pool - 1) / pool * pool;
    return even < least * pool ? least * pool : even;
}

/* An odd map has one row or column too few for the last pick; a 1x1 layer may stand on a canvas grown by junk. */
static struct value *on_grown_canvas(struct lowering *l, const struct conv_job *j, const char **why)
{
    const int pool = j->stride > 1 ? j->stride : ncc_kpu_pool_info(j->pool)->stride;
    if (pool == 1 || j->depthwise)
        return NULL;
    struct conv_job wide = *j;
    struct value probe = *j->x;
    const int h = j->x->shape.dim[2], w = j->x->shape.dim[3];
    probe.shape.dim[2] = grown_size(h, pool, NCC_KPU_MIN_H);
    probe.shape.dim[3] = grown_size(w, pool, NCC_KPU_MIN_W);
    probe.window.outside = OUT_JUNK;
    wide.x = &probe;
    struct fit f;
    if (!choose(l, &wide, &f, why) || !legal(l, &wide, &f, why))
        return NULL;
    /* As few rows as will do: rows cost layers, columns nothing. */
    if (f.row.first / pool + j->pooled_h <= h / pool && h / pool >= NCC_KPU_MIN_H)
        probe.shape.dim[2] = h;
    const int *slot;
    wide.x = ncc_lower_grow_spread(l, j->x, probe.shape.dim[2], probe.shape.dim[3], &slot);
    if (wide.x)
        wide.w = ncc_lower_slotted(l, j->w, j->out_c, j->kh * j->kw, j->x->shape.dim[1], slot, wide.x->shape.dim[1]);
    if (!wide.x || !choose(l, &wide, &f, why) || !legal(l, &wide, &f, why))
        return NULL;
    return emit(l, &wide, &f);
}

/* At stride 1, then the pick or pool as a layer of its own. */
static struct value *in_two_steps(struct lowering *l, const struct conv_job *j, const char **why)
{
    if (j->stride == 1 && j->pool == NCC_KPU_POOL_NONE)
        return NULL;
    struct conv_job full = *j;
    full.stride = 1;
    full.pool = NCC_KPU_POOL_NONE;
    full.out_h = full.pooled_h = (j->out_h - 1) * j->stride + 1;
    full.out_w = full.pooled_w = (j->out_w - 1) * j->stride + 1;
    full.x = ncc_lower_conv_as_is(l, &full, why);
    if (!full.x)
        return NULL;
    struct conv_job pick = *j;
    pick.x = full.x;
    pick.act.n = 0;
    pick.name = ncc_name(l->g, j->name, "pick");
    return ncc_lower_identity(l, &pick, why);
}

static bool is_mean(int pool)
{
    return ncc_kpu_pool_info(pool)->kind == NCC_KPU_POOL_MEAN;
}

struct value *ncc_lower_conv_as_is(struct lowering *l, const struct conv_job *j, const char **why)
{
    struct fit f;
    /* The codes in front of a mean cover more than the means do, and must be seen to be given their range. Where the
     * two layers can be one after all, ncc_k210_integers joins them. */
    if (is_mean(j->pool) && !j->tied)
        return in_two_steps(l, j, why);
    if (j->depthwise && j->x->shape.dim[1] > NCC_KPU_MAX_C)
        return ncc_lower_depthwise_ranges(l, j, why);
    if (choose(l, j, &f, why)) {
        if (legal(l, j, &f, why))
            return emit(l, j, &f);
        if (!j->depthwise && in_channels(j, &f) > NCC_KPU_MAX_C)
            return ncc_lower_in_parts(l, j, n_copies(&f), why);
    }
    struct value *y = on_grown_canvas(l, j, why);
    const bool identity = j->kh == 1 && j->kw == 1;
    return y || identity ? y : in_two_steps(l, j, why);
}

bool ncc_lower_can_join(const struct value *x)
{
    if (!x->def || x->def->op != OP_kpu_conv || x->uses)
        return false;
    const struct kpu_conv_attrs *a = x->def->attrs;
    return !a->depthwise && a->pool == NCC_KPU_POOL_NONE && !a->copy;
}

bool ncc_lower_joins(const struct value *y, const struct value *x)
{
    const struct kpu_conv_attrs *a = y->def->attrs;
    return y->def->op == OP_kpu_conv && y->def->in[0] == x && a->tied && a->kernel == 1;
}

/* ---- per-channel convolutions that a depthwise layer cannot do ---- */

/* The blocks' layers together, with the shifted copies that each makes for itself. */
static double diagonal_clocks(const struct lowering *l, const struct conv_job *j, const struct fit *f, int block)
{
    const struct conv_job b = {.x = j->x, .kh = j->kh, .kw = j->kw};
    const double fixed = ncc_kpu_costs(l->options->runtime)->layer_clocks;
    struct ncc_kpu_shape s = shape_of(&b, f, n_copies(f) * block, block), copy = shape_of(&b, f, block, block);
    if (j->copy && f->row.only_centre && f->col.only_centre)
        s.kernel = kernel_for_centre(j, f, block, block);
    s.pool = NCC_KPU_POOL_NONE;
    copy.pool = NCC_KPU_POOL_NONE;
    copy.kernel = 3;
    copy.depthwise = true;
    const double copies = (n_copies(f) - 1) * (ncc_kpu_layer_clocks(&copy, 1) + fixed);
    const int c = j->x->shape.dim[1];
    const double bytes = (double)ncc_kpu_n_weights(&s); /* each takes general RAM, and about a clock to load */
    return (c + block - 1) / block * (ncc_kpu_layer_clocks(&s, 1) + fixed + copies + bytes);
}

/* The cost is quadratic in the channels of a block; every block adds the fixed parts of its layers. */
static int best_block(const struct lowering *l, const struct conv_job *j, const struct fit *f)
{
    const int c = j->x->shape.dim[1];
    if (j->tied && ncc_lower_can_join(j->x) && f->kernel == 1)
        return c; /* it will disappear in the layer before it */
    int best = c;
    for (int b = 4; b < c && n_copies(f) * b <= NCC_KPU_MAX_C; b *= 2)
        if (n_copies(f) * best > NCC_KPU_MAX_C || diagonal_clocks(l, j, f, b) < diagonal_clocks(l, j, f, best))
            best = b;
    return best;
}

/* Of what takes several steps for each block, and the square of its channels in weights for each. */
enum { BLOCK_IN_STEPS = 64 };

/* Weights [n][n][taps] with those of channel c0 + i on the diagonal. */
static float *diagonal(struct lowering *l, const struct conv_job *j, int c0, int n)
{
    const size_t taps = (size_t)j->kh * j->kw;
    float *w = ncc_lower_weights(l, (size_t)n *n *taps);
    if (l->trying)
        return w;
    for (size_t i = 0; i < (size_t)n; i++)
        memcpy(w + (i * n + i) * taps, j->w + ((size_t)c0 + i) * taps, taps * sizeof *w);
    return w;
}

struct value *ncc_lower_diagonal(struct lowering *l, const struct conv_job *job, const char **why)
{
    struct conv_job j = *job;
    j.depthwise = false;
    struct fit f;
    const int c = job->x->shape.dim[1], few = c < BLOCK_IN_STEPS ? c : BLOCK_IN_STEPS;
    const int block = choose(l, &j, &f, why) ? best_block(l, &j, &f) : few;
    const int n = (c + block - 1) / block;
    struct value **part = NCC_NEW(l->g->arena, struct value *, n);
    for (int i = 0; i < n; i++) {
        const struct kpu_slice_attrs s = {i * block, c - i * block < block ? c - i * block : block};
        char suffix[32];
        snprintf(suffix, sizeof suffix, "c%d", s.begin);
        j.out_c = s.count;
        j.name = n == 1 ? job->name : ncc_name(l->g, job->name, suffix);
        j.x = n == 1 ? job->x : NCC_OP(l->g, OP_kpu_slice, ncc_name(l->g, j.name, "in"), &s, job->x);
        j.w = diagonal(l, job, s.begin, s.count);
        j.bias = job->bias ? job->bias + s.begin : NULL;
        part[i] = ncc_lower_conv_as_is(l, &j, why);
        if (!part[i])
            return NULL;
    }
    return ncc_lower_beside(l, part, n, ncc_name(l->g, job->name, "blocks"));
}

struct value *ncc_lower_identity(struct lowering *l, const struct conv_job *job, const char **why)
{
    const int c = job->x->shape.dim[1];
    float *unit = NCC_NEW(l->g->arena, float, c);
    for (int i = 0; i < c; i++)
        unit[i] = 1;
    struct conv_job j = *job;
    j.tied = is_mean(job->pool);
    j.w = unit;
    j.bias = NULL;
    j.kh = j.kw = j.dil_h = j.dil_w = 1;
    j.pad_top = j.pad_left = 0;
    return ncc_lower_diagonal(l, &j, why);
}
