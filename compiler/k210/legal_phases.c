/* Transposed convolutions, and blocks of pixels.
 *
 * Output row o of a transposed convolution reads input rows i with o + pad = i * stride + k * dilation. Rows of one
 * phase a = o mod stride therefore read at fixed distances:
 *
 *     o = stride * q + a       i = q + d,   d = (a + pad - k * dilation) / stride where that is whole
 *
 * so each phase is a plain convolution of the small map, and all of them are the channels of one. What is left is to
 * put the pixels of the phases between each other, which moves bytes and computes nothing:
 *
 *     a0 a0     b0 b0           a0 b0 a0 b0        rank 4: [rows, columns, C * H, W] -> [C * H, rows, W, columns]
 *     a0 a0     b0 b0    ->     c0 d0 c0 d0
 *     c0 c0     d0 d0           a0 b0 a0 b0
 *     c0 c0     d0 d0           c0 d0 c0 d0
 *
 * which is depth_to_space, on the KPU for 2x2 phases of a multiple of 4 channels (enlarge.c; others are filled up), or that
 * transpose on the CPU.
 */
#include "compiler/k210/enlarge.h"
#include "compiler/k210/legalise.h"
#include "compiler/k210/rules.h"
#include "compiler/pass/match.h"

#include <math.h>
#include <string.h>

/* ---- unary functions that come along ---- */

struct value *ncc_legal_unaries(const struct graph *g, struct value *v, struct unaries *out)
{
    out->n = 0;
    for (;;) {
        struct node *next = ncc_value_only_use(g, v);
        if (!next || !(ncc_op_desc(next->op)->flags & OP_UNARY) || out->n == NCC_MAX_ACT)
            return v;
        out->v[out->n++] = next;
        v = next->out[0];
    }
}

struct value *ncc_legal_apply(struct graph *g, const struct unaries *u, struct value *x)
{
    for (int i = 0; i < u->n; i++)
        x = ncc_match_again_1(g, u->v[i], x);
    return x;
}

/* ---- interleaving ---- */

struct value *ncc_legal_interleave(struct graph *g, const char *name, struct value *x, int rows, int columns, int h,
                                   int w)
{
    const int *d = x->shape.dim, c = d[1] / (rows * columns);
    if (rows > 1 || columns > 1) {
        const struct transpose_attrs t = {{4, {2, 0, 3, 1}}};
        x = ncc_match_reshape(g, ncc_name(g, name, "phases"), x, ncc_shape_4(rows, columns, c * d[2], d[3]));
        const int big_h = d[2] * rows, big_w = d[3] * columns;
        x = NCC_OP(g, OP_transpose, ncc_name(g, name, "interleave"), &t, x);
        x = ncc_match_reshape(g, ncc_name(g, name, "map"), x, ncc_shape_4(1, c, big_h, big_w));
    }
    if (x->shape.dim[2] == h && x->shape.dim[3] == w)
        return x;
    const struct slice_attrs s = {.size = {4, {1, c, h, w}}, .begin = {4, {0}}, .stride = {4, {1, 1, 1, 1}}};
    return NCC_OP(g, OP_slice, ncc_name(g, name, "crop"), &s, x);
}

/* The same for 2x2 phases as a node that the KPU may take; c: channels that count, the first of each phase. */
static struct value *put_together(struct graph *g, const char *name, struct value *x, int c, int h, int w)
{
    const struct depth_to_space_attrs blocks = {2, false};
    x = NCC_OP(g, OP_depth_to_space, ncc_name(g, name, "map"), &blocks, x);
    const int *d = x->shape.dim;
    if (d[1] == c && d[2] == h && d[3] == w)
        return x;
    const struct slice_attrs s = {.size = {4, {1, c, h, w}}, .begin = {4, {0}}, .stride = {4, {1, 1, 1, 1}}};
    return NCC_OP(g, OP_slice, ncc_name(g, name, "crop"), &s, x);
}

/* ---- one dimension of a transposed convolution ---- */

struct phases {
    int stride, pad, dilation, kernel;
    int lo, hi; /* the distances that any phase reads; 0 is among them */
    int n;      /* outputs of each phase */
    int after;  /* pad behind the map; in front of it: -lo */
};

static int floor_div(int a, int b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static struct phases phases_of(int in, int out, int stride, int pad, int dilation, int kernel)
{
    struct phases p = {.stride = stride, .pad = pad, .dilation = dilation, .kernel = kernel};
    for (int a = 0; a < stride; a++)
        for (int k = 0; k < kernel; k++) {
            const int at = a + pad - k * dilation, d = floor_div(at, stride);
            if (d * stride != at)
                continue;
            p.lo = d < p.lo ? d : p.lo;
            p.hi = d > p.hi ? d : p.hi;
        }
    p.n = (out + stride - 1) / stride;
    p.after = p.n - 1 + p.hi - (in - 1);
    if (p.after < 0) { /* much was cut off behind: more is computed, and cut later */
        p.n -= p.after;
        p.after = 0;
    }
    return p;
}

/* Kernel element of phase `a` at distance d, or -1: none. */
static int kernel_at(const struct phases *p, int a, int d)
{
    const int at = a + p->pad - d * p->stride;
    return at >= 0 && at % p->dilation == 0 && at / p->dilation < p->kernel ? at / p->dilation : -1;
}

/* ---- transposed convolution ---- */

struct transposed {
    const struct node *n;
    struct value *x;
    int groups, in_c, out_c;
    int room; /* for the channels of a phase: out_c, or more, which are zero then */
    struct phases row, col;
};

/* The weights of phases (a, b) for all outputs, as conv2d has them: [out_c][in_c / groups][rows][columns]. */
static void phase_weights(const struct transposed *t, int a, int b, float *to)
{
    const float *w = t->n->in[1]->data;
    const int in_g = t->in_c / t->groups, out_g = t->out_c / t->groups;
    for (int o = 0; o < t->out_c; o++)
        for (int i = 0; i < in_g; i++)
            for (int y = t->row.lo; y <= t->row.hi; y++)
                for (int x = t->col.lo; x <= t->col.hi; x++, to++) {
                    const int ky = kernel_at(&t->row, a, y), kx = kernel_at(&t->col, b, x);
                    const size_t from = ((size_t)(o / out_g * in_g + i) * (size_t)out_g + (size_t)(o % out_g));
                    if (ky >= 0 && kx >= 0)
                        *to = w[(from * (size_t)t->row.kernel + (size_t)ky) * (size_t)t->col.kernel + (size_t)kx];
                }
}

/* A convolution whose outputs are `count` phases beginning with `first`, each with all channels. */
static struct value *phase_conv(struct graph *g, const struct transposed *t, int first, int count)
{
    const struct node *n = t->n;
    const int kh = t->row.hi - t->row.lo + 1, kw = t->col.hi - t->col.lo + 1, out_c = count * t->room;
    const struct shape s = ncc_shape_4(out_c, t->in_c / t->groups, kh, kw);
    float *w = NCC_NEW(g->arena, float, ncc_shape_count(s));
    const size_t each = (size_t)ncc_shape_count(s) / (size_t)count;
    for (int p = first; p < first + count; p++)
        phase_weights(t, p / t->col.stride, p % t->col.stride, w + (size_t)(p - first) * each);
    struct value *bias = NULL;
    if (n->n_in > 2 && n->in[2]) {
        float *b = NCC_NEW(g->arena, float, out_c);
        for (int p = 0; p < count; p++)
            memcpy(b + (size_t)p * (size_t)t->room, n->in[2]->data, (size_t)t->out_c * sizeof *b);
        bias = ncc_const(g, n->in[2]->name, DT_F32, ncc_shape_make(1, &out_c), b);
    }
    const struct conv2d_attrs a = {.stride_h = 1,
                                   .stride_w = 1,
                                   .pad_top = -t->row.lo,
                                   .pad_left = -t->col.lo,
                                   .pad_bottom = t->row.after,
                                   .pad_right = t->col.after,
                                   .dil_h = 1,
                                   .dil_w = 1,
                                   .groups = t->groups};
    struct value *y = NCC_OP(g, OP_conv2d, ncc_name(g, n->name, "phases"), &a, t->x,
                             ncc_const(g, n->in[1]->name, DT_F32, s, w), bias);
    y->def->origin = n->origin ? n->origin : n->name;
    return y;
}

/* With groups every phase is a convolution of its own, so that the channels of a group stay together in it. */
static struct value *all_phases(struct graph *g, const struct transposed *t, const struct unaries *u)
{
    const int n = t->row.stride * t->col.stride;
    if (t->groups == 1 || n == 1)
        return ncc_legal_apply(g, u, phase_conv(g, t, 0, n));
    struct value **part = NCC_NEW(g->arena, struct value *, n);
    for (int p = 0; p < n; p++)
        part[p] = ncc_legal_apply(g, u, phase_conv(g, t, p, 1));
    const struct concat_attrs channels = {1};
    return ncc_op(g, OP_concat, ncc_name(g, t->n->name, "all"), &channels, part, n);
}

/* Would the convolution, or what it reads, exceed the chip? Then it is better left as it is. */
static bool convolution_fits(const struct transposed *t)
{
    struct node probe = *t->n;
    struct conv2d_attrs a = {.stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = t->groups};
    struct value w = *t->n->in[1], y = *t->n->out[0];
    char found[120];
    w.shape = ncc_shape_4(t->room, t->in_c / t->groups, t->row.hi - t->row.lo + 1, t->col.hi - t->col.lo + 1);
    y.shape = ncc_shape_4(1, t->room * t->row.stride * t->col.stride, t->row.n, t->col.n);
    struct value *in[3] = {t->n->in[0], &w, t->n->n_in > 2 ? t->n->in[2] : NULL}, *out[1] = {&y};
    probe.op = OP_conv2d;
    probe.attrs = &a;
    probe.in = in;
    probe.out = out;
    return !ncc_k210_rule_broken(&probe, found);
}

static struct transposed transposed_of(const struct node *n, struct value *x)
{
    const struct conv2d_transpose_attrs *a = n->attrs;
    const struct shape *w = &n->in[1]->shape, *y = &n->out[0]->shape;
    return (struct transposed){
        .n = n,
        .x = x,
        .groups = a->groups,
        .in_c = x->shape.dim[1],
        .out_c = y->dim[1],
        .room = y->dim[1],
        .row = phases_of(x->shape.dim[2], y->dim[2], a->stride_h, a->pad_top, a->dil_h, w->dim[2]),
        .col = phases_of(x->shape.dim[3], y->dim[3], a->stride_w, a->pad_left, a->dil_w, w->dim[3]),
    };
}

/* With the functions behind n, which commute with moving pixels. */
static struct value *in_phases(struct graph *g, const struct node *n, struct value *x, const struct unaries *u)
{
    const struct conv2d_transpose_attrs *a = n->attrs;
    const struct transposed t = transposed_of(n, x);
    const int *y = n->out[0]->shape.dim;
    if (!convolution_fits(&t))
        return NULL;
    return ncc_legal_interleave(g, n->name, all_phases(g, &t, u), a->stride_h, a->stride_w, y[2], y[3]);
}

static struct value *in_phases_on_kpu(struct graph *g, const struct node *n, struct value *x, const struct unaries *u)
{
    const struct conv2d_transpose_attrs *a = n->attrs;
    struct transposed t = transposed_of(n, x);
    const int *y = n->out[0]->shape.dim;
    t.room = (t.out_c + 3) / 4 * 4;
    if (a->stride_h != 2 || a->stride_w != 2 || (t.groups > 1 && t.room != t.out_c) || !convolution_fits(&t))
        return NULL;
    return put_together(g, n->name, all_phases(g, &t, u), y[1], y[2], y[3]);
}

static struct value *by_phases(struct graph *g, const struct node *n, struct value *const *x)
{
    return in_phases(g, n, x[0], &(struct unaries){0});
}

static struct value *by_phases_on_kpu(struct graph *g, const struct node *n, struct value *const *x)
{
    return in_phases_on_kpu(g, n, x[0], &(struct unaries){0});
}

bool ncc_legal_transposed(const struct legaliser *l, struct node *n)
{
    const struct value *w = n->in[1], *bias = n->n_in > 2 ? n->in[2] : NULL;
    if (!ncc_match_floats(w) || (bias && !ncc_match_floats(bias)) || ncc_lower_enlarging(n).factor)
        return false;
    struct value *x = n->in[0];
    struct unaries u;
    struct value *end = ncc_legal_unaries(l->g, n->out[0], &u), *v;
    const double apart_us = ncc_legal_us(l, n, &x, 1, ncc_legal_transposed_apart), cpu_us = ncc_legal_us(l, n, &x, 1, by_phases),
                 kpu_us = ncc_legal_us(l, n, &x, 1, by_phases_on_kpu);
    if (apart_us < cpu_us && apart_us <= kpu_us)
        return ncc_match_become(l->g, n, ncc_legal_transposed_apart(l->g, n, &x), NULL);
    v = kpu_us < cpu_us ? in_phases_on_kpu(l->g, n, x, &u) : in_phases(l->g, n, x, &u);
    return v && ncc_match_become(l->g, end->def, v, end->def == n ? NULL : n);
}

/* ---- depth to space and back ---- */

/* out[p * c + k] = in[k * n + p]: outputs of a convolution in the order (phase, channel). */
static struct value *phases_first(struct graph *g, struct value *v, int n)
{
    const int64_t each = ncc_shape_count(v->shape) / v->shape.dim[0], c = v->shape.dim[0] / n;
    float *to = NCC_NEW(g->arena, float, ncc_shape_count(v->shape));
    for (int64_t o = 0; o < v->shape.dim[0]; o++)
        memcpy(to + o * each, (const float *)v->data + (o % c * n + o / c) * each, (size_t)each * sizeof *to);
    return ncc_const(g, v->name, DT_F32, v->shape, to);
}

/* A convolution with its outputs in another order, read by nobody but depth_to_space. */
static struct value *reordered(struct graph *g, struct node *n, int phases)
{
    struct node *conv = ncc_match_only(g, n->in[0], OP_conv2d);
    if (!conv || !ncc_match_is_layer(conv) || ((const struct conv2d_attrs *)conv->attrs)->groups != 1)
        return NULL;
    struct value *bias = conv->n_in > 2 && conv->in[2] ? phases_first(g, conv->in[2], phases) : NULL;
    struct value *in[3] = {conv->in[0], phases_first(g, conv->in[1], phases), bias};
    struct node *again = ncc_match_again(g, conv, in, 3);
    return again->out[0];
}

static struct value *by_transpose(struct graph *g, const struct node *n, struct value *const *x)
{
    const int block = ((const struct depth_to_space_attrs *)n->attrs)->block, *y = n->out[0]->shape.dim;
    return ncc_legal_interleave(g, n->name, x[0], block, block, y[2], y[3]);
}

static struct value *as_blocks(struct graph *g, const struct node *n, struct value *const *x)
{
    const struct depth_to_space_attrs *a = n->attrs, blocks = {a->block, false};
    return NCC_OP(g, OP_depth_to_space, n->name, &blocks, x[0]);
}

/* Moved by the CPU or by the KPU, which take channels in one order; or pixels set apart, in any. */
bool ncc_legal_depth_to_space(const struct legaliser *l, struct node *n)
{
    const struct depth_to_space_attrs *a = n->attrs;
    struct value *x = n->in[0];
    if (x->shape.dim[0] != 1 || x->dtype != DT_F32)
        return false;
    const double apart_us = ncc_legal_us(l, n, &x, 1, ncc_legal_depth_to_space_apart),
                 blocks_us = ncc_legal_us(l, n, &x, 1, as_blocks), cpu_us = ncc_legal_us(l, n, &x, 1, by_transpose);
    struct value *by_phase = a->crd && fmin(blocks_us, cpu_us) < apart_us ? reordered(l->g, n, a->block * a->block) : x;
    if (apart_us < cpu_us && (apart_us < blocks_us || !by_phase))
        return ncc_match_become(l->g, n, ncc_legal_depth_to_space_apart(l->g, n, &x), NULL);
    return by_phase && ncc_match_become(l->g, n, blocks_us < cpu_us ? as_blocks(l->g, n, &by_phase) : by_transpose(l->g, n, &by_phase), NULL);
}

/* A block of one pixel is nothing. */
bool ncc_legal_no_blocks(struct graph *g, struct node *n)
{
    return ((const struct depth_to_space_attrs *)n->attrs)->block == 1 && ncc_match_replace(g, n, n->in[0]);
}

/* depth_to_space commutes with unary functions: those move in front of it, into the layer. */
bool ncc_legal_unary_first(struct graph *g, struct node *n)
{
    struct unaries u;
    struct value *end = ncc_legal_unaries(g, n->out[0], &u);
    if (u.n == 0)
        return false;
    return ncc_match_become(g, end->def, ncc_match_again_1(g, n, ncc_legal_apply(g, &u, n->in[0])), n);
}

bool ncc_legal_space_to_depth(struct graph *g, struct node *n)
{
    const int block = ((const struct space_to_depth_attrs *)n->attrs)->block, c = n->in[0]->shape.dim[1];
    if (block == 1)
        return ncc_match_replace(g, n, n->in[0]);
    if (n->in[0]->dtype != DT_F32 || n->in[0]->shape.dim[0] != 1 || block > 4 || c * block * block > 1024)
        return false;
    const struct shape s = ncc_shape_4(c * block * block, c, block, block);
    float *w = NCC_NEW(g->arena, float, ncc_shape_count(s));
    for (int o = 0; o < c * block * block; o++) /* channel (row * block + column) * c + k */
        w[((size_t)o * (size_t)c + (size_t)(o % c)) * (size_t)(block * block) + (size_t)(o / c)] = 1;
    const struct conv2d_attrs a = {.stride_h = block, .stride_w = block, .dil_h = 1, .dil_w = 1, .groups = 1};
    struct value *y = NCC_OP(g, OP_conv2d, n->name, &a, n->in[0], ncc_const(g, ncc_name(g, n->name, "w"), DT_F32, s, w));
    return ncc_match_become(g, n, y, NULL);
}
