/* Pictures larger than the KPU takes: a MobileNet-like and a YOLO-like network at 640x480 and 1280x720 are computed in
 * bands, run in the simulator, and agree with the float model as well as they do on a picture that needs no bands. */
#include "compiler/emit/emit.h"
#include "compiler/ir/eval.h"
#include "compiler/ops/attrs.h"
#include "compiler/quant/compare.h"
#include "compiler/steps.h"

#include "kpu/limits.h"

#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N_SAMPLES = 2 };

/* ---- networks ---- */

struct builder {
    struct graph *g;
    struct value *x;
    uint64_t state;
    int n;
};

static double uniform(struct builder *b)
{
    b->state = b->state * 6364136223846793005u + 1442695040888963407u;
    return (double)(b->state >> 11) / 9007199254740992.0 * 2 - 1;
}

/* TensorFlow's "same" padding; the weights keep the variance of what they read. */
static void conv(struct builder *b, int out_c, int kernel, int stride, bool depthwise)
{
    const int *d = b->x->shape.dim, in_c = depthwise ? 1 : d[1];
    const int n = out_c * in_c * kernel * kernel, pad = stride == 1 ? kernel - 1 : kernel - 2;
    float *w = NCC_NEW(b->g->arena, float, n), *bias = NCC_NEW(b->g->arena, float, out_c);
    for (int i = 0; i < n; i++)
        w[i] = (float)(uniform(b) * sqrt(6.0 / (in_c * kernel * kernel)));
    for (int i = 0; i < out_c; i++)
        bias[i] = (float)(uniform(b) * 0.1);
    const struct conv2d_attrs a = {stride, stride, pad / 2, pad / 2, pad - pad / 2, pad - pad / 2, 1, 1,
                                   depthwise ? out_c : 1};
    const char *name = ncc_arena_printf(b->g->arena, "conv%d", b->n++);
    b->x = NCC_OP(b->g, OP_conv2d, name, &a, b->x,
                  ncc_const(b->g, "w", DT_F32, ncc_shape_4(out_c, in_c, kernel, kernel), w),
                  ncc_const(b->g, "b", DT_F32, ncc_shape_make(1, (int[]){out_c}), bias));
}

static void relu6(struct builder *b)
{
    const struct clip_attrs a = {0, 6};
    b->x = NCC_OP(b->g, OP_clip, ncc_arena_printf(b->g->arena, "relu%d", b->n), &a, b->x);
}

static void mobilenet(struct builder *b)
{
    static const struct {
        int c, stride;
    } blocks[] = {{16, 1}, {24, 2}, {24, 1}, {48, 2}, {48, 1}, {96, 2}, {96, 1}};
    conv(b, 8, 3, 2, false);
    relu6(b);
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        conv(b, b->x->shape.dim[1], 3, blocks[i].stride, true);
        relu6(b);
        conv(b, blocks[i].c, 1, 1, false);
        relu6(b);
    }
    conv(b, 12, 1, 1, false);
}

static void yolo(struct builder *b)
{
    static const int channels[] = {8, 16, 32, 64};
    const struct pool_attrs half = {2, 2, 2, 2, 0, 0, 0, 0, false};
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
        conv(b, channels[i], 3, 1, false);
        const struct leaky_relu_attrs a = {0.1f};
        b->x = NCC_OP(b->g, OP_leaky_relu, ncc_arena_printf(b->g->arena, "leaky%d", b->n), &a, b->x);
        b->x = NCC_OP(b->g, OP_max_pool, ncc_arena_printf(b->g->arena, "pool%d", b->n), &half, b->x);
    }
    conv(b, 64, 3, 1, false);
    relu6(b);
    conv(b, 30, 1, 1, false);
}

/* ---- pictures ---- */

/* The same scene at every size: slow waves, edges, and some grain. */
static uint8_t pixel(int sample, int c, double y, double x)
{
    const double wave = sin(7 * x + 3 * y + sample + c) * cos(5 * y - 2 * x * (sample + 1));
    const double edge = fmod(floor(6 * x + sample) + floor(4 * y), 2);
    const double grain = sin(9176.3 * x + 3217.7 * y + 131 * c);
    return (uint8_t)lrint(127.5 + 60 * wave + 40 * (edge - 0.5) + 15 * grain);
}

static uint8_t *picture(struct arena *a, int sample, int h, int w)
{
    uint8_t *p = NCC_NEW(a, uint8_t, (size_t)3 * h * w), *to = p;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                *to++ = pixel(sample, c, (y + 0.5) / h, (x + 0.5) / w);
    return p;
}

/* ---- compiling and running ---- */

struct net_case {
    const char *name;
    void (*build)(struct builder *b);
};

struct result {
    double sqnr_db, ms, extra;
    int bands, cpu_convolutions;
};

static void must(struct compilation *c, bool good)
{
    if (good && c->diags.n_errors == 0)
        return;
    ncc_diag_print(&c->diags, stderr);
    fail_msg("not compiled");
}

static void give_samples(struct compilation *c, int h, int w)
{
    c->data.n = N_SAMPLES;
    c->data.n_inputs = 1;
    c->samples = NCC_NEW(&c->arena, float *, N_SAMPLES);
    for (int s = 0; s < N_SAMPLES; s++) {
        const uint8_t *p = picture(&c->arena, s, h, w);
        c->samples[s] = NCC_NEW(&c->arena, float, (size_t)3 * h * w);
        for (int i = 0; i < 3 * h * w; i++)
            c->samples[s][i] = ((float)p[i] / 255 - 0.5f) / 0.5f;
    }
}

static void keep(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    (void)sample;
    (void)thread;
    memcpy(ctx, outputs[0]->data, (size_t)ncc_shape_count(outputs[0]->shape) * sizeof(float));
}

/* The source model on sample 0. */
static const float *run_float(struct compilation *c)
{
    float *y = NCC_NEW(&c->arena, float, ncc_shape_count(c->source->outputs.v[0].value->shape));
    struct samples first = ncc_compilation_samples(c);
    first.n = 1;
    assert_true(ncc_eval_samples(c->source, 0, &first, &(struct eval_hooks){.ctx = y, .done = keep}));
    return y;
}

static const float *run_kmodel(struct compilation *c, int h, int w)
{
    struct ncc_sim *sim = ncc_sim_new();
    struct ncc_model m;
    const size_t size = ncc_model_work_size(c->file.data, c->file.size);
    void *work = ncc_arena_alloc(&c->arena, size, 1, 64);
    if (ncc_model_open(&m, c->file.data, c->file.size, work, size, ncc_sim_device(sim)))
        fail_msg("%s", ncc_model_fault(&m)->text);
    if (ncc_model_run(&m, (const void *[]){picture(&c->arena, 0, h, w)}))
        fail_msg("%s", ncc_sim_error(sim));
    ncc_sim_free(sim);
    return ncc_model_output_data(&m, 0);
}

static int count_cpu_convolutions(const struct graph *g)
{
    int n = 0;
    for (const struct node *k = g->first; k; k = k->next)
        n += k->op == OP_conv2d || k->op == OP_q_conv2d;
    return n;
}

static struct result compile_and_run(const struct net_case *net, int h, int w)
{
    struct ncc_compile_options o;
    ncc_compile_defaults(&o);
    o.model = net->name;
    o.quiet = true;
    o.has_norm = true;
    o.mean = o.std = 0.5f;
    struct compilation c;
    ncc_compilation_open(&c, &o, stdout, stderr);
    if (setjmp(c.exit.env))
        fail_msg("out of memory");
    ncc_diag_init(&c.diags, &c.arena);
    c.k210 = (struct k210_options){.runtime = NCC_KPU_RUNTIME_V4};
    struct builder b = {.g = ncc_graph_new(&c.arena, &c.diags, net->name), .state = 7};
    b.x = ncc_graph_input(b.g, "image", DT_F32, ncc_shape_4(1, 3, h, w));
    net->build(&b);
    ncc_graph_output(b.g, b.x, "y");
    c.graph = b.g;
    give_samples(&c, h, w);
    must(&c, ncc_step_canonical(&c) && ncc_step_equalise(&c) && ncc_step_legalise(&c) && ncc_step_lower(&c));
    must(&c, ncc_graph_verify(c.graph, "lower"));
    const int cpu_convolutions = count_cpu_convolutions(c.graph);
    must(&c, ncc_step_observe(&c) && ncc_step_quantise(&c) && ncc_step_integers(&c) && ncc_step_plan(&c) &&
                 ncc_step_emit(&c) && ncc_step_summarise(&c));
    const float *want = run_float(&c), *got = run_kmodel(&c, h, w);
    const struct report *r = &c.report;
    const struct result result = {
        .sqnr_db = ncc_sqnr_db(want, got, (size_t)ncc_shape_count(c.graph->outputs.v[0].value->shape)),
        .ms = (r->kpu_us + r->copy_us + r->cpu_us) / 1e3,
        .extra = r->bands_extra,
        .bands = r->bands.n,
        .cpu_convolutions = cpu_convolutions};
    printf("%-10s %4dx%-4d %5.1f dB, %6.1f ms, KPU RAM %4lld KiB, model %4lld KiB, %d groups in bands, %.1f %% more "
           "multiply-adds\n",
           net->name, w, h, result.sqnr_db, result.ms, (long long)c.plan.kpu.peak >> 10, (long long)c.file.size >> 10,
           result.bands, 100 * result.extra);
    assert_true(c.plan.kpu.peak <= NCC_KPU_RAM_SIZE);
    ncc_compilation_close(&c);
    return result;
}

/* Bands lose nothing. 3 dB, half a bit, are what ranges of a scene at another size may make, found on two samples. */
static void agrees_at_every_size(void **state)
{
    const struct net_case *net = *state;
    static const int sizes[][2] = {{480, 640}, {720, 1280}};
    const struct result small = compile_and_run(net, 240, 320);
    assert_int_equal(small.bands, 0);
    assert_true(small.sqnr_db > 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct result large = compile_and_run(net, sizes[i][0], sizes[i][1]);
        assert_true(large.bands > 0);
        assert_int_equal(large.cpu_convolutions, 0);
        assert_true(large.extra > 0 && large.extra < 0.5);
        assert_true(large.sqnr_db > small.sqnr_db - 3);
    }
}

int main(void)
{
    static struct net_case nets[] = {{"mobilenet", mobilenet}, {"yolo", yolo}};
    const struct CMUnitTest tests[] = {
        {"mobilenet", agrees_at_every_size, NULL, NULL, &nets[0]},
        {"yolo", agrees_at_every_size, NULL, NULL, &nets[1]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
