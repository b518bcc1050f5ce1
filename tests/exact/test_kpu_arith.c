/* The arithmetic against the examples of doc/kpu.md, and kpu/arith.h against the plain reference. */
#include "kpu/arith.h"
#include "tests/exact/random_layer.h"
#include "tests/exact/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void round_shift_examples(void **state)
{
    (void)state;
    static const struct {
        int64_t v, expected;
    } rows[] = {{5, 1}, {6, 2}, {7, 2}, {10, 2}, {-1, -2}, {-2, -2}, {-3, -1}, {-5, -3}, {-6, -2}, {0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(ncc_kpu_round_shift(rows[i].v, 2), rows[i].expected);
        assert_int_equal(reference_round_shift(rows[i].v, 2), rows[i].expected);
        assert_int_equal(ncc_kpu_round_shift(rows[i].v, 0), rows[i].v);
    }
}

static void round_shift_equals_reference(void **state)
{
    (void)state;
    const uint64_t seed = rng_seed();
    struct rng g = {seed};
    print_message("NCC_SEED=%llu\n", (unsigned long long)seed);
    for (int i = 0; i < 200000; i++) {
        const int shift = (int)rng_range(&g, 0, NCC_KPU_MAX_ACT_SHIFT);
        int64_t v = (int64_t)rng_next(&g) >> rng_range(&g, 12, 62);
        if (rng_chance(&g, 30)) /* a tie, or next to one */
            v = v - (v & ((INT64_C(1) << shift) - 1)) + ((INT64_C(1) << shift) >> 1) + rng_range(&g, -1, 1);
        assert_int_equal(ncc_kpu_round_shift(v, shift), reference_round_shift(v, shift));
    }
}

/* doc/kpu.md section 5.1, "Worked pixel". */
static void worked_pixel(void **state)
{
    (void)state;
    const int64_t acc = 29280 + ncc_kpu_zero_term(-130, 210, 0) + ncc_kpu_zero_term(-3, 268, 0) + 390 * 2;
    assert_int_equal(acc, 1956);
    const int64_t v = ncc_kpu_bn_apply((struct ncc_kpu_bn){300000, -500, 15}, acc);
    assert_int_equal(v, 17407);
    struct ncc_kpu_table t;
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++)
        t.seg[i] = (struct ncc_kpu_segment){NCC_KPU_ACC_MAX - 16 + i, 0, 0, 255};
    t.seg[0] = (struct ncc_kpu_segment){NCC_KPU_ACC_MIN, 0, 0, 0};
    t.seg[1] = (struct ncc_kpu_segment){0, 64, 13, 5};
    assert_null(ncc_kpu_table_check(&t));
    assert_int_equal(ncc_kpu_table_apply(&t, v), 141);
    assert_int_equal(ncc_kpu_zero_term(-3, 5, 2), -4); /* shifts round down */
}

static void batch_norm_words(void **state)
{
    (void)state;
    const struct ncc_kpu_bn bn = ncc_kpu_bn_unpack(UINT64_C(0x0f000b214009a64e)); /* appendix, node 0 */
    assert_int_equal(bn.mul, 632398);
    assert_int_equal(bn.add, 729408);
    assert_int_equal(bn.shift, 15);
    assert_int_equal(ncc_kpu_bn_pack(bn), UINT64_C(0x0f000b214009a64e));
    const int32_t muls[] = {-8388608, -1, 0, 8388607}, adds[] = {INT32_MIN, -1, 0, INT32_MAX};
    for (int m = 0; m < 4; m++)
        for (int a = 0; a < 4; a++)
            for (int s = 0; s < 16; s++) {
                const uint64_t word = ncc_kpu_bn_pack((struct ncc_kpu_bn){muls[m], adds[a], s});
                const struct ncc_kpu_bn back = ncc_kpu_bn_unpack(word | UINT64_C(0xf) << 60);
                assert_int_equal(word >> 60, 0);
                assert_int_equal(back.mul, muls[m]);
                assert_int_equal(back.add, adds[a]);
                assert_int_equal(back.shift, s);
            }
}

static void activation_words(void **state)
{
    (void)state;
    static const uint64_t words[3] = {0x0800000000000000, 0x0000000000004014,
                                      0x07fffffff1000000}; /* appendix, node 0 */
    uint8_t bytes[NCC_KPU_TABLE_SIZE] = {0}, packed[NCC_KPU_TABLE_SIZE];
    for (int i = 0; i < 3; i++)
        for (int b = 0; b < 8; b++)
            bytes[8 * i + b] = (uint8_t)(words[i] >> 8 * b);
    bytes[128 + 2] = 255;
    struct ncc_kpu_table t;
    ncc_kpu_table_unpack(bytes, &t);
    assert_int_equal(t.seg[0].x_start, -34359738368);
    assert_int_equal(t.seg[1].x_start, 0);
    assert_int_equal(t.seg[1].y_mul, 64);
    assert_int_equal(t.seg[1].shift, 20);
    assert_int_equal(t.seg[2].x_start, 34359738353);
    assert_int_equal(t.seg[2].bias, 255);
    ncc_kpu_table_pack(&t, packed);
    assert_memory_equal(packed, bytes, sizeof bytes);
    bytes[7] |= 0xc0; /* garbage that some files have */
    ncc_kpu_table_unpack(bytes, &t);
    ncc_kpu_table_pack(&t, packed);
    assert_int_equal(packed[7], 8);
    assert_int_equal(t.seg[0].x_start, -34359738368);
}

static void table_round_trip(void **state)
{
    (void)state;
    static const struct ncc_kpu_segment extremes[4] = {
        {NCC_KPU_ACC_MIN, INT16_MIN, 0, 0}, {-1, -1, 43, 255}, {0, 1, 20, 1}, {NCC_KPU_ACC_MAX, INT16_MAX, 255, 128}};
    struct ncc_kpu_table t, back;
    uint8_t bytes[NCC_KPU_TABLE_SIZE];
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++)
        t.seg[i] = extremes[i / 4];
    ncc_kpu_table_pack(&t, bytes);
    ncc_kpu_table_unpack(bytes, &back);
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++) {
        assert_int_equal(back.seg[i].x_start, t.seg[i].x_start);
        assert_int_equal(back.seg[i].y_mul, t.seg[i].y_mul);
        assert_int_equal(back.seg[i].shift, t.seg[i].shift);
        assert_int_equal(back.seg[i].bias, t.seg[i].bias);
    }
}

static struct ncc_kpu_table ramp(void)
{
    struct ncc_kpu_table t;
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++)
        t.seg[i] = (struct ncc_kpu_segment){i ? 100 * i : NCC_KPU_ACC_MIN, 0, 0, (uint8_t)(10 * i)};
    return t;
}

static void segments_start_after_their_start(void **state)
{
    (void)state;
    struct ncc_kpu_table t = ramp();
    assert_int_equal(ncc_kpu_table_apply(&t, NCC_KPU_ACC_MIN), 0);
    assert_int_equal(ncc_kpu_table_apply(&t, 100), 0);
    assert_int_equal(ncc_kpu_table_apply(&t, 101), 10);
    assert_int_equal(ncc_kpu_table_apply(&t, 1500), 140);
    assert_int_equal(ncc_kpu_table_apply(&t, NCC_KPU_ACC_MAX), 150);
    t.seg[3].x_start = t.seg[2].x_start; /* of equal starts the later counts */
    assert_int_equal(ncc_kpu_table_apply(&t, 250), 30);
    t.seg[15] = (struct ncc_kpu_segment){1500, 1, 0, 250};
    assert_int_equal(ncc_kpu_table_apply(&t, 1504), 254);
    assert_int_equal(ncc_kpu_table_apply(&t, 1600), 255); /* clamped */
    t.seg[15].y_mul = -100;
    assert_int_equal(ncc_kpu_table_apply(&t, 1600), 0);
}

static void table_rules(void **state)
{
    (void)state;
    struct ncc_kpu_table t = ramp();
    assert_null(ncc_kpu_table_check(&t));
    t.seg[4].x_start = t.seg[5].x_start;
    t.seg[4].shift = 43;
    t.seg[15].x_start = NCC_KPU_ACC_MAX;
    assert_null(ncc_kpu_table_check(&t));
    t.seg[4].shift = 44;
    assert_non_null(strstr(ncc_kpu_table_check(&t), "shift"));
    t = ramp();
    t.seg[4].x_start = t.seg[5].x_start + 1;
    assert_non_null(strstr(ncc_kpu_table_check(&t), "sorted"));
    t = ramp();
    t.seg[0].x_start++;
    assert_non_null(strstr(ncc_kpu_table_check(&t), "first segment"));
    t = ramp();
    t.seg[15].x_start = NCC_KPU_ACC_MAX + 1;
    assert_non_null(strstr(ncc_kpu_table_check(&t), "36 signed bits"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_shift_examples),
        cmocka_unit_test(round_shift_equals_reference),
        cmocka_unit_test(worked_pixel),
        cmocka_unit_test(batch_norm_words),
        cmocka_unit_test(activation_words),
        cmocka_unit_test(table_round_trip),
        cmocka_unit_test(segments_start_after_their_start),
        cmocka_unit_test(table_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
