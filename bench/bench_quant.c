/* What each step of quantisation gains: models are compiled with some samples, once as given and once without each
 * step, and run on other samples in the simulator. Figures are the mean signal to noise of the outputs against the
 * float model, in dB, and what leaving out a step changes (`ncc eval --gains`). doc/quantisation.md explains the steps.
 * With NCC_UPDATE_RESULTS=1 and all models, the table is also written to tests/gains.csv (tests/gains.sh).
 *
 *     bench_quant [NAME]              of models with NAME in theirs only
 *     bench_quant --cosines [NAME]    instead: how near every output is on those other samples, as mean and worst
 * cosine
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

enum { MAX_STEPS = 24, MAX_OUTPUTS = 16 };

/* What a net that finds faces should keep of every output, mean and worst (doc/quantisation.md section 7). */
#define WANTED_MEAN  0.995
#define WANTED_WORST 0.99

/* Samples: a folder or file of the zoo; "planar NAME SIZE": packed pictures of datasets/NAME, which are made planar.
 * A std of 0: none. */
static const struct row {
    const char *model, *calibration, *test;
    double mean, std;
    bool bgr;
    const char *output;              /* cut here, or NULL */
    struct ncc_channel_norm norm;    /* in place of mean, where n > 0 */
    struct ncc_shape_override shape; /* name NULL: the model has one */
} rows[] = {
    {"tflite/mlperf_ic_resnet8_f32.tflite", "planar ic_calib 32", "planar ic01 32", 0, 1.0 / 255, .bgr = false},
    {"tflite/mlperf_vww96_mbv1_025_f32.tflite", "datasets/vww_calib", "planar vww01 96", 0, 1, .bgr = false},
    {"tflite/tinymaix_cifar10_f.tflite", "planar ic_calib 32", "planar ic01 32", 0, 1, .bgr = false},
    {"tflite/tinymaix_mbnet128_0.25_f.tflite", "images/ilsvrc128_tinymaix", "images/classifier_axelerate", 0.5, 0.5,
     .bgr = false},
    {"tflite/tinymaix_mnist_valid_f.tflite", "images/mnist_bmp_tinymaix", "datasets/mnist/images_u8.npy", 0, 1,
     .bgr = false},
    {"tflite/tinymaix_mnist_dw_f.tflite", "images/mnist_bmp_tinymaix", "datasets/mnist/images_u8.npy", 0, 1,
     .bgr = false},
    {"tflite/ulfg_slim320_f32.tflite", "images/faces_nncase", "images/faces_ulfg", 127.0 / 255, 128.0 / 255,
     .bgr = false},
    {"tflite/nncase_ulffd_landmark_f32.tflite", "images/faces_nncase", "images/faces_ulfg", 0.5, 0.5, .bgr = false},
    {"tflite/mp_face_short.tflite", "images/faces_nncase", "images/faces_ulfg", 0.5, 0.5, .bgr = false},
    {"caffe/ulfg_rfb320.caffemodel", "images/faces_nncase", "images/faces_ulfg", 127.0 / 255, 128.0 / 255,
     .bgr = false},
    {"caffe/yoloface50k.caffemodel", "images/faces_nncase", "images/faces_ulfg", 0, 1, .bgr = false},
    {"caffe/mtcnn_det1.caffemodel", "images/faces_nncase", "images/faces_ulfg", 0.5, 128.0 / 255, .bgr = true},
    {"caffe/mtcnn_det3.caffemodel", "images/faces_nncase", "images/faces_ulfg", 0.5, 128.0 / 255, .bgr = true},
    {"caffe/landmark106.caffemodel", "images/faces_nncase", "images/faces_ulfg", 0, 1, .bgr = false},
    {"onnx/pt_unet64.onnx", "images/faces_nncase", "images/faces_ulfg", 0, 0, .bgr = false},
    {"onnx/yunet_s_320.onnx", "images/faces_nncase", "images/faces_ulfg", 0, 1.0 / 255, .bgr = true},
    {"tflite/mp_selfie.tflite", "images/faces_nncase", "images/faces_ulfg", 0, 1, false,
     .output = "add_13__xeno_compat__1"},
    {"onnx/retinaface_mbnet025.onnx", "images/faces_nncase", "images/faces_ulfg", 0, 1.0 / 255, true,
     .norm = {3, {104.0f / 255, 117.0f / 255, 123.0f / 255}, {1.0f / 255, 1.0f / 255, 1.0f / 255}},
     .shape = {"input", 4, {1, 3, 320, 320}}},
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

struct output {
    char name[32];
    double mean, worst, db;
};

/* What ncc_judge finds. */
struct judged {
    int n_outputs;
    struct output output[MAX_OUTPUTS];
    int n;
    char option[MAX_STEPS][40];
    double db[MAX_STEPS]; /* the first as given; NAN: failed */
};

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

static struct judged read_json(const char *json)
{
    struct judged j = {0};
    cJSON *root = cJSON_Parse(json);
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "steps"))
    {
        if (j.n == MAX_STEPS)
            break;
        snprintf(j.option[j.n], sizeof j.option[0], "%s", cJSON_GetObjectItem(item, "option")->valuestring);
        j.db[j.n++] = number(item, "sqnr_db");
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "outputs"))
    {
        struct output *o = &j.output[j.n_outputs];
        if (j.n_outputs == MAX_OUTPUTS)
            break;
        snprintf(o->name, sizeof o->name, "%s", cJSON_GetObjectItem(item, "name")->valuestring);
        o->mean = number(item, "mean_cosine");
        o->worst = number(item, "worst_cosine");
        o->db = number(item, "sqnr_db");
        j.n_outputs++;
    }
    cJSON_Delete(root);
    return j;
}

static struct ncc_compile_options options_for(const char *model, const struct row *row)
{
    struct ncc_compile_options o;
    ncc_compile_defaults(&o);
    o.model = model;
    o.quiet = true;
    if (!row)
        return o;
    o.has_norm = row->std > 0;
    if (o.has_norm) {
        o.mean = (float)row->mean;
        o.std = (float)row->std;
        o.by_channel = row->norm;
        o.bgr = row->bgr;
    }
    o.output_tensors = &row->output;
    o.n_output_tensors = row->output != NULL;
    o.shapes = &row->shape;
    o.n_shapes = row->shape.name != NULL;
    return o;
}

static struct judged judge(const char *work, const char *model, const char *calibration, const char *test,
                           const struct row *row, bool gains)
{
    char kmodel[1024], *json = NULL, *messages = NULL;
    size_t size, messages_size;
    struct ncc_compile_options o = options_for(model, row);
    struct judged judged = {0};
    snprintf(kmodel, sizeof kmodel, "%s/model.kmodel", work);
    o.output = kmodel;
    o.dataset = calibration;
    FILE *out = open_memstream(&json, &size), *err = open_memstream(&messages, &messages_size);
    if (out && err && ncc_compile(&o, err, err) == NCC_EXIT_DONE) {
        const struct ncc_judge_options j = {.kmodel = kmodel, .calibration = calibration, .gains = gains};
        o.output = NULL;
        o.dataset = test;
        o.json = true;
        ncc_judge(&o, &j, out, err);
        fflush(out);
        judged = read_json(json);
    }
    fclose(out);
    fclose(err);
    if (!judged.n_outputs)
        fputs(messages, stderr);
    free(json);
    free(messages);
    return judged;
}

/* ---- the table ---- */

struct bench {
    const char *zoo, *only;
    bool cosines;
    char work[64];
    const char *name[N_ROWS + 1];
    struct judged all[N_ROWS + 1];
    int n;
};

/* In dB: of a model as given, and what an option changes. */
static double entry(const struct judged *j, int step)
{
    return step ? j->db[step] - j->db[0] : j->db[0];
}

static void print_row(const char *name, const struct judged *g)
{
    printf("%-28s", name);
    for (int i = 0; i < g->n; i++)
        printf(i ? " %+10.2f" : " %10.2f", entry(g, i));
    printf("\n");
    fflush(stdout);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* By what the table shows. */
static bool changes(const struct judged *j, int step)
{
    return step == 0 || fabs(entry(j, step)) >= 0.005;
}

/* Of all models, or of those that the step changes; NAN: there is none. */
static double median(const struct bench *b, int step, bool of_all)
{
    double v[N_ROWS + 1];
    int n = 0;
    for (int k = 0; k < b->n; k++)
        if (isfinite(b->all[k].db[step]) && (of_all || changes(&b->all[k], step)))
            v[n++] = entry(&b->all[k], step);
    qsort(v, (size_t)n, sizeof *v, ascending);
    return n == 0 ? (double)NAN : (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static void print_medians(const struct bench *b, const char *name, bool of_all)
{
    printf("%-28s", name);
    for (int i = 0; i < b->all[0].n; i++) {
        const double m = median(b, i, of_all);
        if (isnan(m))
            printf(" %10s", "-");
        else
            printf(i ? " %+10.2f" : " %10.2f", m);
    }
    printf("\n");
}

static void print_heads(const struct judged *g)
{
    for (int i = 1; i < g->n; i++)
        printf("%*d  %s\n", 30, i, g->option[i]);
    printf("%-28s %10s", "model", "as given");
    for (int i = 1; i < g->n; i++)
        printf(" %10d", i);
    printf("\n");
}

static void print_outputs(const char *name, const struct judged *j)
{
    for (int k = 0; k < j->n_outputs; k++) {
        const struct output *o = &j->output[k];
        const bool reached = o->mean >= WANTED_MEAN && o->worst >= WANTED_WORST;
        printf("%-28.28s %-20.20s %10.5f %10.5f %10.1f%s\n", k ? "" : name, o->name, o->mean, o->worst, o->db,
               reached ? "" : "  *");
    }
    fflush(stdout);
}

/* ---- the file ---- */

static bool write_gains(const struct bench *b, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    fprintf(f, "model,sqnr_db");
    for (int i = 1; i < b->all[0].n; i++)
        fprintf(f, ",%s", b->all[0].option[i]);
    for (int k = 0; k < b->n + 2; k++) {
        fprintf(f, "\n%s", k < b->n ? b->name[k] : k == b->n ? "median" : "median of those it changes");
        for (int i = 0; i < b->all[0].n; i++) {
            const double x = k < b->n ? entry(&b->all[k], i) : median(b, i, k == b->n);
            if (isnan(x))
                fprintf(f, ",");
            else
                fprintf(f, i ? ",%+.2f" : ",%.2f", x);
        }
    }
    fputc('\n', f);
    return fclose(f) == 0;
}

/* ---- all of it ---- */

static void bench_one(struct bench *b, const char *name, const char *model, const char *calibration, const char *test,
                      const struct row *row)
{
    struct judged *j = &b->all[b->n];
    *j = judge(b->work, model, calibration, test, row, !b->cosines);
    if (b->cosines) {
        print_outputs(name, j);
        return;
    }
    if (b->n == 0)
        print_heads(j);
    print_row(name, j);
    b->name[b->n] = name;
    b->n += j->n && j->n == b->all[0].n;
}

static void bench_all(struct bench *b)
{
    if (strstr("digits", b->only))
        bench_one(b, "digits", NCC_SOURCE_DIR "/examples/digits/digits.tflite", NCC_SOURCE_DIR "/examples/digits/calib",
                  NCC_SOURCE_DIR "/examples/digits/test", NULL);
    for (int i = 0; b->zoo && i < N_ROWS; i++) {
        if (!strstr(rows[i].model, b->only))
            continue;
        char model[1024], calibration[1024], test[1024];
        snprintf(model, sizeof model, "%s/%s", b->zoo, rows[i].model);
        samples_path(b->zoo, b->work, rows[i].calibration, calibration);
        samples_path(b->zoo, b->work, rows[i].test, test);
        bench_one(b, strchr(rows[i].model, '/') + 1, model, calibration, test, &rows[i]);
    }
}

int main(int n_args, char **args)
{
    static struct bench b = {.work = "/tmp/ncc_bench_XXXXXX"};
    b.cosines = n_args > 1 && strcmp(args[1], "--cosines") == 0;
    b.only = n_args > 1 + b.cosines ? args[1 + b.cosines] : "";
    bench_heading("bench_quant");
    b.zoo = bench_zoo();
    if (!mkdtemp(b.work))
        return 1;
    if (b.cosines)
        printf("\ncosines with the float model on samples that were not calibrated with (*: below %.3f mean or %.2f "
               "worst):\n%-28s %-20s %10s %10s %10s\n",
               WANTED_MEAN, WANTED_WORST, "model", "output", "mean", "worst", "SQNR dB");
    else
        printf("\nsignal to noise of the outputs on samples that were not calibrated with, dB; then what an option "
               "changes:\n");
    bench_all(&b);
    if (!b.cosines) {
        print_medians(&b, "median", true);
        print_medians(&b, "median of those it changes", false);
    }
    bool good = true;
    if (!b.cosines && !*b.only && b.n == N_ROWS + 1 && getenv("NCC_UPDATE_RESULTS"))
        good = write_gains(&b, NCC_SOURCE_DIR "/tests/gains.csv");
    char command[80];
    snprintf(command, sizeof command, "rm -r %s", b.work);
    return system(command) != 0 || !good;
}
