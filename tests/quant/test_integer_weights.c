/* The weights and tables of integer layers: how near they come to the real ones, and what is told where they cannot. */
#include "tests/quant/integer_layer.h"

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
        cmocka_unit_test(test_weight_quality),
        cmocka_unit_test(test_few_points),
        cmocka_unit_test(test_unit_weights),
        cmocka_unit_test(test_table_of_points),
        cmocka_unit_test(test_wide_weights),
        cmocka_unit_test(test_zero_points_of_channels),
        cmocka_unit_test(test_coarse_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
