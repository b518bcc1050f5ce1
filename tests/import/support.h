/* What the tests of the importer share: loading, running, and the pattern that inputs and constants have. */
#ifndef NCC_TESTS_IMPORT_SUPPORT_H
#define NCC_TESTS_IMPORT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/base/file.h"
#include "compiler/import/import.h"
#include "compiler/ir/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

struct loaded {
    struct exit out;
    struct arena arena;
    struct diags diags;
    struct graph *g; /* NULL: refused, see diags */
};

/* Fails the test when memory runs out, which it does not. */
static inline void load_file(struct loaded *l, const char *path, const struct import_options *options)
{
    *l = (struct loaded){0};
    l->arena = ncc_arena_make(&l->out);
    if (setjmp(l->out.env))
        fail_msg("%s: no memory", path);
    ncc_diag_init(&l->diags, &l->arena);
    l->g = ncc_import(path, MODEL_AUTO, options, &l->arena, &l->diags);
}

static inline void unload(struct loaded *l)
{
    ncc_arena_release(&l->arena);
}

static inline const char *model_path(const char *name, char path[300])
{
    snprintf(path, 300, "%s/%s.tflite", MODELS, name);
    return path;
}

static inline void skip_without_models(void)
{
    char path[300];
    if (access(model_path("chain", path), R_OK) == 0)
        return;
    print_message("skipped: no test models, since flatc is missing\n");
    skip();
}

static inline void load_model(struct loaded *l, const char *name, const struct import_options *options)
{
    char path[300];
    load_file(l, model_path(name, path), options);
}

static inline void expect_graph(const struct loaded *l, const char *name)
{
    if (l->g)
        return;
    ncc_diag_print(&l->diags, stderr);
    fail_msg("%s was refused", name);
}

/* Whether some message has all of `text` in its rule, finding, remedy or place. */
static inline bool has_message(const struct loaded *l, const char *text)
{
    for (const struct diag *d = l->diags.first; d; d = d->next) {
        const char *parts[] = {d->rule, d->found, d->remedy, d->place.node, d->place.op};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if (parts[i] && strstr(parts[i], text))
                return true;
    }
    return false;
}

static inline int count_ops(const struct graph *g, enum op op)
{
    int n = 0;
    for (const struct node *k = g->first; k; k = k->next)
        n += k->op == op;
    return n;
}

/* ---- running ---- */

struct feed {
    const float *const *in; /* one array per input, in the order of the graph's */
    float **out;            /* allocated, to be freed */
};

static inline bool feed_inputs(void *ctx, int sample, int input, struct tensor *to)
{
    const struct feed *f = ctx;
    (void)sample;
    const int64_t n = ncc_shape_count(to->shape);
    assert_int_equal(to->dtype, DT_F32);
    memcpy(to->data, f->in[input], (size_t)n * sizeof(float));
    return true;
}

static inline void keep_outputs(void *ctx, int sample, int thread, const struct tensor *const *outputs)
{
    struct feed *f = ctx;
    (void)sample, (void)thread;
    for (int i = 0; f->out[i]; i++)
        memcpy(f->out[i], outputs[i]->data, (size_t)ncc_shape_count(outputs[i]->shape) * sizeof(float));
}

static inline void run_graph(const struct graph *g, enum eval_mode mode, const float *const *in, float **out)
{
    for (int i = 0; i < g->outputs.n; i++) {
        assert_int_equal(g->outputs.v[i].value->dtype, DT_F32);
        out[i] = calloc((size_t)ncc_shape_count(g->outputs.v[i].value->shape) + 1, sizeof(float));
    }
    out[g->outputs.n] = NULL;
    struct feed f = {in, out};
    struct evaluator *e = ncc_eval_open(g, mode, 0);
    assert_non_null(e);
    const struct eval_hooks hooks = {.ctx = &f, .done = keep_outputs};
    assert_true(ncc_eval_run(e, &(struct samples){.feed = feed_inputs, .ctx = &f, .n = 1}, &hooks));
    ncc_eval_close(e);
}

/* ---- orders ---- */

/* Element order of a map with the shape n, c, h, w: from or to n, h, w, c. */
static inline void swap_layout(struct shape nchw, const float *from, float *to, bool to_nchw)
{
    const int c = nchw.dim[1], hw = nchw.dim[2] * nchw.dim[3];
    for (int i = 0; i < nchw.dim[0] * c * hw; i++) {
        const int n = i / (c * hw), channel = i / hw % c, pixel = i % hw, other = (n * hw + pixel) * c + channel;
        if (to_nchw)
            to[i] = from[other];
        else
            to[other] = from[i];
    }
}

/* ---- integer weights and float activations ---- */

/* Element i of n, rounded to 127 parts of the largest. */
static inline float in_127_parts(const float *x, int n, int i)
{
    float largest = 0;
    for (int k = 0; k < n; k++)
        largest = fmaxf(largest, fabsf(x[k]));
    return roundf(x[i] * (127 / largest)) * (largest / 127);
}

/* ---- patterns ---- */

#define MOST 2048 /* elements of a tensor in the models of operators */

static inline float input_pattern(int i, int input)
{
    return (float)((37 * i + 11 * input) % 23 - 9) / 8;
}

static inline float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

/* As in make_models.py; tensor counts the tensors of the model. */
static inline float const_pattern(int i, int tensor)
{
    return (float)((29 * i + 7 * tensor) % 19 - 8) / 16;
}

#endif
