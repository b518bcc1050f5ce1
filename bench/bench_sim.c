/* The simulator against a bare matrix product on one thread that has as many multiply-adds as the chip does: those of
 * all positions before the pool.
 *
 *     bench_sim [TEXT]    only layers whose kind has TEXT in it, for profiling
 */
#include "bench/measure.h"

#include "kpu/arith.h"
#include "kpu/layer.h"
#include "runtime/device.h"
#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *kind;
    struct ncc_kpu_shape shape; /* in_c, in_h, in_w, out_c, kernel, depthwise, pool */
} layers[] = {
    {"1x1", {16, 120, 160, 32, 1, false, NCC_KPU_POOL_NONE}},
    {"1x1", {32, 60, 80, 64, 1, false, NCC_KPU_POOL_NONE}},
    {"1x1", {64, 30, 40, 128, 1, false, NCC_KPU_POOL_NONE}},
    {"1x1", {256, 15, 20, 256, 1, false, NCC_KPU_POOL_NONE}},
    {"1x1", {512, 8, 10, 512, 1, false, NCC_KPU_POOL_NONE}},
    {"1x1", {1024, 4, 4, 1024, 1, false, NCC_KPU_POOL_NONE}},
    {"1x1 max", {16, 120, 160, 32, 1, false, NCC_KPU_POOL_MAX_2_S2}},
    {"1x1 pick", {16, 120, 160, 32, 1, false, NCC_KPU_POOL_LEFT_TOP_2}},
    {"first", {3, 240, 320, 16, 3, false, NCC_KPU_POOL_NONE}},
    {"first max", {3, 240, 320, 16, 3, false, NCC_KPU_POOL_MAX_2_S2}},
    {"first pick", {3, 240, 320, 16, 3, false, NCC_KPU_POOL_LEFT_TOP_2}},
    {"3x3", {16, 120, 160, 16, 3, false, NCC_KPU_POOL_NONE}},
    {"3x3", {32, 60, 80, 64, 3, false, NCC_KPU_POOL_NONE}},
    {"3x3", {64, 30, 40, 128, 3, false, NCC_KPU_POOL_NONE}},
    {"3x3", {128, 15, 20, 128, 3, false, NCC_KPU_POOL_NONE}},
    {"3x3", {256, 8, 10, 256, 3, false, NCC_KPU_POOL_NONE}},
    {"3x3 max", {64, 30, 40, 128, 3, false, NCC_KPU_POOL_MAX_2_S2}},
    {"3x3 mean", {64, 32, 40, 128, 3, false, NCC_KPU_POOL_MEAN_4_S4}},
    {"3x3 pick", {32, 60, 80, 64, 3, false, NCC_KPU_POOL_RIGHT_TOP_2}},
    {"3x3 max s1", {32, 60, 80, 64, 3, false, NCC_KPU_POOL_MAX_2_S1}},
    {"dw 3x3", {16, 120, 160, 16, 3, true, NCC_KPU_POOL_NONE}},
    {"dw 3x3", {64, 60, 80, 64, 3, true, NCC_KPU_POOL_NONE}},
    {"dw 3x3", {256, 15, 20, 256, 3, true, NCC_KPU_POOL_NONE}},
    {"dw 1x1", {32, 60, 80, 32, 1, true, NCC_KPU_POOL_NONE}},
};
enum { N_LAYERS = sizeof layers / sizeof *layers, X_ZERO = 7, W_ZERO = 128 };

/* ---- one layer ---- */

struct layer_job {
    struct ncc_sim *sim;
    uint64_t words[NCC_KPU_WORDS];
    uint8_t *weights, act[NCC_KPU_TABLE_SIZE];
    uint64_t *bn;
    size_t weights_size, n_bn;
};

static void run_layer(void *ctx)
{
    struct layer_job *j = ctx;
    const struct ncc_device *d = ncc_sim_device(j->sim);
    if (!d->run_layer(d->ctx, j->words, j->weights, j->weights_size, 8, j->bn, j->n_bn, j->act))
        return;
    fprintf(stderr, "%s\n", ncc_sim_error(j->sim));
    exit(1);
}

/* A leaky ReLU whose outputs spread over the codes: sums of n products of random bytes less their zero points vary by
 * some 74 * 74 * sqrt(n); half of that is left by the batch norm. */
static void make_table(const struct ncc_kpu_shape *s, uint8_t act[NCC_KPU_TABLE_SIZE])
{
    const double n = (double)(s->depthwise ? 1 : s->in_c) * s->kernel * s->kernel, spread = 74 * 74 / 2.0 * sqrt(n);
    struct ncc_kpu_table t;
    for (int i = 0; i < NCC_KPU_SEGMENTS; i++)
        t.seg[i] = (struct ncc_kpu_segment){NCC_KPU_ACC_MAX - NCC_KPU_SEGMENTS + i, 0, 0, 255};
    int shift = 0;
    while (ldexp(80 / spread, shift) < 16000)
        shift++;
    const int slope = (int)ldexp(80 / spread, shift);
    t.seg[0] = (struct ncc_kpu_segment){NCC_KPU_ACC_MIN, 0, 0, 0};
    t.seg[1] = (struct ncc_kpu_segment){(int64_t)(-4 * spread), (int16_t)(slope / 10), (uint8_t)shift, 0};
    t.seg[2] = (struct ncc_kpu_segment){0, (int16_t)slope, (uint8_t)shift, 32};
    ncc_kpu_table_pack(&t, act);
}

static struct layer_job make_layer(const struct ncc_kpu_shape *s, struct ncc_sim *sim)
{
    struct ncc_kpu_regs regs;
    struct layer_job j = {.sim = sim, .weights_size = (size_t)ncc_kpu_n_weights(s), .n_bn = (size_t)s->out_c};
    ncc_kpu_derive(s, 0, (int)ncc_kpu_in_lines(s), X_ZERO, W_ZERO, &regs);
    ncc_kpu_pack(&regs, j.words);
    j.weights = bench_bytes(j.weights_size);
    j.bn = (uint64_t *)(void *)bench_floats(2 * j.n_bn); /* for the memory */
    for (size_t i = 0; i < j.n_bn; i++)
        j.bn[i] = ncc_kpu_bn_pack((struct ncc_kpu_bn){1 << 14, 100, 15});
    make_table(s, j.act);
    return j;
}

static double bench_layer(int i, struct ncc_sim *sim)
{
    const struct ncc_kpu_shape *s = &layers[i].shape;
    struct layer_job job = make_layer(s, sim);
    struct bench_gemm gemm =
        bench_gemm_make(s->out_c, s->in_h * s->in_w, (s->depthwise ? 1 : s->in_c) * s->kernel * s->kernel);
    const struct bench_job layer = {run_layer, &job}, reference = {bench_gemm_run, &gemm};
    bench_use_threads(1);
    const struct bench_ratio one = bench_compare(layer, reference, BENCH_CPU);
    bench_use_threads(0);
    const struct bench_ratio all = bench_compare(layer, reference, BENCH_WALL);
    const double macs = (double)ncc_kpu_macs(s);
    printf("%-10s %4d -> %-4d %4dx%-4d %8.2f %9.1f %9.2f %9.2f %7.2f %9.2f\n", layers[i].kind, s->in_c, s->out_c,
           s->in_h, s->in_w, macs * 1e-6, one.seconds * 1e6, macs / one.seconds * 1e-9, macs / one.reference * 1e-9,
           one.ratio, all.ratio);
    bench_gemm_free(&gemm);
    free(job.weights);
    free(job.bn);
    return one.ratio;
}

static void bench_layers(struct ncc_sim *sim, const char *wanted)
{
    struct bench_least least[N_LAYERS] = {{NULL, 0}};
    printf("\n%-10s %12s %9s %8s %9s %9s %9s %7s %9s\n", "layer", "channels", "map", "million", "us", "simulator",
           "sgemm", "ratio", "ratio,");
    printf("%-10s %12s %9s %8s %9s %9s %9s %7s %9s\n", "", "", "h x w", "MAC", "", "GMAC/s", "GMAC/s", "", "all cores");
    for (int i = 0; i < N_LAYERS; i++)
        if (strstr(layers[i].kind, wanted))
            bench_keep_least(least, N_LAYERS, layers[i].kind, bench_layer(i, sim));
    bench_print_least(least, N_LAYERS);
}

/* ---- kmodels ---- */

struct model_job {
    struct ncc_model model;
    const void *inputs[16];
};

static void run_model(void *ctx)
{
    struct model_job *j = ctx;
    if (ncc_model_run(&j->model, j->inputs))
        exit(1);
}

static void *load(const char *folder, const char *name, size_t *size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/kmodel/%s.kmodel", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    void *data = malloc(*size);
    const bool good = data && fread(data, 1, *size, f) == *size;
    fclose(f);
    if (good)
        return data;
    free(data);
    return NULL;
}

/* Inputs are random bytes; as floats they are small numbers. */
static void make_inputs(struct model_job *j)
{
    for (uint32_t i = 0; i < ncc_model_n_inputs(&j->model); i++) {
        const struct ncc_model_tensor t = ncc_model_input(&j->model, i);
        j->inputs[i] =
            t.element == NCC_F32 ? (void *)bench_floats(t.size / sizeof(float)) : (void *)bench_bytes(t.size);
    }
}

static void time_model(const char *name, struct model_job *job, struct ncc_sim *sim)
{
    struct bench_gemm gemm = bench_gemm_make(64, 1200, 288); /* a layer of middle size */
    const struct bench_job run = {run_model, job}, reference = {bench_gemm_run, &gemm};
    make_inputs(job);
    ncc_sim_reset_counters(sim);
    run_model(job);
    const double macs = (double)ncc_sim_counters(sim).macs;
    bench_use_threads(1);
    const struct bench_ratio one = bench_compare(run, reference, BENCH_CPU);
    bench_use_threads(0);
    const struct bench_ratio all = bench_compare(run, reference, BENCH_WALL);
    const double same_work = macs / (64.0 * 1200 * 288);
    printf("%-32s %9.2f %9.2f %9.2f %9.2f %7.2f\n", name, macs * 1e-6, one.seconds * 1e3, all.seconds * 1e3,
           macs / one.seconds * 1e-9, one.ratio * same_work);
    for (uint32_t i = 0; i < ncc_model_n_inputs(&job->model); i++)
        free((void *)job->inputs[i]);
    bench_gemm_free(&gemm);
}

static void bench_model(const char *folder, const char *name, struct ncc_sim *sim)
{
    size_t size;
    void *file = load(folder, name, &size);
    const size_t work_size = file ? ncc_model_work_size(file, size) : 0;
    void *work = malloc(work_size + 1);
    struct model_job job;
    if (!work_size || ncc_model_open(&job.model, file, size, work, work_size, ncc_sim_device(sim)))
        printf("%-32s cannot be opened\n", name);
    else
        time_model(name, &job, sim);
    free(work);
    free(file);
}

static void bench_models(struct ncc_sim *sim)
{
    static const char *const names[] = {"nncase_slim-320_v4", "nncase_RFB-320_r0_v4", "nncase_ulffd_landmark_r0_v4",
                                        "nncase_yolo_v4",     "nncase_model5_v4",     "canmv_mb-0.25_v4"};
    const char *folder = bench_zoo();
    if (!folder)
        return;
    printf("\n%-32s %9s %9s %9s %9s %7s\n", "kmodel, one picture", "million", "ms", "ms,", "GMAC/s", "ratio");
    printf("%-32s %9s %9s %9s\n", "", "MAC", "", "all cores");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        bench_model(folder, names[i], sim);
}

int main(int argc, char **argv)
{
    struct ncc_sim *sim = ncc_sim_new();
    bench_heading("bench_sim");
    if (!sim)
        return 1;
    bench_layers(sim, argc > 1 ? argv[1] : "");
    if (argc == 1)
        bench_models(sim);
    ncc_sim_free(sim);
    return 0;
}
