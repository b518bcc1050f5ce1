/* The simulator as a device: copies, refusals and their texts, trace, counters, threads. */
#include "kpu/arith.h"
#include "kpu/layer.h"
#include "kpu/layout.h"
#include "kpu/timing.h"
#include "runtime/device.h"
#include "sim/kernel.h"
#include "tests/exact/random_layer.h"

#include <ncc/sim.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A 1x1 layer with one weight of 1 per output channel that copies 4x5x6 to 4x5x6, code for code: input at line 0,
 * output at line 10. */
struct copy_layer {
    struct ncc_kpu_regs regs;
    uint8_t weights[4], act[NCC_KPU_TABLE_SIZE];
    uint64_t bn[4];
};

enum { COPY_C = 4, COPY_H = 5, COPY_W = 6, COPY_SIZE = COPY_C * COPY_H * COPY_W, COPY_DST = 10 };

static struct copy_layer copy_layer(void)
{
    struct copy_layer l;
    const struct ncc_kpu_shape shape = {COPY_C, COPY_H, COPY_W, COPY_C, 1, true, NCC_KPU_POOL_NONE};
    struct ncc_kpu_table t;
    ncc_kpu_derive(&shape, 0, COPY_DST, 0, 0, &l.regs);
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++)
        t.seg[i] = (struct ncc_kpu_segment){NCC_KPU_ACC_MAX - 16 + i, 0, 0, 255};
    t.seg[0] = (struct ncc_kpu_segment){NCC_KPU_ACC_MIN, 0, 0, 0};
    t.seg[1] = (struct ncc_kpu_segment){0, 1, 0, 0};
    ncc_kpu_table_pack(&t, l.act);
    for (int c = 0; c < COPY_C; c++) {
        l.weights[c] = 1;
        l.bn[c] = ncc_kpu_bn_pack((struct ncc_kpu_bn){1, 0, 0});
    }
    return l;
}

static enum ncc_status run(struct ncc_sim *sim, const struct copy_layer *l)
{
    const struct ncc_device *d = ncc_sim_device(sim);
    uint64_t words[NCC_KPU_WORDS];
    assert_null(ncc_kpu_pack(&l->regs, words));
    return d->run_layer(d->ctx, words, l->weights, sizeof l->weights, 8, l->bn, COPY_C, l->act);
}

static int open_sim(void **state)
{
    *state = ncc_sim_new();
    return *state ? 0 : -1;
}

static int close_sim(void **state)
{
    ncc_sim_free(*state);
    return 0;
}

static void copies_there_and_back(void **state)
{
    struct ncc_sim *sim = *state;
    const struct ncc_device *d = ncc_sim_device(sim);
    static const int widths[] = {1, 4, 16, 17, 32, 33, 64, 65, 130};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        const int c = 5, h = 3, w = widths[i];
        uint8_t in[5 * 3 * 130], out[5 * 3 * 130];
        for (int k = 0; k < c * h * w; k++)
            in[k] = (uint8_t)(k * 7 + 1);
        ncc_sim_fill(sim, 0xee);
        assert_int_equal(d->upload(d->ctx, 640, in, c, h, w), NCC_OK);
        assert_int_equal(ncc_sim_ram(sim)[640 + ncc_kpu_address(4, 2, w - 1, h, w)], in[c * h * w - 1]);
        int changed = 0, outside = 0;
        for (int k = 0; k < NCC_KPU_RAM_SIZE; k++) {
            const bool touched = ncc_sim_ram(sim)[k] != 0xee;
            changed += touched;
            outside += touched && (k < 640 || k >= 640 + ncc_kpu_bytes(c, h, w));
        }
        assert_in_range(changed, c * h * w - c * h * w / 100 - 1, c * h * w); /* some bytes are 0xee themselves */
        assert_int_equal(outside, 0);
        assert_int_equal(d->download(d->ctx, out, 640, c, h, w), NCC_OK);
        assert_memory_equal(in, out, c * h * w);
    }
    assert_int_equal(ncc_sim_counters(sim).uploaded, ncc_sim_counters(sim).downloaded);
}

static void copies_outside_are_refused(void **state)
{
    struct ncc_sim *sim = *state;
    const struct ncc_device *d = ncc_sim_device(sim);
    uint8_t bytes[64] = {0};
    assert_int_equal(d->upload(d->ctx, NCC_KPU_RAM_SIZE - 64, bytes, 1, 1, 64), NCC_OK);
    assert_string_equal(ncc_sim_error(sim), "");
    assert_int_equal(d->upload(d->ctx, NCC_KPU_RAM_SIZE - 64, bytes, 2, 1, 33), NCC_BAD_ARGUMENT);
    assert_string_equal(ncc_sim_error(sim), "a tensor of 2x1x33 at byte 2097088 is not inside KPU RAM");
    assert_int_equal(d->upload(d->ctx, 32, bytes, 1, 1, 1), NCC_BAD_ARGUMENT);
    assert_int_equal(d->download(d->ctx, bytes, 0, 0, 1, 1), NCC_BAD_ARGUMENT);
    assert_int_equal(d->download(d->ctx, bytes, 0, 1 << 30, 1 << 30, 1 << 30), NCC_BAD_ARGUMENT);
    assert_int_equal(d->download(d->ctx, bytes, 0xffffffc0, 1, 1, 1), NCC_BAD_ARGUMENT);
}

struct seen {
    int layers;
    struct ncc_sim_layer last;
    uint8_t output[COPY_SIZE];
};

static void look(void *ctx, const struct ncc_sim_layer *layer)
{
    struct seen *seen = ctx;
    seen->layers++;
    seen->last = *layer;
    memcpy(seen->output, layer->output, COPY_SIZE);
}

static void trace_and_counters(void **state)
{
    struct ncc_sim *sim = *state;
    const struct ncc_device *d = ncc_sim_device(sim);
    const struct copy_layer l = copy_layer();
    struct seen seen = {0};
    uint8_t in[COPY_SIZE];
    for (int i = 0; i < COPY_SIZE; i++)
        in[i] = (uint8_t)(255 - i);
    ncc_sim_set_trace(sim, look, &seen);
    ncc_sim_reset_counters(sim);
    d->upload(d->ctx, 0, in, COPY_C, COPY_H, COPY_W);
    assert_int_equal(run(sim, &l), NCC_OK);
    assert_int_equal(run(sim, &l), NCC_OK);
    ncc_sim_set_trace(sim, NULL, NULL);
    assert_int_equal(run(sim, &l), NCC_OK);
    assert_int_equal(seen.layers, 2);
    assert_int_equal(seen.last.index, 1);
    assert_int_equal(seen.last.out_w, COPY_W);
    assert_int_equal(seen.last.dst, COPY_DST * 64);
    assert_true(seen.last.depthwise);
    assert_memory_equal(seen.output, in, COPY_SIZE);
    const struct ncc_sim_counters c = ncc_sim_counters(sim);
    const struct ncc_kpu_shape shape = {COPY_C, COPY_H, COPY_W, COPY_C, 1, true, NCC_KPU_POOL_NONE};
    assert_int_equal(c.layers, 3);
    assert_int_equal(c.macs, 3 * COPY_SIZE);
    assert_int_equal(c.uploaded, COPY_SIZE);
    assert_true(c.clocks == 3 * ncc_kpu_layer_clocks(&shape, 1));
}

static void fillings(void **state)
{
    struct ncc_sim *sim = *state;
    uint8_t first[64];
    ncc_sim_scramble(sim, 5);
    memcpy(first, ncc_sim_ram(sim), sizeof first);
    ncc_sim_scramble(sim, 6);
    assert_memory_not_equal(first, ncc_sim_ram(sim), sizeof first);
    ncc_sim_scramble(sim, 5);
    assert_memory_equal(first, ncc_sim_ram(sim), sizeof first);
}

static void wrong_words_are_refused(void **state)
{
    struct ncc_sim *sim = *state;
    static const struct {
        const char *field;
        int64_t value;
        const char *error;
    } rows[] = {
        {"o_row_wid", 9, "word 3, o_row_wid: is not the width after the pool (found 9, the shape gives 5)"},
        {"coef_group", 2,
         "word 7, coef_group: is not the channels per line of the input's width (found 2, the shape gives 4)"},
        {"load_para", 0,
         "word 4, load_para: must be 1, reuse of batch-norm words is unexplored (found 0, the shape gives 1)"},
        {"image_dst_addr", 4, "word 1, image_dst_addr: the output overlaps the input (found 4)"},
        {"kernel_type", 3, "word 4, kernel_type: is neither 0 (1x1) nor 1 (3x3) (found 3)"},
        {"pool_type", 8, "a depthwise layer must not have a pool"},
        {"wb_channel_switch_addr", 6,
         "word 8, wb_channel_switch_addr: the output is part of a larger map (found 6, the shape gives 5)"},
        {"arg_x", 3, "word 9, arg_x: is not a zero point of the weights (found 3)"},
    };
    uint8_t before[4096];
    memcpy(before, ncc_sim_ram(sim), sizeof before);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct copy_layer l = copy_layer();
        ncc_kpu_field_set(&l.regs, ncc_kpu_field_find(rows[i].field), rows[i].value);
        assert_int_equal(run(sim, &l), NCC_DEVICE_FAILED);
        assert_string_equal(ncc_sim_error(sim), rows[i].error);
    }
    assert_memory_equal(before, ncc_sim_ram(sim), sizeof before);
    assert_int_equal(ncc_sim_counters(sim).layers, 0);

    struct copy_layer l = copy_layer();
    l.regs.wb_channel_switch_addr = 6;
    ncc_sim_allow_untested(sim, true);
    assert_int_equal(run(sim, &l), NCC_OK);
    assert_string_equal(ncc_sim_error(sim), "");
}

static void wrong_parameters_are_refused(void **state)
{
    struct ncc_sim *sim = *state;
    const struct ncc_device *d = ncc_sim_device(sim);
    struct copy_layer l = copy_layer();
    uint64_t words[NCC_KPU_WORDS];
    ncc_kpu_pack(&l.regs, words);
    assert_int_equal(d->run_layer(d->ctx, words, l.weights, 3, 8, l.bn, COPY_C, l.act), NCC_DEVICE_FAILED);
    assert_string_equal(ncc_sim_error(sim), "the layer has 4 weights of 8 bits (found 3 bytes)");
    assert_int_equal(d->run_layer(d->ctx, words, l.weights, 4, 8, l.bn, 5, l.act), NCC_DEVICE_FAILED);
    assert_string_equal(ncc_sim_error(sim), "the layer has 4 batch-norm words (found 5)");
    words[6] |= UINT64_C(1) << 40;
    assert_int_equal(d->run_layer(d->ctx, words, l.weights, 4, 8, l.bn, COPY_C, l.act), NCC_DEVICE_FAILED);
    assert_string_equal(ncc_sim_error(sim), "word 6, kernel_offset: reserved bits must be 0 (found 0000010000000000)");
    l.act[8] = 44;
    assert_int_equal(run(sim, &l), NCC_DEVICE_FAILED);
    assert_string_equal(ncc_sim_error(sim), "a shift of the activation table must be at most 43");
}

/* 2^35 - 1 passes, 2^35 does not, before and after batch norm. */
static void range_of_36_bits(void **state)
{
    struct ncc_sim *sim = *state;
    struct copy_layer l = copy_layer();
    ncc_sim_allow_untested(sim, true);
    ncc_sim_fill(sim, 0);
    l.regs.arg_add = NCC_KPU_ACC_MAX;
    assert_int_equal(run(sim, &l), NCC_OK);
    ncc_sim_ram(sim)[64 * 2 + 16 * 3 + 1] = 1; /* channel 3, row 2, column 1 */
    assert_int_equal(run(sim, &l), NCC_DEVICE_FAILED);
    assert_string_equal(ncc_sim_error(sim), "output channel 3, row 2, column 1: the accumulator does not fit 36 bits");
    l.regs.arg_add = -1; /* that one element has acc 0, all others -1 */
    l.bn[0] = l.bn[1] = l.bn[2] = l.bn[3] = ncc_kpu_bn_pack((struct ncc_kpu_bn){1 << 22, 0, 0});
    assert_int_equal(run(sim, &l), NCC_OK);
    ncc_sim_fill(sim, 0);
    l.regs.arg_add = NCC_KPU_ACC_MIN / (1 << 22);
    assert_int_equal(run(sim, &l), NCC_OK);
    l.bn[2] = ncc_kpu_bn_pack((struct ncc_kpu_bn){1 << 22, -1, 0});
    assert_int_equal(run(sim, &l), NCC_DEVICE_FAILED);
    assert_string_equal(ncc_sim_error(sim),
                        "output channel 2, row 0, column 0: the batch-norm output does not fit 36 bits");
}

/* Runs the layer on a fresh memory and gives back a copy of it. */
static uint8_t *memory_after(const struct random_layer *l, const char *threads, const struct ncc_sim_kernel *kernel)
{
    setenv("NCC_THREADS", threads, 1);
    struct ncc_sim *sim = ncc_sim_new();
    uint8_t *copy = malloc(NCC_KPU_RAM_SIZE);
    const struct ncc_device *d = ncc_sim_device(sim);
    ncc_sim_allow_untested(sim, true);
    ncc_sim_use_kernel(sim, kernel);
    d->run_layer(d->ctx, l->words, l->weights, l->weights_size, 8, l->bn, (size_t)l->shape.out_c, l->act);
    memcpy(copy, ncc_sim_ram(sim), NCC_KPU_RAM_SIZE);
    ncc_sim_free(sim);
    unsetenv("NCC_THREADS");
    return copy;
}

static void threads_and_processors_do_not_matter(void **state)
{
    (void)state;
    struct rng g = {rng_seed()};
    int n;
    const struct ncc_sim_kernel *const *kernels = ncc_sim_kernels(&n);
    print_message("NCC_SEED=%llu\n", (unsigned long long)g.state);
    for (int i = 0; i < 20; i++) {
        struct random_layer l;
        random_layer_make(&l, &g, 8, 20000000);
        uint8_t *expected = memory_after(&l, "1", kernels[n - 1]);
        for (int k = 0; k < n; k++) {
            if (!kernels[k]->available())
                continue;
            uint8_t *found = memory_after(&l, "3", kernels[k]);
            assert_memory_equal(found, expected, NCC_KPU_RAM_SIZE);
            free(found);
        }
        free(expected);
        random_layer_free(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_there_and_back, open_sim, close_sim),
        cmocka_unit_test_setup_teardown(copies_outside_are_refused, open_sim, close_sim),
        cmocka_unit_test_setup_teardown(trace_and_counters, open_sim, close_sim),
        cmocka_unit_test_setup_teardown(fillings, open_sim, close_sim),
        cmocka_unit_test_setup_teardown(wrong_words_are_refused, open_sim, close_sim),
        cmocka_unit_test_setup_teardown(wrong_parameters_are_refused, open_sim, close_sim),
        cmocka_unit_test_setup_teardown(range_of_36_bits, open_sim, close_sim),
        cmocka_unit_test(threads_and_processors_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
