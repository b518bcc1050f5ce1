#include "tests/models/zoo_job.h"

#include "compiler/import/import.h"
#include "compiler/ir/eval.h"
#include "compiler/quant/compare.h"
#include "tests/models/zoo.h"

#include <ncc/compiler.h>
#include <ncc/inspect.h>
#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct job {
    const struct model *model;
    struct exit out;
    struct arena arena;
    cJSON *meta;
    struct zoo_norm norm;
    int dim[4]; /* of the input: n, h, w, c where it is packed; others 1 */
    bool is_packed, is_bgr;
    char kmodel[300], report[300];
    double in_scale, in_zero; /* of the kmodel's input */
    struct ncc_sim *sim;
    struct ncc_model m;
    struct result r;
};

/* ---- input ---- */

bool zoo_is_quantised(const struct model *m)
{
    return m->calib && strcmp(m->calib, "none") == 0;
}

static const cJSON *tensor_of(const struct job *j, const char *which, int k)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItem(j->meta, which), k);
}

static const char *word(const cJSON *o, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(o, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static void read_shape(struct job *j, int k)
{
    const cJSON *input = tensor_of(j, "inputs", k), *shape = cJSON_GetObjectItem(input, "shape");
    const int n = cJSON_GetArraySize(shape);
    j->is_packed = (zoo_is_packed(j->model->name) && strcmp(word(input, "layout"), "NCHW") != 0) ||
                   strcmp(word(input, "layout"), "NHWC") == 0;
    j->is_bgr = strcmp(word(input, "order"), "BGR") == 0;
    for (int i = 0; i < 4; i++)
        j->dim[i] = i < n ? cJSON_GetArrayItem(shape, i)->valueint : 1;
    if (n == 2) { /* a vector: one row of a map with one channel */
        j->dim[2] = j->dim[1];
        j->dim[1] = 1;
    }
}

/* Planar pixels of which each plane has a mean of its own become what the model takes: no option of ours says that. */
static void subtract_means(const struct job *j, int k, struct zoo_array *x)
{
    const cJSON *how = cJSON_GetObjectItem(tensor_of(j, "inputs", k), "preprocess");
    const cJSON *means = cJSON_GetObjectItem(how, "mean");
    const size_t n = (size_t)cJSON_GetArraySize(means);
    for (size_t i = 0; n > 0 && i < x->n; i++)
        x->v[i] = (float)(((double)x->v[i] - cJSON_GetArrayItem(means, (int)(i * n / x->n))->valuedouble) *
                          cJSON_GetObjectItem(how, "scale")->valuedouble);
    x->bytes = x->bytes && n == 0;
}

/* The stored input of a sample, planar: pixels where the model has a norm, bytes where it takes codes (int8 ones plus
 * 128), else what the model takes. */
static struct zoo_array stored_input(struct job *j, int k, int sample)
{
    char file[32];
    snprintf(file, sizeof file, "in%d_s%d.npy", k, sample);
    read_shape(j, k);
    struct zoo_array x = zoo_golden(&j->arena, j->model->name, file);
    if (j->is_packed) {
        float *planar = NCC_NEW(&j->arena, float, x.n);
        zoo_planar(x.v, j->dim[1], j->dim[2], j->dim[3], planar);
        x.v = planar;
    }
    if (strcmp(word(tensor_of(j, "inputs", k), "dtype"), "int8") == 0) {
        x.bytes = true;
        for (size_t i = 0; i < x.n; i++)
            x.v[i] += 128;
    }
    subtract_means(j, k, &x);
    return x;
}

/* Bytes for the kmodel: pixels, or codes of floats. */
static void put_codes(const struct job *j, const struct zoo_array *x, uint8_t *q)
{
    for (size_t i = 0; i < x->n; i++) {
        const double code = x->bytes ? (double)x->v[i] : rint((double)x->v[i] / j->in_scale + j->in_zero);
        q[i] = (uint8_t)fmin(255, fmax(0, code));
    }
}

static uint8_t *to_codes(struct job *j, const struct zoo_array *x)
{
    uint8_t *q = NCC_NEW(&j->arena, uint8_t, x->n);
    put_codes(j, x, q);
    return q;
}

/* ---- compiling ---- */

static int n_samples(const struct job *j)
{
    return cJSON_GetObjectItem(j->meta, "samples")->valueint;
}

static const char *calibration(struct job *j)
{
    if (zoo_is_quantised(j->model))
        return NULL;
    char *folder = ncc_arena_printf(&j->arena, "%s/zoo/%s.calib", NCC_BINARY_DIR, zoo_flat(&j->arena, j->model->name));
    if (j->model->calib && strcmp(j->model->calib, "ic"))
        return ncc_arena_printf(&j->arena, "%s/%s", zoo_folder(), j->model->calib);
    if (j->model->calib) {
        zoo_make_planar(&j->arena, ncc_arena_printf(&j->arena, "%s/datasets/ic_calib", zoo_folder()), folder, 32, 32);
        return folder;
    }
    zoo_make_folder(folder);
    for (int s = 0; s < n_samples(j); s++) {
        const struct zoo_array x = stored_input(j, 0, s);
        const char *path = ncc_arena_printf(&j->arena, "%s/s%d.bin", folder, s);
        zoo_write(path, x.bytes ? (const void *)to_codes(j, &x) : (const void *)x.v,
                  x.bytes ? x.n : x.n * sizeof(float));
    }
    return folder;
}

static double number(const cJSON *o, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(o, name);
    if (!cJSON_IsNumber(item))
        fail_msg("the report has no number '%s'", name);
    return item->valuedouble;
}

static void read_report(struct job *j)
{
    struct diags d;
    struct bytes file;
    ncc_diag_init(&d, &j->arena);
    assert_true(ncc_file_read(j->report, 1 << 24, &j->arena, &d, &file));
    cJSON *root = cJSON_ParseWithLength((const char *)file.data, file.size);
    const cJSON *input = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "inputs"), 0),
                *sum = cJSON_GetObjectItem(root, "summary");
    const cJSON *ms = cJSON_GetObjectItem(sum, "est_ms");
    j->in_scale = number(input, "scale");
    j->in_zero = number(input, "zero_point");
    j->r.kpu_peak = (int64_t)number(root, "kpu_ram_peak_bytes");
    j->r.kpu_bound = (int64_t)number(root, "kpu_ram_bound_bytes");
    j->r.main = (int64_t)number(root, "main_memory_bytes");
    j->r.bytes = (int64_t)number(root, "file_bytes");
    j->r.optimal = cJSON_IsTrue(cJSON_GetObjectItem(root, "kpu_ram_optimal"));
    j->r.crossings = (int)number(sum, "crossings");
    j->r.est = number(ms, "total");
    j->r.kpu = number(ms, "kpu");
    j->r.copy = number(ms, "copy");
    j->r.cpu = number(ms, "cpu");
    cJSON_Delete(root);
}

static void compile_model(struct job *j)
{
    struct ncc_compile_options o;
    ncc_compile_defaults(&o);
    o.model = zoo_model(&j->arena, j->model->name);
    o.bgr = j->is_bgr;
    o.output = j->kmodel;
    o.report = j->report;
    o.dataset = calibration(j);
    o.quiet = true;
    o.board = "any=1000000000"; /* the outputs are what is looked at */
    /* ONNX models may leave dimensions open. */
    struct ncc_shape_override shape = {.name = word(tensor_of(j, "inputs", 0), "name"), .rank = 4};
    memcpy(shape.dim, j->dim, sizeof j->dim);
    o.shapes = &shape;
    o.n_shapes =
        strncmp(j->model->name, "onnx/", 5) == 0 && strcmp(word(tensor_of(j, "inputs", 0), "layout"), "NCHW") == 0;
    o.has_norm = j->norm.known;
    if (j->norm.known) {
        o.mean = (float)(j->norm.mean / 255);
        o.std = (float)(1 / (255 * j->norm.scale));
    }
    char *messages = NULL;
    size_t size = 0;
    FILE *err = open_memstream(&messages, &size);
    const enum ncc_exit e = ncc_compile(&o, err, err);
    fclose(err);
    if (e)
        fail_msg("%s: exit %d\n%s", j->model->name, e, messages);
    free(messages);
    read_report(j);
    if (zoo_is_quantised(j->model) && !j->norm.known)
        j->norm = (struct zoo_norm){true, j->in_zero, j->in_scale};
}

/* ---- running ---- */

/* What the file alone tells of the time is what the compilation told. */
static void compare_times(const struct job *j, struct bytes file)
{
    struct ncc_estimate e;
    assert_true(ncc_estimate(file.data, file.size, NCC_FIRMWARE_AUTO, &e));
    const double ms[3] = {e.kpu_us / 1000, e.copy_us / 1000, e.cpu_us / 1000}, told[3] = {j->r.kpu, j->r.copy, j->r.cpu};
    for (int i = 0; i < 3; i++)
        if (fabs(ms[i] - told[i]) > 1e-3)
            fail_msg("%s: %s takes %.3f ms by its report and %.3f by its file", j->model->name,
                     (const char *[]){"KPU", "copying", "CPU"}[i], told[i], ms[i]);
}

static void open_model(struct job *j)
{
    struct diags d;
    struct bytes file;
    ncc_diag_init(&d, &j->arena);
    assert_true(ncc_file_read(j->kmodel, 1 << 26, &j->arena, &d, &file));
    compare_times(j, file);
    const size_t size = ncc_model_work_size(file.data, file.size);
    void *work = ncc_arena_alloc(&j->arena, size, 1, 64);
    if (ncc_model_open(&j->m, file.data, file.size, work, size, ncc_sim_device(j->sim)))
        fail_msg("%s: %s", j->model->name, ncc_model_fault(&j->m)->text);
}

static void run_bytes(struct job *j, const void *const *bytes)
{
    assert_int_equal(ncc_model_input(&j->m, 0).element, NCC_U8);
    if (ncc_model_run(&j->m, bytes))
        fail_msg("%s: %s", j->model->name, ncc_sim_error(j->sim));
}

/* Output k in the source's order. */
static const float *output(struct job *j, int k)
{
    const float *y = ncc_model_output_data(&j->m, (uint32_t)k);
    const cJSON *shape = cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(j->meta, "outputs"), k), "shape");
    if (cJSON_GetArraySize(shape) != 4 || !j->is_packed || strncmp(j->model->name, "onnx/", 5) == 0)
        return y;
    const int h = cJSON_GetArrayItem(shape, 1)->valueint, w = cJSON_GetArrayItem(shape, 2)->valueint;
    const int c = cJSON_GetArrayItem(shape, 3)->valueint;
    float *packed = NCC_NEW(&j->arena, float, h *w *c);
    zoo_packed(y, h, w, c, packed);
    return packed;
}

/* Codes of an expected output become real numbers. */
static void make_real(const struct job *j, int k, struct zoo_array x)
{
    const cJSON *o = tensor_of(j, "outputs", k);
    const cJSON *scale = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "quant_scale"), 0);
    const cJSON *zero = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "quant_zero_point"), 0);
    for (size_t i = 0; scale && i < x.n; i++)
        x.v[i] = (float)(((double)x.v[i] - zero->valuedouble) * scale->valuedouble);
}

static void run_sample(struct job *j, int sample)
{
    enum { MAX_INPUTS = 4 };
    const void *bytes[MAX_INPUTS];
    const int n = cJSON_GetArraySize(cJSON_GetObjectItem(j->meta, "inputs"));
    assert_in_range(n, 1, MAX_INPUTS);
    for (int k = 0; k < n; k++) {
        const struct zoo_array x = stored_input(j, k, sample);
        bytes[k] = to_codes(j, &x);
    }
    run_bytes(j, bytes);
}

/* How alike an output is to the expected one: the cosine. Where all expected numbers are small beside what the model
 * can give (a detector's scores where there is nothing to see) they are a few codes, which have no direction to speak
 * of; there it counts that the output is as small. */
static double likeness(const struct job *j, int k, struct zoo_array want, const float *is)
{
    const cJSON *range = cJSON_GetObjectItem(tensor_of(j, "outputs", k), "range");
    const cJSON *scale = cJSON_GetArrayItem(cJSON_GetObjectItem(tensor_of(j, "outputs", k), "quant_scale"), 0);
    const bool known = cJSON_GetArraySize(range) == 2;
    const double unit = scale ? scale->valuedouble : 1; /* ranges of quantised outputs are in codes */
    const double span =
        known ? (cJSON_GetArrayItem(range, 1)->valuedouble - cJSON_GetArrayItem(range, 0)->valuedouble) * unit : 0;
    double most = 0, off = 0;
    for (size_t i = 0; i < want.n; i++) {
        most = fmax(most, fabs((double)want.v[i]));
        off = fmax(off, fabs((double)want.v[i] - (double)is[i]));
    }
    return most < span / 32 && off < span / 50 ? 1 : ncc_cosine(want.v, is, want.n);
}

static void run_golden(struct job *j)
{
    const int n_outputs = cJSON_GetArraySize(cJSON_GetObjectItem(j->meta, "outputs"));
    assert_int_equal(ncc_model_n_outputs(&j->m), n_outputs);
    j->r.worst_cosine = 1;
    for (int s = 0; s < n_samples(j); s++) {
        run_sample(j, s);
        for (int k = 0; k < n_outputs; k++) {
            char file[32];
            snprintf(file, sizeof file, "out%d_s%d.npy", k, s);
            const struct zoo_array want = zoo_golden(&j->arena, j->model->name, file);
            make_real(j, k, want);
            assert_int_equal(ncc_model_output(&j->m, (uint32_t)k).size, want.n * sizeof(float));
            const double cosine = likeness(j, k, want, output(j, k));
            j->r.worst_cosine = fmin(j->r.worst_cosine, cosine);
            j->r.mean_cosine += cosine / (n_outputs * n_samples(j));
            j->r.sqnr += fmin(100, ncc_sqnr_db(want.v, output(j, k), want.n)) / (n_outputs * n_samples(j));
        }
    }
}

/* ---- labelled sets ---- */

static int largest(const float *v, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        best = v[i] > v[best] ? i : best;
    return best;
}

struct scoring {
    const struct job *j;
    const struct zoo_labelled *set;
    int *found; /* per sample */
};

static bool feed_picture(void *ctx, int sample, int input, struct tensor *to)
{
    const struct scoring *s = ctx;
    const uint8_t *from = s->set->pictures + (size_t)sample * (size_t)s->set->size;
    (void)input;
    for (int i = 0; i < s->set->size; i++)
        ((float *)to->data)[i] = (float)((from[i] - s->j->norm.mean) * s->j->norm.scale);
    return true;
}

static void keep_class(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    const struct scoring *s = ctx;
    (void)thread;
    s->found[sample] = largest(outputs[0]->data, (int)ncc_shape_count(outputs[0]->shape));
}

static double percent_right(const struct scoring *s)
{
    int right = 0;
    for (int i = 0; i < s->set->n; i++)
        right += s->found[i] == s->set->label[i];
    return 100.0 * right / s->set->n;
}

static struct zoo_labelled load_labelled(struct job *j)
{
    switch (j->model->labels) {
    case IC01:
        return zoo_load_labelled(&j->arena, "ic01", 32, 32, 3);
    case VWW01:
        return zoo_load_labelled(&j->arena, "vww01", 96, 96, 3);
    case KWS01_REAL: /* what a code of MLPerf's own quantised model means */
        j->norm = (struct zoo_norm){true, 128 + 83, 0.5847029094853677};
        return zoo_load_signed(&j->arena, "kws01", 49, 10, 1);
    case LARGE_DIGITS:
        return zoo_enlarge(&j->arena, zoo_load_digits(&j->arena), 28, 64, 3);
    case KWS01:
        return zoo_load_signed(&j->arena, "kws01", 49, 10, 1);
    default:
        return zoo_load_digits(&j->arena);
    }
}

static void score(struct job *j)
{
    if (j->model->labels == NO_LABELS)
        return;
    const struct zoo_labelled set = load_labelled(j);
    struct scoring s = {j, &set, NCC_NEW(&j->arena, int, set.n)};
    static const struct import_options none;
    struct diags d;
    ncc_diag_init(&d, &j->arena);
    const struct graph *g = ncc_import(zoo_model(&j->arena, j->model->name), MODEL_AUTO, &none, &j->arena, &d);
    struct evaluator *e = ncc_eval_open(g, EVAL_FAST, 0);
    assert_non_null(e);
    assert_true(ncc_eval_run(e, &(struct samples){.feed = feed_picture, .ctx = &s, .n = set.n},
                             &(const struct eval_hooks){.ctx = &s, .done = keep_class}));
    ncc_eval_close(e);
    j->r.float_top1 = percent_right(&s);
    struct zoo_array x = {NCC_NEW(&j->arena, float, set.size), (size_t)set.size, false};
    uint8_t *bytes = NCC_NEW(&j->arena, uint8_t, set.size);
    for (int i = 0; i < set.n; i++) {
        for (int k = 0; k < set.size; k++)
            x.v[k] = (float)((set.pictures[(size_t)i * (size_t)set.size + (size_t)k] - j->norm.mean) * j->norm.scale);
        put_codes(j, &x, bytes);
        run_bytes(j, (const void *[]){bytes});
        s.found[i] = largest(ncc_model_output_data(&j->m, 0), (int)(ncc_model_output(&j->m, 0).size / sizeof(float)));
    }
    j->r.top1 = percent_right(&s);
}

/* ---- all ---- */

struct result zoo_run(const struct model *model)
{
    struct job j = {.model = model};
    j.arena = ncc_arena_make(&j.out);
    j.meta = zoo_meta(model->name);
    j.norm = zoo_norm(j.meta);
    j.r.agreement = zoo_agreement(j.meta);
    j.sim = ncc_sim_new();
    read_shape(&j, 0);
    const char *flat = zoo_flat(&j.arena, model->name);
    snprintf(j.kmodel, sizeof j.kmodel, "%s/zoo/%s.kmodel", NCC_BINARY_DIR, flat);
    snprintf(j.report, sizeof j.report, "%s/zoo/%s.json", NCC_BINARY_DIR, flat);
    compile_model(&j);
    open_model(&j);
    run_golden(&j);
    score(&j);
    ncc_sim_free(j.sim);
    cJSON_Delete(j.meta);
    ncc_arena_release(&j.arena);
    return j.r;
}
