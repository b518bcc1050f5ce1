/* Damaged files: 5000 and more damaged models through the whole compiler, and as many damaged kmodels through the
 * runtime. Nothing crashes, failures have messages and leave no file, what compiles opens, and it is all over soon. */
#include "compiler/import/import.h"

#include <ncc/compiler.h>
#include <ncc/runtime.h>
#include <ncc/sim.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER NCC_BINARY_DIR "/damage"
#define MODEL  FOLDER "/model.tflite"
#define OUTPUT FOLDER "/model.kmodel"

enum { N_COPIES = 320, N_KMODEL_COPIES = 320, MOST_MS = 5000, MOST_WORK = 1 << 24 };

static const char *const names[] = {
    "conv_same",     "conv_dilated", "depthwise", "chain",           "add_relu",
    "concatenation", "average_pool", "max_pool",  "fully_connected", "transpose_conv_same",
    "prelu",         "pad",          "softmax",   "resize_bilinear", "split",
    "leaky_relu",    "mean"};
enum { N_NAMES = sizeof names / sizeof names[0] };

/* ---- damage ---- */

static uint32_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Cuts the file short, flips bits, or puts an edge of the integers somewhere. Returns the new size. */
static size_t damage(uint8_t *data, size_t size, uint64_t *seed)
{
    static const uint32_t words[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x10000, 0x7fc00000, 64, 0xfffffff0};
    const uint32_t kind = next(seed) % 6;
    if (kind == 0)
        return next(seed) % size;
    for (uint32_t i = 0; i <= next(seed) % 3; i++) {
        const size_t at = next(seed) % (size - 4);
        const uint32_t w = words[next(seed) % (sizeof words / sizeof words[0])];
        if (kind < 4)
            data[at] ^= (uint8_t)(1u << next(seed) % 8);
        else
            memcpy(data + (at & ~(size_t)3), &w, 4);
    }
    return size;
}

static uint64_t start_seed(void)
{
    const char *text = getenv("NCC_SEED");
    const uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
    print_message("NCC_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* ---- files ---- */

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* From malloc, which aligns for any element. */
static uint8_t *read_whole(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*size + 1);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

static bool has_models(void)
{
    if (access(MODELS "/conv_same.tflite", R_OK) == 0)
        return true;
    print_message("skipped: no test models, since flatc is missing\n");
    return false;
}

/* Two samples for the intact model, into FOLDER/<name>. */
static void write_samples(const char *model, const char *folder)
{
    static const struct import_options none;
    struct exit out = {0};
    struct arena arena = ncc_arena_make(&out);
    struct diags d;
    ncc_diag_init(&d, &arena);
    const struct graph *g = ncc_import(model, MODEL_AUTO, &none, &arena, &d);
    assert_non_null(g);
    mkdir(folder, 0777);
    uint64_t state = 1;
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < g->inputs.n; i++) {
            const int64_t n = ncc_shape_count(g->inputs.v[i]->shape);
            float *x = NCC_NEW(&arena, float, n);
            for (int64_t k = 0; k < n; k++)
                x[k] = (float)(next(&state) % 2001) / 1000 - 1;
            char *path = ncc_arena_printf(&arena, "%s/s%d.bin", folder, s);
            if (g->inputs.n > 1) {
                mkdir(ncc_arena_printf(&arena, "%s/s%d", folder, s), 0777);
                path = ncc_arena_printf(&arena, "%s/s%d/in%d.bin", folder, s, i);
            }
            write_file(path, x, (size_t)n * sizeof *x);
        }
    ncc_arena_release(&arena);
}

/* ---- compiling ---- */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

struct tally {
    int done, refused, bad;
    double slowest;
};

static int complain(const char *name, int copy, const char *what, const char *messages)
{
    printf("BAD: %s, copy %d: %s\n%s", name, copy, what, messages);
    return 1;
}

static enum ncc_exit compile(const char *model, const char *samples, bool cpu, char **messages)
{
    struct ncc_compile_options o;
    size_t size = 0;
    ncc_compile_defaults(&o);
    o.model = model;
    o.output = OUTPUT;
    o.dataset = cpu ? NULL : samples;
    o.target_cpu = cpu;
    o.quiet = true;
    o.solve_seconds = 0.01;
    FILE *err = open_memstream(messages, &size);
    const enum ncc_exit e = ncc_compile(&o, err, err);
    fclose(err);
    return e;
}

static bool opens(void)
{
    size_t size = 0;
    uint8_t *file = read_whole(OUTPUT, &size);
    const bool good = file && ncc_model_work_size(file, size) > 0;
    free(file);
    return good;
}

static void compile_copy(const char *name, int copy, const char *samples, struct tally *t)
{
    char *messages = NULL;
    unlink(OUTPUT);
    const double start = now_ms();
    const enum ncc_exit e = compile(MODEL, samples, copy % 2, &messages);
    const double ms = now_ms() - start;
    t->slowest = ms > t->slowest ? ms : t->slowest;
    *(e ? &t->refused : &t->done) += 1;
    if (e == NCC_EXIT_INTERNAL)
        t->bad += complain(name, copy, "an internal error", messages);
    if (e && !messages[0])
        t->bad += complain(name, copy, "refused without a message", "");
    if (e && access(OUTPUT, F_OK) == 0)
        t->bad += complain(name, copy, "refused, but there is a file", messages);
    if (!e && !opens())
        t->bad += complain(name, copy, "the kmodel does not open", messages);
    if (ms > MOST_MS)
        t->bad += complain(name, copy, "took too long", messages);
    free(messages);
}

static void models(void **state)
{
    (void)state;
    if (!has_models())
        skip();
    const uint64_t start = start_seed();
    struct tally t = {0};
    mkdir(FOLDER, 0777);
    for (int k = 0; k < N_NAMES; k++) {
        char path[300], samples[300];
        size_t size;
        snprintf(path, sizeof path, "%s/%s.tflite", MODELS, names[k]);
        snprintf(samples, sizeof samples, "%s/%s", FOLDER, names[k]);
        uint8_t *whole = read_whole(path, &size), *copy = malloc(size);
        write_samples(path, samples);
        for (int i = 0; i < N_COPIES; i++) {
            uint64_t seed = start * 1000003u + (uint64_t)(k * N_COPIES + i);
            next(&seed);
            memcpy(copy, whole, size);
            const size_t left = damage(copy, size, &seed);
            write_file(MODEL, copy, left);
            compile_copy(names[k], i, samples, &t);
        }
        free(whole);
        free(copy);
    }
    print_message("%d copies compiled, %d refused; the slowest took %.0f ms\n", t.done, t.refused, t.slowest);
    assert_true(t.done > 100 && t.refused > 1000);
    assert_int_equal(t.bad, 0);
}

/* ---- kmodels ---- */

static int run_copy(const uint8_t *file, size_t size, struct ncc_sim *sim)
{
    struct ncc_model m;
    const size_t work_size = ncc_model_work_size(file, size);
    if (work_size == 0 || work_size > MOST_WORK)
        return 0;
    void *work = malloc(work_size), *input = calloc(1, MOST_WORK);
    const void *in[8];
    int ran = 0;
    if (ncc_model_open(&m, file, size, work, work_size, ncc_sim_device(sim))) {
        assert_true(ncc_model_fault(&m)->text[0]);
    } else if (ncc_model_n_inputs(&m) <= 8) {
        bool small = true;
        for (uint32_t i = 0; i < ncc_model_n_inputs(&m); i++) {
            in[i] = input;
            small = small && ncc_model_input(&m, i).size <= MOST_WORK;
        }
        if (small)
            ncc_model_run(&m, in);
        ran = 1;
    }
    free(input);
    free(work);
    return ran;
}

static void kmodels(void **state)
{
    (void)state;
    if (!has_models())
        skip();
    const uint64_t start = start_seed();
    struct ncc_sim *sim = ncc_sim_new();
    int n_run = 0, n_copies = 0;
    mkdir(FOLDER, 0777);
    for (int k = 0; k < N_NAMES; k++) {
        char path[300], samples[300], *messages = NULL;
        size_t size;
        snprintf(path, sizeof path, "%s/%s.tflite", MODELS, names[k]);
        snprintf(samples, sizeof samples, "%s/%s", FOLDER, names[k]);
        write_samples(path, samples);
        const enum ncc_exit e = compile(path, samples, false, &messages);
        if (e)
            fail_msg("%s: %s", names[k], messages);
        free(messages);
        uint8_t *whole = read_whole(OUTPUT, &size);
        assert_int_equal(run_copy(whole, size, sim), 1);
        for (int i = 0; i < N_KMODEL_COPIES; i++, n_copies++) {
            uint64_t seed = start * 1000003u + (uint64_t)(k * N_KMODEL_COPIES + i);
            next(&seed);
            uint8_t *copy = malloc(size);
            memcpy(copy, whole, size);
            const size_t cut = damage(copy, size, &seed);
            uint8_t *exact = malloc(cut + 1);
            memcpy(exact, copy, cut);
            n_run += run_copy(exact, cut, sim);
            free(exact);
            free(copy);
        }
        free(whole);
    }
    ncc_sim_free(sim);
    print_message("%d of %d damaged kmodels ran\n", n_run, n_copies);
    assert_true(n_copies >= 5000 && n_run > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(models), cmocka_unit_test(kmodels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
