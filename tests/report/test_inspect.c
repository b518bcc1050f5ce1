/* What ncc_inspect() finds out from addresses alone: data flow, memory, times. Small kmodels whose answers were worked
 * out by hand, and published ones whose figures stand in doc/cpu-cost.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ncc/inspect.h>

#include "kmodel/kmodel.h"
#include "kpu/arith.h"
#include "kpu/layer.h"
#include "kpu/timing.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- building ---- */

enum { C = 4, H = 8, W = 8, MAP = C * H * W, KPU_MAP = 512, MAIN_SIZE = 4096 };

static const struct ncc_kpu_shape layer_shape = {C, H, W, C, 1, false, NCC_KPU_POOL_NONE};
static const int32_t map_shape[4] = {1, C, H, W};

static struct ncc_km_range bytes_at(uint32_t start)
{
    return (struct ncc_km_range){NCC_KM_MAIN, NCC_KM_U8, start, MAP};
}

static struct ncc_km_range floats_at(uint32_t start)
{
    return (struct ncc_km_range){NCC_KM_MAIN, NCC_KM_F32, start, MAP * sizeof(float)};
}

static struct ncc_km_range map_at(uint32_t line)
{
    return (struct ncc_km_range){NCC_KM_KPU, NCC_KM_U8, line * 64, KPU_MAP};
}

static void add_layer(struct ncc_kmodel_writer *w, int src, int dst, const struct ncc_km_range *main_out)
{
    static const uint64_t bn[C];
    static const uint8_t weights[C * C];
    struct ncc_kpu_regs regs;
    struct ncc_kpu_table table = {0};
    uint8_t act[NCC_KM_ACT_SIZE];
    uint64_t words[12];
    table.seg[0].x_start = NCC_KPU_ACC_MIN;
    ncc_kpu_table_pack(&table, act);
    ncc_kpu_derive(&layer_shape, src, dst, 0, 0, &regs);
    assert_null(ncc_kpu_pack(&regs, words));
    ncc_kmodel_write_kpu_conv2d(w, main_out, 1, words, bn, C, act, weights, sizeof weights);
}

static void add_upload(struct ncc_kmodel_writer *w, struct ncc_km_range from, uint32_t line)
{
    struct ncc_km_kpu_upload op = {.in = from, .out = map_at(line)};
    memcpy(op.in_shape, map_shape, sizeof op.in_shape);
    ncc_kmodel_write_node(w, NCC_KM_OP_kpu_upload, &op, sizeof op, NULL, 0, NULL, 0);
}

static void add_copy(struct ncc_kmodel_writer *w, struct ncc_km_range from, struct ncc_km_range to)
{
    const struct ncc_km_memory_copy op = {from, to};
    ncc_kmodel_write_node(w, NCC_KM_OP_memory_copy, &op, sizeof op, NULL, 0, NULL, 0);
}

static void add_dequantize(struct ncc_kmodel_writer *w, struct ncc_km_range from, struct ncc_km_range to)
{
    const struct ncc_km_dequantize op = {from, to, 0, 1};
    ncc_kmodel_write_node(w, NCC_KM_OP_dequantize, &op, sizeof op, NULL, 0, NULL, 0);
}

typedef void build(struct ncc_kmodel_writer *w);

/* A file with `nodes` nodes, and a KPU input at line 0 besides the inputs given. To be freed. */
static uint64_t *make(build *nodes, uint32_t n_nodes, struct ncc_km_range output, bool with_main_input, size_t *size)
{
    const struct ncc_km_range inputs[2] = {map_at(0), bytes_at(0)};
    const int32_t shapes[2][4] = {{1, C, H, W}, {1, C, H, W}};
    const struct ncc_kmodel_head head = {.n_nodes = n_nodes,
                                         .n_inputs = with_main_input ? 2 : 1,
                                         .n_outputs = 1,
                                         .inputs = inputs,
                                         .outputs = &output,
                                         .input_shapes = shapes,
                                         .main_mem_size = MAIN_SIZE};
    struct ncc_kmodel_writer w;
    ncc_kmodel_write_begin(&w, NULL, 0, &head);
    nodes(&w);
    *size = ncc_kmodel_write_end(&w);
    assert_true(*size > 0);
    uint64_t *file = calloc(*size / 8 + 1, 8);
    ncc_kmodel_write_begin(&w, (uint8_t *)file, *size, &head);
    nodes(&w);
    assert_int_equal(ncc_kmodel_write_end(&w), *size);
    return file;
}

/* ---- asking ---- */

static cJSON *inspect_path(const char *path)
{
    char *text = NULL, *messages = NULL;
    size_t text_size = 0, messages_size = 0;
    FILE *out = open_memstream(&text, &text_size), *err = open_memstream(&messages, &messages_size);
    const struct ncc_inspect_options options = {.json = true};
    const enum ncc_exit e = ncc_inspect(path, &options, out, err);
    fclose(out);
    fclose(err);
    if (e != NCC_EXIT_DONE)
        fail_msg("%s", messages);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    free(text);
    free(messages);
    return root;
}

static cJSON *inspect(const uint64_t *file, size_t size)
{
    char path[] = "/tmp/test_inspect_XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file, size), size);
    close(fd);
    cJSON *root = inspect_path(path);
    unlink(path);
    return root;
}

static double number(const cJSON *root, const char *a, const char *b)
{
    const cJSON *item = cJSON_GetObjectItem(root, a);
    if (b)
        item = cJSON_GetObjectItem(item, b);
    if (!cJSON_IsNumber(item))
        fail_msg("there is no number %s %s", a, b ? b : "");
    return item->valuedouble;
}

static void assert_near(double a, double b)
{
    if (fabs(a - b) > 1e-9)
        fail_msg("%.12g is not %.12g", a, b);
}

/* ---- tests ---- */

/* KPU, down, CPU, up, KPU, down, CPU: one way there and one back that are crossings, and the way to the output, which
 * is none. The second download lands where the first did. */
static void there_and_back(struct ncc_kmodel_writer *w)
{
    const struct ncc_km_range a = bytes_at(0);
    add_layer(w, 0, 100, NULL);
    add_layer(w, 100, 200, &a);
    add_copy(w, bytes_at(0), bytes_at(MAP));
    add_upload(w, bytes_at(MAP), 0);
    add_layer(w, 0, 100, &a);
    add_dequantize(w, bytes_at(0), floats_at(2 * MAP));
}

static void crossings_and_memory(void **state)
{
    (void)state;
    size_t size;
    uint64_t *file = make(there_and_back, 6, floats_at(2 * MAP), false, &size);
    cJSON *r = inspect(file, size);
    assert_int_equal(number(r, "summary", "crossings"), 2);
    assert_int_equal(number(r, "summary", "kpu_layers"), 3);
    assert_int_equal(number(r, "summary", "cpu_kernels"), 2);
    assert_int_equal(number(r, "kpu_ram_peak_bytes", NULL), (200 + 8) * 64);
    assert_int_equal(number(r, "kpu_ram_bound_bytes", NULL), 2 * KPU_MAP); /* a layer's input and output */
    assert_int_equal(number(r, "main_memory_bytes", NULL), MAIN_SIZE);
    assert_int_equal(number(r, "main_memory_bound_bytes", NULL), MAP + MAP * 4); /* the last node's */
    assert_int_equal(number(r, "file_bytes", NULL), size);
    const cJSON *output = cJSON_GetArrayItem(cJSON_GetObjectItem(r, "outputs"), 0);
    assert_string_equal(cJSON_GetObjectItem(output, "dtype")->valuestring, "f32");
    cJSON_Delete(r);
    free(file);
}

static void times(void **state)
{
    (void)state;
    size_t size;
    struct ncc_estimate e;
    uint64_t *file = make(there_and_back, 6, floats_at(2 * MAP), false, &size);
    assert_true(ncc_estimate(file, size, NCC_FIRMWARE_AUTO, &e));
    const double layer = ncc_kpu_layer_us(&layer_shape, NCC_KPU_RUNTIME_V4);
    const double up = ncc_kpu_upload_us(C, H, W, NCC_KPU_RUNTIME_V4);
    const double down = ncc_kpu_download_us(C, H, W, NCC_KPU_RUNTIME_V4);
    const double instruction = 2.1 / 400;
    assert_near(e.kpu_us, 3 * layer);
    assert_near(e.copy_us, 2 * up + 2 * down); /* the model's input is uploaded too */
    assert_near(e.cpu_us, (0.5 * MAP + 5.5 * MAP) * instruction);
    file[0] ^= 1;
    assert_false(ncc_estimate(file, size, NCC_FIRMWARE_AUTO, &e));
    free(file);
}

/* Two maps side by side in rows: a run for each operand and row. */
static void in_runs(struct ncc_kmodel_writer *w)
{
    const struct ncc_km_concat op = {.out = {NCC_KM_MAIN, NCC_KM_U8, 2 * MAP, 2 * MAP}, 1, C * H, 2};
    const struct ncc_km_range in[2] = {bytes_at(0), bytes_at(MAP)};
    const int32_t dims[2] = {W, W};
    ncc_kmodel_write_node(w, NCC_KM_OP_concat, &op, sizeof op, in, sizeof in, dims, sizeof dims);
}

static void time_of_runs(void **state)
{
    (void)state;
    size_t size;
    struct ncc_estimate e;
    const struct ncc_km_range out = {NCC_KM_MAIN, NCC_KM_U8, 2 * MAP, 2 * MAP};
    uint64_t *file = make(in_runs, 1, out, true, &size);
    assert_true(ncc_estimate(file, size, NCC_FIRMWARE_AUTO, &e));
    assert_near(e.cpu_us, (0.5 * 2 * MAP + 40 * 2 * C * H) * 2.1 / 400);
    free(file);
}

/* The upload takes bytes that lie where a KPU layer's result lay before: it does not depend on the KPU. */
static void overwritten(struct ncc_kmodel_writer *w)
{
    const struct ncc_km_range a = bytes_at(MAP);
    add_layer(w, 0, 100, &a);
    add_dequantize(w, bytes_at(MAP), floats_at(2 * MAP));
    add_copy(w, bytes_at(0), bytes_at(MAP)); /* from the second input */
    add_upload(w, bytes_at(MAP), 0);
    add_layer(w, 0, 100, NULL);
}

static void overwritten_data_do_not_cross(void **state)
{
    (void)state;
    size_t size;
    uint64_t *file = make(overwritten, 5, floats_at(2 * MAP), true, &size);
    cJSON *r = inspect(file, size);
    assert_int_equal(number(r, "summary", "crossings"), 0);
    cJSON_Delete(r);
    free(file);
}

/* A result that is uploaded twice: one download and two uploads. */
static void twice(struct ncc_kmodel_writer *w)
{
    const struct ncc_km_range a = bytes_at(0);
    add_layer(w, 0, 100, &a);
    add_upload(w, bytes_at(0), 200);
    add_upload(w, bytes_at(0), 300);
    add_layer(w, 200, 400, NULL);
    add_layer(w, 300, 500, &a);
    add_dequantize(w, bytes_at(0), floats_at(MAP));
}

static void every_upload_counts(void **state)
{
    (void)state;
    size_t size;
    uint64_t *file = make(twice, 6, floats_at(MAP), false, &size);
    cJSON *r = inspect(file, size);
    assert_int_equal(number(r, "summary", "crossings"), 3);
    cJSON_Delete(r);
    free(file);
}

static void published(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int kpu_layers, main_memory, kpu_peak;
    } files[] = {
        {"nncase_slim-320_v4", 42, 236480, 1704960},
        {"nncase_ulffd_landmark_r0_v4", 43, 460800, 1474560},
    };
    const char *zoo = getenv("NCC_ZOO");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/kmodel/%s.kmodel", zoo ? zoo : NCC_SOURCE_DIR "/../shared/zoo", files[i].name);
        if (access(path, R_OK) != 0) {
            print_message("skipped: there is no %s\n", path);
            skip();
        }
        cJSON *r = inspect_path(path);
        assert_int_equal(number(r, "summary", "kpu_layers"), files[i].kpu_layers);
        assert_int_equal(number(r, "main_memory_bytes", NULL), files[i].main_memory);
        assert_int_equal(number(r, "kpu_ram_peak_bytes", NULL), files[i].kpu_peak);
        cJSON_Delete(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crossings_and_memory), cmocka_unit_test(times),
        cmocka_unit_test(time_of_runs),         cmocka_unit_test(overwritten_data_do_not_cross),
        cmocka_unit_test(every_upload_counts),  cmocka_unit_test(published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
