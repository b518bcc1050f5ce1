/* The twelve words: packing, and the layers of doc/kpu.md's appendix from their shapes alone. */
#include "kpu/arith.h"
#include "kpu/disasm.h"
#include "kpu/layer.h"
#include "kpu/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fields_cover_no_bit_twice(void **state)
{
    (void)state;
    int n;
    const struct ncc_kpu_field *f = ncc_kpu_fields(&n);
    uint64_t used[NCC_KPU_WORDS] = {0};
    assert_int_equal((size_t)n * sizeof(int64_t), sizeof(struct ncc_kpu_regs));
    for (int i = 0; i < n; i++) {
        const uint64_t mask = ((UINT64_C(1) << f[i].width) - 1) << f[i].low;
        assert_true(f[i].low + f[i].width <= 64);
        assert_int_equal(used[f[i].word] & mask, 0);
        used[f[i].word] |= mask;
        assert_ptr_equal(ncc_kpu_field_find(f[i].name), &f[i]);
    }
    assert_null(ncc_kpu_field_find("no_such_field"));
}

static void extremes_survive_packing(void **state)
{
    (void)state;
    int n;
    const struct ncc_kpu_field *f = ncc_kpu_fields(&n);
    for (int i = 0; i < n; i++) {
        const int64_t values[] = {ncc_kpu_field_min(&f[i]), ncc_kpu_field_max(&f[i])};
        for (int k = 0; k < 2; k++) {
            struct ncc_kpu_regs regs = {0}, back;
            uint64_t words[NCC_KPU_WORDS];
            ncc_kpu_field_set(&regs, &f[i], values[k]);
            assert_null(ncc_kpu_pack(&regs, words));
            ncc_kpu_unpack(words, &back);
            assert_memory_equal(&regs, &back, sizeof regs);
            assert_int_equal(ncc_kpu_reserved_word(words), -1);

            ncc_kpu_field_set(&regs, &f[i], values[k] + (k ? 1 : -1));
            assert_string_equal(ncc_kpu_pack(&regs, words), f[i].name);
        }
    }
}

static void all_fields_at_once(void **state)
{
    (void)state;
    int n;
    const struct ncc_kpu_field *f = ncc_kpu_fields(&n);
    struct ncc_kpu_regs regs, back;
    uint64_t words[NCC_KPU_WORDS];
    for (int i = 0; i < n; i++)
        ncc_kpu_field_set(&regs, &f[i], i % 2 ? ncc_kpu_field_min(&f[i]) : ncc_kpu_field_max(&f[i]));
    assert_null(ncc_kpu_pack(&regs, words));
    ncc_kpu_unpack(words, &back);
    assert_memory_equal(&regs, &back, sizeof regs);
}

static void reserved_bits_are_found(void **state)
{
    (void)state;
    static const struct {
        int word, bit;
    } reserved[] = {{0, 4}, {0, 63}, {1, 15}, {2, 10}, {3, 31},  {4, 11},
                    {5, 7}, {7, 15}, {8, 23}, {9, 56}, {10, 40}, {11, 1}};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        uint64_t words[NCC_KPU_WORDS] = {0};
        words[reserved[i].word] = UINT64_C(1) << reserved[i].bit;
        assert_int_equal(ncc_kpu_reserved_word(words), reserved[i].word);
    }
}

/* doc/kpu.md, appendix: layers of published kmodels. */
static const struct appendix {
    struct ncc_kpu_shape shape;
    int src, dst, x_zero, w_zero;
    uint32_t skip_bn, skip_weights, skip_act;
    int send_data_out;
    uint64_t words[NCC_KPU_WORDS];
} appendix[] = {
    {{3, 240, 320, 16, 3, false, 5},
     0,
     3600,
     128,
     151,
     0xe0,
     0x70,
     0x80,
     0,
     {0x0000000000000000, 0x00000e1000000000, 0x000f000f00000002, 0x0001dc9f0003bd3f, 0x000000e0800f0451,
      0x0000007000d80001, 0x0000000000000000, 0x00000080900504b0, 0x0000000000130168, 0x00ffff69ffff8000,
      0x000000000002a780, 0x0004afff4aff0000}},
    {{16, 120, 160, 16, 3, true, 0},
     3600,
     11520,
     0,
     123,
     0xd8,
     0x70,
     0x80,
     0,
     {0x0000000000000008, 0x00002d0000000e10, 0x000f000f0000000f, 0x0001dc9f0001dc9f, 0x000000d8000f0401,
      0x0000007000480001, 0x0000000000000000, 0x0000008090030168, 0x0000000000130168, 0x00ffff8500000000,
      0x0000000000000000, 0x0004afff4aff0000}},
    {{128, 15, 20, 32, 3, false, 0},
     960,
     0,
     0,
     159,
     0x88,
     0x70,
     0,
     1,
     {0x0000000000000000, 0x00000000000003c0, 0x0019001f0000007f, 0x0000381300003813, 0x00000088000f0401,
      0x000000703a800003, 0x0000000000000000, 0x00000000a001000f, 0x000000000021000f, 0x00ffff6100000000,
      0x0000000000000000, 0x0000257f012b0001}},
    {{128, 16, 20, 256, 1, false, 5},
     512,
     0,
     0,
     101,
     0x80,
     0x70,
     0,
     0,
     {0x0000000000000000, 0x0000000000000200, 0x00ef00ff0000007f, 0x00001c0900003c13, 0x00000080000f0450,
      0x000000703c000003, 0x0000000000000000, 0x00000000a0010010, 0x0000000000410008, 0x00ffff9b00000000,
      0x0000000000000000, 0x00004fff004f0000}},
};

static void appendix_follows_from_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof appendix / sizeof *appendix; i++) {
        const struct appendix *a = &appendix[i];
        struct ncc_kpu_regs regs;
        uint64_t words[NCC_KPU_WORDS];
        assert_null(ncc_kpu_shape_check(&a->shape, false));
        ncc_kpu_derive(&a->shape, a->src, a->dst, a->x_zero, a->w_zero, &regs);
        assert_null(ncc_kpu_regs_check(&regs));
        assert_null(ncc_kpu_regs_untested(&regs));
        regs.bwsx_base_addr = a->skip_bn;
        regs.para_start_addr = a->skip_weights;
        regs.active_addr = a->skip_act;
        regs.send_data_out = a->send_data_out;
        assert_null(ncc_kpu_pack(&regs, words));
        assert_memory_equal(words, a->words, sizeof words);
        assert_null(ncc_kpu_regs_check(&regs));

        struct ncc_kpu_shape back;
        assert_null(ncc_kpu_shape_of(&regs, &back));
        assert_int_equal(back.in_c, a->shape.in_c);
        assert_int_equal(back.in_h, a->shape.in_h);
        assert_int_equal(back.in_w, a->shape.in_w);
        assert_int_equal(back.out_c, a->shape.out_c);
        assert_int_equal(back.kernel, a->shape.kernel);
        assert_int_equal(back.depthwise, a->shape.depthwise);
        assert_int_equal(back.pool, a->shape.pool);
    }
}

static void layouts(void **state)
{
    (void)state;
    static const struct {
        int w, group, row_lines, pitch;
    } rows[] = {{1, 4, 1, 16},  {16, 4, 1, 16}, {17, 2, 1, 32},  {32, 2, 1, 32},  {33, 1, 1, 64},
                {64, 1, 1, 64}, {65, 1, 2, 64}, {128, 1, 2, 64}, {320, 1, 5, 64}, {512, 1, 8, 64}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ncc_kpu_layout l = ncc_kpu_layout_of(rows[i].w);
        assert_int_equal(l.group, rows[i].group);
        assert_int_equal(l.row_lines, rows[i].row_lines);
        assert_int_equal(l.pitch, rows[i].pitch);
    }
}

static void sizes_and_addresses(void **state)
{
    (void)state;
    assert_int_equal(ncc_kpu_bytes(48, 8, 10), 6144);
    assert_int_equal(ncc_kpu_bytes(48, 15, 20), 23040);
    assert_int_equal(ncc_kpu_bytes(48, 30, 40), 92160);
    assert_int_equal(ncc_kpu_lines(3, 240, 320), 3600);
    assert_int_equal(ncc_kpu_lines(16, 120, 160), 5760);
    assert_int_equal(ncc_kpu_lines(128, 15, 20), 960);
    assert_int_equal(ncc_kpu_lines(1024, 7, 10), 1792);
    assert_int_equal(ncc_kpu_address(5, 2, 3, 4, 10), 64 * 4 + 64 * 2 + 16 + 3);
    assert_int_equal(ncc_kpu_address(5, 2, 3, 4, 20), 64 * 4 * 2 + 64 * 2 + 32 + 3);
    assert_int_equal(ncc_kpu_address(5, 2, 70, 4, 100), 64 * 2 * 4 * 5 + 64 * 2 * 2 + 70);
    /* No int overflow on the way, for shapes that no chip holds. */
    assert_int_equal(ncc_kpu_bytes(1 << 20, 1 << 10, 1 << 10), INT64_C(1) << 40);
}

static void disassembly(void **state)
{
    (void)state;
    char text[NCC_KPU_DISASM_SIZE], cut[40];
    const size_t length = ncc_kpu_disasm(appendix[0].words, 1, text, sizeof text);
    assert_true(length < sizeof text);
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, "conv 3x3, 3x240x320 at line 0 -> 16x120x160 at line 3600, pool left top of 2x2, "
                                 "1 load of 432 bytes\n"));
    assert_non_null(strstr(text, "00ffff69ffff8000  conv_value            arg_w=-128 arg_x=-151\n"));
    assert_null(strstr(text, "refused"));
    assert_null(strstr(text, "untested"));
    assert_int_equal(ncc_kpu_disasm(appendix[0].words, 1, cut, sizeof cut), length);
    assert_int_equal(strlen(cut), sizeof cut - 1);
    assert_memory_equal(cut, text, sizeof cut - 1);

    uint64_t words[NCC_KPU_WORDS];
    memset(words, 0xff, sizeof words);
    assert_true(ncc_kpu_disasm(words, 1, text, sizeof text) < sizeof text);
    assert_non_null(strstr(text, "refused: kernel_type: is neither 0 (1x1) nor 1 (3x3)\n"));
    assert_non_null(strstr(text, "refused: reserved bits are set in word interrupt_enabe\n"));
}

static void table_disassembly(void **state)
{
    (void)state;
    struct ncc_kpu_table t;
    char text[2048];
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++)
        t.seg[i] = (struct ncc_kpu_segment){NCC_KPU_ACC_MAX - NCC_KPU_SEGMENTS + i, 0, 0, 255};
    t.seg[0] = (struct ncc_kpu_segment){NCC_KPU_ACC_MIN, 0, 0, 7};
    t.seg[1] = (struct ncc_kpu_segment){-5, -64, 20, 9};
    ncc_kpu_disasm_table(&t, text, sizeof text);
    assert_string_equal(text, "segment 0: x > -34359738368, y = 7 + (x - start) * 0 >> 0\n"
                              "segment 1: x > -5, y = 9 + (x - start) * -64 >> 20\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_cover_no_bit_twice),
        cmocka_unit_test(extremes_survive_packing),
        cmocka_unit_test(all_fields_at_once),
        cmocka_unit_test(reserved_bits_are_found),
        cmocka_unit_test(appendix_follows_from_shapes),
        cmocka_unit_test(layouts),
        cmocka_unit_test(sizes_and_addresses),
        cmocka_unit_test(disassembly),
        cmocka_unit_test(table_disassembly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
