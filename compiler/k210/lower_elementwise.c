/* What needs no weights of its own: unary functions, constants added or multiplied per channel, sums of two maps,
 * pools, and concatenation of channels. */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

static struct conv_job identity_job(const struct node *n, struct value *x, const struct fused *f)
{
    return (struct conv_job){
        .name = n->name,
        .origin = f->origin,
        .x = x,
        .out_c = x->shape.dim[1],
        .kh = 1,
        .kw = 1,
        .dil_h = 1,
        .dil_w = 1,
        .stride = 1,
        .out_h = x->window.h,
        .out_w = x->window.w,
        .pooled_h = x->window.h,
        .pooled_w = x->window.w,
        .act = f->act,
    };
}

static bool finish(struct lowering *l, struct node *n, const struct fused *f, struct value *y)
{
    if (y)
        ncc_lower_fused(l, n, f, y);
    return y != NULL;
}

static float *filled(struct lowering *l, int n, float value)
{
    float *v = NCC_NEW(l->g->arena, float, n);
    for (int i = 0; i < n; i++)
        v[i] = value;
    return v;
}

/* ---- unary: the activation table of a depthwise identity ---- */

bool ncc_lower_op_unary(struct lowering *l, struct node *n, const char **why)
{
    struct value *x = ncc_lower_canvas(l, n->in[0]);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    struct fused f = ncc_lower_fuse(l, n, false), whole = f;
    whole.act.n = 0;
    ncc_act_push(&whole.act, n);
    for (int i = 0; i < f.act.n && whole.act.n < NCC_MAX_ACT; i++)
        whole.act.step[whole.act.n++] = f.act.step[i];
    if (whole.act.n != f.act.n + 1)
        return false;
    struct conv_job j = identity_job(n, x, &whole);
    j.depthwise = true;
    j.w = filled(l, j.out_c, 1);
    return finish(l, n, &whole, ncc_lower_conv(l, &j, why));
}

/* ---- per-channel constants: a depthwise layer with one tap ---- */

/* Element c of a constant that is a scalar or has one element per channel. */
static float per_channel(const struct value *v, int c)
{
    const float *data = v->data;
    return ncc_shape_count(v->shape) == 1 ? data[0] : data[c];
}

bool ncc_lower_op_affine(struct lowering *l, struct node *n, const char **why)
{
    const int ci = ncc_is_const(n->in[1]) ? 1 : 0;
    const struct value *k = n->in[ci];
    struct value *x = ncc_lower_canvas(l, n->in[1 - ci]);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    const struct fused f = ncc_lower_fuse(l, n, false);
    struct conv_job j = identity_job(n, x, &f);
    float *w = filled(l, j.out_c, 1), *bias = filled(l, j.out_c, 0);
    for (int c = 0; c < j.out_c; c++) {
        const float v = per_channel(k, c);
        if (n->op == OP_mul || n->op == OP_div)
            w[c] = n->op == OP_mul ? v : 1 / v;
        else
            bias[c] = n->op == OP_sub && ci == 1 ? -v : v;
        if (n->op == OP_sub && ci == 0)
            w[c] = -1;
    }
    j.depthwise = true;
    j.w = w;
    j.bias = bias;
    return finish(l, n, &f, ncc_lower_conv(l, &j, why));
}

/* ---- sums: a 1x1 layer over both maps side by side ---- */

static bool same_canvas(const struct value *a, const struct value *b)
{
    const struct window *x = &a->window, *y = &b->window;
    return a->shape.dim[2] == b->shape.dim[2] && a->shape.dim[3] == b->shape.dim[3] && x->top == y->top &&
           x->left == y->left && x->h == y->h && x->w == y->w;
}

bool ncc_lower_equal_canvases(struct lowering *l, struct value *const *v, int n, struct value **x)
{
    bool equal = true;
    for (int i = 0; i < n; i++) {
        if (!(x[i] = ncc_lower_canvas(l, v[i])))
            return false;
        equal = equal && same_canvas(x[0], x[i]);
    }
    for (int i = 0; i < n && !equal; i++)
        if (!ncc_lower_is_full(x[i]) && !(x[i] = ncc_lower_clean(l, v[i])))
            return false;
    return true;
}

/* out[c] = sum over the operands of factor * operand[c - first]: channels before `first` and behind the last get
 * nothing, which is how a zero padding of channels in front of a sum disappears. */
struct operand {
    struct value *x;
    int first;
    const float *factor; /* per channel of x; NULL: `sign` */
    float sign;
};

static struct value *sum_in_blocks(struct lowering *l, struct node *n, const struct operand *op, int n_op,
                                   const struct fused *f, const char **why);

static struct value *weighted_sum(struct lowering *l, struct node *n, const struct operand *op, int n_op, int out_c,
                                  const struct fused *f, const char **why)
{
    struct value **x = NCC_NEW(l->g->arena, struct value *, n_op);
    const int group = ncc_kpu_layout_of(op[0].x->shape.dim[3]).group;
    int in_c = 0;
    for (int i = 0; i < n_op; i++) {
        x[i] = op[i].x;
        in_c = (in_c + group - 1) / group * group + x[i]->shape.dim[1];
    }
    if (in_c > NCC_KPU_MAX_C)
        return sum_in_blocks(l, n, op, n_op, f, why);
    float *w = NCC_NEW(l->g->arena, float, (size_t)out_c *in_c);
    for (int i = 0, at = 0; i < n_op; i++) {
        const int c = x[i]->shape.dim[1];
        for (int k = 0; k < c; k++)
            w[(size_t)(op[i].first + k) * in_c + at + k] = op[i].factor ? op[i].factor[k] : op[i].sign;
        at = (at + c + group - 1) / group * group;
    }
    struct conv_job j = identity_job(n, ncc_lower_beside(l, x, n_op, ncc_name(l->g, n->name, "operands")), f);
    j.out_c = out_c;
    j.w = w;
    if (f->pool) {
        j.pool = ncc_lower_pool_code(f->pool);
        j.pooled_h = f->end->shape.dim[2];
        j.pooled_w = f->end->shape.dim[3];
    }
    return ncc_lower_conv(l, &j, why);
}

/* More than 1024 channels together: in channel ranges, which are copied to lie beside each other. */
static struct value *sum_in_blocks(struct lowering *l, struct node *n, const struct operand *op, int n_op,
                                   const struct fused *f, const char **why)
{
    const int c = n->out[0]->shape.dim[1], block = NCC_KPU_MAX_C / n_op / 4 * 4, n_blocks = (c + block - 1) / block;
    struct operand *part = NCC_NEW(l->g->arena, struct operand, n_op);
    struct value **y = NCC_NEW(l->g->arena, struct value *, n_blocks);
    for (int i = 0; i < n_op; i++)
        if (op[i].first || op[i].x->shape.dim[1] != c) {
            *why = "the operands have more than 1024 channels together, and some of them no counterpart";
            return NULL;
        }
    for (int b = 0; b < n_blocks; b++) {
        const int c0 = b * block, count = b + 1 < n_blocks ? block : c - c0;
        for (int i = 0; i < n_op; i++) {
            part[i] = op[i];
            part[i].x = ncc_lower_channels(l, op[i].x, c0, count);
            part[i].factor = op[i].factor ? op[i].factor + c0 : NULL;
        }
        if (!(y[b] = weighted_sum(l, n, part, n_op, count, f, why)))
            return NULL;
    }
    return ncc_lower_beside(l, y, n_blocks, ncc_name(l->g, n->name, "blocks"));
}

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
    struct operand op[2];
    for (int i = 0; i < 2; i++)
        in[i] = in_front_of_pad(l, n->in[i], &op[i].first);
    if (!ncc_lower_equal_canvases(l, in, 2, x)) {
        *why = "the operands do not fit the KPU";
        return false;
    }
    for (int i = 0; i < 2; i++)
        op[i] = (struct operand){x[i], op[i].first, NULL, i == 1 && n->op == OP_sub ? -1.0f : 1.0f};
    const struct fused f = ncc_lower_fuse(l, n, true);
    return finish(l, n, &f, weighted_sum(l, n, op, 2, n->out[0]->shape.dim[1], &f, why));
}

/* ---- zero channels ---- */

bool ncc_lower_op_pad(struct lowering *l, struct node *n, const char **why)
{
    const struct fused f = ncc_lower_fuse(l, n, true);
    const struct operand op = {ncc_lower_canvas(l, n->in[0]), ((const struct pad_attrs *)n->attrs)->before.v[1], NULL,
                               1};
    if (!op.x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    return finish(l, n, &f, weighted_sum(l, n, &op, 1, n->out[0]->shape.dim[1], &f, why));
}

/* ---- prelu: relu(x) - a relu(-x) ---- */

static struct value *rectified(struct lowering *l, struct node *n, struct value *x, float sign, const char **why)
{
    const struct fused none = {.end = n->out[0], .origin = n->origin};
    struct conv_job j = identity_job(n, x, &none);
    j.name = ncc_name(l->g, n->name, sign > 0 ? "positive" : "negative");
    j.act = (struct act_chain){1, {{OP_relu, NULL}}};
    j.depthwise = true;
    j.w = filled(l, j.out_c, sign);
    return ncc_lower_conv(l, &j, why);
}

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
        slope[i] = -per_channel(n->in[1], i);
    const struct operand op[2] = {{rectified(l, n, x, 1, why), 0, NULL, 1}, {rectified(l, n, x, -1, why), 0, slope, 0}};
    if (!op[0].x || !op[1].x)
        return false;
    const struct fused f = ncc_lower_fuse(l, n, true);
    return finish(l, n, &f, weighted_sum(l, n, op, 2, n->out[0]->shape.dim[1], &f, why));
}

/* ---- pools that no convolution can take: identity layers ---- */

bool ncc_lower_op_pool(struct lowering *l, struct node *n, const char **why)
{
    struct value *x = ncc_lower_canvas(l, n->in[0]);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    const struct fused f = {.end = n->out[0], .origin = n->origin ? n->origin : n->name};
    struct conv_job j = identity_job(n, x, &f);
    j.pool = ncc_lower_pool_code(n);
    j.pooled_h = n->out[0]->shape.dim[2];
    j.pooled_w = n->out[0]->shape.dim[3];
    struct value *y = ncc_lower_identity(l, &j, why);
    if (!y && !ncc_lower_is_full(x) && (j.x = ncc_lower_clean(l, n->in[0])))
        y = ncc_lower_identity(l, &j, why);
    return finish(l, n, &f, y);
}

/* ---- concat of channels: no layer at all ---- */

/* What comes from outside has given codes, which others beside it cannot share: a layer gives it codes of its own. */
static struct value *own_codes(struct lowering *l, const struct node *n, struct value *x, const char **why)
{
    if (x->def && x->def->op != OP_kpu_upload && x->def->op != OP_kpu_recanvas)
        return x;
    const struct fused none = {.end = n->out[0], .origin = n->origin};
    struct conv_job j = identity_job(n, x, &none);
    j.name = ncc_name(l->g, x->name, "codes");
    j.depthwise = true;
    j.w = filled(l, j.out_c, 1);
    return ncc_lower_conv(l, &j, why);
}

bool ncc_lower_op_concat(struct lowering *l, struct node *n, const char **why)
{
    struct value **x = NCC_NEW(l->g->arena, struct value *, n->n_in);
    if (!ncc_lower_equal_canvases(l, n->in, n->n_in, x)) {
        *why = "the parts do not fit the KPU";
        return false;
    }
    for (int i = 0; i + 1 < n->n_in; i++)
        if (x[i]->shape.dim[1] % ncc_kpu_layout_of(x[i]->shape.dim[3]).group) {
            *why = "a part's channels do not fill whole lines";
            return false;
        }
    for (int i = 0; i < n->n_in; i++)
        if (!(x[i] = own_codes(l, n, x[i], why)))
            return false;
    const struct fused f = {.end = n->out[0], .origin = n->origin};
    return finish(l, n, &f, ncc_lower_beside(l, x, n->n_in, n->name));
}
