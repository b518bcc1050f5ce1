/* Real models compiled for the CPU in floating point (-t cpu --inference-type float): what kmodel v4's kernels compute
 * in our runtime is what other programs give. */
#include "tests/models/zoo.h"

#include <ncc/compiler.h>
#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    "onnx/mlperf_ic_resnet8_f32",
    "onnx/nncase_conv",
    "onnx/onnxzoo_mnist_8",
    "onnx/onnxzoo_super_resolution_10",
    "onnx/pt_mnist_lenet",
    "onnx/pt_mobilenetv2_035_64",
    "onnx/pt_unet64",
    "onnx/retinaface_mbnet025",
    "onnx/ulfg_slim320_full",
    "onnx/ulfg_slim320_nopost",
    "onnx/ulfg_slim320_simplified",
    "onnx/yunet_final_160x120",
    "onnx/yunet_s_320",
    "caffe/landmark106",
    "caffe/mtcnn_det1",
    "caffe/mtcnn_det3",
    "caffe/ulfg_rfb320",
    "caffe/ulfg_slim320",
    "caffe/yoloface50k",
    "caffe/yolov3_nano_voc",
};

struct run {
    const char *model;
    struct arena *arena;
    struct ncc_model m;
    const cJSON *meta;
};

/* The shape that the stored inputs have: some models leave theirs open. */
static struct ncc_shape_override stored_shape(const struct run *r)
{
    const cJSON *input = cJSON_GetArrayItem(cJSON_GetObjectItem(r->meta, "inputs"), 0);
    const cJSON *shape = cJSON_GetObjectItem(input, "shape");
    struct ncc_shape_override o = {.name = cJSON_GetObjectItem(input, "name")->valuestring};
    for (; o.rank < cJSON_GetArraySize(shape); o.rank++)
        o.dim[o.rank] = cJSON_GetArrayItem(shape, o.rank)->valueint;
    return o;
}

static void compile(struct run *r, const char *kmodel)
{
    struct ncc_compile_options o;
    const struct ncc_shape_override shape = stored_shape(r);
    ncc_compile_defaults(&o);
    o.shapes = &shape;
    o.n_shapes = strncmp(r->model, "onnx/", 5) == 0;
    o.model = zoo_model(r->arena, r->model);
    o.output = kmodel;
    o.target_cpu = true;
    o.inference = NCC_ELEMENT_FLOAT;
    o.board = "any=1000000000"; /* the outputs are what is looked at */
    o.quiet = true;
    char *messages = NULL;
    size_t size = 0;
    FILE *err = open_memstream(&messages, &size);
    const enum ncc_exit e = ncc_compile(&o, err, err);
    fclose(err);
    if (e)
        fail_msg("%s: exit %d\n%s", r->model, e, messages);
    free(messages);
}

static const cJSON *tensor(const struct run *r, const char *which, int k)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItem(r->meta, which), k);
}

/* h, w, c of a packed map; false: its order is the kmodel's as well. */
static bool is_packed_map(const struct run *r, const cJSON *t, int hwc[3])
{
    const cJSON *shape = cJSON_GetObjectItem(t, "shape");
    for (int i = 0; i < 3; i++)
        hwc[i] = cJSON_GetArraySize(shape) == 4 ? cJSON_GetArrayItem(shape, i + 1)->valueint : 1;
    return zoo_is_packed(r->model) && cJSON_GetArraySize(shape) == 4;
}

/* What the model is fed for stored element i of n: its mean is one number, or one for each channel of a planar map. */
static float prepared(const cJSON *how, float x, size_t i, size_t n)
{
    const cJSON *mean = cJSON_GetObjectItem(how, "mean"), *scale = cJSON_GetObjectItem(how, "scale");
    const size_t n_channels = (size_t)cJSON_GetArraySize(mean);
    const cJSON *own = n_channels ? cJSON_GetArrayItem(mean, (int)(i / (n / n_channels))) : mean;
    return (float)(((double)x - own->valuedouble) * scale->valuedouble);
}

static const float *input(struct run *r, int sample)
{
    char file[32];
    int hwc[3];
    snprintf(file, sizeof file, "in0_s%d.npy", sample);
    const struct zoo_array x = zoo_golden(r->arena, r->model, file);
    const cJSON *how = cJSON_GetObjectItem(tensor(r, "inputs", 0), "preprocess");
    assert_int_equal(ncc_model_input(&r->m, 0).size, x.n * sizeof(float));
    for (size_t i = 0; cJSON_IsObject(how) && i < x.n; i++)
        x.v[i] = prepared(how, x.v[i], i, x.n);
    if (!is_packed_map(r, tensor(r, "inputs", 0), hwc))
        return x.v;
    float *planar = NCC_NEW(r->arena, float, x.n);
    zoo_planar(x.v, hwc[0], hwc[1], hwc[2], planar);
    return planar;
}

/* Largest difference of output k, as a part of the expected range. */
static double difference(struct run *r, int k, int sample)
{
    char file[32];
    int hwc[3];
    snprintf(file, sizeof file, "out%d_s%d.npy", k, sample);
    const struct zoo_array want = zoo_golden(r->arena, r->model, file);
    const float *got = ncc_model_output_data(&r->m, (uint32_t)k);
    assert_int_equal(ncc_model_output(&r->m, (uint32_t)k).size, want.n * sizeof(float));
    if (is_packed_map(r, tensor(r, "outputs", k), hwc)) {
        float *packed = NCC_NEW(r->arena, float, want.n);
        zoo_packed(got, hwc[0], hwc[1], hwc[2], packed);
        got = packed;
    }
    double low = INFINITY, high = -INFINITY, most = 0;
    for (size_t i = 0; i < want.n; i++) {
        low = fmin(low, (double)want.v[i]);
        high = fmax(high, (double)want.v[i]);
        most = isnan(got[i]) ? INFINITY : fmax(most, fabs((double)got[i] - (double)want.v[i]));
    }
    /* One number has no range: its size counts. */
    return most / (high > low ? high - low : fmax(fabs(high), 1e-3));
}

/* The first sample is enough: kernels do not depend on the data, but for rounding. */
static double run_model(struct run *r, struct ncc_sim *sim)
{
    const char *kmodel = ncc_arena_printf(r->arena, "%s/zoo/cpu.kmodel", NCC_BINARY_DIR);
    struct diags d;
    struct bytes file;
    double worst = 0;
    compile(r, kmodel);
    ncc_diag_init(&d, r->arena);
    assert_true(ncc_file_read(kmodel, (size_t)1 << 28, r->arena, &d, &file));
    const size_t size = ncc_model_work_size(file.data, file.size);
    void *work = ncc_arena_alloc(r->arena, size, 1, 64);
    if (ncc_model_open(&r->m, file.data, file.size, work, size, ncc_sim_device(sim)))
        fail_msg("%s: %s", r->model, ncc_model_fault(&r->m)->text);
    assert_int_equal(ncc_model_run(&r->m, (const void *[]){input(r, 0)}), NCC_OK);
    for (int k = 0; k < cJSON_GetArraySize(cJSON_GetObjectItem(r->meta, "outputs")); k++)
        worst = fmax(worst, difference(r, k, 0));
    return worst;
}

static void zoo(void **state)
{
    (void)state;
    if (!zoo_folder()) {
        print_message("skipped: no zoo (set NCC_ZOO)\n");
        skip();
    }
    zoo_make_folder(NCC_BINARY_DIR "/zoo");
    int n_bad = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct exit out = {0};
        struct arena arena = ncc_arena_make(&out);
        if (setjmp(out.env))
            fail_msg("no memory");
        struct ncc_sim *sim = ncc_sim_new();
        cJSON *meta = zoo_meta(models[i]);
        struct run r = {.model = models[i], .arena = &arena, .meta = meta};
        const double worst = run_model(&r, sim);
        print_message("%-28s %.1e\n", models[i], worst);
        n_bad += !(worst <= 1e-4);
        cJSON_Delete(meta);
        ncc_sim_free(sim);
        ncc_arena_release(&arena);
    }
    assert_int_equal(n_bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(zoo)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
