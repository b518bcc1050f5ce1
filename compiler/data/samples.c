/* The public face of dataset.h: one object that owns its memory. The header is the manual. */
#include <ncc/samples.h>

#include "compiler/base/file.h"
#include "compiler/base/parallel.h"
#include "compiler/base/progress.h"
#include "compiler/data/dataset.h"
#include "compiler/data/npy.h"

#include <stdlib.h>
#include <string.h>

struct ncc_samples {
    struct exit exit;
    struct arena arena;
    struct diags diags;
    struct dataset set;
    FILE *err;
};

static struct input_spec spec_of(const struct ncc_sample_input *in)
{
    struct input_spec spec = {
        .name = in->name ? in->name : "input",
        .n_dims = in->rank,
        .is_u8 = in->is_u8,
        .has_norm = in->has_norm,
        .mean = in->mean,
        .std = in->std,
        .by_channel = in->by_channel,
        .order = in->bgr ? ORDER_BGR : ORDER_RGB,
    };
    memcpy(spec.dim, in->dim, sizeof spec.dim);
    return spec;
}

/* A kmodel does not say what its bytes mean, so floats cannot be turned into them without mean and std. */
static void refuse_floats_for_bytes(struct ncc_samples *s)
{
    for (int sample = 0; sample < s->set.n; sample++)
        for (int input = 0; input < s->set.n_inputs; input++)
            if (s->set.inputs[input].is_u8 && !ncc_data_has_bytes(&s->set, sample, input)) {
                ncc_diag_error(&s->diags, FAULT_INPUT, (struct place){.file = ncc_data_file(&s->set, sample, input)},
                               "the model takes bytes, and floats do not say which byte stands for them",
                               "give pictures or files of uint8, or the mean and std of the training with --input-mean "
                               "and --input-std",
                               NULL);
                return;
            }
}

static bool open_samples(struct ncc_samples *s, const char *path, enum ncc_samples_format format,
                         const struct ncc_sample_input *inputs, int n_inputs)
{
    static const enum sample_format formats[] = {[NCC_SAMPLES_AUTO] = SAMPLES_AUTO,
                                                 [NCC_SAMPLES_IMAGE] = SAMPLES_IMAGE,
                                                 [NCC_SAMPLES_RAW] = SAMPLES_RAW,
                                                 [NCC_SAMPLES_NPY] = SAMPLES_NPY};
    if (setjmp(s->exit.env)) {
        fprintf(s->err, "%s: error: there is not enough memory\n", path);
        return false;
    }
    ncc_diag_init(&s->diags, &s->arena);
    struct input_spec *specs = NCC_NEW(&s->arena, struct input_spec, n_inputs);
    for (int i = 0; i < n_inputs; i++)
        specs[i] = spec_of(&inputs[i]);
    if (ncc_data_open(path, formats[format], specs, n_inputs, &s->arena, &s->diags, &s->set))
        refuse_floats_for_bytes(s);
    ncc_diag_print(&s->diags, s->err);
    return s->diags.n_errors == 0;
}

struct ncc_samples *ncc_samples_open(const char *path, enum ncc_samples_format format,
                                     const struct ncc_sample_input *inputs, int n_inputs, FILE *err)
{
    struct ncc_samples *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->err = err;
    s->arena = ncc_arena_make(&s->exit);
    if (open_samples(s, path, format, inputs, n_inputs))
        return s;
    ncc_samples_close(s);
    return NULL;
}

void ncc_samples_close(struct ncc_samples *s)
{
    if (!s)
        return;
    ncc_arena_release(&s->arena);
    free(s);
}

int ncc_samples_count(const struct ncc_samples *s)
{
    return s->set.n;
}

const char *ncc_samples_name(const struct ncc_samples *s, int sample)
{
    return s->set.name[sample];
}

bool ncc_samples_load(const struct ncc_samples *s, int sample, int input, void *to)
{
    char error[NCC_DATA_ERROR] = "";
    const bool good = s->set.inputs[input].is_u8 ? ncc_data_load_u8(&s->set, sample, input, to, error)
                                                 : ncc_data_load(&s->set, sample, input, to, error);
    if (!good)
        fprintf(s->err, "%s: error: the sample cannot be loaded\n    found: %s\n",
                ncc_data_file(&s->set, sample, input), error);
    return good;
}

/* ---- all samples ---- */

struct each {
    struct progress progress;
    void (*body)(void *ctx, int sample, int thread);
    void *ctx;
};

static void do_one(void *ctx, int sample, int thread)
{
    struct each *e = ctx;
    e->body(e->ctx, sample, thread);
    ncc_progress_step(&e->progress);
}

void ncc_samples_each(const struct ncc_samples *s, const char *what, bool quiet,
                      void (*body)(void *ctx, int sample, int thread), void *ctx)
{
    struct each e = {ncc_progress_begin(what, s->set.n, quiet), body, ctx};
    ncc_parallel_for(s->set.n, do_one, &e);
    ncc_progress_end(&e.progress);
}

int ncc_samples_threads(void)
{
    return ncc_parallel_threads();
}

/* ---- files ---- */

struct npy_file {
    bool is_u8;
    int rank;
    const int *dims;
};

/* `npy` NULL: only the bytes. */
static bool save(const char *path, const struct npy_file *npy, const void *data, size_t size, FILE *err)
{
    struct exit out = {0};
    struct arena arena = ncc_arena_make(&out);
    struct diags diags;
    if (setjmp(out.env)) {
        fprintf(err, "%s: error: there is not enough memory\n", path);
        ncc_arena_release(&arena);
        return false;
    }
    ncc_diag_init(&diags, &arena);
    const bool good = npy ? ncc_npy_write(path, npy->is_u8 ? NUMBER_U8 : NUMBER_F32, npy->rank, npy->dims, data, &diags)
                          : ncc_file_write(path, data, size, &diags);
    ncc_diag_print(&diags, err);
    ncc_arena_release(&arena);
    return good;
}

bool ncc_raw_save(const char *path, const void *data, size_t size, FILE *err)
{
    return save(path, NULL, data, size, err);
}

bool ncc_npy_save(const char *path, bool is_u8, int rank, const int *dims, const void *data, FILE *err)
{
    return save(path, &(struct npy_file){is_u8, rank, dims}, data, 0, err);
}
