/* Pools. Max pools are chains of the chip's own (pool_plan.h), whose first step rides in the layer before. Average
 * pools are the chip's means where there is one of that size, else depthwise convolutions with equal weights. */
#include "compiler/k210/lower.h"
#include "compiler/k210/mean_inside.h"
#include "compiler/k210/pool_plan.h"

#include <stdio.h>

static int least(int a, int b)
{
    return a < b ? a : b;
}

static struct conv_job identity_job(const char *name, const char *origin, struct value *x)
{
    return (struct conv_job){
        .name = name,
        .origin = origin,
        .x = x,
        .out_c = x->shape.dim[1],
        .kh = 1,
        .kw = 1,
        .dil_h = 1,
        .dil_w = 1,
        .stride = 1,
    };
}

static float *equal_weights(struct lowering *l, int n, float value)
{
    float *w = NCC_NEW(l->g->arena, float, n);
    for (int i = 0; i < n; i++)
        w[i] = value;
    return w;
}

/* ---- max ---- */

/* One dimension of a step on a map of `size` pixels that lies on a canvas of `canvas`. */
struct extent {
    int out, pooled, seen;
};

static struct extent extent_of(const struct pool_step *s, bool rows, int size, int canvas)
{
    const bool shift = rows ? s->row : s->col, covered = rows ? s->covered_row : s->covered_col;
    const int wanted = rows ? s->h : s->w, begin = rows ? s->begin_h : s->begin_w;
    int have = size + (shift ? 1 : 0); /* a shift moves the last pixel by one */
    if (covered && have > canvas && begin * s->stride <= canvas)
        have = canvas; /* who sees what goes over the edge sees as much of it before */
    const int pooled = least(wanted, (have + s->stride - 1) / s->stride);
    const int seen = ncc_pool_step_reads(s, rows, pooled);
    return (struct extent){least(seen, have), pooled, seen};
}

/* Sets a job's pool or pick, for the chip's own steps. */
static void take_step(struct conv_job *j, const struct pool_step *s, const struct extent *rows,
                      const struct extent *cols)
{
    j->pooled_h = rows->pooled;
    j->pooled_w = cols->pooled;
    if (ncc_kpu_pool_info(s->code)->kind == NCC_KPU_POOL_PICK) {
        j->stride = s->stride;
        j->out_h = rows->pooled;
        j->out_w = cols->pooled;
    } else {
        j->pool = s->code;
        j->out_h = rows->out;
        j->out_w = cols->out;
        j->seen_h = rows->seen;
        j->seen_w = cols->seen;
    }
}

static struct value *own_step(struct lowering *l, const char *name, const char *origin, struct value *x,
                              const struct pool_step *s, const char **why)
{
    const struct extent rows = extent_of(s, true, x->window.h, x->shape.dim[2]);
    const struct extent cols = extent_of(s, false, x->window.w, x->shape.dim[3]);
    struct conv_job j = identity_job(name, origin, x);
    j.copy = true;
    j.w = equal_weights(l, j.out_c, 1);
    j.pad_top = -s->row;
    j.pad_left = -s->col;
    take_step(&j, s, &rows, &cols);
    return ncc_lower_settled(l, &j, NULL, why);
}

/* The larger of two neighbours, and in the layer that adds what comes next where that does not shift. */
struct along {
    const char *name, *origin;
    struct value *x;
    const struct pool_step *step, *next; /* NULL: none */
};

static struct value *along_step(struct lowering *l, const void *along, int block, const char **why)
{
    const struct along *a = along;
    const struct extent rows = extent_of(a->step, true, a->x->window.h, a->x->shape.dim[2]);
    const struct extent cols = extent_of(a->step, false, a->x->window.w, a->x->shape.dim[3]);
    struct conv_job j = identity_job(a->name, a->origin, a->x);
    j.out_h = j.pooled_h = rows.pooled;
    j.out_w = j.pooled_w = cols.pooled;
    if (a->next) {
        const struct extent next_rows = extent_of(a->next, true, rows.pooled, a->x->shape.dim[2]);
        const struct extent next_cols = extent_of(a->next, false, cols.pooled, a->x->shape.dim[3]);
        take_step(&j, a->next, &next_rows, &next_cols);
    }
    const bool down = a->step->along == ALONG_ROWS;
    const int way = (down ? a->step->row : a->step->col) ? -1 : 1;
    return ncc_lower_max_neighbour(l, &j, rows.pooled, cols.pooled, down ? way : 0, down ? 0 : way, block, why);
}

/* Steps `i` and perhaps the one behind it, of which *n are done. */
static struct value *max_step(struct lowering *l, const struct node *n, struct value *x, const struct pool_plan *plan,
                              int i, int *done, const char **why)
{
    enum { LEAST = 16, MAX_WAYS = 8 };
    char suffix[32];
    snprintf(suffix, sizeof suffix, "step%d", i);
    const char *name = ncc_name(l->g, n->name, suffix), *origin = n->origin ? n->origin : n->name;
    const struct pool_step *s = &plan->step[i], *next = i + 1 < plan->n ? s + 1 : NULL;
    *done = 1;
    if (s->along == ALONG_BOTH)
        return own_step(l, name, origin, x, s, why);
    struct lower_way ways[MAX_WAYS];
    int n_ways = 0;
    for (int block = LEAST; block < x->shape.dim[1] && n_ways + 1 < MAX_WAYS; block *= 2)
        ways[n_ways++] = (struct lower_way){along_step, block};
    ways[n_ways++] = (struct lower_way){along_step, x->shape.dim[1]};
    struct along a = {name, origin, x, s, next && next->along == ALONG_BOTH && !next->row && !next->col ? next : NULL};
    struct value *y = a.next ? ncc_lower_cheapest(l, ways, n_ways, &a, why) : NULL;
    *done = y ? 2 : 1;
    a.next = NULL;
    return y ? y : ncc_lower_cheapest(l, ways, n_ways, &a, why);
}

static struct value *max_steps(struct lowering *l, const struct node *n, struct value *x, const struct pool_plan *plan,
                               int from, const char **why)
{
    for (int i = from, done; i < plan->n && x; i += done)
        x = max_step(l, n, x, plan, i, &done, why);
    return x;
}

static bool plan_of(const struct node *n, struct pool_plan *plan)
{
    return n->op == OP_max_pool && ncc_pool_plan(n->attrs, &n->in[0]->shape, &n->out[0]->shape, plan);
}

/* ---- riding in the layer before ---- */

bool ncc_lower_pool_rides(const struct node *n)
{
    struct pool_plan plan;
    if (n->op == OP_avg_pool)
        return ncc_lower_mean_code(n) != NCC_KPU_POOL_NONE;
    return plan_of(n, &plan) && !plan.step[0].row && !plan.step[0].col &&
           ncc_kpu_pool_info(plan.step[0].code)->kind == NCC_KPU_POOL_MAX;
}

bool ncc_lower_pool_is_one(const struct node *n)
{
    struct pool_plan plan;
    return ncc_lower_pool_rides(n) && (n->op == OP_avg_pool || (plan_of(n, &plan) && plan.n == 1));
}

void ncc_lower_ride(const struct node *pool, struct conv_job *j)
{
    struct pool_plan plan;
    if (pool->op == OP_avg_pool) {
        j->pool = ncc_lower_mean_code(pool);
        j->pooled_h = pool->out[0]->shape.dim[2];
        j->pooled_w = pool->out[0]->shape.dim[3];
    } else if (plan_of(pool, &plan)) {
        const struct extent rows = extent_of(&plan.step[0], true, j->out_h, j->out_h);
        const struct extent cols = extent_of(&plan.step[0], false, j->out_w, j->out_w);
        take_step(j, &plan.step[0], &rows, &cols);
    }
}

struct value *ncc_lower_after_ride(struct lowering *l, const struct node *pool, struct value *y, const char **why)
{
    struct pool_plan plan;
    return y && pool && plan_of(pool, &plan) ? max_steps(l, pool, y, &plan, 1, why) : y;
}

struct value *ncc_lower_max_pool(struct lowering *l, const struct node *pool, struct value *x, const char **why)
{
    struct pool_plan plan;
    return plan_of(pool, &plan) ? max_steps(l, pool, x, &plan, 0, why) : NULL;
}

/* Results that reach beyond what the canvas can grow to: by way of main memory, to one with all the room. */
static struct value *max_with_room(struct lowering *l, const struct node *n, const char **why)
{
    const struct pool_attrs *a = n->attrs;
    const int *in = n->in[0]->shape.dim;
    if (!a->pad_top && !a->pad_left)
        return NULL;
    struct value *x = ncc_lower_clean(l, n->in[0], in[2] + a->pad_top, in[3] + a->pad_left);
    return x ? ncc_lower_max_pool(l, n, x, why) : NULL;
}

static struct value *max(struct lowering *l, const struct node *n, struct value *x, const char **why)
{
    struct value *y = ncc_lower_max_pool(l, n, x, why);
    return y ? y : max_with_room(l, n, why);
}

/* ---- mean ---- */

bool ncc_lower_pool_inside(const struct node *n)
{
    const struct pool_attrs *a = n->attrs;
    const int *x = n->in[0]->shape.dim, *y = n->out[0]->shape.dim;
    return !a->pad_top && !a->pad_left && (y[2] - 1) * a->stride_h + a->kernel_h <= x[2] &&
           (y[3] - 1) * a->stride_w + a->kernel_w <= x[3];
}

int ncc_lower_mean_code(const struct node *n)
{
    const struct pool_attrs *a = n->attrs;
    const int k = a->kernel_h, s = a->stride_h;
    if (a->kernel_w != k || a->stride_w != s || !ncc_lower_pool_inside(n))
        return NCC_KPU_POOL_NONE;
    if (k == 2 && s == 2)
        return NCC_KPU_POOL_MEAN_2_S2;
    if (k == 4 && s == 4)
        return NCC_KPU_POOL_MEAN_4_S4;
    return k == 2 && s == 1 ? NCC_KPU_POOL_MEAN_2_S1 : NCC_KPU_POOL_NONE;
}

/* The chip's means truncate, which is made good only in the layer before (lower_mean.c). */
static struct value *mean_in_layer_before(struct lowering *l, const struct node *n, struct value *x, const char **why)
{
    const int *y = n->out[0]->shape.dim;
    struct conv_job j = identity_job(n->name, n->origin ? n->origin : n->name, x);
    j.pool = ncc_lower_mean_code(n);
    if (!j.pool || !ncc_lower_can_join(x) || ncc_value_only_use(l->g, n->in[0]) != n)
        return NULL;
    j.out_h = x->window.h;
    j.out_w = x->window.w;
    j.pooled_h = y[2];
    j.pooled_w = y[3];
    const struct attempt trial = ncc_lower_begin(l);
    struct value *means = ncc_lower_identity(l, &j, why);
    if (means && ncc_lower_joins(means, x))
        return means;
    ncc_lower_undo(l, &trial);
    return NULL;
}

/* A convolution with equal weights, padded with zeros: channel by channel. */
static struct conv_job equal_job(struct lowering *l, const struct node *n, struct value *x, double factor)
{
    const struct pool_attrs *a = n->attrs;
    const int *y = n->out[0]->shape.dim;
    struct conv_job j = identity_job(n->name, n->origin ? n->origin : n->name, x);
    j.diagonal = a->stride_h > 1; /* which has the pick in the same layer */
    j.depthwise = !j.diagonal;
    j.kh = a->kernel_h;
    j.kw = a->kernel_w;
    j.stride = a->stride_h;
    j.pad_top = a->pad_top;
    j.pad_left = a->pad_left;
    j.out_h = j.pooled_h = y[2];
    j.out_w = j.pooled_w = y[3];
    j.w = equal_weights(l, j.out_c * j.kh * j.kw, (float)(factor / (j.kh * j.kw)));
    return j;
}

static struct value *mean(struct lowering *l, const struct node *n, struct value *x, const struct act_chain *act,
                          const char **why)
{
    struct mean_inside m = {{{{0, 0, 1}}, 1}, {{{0, 0, 1}}, 1}};
    if (!((const struct pool_attrs *)n->attrs)->count_pad && !ncc_mean_inside_of(n, &m)) {
        *why = "the windows that the map's edge cuts off have too many different sizes";
        return NULL;
    }
    const bool alike = m.row.n == 1 && m.col.n == 1;
    struct conv_job j = equal_job(l, n, x, alike ? m.row.v[0].factor * m.col.v[0].factor : 1);
    if (alike) {
        j.act = *act;
        return ncc_lower_settled(l, &j, n->in[0], why);
    }
    j.name = ncc_name(l->g, n->name, "counted");
    struct value *counted = ncc_lower_settled(l, &j, n->in[0], why);
    if (!counted)
        return NULL;
    struct conv_job sum = ncc_lower_pointwise_job(n->name, j.origin, counted, j.out_c);
    sum.act = *act;
    return ncc_lower_mean_inside(l, &m, &sum, why);
}

/* ---- the nodes ---- */

bool ncc_lower_op_pool(struct lowering *l, struct node *n, const char **why)
{
    struct value *x = ncc_lower_canvas(l, n->in[0]);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    struct fused f = {.end = n->out[0], .origin = n->origin};
    struct value *y = n->op == OP_avg_pool ? mean_in_layer_before(l, n, x, why) : max(l, n, x, why);
    if (!y && n->op == OP_avg_pool) {
        f = ncc_lower_fuse(l, n, false);
        y = mean(l, n, x, &f.act, why);
    }
    if (y)
        ncc_lower_fused(l, n, &f, y);
    return y != NULL;
}
