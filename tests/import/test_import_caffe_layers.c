/* Every type of Caffe layer: a net of one layer, and what it must give. */
#define CAFFE_NET "layers"
#include "expect_caffe.h"

#include <sys/stat.h>

/* ---- running a net of one layer ---- */

#define C                 4
#define H                 5
#define W                 6
#define INPUT(name, dims) "input: \"" name "\" input_shape { " dims " } "
#define MAP_INPUT         INPUT("x", "dim: 1 dim: 4 dim: 5 dim: 6")
#define LAYER(type, more) "layer { name: \"l\" type: \"" type "\" bottom: \"x\" top: \"y\" " more " }"
#define NET(type, more)   MAP_INPUT LAYER(type, more)

static struct map test_map(int c, int h, int w, int input)
{
    struct map m = {c, h, w, {0}};
    for (int i = 0; i < c * h * w; i++)
        m.v[i] = input_pattern(i, input);
    return m;
}

/* The last nets stay, as seeds for fuzz/. */
static void keep_net(const char *text, const struct layer_blobs *blobs)
{
    enum { N_KEPT = 128 };
    static const struct layer_blobs none[] = {{0}};
    static const char folder[] = NCC_BINARY_DIR "/tests/import/caffe";
    static int n;
    char paths[2][300];
    mkdir(folder, 0777);
    snprintf(paths[0], sizeof paths[0], "%s/%03d.prototxt", folder, n % N_KEPT);
    snprintf(paths[1], sizeof paths[1], "%s/%03d.caffemodel", folder, n % N_KEPT);
    write_files(paths[0], paths[1], text, blobs ? blobs : none);
    n++;
}

/* Loads the net and runs it on the pattern; the outputs are to be freed, up to NULL. */
static void run_net(struct loaded *l, const char *text, const struct layer_blobs *blobs, float **out)
{
    static float x[3][MOST];
    const float *in[3] = {x[0], x[1], x[2]};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < MOST; i++)
            x[k][i] = input_pattern(i, k);
    load_net(l, text, blobs, NULL);
    keep_net(text, blobs);
    expect_graph(l, text);
    run_graph(l->g, EVAL_FAST, in, out);
}

static void expect_same(const char *what, const float *want, const float *got, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabsf(want[i] - got[i]) <= 2e-5f * fmaxf(1, fabsf(want[i]))))
            fail_msg("%s: element %d is %g instead of %g", what, i, (double)got[i], (double)want[i]);
}

static void expect_shape(const struct loaded *l, int k, const char *shape)
{
    char text[80];
    assert_string_equal(ncc_shape_text(l->g->outputs.v[k].value->shape, text), shape);
}

/* The only output is this map. */
static void expect_map(const char *text, const struct layer_blobs *blobs, const struct map *want)
{
    struct loaded l;
    float *out[4];
    char shape[80], expected[80];
    run_net(&l, text, blobs, out);
    snprintf(expected, sizeof expected, "1x%dx%dx%d", want->c, want->h, want->w);
    ncc_shape_text(l.g->outputs.v[0].value->shape, shape);
    if (strcmp(shape, expected))
        fail_msg("%s: %s instead of %s", text, shape, expected);
    expect_same(text, want->v, out[0], want->c * want->h * want->w);
    free(out[0]);
    unload(&l);
}

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

/* ---- over axes ---- */

static void softmax_and_reductions(void **state)
{
    static const char *const names[] = {"SUM", "ASUM", "SUMSQ", "MEAN"};
    const struct map x = test_map(C, H, W, 0);
    struct map y = x;
    (void)state;
    for (int i = 0; i < C * H * W; i++) {
        double sum = 0;
        for (int k = 0; k < W; k++)
            sum += exp((double)x.v[i / W * W + k]);
        y.v[i] = (float)(exp((double)x.v[i]) / sum);
    }
    expect_map(NET("Softmax", "softmax_param { axis: -1 }"), NULL, &y);
    for (int kind = 0; kind < 4; kind++) {
        char text[400];
        struct loaded l;
        float *out[2], want[C];
        for (int c = 0; c < C; c++) {
            double sum = 0;
            for (int i = 0; i < H * W; i++) {
                const double v = (double)x.v[c * H * W + i];
                sum += kind == 1 ? fabs(v) : kind == 2 ? v * v : v;
            }
            want[c] = (float)(0.5 * (kind == 3 ? sum / (H * W) : sum));
        }
        snprintf(text, sizeof text, NET("Reduction", "reduction_param { operation: %s axis: 2 coeff: 0.5 }"),
                 names[kind]);
        run_net(&l, text, NULL, out);
        expect_shape(&l, 0, "1x4");
        expect_same(text, want, out[0], C);
        free(out[0]);
        unload(&l);
    }
}

static void largest_elements(void **state)
{
    const struct map x = test_map(C, H, W, 0);
    struct map place = {1, H, W, {0}}, value = {1, H, W, {0}};
    struct loaded l;
    float *out[2], both[2] = {0, -INFINITY};
    (void)state;
    for (int i = 0; i < H * W; i++) {
        value.v[i] = -INFINITY;
        for (int c = 0; c < C; c++)
            if (x.v[c * H * W + i] >= value.v[i]) {
                place.v[i] = (float)c;
                value.v[i] = x.v[c * H * W + i];
            }
    }
    for (int i = 0; i < C * H * W; i++)
        if (x.v[i] >= both[1]) {
            both[0] = (float)i;
            both[1] = x.v[i];
        }
    expect_map(NET("ArgMax", "argmax_param { axis: 1 }"), NULL, &place);
    expect_map(NET("ArgMax", "argmax_param { axis: -3 out_max_val: true }"), NULL, &value);
    run_net(&l, NET("ArgMax", "argmax_param { out_max_val: true }"), NULL, out);
    expect_shape(&l, 0, "1x2x1");
    expect_same("ArgMax", both, out[0], 2);
    free(out[0]);
    unload(&l);
    run_net(&l, NET("ArgMax", ""), NULL, out);
    expect_shape(&l, 0, "1x1x1");
    expect_same("ArgMax", both, out[0], 1);
    free(out[0]);
    unload(&l);
}

static void norms(void **state)
{
    static const struct layer_blobs four[] = {{"l", {4}}, {0}}, one[] = {{"l", {1}}, {0}};
    const struct map x = test_map(C, H, W, 0);
    struct map lrn = x, within = x, mvn = x, centred = x, pixel = x, whole = x;
    double all = 0;
    (void)state;
    for (int i = 0; i < C * H * W; i++)
        all += (double)x.v[i] * (double)x.v[i];
    for (int c = 0; c < C; c++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < H * W; i++)
            sum += (double)x.v[c * H * W + i] / (H * W);
        for (int i = 0; i < H * W; i++)
            squares += pow((double)x.v[c * H * W + i] - sum, 2) / (H * W);
        for (int i = 0; i < H * W; i++) {
            double near = 0, around = 0, column = 0;
            for (int k = -1; k <= 1; k++)
                near += c + k >= 0 && c + k < C ? pow((double)x.v[(c + k) * H * W + i], 2) : 0;
            for (int k = 0; k < 9; k++)
                around += pow((double)padded(&x, c, i / W + k / 3 - 1, i % W + k % 3 - 1), 2);
            for (int k = 0; k < C; k++)
                column += pow((double)x.v[k * H * W + i], 2);
            const int at = c * H * W + i;
            const double v = (double)x.v[at];
            lrn.v[at] = (float)(v * pow(2 + 0.5 / 3 * near, -0.75));
            within.v[at] = (float)(v * pow(1 + 0.5 / 9 * around, -0.75));
            centred.v[at] = (float)(v - sum);
            mvn.v[at] = (float)((v - sum) / (sqrt(squares) + 1e-9));
            pixel.v[at] = (float)(v / sqrt(column + 1e-10) * (double)weight(c, 0));
            whole.v[at] = (float)(v / sqrt(all + 1e-10) * (double)weight(0, 0));
        }
    }
    expect_map(NET("LRN", "lrn_param { local_size: 3 alpha: 0.5 k: 2 }"), NULL, &lrn);
    expect_map(NET("LRN", "lrn_param { local_size: 3 alpha: 0.5 k: 2 norm_region: WITHIN_CHANNEL }"), NULL, &within);
    expect_map(NET("MVN", ""), NULL, &mvn);
    expect_map(NET("MVN", "mvn_param { normalize_variance: false }"), NULL, &centred);
    expect_map(NET("Normalize", "norm_param { across_spatial: false channel_shared: false }"), four, &pixel);
    expect_map(NET("Normalize", ""), one, &whole);
}

/* ---- moving elements ---- */

/* Output k has this shape, and its element i is the input's element from[i]. */
static void expect_moved(const struct loaded *l, float *const *out, int k, const char *shape, const int *from, int n)
{
    expect_shape(l, k, shape);
    for (int i = 0; i < n; i++)
        if (out[k][i] != input_pattern(from[i], 0))
            fail_msg("output %d, element %d is %g instead of %g", k, i, (double)out[k][i],
                     (double)input_pattern(from[i], 0));
}

static void reshapes(void **state)
{
    static const struct {
        const char *text, *shape;
    } cases[] = {
        {NET("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 2 } }"), "1x60x2"},
        {NET("Reshape", "reshape_param { shape { dim: 2 dim: 2 } axis: 1 num_axes: 1 }"), "1x2x2x5x6"},
        {NET("Reshape", "reshape_param { shape { dim: -1 } axis: -3 }"), "1x4x30"},
        {NET("Reshape", "reshape_param { shape { dim: 1 } axis: -1 }"), "1x4x5x6x1"},
        {NET("Flatten", ""), "1x120"},
        {NET("Flatten", "flatten_param { axis: 2 end_axis: 3 }"), "1x4x30"},
        {NET("Flatten", "flatten_param { axis: 0 end_axis: 1 }"), "4x5x6"},
        {NET("Permute", "permute_param { order: 0 order: 1 }"), "1x4x5x6"},
    };
    int from[C * H * W];
    (void)state;
    for (int i = 0; i < C * H * W; i++)
        from[i] = i;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct loaded l;
        float *out[2];
        run_net(&l, cases[k].text, NULL, out);
        expect_moved(&l, out, 0, cases[k].shape, from, C * H * W);
        free(out[0]);
        unload(&l);
    }
}

static void permutations(void **state)
{
    struct loaded l;
    float *out[2];
    int permuted[C * H * W], shuffled[C * H * W], tiled[2 * C * H * W], reorg[C * 6 * W];
    (void)state;
    for (int i = 0; i < C * H * W; i++) {
        const int y = i / (W * C), x = i / C % W, c = i % C, channel = i / (H * W);
        permuted[i] = (c * H + y) * W + x;
        shuffled[i] = (channel % 2 * 2 + channel / 2) * H * W + i % (H * W);
    }
    for (int i = 0; i < 2 * C * H * W; i++)
        tiled[i] = i / (2 * H * W) * H * W + i % (H * W);
    run_net(&l, NET("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"), NULL, out);
    expect_moved(&l, out, 0, "1x5x6x4", permuted, C * H * W);
    free(out[0]);
    unload(&l);
    run_net(&l, NET("ShuffleChannel", "shuffle_channel_param { group: 2 }"), NULL, out);
    expect_moved(&l, out, 0, "1x4x5x6", shuffled, C * H * W);
    free(out[0]);
    unload(&l);
    run_net(&l, NET("Tile", "tile_param { axis: 2 tiles: 2 }"), NULL, out);
    expect_moved(&l, out, 0, "1x4x10x6", tiled, 2 * C * H * W);
    free(out[0]);
    unload(&l);
    /* Output k, j, i of the map as it was: from column i * s + o % s, row j * s + o / s of channel k % (C / s^2) of a
     * map s times as wide and high, o = k / (C / s^2). */
    for (int at = 0; at < C * 6 * W; at++) {
        const int k = at / (6 * W), j = at / W % 6, i = at % W, o = k;
        reorg[at] = i * 2 + o % 2 + W * 2 * (j * 2 + o / 2);
    }
    run_net(&l, INPUT("x", "dim: 1 dim: 4 dim: 6 dim: 6") LAYER("Reorg", "reorg_param { stride: 2 }"), NULL, out);
    expect_moved(&l, out, 0, "1x16x3x3", reorg, C * 6 * W);
    free(out[0]);
    unload(&l);
}

static void parts(void **state)
{
    struct loaded l;
    float *out[4];
    int from[C * H * W];
    (void)state;
    for (int i = 0; i < C * H * W; i++)
        from[i] = i;
    run_net(&l,
            MAP_INPUT
            "layer { name: \"l\" type: \"Slice\" bottom: \"x\" top: \"a\" top: \"b\" top: \"c\" slice_param { "
            "slice_point: 1 slice_point: 3 } }",
            NULL, out);
    expect_moved(&l, out, 0, "1x1x5x6", from, 30);
    expect_moved(&l, out, 1, "1x2x5x6", from + 30, 60);
    expect_moved(&l, out, 2, "1x1x5x6", from + 90, 30);
    for (int k = 0; k < 3; k++)
        free(out[k]);
    unload(&l);
    run_net(&l,
            MAP_INPUT
            "layer { name: \"l\" type: \"Slice\" bottom: \"x\" top: \"a\" top: \"b\" slice_param { slice_dim: 1 } }"
            "layer { name: \"c\" type: \"Concat\" bottom: \"a\" bottom: \"b\" top: \"y\" }",
            NULL, out);
    expect_moved(&l, out, 0, "1x4x5x6", from, C * H * W);
    free(out[0]);
    unload(&l);
    for (int i = 0; i < C * 3 * 2; i++)
        from[i] = i / 6 * 30 + (i / 2 % 3 + 2) * 6 + i % 2 + 3;
    run_net(&l,
            MAP_INPUT INPUT(
                "s", "dim: 1 dim: 9 dim: 3 dim: 2") "layer { name: \"l\" type: \"Crop\" bottom: \"x\" bottom: "
                                                    "\"s\" top: \"y\" crop_param { axis: 2 offset: 2 offset: 3 } }",
            NULL, out);
    expect_moved(&l, out, 0, "1x4x3x2", from, C * 6);
    free(out[0]);
    unload(&l);
    run_net(&l, MAP_INPUT "layer { name: \"l\" type: \"Split\" bottom: \"x\" top: \"a\" top: \"b\" }", NULL, out);
    assert_int_equal(l.g->outputs.n, 2);
    free(out[0]);
    free(out[1]);
    unload(&l);
}

static void sizes(void **state)
{
    const struct map x = test_map(C, H, W, 0);
    struct map twice = {C, 2 * H, 2 * W, {0}}, between = {C, 2 * H - 1, 2 * W - 1, {0}}, cropped = {C, 3, 7, {0}};
    (void)state;
    for (int i = 0; i < C * 4 * H * W; i++)
        twice.v[i] = x.v[i / (4 * H * W) * H * W + i / (2 * W) % (2 * H) / 2 * W + i % (2 * W) / 2];
    expect_map(NET("Upsample", "upsample_param { scale: 2 }"), NULL, &twice);
    for (int c = 0; c < C; c++)
        for (int v = 0; v < between.h; v++)
            for (int h = 0; h < between.w; h++)
                *at(&between, c, v, h) =
                    0.25f * (padded(&x, c, v / 2, h / 2) + padded(&x, c, (v + 1) / 2, h / 2) +
                             padded(&x, c, v / 2, (h + 1) / 2) + padded(&x, c, (v + 1) / 2, (h + 1) / 2));
    expect_map(NET("Interp", "interp_param { zoom_factor: 2 }"), NULL, &between);
    /* Rows 1..3 and columns 1..4 remain; then 4 columns become 7. */
    for (int c = 0; c < C; c++)
        for (int v = 0; v < 3; v++)
            for (int h = 0; h < 7; h++)
                *at(&cropped, c, v, h) =
                    0.5f * (padded(&x, c, v + 1, h / 2 + 1) + padded(&x, c, v + 1, (h + 1) / 2 + 1));
    expect_map(NET("Interp", "interp_param { height: 3 width: 7 pad_beg: -1 pad_end: -1 }"), NULL, &cropped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(inner_products),
        cmocka_unit_test(unary),
        cmocka_unit_test(several_operands),
        cmocka_unit_test(softmax_and_reductions),
        cmocka_unit_test(largest_elements),
        cmocka_unit_test(norms),
        cmocka_unit_test(reshapes),
        cmocka_unit_test(permutations),
        cmocka_unit_test(parts),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
