/* Every KPU layer of published kmodels (v3 and v4): legal, proven, and exactly what derives from its shape. */
#include "kpu/arith.h"
#include "kpu/layer.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { V4_KPU_CONV = 0x2002, V3_KPU_CONV = 10240, WORDS_SIZE = 8 * NCC_KPU_WORDS };

struct file {
    uint8_t *data;
    size_t size;
};

static uint64_t number(const struct file *f, size_t at, int bytes)
{
    uint64_t v = 0;
    assert_true(at + (size_t)bytes <= f->size);
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | f->data[at + (size_t)i];
    return v;
}

static uint32_t u32(const struct file *f, size_t at)
{
    return (uint32_t)number(f, at, 4);
}

/* A zero point as stored: the value behind -zero << shift. */
static int zero_point(int64_t arg, int64_t shift)
{
    return (int)(-arg >> shift);
}

static void check_layer(const struct file *f, size_t words_at, size_t act_at)
{
    uint64_t words[NCC_KPU_WORDS], derived_words[NCC_KPU_WORDS];
    for (size_t i = 0; i < NCC_KPU_WORDS; i++)
        words[i] = number(f, words_at + 8 * i, 8);
    struct ncc_kpu_regs regs, derived;
    ncc_kpu_unpack(words, &regs);
    assert_int_equal(ncc_kpu_reserved_word(words), -1);
    const char *text = ncc_kpu_regs_check(&regs);
    if (!text)
        text = ncc_kpu_regs_untested(&regs);
    if (text)
        print_error("layer words at %zu: %s\n", words_at, text);
    assert_null(text);

    struct ncc_kpu_shape shape;
    assert_null(ncc_kpu_shape_of(&regs, &shape));
    ncc_kpu_derive(&shape, (int)regs.image_src_addr, (int)regs.image_dst_addr, zero_point(regs.arg_w, regs.shr_w),
                   zero_point(regs.arg_x, regs.shr_x), &derived);
    derived.arg_w = regs.arg_w; /* v3 files shift */
    derived.shr_w = regs.shr_w;
    derived.arg_x = regs.arg_x;
    derived.shr_x = regs.shr_x;
    derived.send_data_out = regs.send_data_out;
    derived.bwsx_base_addr = regs.bwsx_base_addr;
    derived.active_addr = regs.active_addr;
    derived.para_start_addr = regs.para_start_addr;
    assert_null(ncc_kpu_pack(&derived, derived_words));
    assert_memory_equal(derived_words, words, sizeof words);

    struct ncc_kpu_table table;
    assert_true(act_at + NCC_KPU_TABLE_SIZE <= f->size);
    ncc_kpu_table_unpack(f->data + act_at, &table);
    assert_null(ncc_kpu_table_check(&table));
}

/* doc/kmodel.md A.1, A.2 */
static int check_v3(const struct file *f)
{
    const size_t layers = u32(f, 12), headers = 28 + 8 * (size_t)u32(f, 24);
    int n = 0;
    for (size_t i = 0, body = headers + 8 * layers; i < layers; body += u32(f, headers + 8 * i + 4), i++)
        if (u32(f, headers + 8 * i) == V3_KPU_CONV) {
            check_layer(f, u32(f, body + 8), u32(f, body + 20));
            n++;
        }
    return n;
}

/* doc/kmodel.md B.1, B.4 */
static int check_v4(const struct file *f)
{
    const size_t constants = u32(f, 16), nodes = u32(f, 24), inputs = u32(f, 28), outputs = u32(f, 32);
    const size_t headers = 40 + 32 * inputs + 16 * outputs + constants;
    int n = 0;
    for (size_t i = 0, body = headers + 8 * nodes; i < nodes; body += u32(f, headers + 8 * i + 4), i++)
        if (u32(f, headers + 8 * i) == V4_KPU_CONV) {
            const size_t words = body + 24, bn = words + WORDS_SIZE + u32(f, words + 8 * 4 + 4);
            const size_t channels = (number(f, words + 16, 8) >> 32 & 1023) + 1;
            check_layer(f, words, bn + 8 * channels + u32(f, words + 8 * 7 + 4));
            n++;
        }
    return n;
}

static struct file load(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    struct file f = {malloc(1 << 22), 0};
    f.size = fread(f.data, 1, 1 << 22, in);
    fclose(in);
    return f;
}

static void published_layers(void **state)
{
    (void)state;
    const char *zoo = getenv("NCC_ZOO");
    char folder[512];
    snprintf(folder, sizeof folder, "%s/kmodel", zoo ? zoo : NCC_SOURCE_DIR "/../shared/zoo");
    DIR *dir = opendir(folder);
    if (!dir) {
        print_message("%s is missing: skipped\n", folder);
        skip();
    }
    int n_v3 = 0, n_v4 = 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (!strstr(e->d_name, ".kmodel"))
            continue;
        struct file f = load(folder, e->d_name);
        if (u32(&f, 0) == 3)
            n_v3 += check_v3(&f);
        else if (u32(&f, 0) == 0x4b4d444c && u32(&f, 4) == 4)
            n_v4 += check_v4(&f);
        free(f.data);
    }
    closedir(dir);
    print_message("%d layers in v3 files, %d in v4 files\n", n_v3, n_v4);
    assert_true(n_v3 + n_v4 > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_layers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
