/* Pictures of all formats, whole, cut off and damaged. */
#include "compiler/data/picture.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <stb/stb_image_write.h>

enum { W = 13, H = 9, ROOM = 8192 };

struct file {
    uint8_t bytes[ROOM];
    size_t size;
};

static void append(void *to, void *data, int size)
{
    struct file *f = to;
    assert_true(f->size + (size_t)size <= ROOM);
    memcpy(f->bytes + f->size, data, (size_t)size);
    f->size += (size_t)size;
}

static void paint(uint8_t *rgb)
{
    for (int i = 0; i < W * H * 3; i++)
        rgb[i] = (uint8_t)(i * 7 % 251);
}

enum format { PNG, BMP, PPM, JPEG, N_FORMATS };

static struct file make(enum format format, const uint8_t *rgb)
{
    struct file f = {0};
    char head[32];
    switch (format) {
    case PNG:
        stbi_write_png_to_func(append, &f, W, H, 3, rgb, 0);
        break;
    case BMP:
        stbi_write_bmp_to_func(append, &f, W, H, 3, rgb);
        break;
    case JPEG:
        stbi_write_jpg_to_func(append, &f, W, H, 3, rgb, 100);
        break;
    default:
        append(&f, head, snprintf(head, sizeof head, "P6\n%d %d\n255\n", W, H));
        append(&f, (void *)(uintptr_t)rgb, W * H * 3);
    }
    return f;
}

static bool decode(const struct file *f, int channels, struct picture *out, char *error)
{
    uint8_t *exact = test_malloc(f->size + 1); /* so that a sanitizer sees a read beyond the end */
    memcpy(exact, f->bytes, f->size);
    const bool good = ncc_picture_decode((struct bytes){exact, f->size}, channels, out, error);
    test_free(exact);
    return good;
}

static void decodes_all_formats(void **state)
{
    (void)state;
    uint8_t rgb[W * H * 3];
    char error[NCC_PICTURE_ERROR];
    struct picture p;
    paint(rgb);
    for (enum format format = PNG; format < N_FORMATS; format++) {
        memset(rgb, 90, format == JPEG ? sizeof rgb : 0); /* JPEG keeps only flat colours */
        const struct file f = make(format, rgb);
        assert_true(decode(&f, 3, &p, error));
        assert_int_equal(p.h, H);
        assert_int_equal(p.w, W);
        for (size_t i = 0; i < sizeof rgb; i++)
            assert_true(abs(p.pixels[i] - rgb[i]) <= (format == JPEG));
        ncc_picture_free(&p);
    }
}

static void converts_between_grey_and_colour(void **state)
{
    (void)state;
    struct file f = {0};
    struct picture p;
    char error[NCC_PICTURE_ERROR];
    append(&f, (void *)(uintptr_t) "P5 2 1#c\n255\n\x10\xe0", 15);
    assert_true(decode(&f, 3, &p, error));
    assert_memory_equal(p.pixels, "\x10\x10\x10\xe0\xe0\xe0", 6);
    ncc_picture_free(&p);
    f.size = 0;
    append(&f, (void *)(uintptr_t) "P6 2 1 255\n\x40\x40\x40\xff\0\0", 17);
    assert_true(decode(&f, 1, &p, error));
    assert_int_equal(p.pixels[0], 0x40);
    assert_in_range(p.pixels[1], 70, 80); /* red is about 0.3 of grey */
    ncc_picture_free(&p);
}

/* No prefix is taken for a picture. A PNG is already whole before its last chunk's check sum and the like, which
 * nobody reads. */
static void refuses_cut_off_files(void **state)
{
    (void)state;
    uint8_t rgb[W * H * 3];
    char error[NCC_PICTURE_ERROR];
    struct picture p;
    paint(rgb);
    for (enum format format = PNG; format < N_FORMATS; format++) {
        const struct file whole = make(format, rgb);
        struct file f = whole;
        for (f.size = 0; f.size < whole.size - (format == PNG ? 4 : 0); f.size++) {
            if (decode(&f, 3, &p, error))
                fail_msg("format %d: %zu of %zu bytes are accepted", format, f.size, whole.size);
            assert_true(strlen(error) > 0);
        }
    }
}

static void refuses_absurd_sizes(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "P5 70000 2 255\n", "P6 60000 60000 255\n", "P6 0 5 255\n", "P5 99999999999 1 255\n", "P7 1 1 255\n",
        "P5 1 1 15\n\3",    "P5 1 1 65535\n\3\3",   "P6 1 1",       "hello, world",           ""};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct file f = {0};
        struct picture p;
        char error[NCC_PICTURE_ERROR] = "";
        append(&f, (void *)(uintptr_t)heads[i], (int)strlen(heads[i]));
        assert_false(decode(&f, 3, &p, error));
        assert_true(strlen(error) > 0);
        assert_null(p.pixels);
    }
}

/* 300 codes in one table of a JPEG, more than the decoder has room for. */
static void refuses_oversized_tables(void **state)
{
    (void)state;
    uint8_t rgb[W * H * 3];
    char error[NCC_PICTURE_ERROR];
    struct picture p;
    paint(rgb);
    const struct file whole = make(JPEG, rgb);
    struct file f = {0};
    uint8_t table[4 + 17 + 300] = {0xff, 0xc4, (2 + 17 + 300) >> 8, (2 + 17 + 300) & 255, 0x00};
    table[4 + 9] = 200, table[4 + 10] = 100;
    append(&f, (void *)(uintptr_t)whole.bytes, 2);
    append(&f, table, sizeof table);
    append(&f, (void *)(uintptr_t)(whole.bytes + 2), (int)whole.size - 2);
    assert_false(decode(&f, 3, &p, error));
    assert_string_equal(error, "the file is damaged");
    f.bytes[2 + 4 + 10] = 0; /* the table now ends early: what follows is no table */
    assert_false(decode(&f, 3, &p, error));
}

/* Damaged files may decode to something, but must not do harm. */
static void survives_damage(void **state)
{
    (void)state;
    const char *text = getenv("NCC_SEED");
    uint8_t rgb[W * H * 3];
    char error[NCC_PICTURE_ERROR];
    struct picture p;
    srand(text ? (unsigned)strtoul(text, NULL, 0) : 1);
    paint(rgb);
    for (enum format format = PNG; format < N_FORMATS; format++) {
        const struct file whole = make(format, rgb);
        for (int round = 0; round < 400; round++) {
            struct file f = whole;
            for (int k = rand() % 4; k >= 0; k--) /* behind the sizes, which would only make pictures large */
                f.bytes[30 + (size_t)rand() % (f.size - 30)] = (uint8_t)(rand() & 255);
            if (decode(&f, 3, &p, error))
                ncc_picture_free(&p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_all_formats),      cmocka_unit_test(converts_between_grey_and_colour),
        cmocka_unit_test(refuses_cut_off_files),    cmocka_unit_test(refuses_absurd_sizes),
        cmocka_unit_test(refuses_oversized_tables), cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
