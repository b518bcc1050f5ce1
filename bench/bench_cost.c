/* The cost model against times that others published for the chip (doc/kpu.md section 7, doc/cpu-cost.md). */
#include "bench/measure.h"

#include "compiler/base/file.h"
#include "kpu/timing.h"
#include <ncc/inspect.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ratio = predicted / published; how far they are off on the whole is the mean of |log ratio|. */
struct errors {
    double predicted, published, log_sum;
    int n;
};

static void print_row(const char *text, double predicted, double published, struct errors *e)
{
    printf("%-44s %10.3f %10.3f %7.2f\n", text, predicted, published, predicted / published);
    e->predicted += predicted;
    e->published += published;
    e->log_sum += fabs(log(predicted / published));
    e->n++;
}

static void print_heading(const char *title)
{
    printf("\n%-44s %10s %10s %7s\n", title, "predicted", "published", "ratio");
    printf("%-44s %10s %10s\n", "", "ms", "ms");
}

static void print_total(const struct errors *e)
{
    printf("%-44s %10.3f %10.3f %7.2f   typical error of a row %.1f %%\n", "sum", e->predicted, e->published,
           e->predicted / e->published, 100 * (exp(e->log_sum / e->n) - 1));
}

/* Table A was measured with a KPU clock of 300 MHz and 16-bit weights, which take twice the time to load. */
static void table_a(void)
{
    static const struct {
        int w, h;
        double ms;
    } rows[] = {{4, 4, .339},    {16, 4, .339},   {16, 16, .417},   {32, 16, .692},     {32, 32, 1.138},
                {64, 32, 2.125}, {64, 64, 3.891}, {128, 64, 7.709}, {128, 128, 14.778}, {256, 256, 57.756}};
    struct errors e = {0};
    print_heading("A: 3x3, 128 -> 128 channels at 300 MHz");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64];
        const struct ncc_kpu_shape s = {128, rows[i].h, rows[i].w, 128, 3, false, NCC_KPU_POOL_NONE};
        snprintf(text, sizeof text, "%d x %d", rows[i].w, rows[i].h);
        print_row(text, ncc_kpu_layer_clocks(&s, 2) / 300e3, rows[i].ms, &e);
    }
    print_total(&e);
}

/* The face detector of version 3 at 400 MHz; its last layer also sends 9 000 bytes to main memory. */
static void table_b(void)
{
    static const struct {
        struct ncc_kpu_shape shape;
        double ms;
    } rows[] = {
        {{3, 240, 320, 16, 3, false, 1}, .206},   {{16, 120, 160, 16, 3, true, 0}, .039},
        {{16, 120, 160, 32, 1, false, 1}, .514},  {{32, 60, 80, 32, 3, true, 0}, .029},
        {{32, 60, 80, 64, 1, false, 0}, .680},    {{64, 60, 80, 64, 3, true, 0}, .053},
        {{64, 60, 80, 64, 1, false, 1}, 1.328},   {{64, 30, 40, 64, 3, true, 0}, .020},
        {{64, 30, 40, 128, 1, false, 0}, .704},   {{128, 30, 40, 128, 3, true, 0}, .034},
        {{128, 30, 40, 128, 1, false, 1}, 1.385}, {{128, 15, 20, 128, 3, true, 0}, .016},
        {{128, 15, 20, 256, 1, false, 0}, .781},  {{256, 15, 20, 256, 3, true, 0}, .025},
        {{256, 15, 20, 256, 1, false, 0}, 1.522}, {{256, 15, 20, 256, 3, true, 0}, .026},
        {{256, 15, 20, 256, 1, false, 0}, 1.521}, {{256, 15, 20, 256, 3, true, 0}, .026},
        {{256, 15, 20, 256, 1, false, 0}, 1.521}, {{256, 15, 20, 256, 3, true, 0}, .026},
        {{256, 15, 20, 256, 1, false, 0}, 1.521}, {{256, 15, 20, 256, 3, true, 0}, .025},
        {{256, 15, 20, 30, 1, false, 0}, .326},
    };
    struct errors e = {0};
    const int last = sizeof rows / sizeof *rows - 1;
    print_heading("B: face detector, kmodel of version 3");
    for (int i = 0; i <= last; i++) {
        const struct ncc_kpu_shape *s = &rows[i].shape;
        char text[64];
        snprintf(text, sizeof text, "%s %dx%d, %d -> %d, %dx%d%s", s->depthwise ? "dw" : "conv", s->kernel, s->kernel,
                 s->in_c, s->out_c, s->in_w, s->in_h, s->pool ? ", max" : "");
        const double output = i == last ? ncc_kpu_download_us(30, 15, 20, NCC_KPU_RUNTIME_V3) : 0;
        print_row(text, (ncc_kpu_layer_us(s, NCC_KPU_RUNTIME_V3) + output) / 1e3, rows[i].ms, &e);
    }
    print_total(&e);
}

/* Single layers and copies of the version 4 runtime. */
static void table_c(void)
{
    const enum ncc_kpu_runtime v4 = NCC_KPU_RUNTIME_V4;
    const struct ncc_kpu_shape large = {16, 120, 160, 16, 3, false, 0}, small = {16, 60, 80, 16, 3, false, 0};
    struct errors e = {0};
    print_heading("C: runtime of version 4");
    print_row("conv 3x3, 16 -> 16, 160x120", ncc_kpu_layer_us(&large, v4) / 1e3, .268, &e);
    print_row("conv 3x3, 16 -> 16, 80x60", ncc_kpu_layer_us(&small, v4) / 1e3, .099, &e);
    print_row("download of 307 200 bytes", ncc_kpu_download_us(16, 120, 160, v4) / 1e3, 26.56, &e);
    print_row("download of 76 800 bytes", ncc_kpu_download_us(16, 60, 80, v4) / 1e3, 6.69, &e);
    print_row("upload of 3x240x320 bytes", ncc_kpu_upload_us(3, 240, 320, v4) / 1e3, .328, &e);
    print_total(&e);
}

/* The estimate for a kmodel in a file. */
static bool estimate(const char *path, struct ncc_estimate *t, struct arena *a)
{
    struct diags diags;
    struct bytes file;
    ncc_diag_init(&diags, a);
    if (ncc_file_read(path, 1 << 24, a, &diags, &file) && ncc_estimate(file.data, file.size, NCC_FIRMWARE_AUTO, t))
        return true;
    printf("%s cannot be opened\n", path);
    return false;
}

static double total_ms(const struct ncc_estimate *t)
{
    return (t->kpu_us + t->copy_us + t->cpu_us) / 1e3;
}

static void whole_model(const char *folder, const char *name, double ms, struct arena *a, struct errors *e)
{
    struct ncc_estimate t;
    if (!estimate(ncc_arena_printf(a, "%s/kmodel/%s.kmodel", folder, name), &t, a))
        return;
    print_row(name, total_ms(&t), ms, e);
    printf("    KPU %.2f, copies %.2f, CPU kernels %.2f\n", t.kpu_us / 1e3, t.copy_us / 1e3, t.cpu_us / 1e3);
}

static void models(struct arena *a)
{
    const char *folder = bench_zoo();
    struct errors e = {0};
    if (!folder)
        return;
    print_heading("whole kmodels of version 4, as ncc inspect");
    whole_model(folder, "nncase_slim-320_v4", 65.6, a, &e);
    whole_model(folder, "nncase_RFB-320_r0_v4", 164.8, a, &e);
    if (e.n)
        print_total(&e);
}

/* The same net compiled by ncc, under the same model of the costs. */
static void against(const char *folder, const char *name, const char *model, struct arena *a)
{
    char path[] = "/tmp/bench_cost_XXXXXX";
    struct ncc_compile_options o;
    struct ncc_estimate ours, theirs;
    const int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0) {
        printf("%s cannot be made\n", path);
        return;
    }
    ncc_compile_defaults(&o);
    o.model = ncc_arena_printf(a, "%s/%s", folder, model);
    o.output = path;
    o.dataset = ncc_arena_printf(a, "%s/images/faces_nncase", folder);
    o.has_norm = true;
    o.mean = o.std = 0.5f;
    o.quiet = true;
    if (ncc_compile(&o, stdout, stdout) == NCC_EXIT_DONE && estimate(path, &ours, a) &&
        estimate(ncc_arena_printf(a, "%s/kmodel/%s.kmodel", folder, name), &theirs, a)) {
        printf("%-44s %10.3f %10.3f %7.2f\n", name, total_ms(&ours), total_ms(&theirs),
               total_ms(&ours) / total_ms(&theirs));
        printf(
            "    ours: KPU %.2f, copies %.2f, CPU kernels %.2f; published: KPU %.2f, copies %.2f, CPU kernels %.2f\n",
            ours.kpu_us / 1e3, ours.copy_us / 1e3, ours.cpu_us / 1e3, theirs.kpu_us / 1e3, theirs.copy_us / 1e3,
            theirs.cpu_us / 1e3);
    }
    unlink(path);
}

static void ours_against_published(struct arena *a)
{
    const char *folder = bench_zoo();
    if (!folder)
        return;
    printf("\n%-44s %10s %10s %7s\n", "nets compiled by ncc, version 4", "ours", "published", "ratio");
    printf("%-44s %10s %10s\n", "", "est. ms", "est. ms");
    against(folder, "nncase_slim-320_v4", "caffe/ulfg_slim320.caffemodel", a);
    against(folder, "nncase_RFB-320_r0_v4", "caffe/ulfg_rfb320.caffemodel", a);
    against(folder, "nncase_ulffd_landmark_r0_v4", "tflite/nncase_ulffd_landmark_f32.tflite", a);
}

int main(void)
{
    struct exit out = {0};
    struct arena arena = ncc_arena_make(&out);
    bench_heading("bench_cost");
    if (setjmp(out.env)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    table_a();
    table_b();
    table_c();
    models(&arena);
    ours_against_published(&arena);
    ncc_arena_release(&arena);
    return 0;
}
