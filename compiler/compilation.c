/* The runner. */
#include "compiler/compilation.h"

#include "compiler/base/parallel.h"
#include "compiler/ir/element.h"
#include "compiler/ir/text.h"
#include "compiler/quant/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct place ncc_whole_model(const struct compilation *c)
{
    return (struct place){c->options->model, NULL, NULL};
}

void ncc_compilation_open(struct compilation *c, const struct ncc_compile_options *options, FILE *out, FILE *err)
{
    memset(c, 0, sizeof *c);
    c->options = options;
    c->out = out;
    c->err = err;
    c->arena = ncc_arena_make(&c->exit);
    c->scratch = ncc_arena_make(&c->exit);
    c->older = ncc_arena_make(&c->exit);
}

void ncc_compilation_close(struct compilation *c)
{
    ncc_arena_release(&c->scratch);
    ncc_arena_release(&c->older);
    ncc_arena_release(&c->arena);
}

static bool feed(void *ctx, int sample, int input, struct tensor *to)
{
    const struct compilation *c = ctx;
    char ignored[NCC_DATA_ERROR]; /* every sample was decoded once before */
    if (!c->samples)
        return ncc_data_load(&c->data, sample, input, to->data, ignored);
    const float *from = c->samples[(size_t)sample * c->data.n_inputs + input];
    const int64_t n = ncc_shape_count(to->shape);
    if (to->dtype == DT_F32)
        memcpy(to->data, from, (size_t)n * sizeof *from);
    for (int64_t i = 0; i < n && to->dtype != DT_F32; i++)
        ncc_element_set_real(to->dtype, to->data, i, rint((double)from[i]));
    return true;
}

struct samples ncc_compilation_samples(const struct compilation *c)
{
    return (struct samples){.feed = feed, .ctx = (void *)(uintptr_t)c, .n = c->data.n};
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool wanted(const char *list, const char *name)
{
    return list && (!strcmp(list, "all") || !strcmp(list, name));
}

static void print_graph(struct compilation *c, const char *after)
{
    if (c->graph && wanted(c->options->print_after, after))
        fprintf(c->err, "# after %s\n%s", after, ncc_text_print(c->graph, false, &c->scratch));
}

static bool dump_graph(struct compilation *c, const char *after)
{
    if (!c->graph || !c->options->dump_ir || !c->options->output)
        return true;
    const char *text = ncc_text_print(c->graph, false, &c->scratch);
    const char *path = ncc_arena_printf(&c->scratch, "%s.%s.txt", c->options->output, after);
    return ncc_file_write(path, text, strlen(text), &c->diags);
}

/* ---- does the graph still mean the same? ---- */

struct captured {
    struct compilation *c;
    float **value; /* outputs one after another, first sample only */
};

static void capture(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    (void)sample;
    (void)thread;
    struct captured *k = ctx;
    for (int i = 0; i < k->c->graph->outputs.n; i++)
        memcpy(k->value[i], outputs[i]->data, (size_t)ncc_shape_count(outputs[i]->shape) * sizeof(float));
}

static float **outputs_of(struct compilation *c, const struct graph *g)
{
    struct captured k = {c, NCC_NEW(&c->scratch, float *, g->outputs.n)};
    for (int i = 0; i < g->outputs.n; i++)
        k.value[i] = NCC_NEW(&c->scratch, float, ncc_shape_count(g->outputs.v[i].value->shape));
    struct samples first = ncc_compilation_samples(c);
    first.n = 1;
    const struct eval_hooks hooks = {.ctx = &k, .done = capture};
    return ncc_eval_samples(g, 0, &first, &hooks) ? k.value : NULL;
}

/* Compares the outputs with those of the source on the first sample. */
static bool means_the_same(struct compilation *c, const char *after)
{
    if (!c->data.n || !c->source || c->source == c->graph)
        return true;
    float **want = outputs_of(c, c->source), **got = outputs_of(c, c->graph);
    for (int i = 0; want && got && i < c->graph->outputs.n; i++) {
        const size_t n = (size_t)ncc_shape_count(c->graph->outputs.v[i].value->shape);
        float largest = 0;
        for (size_t k = 0; k < n; k++)
            largest = fmaxf(largest, fabsf(want[i][k]));
        const double off = ncc_max_difference(want[i], got[i], n);
        if (!(off <= 1e-4 * (double)fmaxf(largest, 1e-6f))) {
            ncc_diag_error(
                &c->diags, FAULT_INTERNAL, ncc_whole_model(c), "a compiler step changed what the model computes",
                "report this with the model; the step is named below", "after '%s' output %s is off by %g of %g", after,
                c->graph->outputs.v[i].name, off, (double)largest);
            return false;
        }
    }
    return want && got;
}

/* ---- steps ---- */

static bool run_step(struct compilation *c, const struct step *s)
{
    const double start = now();
    bool good = s->run(c) && c->diags.n_errors == 0;
    const double seconds = now() - start;
    if (c->options->verbose)
        fprintf(c->err, "%-10s %8.1f ms\n", s->name, seconds * 1e3);
    if (good && c->graph)
        good = ncc_graph_verify(c->graph, s->name) && dump_graph(c, s->name);
    if (good)
        print_graph(c, s->name);
    if (good && c->options->verify_passes && s->same_meaning)
        good = means_the_same(c, s->name);
    ncc_arena_release(&c->scratch);
    ncc_arena_release(&c->older);
    return good;
}

static enum ncc_exit exit_of(const struct compilation *c)
{
    static const enum ncc_exit of[] = {
        [FAULT_INPUT] = NCC_EXIT_INPUT,
        [FAULT_USAGE] = NCC_EXIT_USAGE,
        [FAULT_NO_FIT] = NCC_EXIT_NO_FIT,
        [FAULT_INTERNAL] = NCC_EXIT_INTERNAL,
    };
    return c->diags.n_errors ? of[ncc_diag_first_fault(&c->diags)] : NCC_EXIT_DONE;
}

enum ncc_exit ncc_compilation_run(struct compilation *c, const struct step *steps, int n)
{
    if (setjmp(c->exit.env)) {
        fprintf(c->err, "%s: error: out of memory after %zu MiB\n", c->options->model, c->exit.peak >> 20);
        return NCC_EXIT_INTERNAL;
    }
    ncc_diag_init(&c->diags, &c->arena);
    bool good = true;
    for (int i = 0; i < n && good; i++)
        good = run_step(c, &steps[i]);
    if (!good && !c->diags.n_errors)
        ncc_diag_error(&c->diags, FAULT_INTERNAL, ncc_whole_model(c), "a step failed without saying why",
                       "report this with the model", NULL);
    ncc_diag_print(&c->diags, c->err);
    return exit_of(c);
}
