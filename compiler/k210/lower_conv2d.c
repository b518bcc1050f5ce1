/* conv2d: regular, grouped and depthwise. */
#include "compiler/k210/lower.h"

#include <string.h>

static bool is_depthwise(const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    return a->groups > 1 && a->groups == n->in[0]->shape.dim[1] && n->out[0]->shape.dim[1] == a->groups;
}

/* Grouped weights with zeros where the groups do not meet: the KPU has no groups. */
static const float *dense_weights(struct lowering *l, const struct node *n)
{
    const struct conv2d_attrs *a = n->attrs;
    const float *w = n->in[1]->data;
    if (a->groups == 1)
        return w;
    const struct shape *s = &n->in[1]->shape;
    const size_t taps = (size_t)s->dim[2] * s->dim[3], in_g = s->dim[1], in_c = n->in[0]->shape.dim[1];
    const size_t out_g = s->dim[0] / a->groups;
    float *dense = ncc_lower_weights(l, s->dim[0] * in_c * taps);
    if (l->trying)
        return dense;
    for (size_t o = 0; o < (size_t)s->dim[0]; o++)
        memcpy(dense + (o * in_c + o / out_g * in_g) * taps, w + o * in_g * taps, in_g * taps * sizeof *w);
    return dense;
}

static struct conv_job job_of(struct lowering *l, const struct node *n, bool depthwise)
{
    const struct conv2d_attrs *a = n->attrs;
    const struct shape *w = &n->in[1]->shape, *y = &n->out[0]->shape;
    return (struct conv_job){
        .name = n->name,
        .out_c = y->dim[1],
        .groups = depthwise ? 1 : a->groups,
        .depthwise = depthwise,
        .w = depthwise ? n->in[1]->data : dense_weights(l, n),
        .bias = n->n_in > 2 && n->in[2] ? n->in[2]->data : NULL,
        .kh = w->dim[2],
        .kw = w->dim[3],
        .dil_h = a->dil_h,
        .dil_w = a->dil_w,
        .stride = a->stride_h,
        .pad_top = a->pad_top,
        .pad_left = a->pad_left,
        .out_h = y->dim[2],
        .out_w = y->dim[3],
        .pooled_h = y->dim[2],
        .pooled_w = y->dim[3],
    };
}

/* Scales by channel (compiler/quant/by_channel.h) are for what the samples show the range of, behind functions that do
 * not mind the scale. */
bool ncc_lower_has_one_scale(const struct fused *f)
{
    for (int i = 0; i < f->act.n; i++) {
        const enum op op = f->act.step[i].op;
        if (op != OP_relu && op != OP_leaky_relu && op != OP_clip)
            return true;
    }
    return f->end->range.known;
}

/* A convolution and the pool behind it, which rides in its layer or not: it cannot look at junk. */
struct conv_and_pool {
    struct conv_job job;
    struct value *in;
    struct node *pool;
};

enum { ON_FOOT = 1, PACKED = 2 };

/* Reads the input's channels where they are, or moved together first. */
static bool give_input(struct lowering *l, struct conv_job *j, struct value *in, bool packed, const char **why)
{
    const int *slot = NULL;
    j->x = packed ? ncc_lower_canvas(l, in) : ncc_lower_spread(l, in, &slot);
    *why = j->x ? *why : "the input does not fit the KPU";
    if (!slot || !j->x)
        return j->x != NULL;
    j->w = ncc_lower_slotted(l, j->w, j->out_c, j->kh * j->kw, in->shape.dim[1], slot, j->x->shape.dim[1]);
    j->groups = 1;
    return true;
}

static struct value *in_layers(struct lowering *l, const void *conv_and_pool, int way, const char **why)
{
    const struct conv_and_pool *c = conv_and_pool;
    struct conv_job j = c->job;
    if (!j.x && !give_input(l, &j, c->in, way & PACKED, why))
        return NULL;
    /* Its channels are counted otherwise in main memory where it is spread. */
    struct value *detour = j.x == l->forms[c->in->id].kpu ? c->in : NULL;
    if (c->pool && !(way & ON_FOOT))
        ncc_lower_ride(c->pool, &j);
    struct value *y = ncc_lower_settled(l, &j, detour, why);
    if (way & ON_FOOT)
        return y ? ncc_lower_max_pool(l, c->pool, y, why) : NULL;
    return ncc_lower_after_ride(l, c->pool, y, why);
}

bool ncc_lower_op_conv2d(struct lowering *l, struct node *n, const char **why)
{
    const struct conv2d_attrs *a = n->attrs;
    const bool depthwise = is_depthwise(n);
    struct fused f = ncc_lower_fuse(l, n, !depthwise && a->stride_h == 1);
    struct conv_and_pool c = {job_of(l, n, depthwise), n->in[0], f.pool};
    struct conv_job *j = &c.job;
    j->act = f.act;
    j->one_scale = ncc_lower_has_one_scale(&f);
    j->origin = f.origin;
    if (depthwise && (j->x = ncc_lower_by_channel(l, n->in[0], &f.slot))) {
        const int channels = j->out_c;
        j->out_c = j->x->shape.dim[1];
        j->w = ncc_lower_slotted_channels(l, j->w, channels, j->kh * j->kw, f.slot, j->out_c);
        j->bias = ncc_lower_slotted_channels(l, j->bias, channels, 1, f.slot, j->out_c);
    }
    const int *slot = NULL;
    if (!j->x && !ncc_lower_spread(l, n->in[0], &slot)) {
        *why = "the input does not fit the KPU";
        return false;
    }
    struct lower_way ways[4];
    int n_ways = 0;
    const bool walks = f.pool && f.pool->op == OP_max_pool;
    for (int packed = 0; packed <= (slot ? PACKED : 0); packed += PACKED)
        for (int foot = 0; foot <= walks; foot++)
            ways[n_ways++] = (struct lower_way){in_layers, packed | foot};
    struct value *y = ncc_lower_cheapest(l, ways, n_ways, &c, why);
    if (!y)
        return false;
    ncc_lower_fused(l, n, &f, y);
    return true;
}
