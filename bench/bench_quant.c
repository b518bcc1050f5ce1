/* What each step of quantisation gains: models are compiled with some samples, once as given and once without each
 * step, and run on other samples in the simulator. Figures are the mean signal to noise of the outputs against the
 * float model, in dB, and what leaving out a step changes (`ncc eval --gains`). doc/quantisation.md explains the steps.
 *
 *     bench_quant [NAME]        of models with NAME in theirs only
 */
#include "bench/measure.h"

#include <ncc/compiler.h>

#include <cjson/cJSON.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_STEPS = 16 };

/* Samples: a folder or file of the zoo; "planar NAME SIZE": packed pictures of datasets/NAME, which are made planar.
 * A std of 0: none. */
static const struct row {
    const char *model, *calibration, *test;
    double mean, std;
    bool bgr;
    const char *output; /* cut here, or NULL */
} rows[] = {
    {"tflite/mlperf_ic_resnet8_f32.tflite", "planar ic_calib 32", "planar ic01 32", 0, 1.0 / 255, false, NULL},
    {"tflite/mlperf_vww96_mbv1_025_f32.tflite", "datasets/vww_calib", "planar vww01 96", 0, 1, false, NULL},
    {"tflite/tinymaix_cifar10_f.tflite", "planar ic_calib 32", "planar ic01 32", 0, 1, false, NULL},
    {"tflite/tinymaix_mbnet128_0.25_f.tflite", "images/ilsvrc128_tinymaix", "images/classifier_axelerate", 0.5, 0.5,
     false, NULL},
    {"tflite/tinymaix_mnist_valid_f.tflite", "images/mnist_bmp_tinymaix", "datasets/mnist/images_u8.npy", 0, 1, false,
     NULL},
    {"tflite/tinymaix_mnist_dw_f.tflite", "images/mnist_bmp_tinymaix", "datasets/mnist/images_u8.npy", 0, 1, false,
     NULL},
    {"tflite/ulfg_slim320_f32.tflite", "images/faces_nncase", "images/faces_ulfg", 127.0 / 255, 128.0 / 255, false,
     NULL},
    {"tflite/nncase_ulffd_landmark_f32.tflite", "images/faces_nncase", "images/faces_ulfg", 0.5, 0.5, false, NULL},
    {"tflite/mp_face_short.tflite", "images/faces_nncase", "images/faces_ulfg", 0.5, 0.5, false, NULL},
    {"caffe/ulfg_rfb320.caffemodel", "images/faces_nncase", "images/faces_ulfg", 127.0 / 255, 128.0 / 255, false, NULL},
    {"caffe/yoloface50k.caffemodel", "images/faces_nncase", "images/faces_ulfg", 0, 1, false, NULL},
    {"caffe/mtcnn_det1.caffemodel", "images/faces_nncase", "images/faces_ulfg", 0.5, 128.0 / 255, true, NULL},
    {"caffe/mtcnn_det3.caffemodel", "images/faces_nncase", "images/faces_ulfg", 0.5, 128.0 / 255, true, NULL},
    {"onnx/pt_unet64.onnx", "images/faces_nncase", "images/faces_ulfg", 0, 0, false, NULL},
    {"onnx/yunet_s_320.onnx", "images/faces_nncase", "images/faces_ulfg", 0, 1.0 / 255, true, NULL},
    {"tflite/mp_selfie.tflite", "images/faces_nncase", "images/faces_ulfg", 0, 1, false, "add_13__xeno_compat__1"},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* ---- samples ---- */

static void make_planar(const char *from, const char *to, size_t plane)
{
    uint8_t *packed = bench_bytes(3 * plane), *planar = bench_bytes(3 * plane);
    DIR *folder = opendir(from);
    for (const struct dirent *e; folder && (e = readdir(folder));) {
        char path[2048], out[2048];
        snprintf(path, sizeof path, "%s/%s", from, e->d_name);
        snprintf(out, sizeof out, "%s/%s", to, e->d_name);
        struct stat info;
        FILE *f = stat(path, &info) == 0 && (size_t)info.st_size == 3 * plane ? fopen(path, "rb") : NULL;
        const bool good = f && fread(packed, 1, 3 * plane, f) == 3 * plane;
        if (f)
            fclose(f);
        if (!good)
            continue;
        for (size_t i = 0; i < 3 * plane; i++)
            planar[i % 3 * plane + i / 3] = packed[i];
        f = fopen(out, "wb");
        if (f) {
            fwrite(planar, 1, 3 * plane, f);
            fclose(f);
        }
    }
    if (folder)
        closedir(folder);
    free(packed);
    free(planar);
}

static void samples_path(const char *zoo, const char *work, const char *what, char path[1024])
{
    char name[64], from[1024];
    int size;
    snprintf(path, 1024, "%s/%s", zoo, what);
    if (sscanf(what, "planar %63s %d", name, &size) != 2)
        return;
    snprintf(from, sizeof from, "%s/datasets/%s", zoo, name);
    snprintf(path, 1024, "%s/%s", work, name);
    if (mkdir(path, 0777) == 0)
        make_planar(from, path, (size_t)size * (size_t)size);
}

/* ---- judging ---- */

struct gains {
    int n;
    char option[MAX_STEPS][40];
    double db[MAX_STEPS]; /* the first as given; NAN: failed */
};

static struct gains read_gains(const char *json)
{
    struct gains g = {0};
    cJSON *root = cJSON_Parse(json);
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "steps"))
    {
        const cJSON *db = cJSON_GetObjectItem(item, "sqnr_db");
        if (g.n == MAX_STEPS)
            break;
        snprintf(g.option[g.n], sizeof g.option[0], "%s", cJSON_GetObjectItem(item, "option")->valuestring);
        g.db[g.n++] = cJSON_IsNumber(db) ? db->valuedouble : (double)NAN;
    }
    cJSON_Delete(root);
    return g;
}

static struct gains judge(const char *work, const char *model, const char *calibration, const char *test,
                          const struct row *row)
{
    char kmodel[1024], *json = NULL, *messages = NULL;
    size_t size, messages_size;
    struct ncc_compile_options o;
    struct gains g = {0};
    snprintf(kmodel, sizeof kmodel, "%s/model.kmodel", work);
    ncc_compile_defaults(&o);
    o.model = model;
    o.output = kmodel;
    o.dataset = calibration;
    o.quiet = true;
    o.has_norm = row && row->std > 0;
    if (o.has_norm) {
        o.mean = (float)row->mean;
        o.std = (float)row->std;
        o.bgr = row->bgr;
    }
    o.output_tensors = row ? &row->output : NULL;
    o.n_output_tensors = row && row->output;
    FILE *out = open_memstream(&json, &size), *err = open_memstream(&messages, &messages_size);
    if (out && err && ncc_compile(&o, err, err) == NCC_EXIT_DONE) {
        const struct ncc_judge_options j = {.kmodel = kmodel, .calibration = calibration, .gains = true};
        o.output = NULL;
        o.dataset = test;
        o.json = true;
        ncc_judge(&o, &j, out, err);
        fflush(out);
        g = read_gains(json);
    }
    fclose(out);
    fclose(err);
    if (!g.n)
        fputs(messages, stderr);
    free(json);
    free(messages);
    return g;
}

/* ---- the table ---- */

static void print_row(const char *name, const struct gains *g)
{
    printf("%-28s", name);
    for (int i = 0; i < g->n; i++)
        printf(i ? " %+10.2f" : " %10.2f", i ? g->db[i] - g->db[0] : g->db[i]);
    printf("\n");
    fflush(stdout);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_median(double *v, int n, const char *format)
{
    qsort(v, (size_t)n, sizeof *v, ascending);
    if (n == 0)
        printf(" %10s", "-");
    else
        printf(format, n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2);
}

static void print_medians(const struct gains *all, int n, const char *name, bool all_models)
{
    printf("%-28s", name);
    for (int i = 0; n && i < all[0].n; i++) {
        double v[N_ROWS + 1];
        int m = 0;
        for (int k = 0; k < n; k++)
            if (i == 0 || all_models || all[k].db[i] != all[k].db[0])
                v[m++] = i ? all[k].db[i] - all[k].db[0] : all[k].db[i];
        print_median(v, m, i ? " %+10.2f" : " %10.2f");
    }
    printf("\n");
}

static void print_heads(const struct gains *g)
{
    for (int i = 1; i < g->n; i++)
        printf("%*d  %s\n", 30, i, g->option[i]);
    printf("%-28s %10s", "model", "as given");
    for (int i = 1; i < g->n; i++)
        printf(" %10d", i);
    printf("\n");
}

int main(int n_args, char **args)
{
    const char *only = n_args > 1 ? args[1] : "";
    static struct gains all[N_ROWS + 1];
    char work[] = "/tmp/ncc_bench_XXXXXX";
    bench_heading("bench_quant");
    const char *zoo = bench_zoo();
    if (!mkdtemp(work))
        return 1;
    int n = 0;
    printf("\nsignal to noise of the outputs on samples that were not calibrated with, dB; then what an option "
           "changes:\n");
    if (strstr("digits", only)) {
        all[n] = judge(work, NCC_SOURCE_DIR "/examples/digits/digits.tflite", NCC_SOURCE_DIR "/examples/digits/calib",
                       NCC_SOURCE_DIR "/examples/digits/test", NULL);
        print_heads(&all[n]);
        print_row("digits", &all[n++]);
    }
    for (int i = 0; zoo && i < N_ROWS; i++) {
        if (!strstr(rows[i].model, only))
            continue;
        char model[1024], calibration[1024], test[1024];
        snprintf(model, sizeof model, "%s/%s", zoo, rows[i].model);
        samples_path(zoo, work, rows[i].calibration, calibration);
        samples_path(zoo, work, rows[i].test, test);
        all[n] = judge(work, model, calibration, test, &rows[i]);
        if (n == 0)
            print_heads(&all[n]);
        print_row(strchr(rows[i].model, '/') + 1, &all[n]);
        n += all[n].n == all[0].n;
    }
    print_medians(all, n, "median", true);
    print_medians(all, n, "median of those it changes", false);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", work);
    return system(command) != 0;
}
