/* What each step of quantisation gains: models are compiled with all steps, and with one of them left out, and run in
 * the simulator; figures are signal to noise of the outputs against the float model, in dB, on samples that the
 * compilation has seen. doc/quantisation.md explains the steps.
 */
#include "bench/measure.h"

#include "compiler/ir/eval.h"
#include "compiler/steps.h"
#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OUTPUTS = 32, MAX_JUDGED = 16 };

/* ---- leaving out ---- */

static bool forget_means(struct compilation *c)
{
    for (int i = 0; i < c->seen.n; i++)
        c->seen.v[i].mean = NULL;
    return true;
}

static bool forget_patches(struct compilation *c)
{
    c->seen.patches.n = 0;
    return true;
}

static bool nothing(struct compilation *c)
{
    (void)c;
    return true;
}

static const struct variant {
    const char *name;
    bool equalise;
    const char *method;
    bool (*forget)(struct compilation *c);
} variants[] = {
    {"all", true, "l2", nothing},
    {"no equalising", false, "l2", nothing},
    {"minmax", true, "minmax", nothing},
    {"no means", true, "l2", forget_means},
    {"no patches", true, "l2", forget_patches},
};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

static enum ncc_exit compile(struct compilation *c, const struct variant *v)
{
    const struct step steps[] = {
        {"import", ncc_step_import, true},     {"canonical", ncc_step_canonical, true},
        {"samples", ncc_step_samples, true},   {"equalise", v->equalise ? ncc_step_equalise : nothing, true},
        {"legalise", ncc_step_legalise, true}, {"lower", ncc_step_lower, true},
        {"observe", ncc_step_observe, true},   {"forget", v->forget, true},
        {"quantise", ncc_step_quantise, true}, {"integers", ncc_step_integers, false},
        {"plan", ncc_step_plan, false},        {"emit", ncc_step_emit, false},
    };
    return ncc_compilation_run(c, steps, sizeof steps / sizeof *steps);
}

/* ---- judging ---- */

struct judge {
    const struct compilation *c;
    struct ncc_model model;
    struct ncc_sim *sim;
    double signal[MAX_OUTPUTS], noise[MAX_OUTPUTS];
    bool failed;
};

/* A sample as the firmware would feed it; its floats are those that the source model takes. */
static void *input_of(const struct judge *j, int sample, int input)
{
    const struct value *v = j->c->graph->inputs.v[input];
    const size_t n = (size_t)ncc_shape_count(v->shape);
    float *x = bench_floats(n);
    ncc_compilation_feed((void *)j->c, sample, input, &(struct tensor){DT_F32, v->shape, x});
    if (v->dtype == DT_F32)
        return x;
    uint8_t *codes = bench_bytes(n);
    for (size_t i = 0; i < n; i++) {
        const double q = rint((double)x[i] / v->quant.scale[0] + v->quant.zero_point[0]);
        codes[i] = (uint8_t)(q < 0 ? 0 : q > 255 ? 255 : q);
    }
    free(x);
    return codes;
}

static void run_kmodel(struct judge *j, int sample)
{
    void *inputs[16];
    const int n = (int)ncc_model_n_inputs(&j->model);
    for (int i = 0; i < n; i++)
        inputs[i] = input_of(j, sample, i);
    j->failed |= ncc_model_run(&j->model, (const void *const *)inputs) != NCC_OK;
    for (int i = 0; i < n; i++)
        free(inputs[i]);
}

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    const struct judge *j = ctx;
    return ncc_compilation_feed((void *)j->c, sample, input, to);
}

static void compare(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    struct judge *j = ctx;
    (void)thread;
    run_kmodel(j, sample);
    for (uint32_t k = 0; k < ncc_model_n_outputs(&j->model) && k < MAX_OUTPUTS; k++) {
        const float *want = outputs[k]->data, *got = ncc_model_output_data(&j->model, k);
        for (int64_t i = 0, n = ncc_shape_count(outputs[k]->shape); i < n; i++) {
            j->signal[k] += (double)want[i] * (double)want[i];
            j->noise[k] += ((double)want[i] - (double)got[i]) * ((double)want[i] - (double)got[i]);
        }
    }
}

/* Mean over the outputs, in dB; NAN when something failed. */
static double quality_of(const struct compilation *c)
{
    struct judge j = {.c = c, .sim = ncc_sim_new()};
    const size_t work_size = ncc_model_work_size(c->file.data, c->file.size);
    void *work = malloc(work_size + 1);
    struct evaluator *e = ncc_eval_open(c->source, EVAL_FAST, 0);
    j.failed = !j.sim || !work || !e ||
               ncc_model_open(&j.model, c->file.data, c->file.size, work, work_size, ncc_sim_device(j.sim)) != NCC_OK;
    const struct eval_hooks hooks = {.ctx = &j, .feed = feed, .done = compare};
    j.failed = j.failed || !ncc_eval_run(e, c->data.n < MAX_JUDGED ? c->data.n : MAX_JUDGED, &hooks);
    double sum = 0;
    const int n = j.failed ? 1 : (int)ncc_model_n_outputs(&j.model);
    for (int k = 0; k < n && k < MAX_OUTPUTS; k++)
        sum += 10 * log10(j.signal[k] / j.noise[k]) / n;
    ncc_eval_close(e);
    free(work);
    ncc_sim_free(j.sim);
    return j.failed ? (double)NAN : sum;
}

static double bench_variant(const char *model, const char *samples, const struct variant *v)
{
    struct ncc_compile_options o;
    struct compilation c;
    ncc_compile_defaults(&o);
    o.model = model;
    o.dataset = samples;
    o.calibrate_method = v->method;
    o.quiet = true;
    ncc_compilation_open(&c, &o, stdout, stderr);
    bench_use_threads(0);
    const enum ncc_exit e = compile(&c, v);
    bench_use_threads(1); /* one simulator, one sample at a time */
    const double db = e == NCC_EXIT_DONE ? quality_of(&c) : (double)NAN;
    ncc_compilation_close(&c);
    return db;
}

static void bench_model(const char *name, const char *model, const char *samples)
{
    printf("%-28s", name);
    for (int i = 0; i < N_VARIANTS; i++)
        printf(" %14.2f", bench_variant(model, samples, &variants[i]));
    printf("\n");
}

int main(void)
{
    static const struct {
        const char *model, *samples;
    } rows[] = {
        {"mlperf_ic_resnet8_f32", "datasets/ic_calib"}, {"mlperf_vww96_mbv1_025_f32", "datasets/vww_calib"},
        {"tinymaix_cifar10_f", "datasets/ic_calib"},    {"tinymaix_mbnet128_0.25_f", "images/ilsvrc128_tinymaix"},
        {"ulfg_slim320_f32", "images/faces_ulfg"},      {"nncase_ulffd_landmark_f32", "images/faces_nncase"},
        {"mp_face_short", "images/faces_nncase"},
    };
    bench_heading("bench_quant");
    const char *zoo = bench_zoo();
    printf("\n%-28s", "signal to noise, dB");
    for (int i = 0; i < N_VARIANTS; i++)
        printf(" %14s", variants[i].name);
    printf("\n");
    bench_model("digits", NCC_SOURCE_DIR "/examples/digits/digits.tflite", NCC_SOURCE_DIR "/examples/digits/calib");
    for (size_t i = 0; zoo && i < sizeof rows / sizeof *rows; i++) {
        char model[1024], samples[1024];
        snprintf(model, sizeof model, "%s/tflite/%s.tflite", zoo, rows[i].model);
        snprintf(samples, sizeof samples, "%s/%s", zoo, rows[i].samples);
        bench_model(rows[i].model, model, samples);
    }
    return 0;
}
