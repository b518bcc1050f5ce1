/* Real models: the float ones give what other programs give, the others are refused with a reason. */
#include "support.h"

#include "compiler/base/file.h"

#include <cjson/cJSON.h>

static const char *zoo(void)
{
    const char *folder = getenv("NCC_ZOO");
    return folder ? folder : ZOO;
}

static void skip_without_zoo(void)
{
    if (access(zoo(), R_OK) == 0)
        return;
    print_message("skipped: no folder %s (set NCC_ZOO)\n", zoo());
    skip();
}

/* ---- expected outputs ---- */

struct array {
    float *v;
    int64_t n;
};

/* Values of an .npy file as floats: float32, uint8, int8. */
static struct array read_npy(struct loaded *l, const char *path)
{
    struct bytes file;
    if (!ncc_file_read(path, (size_t)1 << 28, &l->arena, &l->diags, &file) || file.size < 12)
        fail_msg("%s is missing", path);
    const size_t start = 10 + (size_t)file.data[8] + 256 * (size_t)file.data[9];
    const char *type = strstr((const char *)file.data + 10, "'descr': '");
    assert_true(start <= file.size && type);
    type += strlen("'descr': '");
    const bool is_float = strncmp(type, "<f4", 3) == 0, is_signed = strncmp(type, "|i1", 3) == 0;
    assert_true(is_float || is_signed || strncmp(type, "|u1", 3) == 0);
    struct array a = {NULL, (int64_t)(file.size - start) / (is_float ? 4 : 1)};
    a.v = NCC_NEW(&l->arena, float, a.n + 1);
    for (int64_t i = 0; i < a.n; i++) {
        const uint8_t byte = file.data[start + (size_t)i];
        a.v[i] = is_signed ? (float)(int8_t)byte : (float)byte;
    }
    if (is_float)
        memcpy(a.v, file.data + start, (size_t)a.n * sizeof(float));
    return a;
}

static cJSON *read_meta(struct loaded *l, const char *golden)
{
    struct bytes file;
    const char *path = ncc_arena_printf(&l->arena, "%s/golden/%s/meta.json", zoo(), golden);
    if (!ncc_file_read(path, (size_t)1 << 24, &l->arena, &l->diags, &file))
        fail_msg("%s is missing", path);
    cJSON *meta = cJSON_ParseWithLength((const char *)file.data, file.size);
    assert_non_null(meta);
    return meta;
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

/* What a code of an input or output is worth; scale 0: it has no codes. */
struct codes {
    double scale, zero;
};

static struct codes codes_of(const cJSON *meta, const char *which, int k)
{
    const cJSON *o = cJSON_GetArrayItem(cJSON_GetObjectItem(meta, which), k);
    const cJSON *scale = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "quant_scale"), 0);
    const cJSON *zero = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "quant_zero_point"), 0);
    return (struct codes){scale ? scale->valuedouble : 0, zero ? zero->valuedouble : 0};
}

static void make_real(struct array a, struct codes c)
{
    for (int64_t i = 0; c.scale > 0 && i < a.n; i++)
        a.v[i] = (float)((a.v[i] - c.zero) * c.scale);
}

/* `golden` is a folder of expected outputs: <format>__<model>. TFLite is n, h, w, c, and of ONNX the inputs of some. */
static bool is_packed(const char *golden, const cJSON *input)
{
    const cJSON *layout = cJSON_GetObjectItem(input, "layout");
    return cJSON_IsString(layout) ? strcmp(layout->valuestring, "NHWC") == 0 : strncmp(golden, "tflite", 6) == 0;
}

/* One mean, or one for each channel of n, c, h, w. */
static double mean_of(const cJSON *how, const cJSON *input, int64_t i)
{
    const cJSON *mean = cJSON_GetObjectItem(how, "mean"), *shape = cJSON_GetObjectItem(input, "shape");
    if (cJSON_IsNumber(mean))
        return mean->valuedouble;
    const int64_t plane = cJSON_GetArrayItem(shape, 2)->valueint * (int64_t)cJSON_GetArrayItem(shape, 3)->valueint;
    return cJSON_GetArrayItem(mean, (int)(i / plane) % cJSON_GetArraySize(mean))->valuedouble;
}

/* Input k of a sample, preprocessed and in the graph's order. */
static const float *make_feed(struct loaded *l, const cJSON *meta, const char *golden, int k, int sample)
{
    const char *path = ncc_arena_printf(&l->arena, "%s/golden/%s/in%d_s%d.npy", zoo(), golden, k, sample);
    const struct array raw = read_npy(l, path);
    const cJSON *input = cJSON_GetArrayItem(cJSON_GetObjectItem(meta, "inputs"), k);
    const cJSON *how = cJSON_GetObjectItem(input, "preprocess");
    for (int64_t i = 0; cJSON_IsObject(how) && i < raw.n; i++)
        raw.v[i] = (float)((raw.v[i] - mean_of(how, input, i)) * number(how, "scale"));
    make_real(raw, codes_of(meta, "inputs", k));
    const struct shape shape = l->g->inputs.v[k]->shape;
    assert_int_equal(raw.n, ncc_shape_count(shape));
    if (shape.rank != 4 || !is_packed(golden, input))
        return raw.v;
    float *turned = NCC_NEW(&l->arena, float, raw.n);
    swap_layout(shape, raw.v, turned, true);
    return turned;
}

/* Largest difference of an output from the expected one: in codes where it has some, else as a part of the expected
 * range. */
static double difference(struct loaded *l, const cJSON *meta, const char *golden, int k, int sample, const float *got)
{
    const struct codes codes = codes_of(meta, "outputs", k);
    const char *path = ncc_arena_printf(&l->arena, "%s/golden/%s/out%d_s%d.npy", zoo(), golden, k, sample);
    const struct array want = read_npy(l, path);
    make_real(want, codes);
    const struct shape shape = l->g->outputs.v[k].value->shape;
    assert_int_equal(want.n, ncc_shape_count(shape));
    float *own = NCC_NEW(&l->arena, float, want.n);
    memcpy(own, got, (size_t)want.n * sizeof(float));
    if (shape.rank == 4 && is_packed(golden, NULL))
        swap_layout(shape, got, own, false);
    double low = INFINITY, high = -INFINITY, most = 0;
    for (int64_t i = 0; i < want.n; i++) {
        low = fmin(low, want.v[i]);
        high = fmax(high, want.v[i]);
        most = isnan(own[i]) ? INFINITY : fmax(most, fabs((double)own[i] - want.v[i]));
    }
    if (codes.scale > 0)
        return most / codes.scale;
    /* One number has no range: its size counts. */
    return most / (high > low ? high - low : fmax(fabs(high), 1e-3));
}

static double worst_difference(struct loaded *l, const char *golden, enum eval_mode mode)
{
    cJSON *meta = read_meta(l, golden);
    double worst = 0;
    for (int s = 0; s < (int)number(meta, "samples"); s++) {
        const float *in[8];
        float *out[17];
        assert_in_range(l->g->inputs.n, 1, 8);
        assert_in_range(l->g->outputs.n, 1, 16);
        for (int k = 0; k < l->g->inputs.n; k++)
            in[k] = make_feed(l, meta, golden, k, s);
        run_graph(l->g, mode, in, out);
        for (int k = 0; k < l->g->outputs.n; k++) {
            worst = fmax(worst, difference(l, meta, golden, k, s, out[k]));
            free(out[k]);
        }
    }
    cJSON_Delete(meta);
    return worst;
}

/* ---- transpositions ---- */

static bool minds_layout(enum op op)
{
    return op == OP_conv2d || op == OP_conv2d_transpose || op == OP_max_pool || op == OP_avg_pool || op == OP_resize ||
           op == OP_depth_to_space || op == OP_space_to_depth;
}

/* Transpositions behind which something works on maps again. Backwards: users stand behind what they use. */
static int count_inner_transposes(const struct graph *g)
{
    bool *reaches = calloc((size_t)g->next_id, sizeof *reaches);
    int n_inner = 0;
    for (const struct node *n = g->last; n; n = n->prev) {
        bool any = minds_layout(n->op);
        for (int i = 0; i < n->n_out; i++)
            any |= reaches[n->out[i]->id];
        n_inner += n->op == OP_transpose && any;
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i])
                reaches[n->in[i]->id] |= any;
    }
    free(reaches);
    return n_inner;
}

/* ---- tests ---- */

static const char *zoo_path(const char *folder, const char *name, char path[400])
{
    snprintf(path, 400, "%s/%s/%s.tflite", zoo(), folder, name);
    return path;
}

static const char *golden(const char *format, const char *model, char name[100])
{
    snprintf(name, 100, "%s__%s", format, model);
    return name;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void float_models_agree(void **state)
{
    static const char *const models[] = {
        "mlperf_ad_autoenc_f32",
        "mlperf_ic_resnet8_f32",
        "mlperf_vww96_mbv1_025_f32",
        "mp_face_short",
        "mp_palm_lite",
        "nncase_conv_f32",
        "nncase_iris_f32",
        "nncase_model5_f32",
        "nncase_ulffd_landmark_f32",
        "tflm_hello_world_f32",
        "tflm_magic_wand_f32",
        "tinymaix_cifar10_f",
        "tinymaix_mbnet128_0.25_f",
        "tinymaix_mnist_dw_f",
        "tinymaix_mnist_valid_f",
        "ulfg_slim320_f32",
        "mlperf_ad_autoenc_dynrange",
        "mlperf_kws_dscnn_dynrange",
    };
    (void)state;
    skip_without_zoo();
    int n_bad = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct loaded l;
        char path[400], name[100];
        const double start = now();
        load_file(&l, zoo_path("tflite", models[i], path), NULL);
        const double ms = now() - start;
        expect_graph(&l, models[i]);
        const int n_inner = count_inner_transposes(l.g);
        const double worst = worst_difference(&l, golden("tflite", models[i], name), EVAL_FAST);
        print_message("%-28s %6.1f ms %4d nodes %3d transposes, %d between layers, %d warnings, difference %.1e\n",
                      models[i], ms, ncc_graph_n_nodes(l.g), count_ops(l.g, OP_transpose), n_inner, l.diags.n_warnings,
                      worst);
        n_bad += worst > 1e-4 || n_inner > 0;
        unload(&l);
    }
    assert_int_equal(n_bad, 0);
}

/* The same codes as those programs give: TFLite Micro (int8), TFLite with XNNPACK (uint8). */
static void quantised_models_agree(void **state)
{
    static const char *const models[] = {
        "coral_mbv1_025_128_uint8",   "coral_split_concat",     "mlperf_ic_resnet8_int8",   "mlperf_kws_dscnn_int8",
        "mlperf_vww96_14blk_int8",    "tflm_hello_world_int8",  "tflm_micro_speech_int8",   "tflm_person_detect_int8",
        "tflm_retinaface_torch_int8", "tinymaix_cifar10_q",     "tinymaix_mbnet128_0.25_q", "tinymaix_mnist_arduino_q",
        "tinymaix_mnist_dw_q",        "tinymaix_mnist_valid_q",
    };
    (void)state;
    skip_without_zoo();
    int n_bad = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct loaded l;
        char path[400], name[100];
        load_file(&l, zoo_path("tflite", models[i], path), NULL);
        expect_graph(&l, models[i]);
        const double worst = worst_difference(&l, golden("tflite", models[i], name), EVAL_FAST);
        print_message("%-28s %4d nodes, difference %.1e codes\n", models[i], ncc_graph_n_nodes(l.g), worst);
        n_bad += worst > 1e-4; /* of float outputs it is a part of the range */
        unload(&l);
    }
    assert_int_equal(n_bad, 0);
}

/* Gates and cell are of 16 bits there, of which the gates are real numbers here; the classes are random noise's, of
 * which a softmax makes most of small differences. */
static void a_recurrent_model_agrees(void **state)
{
    enum { MOST_CODES = 12 };
    struct loaded l;
    char path[400], name[100];
    (void)state;
    skip_without_zoo();
    load_file(&l, zoo_path("tflite", "tflm_mnist_lstm_int8", path), NULL);
    expect_graph(&l, "tflm_mnist_lstm_int8");
    const double worst = worst_difference(&l, golden("tflite", "tflm_mnist_lstm_int8", name), EVAL_FAST);
    print_message("%d nodes, difference %.1f codes\n", ncc_graph_n_nodes(l.g), worst);
    assert_true(worst <= MOST_CODES);
    unload(&l);
}

/* The whole net from either of its files. */
static void caffe_models_agree(void **state)
{
    static const char *const models[] = {"landmark106",  "mtcnn_det1",  "mtcnn_det3",     "ulfg_rfb320",
                                         "ulfg_slim320", "yoloface50k", "yolov3_nano_voc"};
    (void)state;
    skip_without_zoo();
    int n_bad = 0;
    for (size_t i = 0; i < 2 * sizeof models / sizeof *models; i++) {
        struct loaded l;
        char path[400], name[100];
        snprintf(path, sizeof path, "%s/caffe/%s.%s", zoo(), models[i / 2], i % 2 ? "prototxt" : "caffemodel");
        const double start = now();
        load_file(&l, path, NULL);
        const double ms = now() - start;
        expect_graph(&l, path);
        const double worst = worst_difference(&l, golden("caffe", models[i / 2], name), EVAL_FAST);
        print_message("%-28s %6.1f ms %4d nodes, %d warnings, difference %.1e\n", models[i / 2], ms,
                      ncc_graph_n_nodes(l.g), l.diags.n_warnings, worst);
        n_bad += worst > 1e-4;
        unload(&l);
    }
    assert_int_equal(n_bad, 0);
}

/* The shape of an input that the model leaves open is that of the stored one. */
static void load_onnx(struct loaded *l, const char *name, const char *path)
{
    const bool open = strcmp(name, "retinaface_mbnet025") == 0;
    const struct shape_override shape = {"input", ncc_shape_4(1, 3, 320, 320)};
    load_file(l, path, open ? &(const struct import_options){.shapes = &shape, .n_shapes = 1} : NULL);
}

/* All weights of light_squeezenet are alike, and its classes are so large that a bit more or less decides: a matrix library
 * that rounds some columns in another way than others, as OpenBLAS does on CPUs with FMA, makes them differ. */
static enum eval_mode mode_of(const char *name)
{
    return strcmp(name, "light_squeezenet") == 0 ? EVAL_REFERENCE : EVAL_FAST;
}

/* Quantised ones (_q) may differ where a sum lies between two codes. One output of yunet_s_320 is a sigmoid that never
 * gets above 2e-4, and the expected outputs are good to 1e-7. */
static void onnx_models_agree(void **state)
{
    static const struct {
        const char *name;
        double most; /* part of the output's range */
    } models[] = {
        {"light_inception_v1", 1e-4},
        {"light_resnet50", 1e-4},
        {"light_squeezenet", 1e-4},
        {"mlperf_ic_resnet8_f32", 1e-4},
        {"mlperf_ic_resnet8_q", 2.0 / 256},
        {"mlperf_kws_q", 2.0 / 256},
        {"nncase_conv", 1e-4},
        {"onnxzoo_mnist_8", 1e-4},
        {"onnxzoo_super_resolution_10", 1e-4},
        {"pt_mnist_lenet", 1e-4},
        {"pt_mobilenetv2_035_64", 1e-4},
        {"pt_opmix", 1e-4},
        {"pt_unet64", 1e-4},
        {"retinaface_mbnet025", 1e-4},
        {"ulfg_slim320_full", 1e-4},
        {"ulfg_slim320_nopost", 1e-4},
        {"ulfg_slim320_simplified", 1e-4},
        {"yunet_final_160x120", 1e-4},
        {"yunet_s_320", 2e-3},
    };
    (void)state;
    skip_without_zoo();
    int n_bad = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct loaded l;
        char path[400], name[100];
        snprintf(path, sizeof path, "%s/onnx/%s.onnx", zoo(), models[i].name);
        const double start = now();
        load_onnx(&l, models[i].name, path);
        const double ms = now() - start;
        expect_graph(&l, path);
        const double worst = worst_difference(&l, golden("onnx", models[i].name, name), mode_of(models[i].name));
        print_message("%-28s %6.1f ms %4d nodes, %d warnings, difference %.1e\n", models[i].name, ms,
                      ncc_graph_n_nodes(l.g), l.diags.n_warnings, worst);
        n_bad += worst > models[i].most;
        unload(&l);
    }
    assert_int_equal(n_bad, 0);
}

static void other_models_are_refused(void **state)
{
    static const struct {
        const char *folder, *name, *says;
    } models[] = {
        {"tflite", "tflm_audio_preproc_f32", "CUSTOM SignalPCAN"},
    };
    (void)state;
    skip_without_zoo();
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct loaded l;
        char path[400];
        load_file(&l, zoo_path(models[i].folder, models[i].name, path), NULL);
        assert_null(l.g);
        if (!has_message(&l, models[i].says)) {
            ncc_diag_print(&l.diags, stderr);
            fail_msg("%s: no message with '%s'", models[i].name, models[i].says);
        }
        unload(&l);
    }
}

static void bad_models_give_messages(void **state)
{
    static const char *const names[] = {"coral_model_invoking_error", "fuzz_int32_max_dim", "fuzz_malicious",
                                        "fuzz_near_overflow", "fuzz_valid_rect"};
    (void)state;
    skip_without_zoo();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct loaded l;
        char path[400];
        load_file(&l, zoo_path("tflite_bad", names[i], path), NULL);
        assert_true(l.g || l.diags.n_errors > 0);
        ncc_diag_print(&l.diags, stdout);
        print_message("%s: %s\n", names[i], l.g ? "loads" : "refused");
        unload(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_models_agree),       cmocka_unit_test(quantised_models_agree),
        cmocka_unit_test(a_recurrent_model_agrees),
        cmocka_unit_test(caffe_models_agree),       cmocka_unit_test(onnx_models_agree),
        cmocka_unit_test(other_models_are_refused), cmocka_unit_test(bad_models_give_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
