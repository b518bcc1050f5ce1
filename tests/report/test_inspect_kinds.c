/* ncc_inspect() on kmodels of versions 3 and 5 and on packages: small files made here, whole and damaged. */
#include "model_builder.h"
#include "v3_builder.h"

#include <ncc/inspect.h>

#include "kmodel/kmodel_v5.h"
#include "kpu/timing.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include <cmocka.h>

static const struct ncc_kpu_shape shape = {4, 8, 8, 4, 1, false, NCC_KPU_POOL_NONE};

/* ---- asking ---- */

static char path[64];

static void save(const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static int make_path(void **state)
{
    (void)state;
    mb_reseed();
    snprintf(path, sizeof path, "/tmp/test_inspect_kinds_XXXXXX");
    const int fd = mkstemp(path);
    return fd < 0 || close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static enum ncc_exit inspect(struct ncc_inspect_options options, char **text, char **messages)
{
    size_t text_size, messages_size;
    FILE *out = open_memstream(text, &text_size), *err = open_memstream(messages, &messages_size);
    const enum ncc_exit e = ncc_inspect(path, &options, out, err);
    fclose(out);
    fclose(err);
    return e;
}

static cJSON *inspect_json(void)
{
    char *text, *messages;
    if (inspect((struct ncc_inspect_options){.json = true}, &text, &messages) != NCC_EXIT_DONE)
        fail_msg("%s", messages);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    free(text);
    free(messages);
    return root;
}

static void refused(const char *with)
{
    char *text, *messages;
    assert_int_equal(inspect((struct ncc_inspect_options){0}, &text, &messages), NCC_EXIT_INPUT);
    if (!strstr(messages, with))
        fail_msg("'%s' does not hold '%s'", messages, with);
    free(text);
    free(messages);
}

static double number(const cJSON *root, const char *a, const char *b)
{
    const cJSON *item = cJSON_GetObjectItem(root, a);
    item = b ? cJSON_GetObjectItem(item, b) : item;
    if (!cJSON_IsNumber(item))
        fail_msg("there is no number %s %s", a, b ? b : "");
    return item->valuedouble;
}

/* ---- version 3 ---- */

/* KPU, down, up, KPU, down, CPU. */
static uint8_t *make_v3(size_t *size)
{
    struct v3 b = {0};
    v3_add_conv(&b, shape, 40, 100, true);
    const struct ncc_km3_k210_upload up = {0, b.outputs[0].start, 200, {8, 8, 4}};
    v3_add(&b, NCC_KM3_k210_upload, &up, sizeof up, NULL, 0, NULL, 0);
    v3_add_conv(&b, shape, 200, 300, true);
    const struct ncc_km3_dequantize back = {1, b.outputs[1].start, v3_output(&b, 1024), 256, 1, 0};
    v3_add(&b, NCC_KM3_dequantize, &back, sizeof back, NULL, 0, NULL, 0);
    return v3_file(&b, size);
}

static void version_3(void **state)
{
    (void)state;
    size_t size;
    struct ncc_estimate e;
    uint8_t *file = make_v3(&size);
    save(file, size);
    cJSON *r = inspect_json();
    assert_int_equal(number(r, "kmodel_version", NULL), 3);
    assert_int_equal(number(r, "summary", "kpu_layers"), 2);
    assert_int_equal(number(r, "summary", "cpu_kernels"), 1);
    assert_int_equal(number(r, "summary", "crossings"), 2);
    assert_int_equal(number(r, "kpu_ram_peak_bytes", NULL), (300 + 8) * 64);
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(r, "summary"), "runtime")->valuestring, "v3");
    cJSON_Delete(r);

    assert_true(ncc_estimate(file, size, NCC_FIRMWARE_AUTO, &e));
    assert_true(fabs(e.kpu_us - 2 * ncc_kpu_layer_us(&shape, NCC_KPU_RUNTIME_V3)) < 1e-9);
    const double up = ncc_kpu_upload_us(4, 8, 8, NCC_KPU_RUNTIME_V3);
    assert_true(fabs(e.copy_us - 2 * up - 2 * ncc_kpu_download_us(4, 8, 8, NCC_KPU_RUNTIME_V3)) < 1e-9);
    assert_true(fabs(e.cpu_us - 256 * 5.5 * 2.1 / 400) < 1e-9);
    assert_true(ncc_estimate(file, size, NCC_FIRMWARE_V4, &e));
    assert_true(fabs(e.copy_us - 2 * up - 2 * ncc_kpu_download_us(4, 8, 8, NCC_KPU_RUNTIME_V4)) < 1e-9);

    char *text, *messages;
    assert_int_equal(inspect((struct ncc_inspect_options){.disasm = true}, &text, &messages), NCC_EXIT_DONE);
    assert_non_null(strstr(text, "node 0: "));
    assert_non_null(strstr(text, "image_src_addr=40 image_dst_addr=100"));
    free(text);
    free(messages);
    free(file);
}

/* Loading them takes twice as long. */
static void wide_weights(void **state)
{
    (void)state;
    struct v3 narrow = {0}, wide = {.wide = true};
    size_t size;
    struct ncc_estimate a, b;
    v3_add_conv(&narrow, shape, 40, 100, true);
    v3_add_conv(&wide, shape, 40, 100, true);
    uint8_t *file = v3_file(&narrow, &size);
    assert_true(ncc_estimate(file, size, NCC_FIRMWARE_AUTO, &a));
    free(file);
    file = v3_file(&wide, &size);
    assert_true(ncc_estimate(file, size, NCC_FIRMWARE_AUTO, &b) && b.kpu_us > a.kpu_us);
    free(file);
}

/* ---- version 5 ---- */

static void put(uint8_t *file, size_t *at, const void *data, size_t size)
{
    memcpy(file + *at, data, size);
    *at += size;
}

/* One module of type k210 with one function: upload, layer, download. */
static size_t make_v5(uint8_t file[1024])
{
    enum { TEXT = 44 + 152 + 44, TENSOR = 12 + 5 * 4, FUNCTION = 32 + 2 * TENSOR };
    const uint32_t four[5] = {4, 1, 4, 8, 8}, moved[4] = {1, 4, 8, 8}, one = 1;
    const struct ncc_km5_range in = {NCC_KM5_INPUT, 4, 0, 0, 256}, out = {NCC_KM5_OUTPUT, 4, 0, 0, 256};
    const struct ncc_km5_range kpu = {NCC_KM5_KPU, 4, 0, 64, 512};
    const uint32_t size = sizeof(struct ncc_km5_module_header) + 8 + FUNCTION + 32 + TEXT;
    const struct ncc_km5_header header = {NCC_KM_IDENTIFIER, 5, 32, 0, 256, 1, 0, 0};
    const struct ncc_km5_module_header module = {"k210", 1, 48, size, 1, 0, 1, 1, 0};
    const struct ncc_km5_pool pool = {NCC_KM5_KPU, {0}, 1 << 21};
    const struct ncc_km5_function_header function = {32, FUNCTION, 256, 256, 1, 1, 0, TEXT};
    const struct ncc_km5_section_header section = {".text", 0, 0, TEXT, 0};
    uint8_t upload[44] = {NCC_KM5_UPLOAD}, conv[152] = {NCC_KM5_CONV2D}, download[44] = {NCC_KM5_DOWNLOAD};
    struct ncc_kpu_regs regs;
    uint64_t words[12];
    ncc_kpu_derive(&shape, 1, 20, 0, 0, &regs);
    assert_null(ncc_kpu_pack(&regs, words));
    memcpy(upload + 4, &in, 12), memcpy(upload + 16, &kpu, 12), memcpy(upload + 28, moved, 16);
    memcpy(download + 4, &kpu, 12), memcpy(download + 16, &out, 12), memcpy(download + 28, moved, 16);
    memcpy(conv + 52, &one, 4), memcpy(conv + 56, words, sizeof words);

    size_t at = 0;
    memset(file, 0, 1024);
    put(file, &at, &header, sizeof header);
    put(file, &at, &module, sizeof module);
    put(file, &at, &pool, sizeof pool);
    put(file, &at, &function, sizeof function);
    put(file, &at, &in, sizeof in);
    put(file, &at, four, sizeof four);
    put(file, &at, &out, sizeof out);
    put(file, &at, four, sizeof four);
    put(file, &at, &section, sizeof section);
    put(file, &at, upload, sizeof upload);
    put(file, &at, conv, sizeof conv);
    put(file, &at, download, sizeof download);
    return at;
}

static void version_5(void **state)
{
    (void)state;
    static uint8_t file[1024];
    const size_t size = make_v5(file);
    save(file, size);
    cJSON *r = inspect_json();
    assert_int_equal(number(r, "kmodel_version", NULL), 5);
    const cJSON *layers = cJSON_GetObjectItem(r, "layers");
    static const char *const ops[] = {"kpu_upload", "conv 1x1", "kpu_download"};
    assert_int_equal(cJSON_GetArraySize(layers), 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(layers, i), "op")->valuestring, ops[i]);
    assert_true(fabs(number(cJSON_GetArrayItem(layers, 1), "est_us", NULL) -
                     ncc_kpu_layer_us(&shape, NCC_KPU_RUNTIME_V4)) < 1e-6);
    cJSON_Delete(r);

    char *text, *messages;
    assert_int_equal(inspect((struct ncc_inspect_options){.disasm = true}, &text, &messages), NCC_EXIT_DONE);
    assert_non_null(strstr(text, "module 0: k210"));
    assert_non_null(strstr(text, "input 0: u8 1x4x8x8 in input, bytes 0 to 256"));
    assert_non_null(strstr(text, "image_src_addr=1 image_dst_addr=20"));
    free(text);
    free(messages);

    struct ncc_km5_header *h = (struct ncc_km5_header *)(void *)file;
    h->header_size = 0;
    save(file, size);
    refused("development builds");
    h->header_size = 32;
    h->entry_module = 1;
    save(file, size);
    refused("to begin with is missing");
}

/* ---- packages ---- */

static void make_package(const uint8_t *kmodel, size_t size)
{
    static const char list[] = "{\"version\": \"0.1.0\"}", firmware[] = "not a kmodel";
    int error = 0;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &error);
    assert_non_null(zip);
    const struct {
        const char *name;
        const void *data;
        size_t size;
    } entries[] = {{"flash-list.json", list, strlen(list)},
                   {"firmware.bin", firmware, strlen(firmware)},
                   {"net.kmodel", kmodel, size}};
    for (int i = 0; i < (kmodel ? 3 : 2); i++) {
        zip_source_t *source = zip_source_buffer(zip, entries[i].data, entries[i].size, 0);
        assert_true(zip_file_add(zip, entries[i].name, source, ZIP_FL_ENC_UTF_8) >= 0);
    }
    assert_int_equal(zip_close(zip), 0);
}

static void packages(void **state)
{
    (void)state;
    size_t size, loaded_size;
    uint8_t *file = make_v3(&size);
    make_package(file, size);
    cJSON *r = inspect_json();
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(r, "entries")), 3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(r, "kmodels")), 1);
    assert_int_equal(number(cJSON_GetArrayItem(cJSON_GetObjectItem(r, "kmodels"), 0), "file_bytes", NULL), size);
    cJSON_Delete(r);

    char *text, *messages;
    assert_int_equal(inspect((struct ncc_inspect_options){0}, &text, &messages), NCC_EXIT_DONE);
    assert_non_null(strstr(text, "package of 3 files"));
    assert_non_null(strstr(text, "\"version\": \"0.1.0\"")); /* the list as it stands */
    assert_non_null(strstr(text, "kmodel version 3"));
    free(text);
    free(messages);

    assert_true(ncc_kmodel_recognise(path));
    uint8_t *loaded = ncc_kmodel_load(path, &loaded_size, stderr);
    assert_int_equal(loaded_size, size);
    assert_memory_equal(loaded, file, size);
    free(loaded);

    make_package(NULL, 0);
    FILE *err = fopen("/dev/null", "w");
    assert_null(ncc_kmodel_load(path, &loaded_size, err));
    fclose(err);
    free(file);
}

/* ---- damage ---- */

/* Whatever the bytes are, there is an answer, and a failure has a message. */
static void survive(uint8_t *file, size_t size, int rounds)
{
    uint8_t *copy = malloc(size);
    for (int round = 0; round < rounds; round++) {
        const size_t length = round % 3 == 0 ? (size_t)mb_between(0, (int)size) : size;
        memcpy(copy, file, size);
        for (int n = mb_between(0, 3); n > 0; n--) {
            const size_t at = (size_t)mb_between(0, (int)size - 1);
            copy[at] = mb_between(0, 1) ? (uint8_t)mb_random() : 0xFF;
        }
        save(copy, length);
        char *text, *messages;
        const struct ncc_inspect_options options = {.json = round % 2, .disasm = true};
        const enum ncc_exit e = inspect(options, &text, &messages);
        if (e != NCC_EXIT_DONE && (e != NCC_EXIT_INPUT || !strstr(messages, "error: ")))
            fail_msg("NCC_SEED=%llu round %d: %d '%s'", (unsigned long long)mb_seed(), round, (int)e, messages);
        free(text);
        free(messages);
    }
    free(copy);
}

static void damage(void **state)
{
    (void)state;
    static uint8_t v5[1024], package[1 << 14];
    size_t size;
    uint8_t *v3 = make_v3(&size);
    make_package(v3, size);
    FILE *f = fopen(path, "rb");
    const size_t package_size = fread(package, 1, sizeof package, f);
    fclose(f);
    survive(v3, size, 300);
    survive(v5, make_v5(v5), 600);
    survive(package, package_size, 300);
    free(v3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_3, make_path, remove_path),
        cmocka_unit_test(wide_weights),
        cmocka_unit_test_setup_teardown(version_5, make_path, remove_path),
        cmocka_unit_test_setup_teardown(packages, make_path, remove_path),
        cmocka_unit_test_setup_teardown(damage, make_path, remove_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
