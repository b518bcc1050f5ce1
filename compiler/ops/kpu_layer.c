#include "compiler/ir/element.h"
#include "compiler/ops/activate_codes.h"
#include "compiler/ops/conv_codes.h"
#include "compiler/ops/kpu_pool.h"
#include "compiler/ops/support.h"
#include "kpu/arith.h"

#include <string.h>

static const struct attr_desc attrs_table[] = {
    ATTR(struct kpu_layer_attrs, kernel, ATTR_INT, 3),
    ATTR(struct kpu_layer_attrs, depthwise, ATTR_BOOL, 0),
    ATTR(struct kpu_layer_attrs, pool, ATTR_INT, 0),
    ATTR(struct kpu_layer_attrs, x_zero, ATTR_INT, 0),
    ATTR(struct kpu_layer_attrs, w_zero, ATTR_INT, 0),
    ATTR(struct kpu_layer_attrs, top, ATTR_INT, 0),
    ATTR(struct kpu_layer_attrs, left, ATTR_INT, 0),
    ATTR(struct kpu_layer_attrs, h, ATTR_INT, 0),
    ATTR(struct kpu_layer_attrs, w, ATTR_INT, 0),
    ATTR_WORDS(struct kpu_layer_attrs, outside, ncc_outside_names, OUT_JUNK),
    {0},
};

static bool infer(struct infer *i)
{
    const struct kpu_layer_attrs *p = i->node->attrs;
    const bool wide = ncc_kpu_layer_is_wide(i->node);
    if (!ncc_infer_need_dtype(i, 0, DT_U8) || (!wide && !ncc_infer_need_dtype(i, 1, DT_U8)) ||
        !ncc_infer_need_dtype(i, 2, DT_I64) || !ncc_infer_need_dtype(i, 3, DT_U8) || !ncc_infer_need_kpu(i, 0))
        return false;
    if (p->x_zero < 0 || p->x_zero > UINT8_MAX || p->w_zero < 0 || p->w_zero > (wide ? UINT16_MAX : UINT8_MAX))
        return ncc_infer_refuse(i, "zero points must be codes, 0..255 of inputs and 0..%d of these weights",
                                wide ? UINT16_MAX : UINT8_MAX);
    if (!ncc_infer_kpu_layer(i, p->kernel, p->depthwise, p->pool))
        return false;
    const struct shape bn = i->in[2]->shape, table = i->in[3]->shape;
    if (bn.rank != 1 || bn.dim[0] != i->in[1]->shape.dim[0])
        return ncc_infer_refuse(i, "there must be one batch-norm word for each output channel");
    if (table.rank != 1 || table.dim[0] != NCC_KPU_TABLE_SIZE)
        return ncc_infer_refuse(i, "the activation table must have %d bytes", NCC_KPU_TABLE_SIZE);
    return ncc_infer_set_window(i, p->top, p->left, p->h, p->w, p->outside);
}

/* doc/kpu.md section 4.3: 16 words of shift, y_mul and x_start, then 16 bias bytes. */
static struct ncc_kpu_table read_table(const uint8_t *bytes)
{
    struct ncc_kpu_table t;
    for (int s = 0; s < NCC_KPU_SEGMENTS; s++) {
        uint64_t word = 0;
        for (int b = 7; b >= 0; b--)
            word = word << 8 | bytes[8 * s + b];
        const int shift = (int)(word & 255);
        t.seg[s].shift = (uint8_t)(shift < 62 ? shift : 62);
        t.seg[s].y_mul = (int16_t)(word >> 8 & 0xffff);
        t.seg[s].x_start = (int64_t)(word >> 24 << 28) >> 28; /* 36 bits, signed */
        t.seg[s].bias = bytes[8 * NCC_KPU_SEGMENTS + s];
    }
    return t;
}

/* One layer, taken apart. */
struct layer {
    const struct kpu_layer_attrs *p;
    const uint8_t *x;
    const struct tensor *w;
    const int64_t *bn;
    struct ncc_kpu_table table;
    int in_c, h, wide;
};

/* The code of output channel oc at (y, x), before the pool. */
static int code_at(const struct layer *l, int oc, int y, int x)
{
    const int k = l->p->kernel, n_in = l->p->depthwise ? 1 : l->in_c, first = l->p->depthwise ? oc : 0;
    int64_t tap = (int64_t)oc * n_in * k * k;
    int64_t s_xw = 0, s_x = 0, s_w = 0;
    for (int ic = first; ic < first + n_in; ic++) {
        for (int ky = 0; ky < k; ky++) {
            for (int kx = 0; kx < k; kx++, tap++) {
                const int iy = y + ky - k / 2, ix = x + kx - k / 2;
                const bool inside = iy >= 0 && iy < l->h && ix >= 0 && ix < l->wide;
                const int v = inside ? l->x[((int64_t)ic * l->h + iy) * l->wide + ix] : l->p->x_zero;
                const int64_t w = ncc_element_int(l->w->dtype, l->w->data, tap);
                s_xw += v * w;
                s_x += v;
                s_w += w;
            }
        }
    }
    const int64_t acc = s_xw + ncc_kpu_zero_term(-l->p->w_zero, s_x, 0) + ncc_kpu_zero_term(-l->p->x_zero, s_w, 0) +
                        (int64_t)k * k * l->p->x_zero * l->p->w_zero * n_in;
    const struct ncc_kpu_bn bn = ncc_kpu_bn_unpack((uint64_t)l->bn[oc]);
    return ncc_kpu_table_apply(&l->table, ncc_kpu_bn_apply(bn, acc));
}

static int pooled(const struct layer *l, const struct kpu_pool *pool, int oc, int y, int x)
{
    const struct kpu_pixels px = ncc_kpu_pool_pixels(pool, l->h, l->wide, y, x);
    int sum = 0, top = 0;
    for (int i = 0; i < px.n; i++) {
        const int code = code_at(l, oc, px.y[i], px.x[i]);
        sum += code;
        top = code > top ? code : top;
    }
    return pool->kind == KPU_POOL_MEAN ? sum / px.n : top;
}

static struct layer layer_of(const struct eval_args *a)
{
    const int *in = a->in[0]->shape.dim;
    return (struct layer){a->node->attrs, a->in[0]->data, a->in[1], a->in[2]->data, read_table(a->in[3]->data),
                          in[1],          in[2],          in[3]};
}

static void eval(const struct eval_args *a)
{
    const struct layer l = layer_of(a);
    const int *out = a->out[0]->shape.dim;
    uint8_t *to = a->out[0]->data;
    for (int oc = 0; oc < out[1]; oc++)
        for (int y = 0; y < out[2]; y++)
            for (int x = 0; x < out[3]; x++)
                *to++ = (uint8_t)pooled(&l, &ncc_kpu_pools[l.p->pool], oc, y, x);
}

/* ---- fast ---- */

/* With inputs and weights less their zero points, acc is one sum of products, and zero beyond the edge. */
static struct convolve_codes codes_of(const struct kpu_layer_attrs *p, struct shape x, struct shape w)
{
    return (struct convolve_codes){ncc_kpu_convolution(p->kernel, p->depthwise, p->pool, true, x, w), -p->x_zero,
                                   -p->w_zero};
}

static int64_t n_unpooled(const struct convolve *s)
{
    return (int64_t)s->out_c * s->out_h * s->out_w;
}

static void activate(const struct eval_args *a, const struct convolve *s, const int32_t *acc, uint8_t *to)
{
    const struct ncc_kpu_table table = read_table(a->in[3]->data);
    const int64_t *words = a->in[2]->data;
    for (int oc = 0; oc < s->out_c; oc++) {
        const int64_t n = (int64_t)s->out_h * s->out_w;
        ncc_activate_codes(&table, ncc_kpu_bn_unpack((uint64_t)words[oc]), acc, n, to);
        acc += n;
        to += n;
    }
}

static uint8_t pool_codes(const struct kpu_pool *pool, const uint8_t *map, int h, int w, int y, int x)
{
    const struct kpu_pixels px = ncc_kpu_pool_pixels(pool, h, w, y, x);
    int sum = 0, top = 0;
    for (int i = 0; i < px.n; i++) {
        const int code = map[px.y[i] * w + px.x[i]];
        sum += code;
        top = code > top ? code : top;
    }
    return (uint8_t)(pool->kind == KPU_POOL_MEAN ? sum / px.n : top);
}

/* ---- 16-bit weights: sums of 64 bits, one output channel at a time ---- */

static void add_tap(const struct layer *l, int ic, int dy, int dx, int64_t weight, int64_t *sum)
{
    const int y_end = l->h - (dy > 0 ? dy : 0), x_begin = dx < 0 ? -dx : 0, x_end = l->wide - (dx > 0 ? dx : 0);
    for (int y = dy < 0 ? -dy : 0; y < y_end; y++) {
        const uint8_t *x = l->x + ((int64_t)ic * l->h + y + dy) * l->wide + dx;
        int64_t *to = sum + (int64_t)y * l->wide;
        for (int i = x_begin; i < x_end; i++)
            to[i] += weight * (x[i] - l->p->x_zero);
    }
}

static void sum_wide(const struct layer *l, int oc, int64_t *sum)
{
    const int k = l->p->kernel, n_in = l->p->depthwise ? 1 : l->in_c, first = l->p->depthwise ? oc : 0;
    const int32_t *w = (const int32_t *)l->w->data + (int64_t)oc * n_in * k * k;
    memset(sum, 0, (size_t)l->h * (size_t)l->wide * sizeof *sum);
    for (int ic = first; ic < first + n_in; ic++)
        for (int t = 0; t < k * k; t++)
            add_tap(l, ic, t / k - k / 2, t % k - k / 2, *w++ - l->p->w_zero, sum);
}

static void eval_wide(const struct eval_args *a, const struct layer *l)
{
    const struct kpu_layer_attrs *p = a->node->attrs;
    const int *out = a->out[0]->shape.dim, n = l->h * l->wide;
    int64_t *sum = a->scratch;
    uint8_t *codes = (uint8_t *)(sum + n), *to = a->out[0]->data;
    for (int oc = 0; oc < out[1]; oc++) {
        const struct ncc_kpu_bn bn = ncc_kpu_bn_unpack((uint64_t)l->bn[oc]);
        sum_wide(l, oc, sum);
        for (int i = 0; i < n; i++)
            codes[i] = ncc_kpu_table_apply(&l->table, ncc_kpu_bn_apply(bn, sum[i]));
        for (int y = 0; y < out[2]; y++)
            for (int x = 0; x < out[3]; x++)
                *to++ = pool_codes(&ncc_kpu_pools[p->pool], codes, l->h, l->wide, y, x);
    }
}

static void eval_fast(const struct eval_args *a)
{
    const struct kpu_layer_attrs *p = a->node->attrs;
    const struct convolve_codes c = codes_of(p, a->in[0]->shape, a->in[1]->shape);
    const struct convolve *s = &c.shape;
    const int *out = a->out[0]->shape.dim;
    int32_t *acc = a->scratch;
    uint8_t *to = a->out[0]->data;
    if (ncc_kpu_layer_is_wide(a->node)) {
        const struct layer l = layer_of(a);
        eval_wide(a, &l);
        return;
    }
    if (!ncc_convolve_codes_fits(&c)) {
        eval(a);
        return;
    }
    ncc_convolve_codes(&c, a->in[0]->data, a->in[1]->data, acc, acc + n_unpooled(s));
    if (ncc_kpu_is_pick(p->pool)) {
        activate(a, s, acc, to);
        return;
    }
    uint8_t *codes = (uint8_t *)(acc + n_unpooled(s)); /* the convolution's scratch is free again */
    activate(a, s, acc, codes);
    for (int oc = 0; oc < out[1]; oc++, codes += (int64_t)s->out_h * s->out_w)
        for (int y = 0; y < out[2]; y++)
            for (int x = 0; x < out[3]; x++)
                *to++ = pool_codes(&ncc_kpu_pools[p->pool], codes, s->out_h, s->out_w, y, x);
}

/* The convolution's scratch holds a float for each result, which is room for the codes too. */
static size_t scratch(const struct node *n)
{
    const struct convolve_codes c = codes_of(n->attrs, n->in[0]->shape, n->in[1]->shape);
    if (ncc_kpu_layer_is_wide(n))
        return (size_t)n->in[0]->shape.dim[2] * (size_t)n->in[0]->shape.dim[3] * (sizeof(int64_t) + 1);
    if (!ncc_convolve_codes_fits(&c))
        return 0;
    return (size_t)n_unpooled(&c.shape) * sizeof(int32_t) + ncc_convolve_codes_scratch(&c);
}

static double macs(const struct node *n)
{
    const int *x = n->in[0]->shape.dim, *w = n->in[1]->shape.dim;
    return (double)x[2] * x[3] * w[0] * w[1] * w[2] * w[3];
}

const struct op_desc ncc_op_kpu_layer = {
    .name = "kpu_layer",
    .doc = "one KPU layer in integers, exactly as the chip computes it",
    .min_in = 4,
    .max_in = 4,
    .n_out = 1,
    .flags = OP_KPU,
    NCC_ATTRS(kpu_layer_attrs, attrs_table),
    .infer = infer,
    .eval = eval,
    .eval_fast = eval_fast,
    .scratch = scratch,
    .macs = macs,
};
