/* Every rule of the check, on the wrong side of its edge; the valid models around it are on the right one. */
#include "model_builder.h"

#include "kpu/arith.h"
#include "kpu/layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The text of the check's fault in node 0; NULL when the model is fine. */
static const char *fault_of(const struct mb *b)
{
    size_t size;
    uint8_t *const file = mb_file(b, &size);
    struct ncc_kmodel km;
    struct ncc_km_fault where = {.text = "not opened"};
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_OK);
    const enum ncc_status status = ncc_kmodel_check(&km, &where);
    assert_int_equal(status, where.text == NULL ? NCC_OK : NCC_MALFORMED);
    if (where.text != NULL && where.node != NCC_KM_NO_NODE)
        assert_int_equal(where.opcode, b->nodes[where.node].opcode);
    free(file);
    return where.text;
}

static void expect_fault(const struct mb *b, const char *part)
{
    const char *const text = fault_of(b);
    if (part == NULL && text != NULL)
        fail_msg("refused: %s", text);
    if (part != NULL && (text == NULL || strstr(text, part) == NULL))
        fail_msg("'%s' does not say '%s'", text == NULL ? "" : text, part);
}

/* Sets `place` inside the model to a value, expects the fault, and puts the old value back. */
#define EXPECT(b, place, value, part)                                                                                  \
    do {                                                                                                               \
        const __typeof__(place) kept = (place);                                                                        \
        (place) = (value);                                                                                             \
        expect_fault((b), (part));                                                                                     \
        (place) = kept;                                                                                                \
        expect_fault((b), NULL);                                                                                       \
    } while (0)

#define BODY(b, type) ((struct type *)(void *)(b).nodes[0].body.bytes)

static const int32_t shape_2x3[4] = {1, 1, 2, 3};

static struct mb binary_model(void)
{
    struct mb b = {0};
    struct ncc_km_binary op = {.op = NCC_KM_BINARY_ADD, .act = {0, 1}};
    for (int i = 0; i < 4; i++)
        op.a_shape[i] = op.b_shape[i] = op.out_shape[i] = shape_2x3[i];
    op.a = mb_input(&b, NCC_KM_F32, shape_2x3);
    op.b = mb_const(&b, NCC_KM_F32, (float[6]){1, 2, 3, 4, 5, 6}, 6);
    op.out = mb_output(&b, NCC_KM_F32, 6);
    mb_add(&b, NCC_KM_OP_binary, &op, sizeof op, NULL, 0, NULL, 0);
    return b;
}

static void ranges(void **state)
{
    (void)state;
    struct mb b = binary_model();
    struct ncc_km_binary *const op = BODY(b, ncc_km_binary);
    EXPECT(&b, op->op, NCC_KM_N_BINARY, "unknown binary operator");
    EXPECT(&b, op->a.memory_type, NCC_KM_KPU, "neither in main memory nor among the constants");
    EXPECT(&b, op->a.memory_type, 7, "neither in main memory");
    EXPECT(&b, op->out.memory_type, NCC_KM_CONST, "not in main memory");
    EXPECT(&b, op->a.datatype, NCC_KM_U8, "another datatype");
    EXPECT(&b, op->a.size, 20, "size is not that of its shape");
    EXPECT(&b, op->a.start, 2, "multiple of 4");
    EXPECT(&b, op->out.start, b.main_size - 20, "outside its memory");
    EXPECT(&b, op->out.start, UINT32_MAX - 3, "outside its memory");
    EXPECT(&b, op->b.start, 4, "outside its memory");
    EXPECT(&b, op->a_shape[2], 3, "broadcast");
    EXPECT(&b, op->a_shape[2], 0, "less than 1");
    EXPECT(&b, op->out_shape[1], INT32_MAX, "2^31");
}

static void inputs_and_outputs(void **state)
{
    (void)state;
    struct mb b = binary_model();
    EXPECT(&b, b.inputs[0].start, b.main_size, "outside its memory");
    EXPECT(&b, b.inputs[0].datatype, 2, "unknown datatype");
    EXPECT(&b, b.input_shapes[0][3], 4, "size is not that of its shape");
    EXPECT(&b, b.inputs[0].memory_type, NCC_KM_CONST, "not in main memory");
    EXPECT(&b, b.outputs[0].start, b.main_size, "outside its memory");
    EXPECT(&b, b.outputs[0].datatype, 9, "unknown datatype");
    EXPECT(&b, b.outputs[0].size, 23, "size is not");
    EXPECT(&b, b.outputs[0].memory_type, NCC_KM_KPU, "neither in main memory");
    const struct ncc_km_range main_input = b.inputs[0];
    /* 1 x 1 x 2 x 3 in KPU RAM takes two lines of 64 bytes */
    b.inputs[0] = (struct ncc_km_range){NCC_KM_KPU, NCC_KM_U8, 2097152 - 128, 128};
    EXPECT(&b, b.inputs[0].start, 2097152 - 64, "outside KPU RAM");
    EXPECT(&b, b.inputs[0].start, 32, "multiple of 64");
    EXPECT(&b, b.inputs[0].size, 64, "size in KPU RAM");
    EXPECT(&b, b.inputs[0].datatype, NCC_KM_F32, "not uint8");
    EXPECT(&b, b.input_shapes[0][0], 2097152, "larger than KPU RAM");
    b.inputs[0] = main_input;
}

static void windows(void **state)
{
    (void)state;
    static float weights[2 * 3 * 3], bias[2];
    struct mb b = {0};
    struct ncc_km_conv2d op = {.in_shape = {1, 1, 5, 5}, .groups = 1, .out_channels = 2};
    op.window = (struct ncc_km_window){{1, 1}, {1, 1}, 3, 3, 2, 2, 1, 1};
    op.in = mb_input(&b, NCC_KM_F32, op.in_shape);
    op.out = mb_output(&b, NCC_KM_F32, 2 * 3 * 3);
    mb_add(&b, NCC_KM_OP_conv2d, &op, sizeof op, weights, sizeof weights, bias, sizeof bias);
    struct ncc_km_conv2d *const body = BODY(b, ncc_km_conv2d);
    EXPECT(&b, body->groups, 0, "groups");
    EXPECT(&b, body->groups, 2, "groups");
    EXPECT(&b, body->groups, -1, "groups");
    EXPECT(&b, body->out_channels, -2, "groups");
    EXPECT(&b, body->out_channels, 3, "body is shorter");
    EXPECT(&b, body->window.filter_h, 0, "dimension is less than 1");
    EXPECT(&b, body->window.filter_w, 4, "body is shorter");
    EXPECT(&b, body->window.stride_h, 0, "stride");
    EXPECT(&b, body->window.stride_w, 1, "size is not that of its shape");
    EXPECT(&b, body->window.dilation_w, 0, "dilation");
    EXPECT(&b, body->window.dilation_w, 4, "larger than the padded input");
    EXPECT(&b, body->window.pad_h.before, INT32_MAX, "padding is out of range");
    EXPECT(&b, body->window.pad_h.before, 3, "size is not that of its shape");
    EXPECT(&b, b.nodes[0].payload_size[1], 4, NULL); /* the padding to 8 makes up for it */
    EXPECT(&b, b.nodes[0].payload_size[1], 0, "body is shorter");
}

static void lists_and_orders(void **state)
{
    (void)state;
    struct mb b = {0};
    struct ncc_km_transpose op = {.in_shape = {1, 1, 2, 3}, .perm = {0, 1, 3, 2}};
    op.in = mb_input(&b, NCC_KM_U8, shape_2x3);
    op.out = mb_output(&b, NCC_KM_U8, 6);
    mb_add(&b, NCC_KM_OP_transpose, &op, sizeof op, NULL, 0, NULL, 0);
    EXPECT(&b, BODY(b, ncc_km_transpose)->perm[0], 1, "twice");
    EXPECT(&b, BODY(b, ncc_km_transpose)->perm[0], 4, "does not exist");
    EXPECT(&b, BODY(b, ncc_km_transpose)->perm[0], -1, "does not exist");
    EXPECT(&b, BODY(b, ncc_km_transpose)->out.datatype, NCC_KM_F32, "another datatype");

    struct ncc_km_strided_slice slice = {.in_shape = {1, 1, 2, 3}, .end = {1, 1, 2, 3}, .strides = {1, 1, 1, 1}};
    slice.in = op.in, slice.out = op.out;
    b.n_nodes = 0;
    mb_add(&b, NCC_KM_OP_strided_slice, &slice, sizeof slice, NULL, 0, NULL, 0);
    EXPECT(&b, BODY(b, ncc_km_strided_slice)->strides[1], 0, "empty or leaves");
    EXPECT(&b, BODY(b, ncc_km_strided_slice)->end[2], 0, "empty or leaves");
    EXPECT(&b, BODY(b, ncc_km_strided_slice)->end[3], 4, "empty or leaves");
    EXPECT(&b, BODY(b, ncc_km_strided_slice)->begin[3], -1, "empty or leaves");
    EXPECT(&b, BODY(b, ncc_km_strided_slice)->begin[3], INT32_MIN, "empty or leaves");
    EXPECT(&b, BODY(b, ncc_km_strided_slice)->strides[3], INT32_MIN, "empty or leaves");

    struct ncc_km_pad pad = {.in_shape = {1, 1, 2, 3}};
    pad.in = op.in, pad.out = op.out;
    b.n_nodes = 0;
    mb_add(&b, NCC_KM_OP_pad, &pad, sizeof pad, NULL, 0, NULL, 0);
    EXPECT(&b, BODY(b, ncc_km_pad)->pads[3].after, 1, "size is not");
    EXPECT(&b, BODY(b, ncc_km_pad)->pads[3].after, -3, "padded dimension");
    EXPECT(&b, BODY(b, ncc_km_pad)->pads[3].before, INT32_MAX, "padded dimension");

    const struct ncc_km_range parts[2] = {{NCC_KM_MAIN, NCC_KM_U8, 0, 2}, {NCC_KM_MAIN, NCC_KM_U8, 2, 4}};
    int32_t dims[2] = {1, 2};
    struct ncc_km_concat concat = {.out = op.out, .inner_size = 2, .outer_size = 1, .n = 2};
    b.n_nodes = 0;
    mb_add(&b, NCC_KM_OP_concat, &concat, sizeof concat, parts, sizeof parts, dims, sizeof dims);
    EXPECT(&b, BODY(b, ncc_km_concat)->n, 3, "body is shorter");
    EXPECT(&b, BODY(b, ncc_km_concat)->n, UINT32_MAX, "body is shorter");
    EXPECT(&b, BODY(b, ncc_km_concat)->inner_size, 0, "out of range");
    EXPECT(&b, BODY(b, ncc_km_concat)->outer_size, 2, "size is not");
    EXPECT(&b, BODY(b, ncc_km_concat)->outer_size, UINT32_MAX, "out of range");
    EXPECT(&b, dims[1], 0, "out of range");
    EXPECT(&b, dims[1], INT32_MAX, "size is not");
}

static void byte_code(void **state)
{
    (void)state;
    static const struct {
        uint8_t code[8];
        const char *fault;
    } cases[] = {
        {{0x03, 0xA0}, NULL},
        {{0xA0}, "takes more"},
        {{0x03, 0x40, 0xA0}, "takes more"},
        {{0x03, 0x03, 0x80, 0xA0}, "takes more"},
        {{0x03, 0x2A, 0xA0}, "unknown byte code"},
        {{0x03, 0x46, 0xA0}, "unknown byte code"},
        {{0x03, 0x07}, "unknown byte code"},
        {{0x03}, "does not end"},
        {{0x03, 0x00, 0x00, 0x06, 0xA0, 0xA0, 0xA0, 0xA0}, "does not end"}, /* the returns are an immediate */
    };
    struct mb b = {0};
    struct ncc_km_nnil_unary_method op;
    op.in = mb_input(&b, NCC_KM_F32, shape_2x3);
    op.out = mb_output(&b, NCC_KM_F32, 6);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        b.n_nodes = 0;
        mb_add(&b, NCC_KM_OP_nnil_unary_method, &op, sizeof op, cases[i].code, 8, NULL, 0);
        expect_fault(&b, cases[i].fault);
    }
    uint8_t deep[72];
    for (int depth = NCC_KM_NNIL_STACK; depth <= NCC_KM_NNIL_STACK + 1; depth++) {
        memset(deep, 0x03, sizeof deep);
        deep[depth] = 0xA0;
        b.n_nodes = 0;
        mb_add(&b, NCC_KM_OP_nnil_unary_method, &op, sizeof op, deep, sizeof deep, NULL, 0);
        expect_fault(&b, depth > NCC_KM_NNIL_STACK ? "more stack" : NULL);
    }
}

static void the_rest(void **state)
{
    (void)state;
    struct mb b = {0};
    struct ncc_km_unary op = {.op = NCC_KM_UNARY_ABS};
    op.in = mb_input(&b, NCC_KM_F32, shape_2x3);
    op.out = mb_output(&b, NCC_KM_F32, 6);
    mb_add(&b, NCC_KM_OP_unary, &op, sizeof op, NULL, 0, NULL, 0);
    EXPECT(&b, BODY(b, ncc_km_unary)->op, NCC_KM_N_UNARY, "unknown unary");
    EXPECT(&b, BODY(b, ncc_km_unary)->in.size, 0, "empty");

    struct ncc_km_reduce reduce = {.op = NCC_KM_REDUCE_MAX, .in_shape = {1, 1, 2, 3}, .out_shape = {1, 1, 2, 3}};
    reduce.in = op.in, reduce.out = op.out;
    b.n_nodes = 0;
    mb_add(&b, NCC_KM_OP_reduce, &reduce, sizeof reduce, NULL, 0, NULL, 0);
    EXPECT(&b, BODY(b, ncc_km_reduce)->op, NCC_KM_N_REDUCE, "unknown way");
    EXPECT(&b, BODY(b, ncc_km_reduce)->out_shape[3], 2, "is not 1");
    EXPECT(&b, BODY(b, ncc_km_reduce)->in.datatype, NCC_KM_U8, "only floats");

    static int32_t bias[3];
    struct ncc_km_quantized_matmul matmul = {.a_rows = 2, .a_cols = 1, .b_cols = 3, .out_shift = 62};
    struct mb q = {0};
    matmul.a = mb_input(&q, NCC_KM_U8, (int32_t[]){1, 1, 2, 1});
    matmul.b = mb_input(&q, NCC_KM_U8, (int32_t[]){1, 1, 1, 3});
    matmul.out = mb_output(&q, NCC_KM_U8, 6);
    mb_add(&q, NCC_KM_OP_quantized_matmul, &matmul, sizeof matmul, bias, sizeof bias, NULL, 0);
    EXPECT(&q, BODY(q, ncc_km_quantized_matmul)->out_shift, 63, "shift");
    EXPECT(&q, BODY(q, ncc_km_quantized_matmul)->out_shift, -1, "shift");
    EXPECT(&q, BODY(q, ncc_km_quantized_matmul)->a_cols, 0, "less than 1");
}

/* Where the wording is kpu/'s own, any text will do: part "". */

/* A layer of 4 x 8 x 8, with its output copied to main memory. */
static uint8_t layer_file[4096] __attribute__((aligned(256)));
static size_t layer_size;

static struct ncc_km_kpu_conv2d *make_layer(int32_t batches)
{
    const struct ncc_kpu_shape shape = {4, 8, 8, 4, 1, false, NCC_KPU_POOL_NONE};
    struct ncc_kpu_regs regs;
    uint64_t words[12], bn[4] = {0};
    uint8_t act[144], weights[16] = {0};
    struct ncc_kpu_table table = {0};
    for (int i = 0; i < 16; i++)
        table.seg[i].x_start = i == 0 ? NCC_KPU_ACC_MIN : NCC_KPU_ACC_MAX - 16 + i;
    ncc_kpu_table_pack(&table, act);
    ncc_kpu_derive(&shape, 0, 1000, 0, 0, &regs);
    assert_null(ncc_kpu_pack(&regs, words));
    const struct ncc_km_range out = {NCC_KM_MAIN, NCC_KM_U8, 0, (uint32_t)batches * 256};
    const struct ncc_kmodel_head head = {.n_nodes = 1, .main_mem_size = out.size};
    struct ncc_kmodel_writer w;
    ncc_kmodel_write_begin(&w, layer_file, sizeof layer_file, &head);
    ncc_kmodel_write_kpu_conv2d(&w, &out, batches, words, bn, 4, act, weights, sizeof weights);
    layer_size = ncc_kmodel_write_end(&w);
    assert_true(layer_size > 0);
    return (struct ncc_km_kpu_conv2d *)(void *)(layer_file + 48);
}

static void expect_layer_fault(const char *part)
{
    struct ncc_kmodel km;
    struct ncc_km_fault where;
    assert_int_equal(ncc_kmodel_open(layer_file, layer_size, &km), NCC_OK);
    ncc_kmodel_check(&km, &where);
    if (part == NULL && where.text != NULL)
        fail_msg("refused: %s", where.text);
    if (part != NULL && (where.text == NULL || strstr(where.text, part) == NULL))
        fail_msg("'%s' does not say '%s'", where.text == NULL ? "" : where.text, part);
}

static void kpu_layers(void **state)
{
    (void)state;
    struct ncc_km_kpu_conv2d *op = make_layer(1);
    expect_layer_fault(NULL);
    op->batches = 0;
    expect_layer_fault("no batches");
    op->batches = 2;
    expect_layer_fault("size is not that of its shape");
    op = make_layer(1);
    op->main_out.start = 8;
    expect_layer_fault("outside its memory");
    op = make_layer(1);
    op->words[1] = UINT64_C(5) << 32; /* output lines 5.. over input lines 0..7 */
    expect_layer_fault("");
    op = make_layer(1);
    op->words[4] -= UINT64_C(4) << 32; /* fewer bytes skipped before the bn words */
    expect_layer_fault("8-byte aligned");
    op->words[4] += UINT64_C(12) << 32;
    expect_layer_fault("inside its body");
    op->words[4] = (op->words[4] & UINT32_MAX) | UINT64_C(0xFFFFFFFF) << 32;
    expect_layer_fault("inside its body");
    op = make_layer(1);
    op->words[3] ^= 1; /* another width */
    expect_layer_fault("");
    make_layer(1);
    memset(layer_file + 512, 0x5A, 144); /* a table of nonsense */
    expect_layer_fault("");
}

/* Each batch takes 8 lines of input and 8 of output. */
static void kpu_batches(void **state)
{
    (void)state;
    struct ncc_km_kpu_conv2d *op = make_layer(3);
    expect_layer_fault(NULL);
    op->words[1] = UINT64_C(24) << 32;
    expect_layer_fault(NULL);
    op->words[1] = UINT64_C(23) << 32;
    expect_layer_fault("overwrite each other");
    op->words[1] = (UINT64_C(32768) - 24) << 32;
    expect_layer_fault(NULL);
    op->words[1] = (UINT64_C(32768) - 23) << 32;
    expect_layer_fault("");
}

static void opening(void **state)
{
    (void)state;
    struct mb b = binary_model();
    struct ncc_kmodel km;
    size_t size;
    uint8_t *const file = mb_file(&b, &size);
    uint32_t *const header = (uint32_t *)(void *)file;
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_OK);
    assert_int_equal(ncc_kmodel_open(NULL, size, &km), NCC_BAD_ARGUMENT);
    assert_int_equal(ncc_kmodel_open(file + 4, size - 4, &km), NCC_MISALIGNED);
    for (size_t n = 0; n < size; n++) /* 4 bytes of padding may be missing */
        assert_int_equal(ncc_kmodel_open(file, n, &km), n < 4 ? NCC_NOT_KMODEL : n + 4 < size ? NCC_TRUNCATED : NCC_OK);
    header[1] = 5;
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_UNSUPPORTED);
    header[1] = 4, header[3] = 2;
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_UNSUPPORTED);
    header[3] = 0, header[0] = 3;
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_NOT_KMODEL);
    header[1] = 1, header[2] = 0; /* version 3 with its flags and architecture */
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_UNSUPPORTED);
    free(file);
}

static void texts(void **state)
{
    (void)state;
    for (int i = 0; i < NCC_N_STATUS; i++)
        assert_true(strlen(ncc_status_text((enum ncc_status)i)) > 3);
    assert_non_null(ncc_status_text((enum ncc_status)999));
    assert_string_equal(ncc_kmodel_op_name(0x2002), "kpu_conv2d");
    assert_null(ncc_kmodel_op_name(0x15));
    assert_int_equal(ncc_kmodel_op_body_size(0x1001), 100);
    assert_int_equal(ncc_kmodel_op_body_size(0x1006), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),     cmocka_unit_test(inputs_and_outputs),
        cmocka_unit_test(windows),    cmocka_unit_test(lists_and_orders),
        cmocka_unit_test(byte_code),  cmocka_unit_test(the_rest),
        cmocka_unit_test(kpu_layers), cmocka_unit_test(kpu_batches),
        cmocka_unit_test(opening),    cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
