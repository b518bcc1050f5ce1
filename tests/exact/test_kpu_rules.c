/* Every rule for layers on both sides of its edge. */
#include "kpu/layer.h"
#include "kpu/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* For each rule a shape just inside and one just outside. */
static const struct edge {
    const char *rule;
    struct ncc_kpu_shape inside, outside;
} edges[] = {
    {"the kernel must be 1x1 or 3x3", {8, 8, 8, 8, 3, false, 0}, {8, 8, 8, 8, 2, false, 0}},
    {"the pool must be one of codes 0 to 9", {8, 8, 8, 8, 3, false, 9}, {8, 8, 8, 8, 3, false, 10}},
    {"the pool must be one of codes 0 to 9", {8, 8, 8, 8, 3, false, 0}, {8, 8, 8, 8, 3, false, -1}},
    {"the input must have 1 to 1024 channels", {1024, 8, 8, 8, 1, false, 0}, {1025, 8, 8, 8, 1, false, 0}},
    {"the input must have 1 to 1024 channels", {1, 8, 8, 8, 1, false, 0}, {0, 8, 8, 8, 1, false, 0}},
    {"the output must have 1 to 1024 channels", {8, 8, 8, 1024, 1, false, 0}, {8, 8, 8, 1025, 1, false, 0}},
    {"the output must have 1 to 1024 channels", {8, 8, 8, 1, 1, false, 0}, {8, 8, 8, 0, 1, false, 0}},
    {"the input must be 1 to 960 wide", {1, 8, 960, 1, 1, false, 0}, {1, 8, 961, 1, 1, false, 0}},
    {"the input must be 1 to 960 wide", {1, 8, 1, 1, 1, false, 0}, {1, 8, 0, 1, 1, false, 0}},
    {"the input must be 1 to 512 high", {1, 512, 8, 1, 1, false, 0}, {1, 513, 8, 1, 1, false, 0}},
    {"the input must be 1 to 512 high", {1, 1, 8, 1, 1, false, 0}, {1, 0, 8, 1, 1, false, 0}},
    {"the output must not be empty after the pool", {1, 2, 2, 1, 1, false, 1}, {1, 2, 1, 1, 1, false, 1}},
    {"the output must not be empty after the pool", {1, 4, 4, 1, 1, false, 3}, {1, 3, 4, 1, 1, false, 3}},
    {"a depthwise layer must have as many outputs as inputs", {8, 8, 8, 8, 3, true, 0}, {8, 8, 8, 9, 3, true, 0}},
    {"the weights must fit in 64 loads of 30 KiB", {512, 4, 4, 384, 3, false, 0}, {512, 4, 4, 385, 3, false, 0}},
    {"the weights must fit in 64 loads of 30 KiB", {1024, 4, 4, 192, 3, false, 0}, {1024, 4, 4, 193, 3, false, 0}},
    {"input and output together must fit in 2 MiB of KPU RAM",
     {64, 256, 64, 64, 3, false, 0},
     {64, 256, 64, 65, 3, false, 0}},
    {"the input must be at most 512 wide", {1, 8, 512, 1, 1, false, 0}, {1, 8, 513, 1, 1, false, 0}},
    {"the input must be at most 256 high", {1, 256, 8, 1, 1, false, 0}, {1, 257, 8, 1, 1, false, 0}},
    {"the input must be at least 4x4", {1, 4, 4, 1, 1, false, 0}, {1, 4, 3, 1, 1, false, 0}},
    {"the input must be at least 4x4", {1, 4, 4, 1, 1, false, 0}, {1, 3, 4, 1, 1, false, 0}},
    {"the output must be at least 4x4 after the pool", {1, 8, 8, 1, 1, false, 1}, {1, 8, 7, 1, 1, false, 1}},
    {"a depthwise layer must not have a pool", {8, 8, 8, 8, 3, true, 0}, {8, 8, 8, 8, 3, true, 1}},
};

enum { N_EDGES = sizeof edges / sizeof *edges };

static const struct ncc_kpu_shape_rule *rule_of(const char *text)
{
    int n;
    const struct ncc_kpu_shape_rule *rules = ncc_kpu_shape_rules(&n);
    for (int i = 0; i < n; i++)
        if (strcmp(rules[i].text, text) == 0)
            return &rules[i];
    return NULL;
}

static void shape_rules_at_their_edges(void **state)
{
    (void)state;
    for (int i = 0; i < N_EDGES; i++) {
        const struct ncc_kpu_shape_rule *rule = rule_of(edges[i].rule);
        assert_non_null(rule);
        assert_null(ncc_kpu_shape_check(&edges[i].inside, true));
        assert_true(rule->holds(&edges[i].inside));
        assert_string_equal(ncc_kpu_shape_check(&edges[i].outside, false), rule->text);
        const char *allowed = ncc_kpu_shape_check(&edges[i].outside, true);
        if (rule->untested)
            assert_null(allowed);
        else
            assert_string_equal(allowed, rule->text);
    }
}

static void every_shape_rule_has_an_edge(void **state)
{
    (void)state;
    int n;
    const struct ncc_kpu_shape_rule *rules = ncc_kpu_shape_rules(&n);
    for (int r = 0; r < n; r++) {
        bool found = false;
        for (int i = 0; i < N_EDGES; i++)
            found = found || strcmp(rules[r].text, edges[i].rule) == 0;
        if (!found)
            print_error("no edge for: %s\n", rules[r].text);
        assert_true(found);
    }
}

static void weight_loads(void **state)
{
    (void)state;
    static const struct {
        struct ncc_kpu_shape shape;
        int weight_size, loads, oc_per_load, load_size;
    } rows[] = {
        {{128, 15, 20, 32, 3, false, 0}, 1, 2, 26, 29952}, {{128, 16, 20, 256, 1, false, 5}, 1, 2, 240, 30720},
        {{512, 8, 8, 384, 3, false, 0}, 1, 64, 6, 27648},  {{1024, 8, 8, 1024, 1, false, 0}, 1, 35, 30, 30720},
        {{128, 8, 8, 128, 3, false, 0}, 2, 5, 26, 59904},  {{1024, 8, 8, 1024, 3, true, 0}, 1, 1, 1024, 9216},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ncc_kpu_loads l = ncc_kpu_weight_loads(&rows[i].shape, rows[i].weight_size);
        assert_int_equal(l.loads, rows[i].loads);
        assert_int_equal(l.oc_per_load, rows[i].oc_per_load);
        assert_int_equal(l.load_size, rows[i].load_size);
    }
}

/* 16x20x20 -> 12x10x10, pool 5, input at line 100 (160 lines), output at line 300 (30 lines). */
static struct ncc_kpu_regs good(bool depthwise)
{
    const struct ncc_kpu_shape shape = {16, 20, 20, depthwise ? 16 : 12, 3, depthwise, depthwise ? 0 : 5};
    struct ncc_kpu_regs regs;
    ncc_kpu_derive(&shape, 100, 300, 7, 9, &regs);
    return regs;
}

static void expect(const struct ncc_kpu_regs *regs, const char *field)
{
    const char *text = ncc_kpu_regs_check(regs);
    if (!text || strncmp(text, field, strlen(field)) != 0)
        print_error("%s: %s\n", field, text ? text : "passes");
    assert_non_null(text);
    assert_memory_equal(text, field, strlen(field));
}

/* Of 16-bit weights a load holds twice the bytes. */
static void wide_weights(void **state)
{
    (void)state;
    const struct ncc_kpu_shape shape = {128, 8, 8, 128, 3, false, 0};
    const struct ncc_kpu_loads l = ncc_kpu_weight_loads(&shape, 2);
    struct ncc_kpu_regs regs;
    ncc_kpu_derive(&shape, 0, 1000, 7, 9, &regs);
    assert_null(ncc_kpu_regs_check(&regs));
    assert_memory_equal(ncc_kpu_regs_check_16(&regs), "para_size:", 10);
    regs.para_size = l.load_size;
    regs.o_ch_num_coef = l.oc_per_load - 1;
    regs.load_time = l.loads - 1;
    assert_null(ncc_kpu_regs_check_16(&regs));
    assert_memory_equal(ncc_kpu_regs_check(&regs), "para_size:", 10);
    regs.para_size += l.load_size / l.oc_per_load;
    regs.o_ch_num_coef++;
    assert_string_equal(ncc_kpu_regs_check_16(&regs), "para_size: is above 60 KiB");

    ncc_kpu_derive_16(&shape, 0, 1000, 7, 65535, &regs);
    assert_null(ncc_kpu_regs_check_16(&regs));
    assert_null(ncc_kpu_regs_untested_16(&regs));
    assert_int_equal(regs.arg_x, -65535);
    assert_int_equal(regs.arg_add, 9 * 7 * 65535);
    regs.arg_x--;
    assert_memory_equal(ncc_kpu_regs_untested_16(&regs), "arg_x:", 6);
}

static void one_wrong_field(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int64_t value;
    } rows[] = {
        {"ram_flag", 1},
        {"full_add", 1},
        {"pad_type", 1},
        {"first_stride", 1},
        {"bypass_conv", 1},
        {"load_para", 0},
        {"load_coor", 0},
        {"load_act", 0},
        {"dma_burst_size", 14},
        {"coef_column_offset", 1},
        {"coef_row_offset", 1},
        {"coef_size", 1},
        {"kernel_type", 2},
        {"pool_type", 10},
        {"o_row_wid", 8},
        {"o_row_wid", 10},
        {"o_col_high", 8},
        {"o_col_high", 10},
        {"o_ch_num_coef", 12},
        {"para_size", 12 * 144 - 1},
        {"load_time", 1},
        {"coef_group", 4},
        {"coef_group", 1},
        {"row_switch_addr", 0},
        {"channel_switch_addr", 19},
        {"wb_group", 2},
        {"wb_row_switch_addr", 0},
        {"wb_channel_switch_addr", 9},
        {"image_src_addr", 32768 - 159},
        {"image_dst_addr", 32768 - 29},
        {"image_dst_addr", 100 + 159},
        {"image_dst_addr", 100 - 29},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ncc_kpu_regs regs = good(false);
        assert_null(ncc_kpu_regs_check(&regs));
        ncc_kpu_field_set(&regs, ncc_kpu_field_find(rows[i].field), rows[i].value);
        expect(&regs, rows[i].field);
    }
}

static void edges_that_pass(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int64_t value;
    } rows[] = {
        {"image_src_addr", 32768 - 160},
        {"image_dst_addr", 32768 - 30},
        {"image_dst_addr", 100 + 160},
        {"image_dst_addr", 100 - 30},
        {"channel_switch_addr", 21},
        {"wb_channel_switch_addr", 11},
        {"int_en", 1},
        {"bwsx_base_addr", 0xffffffff},
        {"pad_value", 0},
        {"arg_x", -8388608},
        {"arg_add", 549755813887},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ncc_kpu_regs regs = good(false);
        ncc_kpu_field_set(&regs, ncc_kpu_field_find(rows[i].field), rows[i].value);
        assert_null(ncc_kpu_regs_check(&regs));
    }
}

static void depthwise_and_dma(void **state)
{
    (void)state;
    struct ncc_kpu_regs regs = good(true);
    assert_null(ncc_kpu_regs_check(&regs));
    regs.o_ch_num = 11;
    expect(&regs, "o_ch_num:");
    regs = good(true);
    regs.o_ch_num_coef = 7;
    regs.para_size = 72;
    regs.load_time = 1;
    expect(&regs, "o_ch_num_coef:");

    regs = good(false);
    regs.channel_byte_num = 98; /* harmless while nothing is streamed */
    assert_null(ncc_kpu_regs_check(&regs));
    regs.send_data_out = 1;
    expect(&regs, "channel_byte_num:");
    regs.channel_byte_num = 99;
    assert_null(ncc_kpu_regs_check(&regs));
    regs.dma_total_byte++;
    expect(&regs, "dma_total_byte:");

    const struct ncc_kpu_shape wide = {1, 256, 256, 1, 1, false, 0}, wider = {1, 256, 257, 1, 1, false, 0};
    ncc_kpu_derive(&wide, 0, 2048, 0, 0, &regs);
    regs.send_data_out = 1;
    assert_null(ncc_kpu_regs_check(&regs));
    ncc_kpu_derive(&wider, 0, 2048, 0, 0, &regs);
    assert_null(ncc_kpu_regs_untested(&regs));
    regs.send_data_out = 1;
    expect(&regs, "send_data_out:");
}

static void one_load_too_large(void **state)
{
    (void)state;
    const struct ncc_kpu_shape shape = {1024, 4, 4, 8, 3, false, 0};
    struct ncc_kpu_regs regs;
    ncc_kpu_derive(&shape, 0, 2000, 0, 0, &regs);
    assert_null(ncc_kpu_regs_check(&regs));
    regs.o_ch_num_coef = 3;
    regs.para_size = 4 * 9216;
    regs.load_time = 1;
    expect(&regs, "para_size:");
    regs.o_ch_num_coef = 1; /* fewer than fit: works, but no compiler does it */
    regs.para_size = 2 * 9216;
    regs.load_time = 3;
    assert_null(ncc_kpu_regs_check(&regs));
    assert_memory_equal(ncc_kpu_regs_untested(&regs), "o_ch_num_coef:", 14);
}

static void what_is_untested(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int64_t value;
    } rows[] = {
        {"channel_switch_addr", 21},
        {"wb_channel_switch_addr", 11},
        {"row_switch_addr", 2},
        {"wb_row_switch_addr", 2},
        {"pad_value", 8},
        {"arg_w", -6},
        {"arg_w", 1},
        {"arg_w", -256},
        {"arg_x", 1},
        {"shr_x", 15},
        {"arg_add", 566},
    };
    struct ncc_kpu_regs regs = good(false);
    assert_null(ncc_kpu_regs_untested(&regs));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        regs = good(false);
        ncc_kpu_field_set(&regs, ncc_kpu_field_find(rows[i].field), rows[i].value);
        assert_non_null(ncc_kpu_regs_untested(&regs));
    }
    regs = good(false); /* as v3 files store it */
    regs.arg_x *= 32768;
    regs.arg_w *= 32768;
    regs.shr_x = regs.shr_w = 15;
    assert_null(ncc_kpu_regs_untested(&regs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shape_rules_at_their_edges),
        cmocka_unit_test(every_shape_rule_has_an_edge),
        cmocka_unit_test(weight_loads),
        cmocka_unit_test(wide_weights),
        cmocka_unit_test(one_wrong_field),
        cmocka_unit_test(edges_that_pass),
        cmocka_unit_test(depthwise_and_dma),
        cmocka_unit_test(one_load_too_large),
        cmocka_unit_test(what_is_untested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
