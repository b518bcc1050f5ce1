/* What needs no weights of its own: unary functions, constants added or multiplied per channel, and concatenation of
 * channels. */
#include "compiler/k210/lower.h"
#include "kpu/layout.h"

struct conv_job ncc_lower_pointwise_job(const char *name, const char *origin, struct value *x, int out_c)
{
    return (struct conv_job){
        .name = name,
        .origin = origin,
        .x = x,
        .out_c = out_c,
        .kh = 1,
        .kw = 1,
        .dil_h = 1,
        .dil_w = 1,
        .stride = 1,
        .out_h = x->window.h,
        .out_w = x->window.w,
        .pooled_h = x->window.h,
        .pooled_w = x->window.w,
    };
}

struct conv_job ncc_lower_identity_job(const struct node *n, struct value *x, const struct fused *f)
{
    struct conv_job j = ncc_lower_pointwise_job(n->name, f->origin, x, x->shape.dim[1]);
    j.act = f->act;
    return j;
}

static bool finish(struct lowering *l, struct node *n, const struct fused *f, struct value *y)
{
    if (y)
        ncc_lower_fused(l, n, f, y);
    return y != NULL;
}

float *ncc_lower_filled(struct lowering *l, int n, float value)
{
    float *v = NCC_NEW(l->g->arena, float, n);
    for (int i = 0; i < n; i++)
        v[i] = value;
    return v;
}

/* ---- unary: the activation table of a depthwise identity ---- */

bool ncc_lower_op_unary(struct lowering *l, struct node *n, const char **why)
{
    const int *slot;
    struct value *x = ncc_lower_by_channel(l, n->in[0], &slot);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    struct fused f = ncc_lower_fuse(l, n, false), whole = f;
    whole.slot = slot;
    whole.act.n = 0;
    ncc_act_push(&whole.act, n);
    for (int i = 0; i < f.act.n && whole.act.n < NCC_MAX_ACT; i++)
        whole.act.step[whole.act.n++] = f.act.step[i];
    if (whole.act.n != f.act.n + 1)
        return false;
    struct conv_job j = ncc_lower_identity_job(n, x, &whole);
    j.depthwise = true;
    j.w = ncc_lower_filled(l, j.out_c, 1);
    return finish(l, n, &whole, ncc_lower_conv(l, &j, why));
}

/* ---- per-channel constants: a depthwise layer with one tap ---- */

float ncc_lower_per_channel(const struct value *v, int c)
{
    const float *data = v->data;
    return ncc_shape_count(v->shape) == 1 ? data[0] : data[c];
}

bool ncc_lower_op_affine(struct lowering *l, struct node *n, const char **why)
{
    const int ci = ncc_is_const(n->in[1]) ? 1 : 0;
    const struct value *k = n->in[ci];
    const int *slot, n_channels = n->out[0]->shape.dim[1];
    struct value *x = ncc_lower_by_channel(l, n->in[1 - ci], &slot);
    if (!x) {
        *why = "the input does not fit the KPU";
        return false;
    }
    struct fused f = ncc_lower_fuse(l, n, false);
    f.slot = slot;
    struct conv_job j = ncc_lower_identity_job(n, x, &f);
    float *w = ncc_lower_filled(l, n_channels, 1), *bias = ncc_lower_filled(l, n_channels, 0);
    for (int c = 0; c < n_channels; c++) {
        const float v = ncc_lower_per_channel(k, c);
        if (n->op == OP_mul || n->op == OP_div)
            w[c] = n->op == OP_mul ? v : 1 / v;
        else
            bias[c] = n->op == OP_sub && ci == 1 ? -v : v;
        if (n->op == OP_sub && ci == 0)
            w[c] = -1;
    }
    j.depthwise = true;
    j.w = ncc_lower_slotted_channels(l, w, n_channels, 1, slot, j.out_c);
    j.bias = ncc_lower_slotted_channels(l, bias, n_channels, 1, slot, j.out_c);
    return finish(l, n, &f, ncc_lower_conv(l, &j, why));
}

/* ---- concat of channels: no layer at all ---- */

struct value *ncc_lower_own_codes(struct lowering *l, const struct node *n, struct value *x, const char **why)
{
    const struct fused none = {.origin = n->origin ? n->origin : n->name};
    struct conv_job j = ncc_lower_identity_job(n, x, &none);
    j.name = ncc_name(l->g, x->name, "codes");
    j.depthwise = true;
    j.w = ncc_lower_filled(l, j.out_c, 1);
    return ncc_lower_conv_as_is(l, &j, why);
}

static bool comes_from_outside(const struct value *x)
{
    return !x->def || x->def->op == OP_kpu_upload || x->def->op == OP_kpu_recanvas;
}

/* Input i, on canvas x (its channels at `from`, or where they are counted), in as many pieces as it takes, and where
 * its channels will be. Returns how many pieces; 0: none. */
static int part_of(struct lowering *l, const struct node *n, int i, struct value *x, const int *from, int at,
                   struct value **part, int *slot, const char **why)
{
    if (from && l->forms[n->in[i]->id].spread == x)
        return ncc_lower_parts(l, n->in[i], at, part, slot);
    for (int k = 0; k < n->in[i]->shape.dim[1]; k++)
        slot[k] = at + (from ? from[k] : k);
    part[0] = comes_from_outside(x) ? ncc_lower_own_codes(l, n, x, why) : x;
    return part[0] ? 1 : 0;
}

bool ncc_lower_op_concat(struct lowering *l, struct node *n, const char **why)
{
    struct value **x = NCC_NEW(l->g->arena, struct value *, n->n_in);
    struct value **part = NCC_NEW(l->g->arena, struct value *, n->n_in * NCC_LOWER_MAX_PARTS);
    const int **from = NCC_NEW(l->g->arena, const int *, n->n_in);
    if (!ncc_lower_equal_spreads(l, n->in, n->n_in, x, from)) {
        *why = "the parts do not fit the KPU";
        return false;
    }
    const int group = ncc_kpu_layout_of(x[0]->shape.dim[3]).group;
    int *slot = NCC_NEW(l->g->arena, int, n->out[0]->shape.dim[1]), n_parts = 0;
    for (int i = 0, at = 0, c = 0; i < n->n_in; c += n->in[i++]->shape.dim[1]) {
        const int count = part_of(l, n, i, x[i], from[i], at, part + n_parts, slot + c, why);
        if (count == 0)
            return false;
        for (const int end = n_parts + count; n_parts < end; n_parts++)
            at += (part[n_parts]->shape.dim[1] + group - 1) / group * group;
    }
    ncc_lower_set_spread(l, n->out[0], ncc_lower_beside(l, part, n_parts, n->name), slot);
    return true;
}
