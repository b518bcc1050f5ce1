/* Reading and checking files of version 3: what the writer writes is found again, and every restriction has a value on
 * each side of its edge. */
#include "v3_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORD(name, member) (int)(offsetof(struct ncc_km3_##name, member) / sizeof(uint32_t))

/* A file with one layer behind a fully_connected of 2 to 2, in 64 bytes of main memory. */
static struct v3 with(uint32_t type, const void *body, size_t body_size, size_t payload_size)
{
    static const uint8_t zeros[256];
    struct v3 b = {0};
    const struct ncc_km3_fully_connected fc = {.in = v3_main(&b, 64), .in_c = 2, .out_c = 2};
    v3_add(&b, NCC_KM3_fully_connected, &fc, sizeof fc, zeros, 16, zeros, 8);
    v3_add(&b, type, body, body_size, payload_size ? zeros : NULL, payload_size, NULL, 0);
    return b;
}

static enum ncc_status check_file(const uint8_t *file, size_t size, struct ncc_km_fault *where)
{
    struct ncc_kmodel_v3 km;
    const enum ncc_status status = ncc_kmodel_v3_open(file, size, &km);
    *where = (struct ncc_km_fault){.node = NCC_KM_NO_NODE};
    return status ? status : ncc_kmodel_v3_check(&km, where);
}

/* With `good` in a word of the second layer the file passes, with `bad` it is refused there with a text. */
static void edge(struct v3 b, int word, uint32_t good, uint32_t bad, const char *text)
{
    for (int i = 0; i < 2; i++) {
        size_t size;
        struct ncc_km_fault where;
        b.layers[1].body.words[word] = i == 0 ? good : bad;
        uint8_t *const file = v3_file(&b, &size);
        const enum ncc_status status = check_file(file, size, &where);
        if (i == 0 && status)
            fail_msg("type %u word %d: %u is refused: %s", (unsigned)b.layers[1].type, word, (unsigned)good,
                     where.text);
        if (i == 1 && (status != NCC_MALFORMED || where.node != 1 || !strstr(where.text, text)))
            fail_msg("type %u word %d: %u: '%s' instead of '%s'", (unsigned)b.layers[1].type, word, (unsigned)bad,
                     where.text ? where.text : "accepted", text);
        free(file);
    }
}

#define EDGE(name, member, good, bad, text, payload, ...)                                                              \
    edge(with(NCC_KM3_##name, &(const struct ncc_km3_##name){__VA_ARGS__}, sizeof(struct ncc_km3_##name), payload),    \
         WORD(name, member), good, bad, text)

static void ranges(void **state)
{
    (void)state;
    static const char outside[] = "outside main memory", align[] = "multiple of 4";
    EDGE(add, a, 48, 52, outside, 0, 1, 0, 0, 0, 4);
    EDGE(add, b, 48, 52, outside, 0, 1, 0, 0, 0, 4);
    EDGE(add, out, 48, 50, align, 0, 1, 0, 0, 0, 4);
    EDGE(add, n, 16, 17, outside, 0, 1, 0, 0, 0, 4);
    EDGE(add, n, 1, 0, "empty", 0, 1, 0, 0, 0, 4);
    EDGE(add, n, 1, UINT32_C(0x80000000), "2^31", 0, 1, 0, 0, 0, 4);
    EDGE(quantized_add, out, 60, 61, outside, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    EDGE(quantized_add, a_shift, 62, 63, "shift", 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    EDGE(quantized_add, out_shift, 0, UINT32_MAX, "shift", 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    EDGE(quantize, out, 60, 61, outside, 0, 1, 0, 0, 4, 1, 0);
    EDGE(dequantize, in, 60, 61, outside, 0, 1, 0, 0, 4, 1, 0);
    EDGE(requantize, n, 64, 65, outside, 0, 1, 0, 0, 4, {0});
    EDGE(softmax, channels, 16, 17, outside, 0, 1, 0, 0, 4);
    EDGE(l2_normalization, in, 48, 52, outside, 0, 1, 0, 0, 4);
    EDGE(logistic, out, 48, 52, outside, 0, 1, 0, 0, 4);
    EDGE(global_average_pool2d, kernel_size, 1, 0, "empty", 0, 1, 0, 0, 1, 2);
    EDGE(global_average_pool2d, kernel_size, 8, 9, outside, 0, 1, 0, 0, 1, 2);
    EDGE(k210_remove_padding, channels, 4, 5, outside, 0, 1, 0, 0, 1);
}

static void shapes(void **state)
{
    (void)state;
    static const char outside[] = "outside main memory", dimension[] = "dimension";
    /* Only what is read must lie inside: rows 0 and 1 of maps of 2 x 8, all rows, or from one row below the first. */
    EDGE(quantized_max_pool2d, in, 60, 61, outside, 0, 1, 0, 0, {2, 8, 1}, {1, 1, 1}, 2, 2, 1, 1, 0, 0);
    EDGE(quantized_max_pool2d, in, 48, 49, outside, 0, 1, 0, 0, {2, 8, 1}, {1, 1, 1}, 2, 9, 1, 1, 0, 0);
    EDGE(quantized_max_pool2d, pad_h, 1, 0, outside, 0, 1, 62, 0, {2, 8, 1}, {1, 1, 1}, 2, 2, 1, 1, 0, 0);
    EDGE(quantized_max_pool2d, out_map.c, 1, 2, "number of channels", 0, 1, 0, 0, {2, 2, 1}, {1, 1, 1}, 2, 2, 1, 1, 0,
         0);
    EDGE(quantized_max_pool2d, kernel_w, 1, 0, "window size", 0, 1, 0, 0, {2, 2, 1}, {1, 1, 1}, 2, 2, 1, 1, 0, 0);
    EDGE(quantized_max_pool2d, stride_h, 32767, 32768, "stride", 0, 1, 0, 0, {2, 2, 1}, {1, 1, 1}, 2, 2, 1, 1, 0, 0);
    EDGE(average_pool2d, pad_h, 32767, UINT32_MAX, "padding", 0, 1, 0, 0, {2, 2, 1}, {1, 1, 1}, 2, 2, 1, 1, 0, 0, 0);
    EDGE(average_pool2d, out_map.h, 1, 0, dimension, 0, 1, 0, 0, {2, 2, 1}, {1, 1, 1}, 2, 2, 1, 1, 0, 0, 0);
    EDGE(tensorflow_flatten, map.h, 8, 9, outside, 0, 1, 0, 0, {2, 1, 1});
    EDGE(resize_nearest_neighbor, out_w, 4, 5, outside, 0, 1, 0, 0, {2, 2, 2}, 2, 2, 0);
    EDGE(quantized_resize_nearest_neighbor, in_map.h, 4, (1 << 20) + 1, dimension, 0, 1, 0, 0, {2, 2, 2}, 2, 2, 0);
    EDGE(k210_upload, out_line, 32764, 32765, "outside KPU RAM", 0, 0, 0, 0, {4, 4, 4});
    EDGE(k210_upload, map.c, 4, 65535, "outside KPU RAM", 0, 0, 0, 0, {4, 4, 4});
    EDGE(k210_upload, in, 0, 1, outside, 0, 0, 0, 0, {4, 4, 4});
    EDGE(k210_add_padding, out_line, 32760, 32761, "outside KPU RAM", 0, 0, 0, 0, 5);
}

static void payloads(void **state)
{
    (void)state;
    static const char shorter[] = "body is shorter";
    EDGE(fully_connected, out_c, 2, 3, shorter, 24, 1, 0, 32, 2, 2, 0);
    EDGE(fully_connected, in_c, 2, 3, shorter, 24, 1, 0, 32, 2, 2, 0);
    EDGE(fully_connected, act, 2, 3, "activation", 24, 1, 0, 32, 2, 2, 0);
    EDGE(channelwise_dequantize, channels, 2, 3, shorter, 16, 1, 0, 0, 2, 4);
    EDGE(channelwise_dequantize, channel_size, 8, 9, "outside", 16, 1, 0, 0, 2, 4);
}

static void concat_of_nothing(void **state)
{
    (void)state;
    size_t size;
    struct ncc_km_fault where;
    const struct v3 b = with(NCC_KM3_concat, &(struct ncc_km3_concat){1, 0, 0}, sizeof(struct ncc_km3_concat), 0);
    uint8_t *const file = v3_file(&b, &size);
    assert_int_equal(check_file(file, size, &where), NCC_MALFORMED);
    free(file);
}

/* ---- the whole file ---- */

static const struct ncc_kpu_shape shape = {4, 8, 8, 4, 1, false, NCC_KPU_POOL_NONE};

static uint8_t *two_layers(size_t *size)
{
    struct v3 b = {0};
    v3_add_conv(&b, shape, 40, 100, false);
    v3_add_conv(&b, shape, 100, 200, true);
    return v3_file(&b, size);
}

static void written_is_found(void **state)
{
    (void)state;
    size_t size;
    struct ncc_kmodel_v3 km;
    struct ncc_km_fault where;
    uint8_t *const file = two_layers(&size);
    assert_int_equal(ncc_kmodel_v3_open(file, size, &km), NCC_OK);
    assert_int_equal(ncc_kmodel_v3_check(&km, &where), NCC_OK);
    assert_int_equal(km.header->first_line, 40);
    assert_int_equal(km.header->main_mem_size, 256);
    const struct ncc_km3_input in = ncc_kmodel_v3_input(&km);
    assert_true(in.in_kpu && in.start == 40 && in.c == 4 && in.h == 8 && in.w == 8);
    struct ncc_km3_layer layer = {0};
    for (int i = 0; ncc_kmodel_v3_next(&km, &layer); i++) {
        struct ncc_km3_conv conv;
        assert_null(ncc_kmodel_v3_conv(&km, &layer, &conv));
        assert_int_equal((conv.weights - file) % 128, 0);
        assert_int_equal(((const uint8_t *)conv.bn - file) % 128, 0);
        assert_int_equal((conv.act - file) % 256, 0);
        assert_int_equal(conv.weights[5], 5);
        assert_int_equal(conv.regs.image_src_addr, i == 0 ? 40 : 100);
        assert_int_equal(conv.regs.int_en + conv.regs.send_data_out + conv.regs.para_start_addr, 0);
        assert_int_equal(layer.next_off % 8, 0);
    }
    free(file);
}

/* 16-bit weights pass the check, with their own sizes. */
static void wide_weights(void **state)
{
    (void)state;
    struct v3 b = {.wide = true};
    size_t size;
    struct ncc_kmodel_v3 km;
    struct ncc_km_fault where;
    struct ncc_km3_layer layer = {0};
    struct ncc_km3_conv conv;
    v3_add_conv(&b, shape, 40, 100, true);
    uint8_t *const file = v3_file(&b, &size);
    assert_int_equal(ncc_kmodel_v3_open(file, size, &km), NCC_OK);
    assert_int_equal(ncc_kmodel_v3_check(&km, &where), NCC_OK);
    assert_true(ncc_kmodel_v3_next(&km, &layer));
    assert_null(ncc_kmodel_v3_conv(&km, &layer, &conv));
    assert_int_equal(conv.weights_size, 2 * 4 * 4);
    assert_int_equal(conv.weight_size, 2);
    free(file);
}

static void lengths(void **state)
{
    (void)state;
    size_t size;
    struct ncc_km_fault where;
    struct v3 b =
        with(NCC_KM3_dequantize, &(struct ncc_km3_dequantize){1, 0, 0, 4, 1, 0}, sizeof(struct ncc_km3_dequantize), 0);
    uint8_t *const file = v3_file(&b, &size);
    for (size_t length = 0; length <= size; length++) {
        uint8_t *const part = malloc(length + 1);
        memcpy(part, file, length);
        const enum ncc_status status = check_file(part, length, &where);
        assert_true(length == size ? status == NCC_OK
                    : length >= 12 ? status == NCC_TRUNCATED || (status == NCC_OK && size - length < 8)
                                   : status == NCC_NOT_KMODEL);
        free(part);
    }
    free(file);
}

/* Fields of the file and of the words by their place. */
static void set(uint8_t *file, size_t off, uint32_t value)
{
    memcpy(file + off, &value, sizeof value);
}

static void refuses(size_t off, uint32_t value, enum ncc_status want, const char *text)
{
    size_t size;
    struct ncc_km_fault where;
    uint8_t *const file = two_layers(&size);
    set(file, off, value);
    const enum ncc_status status = check_file(file, size, &where);
    if (status != want)
        fail_msg("offset %zu, %u: status %d instead of %d", off, (unsigned)value, (int)status, (int)want);
    if (text && !strstr(where.text, text))
        fail_msg("offset %zu: '%s' instead of '%s'", off, where.text, text);
    free(file);
}

static void headers_and_layers(void **state)
{
    (void)state;
    enum { TABLE = 28 + 8, BODY = TABLE + 2 * 8, WORDS = 80 }; /* words from the next multiple of 8 behind 24 bytes */
    refuses(4, 0, NCC_MALFORMED, "para_size");                 /* 8-bit weights that are called 16-bit ones */
    refuses(0, 2, NCC_NOT_KMODEL, NULL);
    refuses(8, 1, NCC_NOT_KMODEL, NULL);
    refuses(12, UINT32_MAX, NCC_TRUNCATED, NULL);
    refuses(24, UINT32_MAX, NCC_TRUNCATED, NULL);
    refuses(20, 255, NCC_MALFORMED, "outside main memory"); /* main memory one byte too small for the output */
    refuses(28, 4, NCC_MALFORMED, "outside main memory");
    refuses(32, 254, NCC_MALFORMED, "whole number of floats");
    refuses(TABLE, NCC_KM3_quantize, NCC_MALFORMED, "so there is no input");
    refuses(TABLE + 8, 19, NCC_MALFORMED, "no released runtime");
    refuses(TABLE + 8, 99, NCC_MALFORMED, "unknown layer");
    refuses(TABLE + 4, 8, NCC_MALFORMED, NULL); /* a body shorter than its fixed part */
    refuses(BODY + 8, 4, NCC_MALFORMED, "do not lie inside its body");
    refuses(BODY + 8, BODY + 24 + 8, NCC_MALFORMED, "8-byte aligned");
    refuses(BODY + 12, UINT32_MAX, NCC_MALFORMED, "do not lie inside its body");
    refuses(BODY + 16, UINT32_MAX - 7, NCC_MALFORMED, "do not lie inside its body");
    refuses(BODY + 20, 0, NCC_MALFORMED, "do not lie inside its body");
    refuses(WORDS + 8, 4 << 0, NCC_OK, NULL); /* another source line is another layer, and as good */
    refuses(WORDS + 8, 99, NCC_MALFORMED, "overlaps the input");
    refuses(WORDS + 4 * 8, 2, NCC_MALFORMED, "kernel_type");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),           cmocka_unit_test(shapes),
        cmocka_unit_test(payloads),         cmocka_unit_test(concat_of_nothing),
        cmocka_unit_test(written_is_found), cmocka_unit_test(wide_weights),
        cmocka_unit_test(lengths),          cmocka_unit_test(headers_and_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
