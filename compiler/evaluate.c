/* ncc_evaluate: the source model in floating point, or in the integers that it was made for, sample by sample. */
#include "compiler/base/progress.h"
#include "compiler/data/npy.h"
#include "compiler/ir/element.h"
#include "compiler/ir/eval.h"
#include "compiler/steps.h"

#include <string.h>

/* Samples that are evaluated before their outputs are written. */
enum { BATCH = 64 };

struct evaluation {
    struct compilation *c;
    const char *out_dir;
    bool npy;
    int first;      /* sample of the present batch */
    size_t size;    /* floats of all outputs of a sample */
    float *results; /* [BATCH][size]; integers as floats */
    struct progress progress;
};

static void keep(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    (void)thread;
    const struct evaluation *e = ctx;
    float *to = e->results + (size_t)sample * e->size;
    for (int i = 0; i < e->c->graph->outputs.n; i++) {
        const struct tensor *t = outputs[i];
        const int64_t n = ncc_shape_count(t->shape);
        const bool real = ncc_element_is_float(t->dtype);
        for (int64_t k = 0; k < n; k++)
            *to++ = real ? (float)ncc_element_real(t->dtype, t->data, k) : (float)ncc_element_int(t->dtype, t->data, k);
    }
}

static void step(void *ctx)
{
    ncc_progress_step(&((struct evaluation *)ctx)->progress);
}

static bool write_npy(const struct evaluation *e, const char *name, const float *from)
{
    struct compilation *c = e->c;
    for (int i = 0; i < c->graph->outputs.n; i++) {
        const struct shape s = c->graph->outputs.v[i].value->shape;
        const char *path = ncc_arena_printf(&c->scratch, "%s/%s.%d.npy", e->out_dir, name, i);
        if (!ncc_npy_write(path, NUMBER_F32, s.rank, s.dim, from, &c->diags))
            return false;
        from += ncc_shape_count(s);
    }
    return true;
}

static bool write_sample(const struct evaluation *e, int sample)
{
    struct compilation *c = e->c;
    const char *name = c->data.name[e->first + sample];
    const float *from = e->results + (size_t)sample * e->size;
    if (e->npy)
        return write_npy(e, name, from);
    return ncc_file_write(ncc_arena_printf(&c->scratch, "%s/%s.bin", e->out_dir, name), from, e->size * sizeof *from,
                          &c->diags);
}

static bool run_batches(struct evaluation *e)
{
    struct compilation *c = e->c;
    struct evaluator *run = ncc_eval_open(c->graph, EVAL_FAST, 0);
    const struct eval_hooks hooks = {.ctx = e, .done = keep, .step = step};
    bool good = run != NULL;
    for (; good && e->first < c->data.n; e->first += BATCH) {
        struct samples batch = ncc_compilation_samples(c);
        batch.first = e->first;
        batch.n = c->data.n - e->first < BATCH ? c->data.n - e->first : BATCH;
        good = ncc_eval_run(run, &batch, &hooks);
        for (int i = 0; i < batch.n && good; i++)
            good = write_sample(e, i);
    }
    ncc_eval_close(run);
    return good;
}

/* The runner's steps take only the compilation; what else evaluation needs comes right behind it. */
struct evaluating {
    struct compilation c;
    const char *out_dir;
    bool npy;
};

static bool evaluate(struct compilation *c)
{
    const struct evaluating *outer = (const struct evaluating *)c;
    struct evaluation e = {.c = c, .out_dir = outer->out_dir, .npy = outer->npy};
    for (int i = 0; i < c->graph->outputs.n; i++)
        e.size += (size_t)ncc_shape_count(c->graph->outputs.v[i].value->shape);
    e.results = NCC_NEW(&c->scratch, float, e.size *BATCH);
    e.progress = ncc_progress_begin("evaluating", c->data.n, c->options->quiet);
    const bool good = run_batches(&e);
    ncc_progress_end(&e.progress);
    if (good && !c->options->quiet)
        fprintf(c->out, "%s: evaluated in %s\n", c->data_text,
                ncc_eval_has_codes(c->graph) ? "the model's own integers" : "floating point");
    return good;
}

static const struct step steps[] = {
    {"import", ncc_step_import, true},
    {"canonical", ncc_step_canonical, true},
    {"samples", ncc_step_samples, true},
    {"evaluate", evaluate, true},
};

enum ncc_exit ncc_evaluate(const struct ncc_compile_options *options, const char *out_dir, bool npy, FILE *out,
                           FILE *err)
{
    struct evaluating e = {.out_dir = out_dir, .npy = npy};
    ncc_compilation_open(&e.c, options, out, err);
    e.c.evaluating = true;
    const enum ncc_exit status = ncc_compilation_run(&e.c, steps, sizeof steps / sizeof steps[0]);
    ncc_compilation_close(&e.c);
    return status;
}
