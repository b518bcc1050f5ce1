/* What became of the source model's nodes: layers of a made-up compilation and their lists of origins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/report/report.h"

#include <ncc/inspect.h>

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct exit exit;
    struct arena arena;
    struct diags diags;
    struct graph *g;
    struct report r;
};

static void begin(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->arena = ncc_arena_make(&f->exit);
    if (setjmp(f->exit.env))
        fail_msg("out of memory");
    ncc_diag_init(&f->diags, &f->arena);
    f->g = ncc_graph_new(&f->arena, &f->diags, "model");
    ncc_board_find(NULL, &f->arena, &f->r.board);
}

static void layer(struct fixture *f, const char *on, const char *op, const char *origin, double us, const char *reason)
{
    const struct report_layer l = {.name = op,
                                   .origin = origin,
                                   .op = op,
                                   .on = on,
                                   .in_shape = "1",
                                   .out_shape = "1",
                                   .est_us = us,
                                   .reason = reason};
    NCC_PUSH(&f->arena, &f->r.layers, l);
}

static const struct report_source *find(const struct fixture *f, const char *name)
{
    for (int i = 0; i < f->r.sources.n; i++)
        if (strcmp(f->r.sources.v[i].name, name) == 0)
            return &f->r.sources.v[i];
    fail_msg("there is no %s", name);
    return NULL;
}

static void expect(const struct fixture *f, const char *name, const char *on, const char *as, const char *with,
                   int n_layers, double us)
{
    const struct report_source *s = find(f, name);
    assert_string_equal(s->on, on);
    assert_string_equal(s->as, as);
    assert_string_equal(s->with, with);
    assert_int_equal(s->n_layers, n_layers);
    assert_true(s->est_us == us);
}

static void fates(void **state)
{
    (void)state;
    static const struct source_node sources[] = {
        {"conv", "CONV_2D", true}, {"relu", "RELU", true},       {"a,b", "ADD", true},
        {"a", "MUL", true},        {"fold", "DEQUANTIZE", true}, {"shape", "RESHAPE", true},
        {"last", "SOFTMAX", true}, {"unused", "TILE", false},    {"conv2", "CONV_2D", true}};
    struct fixture f;
    begin(&f);
    layer(&f, "copy", "kpu_upload", "conv", 1, NULL);
    layer(&f, "kpu", "conv 3x3", "conv,relu", 10, NULL);
    layer(&f, "kpu", "conv 1x1", "a,b", 20, NULL); /* one name, not two */
    layer(&f, "kpu", "conv 1x1", "a,b,a", 30, NULL);
    layer(&f, "cpu", "dequantize", "last", 2, NULL);
    layer(&f, "cpu", "softmax", "last", 3, "the KPU has no such operation");
    layer(&f, "kpu", "conv 1x1", "conv2", 5, NULL);
    layer(&f, "cpu", "pad", "conv2", 6, "a rule");
    layer(&f, "cpu", "gone", "no such node", 7, NULL);
    struct value *x = ncc_graph_input(f.g, "x", DT_F32, ncc_shape_make(2, (int[]){2, 3}));
    const struct node *view = ncc_node_new(f.g, OP_relu, "view", NULL, &x, 1);
    ((struct node *)view)->origin = "shape";
    ncc_report_sources(&f.r, sources, sizeof sources / sizeof *sources, f.g, &f.arena);

    expect(&f, "conv", "kpu", "conv 3x3", "relu", 2, 11);
    expect(&f, "relu", "kpu", "conv 3x3", "conv", 1, 0);
    expect(&f, "a,b", "kpu", "conv 1x1", "a", 2, 50);
    expect(&f, "a", "kpu", "conv 1x1", "a,b", 1, 0);
    expect(&f, "last", "cpu", "dequantize, softmax", "", 2, 5);
    assert_string_equal(find(&f, "last")->reason, "the KPU has no such operation");
    expect(&f, "conv2", "kpu, cpu", "conv 1x1, pad", "", 2, 11);
    assert_string_equal(find(&f, "shape")->on, "free");
    assert_string_equal(find(&f, "fold")->on, "folded");
    assert_string_equal(find(&f, "unused")->on, "left out");
    assert_int_equal(find(&f, "last")->layers[1], 5);
    ncc_arena_release(&f.arena);
}

/* The page holds every node and layer, escapes names, and refers to nothing outside of itself. */
static void page(void **state)
{
    (void)state;
    static const struct source_node sources[] = {{"<b>\"&", "CONV_2D", true}, {"gone", "IDENTITY", true}};
    struct fixture f;
    begin(&f);
    f.r.model = "net & co.tflite";
    layer(&f, "kpu", "conv 3x3", "<b>\"&", 10, NULL);
    layer(&f, "cpu", "softmax", NULL, 20, "a < b");
    const struct report_buffer buffer = {"map<1>", MEM_KPU, 64, 128, 0, 1};
    NCC_PUSH(&f.arena, &f.r.buffers, buffer);
    f.r.kpu = (struct plan_memory){192, 128, false};
    f.r.n_steps = 2;
    f.r.kpu_us = 10;
    f.r.cpu_us = 20;
    ncc_report_sources(&f.r, sources, 2, f.g, &f.arena);
    const char *text = ncc_report_html(&f.r, &f.arena);
    static const char *const holds[] = {"net &amp; co.tflite",
                                        "&lt;b&gt;&quot;&amp;",
                                        "a &lt; b",
                                        "gone",
                                        "folded",
                                        "<rect ",
                                        "map&lt;1&gt;: 128 bytes at 64, steps 0 to 1",
                                        "<b>0.03 ms</b>",
                                        "</html>\n"};
    for (size_t i = 0; i < sizeof holds / sizeof *holds; i++)
        if (!strstr(text, holds[i]))
            fail_msg("the page does not hold '%s'", holds[i]);
    static const char *const lacks[] = {"http:", "https:", "src=", "<script", "@import", "url(", "<b>\"&"};
    for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++)
        if (strstr(text, lacks[i]))
            fail_msg("the page holds '%s'", lacks[i]);
    ncc_arena_release(&f.arena);
}

/* Of a real compilation every layer but the copy of the input stands for some node, and their times add up. */
static void compiled(void **state)
{
    (void)state;
    struct ncc_compile_options o;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ncc_compile_defaults(&o);
    o.model = NCC_SOURCE_DIR "/examples/digits/digits.tflite";
    o.dataset = NCC_SOURCE_DIR "/examples/digits/calib";
    o.json = true;
    assert_int_equal(ncc_compile(&o, out, stderr), NCC_EXIT_DONE);
    fclose(out);
    cJSON *root = cJSON_Parse(text);
    const cJSON *sources = cJSON_GetObjectItem(root, "source_nodes"), *layers = cJSON_GetObjectItem(root, "layers");
    const cJSON *s, *i;
    bool stands[200] = {false};
    double us = 0;
    assert_true(cJSON_GetArraySize(sources) > 5 && cJSON_GetArraySize(layers) <= 200);
    cJSON_ArrayForEach(s, sources)
    {
        us += cJSON_GetObjectItem(s, "est_us")->valuedouble;
        cJSON_ArrayForEach(i, cJSON_GetObjectItem(s, "layers")) stands[i->valueint] = true;
        const bool on_chip = strstr(cJSON_GetObjectItem(s, "on")->valuestring, "pu") != NULL;
        assert_int_equal(on_chip, cJSON_GetArraySize(cJSON_GetObjectItem(s, "layers")) > 0);
    }
    double want = 0;
    for (int k = 0; k < cJSON_GetArraySize(layers); k++) {
        const cJSON *l = cJSON_GetArrayItem(layers, k);
        const bool input = strcmp(cJSON_GetObjectItem(l, "op")->valuestring, "input to KPU RAM") == 0;
        if (!input && !stands[k])
            fail_msg("layer %d, %s, stands for no node", k, cJSON_GetObjectItem(l, "name")->valuestring);
        want += input ? 0 : cJSON_GetObjectItem(l, "est_us")->valuedouble;
    }
    assert_true(want > 0 && us > 0.999 * want && us < 1.001 * want);
    cJSON_Delete(root);
    free(text);
}

/* What a compilation says of its time is what an inspection of the file says. A compilation does not know of every copy
 * that emission avoids, so they agree to some percent. */
static void same_time_as_inspection(void **state)
{
    (void)state;
    for (int version = 3; version <= 4; version++) {
        char path[] = "/tmp/test_sources_XXXXXX", *text = NULL;
        const int fd = mkstemp(path);
        struct ncc_compile_options o;
        struct ncc_estimate e;
        size_t size, file_size;
        FILE *out = open_memstream(&text, &size);
        assert_true(fd >= 0 && close(fd) == 0);
        ncc_compile_defaults(&o);
        o.model = NCC_SOURCE_DIR "/examples/digits/digits.tflite";
        o.dataset = NCC_SOURCE_DIR "/examples/digits/calib";
        o.output = path;
        o.kmodel_version = version;
        o.json = true;
        assert_int_equal(ncc_compile(&o, out, stderr), NCC_EXIT_DONE);
        fclose(out);
        cJSON *root = cJSON_Parse(text);
        const cJSON *ms = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "summary"), "est_ms");
        void *file = ncc_kmodel_load(path, &file_size, stderr);
        assert_true(ncc_estimate(file, file_size, NCC_FIRMWARE_AUTO, &e));
        const double said = 1e3 * cJSON_GetObjectItem(ms, "total")->valuedouble;
        const double seen = e.kpu_us + e.copy_us + e.cpu_us;
        if (!(fabs(said / seen - 1) < 0.1))
            fail_msg("version %d: %.1f us when compiled, %.1f us when inspected", version, said, seen);
        assert_true(fabs(1e3 * cJSON_GetObjectItem(ms, "kpu")->valuedouble - e.kpu_us) < 1e-6 * seen);
        cJSON_Delete(root);
        free(file);
        free(text);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fates), cmocka_unit_test(page), cmocka_unit_test(compiled),
                                       cmocka_unit_test(same_time_as_inspection)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
