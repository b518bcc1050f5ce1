/* Caffe layers that work over axes, and those that move elements: a net of each, and what it must give. */
#define CAFFE_NET "axes"
#include "caffe_layer.h"

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
