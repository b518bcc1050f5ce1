/* Caffe layers with weights, pools, and what works element by element: a net of each, and what it must give. */
#define CAFFE_NET "layers"
#include "caffe_layer.h"

/* ---- layers with weights ---- */

static void convolutions(void **state)
{
    static const struct layer_blobs full[] = {{"l", {6 * 4 * 9, 6}}, {0}}, grouped[] = {{"l", {6 * 2 * 2 * 3}}, {0}},
                                    depthwise[] = {{"l", {4 * 9, 4}}, {0}}, up[] = {{"l", {4 * 3 * 16, 6}}, {0}},
                                    gap[] = {{"l", {4 * 2 * 9, 2}}, {0}};
    const struct map x = test_map(C, H, W, 0);
    struct map y;
    (void)state;
    expect_conv(&x, &(struct sliding){6, 3, 3, 2, 2, 1, 1, 1, 1, 1}, true, &y);
    expect_map(NET("Convolution", "convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1 }"), full, &y);
    expect_conv(&x, &(struct sliding){6, 3, 3, 1, 1, 2, 2, 2, 2, 1}, true, &y);
    expect_map(NET("Convolution", "convolution_param { num_output: 6 kernel_size: 3 pad: 2 dilation: 2 }"), full, &y);
    expect_conv(&x, &(struct sliding){6, 2, 3, 1, 2, 0, 1, 1, 1, 2}, false, &y);
    expect_map(NET("Convolution", "convolution_param { num_output: 6 kernel_h: 2 kernel_w: 3 stride_w: 2 stride_h: 1 "
                                  "pad_w: 1 group: 2 bias_term: false }"),
               grouped, &y);
    expect_map(NET("Convolution", "convolution_param { num_output: 6 kernel_size: 2 kernel_size: 3 stride: [1, 2] "
                                  "pad: 0 pad: 1 group: 2 bias_term: false }"),
               grouped, &y);
    expect_conv(&x, &(struct sliding){4, 3, 3, 1, 1, 1, 1, 1, 1, 4}, true, &y);
    expect_map(NET("DepthwiseConvolution", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }"), depthwise, &y);
    expect_map(NET("ConvolutionDepthwise", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 4 }"),
               depthwise, &y);
    expect_deconv(&x, &(struct sliding){6, 4, 4, 2, 2, 1, 1, 1, 1, 2}, true, &y);
    expect_map(NET("Deconvolution", "convolution_param { num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2 }"), up,
               &y);
    expect_deconv(&x, &(struct sliding){2, 3, 3, 3, 3, 0, 0, 1, 1, 1}, true, &y);
    expect_map(NET("Deconvolution", "convolution_param { num_output: 2 kernel_size: 3 stride: 3 }"), gap, &y);
}

static void inner_products(void **state)
{
    static const struct layer_blobs whole[] = {{"l", {3 * 120, 3}}, {0}}, rows[] = {{"l", {30 * 2}}, {0}};
    struct loaded l;
    float *out[2], want[8];
    const struct map x = test_map(C, H, W, 0);
    (void)state;
    for (int o = 0; o < 3; o++) {
        double sum = (double)weight(o, 1);
        for (int i = 0; i < 120; i++)
            sum += (double)x.v[i] * (double)weight(o * 120 + i, 0);
        want[o] = (float)sum;
    }
    run_net(&l, NET("InnerProduct", "inner_product_param { num_output: 3 }"), whole, out);
    expect_shape(&l, 0, "1x3");
    expect_same("InnerProduct", want, out[0], 3);
    free(out[0]);
    unload(&l);
    for (int k = 0; k < 8; k++) {
        double sum = 0;
        for (int i = 0; i < 30; i++)
            sum += (double)x.v[k / 2 * 30 + i] * (double)weight(i * 2 + k % 2, 0);
        want[k] = (float)sum;
    }
    run_net(&l, NET("InnerProduct", "inner_product_param { num_output: 2 bias_term: false axis: -2 transpose: true }"),
            rows, out);
    expect_shape(&l, 0, "1x4x2");
    expect_same("InnerProduct, transposed", want, out[0], 8);
    free(out[0]);
    unload(&l);
}

/* ---- pools ---- */

/* Every combination of sizes; where a window would lie outside of the map altogether, the net is refused. */
static void pools(void **state)
{
    int n_run = 0, n_refused = 0;
    (void)state;
    for (int i = 0; i < 2 * 2 * 4 * 4 * 3 * 4; i++) {
        const bool mean = i & 1, round_down = i & 2;
        const int size = 4 + i / 4 % 4, kernel = 1 + i / 16 % 4, stride = 1 + i / 64 % 3, pad = i / 192;
        char text[400];
        struct loaded l;
        struct map x = test_map(2, size, size + 1, 0), y;
        if (pad >= kernel)
            continue;
        snprintf(
            text, sizeof text,
            "input: \"x\" input_dim: 1 input_dim: 2 input_dim: %d input_dim: %d layer { name: \"p\" type: "
            "\"Pooling\" bottom: \"x\" top: \"y\" pooling_param { pool: %s kernel_size: %d stride: %d pad: %d %s } }",
            size, size + 1, mean ? "AVE" : "MAX", kernel, stride, pad,
            !round_down ? ""
            : i % 3     ? "round_mode: FLOOR"
                        : "ceil_mode: false");
        expect_pool(&x, kernel, stride, pad, mean, round_down, &y);
        if ((y.h - 1) * stride - pad >= x.h || (y.w - 1) * stride - pad >= x.w) {
            load_net(&l, text, NULL, NULL);
            assert_true(!l.g && has_message(&l, "each window must hold a part of the map"));
            unload(&l);
            n_refused++;
            continue;
        }
        expect_map(text, NULL, &y);
        n_run++;
    }
    print_message("%d pools run, %d refused\n", n_run, n_refused);
    assert_true(n_run > 400 && n_refused > 0);
    const struct map x = test_map(C, H, W, 0);
    struct map y = {C, 1, 1, {0}};
    for (int c = 0; c < C; c++) {
        double sum = 0;
        for (int i = 0; i < H * W; i++)
            sum += (double)x.v[c * H * W + i];
        y.v[c] = (float)(sum / (H * W));
    }
    expect_map(NET("Pooling", "pooling_param { pool: AVE global_pooling: true }"), NULL, &y);
}

/* ---- element by element ---- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

typedef double unary_fn(double x, int c);

static double f_relu(double x, int c)
{
    return (void)c, fmax(x, 0);
}
static double f_leaky(double x, int c)
{
    return (void)c, x > 0 ? x : 0.25 * x;
}
static double f_relu6(double x, int c)
{
    return (void)c, fmin(6, fmax(x, 0));
}
static double f_clip(double x, int c)
{
    return (void)c, fmin(0.75, fmax(x, -0.5));
}
static double f_elu(double x, int c)
{
    return (void)c, x > 0 ? x : 0.5 * (exp(x) - 1);
}
static double f_swish(double x, int c)
{
    return (void)c, x * sigmoid(2 * x);
}
static double f_sigmoid(double x, int c)
{
    return (void)c, sigmoid(x);
}
static double f_tanh(double x, int c)
{
    return (void)c, tanh(x);
}
static double f_abs(double x, int c)
{
    return (void)c, fabs(x);
}
static double f_bnll(double x, int c)
{
    return (void)c, log(1 + exp(x));
}
static double f_mish(double x, int c)
{
    return (void)c, x * tanh(log(1 + exp(x)));
}

static double f_power(double x, int c)
{
    return (void)c, pow(3 + 0.5 * x, 1.5);
}
static double f_square(double x, int c)
{
    return (void)c, (x - 1) * (x - 1);
}
static double f_linear(double x, int c)
{
    return (void)c, 2 * x + 1;
}
static double f_exp(double x, int c)
{
    return (void)c, exp(x);
}
static double f_exp2(double x, int c)
{
    return (void)c, pow(2, 0.5 + 0.25 * x);
}
static double f_log(double x, int c)
{
    return (void)c, log(4 + x);
}
static double f_log10(double x, int c)
{
    return (void)c, log10(4 + 0.5 * x);
}
static double f_same(double x, int c)
{
    return (void)c, x;
}
static double f_prelu(double x, int c)
{
    return x > 0 ? x : (double)weight(c, 0) * x;
}
static double f_prelu_shared(double x, int c)
{
    return (void)c, x > 0 ? x : (double)weight(0, 0) * x;
}
static double f_scale(double x, int c)
{
    return x * (double)weight(c, 0) + (double)weight(c, 1);
}
static double f_bias(double x, int c)
{
    return x + (double)weight(c, 0);
}
static double f_bias_one(double x, int c)
{
    return (void)c, x + (double)weight(0, 0);
}

static double f_norm(double x, int c)
{
    const double count = (double)weight_of("bn", 0, 2);
    const double mean = (double)weight_of("bn", c, 0) / count, variance = (double)weight_of("bn", c, 1) / count;
    return (x - mean) / sqrt(variance + 1e-3);
}

static void unary(void **state)
{
    static const struct layer_blobs none[] = {{0}}, four[] = {{"l", {4}}, {0}}, one[] = {{"l", {1}}, {0}},
                                    two[] = {{"l", {4, 4}}, {0}}, norm[] = {{"bn", {4, 4, 1}}, {0}};
    static const struct {
        const char *text;
        unary_fn *f;
        const struct layer_blobs *blobs;
    } cases[] = {
        {NET("ReLU", ""), f_relu, none},
        {NET("ReLU", "relu_param { negative_slope: 0.25 }"), f_leaky, none},
        {NET("ReLU6", ""), f_relu6, none},
        {NET("Clip", "clip_param { min: -0.5 max: 0.75 }"), f_clip, none},
        {NET("ELU", "elu_param { alpha: 0.5 }"), f_elu, none},
        {NET("Swish", "swish_param { beta: 2 }"), f_swish, none},
        {NET("Sigmoid", ""), f_sigmoid, none},
        {NET("TanH", ""), f_tanh, none},
        {NET("AbsVal", ""), f_abs, none},
        {NET("BNLL", ""), f_bnll, none},
        {NET("Mish", ""), f_mish, none},
        {NET("Power", "power_param { power: 1.5 scale: 0.5 shift: 3 }"), f_power, none},
        {NET("Power", "power_param { power: 2 shift: -1 }"), f_square, none},
        {NET("Power", "power_param { scale: 2 shift: 1 }"), f_linear, none},
        {NET("Exp", ""), f_exp, none},
        {NET("Exp", "exp_param { base: 2 shift: 0.5 scale: 0.25 }"), f_exp2, none},
        {NET("Log", "log_param { shift: 4 }"), f_log, none},
        {NET("Log", "log_param { base: 10 shift: 4 scale: 0.5 }"), f_log10, none},
        {NET("Dropout", "dropout_param { dropout_ratio: 0.4 }"), f_same, none},
        {NET("PReLU", ""), f_prelu, four},
        {NET("PReLU", "prelu_param { channel_shared: true }"), f_prelu_shared, one},
        {NET("Scale", "scale_param { bias_term: true }"), f_scale, two},
        {NET("Bias", ""), f_bias, four},
        {NET("Bias", "bias_param { num_axes: 0 }"), f_bias_one, one},
        {MAP_INPUT "layer { name: \"bn\" type: \"BatchNorm\" bottom: \"x\" top: \"y\" batch_norm_param { eps: 1e-3 } }",
         f_norm, norm},
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct map y = test_map(C, H, W, 0);
        for (int i = 0; i < C * H * W; i++)
            y.v[i] = (float)cases[k].f((double)y.v[i], i / (H * W));
        expect_map(cases[k].text, cases[k].blobs, &y);
    }
}

#define TWO   MAP_INPUT INPUT("z", "dim: 1 dim: 4 dim: 5 dim: 6")
#define THREE TWO INPUT("t", "dim: 1 dim: 4 dim: 5 dim: 6")
#define ELTWISE(inputs, bottoms, param)                                                                                \
    inputs "layer { name: \"l\" type: \"Eltwise\" " bottoms " top: \"y\" eltwise_param { " param " } }"
#define X_Z   "bottom: \"x\" bottom: \"z\""
#define X_Z_T X_Z " bottom: \"t\""

typedef double ternary_fn(double x, double z, double t);
static double f_sum(double x, double z, double t)
{
    return x + z + t;
}
static double f_sum2(double x, double z, double t)
{
    return (void)t, x + z;
}
static double f_difference(double x, double z, double t)
{
    return (void)t, x - z;
}
static double f_weighted(double x, double z, double t)
{
    return 0.5 * x - z + 2 * t;
}
static double f_product(double x, double z, double t)
{
    return x * z * t;
}
static double f_largest(double x, double z, double t)
{
    return fmax(x, fmax(z, t));
}

static void several_operands(void **state)
{
    static const struct {
        const char *text;
        ternary_fn *f;
    } cases[] = {
        {ELTWISE(TWO, X_Z, ""), f_sum2},
        {ELTWISE(THREE, X_Z_T, "operation: SUM"), f_sum},
        {ELTWISE(TWO, X_Z, "coeff: 1 coeff: -1"), f_difference},
        {ELTWISE(THREE, X_Z_T, "coeff: 0.5 coeff: -1 coeff: 2"), f_weighted},
        {ELTWISE(THREE, X_Z_T, "operation: PROD"), f_product},
        {ELTWISE(THREE, X_Z_T, "operation: MAX"), f_largest},
    };
    const struct map x = test_map(C, H, W, 0), z = test_map(C, H, W, 1), t = test_map(C, H, W, 2);
    struct map y = x;
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        for (int i = 0; i < C * H * W; i++)
            y.v[i] = (float)cases[k].f((double)x.v[i], (double)z.v[i], (double)t.v[i]);
        expect_map(cases[k].text, NULL, &y);
    }
    /* A factor and an offset per channel that are computed; then along other axes. */
    for (int i = 0; i < C * H * W; i++)
        y.v[i] = input_pattern(i / (H * W), 0) * input_pattern(i, 1) + input_pattern(i, 2);
    expect_map(INPUT("s", "dim: 1 dim: 4 dim: 1 dim: 1") TWO "layer { name: \"l\" type: \"Axpy\" bottom: \"s\" bottom: "
                                                             "\"x\" bottom: \"z\" top: \"y\" }",
               NULL, &y);
    for (int i = 0; i < C * H * W; i++)
        y.v[i] = x.v[i] * input_pattern(i / W % H, 1);
    expect_map(MAP_INPUT INPUT("z", "dim: 5") "layer { name: \"l\" type: \"Scale\" " X_Z
                                              " top: \"y\" scale_param { axis: 2 } }",
               NULL, &y);
    for (int i = 0; i < C * H * W; i++)
        y.v[i] = x.v[i] + input_pattern(i, 1);
    expect_map(ELTWISE(TWO, X_Z, ""), NULL, &y);
    expect_map(TWO "layer { name: \"l\" type: \"Bias\" " X_Z " top: \"y\" bias_param { axis: 0 } }", NULL, &y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(inner_products),
        cmocka_unit_test(unary),
        cmocka_unit_test(several_operands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
