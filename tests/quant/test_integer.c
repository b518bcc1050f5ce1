/* Integer layers against real arithmetic on the same codes and the same quantised weights. */
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

static struct world begin(void)
{
    struct world w = {.arena = ncc_arena_make(&out_of_memory)};
    return w;
}

static void open_graph(struct world *w)
{
    ncc_diag_init(&w->diags, &w->arena);
    w->g = ncc_graph_new(&w->arena, &w->diags, "test");
}

static struct quant pair(struct world *w, double scale, double zero)
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
static struct sample_layer make(struct world *w, struct kpu_conv_attrs a, int in_c, int out_c, struct quant q)
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

static double scale_at(const struct quant *q, int c)
{
    return q->scale[q->n_channels == 1 ? 0 : c];
}

static double zero_at(const struct quant *q, int c)
{
    return q->zero_point[q->n_channels == 1 ? 0 : c];
}

/* The real sum at a pixel, in zero-padded real arithmetic; `weight` is what one weight counts as. */
static double real_sum(const struct sample_layer *l, const struct quant *q, const uint8_t *x, const double *weight,
                       int o, int y, int c)
{
    const int k = l->a.kernel, n_in = l->a.depthwise ? 1 : l->in_c;
    double z = l->bias[o];
    for (int i = 0; i < n_in; i++)
        for (int t = 0; t < k * k; t++) {
            const int yy = y + t / k - k / 2, xx = c + t % k - k / 2, ic = l->a.depthwise ? o : i;
            if (yy >= 0 && yy < H && xx >= 0 && xx < W)
                z +=
                    weight[(o * n_in + i) * k * k + t] * (x[(ic * H + yy) * W + xx] - zero_at(q, ic)) * scale_at(q, ic);
        }
    return z;
}

/* The same by doc/kpu.md section 5, up to v. */
static int64_t integer_sum(const struct sample_layer *l, const struct node *layer, const uint8_t *x, int o, int y,
                           int c)
{
    const struct kpu_layer_attrs *a = layer->attrs;
    const uint8_t *w = layer->in[1]->data;
    const int k = l->a.kernel, n_in = l->a.depthwise ? 1 : l->in_c;
    int64_t s_xw = 0, s_x = 0, s_w = 0;
    for (int i = 0; i < n_in; i++)
        for (int t = 0; t < k * k; t++) {
            const int yy = y + t / k - k / 2, xx = c + t % k - k / 2, ic = l->a.depthwise ? o : i;
            const bool inside = yy >= 0 && yy < H && xx >= 0 && xx < W;
            const int qx = inside ? x[(ic * H + yy) * W + xx] : a->x_zero, qw = w[(o * n_in + i) * k * k + t];
            s_xw += qx * qw;
            s_x += qx;
            s_w += qw;
        }
    const int64_t acc = s_xw - a->w_zero * s_x - a->x_zero * s_w + (int64_t)n_in * k * k * a->x_zero * a->w_zero;
    const struct ncc_kpu_bn bn = ncc_kpu_bn_unpack(((const uint64_t *)layer->in[2]->data)[o]);
    const int64_t v = ncc_kpu_bn_apply(bn, acc);
    assert_true(ncc_kpu_acc_fits(acc) && ncc_kpu_acc_fits(v));
    return v;
}

/* What the weights came out as, in real numbers without the input scales. */
static double *real_weights(struct world *w, const struct sample_layer *l, const struct node *layer,
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

struct error {
    double worst, sum;
    double beyond; /* codes further from the real result than the nearest code may be: half a code */
    int n;
};

/* What perfect integers may be beyond: a piece of the table multiplies by at least 15 bits, and spans at most 255 codes. */
#define ROUNDING_OF_SLOPES (255.0 / 32768)

/* Codes of the layer against rounding of the real function, before the pool, over random pictures. */
static struct error compare(struct world *w, const struct sample_layer *l, const struct node *layer,
                            const struct layer_quality *quality, bool inner_only)
{
    const double *weights = real_weights(w, l, layer, quality);
    struct ncc_kpu_table table;
    ncc_kpu_table_unpack(layer->in[3]->data, &table);
    const struct quant *q = &layer->out[0]->quant;
    struct error e = {0};
    uint8_t *x = NCC_NEW(&w->arena, uint8_t, l->in_c * H * W);
    for (int picture = 0; picture < 3; picture++) {
        for (int i = 0; i < l->in_c * H * W; i++)
            x[i] = (uint8_t)(picture == 2 ? 255 * random_int(0, 1) : random_int(0, 255));
        for (int o = 0; o < l->out_c; o++)
            for (int i = 0; i < H * W; i++) {
                const int y = i / W, c = i % W;
                if (inner_only && (y == 0 || c == 0 || y == H - 1 || c == W - 1))
                    continue;
                const double z = real_sum(l, &l->x->quant, x, weights, o, y, c);
                const double real = l->a.act.n ? ncc_act_apply(&l->a.act, (float)z) : z;
                const double exact = fmin(fmax(real / scale_at(q, o) + zero_at(q, o), 0), 255), code = rint(exact);
                const double got = ncc_kpu_table_apply(&table, integer_sum(l, layer, x, o, y, c));
                e.worst = fmax(e.worst, fabs(got - code));
                e.sum += fabs(got - code);
                e.beyond = fmax(e.beyond, fabs(got - exact) - 0.5);
                e.n++;
            }
    }
    return e;
}

/* An output range that most results fall into. */
static struct quant output_quant(struct world *w, const struct sample_layer *l, enum op act)
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

static struct leaky_relu_attrs leaky = {0.1f};
static struct clip_attrs clip = {0, 6};
static const struct act_chain chains[] = {
    {0},
    {.n = 1, .step = {{OP_relu, NULL}}},
    {.n = 1, .step = {{OP_clip, &clip}}},
    {.n = 1, .step = {{OP_leaky_relu, &leaky}}},
    {.n = 1, .step = {{OP_sigmoid, NULL}}},
    {.n = 2, .step = {{OP_neg, NULL}, {OP_relu, NULL}}}, /* falls: the sum is negated */
};
static const char *const chain_names[] = {"identity", "relu", "relu6", "leaky_relu", "sigmoid", "relu(-x)"};

/* Every channel gets a scale of its own, up to 16 times as fine. */
static struct quant by_channel(struct world *w, struct quant q, int n)
{
    double *scale = NCC_NEW(&w->arena, double, n), *zero = NCC_NEW(&w->arena, double, n);
    for (int c = 0; c < n; c++) {
        scale[c] = q.scale[0] * exp2(random_between(-4, 0));
        zero[c] = q.zero_point[0];
    }
    return (struct quant){n, scale, zero};
}

static void run_chain(int chain)
{
    struct error all = {0};
    double share = 0;
    for (int round = 0; round < 40; round++) {
        struct world w = begin();
        open_graph(&w);
        const bool depthwise = round % 3 == 0;
        const int in_c = random_int(1, 24), out_c = depthwise ? in_c : random_int(1, 24);
        const struct kpu_conv_attrs a = {
            .kernel = depthwise || round % 2 ? 3 : 1, .depthwise = depthwise, .act = chains[chain]};
        const struct quant in = pair(&w, exp2(random_between(-8, 0)), random_int(0, 255));
        struct sample_layer l = make(&w, a, in_c, out_c, in);
        const enum op act = a.act.n ? a.act.step[a.act.n - 1].op : N_OPS;
        l.conv->out[0]->quant = output_quant(&w, &l, act);
        if (chain < 4 && round % 4 < 2 && out_c > 1)
            l.conv->out[0]->quant = by_channel(&w, l.conv->out[0]->quant, out_c);
        struct layer_quality quality;
        const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, NULL, &quality);
        assert_non_null(layer);
        assert_true(ncc_graph_verify(w.g, "test"));
        assert_true(quality.acc_bits <= 36 && quality.v_bits <= 36);
        assert_true((quality.v_scale < 0) == (chain == 5));
        const struct error e = compare(&w, &l, layer, &quality, false);
        all.worst = fmax(all.worst, e.worst);
        all.sum += e.sum;
        all.n += e.n;
        share = fmax(share, e.sum / e.n);
        ncc_arena_release(&w.arena);
    }
    printf("  %-10s largest %g, mean %.4f, worst layer's mean %.4f codes\n", chain_names[chain], all.worst,
           all.sum / all.n, share);
    assert_true(all.worst <= 1);
    assert_true(share < 0.3);
    if (chain != 4)
        assert_true(all.sum / all.n < 0.02);
}

static void test_layers(void **state)
{
    (void)state;
    random_start("integer layers");
    for (int chain = 0; chain < 6; chain++)
        run_chain(chain);
}

/* The float weights must be met too: 8 bits per channel. */
static void test_weight_quality(void **state)
{
    (void)state;
    random_start("weights");
    double searched = 0, symmetric = 0, asymmetric = 0;
    for (int round = 0; round < 30; round++) {
        double db[3];
        const uint64_t seed = random_bits() | 1;
        double asym = 128;
        for (int kind = 0; kind < 3; kind++) {
            random_state = seed;
            struct world w = begin();
            open_graph(&w);
            struct sample_layer l = make(&w, (struct kpu_conv_attrs){.kernel = 3}, 8, 8, pair(&w, 0.02, 100));
            double lo = 0, hi = 0;
            for (int i = 0; i < 8 * 72; i++) {
                l.w[i] = (float)(l.w[i] + (round % 2 ? fabs(l.w[i]) * 0.8 : 0)); /* often one-sided */
                lo = fmin(lo, l.w[i]);
                hi = fmax(hi, l.w[i]);
            }
            asym = rint(-lo / (hi - lo) * 255);
            l.conv->out[0]->quant = pair(&w, 0.05, 128);
            const struct integer_options options = {.w_zero = kind == 0 ? -1 : kind == 1 ? 128 : (int)asym};
            struct layer_quality quality;
            assert_non_null(ncc_k210_integer_layer(w.g, l.conv, &options, &quality));
            db[kind] = quality.weight_sqnr_db;
            ncc_arena_release(&w.arena);
        }
        /* The multipliers' whole numbers move scales by less than a percent. */
        assert_true(db[0] >= db[1] - 0.1 && db[0] >= db[2] - 0.1);
        searched += db[0];
        symmetric += db[1];
        asymmetric += db[2];
    }
    printf("  weights: searched %.2f dB, zero point 128 %.2f dB, whole range %.2f dB\n", searched / 30, symmetric / 30,
           asymmetric / 30);
    assert_true(searched > symmetric && searched > asymmetric);
}

static void test_odd_channels(void **state)
{
    (void)state;
    random_start("odd channels");
    for (int round = 0; round < 20; round++) {
        struct world w = begin();
        open_graph(&w);
        struct sample_layer l =
            make(&w, (struct kpu_conv_attrs){.kernel = 3, .act = chains[1]}, 4, 6, pair(&w, 0.02, 50));
        for (int i = 0; i < 36; i++) {
            l.w[0 * 36 + i] = 0;                      /* nothing but bias */
            l.w[1 * 36 + i] = fabsf(l.w[1 * 36 + i]); /* one-sided */
            l.w[2 * 36 + i] = -fabsf(l.w[2 * 36 + i]);
            l.w[3 * 36 + i] *= 1e-9f; /* all but nothing */
            l.w[4 * 36 + i] = i % 9 == 4 ? 1.0f : 0;
        }
        l.conv->out[0]->quant = pair(&w, 0.03, 0);
        struct layer_quality quality;
        const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, NULL, &quality);
        assert_non_null(layer);
        const uint8_t *q = layer->in[1]->data;
        for (int i = 0; i < 36; i++) {
            assert_int_equal(q[i], quality.w_zero);
            if (i % 9 != 4)
                assert_int_equal(q[4 * 36 + i], quality.w_zero);
        }
        const struct error e = compare(&w, &l, layer, &quality, false);
        /* Constant results may all lie between two codes: how many there are off by one says nothing. */
        assert_true(e.beyond <= ROUNDING_OF_SLOPES);
        ncc_arena_release(&w.arena);
    }
}

/* Sizes that do not fit the bits unless v is made coarser: still right. */
static void test_huge(void **state)
{
    (void)state;
    random_start("huge values");
    for (int round = 0; round < 20; round++) {
        struct world w = begin();
        open_graph(&w);
        struct sample_layer l = make(&w, (struct kpu_conv_attrs){.kernel = 1}, 8, 4, pair(&w, 1, 10));
        for (int o = 0; o < 4; o++)
            l.bias[o] *= 1e6f;
        for (int i = 0; i < 32; i++)
            l.w[i] *= (float)exp2(random_int(-10, 18));
        l.conv->out[0]->quant = pair(&w, exp2(random_int(-14, 0)), 128);
        struct layer_quality quality;
        const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, NULL, &quality);
        assert_non_null(layer);
        assert_true(quality.acc_bits <= 36 && quality.v_bits <= 36);
        compare(&w, &l, layer, &quality, false);
        ncc_arena_release(&w.arena);
    }
}

/* Weights of one, however much finer the output is than the input: the multiplier has bits for all of it, or v is made
 * coarser. */
static void test_unit_weights(void **state)
{
    (void)state;
    random_start("weights of one");
    for (int fine = 0; fine < 24; fine++) {
        struct world w = begin();
        open_graph(&w);
        struct sample_layer l =
            make(&w, (struct kpu_conv_attrs){.kernel = 1, .depthwise = true}, 5, 5, pair(&w, 0.04, 85));
        for (int i = 0; i < 5; i++)
            l.w[i] = i % 2 ? 1 : -1;
        l.conv->out[0]->quant = pair(&w, ldexp(0.04, -fine), 128);
        struct layer_quality quality;
        const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, NULL, &quality);
        assert_non_null(layer);
        const double *is = real_weights(&w, &l, layer, &quality);
        for (int i = 0; i < 5; i++)
            if (fabs(is[i] - (double)l.w[i]) > 1.0 / 512)
                fail_msg("an output 2^%d times as fine: a weight of %g became %g", fine, (double)l.w[i], is[i]);
        ncc_arena_release(&w.arena);
    }
}

/* The model's input: real = (byte / 255 - mean) / std, whose zero point is not whole. */
static void test_mean_and_std(void **state)
{
    (void)state;
    random_start("mean and std");
    for (int round = 0; round < 20; round++) {
        struct world w = begin();
        open_graph(&w);
        const double mean = random_between(0, 1), std = random_between(0.1, 1);
        const struct quant in = pair(&w, 1 / (255 * std), mean * 255);
        const int kernel = round % 2 ? 3 : 1;
        struct sample_layer l = make(&w, (struct kpu_conv_attrs){.kernel = kernel, .act = chains[1]}, 3, 8, in);
        l.conv->out[0]->quant = output_quant(&w, &l, OP_relu);
        struct layer_quality quality;
        const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, NULL, &quality);
        const struct kpu_layer_attrs *a = layer->attrs;
        assert_int_equal(a->x_zero, (int)rint(mean * 255));
        const struct error inner = compare(&w, &l, layer, &quality, true);
        assert_true(inner.worst <= 1 && inner.sum / inner.n < 0.02);
        /* At the border the pad is the nearest byte to zero: off by half a byte per tap at most. */
        double half_bytes = 0;
        for (int o = 0; o < 8; o++) {
            double sum = 0;
            for (int i = 0; i < 3 * kernel * kernel; i++)
                sum += fabs(l.w[o * 3 * kernel * kernel + i]) / 2;
            half_bytes = fmax(half_bytes, sum);
        }
        const struct error all = compare(&w, &l, layer, &quality, false);
        assert_true(all.worst <= 1 + half_bytes * in.scale[0] / layer->out[0]->quant.scale[0]);
        ncc_arena_release(&w.arena);
    }
}

/* Channels with scales and, for a 1x1 layer, zero points of their own. */
static void test_concat_scales(void **state)
{
    (void)state;
    random_start("scales per channel");
    for (int round = 0; round < 30; round++) {
        struct world w = begin();
        open_graph(&w);
        const int in_c = random_int(2, 16), kernel = round % 2 ? 3 : 1;
        double *scale = NCC_NEW(&w.arena, double, in_c), *zero = NCC_NEW(&w.arena, double, in_c);
        for (int c = 0; c < in_c; c++) {
            scale[c] = exp2(random_between(-7, -4));
            zero[c] = kernel == 1 ? random_int(0, 255) : 31;
        }
        struct sample_layer l =
            make(&w, (struct kpu_conv_attrs){.kernel = kernel}, in_c, 8, (struct quant){in_c, scale, zero});
        l.conv->out[0]->quant = output_quant(&w, &l, N_OPS);
        struct layer_quality quality;
        const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, NULL, &quality);
        const struct error e = compare(&w, &l, layer, &quality, false);
        assert_true(e.worst <= 1 && e.sum / e.n < 0.02);
        ncc_arena_release(&w.arena);
    }
}

static void check_copy(int zero, bool depthwise, bool pad_lowest)
{
    struct world w = begin();
    open_graph(&w);
    const struct kpu_conv_attrs a = {.kernel = 3, .depthwise = depthwise, .copy = true, .pad_lowest = pad_lowest};
    struct sample_layer l = make(&w, a, 3, 3, pair(&w, 0.7, zero));
    const int n_in = depthwise ? 1 : 3;
    memset(l.w, 0, sizeof *l.w * 3 * (size_t)n_in * 9);
    for (int o = 0; o < 3; o++)
        l.w[(o * n_in + (depthwise ? 0 : (o + 1) % 3)) * 9 + 5] = 1; /* from the right */
    l.conv->out[0]->quant = l.x->quant;
    struct layer_quality quality;
    const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, NULL, &quality);
    const struct kpu_layer_attrs *k = layer->attrs;
    assert_int_equal(k->x_zero, pad_lowest ? 0 : zero);
    struct ncc_kpu_table table;
    ncc_kpu_table_unpack(layer->in[3]->data, &table);
    uint8_t x[3 * H * W];
    for (int base = 0; base < 256; base += 100) {
        for (int i = 0; i < 3 * H * W; i++)
            x[i] = (uint8_t)(base + i);
        for (int o = 0; o < 3; o++)
            for (int i = 0; i < H * W; i++) {
                const int from = depthwise ? o : (o + 1) % 3, c = i % W;
                const int want = c == W - 1 ? k->x_zero : x[from * H * W + i + 1];
                assert_int_equal(ncc_kpu_table_apply(&table, integer_sum(&l, layer, x, o, i / W, c)), want);
            }
    }
    ncc_arena_release(&w.arena);
}

static void test_copies(void **state)
{
    (void)state;
    for (int zero = 0; zero < 256; zero += 15)
        for (int kind = 0; kind < 4; kind++)
            check_copy(zero, kind & 1, kind & 2);
}

/* How far a mean pool's codes lie from the real mean, on average. */
static double pool_bias(int code, bool leave_truncated)
{
    const int size = code == 4 ? 4 : 2;
    double bias = 0;
    int n = 0;
    for (int round = 0; round < 20; round++) {
        struct world w = begin();
        open_graph(&w);
        struct sample_layer l = make(&w, (struct kpu_conv_attrs){.kernel = 1, .pool = code}, 8, 8, pair(&w, 0.01, 120));
        l.conv->out[0]->quant = output_quant(&w, &l, N_OPS);
        struct layer_quality quality;
        const struct integer_options options = {.w_zero = -1, .leave_truncated = leave_truncated};
        const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, &options, &quality);
        const double *weights = real_weights(&w, &l, layer, &quality);
        struct ncc_kpu_table table;
        ncc_kpu_table_unpack(layer->in[3]->data, &table);
        uint8_t x[8 * H * W];
        for (int i = 0; i < 8 * H * W; i++)
            x[i] = (uint8_t)random_int(80, 160);
        const struct quant *q = &layer->out[0]->quant;
        for (int o = 0; o < 8; o++) {
            int sum = 0;
            double real = 0;
            for (int i = 0; i < size * size; i++) {
                sum += ncc_kpu_table_apply(&table, integer_sum(&l, layer, x, o, i / size, i % size));
                real += real_sum(&l, &l.x->quant, x, weights, o, i / size, i % size) / (size * size);
            }
            const double want = real / q->scale[0] + q->zero_point[0];
            if (want < 1 || want > 254)
                continue;
            bias += sum / (size * size) - want;
            n++;
        }
        ncc_arena_release(&w.arena);
    }
    return bias / n;
}

/* Means of truncated pools must be right on average; left alone they lack what doc/kpu.md says that they cut off. */
static void test_mean_pools(void **state)
{
    (void)state;
    random_start("mean pools");
    static const struct {
        int code;
        double cut_off;
    } pools[] = {{2, 3.0 / 8}, {4, 15.0 / 32}, {8, 3.0 / 8}};
    for (int k = 0; k < 3; k++) {
        const double bias = pool_bias(pools[k].code, false), left = pool_bias(pools[k].code, true);
        printf("  pool code %d: bias %.3f codes, %.3f where nothing is given back\n", pools[k].code, bias, left);
        assert_true(fabs(bias) < 0.12);
        assert_true(fabs(left + pools[k].cut_off) < 0.12);
    }
}

/* Rounding by few points must not make weights much worse for all other inputs. The inputs are independent, so that the
 * error of the weights is that of the sums. */
static void test_few_points(void **state)
{
    (void)state;
    random_start("few points");
    enum { IN = 32, ROWS = 9 * IN, POINTS = ROWS };
    double db[2];
    for (int by_points = 0; by_points < 2; by_points++) {
        struct world w = begin();
        open_graph(&w);
        random_state = 1234567;
        struct sample_layer l = make(&w, (struct kpu_conv_attrs){.kernel = 3}, IN, 16, pair(&w, 0.02, 0));
        l.conv->out[0]->quant = pair(&w, 0.5, 128);
        const struct patches patches = {.n_points = POINTS,
                                        .rounds = true,
                                        .data = NCC_NEW(&w.arena, float, ROWS *POINTS),
                                        .mean = NCC_NEW(&w.arena, float, ROWS)};
        for (int i = 0; i < ROWS * POINTS; i++)
            patches.data[i] = (float)random_normal();
        const struct integer_options options = {.w_zero = -1, .patches = by_points ? &patches : NULL};
        struct layer_quality quality;
        assert_non_null(ncc_k210_integer_layer(w.g, l.conv, &options, &quality));
        db[by_points] = quality.weight_sqnr_db;
        ncc_arena_release(&w.arena);
    }
    printf("  weights: %.2f dB to the nearest, %.2f dB by points\n", db[0], db[1]);
    assert_true(db[1] < db[0] && db[1] > db[0] - 1);
}

/* Points that only serve the table: weights stay the nearest, and the table errs less at these places. */
static void test_table_of_points(void **state)
{
    (void)state;
    random_start("tables of points");
    enum { IN = 16, OUT = 8, POINTS = 500 };
    double square[2];
    uint8_t weights[2][OUT * IN];
    for (int fitted = 0; fitted < 2; fitted++) {
        struct world w = begin();
        open_graph(&w);
        random_state = 7654321;
        static const struct swish_attrs silu = {1};
        struct kpu_conv_attrs attrs = {.kernel = 1, .act = {1, {{OP_swish, &silu}}}};
        struct sample_layer l = make(&w, attrs, IN, OUT, pair(&w, 0.03, 128));
        l.conv->out[0]->quant = pair(&w, 6.0 / 255, 12);
        const struct patches p = {
            .n_points = POINTS, .data = NCC_NEW(&w.arena, float, IN *POINTS), .mean = NCC_NEW(&w.arena, float, IN)};
        for (int i = 0; i < IN; i++)
            p.mean[i] = (float)random_between(-0.5, 0.5);
        for (int i = 0; i < IN * POINTS; i++)
            p.data[i] = (float)random_normal();
        const float *weight = l.conv->in[1]->data, *bias = l.conv->n_in > 2 ? l.conv->in[2]->data : NULL;
        double sum[OUT * POINTS];
        for (int o = 0; o < OUT; o++)
            for (int k = 0; k < POINTS; k++) {
                sum[o * POINTS + k] = bias ? (double)bias[o] : 0;
                for (int i = 0; i < IN; i++)
                    sum[o * POINTS + k] += (double)weight[o * IN + i] * (double)(p.data[i * POINTS + k] + p.mean[i]);
            }
        const struct integer_options options = {.w_zero = -1, .even_table = !fitted, .patches = &p};
        struct layer_quality quality;
        const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, &options, &quality);
        assert_non_null(layer);
        memcpy(weights[fitted], layer->in[1]->data, sizeof weights[0]);
        struct ncc_kpu_table table;
        ncc_kpu_table_unpack(layer->in[3]->data, &table);
        square[fitted] = 0;
        for (int i = 0; i < OUT * POINTS; i++) {
            const int code = ncc_kpu_table_apply(&table, (int64_t)(sum[i] / quality.v_scale));
            const double ideal = sum[i] / (1 + exp(-sum[i])) / (6.0 / 255) + 12;
            square[fitted] += pow(code - fmin(fmax(ideal, 0), 255), 2) / (OUT * POINTS);
        }
        ncc_arena_release(&w.arena);
    }
    printf("  SiLU: squared error of the table %.3f evenly, %.3f fitted to what it sees\n", square[0], square[1]);
    assert_memory_equal(weights[0], weights[1], sizeof weights[0]);
    assert_true(square[1] < 0.9 * square[0]);
}

/* Codes of 16 bits: the weights lose next to nothing, and all sums fit, also the largest. */
static void test_wide_weights(void **state)
{
    (void)state;
    random_start("wide weights");
    static const int in_c[] = {1, 16, 228, 1024}; /* of 3x3: with 228 the largest code is 65535 or less */
    for (size_t i = 0; i < sizeof in_c / sizeof *in_c; i++) {
        struct layer_quality quality[2];
        int64_t most = 0, largest = 0;
        for (int wide = 0; wide < 2; wide++) {
            struct world w = begin();
            open_graph(&w);
            random_state = 24680 + i;
            struct sample_layer l = make(&w, (struct kpu_conv_attrs){.kernel = 3}, in_c[i], 4, pair(&w, 0.02, 100));
            l.conv->out[0]->quant = output_quant(&w, &l, N_OPS);
            const struct integer_options options = {.w_zero = -1, .weight_bits = wide ? 16 : 8};
            const struct node *layer = ncc_k210_integer_layer(w.g, l.conv, &options, &quality[wide]);
            assert_non_null(layer);
            assert_true(ncc_graph_verify(w.g, "test"));
            assert_int_equal(layer->in[1]->dtype, wide ? DT_I32 : DT_U8);
            for (int o = 0; o < 4 && wide; o++) {
                int64_t sum = 0;
                for (int k = 0; k < 9 * in_c[i]; k++) {
                    const int code = ((const int32_t *)layer->in[1]->data)[o * 9 * in_c[i] + k];
                    assert_in_range(code, 0, 65535);
                    largest = code > largest ? code : largest;
                    sum += 255 * (int64_t)code;
                }
                most = sum > most ? sum : most;
            }
            ncc_arena_release(&w.arena);
        }
        printf("  %4d channels: weights %.1f dB with 8 bits, %.1f dB with 16; acc %d bits\n", in_c[i],
               quality[0].weight_sqnr_db, quality[1].weight_sqnr_db, quality[1].acc_bits);
        assert_true(quality[1].weight_sqnr_db > quality[0].weight_sqnr_db + 30);
        assert_true(quality[1].acc_bits <= 36 && quality[1].v_bits <= 36 && most <= NCC_KPU_ACC_MAX);
        assert_true(largest > (in_c[i] <= 228 ? 60000 : 14000));
    }
}

static void expect_warning(const struct world *w, const char *rule)
{
    if (!rule) {
        assert_int_equal(w->diags.n_warnings, 0);
        return;
    }
    assert_int_equal(w->diags.n_warnings, 1);
    assert_string_equal(w->diags.first->place.node, "conv");
    assert_non_null(strstr(w->diags.first->rule, rule));
    assert_non_null(w->diags.first->found);
    assert_non_null(w->diags.first->remedy);
}

/* Weights of a quantised model: one channel with codes from -below to 0, one with codes from 0 to `above`. */
static void weights_on_grid(int below, int above, const char *rule)
{
    struct world w = begin();
    open_graph(&w);
    struct sample_layer l = make(&w, (struct kpu_conv_attrs){.kernel = 3}, 8, 2, pair(&w, 0.02, 0));
    for (int i = 0; i < 72; i++) {
        l.w[i] = -0.013f * (float)(i == 5 ? below : random_int(0, below));
        l.w[72 + i] = 0.0017f * (float)(i == 9 ? above : random_int(0, above));
    }
    l.w[0] = -0.013f; /* a step of one code, so that the grid is this one */
    l.w[72] = 0.0017f;
    l.conv->out[0]->quant = output_quant(&w, &l, N_OPS);
    assert_non_null(ncc_k210_integer_layer(w.g, l.conv, NULL, NULL));
    expect_warning(&w, rule);
    ncc_arena_release(&w.arena);
}

static void test_zero_points_of_channels(void **state)
{
    (void)state;
    random_start("zero points of channels");
    weights_on_grid(127, 128, NULL);
    weights_on_grid(55, 200, NULL);
    weights_on_grid(55, 201, "around one zero point");
    weights_on_grid(255, 255, "around one zero point");
}

/* A bias of so many codes of the result that v, in 31 bits of add, has `step` codes of the result. */
static void bias_of_codes(double codes, const char *rule)
{
    struct world w = begin();
    open_graph(&w);
    struct sample_layer l = make(&w, (struct kpu_conv_attrs){.kernel = 1}, 8, 4, pair(&w, 0.02, 100));
    l.conv->out[0]->quant = pair(&w, 0.05, 128);
    l.bias[2] = (float)(0.05 * codes);
    assert_non_null(ncc_k210_integer_layer(w.g, l.conv, NULL, NULL));
    expect_warning(&w, rule);
    ncc_arena_release(&w.arena);
}

static void test_coarse_sums(void **state)
{
    (void)state;
    random_start("coarse sums");
    bias_of_codes(0x1p28, NULL);
    bias_of_codes(0x1.fp28, NULL);
    bias_of_codes(0x1.1p29, "finer than the codes");
    bias_of_codes(0x1p40, "finer than the codes");
}

int main(void)
{
    if (setjmp(out_of_memory.env)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_weight_quality),
        cmocka_unit_test(test_odd_channels),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_mean_and_std),
        cmocka_unit_test(test_concat_scales),
        cmocka_unit_test(test_few_points),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_mean_pools),
        cmocka_unit_test(test_unit_weights),
        cmocka_unit_test(test_table_of_points),
        cmocka_unit_test(test_wide_weights),
        cmocka_unit_test(test_zero_points_of_channels),
        cmocka_unit_test(test_coarse_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
