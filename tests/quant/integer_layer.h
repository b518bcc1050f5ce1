/* What the tests of integer layers share: a kpu_conv on a small canvas with random weights, and what these come out as.
 */
#ifndef NCC_TESTS_QUANT_INTEGER_LAYER_H
#define NCC_TESTS_QUANT_INTEGER_LAYER_H

#include "compiler/k210/kpu_integer.h"
#include "compiler/ops/attrs.h"
#include "kpu/arith.h"
#include "tests/quant/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct exit out_of_memory; /* never happens here */

struct world {
    struct arena arena;
    struct diags diags;
    struct graph *g;
};

static inline struct world begin(void)
{
    struct world w = {.arena = ncc_arena_make(&out_of_memory)};
    return w;
}

static inline void open_graph(struct world *w)
{
    ncc_diag_init(&w->diags, &w->arena);
    w->g = ncc_graph_new(&w->arena, &w->diags, "test");
}

static inline struct quant pair(struct world *w, double scale, double zero)
{
    double *p = NCC_NEW(&w->arena, double, 2);
    p[0] = scale;
    p[1] = zero;
    return (struct quant){1, &p[0], &p[1]};
}

enum { H = 6, W = 7 };

struct sample_layer {
    struct kpu_conv_attrs a;
    int in_c, out_c;
    struct value *x;
    struct node *conv;
    float *w, *bias;
};

/* A kpu_conv on an input canvas of H x W whose codes have quant `q`. */
static inline struct sample_layer make(struct world *w, struct kpu_conv_attrs a, int in_c, int out_c, struct quant q)
{
    struct sample_layer l = {.a = a, .in_c = in_c, .out_c = out_c};
    const int n_in = a.depthwise ? 1 : in_c, taps = a.kernel * a.kernel;
    l.x = ncc_graph_input(w->g, "x", DT_F32, ncc_shape_4(1, in_c, H, W));
    l.x->mem = MEM_KPU;
    l.x->window = (struct window){.h = H, .w = W, .outside = OUT_ZERO};
    l.x->quant = q;
    l.w = NCC_NEW(&w->arena, float, out_c *n_in *taps);
    l.bias = NCC_NEW(&w->arena, float, out_c);
    for (int o = 0; o < out_c; o++) {
        const double size = exp2(random_between(-4, 0)), shift = random_between(-1, 1);
        l.bias[o] = (float)random_between(-1, 1);
        for (int i = 0; i < n_in * taps; i++)
            l.w[o * n_in * taps + i] = (float)(size * (random_normal() + shift));
    }
    struct value *weights = ncc_const(w->g, "w", DT_F32, ncc_shape_4(out_c, n_in, a.kernel, a.kernel), l.w);
    struct value *bias = ncc_const(w->g, "b", DT_F32, ncc_shape_make(1, &out_c), l.bias);
    const int stride = a.pool == 0 || a.pool >= 8 ? 1 : a.pool == 3 || a.pool == 4 || a.pool == 7 ? 4 : 2;
    l.a.h = H / stride;
    l.a.w = W / stride;
    l.conv = ncc_node_new(w->g, OP_kpu_conv, "conv", &l.a, (struct value *[]){l.x, weights, bias}, 3);
    assert_non_null(l.conv);
    ncc_graph_output(w->g, l.conv->out[0], "y");
    l.x->dtype = DT_U8;
    return l;
}

static inline double scale_at(const struct quant *q, int c)
{
    return q->scale[q->n_channels == 1 ? 0 : c];
}

static inline double zero_at(const struct quant *q, int c)
{
    return q->zero_point[q->n_channels == 1 ? 0 : c];
}

/* What the weights came out as, in real numbers without the input scales. */
static inline double *real_weights(struct world *w, const struct sample_layer *l, const struct node *layer,
                                   const struct layer_quality *quality)
{
    const struct kpu_layer_attrs *a = layer->attrs;
    const int n_in = l->a.depthwise ? 1 : l->in_c, taps = l->a.kernel * l->a.kernel;
    const struct quant *y = &layer->out[0]->quant;
    double *r = NCC_NEW(&w->arena, double, l->out_c *n_in *taps), coarsest = 0;
    for (int o = 0; o < y->n_channels; o++)
        coarsest = fmax(coarsest, y->scale[o]);
    for (int o = 0; o < l->out_c; o++) {
        const struct ncc_kpu_bn bn = ncc_kpu_bn_unpack(((const uint64_t *)layer->in[2]->data)[o]);
        const double scale = ldexp(bn.mul, -bn.shift) * quality->v_scale * scale_at(y, o) / coarsest;
        for (int i = 0; i < n_in * taps; i++) {
            const int at = o * n_in * taps + i;
            const double fold = scale_at(&l->x->quant, l->a.depthwise ? o : i / taps);
            r[at] = (((const uint8_t *)layer->in[1]->data)[at] - a->w_zero) * scale / fold;
        }
    }
    return r;
}

/* An output range that most results fall into. */
static inline struct quant output_quant(struct world *w, const struct sample_layer *l, enum op act)
{
    double size = 0;
    const int n_in = l->a.depthwise ? 1 : l->in_c, taps = l->a.kernel * l->a.kernel;
    for (int o = 0; o < l->out_c; o++)
        for (int i = 0; i < n_in * taps; i++) {
            const double x = l->w[o * n_in * taps + i] * 100 * scale_at(&l->x->quant, l->a.depthwise ? o : i / taps);
            size += x * x / l->out_c;
        }
    size = sqrt(size) * 2 + 1;
    if (act == OP_sigmoid)
        return pair(w, 1.0 / 255, 0);
    if (act == OP_clip)
        return pair(w, 6.0 / 255, 0);
    if (act == OP_relu)
        return pair(w, size / 255, 0);
    return pair(w, 2 * size / 255, 128);
}

#endif
