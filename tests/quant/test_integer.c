/* Integer layers against real arithmetic on the same codes and the same quantised weights. */
#include "tests/quant/integer_layer.h"

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

struct error {
    double worst, sum;
    double beyond; /* codes further from the real result than the nearest code may be: half a code */
    int n;
};

/* What perfect integers may be beyond: a piece of the table multiplies by at least 15 bits, and spans at most 255
 * codes. */
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

int main(void)
{
    if (setjmp(out_of_memory.env)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_odd_channels),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_mean_and_std),
        cmocka_unit_test(test_concat_scales),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_mean_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
