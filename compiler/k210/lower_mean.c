/* The mean (or sum) of a whole map, channel by channel.
 *
 *     larger than 4x4     means of 2x2 (of 4x4 from 16x16 on) at as much stride, with zeros where the size is odd
 *     up to 3x3           one depthwise layer with equal weights
 *     4 rows or columns   two: pairs x(r) + x(r + 1), then pairs of these at a distance of two
 *
 *         x0 x1 x2 x3  ->  x0+x1  x1+x2  x2+x3  ->  (x0+x1) + (x2+x3)
 *
 * Every step has an output scale of its own, finer as the values come closer together. What zeros have taken part is
 * made good in the last layer's weights. Odd maps must grow for that; the layer in front of them may do it (doc/lowering.md
 * 6.2).
 */
#include "compiler/k210/lower.h"

#include <math.h>
#include <stdio.h>

static struct conv_job job_on(struct lowering *l, const struct node *n, struct value *x, const char *suffix)
{
    return (struct conv_job){
        .name = ncc_name(l->g, n->name, suffix),
        .origin = n->origin ? n->origin : n->name,
        .x = x,
        .out_c = x->shape.dim[1],
        .kh = 1,
        .kw = 1,
        .dil_h = 1,
        .dil_w = 1,
        .stride = 1,
        .out_h = x->window.h,
        .out_w = x->window.w,
    };
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static float *equal_weights(struct lowering *l, int n, float value)
{
    float *w = NCC_NEW(l->g->arena, float, n);
    for (int i = 0; i < n; i++)
        w[i] = value;
    return w;
}

/* Makes the map smaller by `by` in both directions; zeros beyond it count. The chip's means truncate, which is made
 * good only where they stand behind sums that are not whole codes yet: in the layer before. */
static struct value *reduce_by(struct lowering *l, const struct node *n, struct value *x, int by, bool rides,
                               const char **why)
{
    char suffix[32];
    snprintf(suffix, sizeof suffix, "by%d_%dx%d", by, x->window.h, x->window.w);
    struct conv_job j = job_on(l, n, x, suffix);
    j.pooled_h = (x->window.h + by - 1) / by;
    j.pooled_w = (x->window.w + by - 1) / by;
    if (rides) {
        j.pool = by == 4 ? NCC_KPU_POOL_MEAN_4_S4 : NCC_KPU_POOL_MEAN_2_S2;
        j.seen_h = j.pooled_h * by;
        j.seen_w = j.pooled_w * by;
        j.w = equal_weights(l, j.out_c, 1);
        j.tied = true;
    } else {
        j.kh = j.kw = j.stride = by;
        j.out_h = j.pooled_h;
        j.out_w = j.pooled_w;
        if (!x->window.top && !x->window.left) { /* the canvas's edge has the zeros: what is behind the map may be junk */
            j.pad_top = j.pooled_h * by - x->window.h;
            j.pad_left = j.pooled_w * by - x->window.w;
        }
        j.w = equal_weights(l, j.out_c * by * by, 1.0f / (float)(by * by));
        j.diagonal = true;
    }
    return ncc_lower_settled(l, &j, NULL, why);
}

/* By the chip's means in the layer before where that can be, else in layers of their own. */
static struct value *reduce(struct lowering *l, const struct node *n, struct value *x, int *by, const char **why)
{
    if (ncc_lower_can_join(x) && ncc_value_only_use(l->g, n->in[0]) == n) {
        const struct attempt a = ncc_lower_begin(l);
        *by = least(x->window.h, x->window.w) >= 16 ? 4 : 2;
        struct value *y = reduce_by(l, n, x, *by, true, why);
        if (y && ncc_lower_joins(y, x))
            return y;
        ncc_lower_undo(l, &a); /* the map had to be moved first: its sums are whole codes */
    }
    *by = 2;
    return reduce_by(l, n, x, 2, false, why);
}

/* The sum over kernels of `kh` x `kw` whose pixels lie `dil` apart. */
static struct value *sum(struct lowering *l, const struct node *n, struct value *x, struct conv_job like, float factor,
                         const char **why)
{
    struct conv_job j = job_on(l, n, x, like.name);
    const int taps = like.kh * like.kw;
    j.w = equal_weights(l, j.out_c * taps, factor);
    j.depthwise = true;
    j.kh = like.kh;
    j.kw = like.kw;
    j.dil_h = like.dil_h;
    j.dil_w = like.dil_w;
    j.out_h = j.pooled_h = x->window.h - (j.kh - 1) * j.dil_h;
    j.out_w = j.pooled_w = x->window.w - (j.kw - 1) * j.dil_w;
    j.act = like.act;
    return ncc_lower_settled(l, &j, NULL, why);
}

static struct value *last_sums(struct lowering *l, const struct node *n, struct value *x, double factor,
                               const struct act_chain *act, const char **why)
{
    const bool tall = x->window.h == 4, wide = x->window.w == 4;
    struct conv_job first = {.name = "sum", .kh = tall ? 2 : x->window.h, .kw = wide ? 2 : x->window.w, .dil_h = 1,
                             .dil_w = 1};
    if (!tall && !wide) {
        first.act = *act;
        return sum(l, n, x, first, (float)factor, why);
    }
    const double each = 1.0 / (first.kh * first.kw);
    x = sum(l, n, x, first, (float)each, why);
    const struct conv_job second = {.name = "pairs", .kh = tall ? 2 : 1, .kw = wide ? 2 : 1, .dil_h = 2, .dil_w = 2,
                                    .act = *act};
    return x ? sum(l, n, x, second, (float)(factor / each), why) : NULL;
}

/* ---- odd sizes ---- */

static int even(int size)
{
    return size + size % 2;
}

typedef struct value *larger_form(struct lowering *l, struct value *x, int h, int w);

static double larger_us(struct lowering *l, struct value *x, int h, int w, larger_form *form)
{
    const struct attempt a = ncc_lower_begin(l);
    const struct value *y = form(l, x, h, w);
    const double us = y ? ncc_lower_spent(l, &a, y) : INFINITY;
    ncc_lower_undo(l, &a);
    return us;
}

/* A map that fills a canvas of odd height must grow, a channel group at a time. The input of the 1x1 layers that make
 * it may have fewer groups: if nobody else reads the map, it is made by the same layers on a larger canvas instead of
 * this one. What these layers take that are not needed then; 0: better not. */
static double made_again_us(struct lowering *l, const struct node *n, struct value *x)
{
    const int h = x->shape.dim[2], w = x->shape.dim[3];
    if (x != l->forms[n->in[0]->id].kpu || h % 2 == 0 || h <= 4 || x->window.h < h || x->uses ||
        ncc_value_only_use(l->g, n->in[0]) != n)
        return 0;
    ncc_lower_try(l, 1);
    const double larger = larger_us(l, x, even(h), even(w), ncc_lower_made_again);
    const double same = larger < INFINITY ? larger_us(l, x, h, w, ncc_lower_made_again) : 0;
    const double grown = larger < INFINITY ? larger_us(l, x, even(h), even(w), ncc_lower_grow) : 0;
    ncc_lower_try(l, -1);
    return larger < same + grown ? same : 0;
}

/* ---- smaller and smaller, or in place ---- */

struct summing {
    const struct node *n;
    struct value *x;
    double factor;
    const struct fused *f;
};

static struct value *by_reducing(struct lowering *l, const struct summing *s, const char **why);

static struct value *in_place(struct lowering *l, const struct summing *s, const char **why)
{
    (void)why;
    return ncc_lower_sum_in_place(l, s->n, s->x, s->factor, &s->f->act);
}

static bool is_vector(const struct value *v)
{
    return v->shape.rank == 2 || (v->shape.rank == 4 && v->shape.dim[2] == 1 && v->shape.dim[3] == 1);
}

/* What a canvas of h x w costs those who read the vector on it: products on the KPU as many rows, and so do theirs; the
 * CPU as many bytes. */
static double readers_us(const struct lowering *l, const struct value *v, int h, int w)
{
    const enum ncc_kpu_runtime runtime = l->options->runtime;
    const int c = v->shape.dim[1];
    bool leaves = ncc_value_is_output(l->g, v);
    double us = 0;
    for (const struct use *u = v->uses; u; u = u->next) {
        const struct node *n = u->node;
        leaves |= !n->on_kpu;
        if (!n->on_kpu || !is_vector(n->out[0]))
            continue;
        const struct ncc_kpu_shape product = {c, h, w, n->out[0]->shape.dim[1], 1, false, NCC_KPU_POOL_NONE};
        us += n->op == OP_matmul || n->op == OP_conv2d ? ncc_kpu_layer_us(&product, runtime) : 0;
        us += readers_us(l, n->out[0], h, w);
    }
    return us + (leaves ? ncc_kpu_download_us(c, h, w, runtime) : 0);
}

typedef struct value *sum_form(struct lowering *l, const struct summing *s, const char **why);

static double sum_us(struct lowering *l, const struct summing *s, sum_form *form)
{
    const char *why;
    const struct attempt a = ncc_lower_begin(l);
    const struct value *y = form(l, s, &why);
    const double us = y ? ncc_lower_spent(l, &a, y) + readers_us(l, s->f->end, y->shape.dim[2], y->shape.dim[3]) : INFINITY;
    ncc_lower_undo(l, &a);
    return us;
}

static struct value *sum_of(struct lowering *l, const struct summing *s, const char **why)
{
    ncc_lower_try(l, 1);
    const double stays = sum_us(l, s, in_place);
    const double shrinks = stays < INFINITY ? sum_us(l, s, by_reducing) - made_again_us(l, s->n, s->x) : 0;
    ncc_lower_try(l, -1);
    return stays < INFINITY && stays <= shrinks ? in_place(l, s, why) : by_reducing(l, s, why);
}

static struct value *by_reducing(struct lowering *l, const struct summing *s, const char **why)
{
    struct summing next = *s;
    if (s->x->window.h <= 4 && s->x->window.w <= 4)
        return last_sums(l, s->n, s->x, s->factor, &s->f->act, why);
    if (made_again_us(l, s->n, s->x) > 0)
        next.x = ncc_lower_made_again(l, s->x, even(s->x->shape.dim[2]), even(s->x->shape.dim[3]));
    int by;
    if (!(next.x = reduce(l, s->n, next.x, &by, why)))
        return NULL;
    next.factor *= by * by;
    return sum_of(l, &next, why);
}

bool ncc_lower_op_reduce(struct lowering *l, struct node *n, const char **why)
{
    struct value *x = ncc_lower_canvas(l, n->in[0]);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    const struct fused f = ncc_lower_fuse(l, n, false);
    const bool is_mean = ((const struct reduce_attrs *)n->attrs)->kind == REDUCE_MEAN;
    const struct summing s = {n, x, is_mean ? 1.0 / (x->window.h * x->window.w) : 1.0, &f};
    struct value *y = sum_of(l, &s, why);
    if (y)
        ncc_lower_fused(l, n, &f, y);
    return y != NULL;
}
