/* fuse_pad: zeros that a pad puts around a map are zeros that the convolution can imagine, or a mean can count. The
 * largest pixel does not mind what is as low as any: zeros around what is never negative, or the lowest number.
 *
 * Every convolution takes its own copy of the pad; other users keep theirs. Crops (negative
 * amounts), other values, and pads on channels stay as they are.
 */
#include "compiler/pass/match.h"
#include "compiler/pass/passes.h"
#include "compiler/pass/rewrite.h"

#include <float.h>
#include <math.h>

static bool is_frame(const struct pad_attrs *a)
{
    if (a->before.n != 4 || a->mode != PAD_CONSTANT)
        return false;
    for (int i = 0; i < 4; i++) {
        const bool is_spatial = i >= 2;
        if (a->before.v[i] < 0 || a->after.v[i] < 0)
            return false;
        if (!is_spatial && (a->before.v[i] != 0 || a->after.v[i] != 0))
            return false;
    }
    return true;
}

static bool is_zero_frame(const struct pad_attrs *a)
{
    return a->value == 0 && is_frame(a);
}

static bool pad_into_conv(struct graph *g, struct node *n)
{
    const struct node *pad = ncc_match_def(n->in[0], OP_pad);
    if (!pad || !is_zero_frame(pad->attrs))
        return false;
    const struct pad_attrs *p = pad->attrs;
    struct conv2d_attrs a = *(const struct conv2d_attrs *)n->attrs;
    a.pad_top += p->before.v[2];
    a.pad_left += p->before.v[3];
    a.pad_bottom += p->after.v[2];
    a.pad_right += p->after.v[3];
    struct value *in[3] = {pad->in[0], n->in[1], n->n_in > 2 ? n->in[2] : NULL};
    return ncc_match_become(g, n, ncc_op(g, OP_conv2d, n->name, &a, in, 3), pad);
}

/* Each window of the pool must see a pixel of the map. */
static bool add_pads(struct pool_attrs *a, const struct pad_attrs *p)
{
    a->pad_top += p->before.v[2];
    a->pad_left += p->before.v[3];
    a->pad_bottom += p->after.v[2];
    a->pad_right += p->after.v[3];
    return a->pad_top < a->kernel_h && a->pad_bottom < a->kernel_h && a->pad_left < a->kernel_w &&
           a->pad_right < a->kernel_w;
}

static bool pad_into_mean(struct graph *g, struct node *n)
{
    const struct node *pad = ncc_match_def(n->in[0], OP_pad);
    struct pool_attrs a = *(const struct pool_attrs *)n->attrs;
    const bool counts = a.count_pad || (a.pad_top == 0 && a.pad_left == 0 && a.pad_bottom == 0 && a.pad_right == 0);
    if (!pad || !counts || !is_zero_frame(pad->attrs) || !add_pads(&a, pad->attrs))
        return false;
    a.count_pad = true;
    return ncc_match_become(g, n, NCC_OP(g, OP_avg_pool, n->name, &a, pad->in[0]), pad);
}

/* v is nowhere less. */
static float lowest_of(const struct value *v)
{
    const struct node *n = v->def;
    float lowest = v->range.known ? v->range.lo : -FLT_MAX;
    if (n && (n->op == OP_relu || n->op == OP_sigmoid))
        lowest = fmaxf(lowest, 0);
    if (n && n->op == OP_clip)
        lowest = fmaxf(lowest, ((const struct clip_attrs *)n->attrs)->min);
    return lowest;
}

static bool is_low_frame(const struct node *pad)
{
    const struct pad_attrs *a = pad->attrs;
    return is_frame(a) && a->value <= lowest_of(pad->in[0]);
}

static bool pad_into_max(struct graph *g, struct node *n)
{
    const struct node *pad = ncc_match_def(n->in[0], OP_pad);
    struct pool_attrs a = *(const struct pool_attrs *)n->attrs;
    if (!pad || !is_low_frame(pad) || !add_pads(&a, pad->attrs))
        return false;
    return ncc_match_become(g, n, NCC_OP(g, OP_max_pool, n->name, &a, pad->in[0]), pad);
}

static bool has_crop(const struct pad_attrs *a)
{
    for (int i = 0; i < a->before.n; i++) {
        if (a->before.v[i] < 0 || a->after.v[i] < 0)
            return true;
    }
    return false;
}

static bool merge_pads(struct graph *g, struct node *n)
{
    const struct node *above = ncc_match_only(g, n->in[0], OP_pad);
    if (!above)
        return false;
    const struct pad_attrs *first = above->attrs;
    struct pad_attrs a = *(const struct pad_attrs *)n->attrs;
    if (a.mode != PAD_CONSTANT || first->mode != PAD_CONSTANT || a.value != first->value || has_crop(&a) ||
        has_crop(first))
        return false;
    for (int i = 0; i < a.before.n; i++) {
        a.before.v[i] += first->before.v[i];
        a.after.v[i] += first->after.v[i];
    }
    return ncc_match_become(g, n, NCC_OP(g, OP_pad, n->name, &a, above->in[0]), above);
}

bool ncc_pass_fuse_pad(struct graph *g, struct arena *scratch)
{
    static const struct rewrite set[] = {
        {"merge_pads", OP_pad, merge_pads},
        {"pad_into_conv", OP_conv2d, pad_into_conv},
        {"pad_into_mean", OP_avg_pool, pad_into_mean},
        {"pad_into_max", OP_max_pool, pad_into_max},
    };
    (void)scratch;
    return ncc_rewrite_run(g, set, NCC_COUNT(set));
}
