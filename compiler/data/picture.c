/* stb_image trusts its files more than it should: it fills in for missing data of JPEG, BMP and PNM files without
 * saying so, and a cut-off picture would spoil a calibration unnoticed. So files are checked here first. */
#include "compiler/data/picture.h"

#include <limits.h>
#include <string.h>

enum { MAX_SIDE = 65536, MAX_PIXELS = 64 << 20 };

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_PNM
#define STBI_NO_STDIO
#define STBI_NO_SIMD /* the same pixels on every computer */
#define STBI_FAILURE_USERMSG
#define STBI_MAX_DIMENSIONS MAX_SIDE
#pragma GCC diagnostic ignored "-Wunused-function" /* told at the end of the file, thus not popped */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
/* Damaged JPEG data overflow the integers of its cosine transform; the sums shall wrap around. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC optimize("wrapv")
#endif
#include <stb/stb_image.h>
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#pragma GCC diagnostic pop

static bool refuse(char *error, const char *why)
{
    snprintf(error, NCC_PICTURE_ERROR, "%s", why);
    return false;
}

static const char cut_off[] = "the file is cut off";

static const char damaged[] = "the file is damaged";

/* The Huffman tables of a DHT segment: a class and number, 16 counts of codes by length, as many symbols.
 * stb_image 2.27 writes beyond its arrays when there are more than 256. */
static const char *check_jpeg_tables(const uint8_t *at, size_t size)
{
    enum { HEAD = 17, MAX_CODES = 256 };
    while (size > 0) {
        size_t n = 0;
        for (size_t i = 1; i < HEAD && size >= HEAD; i++)
            n += at[i];
        if (size < HEAD || n > MAX_CODES || n > size - HEAD)
            return damaged;
        at += HEAD + n;
        size -= HEAD + n;
    }
    return NULL;
}

/* Walks the segments (FF, marker, length, content) and scans of a JPEG up to its end of image. Between them, and in
 * the scans, FF is followed by 00 or a restart, or it starts the next marker. */
static const char *check_jpeg(struct bytes file)
{
    enum { RESTART_0 = 0xd0, RESTART_7 = 0xd7, START = 0xd8, END = 0xd9, TABLES = 0xc4 };
    for (size_t at = 0; at + 1 < file.size;) {
        const uint8_t marker = file.data[at + 1];
        if (file.data[at] != 0xff || marker == 0xff) {
            at++;
            continue;
        }
        at += 2;
        if (marker == END)
            return NULL;
        if (marker <= 1 || (marker >= RESTART_0 && marker <= START))
            continue; /* has no length */
        const size_t length = at + 2 <= file.size ? (size_t)(file.data[at] << 8 | file.data[at + 1]) : 0;
        if (length < 2 || length > file.size - at)
            return cut_off;
        const char *fault = marker == TABLES ? check_jpeg_tables(file.data + at + 2, length - 2) : NULL;
        if (fault)
            return fault;
        at += length;
    }
    return cut_off;
}

static uint32_t read_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The rows of a BMP, each padded to four bytes, lie between the offset at 10 and the end. The head from 14 on begins
 * with its size: 12 (then come u16 width, height, planes, bits) or more (i32 width and height, which is negative when
 * the top row comes first, u16 planes, bits). */
static bool bmp_is_complete(struct bytes file)
{
    if (file.size < 30)
        return false;
    const uint8_t *at = file.data;
    const bool is_old = read_u32(at + 14) == 12;
    const uint32_t first = read_u32(at + 18), second = read_u32(at + 22);
    const uint32_t w = is_old ? first & 0xffff : first;
    const uint32_t h = is_old ? first >> 16 : second > INT32_MAX ? -second : second;
    const uint32_t bits = read_u32(at + (is_old ? 24 : 28)) & 0xffff;
    if (w > MAX_SIDE || h > MAX_SIDE)
        return false;
    return read_u32(at + 10) + ((uint64_t)w * bits + 31) / 32 * 4 * h <= file.size;
}

/* A number of a PNM's head, after white space and comments; the offset of what follows, 0 if there is none. */
static size_t read_pnm_number(struct bytes file, size_t at, int *number)
{
    while (at < file.size && (memchr(" \t\n\v\f\r", file.data[at], 6) || file.data[at] == '#')) {
        if (file.data[at] == '#')
            while (at + 1 < file.size && file.data[at + 1] != '\n' && file.data[at + 1] != '\r')
                at++;
        at++;
    }
    if (at == file.size || file.data[at] < '0' || file.data[at] > '9')
        return 0;
    for (*number = 0; at < file.size && file.data[at] >= '0' && file.data[at] <= '9'; at++)
        if (__builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, file.data[at] - '0', number))
            return 0;
    return at;
}

/* Behind "P5" or "P6" come width, height, largest value, one white space, and the pixels. stb_image does not scale
 * values by the largest one, thus only 255 gives the picture that was meant. */
static const char *check_pnm(struct bytes file)
{
    int number[3];
    size_t at = 2;
    for (int i = 0; i < 3; i++) {
        at = read_pnm_number(file, at, &number[i]);
        if (at == 0)
            return damaged;
    }
    if (number[2] != 255)
        return "the largest value of the format is not 255";
    const uint64_t wanted = (uint64_t)number[0] * (uint64_t)number[1] * (file.data[1] == '6' ? 3 : 1);
    return file.size - at > wanted ? NULL : cut_off;
}

/* NULL, or what is wrong with the file as far as stb_image would not notice. */
static const char *check(struct bytes file)
{
    switch (file.data[0]) {
    case 0xff:
        return check_jpeg(file);
    case 'B':
        return bmp_is_complete(file) ? NULL : cut_off;
    case 'P':
        return check_pnm(file);
    default:
        return NULL; /* stb_image itself checks PNG */
    }
}

bool ncc_picture_decode(struct bytes file, int channels, struct picture *out, char error[static NCC_PICTURE_ERROR])
{
    int w, h, had;
    *out = (struct picture){0};
    if (file.size < 2 || file.size > INT_MAX)
        return refuse(error, file.size < 2 ? "the file is empty" : "the file is too large");
    const char *fault = check(file);
    if (fault)
        return refuse(error, fault);
    if (!stbi_info_from_memory(file.data, (int)file.size, &w, &h, &had))
        return refuse(error, stbi_failure_reason());
    if (w < 1 || h < 1 || w > MAX_SIDE || h > MAX_SIDE || (int64_t)w * h > MAX_PIXELS) {
        snprintf(error, NCC_PICTURE_ERROR, "%d x %d pixels; at most 64 Mi, and 65536 a side, are accepted", w, h);
        return false;
    }
    out->pixels = stbi_load_from_memory(file.data, (int)file.size, &out->w, &out->h, &had, channels);
    out->channels = channels;
    return out->pixels ? true : refuse(error, stbi_failure_reason());
}

void ncc_picture_free(struct picture *p)
{
    stbi_image_free(p->pixels);
    p->pixels = NULL;
}
