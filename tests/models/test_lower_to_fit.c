/* Graphs that do not fit KPU RAM as placement would like them: they are cut into bands, or a map is spilled, until
 * they do, and still mean the same. */
#include "compiler/ir/eval.h"
#include "compiler/ir/text.h"
#include "compiler/steps.h"
#include "kpu/limits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Six maps of 512 KiB that all live until the last sum. */
static const char wide[] = "input %x f32 1x8x128x256\n"
                           "const %w f32 16x8x3x3 = random 1\n"
                           "%a = conv2d(%x, %w, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                           "const %k f32 16x16x3x3 = random 2\n"
                           "%b = conv2d(%a, %k, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                           "%c = conv2d(%b, %k, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                           "%d = conv2d(%c, %k, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                           "%e = conv2d(%d, %k, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                           "%s = add(%a, %b)\n"
                           "%t = add(%c, %d)\n"
                           "%u = add(%s, %e)\n"
                           "%v = add(%a, %t)\n"
                           "%y = add(%u, %v)\n"
                           "output %y\n";

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    (void)ctx;
    float *x = to->data;
    for (int64_t i = 0, n = ncc_shape_count(to->shape); i < n; i++)
        x[i] = (float)((i * 7919 + sample + input) % 1000) / 500 - 1;
    return true;
}

static void keep(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    (void)sample;
    (void)thread;
    memcpy(ctx, outputs[0]->data, (size_t)ncc_shape_count(outputs[0]->shape) * sizeof(float));
}

static float *evaluate(const struct graph *g)
{
    float *y = malloc((size_t)ncc_shape_count(g->outputs.v[0].value->shape) * sizeof *y);
    struct evaluator *e = ncc_eval_open(g, EVAL_FAST, 0);
    const struct eval_hooks hooks = {.ctx = y, .done = keep};
    assert_true(ncc_eval_run(e, &(struct samples){.feed = feed, .ctx = y, .n = 1}, &hooks));
    ncc_eval_close(e);
    return y;
}

static int n_barred(const struct graph *g)
{
    int n = 0;
    for (const struct node *k = g->first; k; k = k->next)
        n += k->reason && strstr(k->reason, "2 MiB of KPU RAM") != NULL;
    return n;
}

static int n_pieces(const struct graph *g)
{
    int n = 0;
    for (const struct node *k = g->first; k; k = k->next)
        n += k->op == OP_kpu_conv && strstr(k->name, "/band") != NULL;
    return n;
}

static int n_layers(const struct graph *g)
{
    int n = 0;
    for (const struct node *k = g->first; k; k = k->next)
        n += k->op == OP_kpu_conv;
    return n;
}

/* Two convolutions and a pool over a map that is wider and higher than the KPU takes. */
static const char large[] = "input %x f32 1x3x300x700\n"
                            "const %w f32 8x3x3x3 = random 1\n"
                            "%a = conv2d(%x, %w, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                            "const %k f32 8x8x3x3 = random 2\n"
                            "%b = conv2d(%a, %k, _) pad_bottom=1 pad_right=1 stride_h=2 stride_w=2\n"
                            "%c = relu(%b)\n"
                            "%y = max_pool(%c) kernel_h=2 kernel_w=2 stride_h=2 stride_w=2\n"
                            "output %y\n";

/* A small map that waits while two large layers fill KPU RAM by themselves. */
static const char waiting[] = "input %x f32 1x3x64x64\n"
                              "const %w f32 16x3x3x3 = random 1\n"
                              "%a = conv2d(%x, %w, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                              "const %k f32 252x16x3x3 = random 2\n"
                              "%b = conv2d(%a, %k, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                              "const %l f32 252x252x3x3 = random 3\n"
                              "%c = conv2d(%b, %l, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                              "const %m f32 16x252x1x1 = random 4\n"
                              "%d = conv2d(%c, %m, _)\n"
                              "%y = add(%a, %d)\n"
                              "output %y\n";

/* Between two narrow maps a depthwise layer whose input and output do not fit together. */
static const char expanded[] = "input %x f32 1x3x112x112\n"
                               "const %w f32 16x3x1x1 = random 1\n"
                               "%a = conv2d(%x, %w, _)\n"
                               "const %k f32 98x16x1x1 = random 2\n"
                               "%b = conv2d(%a, %k, _)\n"
                               "%c = relu(%b)\n"
                               "const %l f32 98x1x3x3 = random 3\n"
                               "%d = conv2d(%c, %l, _) groups=98 pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                               "%e = relu(%d)\n"
                               "const %m f32 16x98x1x1 = random 4\n"
                               "%f = conv2d(%e, %m, _)\n"
                               "%y = add(%a, %f)\n"
                               "output %y\n";

#define INVERTED(in, out, b, c, d, e)                                                                                  \
    "%" b " = conv2d(%" in ", %k, _)\n"                                                                                \
    "%" c " = relu(%" b ")\n"                                                                                          \
    "%" d " = conv2d(%" c ", %l, _) groups=32 pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"                         \
    "%" e " = conv2d(%" d ", %m, _)\n"                                                                                 \
    "%" out " = add(%" in ", %" e ")\n"

/* As much is alive in two places, and both must be dealt with before the peak is any lower. */
static const char twice[] = "input %x f32 1x4x128x256\n"
                            "const %w f32 4x4x3x3 = random 1\n"
                            "%a = conv2d(%x, %w, _) pad_top=1 pad_left=1 pad_bottom=1 pad_right=1\n"
                            "const %k f32 32x4x1x1 = random 2\n"
                            "const %l f32 32x1x3x3 = random 3\n"
                            "const %m f32 4x32x1x1 = random 4\n"
                            INVERTED("a", "f", "b", "c", "d", "e")
                            INVERTED("f", "y", "g", "h", "i", "j")
                            "output %y\n";

static bool made_room_as_wanted(const struct compilation *c, const char *text)
{
    if (text == waiting)
        return c->report.spills.n == 1 && c->report.bands.n == 0;
    if (text == expanded) /* at most two layers more for each range but the first */
        return c->report.bands.n == 1 && c->report.bands.v[0].ranges > 1 &&
               n_layers(c->graph) <= 5 + 2 * (c->report.bands.v[0].ranges - 1);
    return n_pieces(c->graph) > 0 || text == twice;
}

static void makes_room(void **state)
{
    const char *text = *state;
    struct ncc_compile_options o;
    ncc_compile_defaults(&o);
    struct compilation c;
    ncc_compilation_open(&c, &o, stdout, stderr);
    if (setjmp(c.exit.env))
        fail_msg("out of memory");
    ncc_diag_init(&c.diags, &c.arena);
    c.k210 = (struct k210_options){.runtime = NCC_KPU_RUNTIME_V4};
    c.report.board.bytes = INT64_MAX; /* only KPU RAM is short */
    c.graph = ncc_text_parse(text, "bands", &c.arena, &c.diags);
    ncc_diag_print(&c.diags, stderr);
    assert_non_null(c.graph);
    float *want = evaluate(c.graph);
    assert_true(ncc_step_lower(&c));
    assert_true(ncc_graph_verify(c.graph, "lower"));
    struct plan plan;
    const struct plan_options p = {.solve_seconds = o.solve_seconds, .kpu_limit = NCC_KPU_RAM_SIZE};
    assert_true(ncc_plan_make(c.graph, &p, &c.arena, &plan));
    printf("%d KPU layers, %d of them for bands, peak %lld\n", n_layers(c.graph), n_pieces(c.graph),
           (long long)plan.kpu.peak);
    assert_true(plan.kpu.peak <= NCC_KPU_RAM_SIZE);
    assert_true(made_room_as_wanted(&c, text));
    assert_int_equal(n_barred(c.graph), 0);
    float *got = evaluate(c.graph), largest = 0;
    const int64_t n = ncc_shape_count(c.graph->outputs.v[0].value->shape);
    for (int64_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(want[i]));
    for (int64_t i = 0; i < n; i++)
        assert_true(fabsf(want[i] - got[i]) <= 1e-5f * largest);
    free(want);
    free(got);
    ncc_compilation_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"many maps at once", makes_room, NULL, NULL, (void *)(uintptr_t)wide},
        {"a map that waits", makes_room, NULL, NULL, (void *)(uintptr_t)waiting},
        {"a map of many channels", makes_room, NULL, NULL, (void *)(uintptr_t)expanded},
        {"two peaks", makes_room, NULL, NULL, (void *)(uintptr_t)twice},
        {"a large map", makes_room, NULL, NULL, (void *)(uintptr_t)large},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
