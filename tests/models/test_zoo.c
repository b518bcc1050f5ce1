/* Real models from file to outputs: float ones compiled with calibration data, quantised ones without any; run in the
 * simulator on the stored inputs and held against the outputs that other programs give; labelled sets against the
 * source model in the evaluator; memory and crossings.
 *
 * With NCC_UPDATE_RESULTS=1 the figures are written to tests/results.csv, with the medians at its end: of these models,
 * and of what each step of quantisation is worth (from tests/gains.csv: what its option changes, where it does). */
#include "tests/models/zoo.h"
#include "tests/models/zoo_job.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct model models[] = {
    {"mlperf_ad_autoenc_f32", NULL, NO_LABELS, 0},
    {"mlperf_ic_resnet8_f32", "ic", IC01, 0},
    {"mlperf_vww96_mbv1_025_f32", "datasets/vww_calib", VWW01, 0},
    {"mp_face_short", "images/faces_nncase", NO_LABELS, 0},
    {"mp_palm_lite", "images/faces_nncase", NO_LABELS, 0},
    {"nncase_conv_f32", NULL, NO_LABELS, 0},
    {"nncase_iris_f32", NULL, NO_LABELS, 0},
    {"nncase_model5_f32", "images/faces_nncase", NO_LABELS, 0},
    {"nncase_ulffd_landmark_f32", "images/faces_nncase", NO_LABELS, 460800},
    {"tflm_hello_world_f32", NULL, NO_LABELS, 0},
    {"tflm_magic_wand_f32", NULL, NO_LABELS, 0},
    {"tinymaix_cifar10_f", "ic", IC01, 0},
    {"tinymaix_mbnet128_0.25_f", "images/ilsvrc128_tinymaix", NO_LABELS, 0},
    {"tinymaix_mnist_dw_f", "images/mnist_bmp_tinymaix", DIGITS, 0},
    {"tinymaix_mnist_valid_f", "images/mnist_bmp_tinymaix", DIGITS, 0},
    {"ulfg_slim320_f32", "images/faces_nncase", NO_LABELS, 0},
    {"caffe/landmark106", "images/faces_nncase", NO_LABELS, 0},
    {"caffe/mtcnn_det1", "images/faces_nncase", NO_LABELS, 0},
    {"caffe/mtcnn_det3", "images/faces_nncase", NO_LABELS, 0},
    {"caffe/ulfg_rfb320", "images/faces_nncase", NO_LABELS, 0},
    {"caffe/ulfg_slim320", "images/faces_nncase", NO_LABELS, 0},
    {"caffe/yoloface50k", "images/faces_nncase", NO_LABELS, 0},
    {"caffe/yolov3_nano_voc", "images/voc_axelerate", NO_LABELS, 0},
    {"coral_mbv1_025_128_uint8", "none", NO_LABELS, 0},
    {"coral_split_concat", "none", NO_LABELS, 0},
    {"mlperf_ad_autoenc_dynrange", NULL, NO_LABELS, 0},
    {"mlperf_ic_resnet8_int8", "none", IC01, 0},
    {"mlperf_kws_dscnn_dynrange", NULL, NO_LABELS, 0},
    {"mlperf_kws_dscnn_int8", "none", KWS01, 0},
    {"mlperf_vww96_14blk_int8", "none", VWW01, 0},
    {"tflm_hello_world_int8", "none", NO_LABELS, 0},
    {"tflm_micro_speech_int8", "none", NO_LABELS, 0},
    {"tflm_person_detect_int8", "none", NO_LABELS, 0},
    {"tflm_retinaface_torch_int8", "none", NO_LABELS, 0},
    {"tinymaix_cifar10_q", "none", IC01, 0},
    {"tinymaix_mbnet128_0.25_q", "none", NO_LABELS, 0},
    {"tinymaix_mnist_arduino_q", "none", DIGITS, 0},
    {"tinymaix_mnist_dw_q", "none", DIGITS, 0},
    {"tinymaix_mnist_valid_q", "none", DIGITS, 0},
    {"onnx/mlperf_ic_resnet8_f32", "ic", IC01, 0},
    {"onnx/mlperf_ic_resnet8_q", "none", IC01, 0},
    {"onnx/mlperf_kws_q", "none", KWS01_REAL, 0},
    {"onnx/nncase_conv", NULL, NO_LABELS, 0},
    {"onnx/onnxzoo_mnist_8", "images/mnist_bmp_tinymaix", DIGITS, 0},
    {"onnx/onnxzoo_super_resolution_10", NULL, NO_LABELS, 0},
    {"onnx/pt_mnist_lenet", "images/mnist_bmp_tinymaix", DIGITS, 0},
    {"onnx/pt_mobilenetv2_035_64", "images/mnist_bmp_tinymaix", LARGE_DIGITS, 0},
    {"onnx/pt_opmix", NULL, NO_LABELS, 0},
    {"onnx/pt_unet64", NULL, NO_LABELS, 0},
    {"onnx/retinaface_mbnet025", NULL, NO_LABELS, 0},
    {"onnx/ulfg_slim320_full", "images/faces_nncase", NO_LABELS, 0},
    {"onnx/ulfg_slim320_nopost", "images/faces_nncase", NO_LABELS, 0},
    {"onnx/ulfg_slim320_simplified", "images/faces_nncase", NO_LABELS, 0},
    {"onnx/yunet_final_160x120", "images/faces_nncase", NO_LABELS, 0},
    {"onnx/yunet_s_320", "images/faces_nncase", NO_LABELS, 0},
};
enum { N_MODELS = sizeof models / sizeof models[0] };

static int complain(const struct model *m, bool holds, const char *what)
{
    if (!holds)
        printf("BAD: %s: %s\n", m->name, what);
    return !holds;
}

/* Where two integer programs that round differently are far apart, twice as far as they are. */
static double least_cosine(const struct result *r)
{
    return 1 - fmax(0.02, 2 * (1 - r->agreement));
}

static int judge(const struct model *m, const struct result *r)
{
    return complain(m, r->worst_cosine >= least_cosine(r), "cosine too low") +
           complain(m, r->top1 >= r->float_top1 - (zoo_is_quantised(m) ? 1 : 1.5), "top-1 too far below the source's") +
           complain(m, m->main_limit == 0 || r->main < m->main_limit, "too much main memory") +
           complain(m, !r->optimal || r->kpu_peak == r->kpu_bound, "called optimal, but above the bound") +
           complain(m, r->kpu_peak >= r->kpu_bound && r->kpu_peak <= 2 << 20, "impossible KPU RAM peak");
}

static void print_row(const struct model *m, const struct result *r)
{
    printf("%-26s %.5f %.5f %5.1f", m->name, r->mean_cosine, r->worst_cosine, r->sqnr);
    if (m->labels != NO_LABELS)
        printf("  %5.1f %5.1f", r->float_top1, r->top1);
    else
        printf("      -     -");
    printf(" %4d %8lld %8lld %8lld %8lld %8.2f\n", r->crossings, (long long)r->kpu_peak, (long long)r->kpu_bound,
           (long long)r->main, (long long)r->bytes, r->est);
    fflush(stdout);
}

static int by_sqnr(const void *a, const void *b)
{
    const double x = ((const struct result *)a)->sqnr, y = ((const struct result *)b)->sqnr;
    return (x > y) - (x < y);
}

static double median_sqnr(const struct result *r)
{
    struct result sorted[N_MODELS];
    memcpy(sorted, r, sizeof sorted);
    qsort(sorted, N_MODELS, sizeof *sorted, by_sqnr);
    return (sorted[(N_MODELS - 1) / 2].sqnr + sorted[N_MODELS / 2].sqnr) / 2;
}

/* The next of the fields that commas separate; NULL: there is none. */
static const char *field(char **line)
{
    char *start = *line;
    if (!start)
        return NULL;
    char *end = start + strcspn(start, ",\n");
    *line = *end == ',' ? end + 1 : NULL;
    *end = 0;
    return start;
}

/* First line: model, sqnr_db, the options; last line: medians. */
static void write_gains(FILE *to)
{
    enum { MAX_LINE = 2000 };
    char options[MAX_LINE], medians[MAX_LINE];
    FILE *f = fopen(NCC_SOURCE_DIR "/tests/gains.csv", "r");
    assert_non_null(f);
    assert_non_null(fgets(options, MAX_LINE, f));
    while (fgets(medians, MAX_LINE, f))
        continue;
    fclose(f);
    char *names = options, *values = medians;
    const char *name, *value;
    for (int i = 0; (name = field(&names)) && (value = field(&values)); i++)
        if (i >= 2)
            fprintf(to, "%s,,,,,,,,,,,%s,,\n", name, value);
}

static void write_results(const struct result *r)
{
    FILE *f = fopen(NCC_SOURCE_DIR "/tests/results.csv", "w");
    assert_non_null(f);
    fprintf(f, "model,est_ms,kpu_ms,copy_ms,cpu_ms,kpu_ram,kpu_ram_bound,main_memory,kmodel_bytes,crossings,worst_"
               "cosine,sqnr_db,"
               "float_top1,top1\n");
    for (int i = 0; i < N_MODELS; i++) {
        fprintf(f, "%s,%.3f,%.3f,%.3f,%.3f,%lld,%lld,%lld,%lld,%d,%.4f,%.1f", models[i].name, r[i].est, r[i].kpu,
                r[i].copy, r[i].cpu, (long long)r[i].kpu_peak, (long long)r[i].kpu_bound, (long long)r[i].main,
                (long long)r[i].bytes, r[i].crossings, r[i].worst_cosine, r[i].sqnr);
        fprintf(f, models[i].labels != NO_LABELS ? ",%.1f,%.1f\n" : ",,\n", r[i].float_top1, r[i].top1);
    }
    fprintf(f, "median,,,,,,,,,,,%.1f,,\n", median_sqnr(r));
    write_gains(f);
    assert_int_equal(fclose(f), 0);
}

static void zoo(void **state)
{
    (void)state;
    if (!zoo_folder()) {
        print_message("skipped: no zoo (set NCC_ZOO)\n");
        skip();
    }
    zoo_make_folder(NCC_BINARY_DIR "/zoo");
    printf("%-26s %7s %7s %5s %6s %5s %4s %8s %8s %8s %8s %8s\n", "model", "cosine", "worst", "dB", "source", "top-1",
           "x", "KPU", "bound", "main", "bytes", "ms");
    static struct result r[N_MODELS];
    int n_bad = 0;
    for (int i = 0; i < N_MODELS; i++) {
        r[i] = zoo_run(&models[i]);
        print_row(&models[i], &r[i]);
        n_bad += judge(&models[i], &r[i]);
    }
    if (getenv("NCC_UPDATE_RESULTS"))
        write_results(r);
    printf("median signal to noise %.1f dB\n", median_sqnr(r));
    assert_int_equal(n_bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(zoo)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
