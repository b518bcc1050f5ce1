#include "fuzz/fuzz.h"

#include "compiler/base/file.h"
#include "compiler/import/import.h"
#include "compiler/ir/eval.h"

#include <ncc/compiler.h>
#include <ncc/runtime.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Larger models are only compiled for the CPU, which evaluates nothing. */
#define MOST_MACS     3e6
#define MOST_ELEMENTS (1 << 16)

struct fuzz_tally fuzz_tally;

/* ---- files ---- */

static const char *folder(void)
{
    static char path[256];
    const char *temporary = getenv("TMPDIR");
    if (!path[0]) {
        snprintf(path, sizeof path, "%s/ncc-fuzz-%d", temporary ? temporary : "/tmp", (int)getpid());
        if (mkdir(path, 0700)) {
            perror(path);
            exit(2);
        }
    }
    return path;
}

struct fuzz_path fuzz_path(const char *name)
{
    struct fuzz_path path;
    snprintf(path.text, sizeof path.text, "%s/%s", folder(), name);
    return path;
}

void fuzz_write(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
        perror(path);
        exit(2);
    }
}

static void remove_all(const char *path)
{
    struct exit out = {0};
    struct arena arena = ncc_arena_make(&out);
    struct diags d;
    struct paths files;
    if (setjmp(out.env) == 0) {
        ncc_diag_init(&d, &arena);
        for (int i = 0; ncc_file_list(path, &arena, &d, &files) && i < files.n; i++)
            unlink(files.v[i]);
    }
    ncc_arena_release(&arena);
}

void fuzz_remove_folder(void)
{
    remove_all(folder());
    rmdir(fuzz_path("samples/0").text);
    rmdir(fuzz_path("samples").text);
    rmdir(folder());
}

/* ---- judging ---- */

static void fail(const char *what, const char *messages)
{
    fprintf(stderr, "%s\n%s\nthe model is in %s\n", what, messages ? messages : "", folder());
    abort();
}

static void open_kmodel(const char *path)
{
    struct exit out = {0};
    struct arena arena = ncc_arena_make(&out);
    struct diags d;
    struct bytes file;
    if (setjmp(out.env) == 0) {
        ncc_diag_init(&d, &arena);
        if (!ncc_file_read(path, (size_t)1 << 30, &arena, &d, &file) || !ncc_model_work_size(file.data, file.size))
            fail("the kmodel does not open", NULL);
    }
    ncc_arena_release(&arena);
}

static enum ncc_exit compile(struct ncc_compile_options *o)
{
    char *messages = NULL;
    size_t size = 0;
    FILE *err = open_memstream(&messages, &size);
    const struct fuzz_path path = fuzz_path("out.kmodel");
    const char *kmodel = path.text;
    unlink(kmodel);
    o->output = kmodel;
    o->quiet = true;
    o->solve_seconds = 0.01;
    const enum ncc_exit e = ncc_compile(o, err, err);
    fclose(err);
    if (e != NCC_EXIT_DONE && e != NCC_EXIT_INPUT && e != NCC_EXIT_NO_FIT)
        fail("the model is not at fault", messages);
    if (e && !strstr(messages, "error: "))
        fail("refused without a message", messages);
    if (e && access(kmodel, F_OK) == 0)
        fail("refused, but there is a file", messages);
    if (!e)
        open_kmodel(kmodel);
    free(messages);
    return e;
}

/* ---- samples ---- */

/* One sample of numbers for each input, as the options of compiling want them; false: too large to evaluate, or not
 * importable. */
static bool make_samples(const struct graph *g, struct arena *a)
{
    int64_t n_elements = 0;
    for (const struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            n_elements += ncc_shape_count(n->out[i]->shape);
    for (int i = 0; i < g->inputs.n; i++)
        n_elements += ncc_shape_count(g->inputs.v[i]->shape);
    if (n_elements > MOST_ELEMENTS || ncc_graph_macs(g) > MOST_MACS || g->inputs.n == 0)
        return false;
    remove_all(fuzz_path("samples").text);
    rmdir(fuzz_path("samples/0").text);
    mkdir(fuzz_path("samples").text, 0700);
    if (g->inputs.n > 1)
        mkdir(fuzz_path("samples/0").text, 0700);
    for (int i = 0; i < g->inputs.n; i++) {
        const int64_t n = ncc_shape_count(g->inputs.v[i]->shape);
        float *x = NCC_NEW(a, float, n);
        for (int64_t k = 0; k < n; k++)
            x[k] = (float)((k * 37 + i * 11) % 23 - 9) / 8;
        const char *name = g->inputs.n > 1 ? ncc_arena_printf(a, "samples/0/%02d.bin", i) : "samples/0.bin";
        fuzz_write(fuzz_path(name).text, x, (size_t)n * sizeof *x);
    }
    return true;
}

static bool prepare(const char *model)
{
    struct exit out = {0};
    struct arena arena = ncc_arena_make(&out);
    struct diags d;
    bool good = false;
    if (setjmp(out.env) == 0) {
        ncc_diag_init(&d, &arena);
        const struct graph *g = ncc_import(model, MODEL_AUTO, NULL, &arena, &d);
        good = g && make_samples(g, &arena);
    }
    ncc_arena_release(&arena);
    return good;
}

void fuzz_compile(const char *model)
{
    struct ncc_compile_options o;
    const struct fuzz_path samples = fuzz_path("samples");
    ncc_compile_defaults(&o);
    o.model = model;
    o.board = "any=1000000000";
    o.target_cpu = true;
    o.inference = NCC_ELEMENT_FLOAT;
    const enum ncc_exit e = compile(&o);
    *(e ? &fuzz_tally.n_refused : &fuzz_tally.n_compiled) += 1;
    if (!prepare(model))
        return;
    o.target_cpu = false;
    o.inference = NCC_ELEMENT_U8;
    o.dataset = samples.text;
    fuzz_tally.n_k210 += !compile(&o);
}
