/* Damaged kmodels: truncated, with flipped bits, with words replaced by awkward numbers. Each is refused with a text,
 * or runs within its memory: files and work memory are blocks of exactly their sizes, so that the address sanitizer
 * sees every step outside. */
#include "model_builder.h"
#include "v3_builder.h"

#include "kpu/arith.h"
#include "kpu/layer.h"

#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MUTATIONS = 1500, MAX_WORK = 1 << 20, MAX_INPUT = 1 << 21 };

struct outcome {
    int refused, ran;
};

/* Reads every byte, for the sanitizer to see. */
static void touch(const void *data, size_t size)
{
    volatile uint8_t sink;
    for (size_t i = 0; i < size; i++)
        sink = ((const uint8_t *)data)[i];
    (void)sink;
}

static void try_model(const uint8_t *file, size_t size, struct ncc_sim *sim, struct outcome *outcome)
{
    static const uint8_t input[MAX_INPUT];
    const size_t work_size = ncc_model_work_size(file, size);
    struct ncc_model m;
    if (work_size > MAX_WORK)
        return; /* legal, and of no interest: the caller's memory decides */
    uint8_t *const work = malloc(work_size > 0 ? work_size : 8);
    assert_non_null(work);
    memset(work, 0x3C, work_size);
    const enum ncc_status status = ncc_model_open(&m, file, size, work, work_size, ncc_sim_device(sim));
    if (status) {
        assert_true(strlen(ncc_model_fault(&m)->text) > 3 && strlen(ncc_model_fault(&m)->op) > 2);
        outcome->refused++;
    } else {
        const void *inputs[64];
        assert_true(ncc_model_n_inputs(&m) <= 64);
        for (uint32_t i = 0; i < ncc_model_n_inputs(&m); i++) {
            assert_true(ncc_model_input(&m, i).size <= MAX_INPUT);
            inputs[i] = input;
        }
        const enum ncc_status ran = ncc_model_run(&m, inputs);
        assert_true(ran == NCC_OK || strlen(ncc_sim_error(sim)) > 3);
        for (uint32_t i = 0; i < ncc_model_n_outputs(&m); i++)
            touch(ncc_model_output_data(&m, i), ncc_model_output(&m, i).size);
        outcome->ran++;
    }
    free(work);
}

/* One to three damages. */
static void damage(uint8_t *file, size_t size)
{
    static const uint32_t awkward[] = {0, 1, 2, 4, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, 64, 0x7F800000};
    for (int n = mb_between(1, 3); n > 0; n--) {
        const size_t word = (size_t)mb_between(0, (int)(size / 4) - 1) * 4;
        if (mb_between(0, 1))
            file[(size_t)mb_between(0, (int)size - 1)] ^= (uint8_t)(1 << mb_between(0, 7));
        else
            memcpy(file + word, &awkward[mb_between(0, (int)(sizeof awkward / sizeof *awkward) - 1)], 4);
    }
}

static void mutate(const uint8_t *file, size_t size)
{
    struct ncc_sim *const sim = ncc_sim_new();
    struct outcome outcome = {0};
    assert_non_null(sim);
    ncc_sim_allow_untested(sim, true);
    try_model(file, size, sim, &outcome);
    assert_int_equal(outcome.ran, 1); /* undamaged */
    for (int i = 0; i < MUTATIONS; i++) {
        const size_t length = i % 4 == 0 ? (size_t)mb_between(1, (int)size) : size;
        uint8_t *const copy = malloc(length);
        assert_non_null(copy);
        memcpy(copy, file, length);
        if (i % 4 != 0)
            damage(copy, length);
        try_model(copy, length, sim, &outcome);
        free(copy);
    }
    print_message("%d refused, %d ran\n", outcome.refused, outcome.ran);
    assert_true(outcome.refused > 0 && outcome.ran > 1);
    ncc_sim_free(sim);
}

/* ---- Models that together use all operations ---- */

static const float numbers[600];
static const int32_t integers[64];

static void mutate_built(const struct mb *b)
{
    size_t size;
    uint8_t *const file = mb_file(b, &size);
    mutate(file, size);
    free(file);
}

static void elementwise(void **state)
{
    (void)state;
    static const int32_t shape[4] = {1, 2, 3, 4};
    static const uint8_t code[] = {0x03, 0x26, 0x06, 0, 0, 0x80, 0x3F, 0x42, 0x04, 0x05, 0x80, 0xA0};
    struct mb b = {0};
    const struct ncc_km_range x = mb_input(&b, NCC_KM_F32, shape), y = mb_input(&b, NCC_KM_U8, shape);
    const struct ncc_km_range f = mb_output(&b, NCC_KM_F32, 24), q = mb_output(&b, NCC_KM_U8, 24);
    const struct ncc_km_range table = mb_const(&b, NCC_KM_U8, numbers, 256);
    struct ncc_km_binary binary = {.a = x, .b = x, .out = f, .act = {-1, 1}};
    struct ncc_km_quantized_binary q_binary = {
        .a = y, .b = y, .out = q, .a_mul = 3, .out_mul = 5, .op = NCC_KM_BINARY_DIV};
    memcpy(binary.a_shape, shape, sizeof shape), memcpy(binary.b_shape, shape, sizeof shape);
    memcpy(binary.out_shape, shape, sizeof shape), memcpy(q_binary.a_shape, shape, sizeof shape);
    memcpy(q_binary.b_shape, shape, sizeof shape), memcpy(q_binary.out_shape, shape, sizeof shape);
    mb_add(&b, NCC_KM_OP_binary, &binary, sizeof binary, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_quantized_binary, &q_binary, sizeof q_binary, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_quantize, &(struct ncc_km_quantize){x, q, 3, 2}, 40, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_dequantize, &(struct ncc_km_dequantize){q, f, 3, 2}, 40, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_unary, &(struct ncc_km_unary){f, f, NCC_KM_UNARY_EXP}, 36, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_table_lookup1d, &(struct ncc_km_table_lookup1d){y, table, q}, 48, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_memory_copy, &(struct ncc_km_memory_copy){x, f}, 32, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_nnil_unary_method, &(struct ncc_km_nnil_unary_method){x, f}, 32, code, sizeof code, NULL, 0);
    mutate_built(&b);
}

static void shapes(void **state)
{
    (void)state;
    struct mb b = {0};
    const struct ncc_km_range x = mb_input(&b, NCC_KM_F32, (int32_t[]){1, 2, 3, 4});
    const struct ncc_km_range f = mb_output(&b, NCC_KM_F32, 24), pair = mb_output(&b, NCC_KM_F32, 48);
    const struct ncc_km_range row = mb_output(&b, NCC_KM_F32, 2);
    const struct ncc_km_concat concat = {pair, 16, 1, 2};
    const struct ncc_km_pad pad = {f, pair, {1, 2, 3, 4}, {{0, 0}, {1, 1}, {-1, 0}, {0, 2}}, 0, {0}};
    const struct ncc_km_transpose transpose = {x, f, {1, 2, 3, 4}, {0, 2, 3, 1}};
    const struct ncc_km_strided_slice slice = {f, row, {1, 2, 3, 4}, {0, 1, 2, 0}, {1, 2, 3, 4}, {1, 1, 1, 2}, 0, 0, 0,
                                               0, 0};
    const struct ncc_km_resize_image resize = {x, pair, {1, 2, 3, 4}, 6, 4, NCC_KM_RESIZE_BILINEAR, 1, {0}};
    const struct ncc_km_reduce reduce = {x, row, NCC_KM_REDUCE_MEAN, {1, 2, 3, 4}, {1, 2, 1, 1}, 0};
    const struct ncc_km_softmax softmax = {x, f, 4, 6, 1};
    mb_add(&b, NCC_KM_OP_concat, &concat, sizeof concat, (struct ncc_km_range[]){x, x}, 32, (int32_t[]){6, 6}, 8);
    mb_add(&b, NCC_KM_OP_transpose, &transpose, sizeof transpose, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_pad, &pad, sizeof pad, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_strided_slice, &slice, sizeof slice, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_resize_image, &resize, sizeof resize, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_reduce, &reduce, sizeof reduce, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_softmax, &softmax, sizeof softmax, NULL, 0, NULL, 0);
    mutate_built(&b);
}

static const struct ncc_km_window window = {{1, 1}, {0, 1}, 3, 2, 2, 1, 1, 1};

static void float_windows(void **state)
{
    (void)state;
    struct mb b = {0};
    const struct ncc_km_range x = mb_input(&b, NCC_KM_F32, (int32_t[]){1, 4, 4, 4}), f = mb_output(&b, NCC_KM_F32, 32);
    const struct ncc_km_conv2d conv = {x, f, {1, 4, 4, 4}, 2, 4, window, {0, 1}};
    const struct ncc_km_conv2d_transpose transposed = {f, x, {1, 4, 2, 4}, {1, 4, 4, 4}, 1, window, {0, 1}};
    const struct ncc_km_reduce_window2d pool = {x, f, NCC_KM_REDUCE_MEAN, {1, 4, 4, 4}, window, 0, {0, 1}};
    const struct ncc_km_cpu_conv2d cpu = {x, f, {1, 4, 4, 4}, 4, window, {0, 1}};
    const struct ncc_km_cpu_depthwise_conv2d dw = {x, f, {1, 4, 4, 4}, window, {0, 1}};
    const struct ncc_km_matmul matmul = {x, x, f, 4, 8, 8, {0, 1}};
    struct ncc_km_matmul product = matmul;
    product.a.size = product.b.size = 32 * 4 * 2;
    product.a_rows = 4, product.a_cols = 16, product.b_cols = 4;
    product.out.size = 16 * 4;
    mb_add(&b, NCC_KM_OP_conv2d, &conv, sizeof conv, numbers, 4 * 2 * 6 * 4, numbers, 16);
    mb_add(&b, NCC_KM_OP_conv2d_transpose, &transposed, sizeof transposed, numbers, 4 * 4 * 6 * 4, numbers, 16);
    mb_add(&b, NCC_KM_OP_reduce_window2d, &pool, sizeof pool, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_cpu_reduce_window2d, &pool, sizeof pool, NULL, 0, NULL, 0);
    mb_add(&b, NCC_KM_OP_cpu_conv2d, &cpu, sizeof cpu, numbers, 4 * 4 * 6 * 4, numbers, 16);
    mb_add(&b, NCC_KM_OP_cpu_depthwise_conv2d, &dw, sizeof dw, numbers, 4 * 6 * 4, numbers, 16);
    mb_add(&b, NCC_KM_OP_matmul, &product, sizeof product, numbers, 16, NULL, 0);
    mutate_built(&b);
}

static void integer_windows(void **state)
{
    (void)state;
    struct mb b = {0};
    const struct ncc_km_range x = mb_input(&b, NCC_KM_U8, (int32_t[]){1, 4, 4, 4}), q = mb_output(&b, NCC_KM_U8, 32);
    const struct ncc_km_quantized_conv2d conv = {x, q, {1, 4, 4, 4}, 2, 4, window, -3, -5, 7, 3, 9};
    const struct ncc_km_cpu_quantized_conv2d cpu = {x, q, {1, 4, 4, 4}, 4, window, 3, 5, 7, 3, 9};
    const struct ncc_km_cpu_quantized_depthwise_conv2d dw = {x, q, {1, 4, 4, 4}, window, 3, 5, 7, 3, 9};
    struct ncc_km_quantized_matmul matmul = {x, x, q, 4, 16, 4, -3, -5, 7, 3, 9};
    matmul.out.size = 16;
    mb_add(&b, NCC_KM_OP_quantized_conv2d, &conv, sizeof conv, integers, 16, numbers, 4 * 2 * 6);
    mb_add(&b, NCC_KM_OP_cpu_quantized_conv2d, &cpu, sizeof cpu, numbers, 4 * 4 * 6, integers, 16);
    mb_add(&b, NCC_KM_OP_cpu_quantized_depthwise_conv2d, &dw, sizeof dw, numbers, 4 * 6, integers, 16);
    mb_add(&b, NCC_KM_OP_quantized_matmul, &matmul, sizeof matmul, integers, 16, NULL, 0);
    mutate_built(&b);
}

/* Upload, a 1x1 layer that stays in KPU RAM, a depthwise one that is copied out. */
static size_t write_kpu_model(uint8_t *file, size_t cap)
{
    const int32_t shape[1][4] = {{1, 4, 8, 8}};
    const struct ncc_km_range in = {NCC_KM_MAIN, NCC_KM_U8, 0, 256}, out = {NCC_KM_MAIN, NCC_KM_U8, 256, 256};
    const struct ncc_kmodel_head head = {3, 1, 1, &in, &out, shape, NULL, 0, 512};
    const struct ncc_km_kpu_upload upload = {in, {NCC_KM_KPU, NCC_KM_U8, 0, 512}, {1, 4, 8, 8}};
    const uint64_t bn[4] = {0x0F00000000010000, 0x0F00000000010000, 0x0F00000000010000, 0x0F00000000010000};
    struct ncc_kpu_table table = {.seg = {{NCC_KPU_ACC_MIN, 0, 0, 7}}};
    uint8_t act[144], weights[36] = {1, 2, 3, 4, 5, 6, 7};
    struct ncc_kmodel_writer w;
    for (int i = 1; i < 16; i++)
        table.seg[i] = (struct ncc_kpu_segment){i == 1 ? 0 : NCC_KPU_ACC_MAX - 16 + i, i == 1, 0, 0};
    ncc_kpu_table_pack(&table, act);
    ncc_kmodel_write_begin(&w, file, cap, &head);
    ncc_kmodel_write_node(&w, NCC_KM_OP_kpu_upload, &upload, sizeof upload, NULL, 0, NULL, 0);
    for (int i = 0; i < 2; i++) {
        const struct ncc_kpu_shape layer = {4, 8, 8, 4, i == 0 ? 1 : 3, i == 1, NCC_KPU_POOL_NONE};
        struct ncc_kpu_regs regs;
        uint64_t words[12];
        ncc_kpu_derive(&layer, 8 * i, 8 * i + 8, 3, 5, &regs);
        assert_null(ncc_kpu_pack(&regs, words));
        ncc_kmodel_write_kpu_conv2d(&w, i == 0 ? NULL : &out, 1, words, bn, 4, act, weights, i == 0 ? 16 : 36);
    }
    return ncc_kmodel_write_end(&w);
}

static void kpu_layers(void **state)
{
    (void)state;
    const size_t size = write_kpu_model(NULL, 0);
    uint8_t *const file = malloc(size);
    assert_int_equal(write_kpu_model(file, size), size);
    mutate(file, size);
    free(file);
}

/* ---- version 3 ---- */

static void mutate_v3(const struct v3 *b)
{
    size_t size;
    uint8_t *const file = v3_file(b, &size);
    mutate(file, size);
    free(file);
}

#define V3_ADD(b, name, ...)                                                                                           \
    v3_add(&(b), NCC_KM3_##name, &(const struct ncc_km3_##name){__VA_ARGS__}, sizeof(struct ncc_km3_##name), NULL, 0,  \
           NULL, 0)

static void v3_kernels(void **state)
{
    (void)state;
    struct v3 b = {0};
    const uint32_t x = v3_main(&b, 32), f = v3_output(&b, 32), q = v3_output(&b, 8), wide = v3_output(&b, 64);
    const struct ncc_km3_fully_connected fc = {1, x, f, 8, 8, 1};
    const struct ncc_km3_part parts[2] = {{x, 16}, {f, 16}};
    v3_add(&b, NCC_KM3_fully_connected, &fc, sizeof fc, numbers, 256, numbers, 32);
    V3_ADD(b, add, 1, x, f, f, 8);
    V3_ADD(b, quantize, 1, f, q, 8, 2, 3);
    V3_ADD(b, quantized_add, 1, q, q, q, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    V3_ADD(b, requantize, 1, q, q, 8, {0});
    V3_ADD(b, quantized_max_pool2d, 1, q, q, {2, 2, 2}, {1, 1, 2}, 2, 2, 2, 2, 0, 0);
    V3_ADD(b, quantized_resize_nearest_neighbor, 1, q, q, {1, 1, 2}, 2, 2, 0);
    V3_ADD(b, dequantize, 1, q, f, 8, 2, 3);
    v3_add(&b, NCC_KM3_channelwise_dequantize, &(struct ncc_km3_channelwise_dequantize){1, q, f, 2, 4}, 20, numbers, 16,
           NULL, 0);
    V3_ADD(b, average_pool2d, 1, f, f, {2, 2, 2}, {2, 2, 2}, 2, 2, 1, 1, 1, 1, 0);
    V3_ADD(b, global_average_pool2d, 1, f, f, 4, 2);
    V3_ADD(b, resize_nearest_neighbor, 1, f, wide, {2, 2, 2}, 4, 2, 0);
    V3_ADD(b, tensorflow_flatten, 1, wide, f, {2, 2, 2});
    V3_ADD(b, l2_normalization, 1, f, f, 8);
    V3_ADD(b, softmax, 1, f, f, 8);
    V3_ADD(b, logistic, 1, f, f, 8);
    v3_add(&b, NCC_KM3_concat, &(struct ncc_km3_concat){1, wide, 2}, 12, parts, sizeof parts, NULL, 0);
    v3_add(&b, NCC_KM3_quantized_concat, &(struct ncc_km3_quantized_concat){1, wide, 2}, 12, parts, sizeof parts, NULL,
           0);
    V3_ADD(b, k210_remove_padding, 1, wide, q, 4);
    mutate_v3(&b);
}

static void v3_layers(void **state)
{
    (void)state;
    struct v3 b = {0};
    v3_add_conv(&b, (struct ncc_kpu_shape){4, 8, 8, 4, 1, false, NCC_KPU_POOL_NONE}, 0, 8, true);
    v3_add_conv(&b, (struct ncc_kpu_shape){4, 8, 8, 4, 3, true, NCC_KPU_POOL_NONE}, 8, 16, false);
    V3_ADD(b, k210_upload, 0, 0, 32, {8, 8, 4});
    V3_ADD(b, k210_add_padding, 0, 0, 64, 6);
    v3_add_conv(&b, (struct ncc_kpu_shape){6, 4, 4, 4, 1, false, NCC_KPU_POOL_NONE}, 64, 80, true);
    mutate_v3(&b);
}

static int reseed(void **state)
{
    (void)state;
    mb_reseed();
    print_message("NCC_SEED=%llu: ", (unsigned long long)mb_seed());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(elementwise, reseed),   cmocka_unit_test_setup(shapes, reseed),
        cmocka_unit_test_setup(float_windows, reseed), cmocka_unit_test_setup(integer_windows, reseed),
        cmocka_unit_test_setup(kpu_layers, reseed),    cmocka_unit_test_setup(v3_kernels, reseed),
        cmocka_unit_test_setup(v3_layers, reseed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
