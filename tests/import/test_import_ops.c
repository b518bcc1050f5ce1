/* Every operator: one small model, and what it must give, worked out here by the plainest formula, in the model's own
 * order (n, h, w, c). */
#include "expect_choices.h"
#include "expect_layers.h"
#include "expect_moves.h"
#include "expect_recurrent.h"

/* Fills y[k] from the inputs, all in the model's order. */
typedef void expect_fn(const float *const *x, float *const *y);

struct op_case {
    const char *name;
    expect_fn *expect;
    const char *shapes[4]; /* of the graph's outputs */
};

#define MAP "1x5x3x4"
static const struct op_case cases[] = {
    {"conv_same", conv_same, {"1x4x3x6"}},
    {"conv_dilated", conv_dilated, {"1x3x5x5"}},
    {"conv_groups", conv_groups, {"1x6x4x4"}},
    {"depthwise", depthwise, {"1x4x3x3"}},
    {"depthwise_dilated", depthwise_dilated, {"1x3x3x4"}},
    {"transpose_conv_same", deconv_same, {"1x3x5x5"}},
    {"transpose_conv_even", deconv_even, {"1x3x6x6"}},
    {"transpose_conv_valid", deconv_valid, {"1x3x7x7"}},
    {"transpose_conv_gap", deconv_gap, {"1x3x6x6"}},
    {"convolution2dtransposebias", deconv_custom, {"1x3x5x5"}},
    {"convolution2dtransposebias_valid", deconv_custom_valid, {"1x3x7x7"}},
    {"fully_connected", fully_connected, {"1x5"}},
    {"fully_connected_keep", fully_connected_keep, {"1x3x2"}},
    {"fully_connected_hybrid", fully_connected_hybrid, {"1x2"}},
    {"average_pool", average_pool, {"1x2x3x3"}},
    {"max_pool", max_pool, {"1x2x3x3"}},
    {"relu", unary_relu, {MAP}},
    {"relu6", unary_relu6, {MAP}},
    {"relu_n1_to_1", unary_relu_n1, {MAP}},
    {"relu_0_to_1", unary_relu_0, {MAP}},
    {"leaky_relu", unary_leaky, {MAP}},
    {"elu", unary_elu, {MAP}},
    {"logistic", unary_logistic, {MAP}},
    {"tanh", unary_tanh, {MAP}},
    {"hard_swish", unary_hard_swish, {MAP}},
    {"abs", unary_abs, {MAP}},
    {"neg", unary_neg, {MAP}},
    {"exp", unary_exp, {MAP}},
    {"log", unary_log, {MAP}},
    {"sqrt", unary_sqrt, {MAP}},
    {"rsqrt", unary_rsqrt, {MAP}},
    {"square", unary_square, {MAP}},
    {"sin", unary_sin, {MAP}},
    {"cos", unary_cos, {MAP}},
    {"floor", unary_floor, {MAP}},
    {"ceil", unary_ceil, {MAP}},
    {"round", unary_round, {MAP}},
    {"pow", unary_pow, {MAP}},
    {"cast", unary_cast, {MAP}},
    {"softmax", softmax, {MAP}},
    {"l2_normalization", l2_normalization, {MAP}},
    {"add", binary_add, {MAP}},
    {"add_relu", binary_add_relu, {MAP}},
    {"sub", binary_sub, {MAP}},
    {"mul", binary_mul, {MAP}},
    {"div", binary_div, {MAP}},
    {"maximum", binary_max, {MAP}},
    {"minimum", binary_min, {MAP}},
    {"squared_difference", binary_sqdiff, {MAP}},
    {"prelu", binary_prelu, {MAP}},
    {"dequantize", dequantize, {"1x2x2x3"}},
    {"quantize", quantize, {"1x3x2x3"}},
    {"fixed_point", fixed_point, {"1x2x4x5"}},
    {"mean", reduce_mean, {"1x5", "1x1x3x4", "1x3x5"}},
    {"sum", reduce_sum, {"1x5", "1x1x3x4", "1x3x5"}},
    {"reduce_max", reduce_max, {"1x5", "1x1x3x4", "1x3x5"}},
    {"reduce_min", reduce_min, {"1x5", "1x1x3x4", "1x3x5"}},
    {"reduce_prod", reduce_prod, {"1x5", "1x1x3x4", "1x3x5"}},
    {"reshape", same_elements, {"1x24", "1x6x4", "1x12x2", "1x2x2x6"}},
    {"squeeze_expand", squeeze_expand, {"1x5x3", "1x3x5x1", "5x3"}},
    {"transpose", transpose, {"1x4x3x2", "1x3x2x4", "4x2x1x3"}},
    {"shape", same_elements, {"1x6x4"}},
    {"pack_unpack", pack_unpack, {"1x2x2x4", "1x2x4"}},
    {"concatenation", concatenation, {"1x7x2x3", "1x4x4x3"}},
    {"split", split, {"1x2x4x3", "1x2x4x3", "1x6x1x3", "1x6x3x3"}},
    {"slice", slice, {"1x2x3x4"}},
    {"strided_slice", strided_slice, {"1x6x2x4", "1x5x4", "1x1x1x4x6", "1x3x2x4"}},
    {"gather", gather, {"1x3x3x2", "1x2x5"}},
    {"tile", tile, {"1x6x2x4"}},
    {"pad", pad, {"1x6x5x4", "1x6x5x4"}},
    {"mirror_pad_reflect", mirror_reflect, {"1x3x6x7"}},
    {"mirror_pad_symmetric", mirror_symmetric, {"1x3x6x7"}},
    {"resize_bilinear", bilinear_plain, {"1x2x6x7"}},
    {"resize_bilinear_align", bilinear_align, {"1x2x6x7"}},
    {"resize_bilinear_half", bilinear_half, {"1x2x6x7"}},
    {"resize_nearest_neighbor", nearest_plain, {"1x2x6x7"}},
    {"resize_nearest_neighbor_align", nearest_align, {"1x2x6x7"}},
    {"resize_nearest_neighbor_half", nearest_half, {"1x2x6x7"}},
    {"depth_to_space", depth_to_space, {"1x2x4x6"}},
    {"space_to_depth", space_to_depth, {"1x8x2x3"}},
    {"equal", compare_equal, {MAP}},
    {"not_equal", compare_not_equal, {MAP}},
    {"less", compare_less, {MAP}},
    {"less_equal", compare_less_equal, {MAP}},
    {"greater", compare_greater, {MAP}},
    {"greater_equal", compare_greater_equal, {MAP}},
    {"logical_and", logical_and, {MAP}},
    {"logical_or", logical_or, {MAP}},
    {"logical_not", logical_not, {MAP}},
    {"reduce_any", reduce_any, {"1x4x5"}},
    {"reduce_all", reduce_all, {"1x4x5"}},
    {"select", select_rows, {"3x4"}},
    {"select_v2", select_v2, {MAP}},
    {"where", where, {"3x2", "4x2"}},
    {"arg_max", arg_max, {"1x3x4"}},
    {"arg_min", arg_min, {"1x4x5"}},
    {"topk_v2", top_2, {"1x2x3x4", "1x2x3x4"}},
    {"one_hot", one_hot, {MAP}},
    {"log_softmax", log_softmax, {MAP}},
    {"local_response_normalization", response_normalization, {MAP}},
    {"fake_quant", fake_quant, {MAP}},
    {"gelu", gelu, {MAP}},
    {"sign", sign, {MAP}},
    {"floor_div", floor_div, {MAP}},
    {"floor_mod", floor_mod, {MAP}},
    {"floor_integers", floor_integers, {"6", "6"}},
    {"add_n", add_n, {MAP}},
    {"batch_matmul", batch_matmul, {"2x3x5"}},
    {"fully_connected_computed", computed_weights, {"2x3"}},
    {"cumsum", cumsum, {MAP, MAP}},
    {"unidirectional_sequence_rnn", unidirectional_sequence_rnn, {"2x3x5"}},
    {"unidirectional_sequence_lstm", unidirectional_sequence_lstm, {"2x3x5"}},
    {"unidirectional_sequence_lstm_coupled", sequence_lstm_coupled, {"3x2x5"}},
    {"unidirectional_sequence_lstm_peepholes", sequence_lstm_peepholes, {"2x3x5"}},
    {"l2_pool_2d", l2_pool, {"1x2x3x3"}},
    {"space_to_batch_nd", space_to_batch, {"4x2x2x3"}},
    {"batch_to_space_nd", batch_to_space, {"1x2x3x4"}},
    {"dilated", dilated, {"1x3x7x6"}},
    {"dilated_depthwise", dilated_depthwise, {"1x2x7x6"}},
    {"reverse_v2", reverse, {MAP}},
    {"gather_nd", gather_nd, {"2x2"}},
    {"embedding_lookup", embedding_lookup, {"3x3"}},
    {"broadcast_to", broadcast_to, {"2x3x4"}},
    {"fill", fill, {"2x3", "2x3"}},
    {"quantize_int16", quantize_int16, {MAP}},
    {"densify", densify, {"3x4", "3x4"}},
    {"four_bits", four_bits, {"1x2"}},
    {"many_parts", many_parts, {"1x2", "1x2x1"}},
    {"shuffle", shuffle, {"1x2x2x3"}},
    {"sequence", sequence, {"1x6x2"}},
};

static void compare(const struct op_case *c, int k, struct shape shape, const float *want, const float *got)
{
    char text[80];
    assert_string_equal(ncc_shape_text(shape, text), c->shapes[k]);
    float own[MOST];
    const int n = (int)ncc_shape_count(shape);
    memcpy(own, got, (size_t)n * sizeof(float));
    if (shape.rank == 4)
        swap_layout(shape, got, own, false);
    for (int i = 0; i < n; i++) {
        const bool same = own[i] == want[i] || (isnan(own[i]) && isnan(want[i]));
        if (!same && !(fabsf(own[i] - want[i]) <= 2e-5f * fmaxf(1, fabsf(want[i]))))
            fail_msg("%s: output %d, element %d is %g instead of %g", c->name, k, i, (double)own[i], (double)want[i]);
    }
}

static void run_case(const struct op_case *c)
{
    static float native[3][MOST], fed[3][MOST], want[4][MOST];
    const float *x[3] = {native[0], native[1], native[2]}, *feed[3] = {fed[0], fed[1], fed[2]};
    float *y[5] = {want[0], want[1], want[2], want[3], NULL}, *out[5];
    struct loaded l;
    load_model(&l, c->name, NULL);
    expect_graph(&l, c->name);
    assert_int_equal(l.diags.n_warnings, 0);
    for (int k = 0; k < l.g->inputs.n; k++) {
        const struct shape shape = l.g->inputs.v[k]->shape;
        for (int i = 0; i < MOST; i++)
            native[k][i] = fed[k][i] = input_pattern(i, k);
        if (shape.rank == 4)
            swap_layout(shape, native[k], fed[k], true);
    }
    c->expect(x, y);
    run_graph(l.g, EVAL_REFERENCE, feed, out);
    for (int k = 0; k < l.g->outputs.n; k++) {
        compare(c, k, l.g->outputs.v[k].value->shape, want[k], out[k]);
        free(out[k]);
    }
    unload(&l);
}

static void every_operator(void **state)
{
    (void)state;
    skip_without_models();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(&cases[i]);
}

/* Every row of the table has a model of its name here: add one with a new row. */
static void no_operator_is_forgotten(void **state)
{
    static const char *const names[] = {
#define TF_OP(code, name, ...) #name,
#define TF_CUSTOM(name, ...) #name,
#define TF_NAME(code, name)
#include "compiler/import/tflite_ops.def"
#undef TF_OP
#undef TF_CUSTOM
#undef TF_NAME
    };
    /* tested under another name, or as one of several */
    static const char *const elsewhere[] = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "AVERAGE_POOL_2D",
                                            "MAX_POOL_2D", "SQUEEZE", "EXPAND_DIMS", "PACK", "UNPACK", "SPLIT_V",
                                            "PADV2", "MIRROR_PAD", "ZEROS_LIKE", "RANGE", "RANK"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
            found |= strcasecmp(cases[k].name, names[i]) == 0;
        for (size_t k = 0; k < sizeof elsewhere / sizeof *elsewhere; k++)
            found |= strcmp(elsewhere[k], names[i]) == 0;
        if (!found)
            fail_msg("no test for %s", names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator),
        cmocka_unit_test(no_operator_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
