#include "compiler/base/cpu.h"
#include "compiler/ir/broadcasting.h"
#include "compiler/ops/conv_float.h"
#include "compiler/ops/kpu_pool.h"
#include "compiler/ops/support.h"

static const struct attr_desc attrs_table[] = {
    ATTR(struct kpu_conv_attrs, kernel, ATTR_INT, 3),
    ATTR(struct kpu_conv_attrs, depthwise, ATTR_BOOL, 0),
    ATTR(struct kpu_conv_attrs, pool, ATTR_INT, 0),
    ATTR(struct kpu_conv_attrs, copy, ATTR_BOOL, 0),
    ATTR(struct kpu_conv_attrs, tied, ATTR_BOOL, 0),
    ATTR(struct kpu_conv_attrs, pad_lowest, ATTR_BOOL, 0),
    ATTR(struct kpu_conv_attrs, act, ATTR_ACT, 0),
    ATTR(struct kpu_conv_attrs, top, ATTR_INT, 0),
    ATTR(struct kpu_conv_attrs, left, ATTR_INT, 0),
    ATTR(struct kpu_conv_attrs, h, ATTR_INT, 0),
    ATTR(struct kpu_conv_attrs, w, ATTR_INT, 0),
    ATTR_WORDS(struct kpu_conv_attrs, outside, ncc_outside_names, OUT_JUNK),
    {0},
};

static bool infer(struct infer *i)
{
    const struct kpu_conv_attrs *p = i->node->attrs;
    if (!ncc_infer_need_all_f32(i) || !ncc_infer_need_kpu(i, 0))
        return false;
    if (p->pad_lowest && !p->copy)
        return ncc_infer_refuse(i, "pad_lowest needs copy");
    if (p->copy && (p->act.n > 1 || (p->act.n == 1 && p->act.step[0].op != OP_relu)))
        return ncc_infer_refuse(i, "copy must have no activation, or relu behind a difference");
    if (!ncc_infer_kpu_layer(i, p->kernel, p->depthwise, p->pool))
        return false;
    return ncc_infer_need_bias(i, 2, i->in[1]->shape.dim[0], DT_F32) &&
           ncc_infer_set_window(i, p->top, p->left, p->h, p->w, p->outside);
}

enum { LANES = 16 };

NCC_FOR_EACH_CPU
static float lowest_of_row(const float *x, int n, float low)
{
    float lane[LANES];
    int i = 0;
    for (int k = 0; k < LANES; k++)
        lane[k] = low;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] = x[i + k] < lane[k] ? x[i + k] : lane[k];
    for (; i < n; i++)
        low = x[i] < low ? x[i] : low;
    for (int k = 0; k < LANES; k++)
        low = lane[k] < low ? lane[k] : low;
    return low;
}

/* The smallest value inside of the input's window. Lower than all that a window of a max pool
 * holds, it never wins there, and unlike minus infinity it leaves no NaN in the junk around. */
static float lowest(const struct tensor *x, struct window win)
{
    const int *dim = x->shape.dim;
    const float *data = x->data;
    float low = data[(int64_t)win.top * dim[3] + win.left];
    for (int c = 0; c < dim[1]; c++)
        for (int y = win.top; y < win.top + win.h; y++)
            low = lowest_of_row(data + ((int64_t)c * dim[2] + y) * dim[3] + win.left, win.w, low);
    return low;
}

static struct convolve convolution(const struct kpu_conv_attrs *p, struct shape x, struct shape w, bool picked)
{
    return ncc_kpu_convolution(p->kernel, p->depthwise, p->pool, picked, x, w);
}

static float edge_of(const struct eval_args *a)
{
    const struct kpu_conv_attrs *p = a->node->attrs;
    return p->pad_lowest ? lowest(a->in[0], a->node->in[0]->window) : 0.0f;
}

static const float *bias_of(const struct eval_args *a)
{
    return a->node->n_in > 2 && a->in[2] ? a->in[2]->data : NULL;
}

static void eval(const struct eval_args *a)
{
    const struct kpu_conv_attrs *p = a->node->attrs;
    const struct kpu_pool *pool = &ncc_kpu_pools[p->pool];
    const int *in = a->in[0]->shape.dim, *out = a->out[0]->shape.dim;
    struct convolve s = convolution(p, a->in[0]->shape, a->in[1]->shape, false);
    float *to = a->out[0]->data;
    s.edge = edge_of(a);
    for (int64_t i = 0; i < ncc_shape_count(a->out[0]->shape); i++) {
        const int oc = (int)(i / out[3] / out[2]), y = (int)(i / out[3] % out[2]), x = (int)(i % out[3]);
        const struct kpu_pixels px = ncc_kpu_pool_pixels(pool, in[2], in[3], y, x);
        double sum = 0, top = 0;
        for (int k = 0; k < px.n; k++) {
            const float z = ncc_convolve_at(&s, a->in[0]->data, a->in[1]->data, bias_of(a), 0, oc, px.y[k], px.x[k]);
            const double v = (double)ncc_act_apply(&p->act, z);
            sum += v;
            top = k == 0 || v > top ? v : top;
        }
        to[i] = (float)(pool->kind == KPU_POOL_MAX ? top : sum / px.n);
    }
}

/* ---- fast ---- */

/* The chain, in place, one pass per step. */
static void activate(const struct act_chain *c, float *x, struct shape shape)
{
    struct tensor t = {DT_F32, shape, x};
    for (int i = 0; i < c->n; i++) {
        const struct op_desc *desc = ncc_op_desc(c->step[i].op);
        const struct node n = {.op = c->step[i].op, .attrs = (void *)(uintptr_t)c->step[i].attrs};
        const struct eval_args a = {&n, (const struct tensor *const[]){&t}, (struct tensor *const[]){&t}, NULL};
        if (desc->eval_fast)
            desc->eval_fast(&a);
        else
            ncc_elementwise_unary(&a, desc->scalar);
    }
}

static void pool_map(const struct kpu_pool *p, const float *map, int h, int w, float *to, int out_h, int out_w)
{
    for (int y = 0; y < out_h; y++) {
        for (int x = 0; x < out_w; x++) {
            const int y1 = y * p->stride + p->size, x1 = x * p->stride + p->size;
            float sum = 0, top = map[y * p->stride * w + x * p->stride];
            for (int iy = y * p->stride; iy < y1; iy++) {
                const float *row = map + (iy < h ? iy : h - 1) * w;
                for (int ix = x * p->stride; ix < x1; ix++) {
                    const float v = row[ix < w ? ix : w - 1];
                    sum += v;
                    top = v > top ? v : top;
                }
            }
            *to++ = p->kind == KPU_POOL_MAX ? top : sum / (float)(p->size * p->size);
        }
    }
}

static void eval_fast(const struct eval_args *a)
{
    const struct kpu_conv_attrs *p = a->node->attrs;
    struct convolve s = convolution(p, a->in[0]->shape, a->in[1]->shape, true);
    const int *out = a->out[0]->shape.dim;
    const struct shape whole = ncc_shape_4(1, s.out_c, s.out_h, s.out_w);
    float *y = a->out[0]->data, *z = ncc_kpu_is_pick(p->pool) ? y : a->scratch;
    void *rest = ncc_kpu_is_pick(p->pool) ? a->scratch : (float *)a->scratch + ncc_shape_count(whole);
    s.edge = edge_of(a);
    ncc_convolve_fast(&s, a->in[0]->data, a->in[1]->data, bias_of(a), z, rest);
    activate(&p->act, z, whole);
    for (int c = 0; c < s.out_c && !ncc_kpu_is_pick(p->pool); c++)
        pool_map(&ncc_kpu_pools[p->pool], z + (int64_t)c * s.out_h * s.out_w, s.out_h, s.out_w,
                 y + (int64_t)c * out[2] * out[3], out[2], out[3]);
}

static size_t scratch(const struct node *n)
{
    const struct kpu_conv_attrs *p = n->attrs;
    const struct convolve s = convolution(p, n->in[0]->shape, n->in[1]->shape, true);
    const size_t maps = (size_t)s.out_c * (size_t)s.out_h * (size_t)s.out_w * sizeof(float);
    return (ncc_kpu_is_pick(p->pool) ? 0 : maps) + ncc_convolve_scratch(&s);
}

static double macs(const struct node *n)
{
    const struct convolve s = convolution(n->attrs, n->in[0]->shape, n->in[1]->shape, false);
    return ncc_convolve_macs(&s);
}

const struct op_desc ncc_op_kpu_conv = {
    .name = "kpu_conv",
    .doc = "one KPU layer in real numbers: 1x1 or 3x3 'same' convolution, activation, pool",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .flags = OP_KPU,
    NCC_ATTRS(kpu_conv_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_fast = eval_fast,
    .scratch = scratch,
    .macs = macs,
};
