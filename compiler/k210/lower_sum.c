/* Sums: a 1x1 layer over the operands side by side, whose weights are ones, slopes and zeros. The cost is quadratic in
 * the channels, so they are cut into blocks where that is cheaper; ranges of an operand are copied to lie beside each
 * other, a depthwise layer that is nearly free. */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"


/* out[c] = sum over the operands of factor * operand[c - first]: channels before `first` and behind the last get
 * nothing, which is how a zero padding of channels in front of a sum disappears. */
struct operand {
    struct value *x;
    int first;
    const float *factor; /* per channel of x; NULL: `sign` */
    float sign;
    float half;          /* 1, -1: of relu(half * x); 0: of x itself */
};

#define MAX_OPERANDS 2

struct sum_job {
    struct node *n;
    struct operand op[MAX_OPERANDS];
    int n_op, out_c;
    const struct fused *f;
};

/* ---- one layer ---- */

static struct value *rectified(struct lowering *l, struct node *n, struct value *x, float sign, const char **why)
{
    const struct fused none = {.end = n->out[0], .origin = n->origin};
    struct conv_job j = ncc_lower_identity_job(n, x, &none);
    j.name = ncc_name(l->g, n->name, sign > 0 ? "positive" : "negative");
    j.act = (struct act_chain){1, {{OP_relu, NULL}}};
    j.depthwise = true;
    j.w = ncc_lower_filled(l, j.out_c, sign);
    return ncc_lower_conv_as_is(l, &j, why);
}

static float *weights_of(struct lowering *l, const struct sum_job *s, int group, int in_c)
{
    float *w = ncc_lower_weights(l, (size_t)s->out_c *(size_t)in_c);
    for (int i = 0, at = 0; i < s->n_op; i++) {
        const struct operand *op = &s->op[i];
        const int c = op->x->shape.dim[1];
        for (int k = 0; k < c; k++)
            w[(size_t)(op->first + k) * (size_t)in_c + (size_t)(at + k)] = op->factor ? op->factor[k] : op->sign;
        at = (at + c + group - 1) / group * group;
    }
    return w;
}

static struct value *whole(struct lowering *l, const struct sum_job *s, const char **why)
{
    struct value *x[MAX_OPERANDS];
    const int group = ncc_kpu_layout_of(s->op[0].x->shape.dim[3]).group;
    int in_c = 0;
    for (int i = 0; i < s->n_op; i++)
        in_c = (in_c + group - 1) / group * group + s->op[i].x->shape.dim[1];
    if (in_c > NCC_KPU_MAX_C) {
        *why = "the operands have more than 1024 channels together, and not all have a counterpart";
        return NULL;
    }
    for (int i = 0; i < s->n_op; i++) {
        const struct operand *op = &s->op[i];
        x[i] = op->half != 0 ? rectified(l, s->n, op->x, op->half, why) : op->x;
        if (!x[i])
            return NULL;
    }
    struct value *all = ncc_lower_beside(l, x, s->n_op, ncc_name(l->g, s->n->name, "operands"));
    struct conv_job j = ncc_lower_identity_job(s->n, all, s->f);
    j.out_c = s->out_c;
    j.w = weights_of(l, s, group, in_c);
    if (s->f->pool)
        ncc_lower_ride(s->f->pool, &j);
    return ncc_lower_after_ride(l, s->f->pool, ncc_lower_conv_as_is(l, &j, why), why);
}

/* ---- blocks ---- */

static struct value *in_blocks(struct lowering *l, const void *job, int block, const char **why)
{
    const struct sum_job *s = job;
    if (block >= s->out_c)
        return whole(l, s, why);
    const int n_blocks = (s->out_c + block - 1) / block;
    struct value **y = NCC_NEW(l->g->arena, struct value *, n_blocks);
    for (int b = 0; b < n_blocks; b++) {
        struct sum_job part = *s;
        const int c0 = b * block;
        part.out_c = b + 1 < n_blocks ? block : s->out_c - c0;
        for (int i = 0; i < s->n_op; i++) {
            part.op[i].x = ncc_lower_channels(l, s->op[i].x, c0, part.out_c);
            part.op[i].factor = s->op[i].factor ? s->op[i].factor + c0 : NULL;
        }
        if (!(y[b] = whole(l, &part, why)))
            return NULL;
    }
    return ncc_lower_beside(l, y, n_blocks, ncc_name(l->g, s->n->name, "blocks"));
}

/* ---- all channels at once ---- */

static struct value *by_lines(struct lowering *l, const void *job, int unused, const char **why)
{
    const struct sum_job *s = job;
    const struct conv_job j = ncc_lower_identity_job(s->n, s->op[0].x, s->f);
    struct value *x[MAX_OPERANDS];
    float factor[MAX_OPERANDS];
    (void)unused;
    for (int i = 0; i < s->n_op; i++) {
        x[i] = s->op[i].x;
        factor[i] = s->op[i].sign;
    }
    return ncc_lower_line_sums(l, &j, x, factor, s->n_op, why);
}

/* What is added line by line has one scale for all channels, which takes nothing from what the model gives a range. A
 * mean behind it could not ride in the layer. */
static bool has_lines(const struct lowering *l, const struct sum_job *s)
{
    const bool two = s->n->op == OP_add || s->n->op == OP_sub;
    const struct node *next = ncc_value_only_use(l->g, s->f->end);
    const bool mean = next && (next->op == OP_reduce || next->op == OP_avg_pool);
    return two && !mean && !s->f->pool && s->f->end->range.known && s->n->in[0]->range.known && s->n->in[1]->range.known &&
           s->op[0].x != s->op[1].x;
}

static struct value *weighted_sum(struct lowering *l, const struct sum_job *s, const char **why)
{
    enum { LEAST = 16, MAX_WAYS = 8, MAX_PARTS = 64 };
    struct lower_way ways[MAX_WAYS] = {{in_blocks, s->out_c}};
    int n = 1;
    bool even = s->n_op > 1;
    for (int i = 0; i < s->n_op; i++)
        even = even && s->op[i].first == 0 && s->op[i].x->shape.dim[1] == s->out_c;
    if (even && has_lines(l, s))
        ways[n++] = (struct lower_way){by_lines, 0};
    int block = LEAST;
    while (block * MAX_PARTS < s->out_c)
        block *= 2;
    for (; even && block < s->out_c && block * s->n_op <= NCC_KPU_MAX_C && n < MAX_WAYS; block *= 2)
        ways[n++] = (struct lower_way){in_blocks, block};
    return ncc_lower_cheapest(l, ways, n, s, why);
}

static bool lower(struct lowering *l, const struct sum_job *s, const char **why)
{
    struct value *y = weighted_sum(l, s, why);
    if (y)
        ncc_lower_fused(l, s->n, s->f, y);
    return y != NULL;
}

/* ---- add, sub ---- */

/* The value in front of a zero padding of channels, and how many come before it. */
static struct value *in_front_of_pad(const struct lowering *l, struct value *v, int *first)
{
    *first = 0;
    const struct node *pad = v->def;
    if (!pad || pad->op != OP_pad || !pad->on_kpu || pad->in[0]->id >= l->n_forms)
        return v;
    *first = ((const struct pad_attrs *)pad->attrs)->before.v[1];
    return pad->in[0];
}

bool ncc_lower_op_sum(struct lowering *l, struct node *n, const char **why)
{
    struct value *in[2], *x[2];
    struct sum_job s = {.n = n, .n_op = 2, .out_c = n->out[0]->shape.dim[1]};
    for (int i = 0; i < 2; i++)
        in[i] = in_front_of_pad(l, n->in[i], &s.op[i].first);
    if (!ncc_lower_equal_canvases(l, in, 2, x)) {
        *why = "the operands do not fit the KPU";
        return false;
    }
    for (int i = 0; i < 2; i++) {
        s.op[i].x = x[i];
        s.op[i].sign = i == 1 && n->op == OP_sub ? -1.0f : 1.0f;
    }
    const struct fused f = ncc_lower_fuse(l, n, true);
    s.f = &f;
    return lower(l, &s, why);
}

/* ---- zero channels ---- */

bool ncc_lower_op_pad(struct lowering *l, struct node *n, const char **why)
{
    const struct fused f = ncc_lower_fuse(l, n, true);
    struct value *x = ncc_lower_canvas(l, n->in[0]);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    const int first = ((const struct pad_attrs *)n->attrs)->before.v[1];
    const struct sum_job s = {.n = n, .op = {{.x = x, .first = first, .sign = 1}}, .n_op = 1, .out_c = n->out[0]->shape.dim[1], .f = &f};
    return lower(l, &s, why);
}

/* ---- prelu: relu(x) - a relu(-x) ---- */

bool ncc_lower_op_prelu(struct lowering *l, struct node *n, const char **why)
{
    struct value *x = ncc_lower_canvas(l, n->in[0]);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    const int c = x->shape.dim[1];
    float *slope = NCC_NEW(l->g->arena, float, c);
    for (int i = 0; i < c; i++)
        slope[i] = -ncc_lower_per_channel(n->in[1], i);
    const struct fused f = ncc_lower_fuse(l, n, true);
    const struct sum_job s = {.n = n,
                              .op = {{.x = x, .sign = 1, .half = 1}, {.x = x, .factor = slope, .half = -1}},
                              .n_op = 2,
                              .out_c = c,
                              .f = &f};
    return lower(l, &s, why);
}
