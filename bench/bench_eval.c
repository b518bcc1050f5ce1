/* The float evaluator against a bare matrix product of the same multiply-adds, on one thread.
 *
 * The reference of a layer is the product out_c x pixels x (in_c * taps); of a depthwise layer, which no product
 * computes, c x pixels x taps. A model's is the sum of its layers' products.
 *
 *     bench_eval [TEXT]    only layers whose kind has TEXT in it, for profiling
 */
#include "bench/measure.h"

#include "compiler/base/parallel.h"
#include "compiler/ir/eval.h"
#include "compiler/ops/attrs.h"
#include "compiler/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- single layers ---- */

struct layer {
    const char *kind;
    int in_c, h, w, out_c, kernel, stride;
    bool depthwise;
};

static const struct layer layers[] = {
    {"1x1", 16, 120, 160, 32, 1, 1, false},      {"1x1", 32, 60, 80, 64, 1, 1, false},
    {"1x1", 64, 30, 40, 128, 1, 1, false},       {"1x1", 128, 15, 20, 256, 1, 1, false},
    {"1x1", 512, 10, 8, 512, 1, 1, false},       {"1x1", 64, 30, 40, 16, 1, 1, false},
    {"3x3", 3, 240, 320, 16, 3, 1, false},       {"3x3", 16, 120, 160, 16, 3, 1, false},
    {"3x3", 32, 60, 80, 64, 3, 1, false},        {"3x3", 64, 30, 40, 128, 3, 1, false},
    {"3x3", 128, 15, 20, 128, 3, 1, false},      {"3x3", 256, 10, 8, 256, 3, 1, false},
    {"3x3 s2", 3, 240, 320, 16, 3, 2, false},    {"3x3 s2", 32, 60, 80, 64, 3, 2, false},
    {"5x5", 16, 60, 80, 32, 5, 1, false},        {"dw 3x3", 16, 120, 160, 16, 3, 1, true},
    {"dw 3x3", 64, 30, 40, 64, 3, 1, true},      {"dw 3x3", 256, 10, 8, 256, 3, 1, true},
    {"dw 3x3 s2", 32, 120, 160, 32, 3, 2, true},
};
enum { N_LAYERS = sizeof layers / sizeof *layers };

/* A conv2d node with its tensors. */
struct conv_job {
    const struct node *node;
    struct tensor in[3], out;
    void *scratch;
};

static void run_conv(void *ctx)
{
    struct conv_job *j = ctx;
    const struct tensor *const in[] = {&j->in[0], &j->in[1], &j->in[2]};
    struct tensor *const out[] = {&j->out};
    ncc_op_desc(OP_conv2d)->eval_fast(&(struct eval_args){j->node, in, out, j->scratch});
}

static struct tensor random_tensor(struct shape s)
{
    return (struct tensor){DT_F32, s, bench_floats((size_t)ncc_shape_count(s))};
}

static struct conv_job make_conv(const struct layer *l, struct graph *g)
{
    const int pad = l->kernel / 2, bias_dim = l->out_c;
    struct conv2d_attrs attrs = {.stride_h = l->stride,
                                 .stride_w = l->stride,
                                 .dil_h = 1,
                                 .dil_w = 1,
                                 .pad_top = pad,
                                 .pad_left = pad,
                                 .pad_bottom = pad,
                                 .pad_right = pad,
                                 .groups = l->depthwise ? l->in_c : 1};
    const struct tensor x = random_tensor(ncc_shape_4(1, l->in_c, l->h, l->w));
    const struct tensor w = random_tensor(ncc_shape_4(l->out_c, l->depthwise ? 1 : l->in_c, l->kernel, l->kernel));
    const struct tensor b = random_tensor(ncc_shape_make(1, &bias_dim));
    struct value *in[] = {ncc_graph_input(g, "x", DT_F32, x.shape), ncc_const(g, "w", DT_F32, w.shape, w.data),
                          ncc_const(g, "b", DT_F32, b.shape, b.data)};
    struct value *y = ncc_op(g, OP_conv2d, "conv", &attrs, in, 3);
    struct conv_job j = {y->def, {x, w, b}, random_tensor(y->shape), NULL};
    j.scratch = aligned_alloc(64, (ncc_op_desc(OP_conv2d)->scratch(y->def) + 64) / 64 * 64);
    return j;
}

static void free_conv(struct conv_job *j)
{
    for (int i = 0; i < 3; i++)
        free(j->in[i].data);
    free(j->out.data);
    free(j->scratch);
}

static double bench_layer(const struct layer *l, struct arena *a)
{
    struct diags diags;
    ncc_diag_init(&diags, a);
    struct conv_job job = make_conv(l, ncc_graph_new(a, &diags, "bench"));
    const int *out = job.out.shape.dim, k = (l->depthwise ? 1 : l->in_c) * l->kernel * l->kernel;
    struct bench_gemm gemm = bench_gemm_make(l->out_c, out[2] * out[3], k);
    const struct bench_ratio r =
        bench_compare((struct bench_job){run_conv, &job}, (struct bench_job){bench_gemm_run, &gemm}, BENCH_CPU);
    const double macs = ncc_op_desc(OP_conv2d)->macs(job.node);
    printf("%-10s %4d -> %-4d %4dx%-4d %8.2f %9.2f %9.2f %7.2f\n", l->kind, l->in_c, l->out_c, l->h, l->w, macs * 1e-6,
           macs / r.seconds * 1e-9, macs / r.reference * 1e-9, r.ratio);
    bench_gemm_free(&gemm);
    free_conv(&job);
    return r.ratio;
}

static void bench_layers(struct arena *a, const char *wanted)
{
    struct bench_least least[N_LAYERS] = {{NULL, 0}};
    printf("\n%-10s %12s %9s %8s %9s %9s %7s\n", "layer", "channels", "map", "million", "evaluator", "sgemm", "ratio");
    printf("%-10s %12s %9s %8s %9s %9s\n", "", "", "h x w", "MAC", "GMAC/s", "GMAC/s");
    for (int i = 0; i < N_LAYERS; i++)
        if (strstr(layers[i].kind, wanted))
            bench_keep_least(least, N_LAYERS, layers[i].kind, bench_layer(&layers[i], a));
    bench_print_least(least, N_LAYERS);
}

/* ---- whole models ---- */

struct model_job {
    struct evaluator *evaluator;
    struct bench_gemm *gemms;
    int n_gemms;
};

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    (void)ctx;
    (void)sample;
    (void)input;
    float *v = to->data;
    for (int64_t i = 0, n = ncc_shape_count(to->shape); i < n; i++)
        v[i] = (float)(i % 251) / 251;
    return true;
}

static void run_model(void *ctx)
{
    const struct model_job *j = ctx;
    ncc_eval_run(j->evaluator, &(struct samples){.feed = feed, .n = 1}, &(struct eval_hooks){0});
}

static void run_gemms(void *ctx)
{
    struct model_job *j = ctx;
    for (int i = 0; i < j->n_gemms; i++)
        bench_gemm_run(&j->gemms[i]);
}

/* The product of a node's multiply-adds; m = 0 for a node that has none. */
static struct bench_gemm gemm_of(const struct node *n)
{
    if (n->op == OP_conv2d) {
        const int *w = n->in[1]->shape.dim, *y = n->out[0]->shape.dim;
        return bench_gemm_make(y[1], y[2] * y[3], w[1] * w[2] * w[3]);
    }
    if (n->op == OP_matmul && n->in[0]->shape.rank == 2) {
        const int *x = n->in[0]->shape.dim, *y = n->out[0]->shape.dim;
        return bench_gemm_make(x[0], y[1], x[1]);
    }
    return (struct bench_gemm){0};
}

static void bench_graph(const char *name, const struct graph *g, struct arena *a)
{
    struct model_job job = {ncc_eval_open(g, EVAL_FAST, 0), NCC_NEW(a, struct bench_gemm, ncc_graph_n_nodes(g)), 0};
    for (const struct node *n = g->first; n; n = n->next) {
        const struct bench_gemm gemm = gemm_of(n);
        if (gemm.m)
            job.gemms[job.n_gemms++] = gemm;
    }
    const struct bench_ratio r =
        bench_compare((struct bench_job){run_model, &job}, (struct bench_job){run_gemms, &job}, BENCH_CPU);
    const double macs = ncc_graph_macs(g);
    printf("%-32s %9.2f %9.2f %9.2f %9.2f %7.2f\n", name, macs * 1e-6, r.seconds * 1e3, macs / r.seconds * 1e-9,
           macs / r.reference * 1e-9, r.ratio);
    for (int i = 0; i < job.n_gemms; i++)
        bench_gemm_free(&job.gemms[i]);
    ncc_eval_close(job.evaluator);
}

static void bench_model(const char *name, const char *path)
{
    static const struct step steps[] = {{"import", ncc_step_import, true}, {"canonical", ncc_step_canonical, true}};
    struct ncc_compile_options options;
    struct compilation c;
    ncc_compile_defaults(&options);
    options.model = path;
    ncc_compilation_open(&c, &options, stdout, stderr);
    if (ncc_compilation_run(&c, steps, 2) == NCC_EXIT_DONE)
        bench_graph(name, c.graph, &c.arena);
    ncc_compilation_close(&c);
}

static void bench_models(void)
{
    static const char *const names[] = {
        "mlperf_ic_resnet8_f32", "mlperf_vww96_mbv1_025_f32", "tinymaix_mbnet128_0.25_f",
        "ulfg_slim320_f32",      "nncase_ulffd_landmark_f32", "mp_face_short",
        "mp_palm_lite"};
    const char *folder = bench_zoo();
    printf("\n%-32s %9s %9s %9s %9s %7s\n", "model", "million", "ms", "evaluator", "sgemm", "ratio");
    printf("%-32s %9s %9s %9s %9s\n", "", "MAC", "", "GMAC/s", "GMAC/s");
    bench_model("digits", NCC_SOURCE_DIR "/examples/digits/digits.tflite");
    for (size_t i = 0; folder && i < sizeof names / sizeof *names; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/tflite/%s.tflite", folder, names[i]);
        bench_model(names[i], path);
    }
}

int main(int argc, char **argv)
{
    struct exit out = {0};
    struct arena arena = ncc_arena_make(&out);
    bench_heading("bench_eval");
    if (setjmp(out.env)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    bench_use_threads(1);
    bench_layers(&arena, argc > 1 ? argv[1] : "");
    if (argc == 1)
        bench_models();
    ncc_arena_release(&arena);
    return 0;
}
