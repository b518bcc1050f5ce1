/* How long compilations take, and what in them: wall time of every step as --verbose prints it, processor time of
 * all threads, and that in multiply-adds which the matrix product would do in it, for comparison between machines.
 */
#include "bench/measure.h"

#include "compiler/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the matrix product's speed ---- */

static void nothing(void *ctx)
{
    (void)ctx;
}

static double gemm_rate(void)
{
    struct bench_gemm g = bench_gemm_make(256, 256, 256);
    const double seconds =
        bench_compare((struct bench_job){nothing, NULL}, (struct bench_job){bench_gemm_run, &g}, BENCH_CPU).reference;
    bench_gemm_free(&g);
    return 256.0 * 256 * 256 / seconds;
}

/* ---- compilations ---- */

static const char *const steps[] = {"import",  "canonical", "samples",  "equalise", "legalise", "lower",
                                    "observe", "quantise",  "integers", "plan",     "emit",     "report"};
enum { N_STEPS = sizeof steps / sizeof *steps };

/* The milliseconds of a step in what --verbose printed. */
static double step_ms(const char *log, const char *step)
{
    char start[32];
    snprintf(start, sizeof start, "%-10s ", step);
    for (const char *line = log; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (!strncmp(line, start, strlen(start)))
            return strtod(line + strlen(start), NULL);
    return 0;
}

struct compiled {
    enum ncc_exit status;
    double wall, cpu;
    char *log;
};

static struct compiled compile(const char *model, const char *samples)
{
    struct compiled c = {0};
    size_t log_size;
    struct ncc_compile_options o;
    ncc_compile_defaults(&o);
    o.model = model;
    o.dataset = samples;
    o.verbose = true;
    FILE *log = open_memstream(&c.log, &log_size), *out = fopen("/dev/null", "w");
    if (!log || !out)
        exit(1);
    const double wall = bench_wall_seconds(), cpu = bench_cpu_seconds();
    c.status = ncc_compile(&o, out, log);
    c.wall = bench_wall_seconds() - wall;
    c.cpu = bench_cpu_seconds() - cpu;
    fclose(log);
    fclose(out);
    return c;
}

static void bench_model(const char *name, const char *model, const char *samples, double rate)
{
    struct compiled c = compile(model, samples);
    if (c.status != NCC_EXIT_DONE)
        printf("%-26s failed\n%s", name, c.log);
    free(c.log);
    if (c.status != NCC_EXIT_DONE)
        return;
    c = compile(model, samples); /* files are in the cache now */
    printf("%-26s %8.1f %8.1f %7.1f ", name, c.wall * 1e3, c.cpu * 1e3, c.cpu * rate * 1e-9);
    for (int i = 0; i < N_STEPS; i++)
        printf(" %8.1f", step_ms(c.log, steps[i]));
    printf("\n");
    free(c.log);
}

static void bench_models(double rate)
{
    static const struct {
        const char *model, *samples;
    } rows[] = {
        {"mlperf_ic_resnet8_f32", "datasets/ic_calib"},
        {"mlperf_vww96_mbv1_025_f32", "datasets/vww_calib"},
        {"tinymaix_mbnet128_0.25_f", "images/ilsvrc128_tinymaix"},
        {"ulfg_slim320_f32", "images/faces_ulfg"},
        {"nncase_ulffd_landmark_f32", "images/faces_nncase"},
        {"mp_face_short", "images/faces_nncase"},
        {"mp_palm_lite", "images/faces_nncase"},
    };
    const char *zoo = bench_zoo();
    printf("\n%-26s %8s %8s %7s   steps, ms\n", "ncc compile", "wall", "cpu", "GMAC of");
    printf("%-26s %8s %8s %7s ", "", "ms", "ms", "sgemm");
    for (int i = 0; i < N_STEPS; i++)
        printf(" %8s", steps[i]);
    printf("\n");
    bench_model("digits", NCC_SOURCE_DIR "/examples/digits/digits.tflite", NCC_SOURCE_DIR "/examples/digits/calib",
                rate);
    for (size_t i = 0; zoo && i < sizeof rows / sizeof *rows; i++) {
        char model[1024], samples[1024];
        snprintf(model, sizeof model, "%s/tflite/%s.tflite", zoo, rows[i].model);
        snprintf(samples, sizeof samples, "%s/%s", zoo, rows[i].samples);
        bench_model(rows[i].model, model, samples, rate);
    }
}

int main(void)
{
    bench_heading("bench_compile");
    bench_models(gemm_rate());
    return 0;
}
