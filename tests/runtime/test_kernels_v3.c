/* The kernels of kmodel v3 against values that were worked out by hand from doc/kmodel.md A.2, in one model that uses
 * them all: the input goes through an identity into main memory, and every result is an output. */
#include "model_builder.h"
#include "v3_builder.h"

#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 8 };
static const float input[N] = {-2.0f, -0.5f, 0.0f, 0.25f, 1.0f, 3.0f, 6.5f, 100.0f};

struct fixture {
    struct v3 b;
    uint32_t x;     /* where the input is in main memory */
    uint32_t codes; /* (x + 2) * 2 as codes: 0 3 4 5 6 10 17 204 */
};

static struct fixture begin(void)
{
    static float identity[N * N], zero[N];
    struct fixture f = {0};
    struct ncc_km3_fully_connected fc = {.in_c = N, .out_c = N};
    for (int i = 0; i < N; i++)
        identity[i * N + i] = 1.0f;
    fc.in = v3_main(&f.b, sizeof input);
    f.x = fc.out = v3_main(&f.b, sizeof input);
    v3_add(&f.b, NCC_KM3_fully_connected, &fc, sizeof fc, identity, sizeof identity, zero, sizeof zero);
    f.codes = v3_main(&f.b, N);
    const struct ncc_km3_quantize quantize = {1, f.x, f.codes, N, 0.5f, -2.0f};
    v3_add(&f.b, NCC_KM3_quantize, &quantize, sizeof quantize, NULL, 0, NULL, 0);
    return f;
}

/* Runs the model and holds its one output against the expectation: bytes exactly, floats to the last bit but one. */
static void expect(const struct fixture *f, bool floats, const void *want)
{
    size_t size;
    uint8_t *const file = v3_file(&f->b, &size);
    uint8_t *const work = mb_run(file, size, (const void *[]){input});
    const struct ncc_km3_output out = f->b.outputs[0];
    for (uint32_t i = 0; floats && i < out.size / sizeof(float); i++) {
        const float w = ((const float *)want)[i], g = ((const float *)(const void *)(work + out.start))[i];
        if (!(fabsf(w - g) <= 2e-7f * fabsf(w)))
            fail_msg("element %u is %.9g, not %.9g", (unsigned)i, (double)g, (double)w);
    }
    if (!floats)
        assert_memory_equal(work + out.start, want, out.size);
    free(work);
    free(file);
}

#define ADD(f, name, ...)                                                                                              \
    v3_add(&(f).b, NCC_KM3_##name, &(const struct ncc_km3_##name){__VA_ARGS__}, sizeof(struct ncc_km3_##name), NULL,   \
           0, NULL, 0)
#define ADD_WITH(f, name, p1, s1, p2, s2, ...)                                                                         \
    v3_add(&(f).b, NCC_KM3_##name, &(const struct ncc_km3_##name){__VA_ARGS__}, sizeof(struct ncc_km3_##name), p1, s1, \
           p2, s2)

static void quantize(void **state)
{
    (void)state;
    struct fixture f = begin();
    const uint32_t out = v3_output(&f.b, N);
    /* codes 2x + 4.5, halves away from zero: .5 3.5 4.5 5 6.5 10.5 17.5 204.5 */
    ADD(f, quantize, 1, f.x, out, N, 0.5f, -2.25f);
    expect(&f, false, (uint8_t[]){1, 4, 5, 5, 7, 11, 18, 205});
    f = begin();
    ADD(f, quantize, 1, f.x, v3_output(&f.b, N), N, 0.25f, 0.0f); /* saturates */
    expect(&f, false, (uint8_t[]){0, 0, 0, 1, 4, 12, 26, 255});
}

static void dequantize(void **state)
{
    (void)state;
    struct fixture f = begin();
    ADD(f, dequantize, 1, f.codes, v3_output(&f.b, N * 4), N, 0.5f, -2.0f);
    expect(&f, true, (float[]){-2, -0.5f, 0, 0.5f, 1, 3, 6.5f, 100});
    static const struct ncc_km3_scale scale[2] = {{1, 0}, {2, -10}};
    f = begin();
    ADD_WITH(f, channelwise_dequantize, scale, sizeof scale, NULL, 0, 1, f.codes, v3_output(&f.b, N * 4), 2, 4);
    expect(&f, true, (float[]){0, 3, 4, 5, 2, 10, 24, 398});
}

static void requantize(void **state)
{
    (void)state;
    struct fixture f = begin();
    struct ncc_km3_requantize op = {1, f.codes, v3_output(&f.b, N), N, {0}};
    for (int i = 0; i < 256; i++)
        op.table[i] = (uint8_t)(255 - i);
    v3_add(&f.b, NCC_KM3_requantize, &op, sizeof op, NULL, 0, NULL, 0);
    expect(&f, false, (uint8_t[]){255, 252, 251, 250, 249, 245, 238, 51});
}

static void sums(void **state)
{
    (void)state;
    struct fixture f = begin();
    ADD(f, add, 1, f.x, f.x, v3_output(&f.b, N * 4), N);
    expect(&f, true, (float[]){-4, -1, 0, 0.5f, 2, 6, 13, 200});
    /* ((q - 4) * 3 + (q - 4) * 1) >> 1, times 3 / 4, + 100: 94 98.5 100 101.5 103 109 119.5 400, and -1.5 becomes -3 */
    f = begin();
    ADD(f, quantized_add, 1, f.codes, f.codes, v3_output(&f.b, N), N, -4, 3, 1, -4, 1, 1, 100, 3, 2);
    expect(&f, false, (uint8_t[]){94, 97, 100, 102, 103, 109, 120, 255});
    /* different shifts: ((q * 2) >> 1) + ((q * 4) >> 2), no last shift */
    f = begin();
    ADD(f, quantized_add, 1, f.codes, f.codes, v3_output(&f.b, N), N, 0, 2, 1, 0, 4, 2, -5, 1, 0);
    expect(&f, false, (uint8_t[]){0, 1, 3, 5, 7, 15, 29, 255});
}

static void pools(void **state)
{
    (void)state;
    struct fixture f = begin(); /* two maps of 2 x 2 */
    ADD(f, global_average_pool2d, 1, f.x, v3_output(&f.b, 8), 4, 2);
    expect(&f, true, (float[]){-0.5625f, 27.625f});
    const struct ncc_km3_map in = {4, 2, 1}, out = {2, 2, 1};
    f = begin(); /* rows 0 3 4 5 | 6 10 17 204; windows 3 wide, 2 high, stride 2 1, padding 1 1 */
    ADD(f, quantized_max_pool2d, 1, f.codes, v3_output(&f.b, 4), in, out, 3, 2, 2, 1, 1, 1);
    expect(&f, false, (uint8_t[]){3, 5, 10, 204});
    f = begin(); /* rows -2 -.5 0 .25 | 1 3 6.5 100; what hangs over does not count */
    ADD(f, average_pool2d, 1, f.x, v3_output(&f.b, 16), in, out, 3, 2, 2, 1, 1, 1, 0);
    expect(&f, true, (float[]){-1.25f, -0.25f / 3, 0.375f, 109.25f / 6});
}

static void normalisations(void **state)
{
    (void)state;
    struct fixture f = begin();
    ADD(f, l2_normalization, 1, f.x + 16, v3_output(&f.b, 8), 2); /* 1 3 */
    expect(&f, true, (float[]){0.316227766f, 0.948683298f});
    f = begin();
    ADD(f, softmax, 1, f.x + 8, v3_output(&f.b, 12), 3); /* 0 .25 1 */
    expect(&f, true, (float[]){0.199907753f, 0.256686636f, 0.543405612f});
    f = begin();
    ADD(f, logistic, 1, f.x, v3_output(&f.b, 12), 3);
    expect(&f, true, (float[]){0.119202922f, 0.377540669f, 0.5f});
}

/* Of negative numbers alone the largest is not found; without overflow the result is the same anyway. */
static void softmax_of_negative_numbers(void **state)
{
    (void)state;
    struct fixture f = begin();
    ADD(f, softmax, 1, f.x, v3_output(&f.b, 8), 2); /* -2 -.5 */
    expect(&f, true, (float[]){0.182425524f, 0.817574476f});
}

static void moves(void **state)
{
    (void)state;
    struct fixture f = begin();
    const struct ncc_km3_part parts[2] = {{f.x + 8, 8}, {f.x, 4}};
    ADD_WITH(f, concat, parts, sizeof parts, NULL, 0, 1, v3_output(&f.b, 12), 2);
    expect(&f, true, (float[]){0, 0.25f, -2});
    f = begin();
    const struct ncc_km3_part codes[2] = {{f.codes + 5, 3}, {f.codes, 1}};
    ADD_WITH(f, quantized_concat, codes, sizeof codes, NULL, 0, 1, v3_output(&f.b, 4), 2);
    expect(&f, false, (uint8_t[]){10, 17, 204, 0});
    f = begin(); /* c h w = 2 2 2 */
    ADD(f, tensorflow_flatten, 1, f.x, v3_output(&f.b, 32), {2, 2, 2});
    expect(&f, true, (float[]){-2, 1, -0.5f, 3, 0, 6.5f, 0.25f, 100});
    f = begin(); /* 2 x 2 to 3 x 3 takes 0 0 1 */
    ADD(f, resize_nearest_neighbor, 1, f.x, v3_output(&f.b, 36), {2, 2, 1}, 3, 3, 1);
    expect(&f, true, (float[]){-2, -2, -0.5f, -2, -2, -0.5f, 0, 0, 0.25f});
    f = begin(); /* 4 x 2 to 2 x 4 takes 0 2 of 0 0 1 1 */
    ADD(f, quantized_resize_nearest_neighbor, 1, f.codes, v3_output(&f.b, 8), {4, 2, 1}, 2, 4, 0);
    expect(&f, false, (uint8_t[]){0, 4, 0, 4, 6, 17, 6, 17});
}

static void products(void **state)
{
    (void)state;
    static const float weights[2][2] = {{1, 2}, {-1, 0.5f}}, bias[2] = {0.5f, -0.25f};
    const float want[3][2] = {{7.5f, 0.25f}, {7.5f, 0.25f}, {6, 0.25f}};
    for (uint32_t act = 0; act < 3; act++) {
        struct fixture f = begin(); /* of 1 3 */
        ADD_WITH(f, fully_connected, weights, sizeof weights, bias, sizeof bias, 1, f.x + 16, v3_output(&f.b, 8), 2, 2,
                 act);
        expect(&f, true, want[act]);
    }
    struct fixture f = begin(); /* of -2 -.5: -2.5 and 1.5 */
    ADD_WITH(f, fully_connected, weights, sizeof weights, bias, sizeof bias, 1, f.x, v3_output(&f.b, 8), 2, 2, 1);
    expect(&f, true, (float[]){0, 1.5f});
}

/* ---- around the KPU ---- */

static const struct ncc_kpu_shape same = {6, 8, 8, 6, 1, false, NCC_KPU_POOL_NONE};
static const struct ncc_kpu_shape padded = {6, 4, 4, 6, 1, false, NCC_KPU_POOL_NONE};

struct seen {
    int layers;
    uint8_t out[6 * 8 * 8];
    size_t size;
};

static void keep(void *ctx, const struct ncc_sim_layer *layer)
{
    struct seen *const s = ctx;
    s->layers++;
    s->size = (size_t)layer->out_c * (size_t)layer->out_h * (size_t)layer->out_w;
    memcpy(s->out, layer->output, s->size);
}

/* Up, through a layer, down, up again by the other way: the second layer sees what the first one made. */
static void kpu_round_trip(void **state)
{
    (void)state;
    struct v3 b = {0};
    v3_add_conv(&b, same, 0, 100, true);
    const struct ncc_km3_k210_upload up = {0, b.outputs[0].start, 200, {8, 8, 6}};
    v3_add(&b, NCC_KM3_k210_upload, &up, sizeof up, NULL, 0, NULL, 0);
    v3_add_conv(&b, same, 200, 300, true);
    const struct ncc_km3_k210_add_padding add = {0, b.outputs[0].start, 400, 6};
    v3_add(&b, NCC_KM3_k210_add_padding, &add, sizeof add, NULL, 0, NULL, 0);
    v3_add_conv(&b, padded, 400, 500, true);
    const struct ncc_km3_k210_remove_padding remove = {1, b.outputs[2].start, v3_output(&b, 8), 6};
    v3_add(&b, NCC_KM3_k210_remove_padding, &remove, sizeof remove, NULL, 0, NULL, 0);

    size_t size;
    uint8_t *const file = v3_file(&b, &size);
    const size_t work_size = ncc_model_work_size(file, size);
    uint8_t *const work = malloc(work_size), picture[6 * 8 * 8];
    struct ncc_sim *const sim = ncc_sim_new();
    struct ncc_model m;
    struct seen seen = {0};
    assert_non_null(work);
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)(i * 37);
    assert_int_equal(ncc_model_open(&m, file, size, work, work_size, ncc_sim_device(sim)), NCC_OK);
    assert_int_equal(ncc_model_open(&m, file, size, work, work_size, NULL), NCC_NO_DEVICE);
    assert_int_equal(ncc_model_open(&m, file, size, work, work_size, ncc_sim_device(sim)), NCC_OK);
    assert_int_equal(ncc_model_input(&m, 0).size, sizeof picture);
    assert_true(ncc_model_input(&m, 0).in_kpu);
    ncc_sim_set_trace(sim, keep, &seen);
    assert_int_equal(ncc_model_run(&m, (const void *[]){picture}), NCC_OK);
    assert_int_equal(seen.layers, 3);

    /* The last layer: 1x1 over (first result[c], 0, 0), and only that element comes back. */
    const uint8_t *const first = work + b.outputs[0].start, *const crop = work + b.outputs[3].start;
    for (int o = 0; o < 6; o++) {
        int64_t acc = 0;
        for (int c = 0; c < 6; c++)
            acc += ((int64_t)first[c] - 3) * (o * 6 + c - 5);
        const int64_t v = acc * 4096 >> 15; /* at most 0: the first segment, code 7; above: code v */
        assert_int_equal(crop[o], v <= 0 ? 7 : v > 255 ? 255 : v);
    }
    ncc_sim_free(sim);
    free(work);
    free(file);
}

/* Weights of 16 bits, of which many do not fit 8. */
static void wide_weights(void **state)
{
    (void)state;
    static const struct ncc_kpu_shape pixels = {8, 4, 4, 8, 1, false, 0};
    struct v3 b = {.wide = true};
    size_t size;
    struct ncc_model m;
    struct ncc_sim *const sim = ncc_sim_new();
    v3_add_conv(&b, pixels, 0, 100, true);
    const struct ncc_km3_k210_remove_padding remove = {1, b.outputs[0].start, v3_output(&b, 8), 8};
    v3_add(&b, NCC_KM3_k210_remove_padding, &remove, sizeof remove, NULL, 0, NULL, 0);
    uint8_t *const file = v3_file(&b, &size);
    const size_t work_size = ncc_model_work_size(file, size);
    uint8_t *const work = malloc(work_size), picture[8 * 16];
    assert_non_null(work);
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)(i / 16 % 5);
    assert_int_equal(ncc_model_open(&m, file, size, work, work_size, ncc_sim_device(sim)), NCC_OK);
    assert_int_equal(ncc_model_run(&m, (const void *[]){picture}), NCC_OK);
    int wide = 0;
    for (int o = 0; o < 8; o++) {
        int64_t acc = 0;
        for (int c = 0; c < 8; c++) {
            acc += (c % 5 - 3) * (7 * (o * 8 + c) - 5);
            wide += 7 * (o * 8 + c) > 255;
        }
        const int64_t v = acc * 4096 >> 15;
        assert_int_equal(work[b.outputs[1].start + (size_t)o], v <= 0 ? 7 : v > 255 ? 255 : v);
    }
    assert_true(wide > 20);
    ncc_sim_free(sim);
    free(work);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantize),
        cmocka_unit_test(dequantize),
        cmocka_unit_test(requantize),
        cmocka_unit_test(sums),
        cmocka_unit_test(pools),
        cmocka_unit_test(normalisations),
        cmocka_unit_test(softmax_of_negative_numbers),
        cmocka_unit_test(moves),
        cmocka_unit_test(products),
        cmocka_unit_test(kpu_round_trip),
        cmocka_unit_test(wide_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
