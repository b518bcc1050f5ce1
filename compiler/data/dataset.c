/* From a path to a list of samples. */
#include "compiler/data/dataset.h"
#include "compiler/base/file.h"
#include "compiler/data/recognize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct builder {
    const char *path;
    enum sample_format format;
    struct arena *arena;
    struct dataset *set;
    struct problems problems;
    struct {
        struct data_source *v;
        int n, cap;
    } sources; /* of one sample after another */
    struct {
        const char **v;
        int n, cap;
    } names;
    const char *transposed; /* the first file with channels last */
    int n_transposed;
};

static bool norm_is_usable(const struct input_spec *input)
{
    const struct ncc_channel_norm *by = &input->by_channel;
    bool good = isfinite(input->mean) && isfinite(input->std) && (input->std != 0 || by->n);
    for (int c = 0; c < by->n; c++)
        good = good && isfinite(by->mean[c]) && isfinite(by->std[c]) && by->std[c] != 0;
    return good && (!by->n || (input->n_dims == 4 && input->dim[1] == by->n));
}

static bool input_is_usable(const struct input_spec *input, struct diags *d)
{
    enum { MAX_SIZE = 1 << 28 };
    const struct place where = {.node = input->name};
    size_t size = 1;
    bool good = input->n_dims >= 0 && input->n_dims <= NCC_DATA_MAX_DIMS;
    for (int i = 0; good && i < input->n_dims; i++) {
        good = input->dim[i] >= 1 && (size_t)input->dim[i] <= MAX_SIZE / size;
        size *= (size_t)input->dim[i];
    }
    if (!good)
        ncc_diag_error(d, FAULT_INPUT, where, "the shape of the input is absurd", NULL, NULL);
    if (input->has_norm && !norm_is_usable(input)) {
        ncc_diag_error(d, FAULT_USAGE, where, "mean and std must be finite, and std not 0", NULL, "mean %g, std %g",
                       (double)input->mean, (double)input->std);
        good = false;
    }
    return good;
}

static void add_source(struct builder *b, const struct data_source *source)
{
    NCC_PUSH(b->arena, &b->sources, *source);
    if (source->channels_last && b->n_transposed++ == 0)
        b->transposed = source->path;
}

/* A file of a model with one input: one sample or several. */
static void add_file(struct builder *b, const char *path)
{
    struct recognized file;
    if (!ncc_data_recognize(path, b->format, b->set->inputs, b->arena, &b->problems, &file))
        return;
    const char *stem = ncc_file_stem(path, b->arena);
    for (int i = 0; i < file.n; i++) {
        struct data_source source = file.first;
        source.at += (uint64_t)i * file.step;
        add_source(b, &source);
        NCC_PUSH(b->arena, &b->names, file.n > 1 ? ncc_arena_printf(b->arena, "%s_%04d", stem, i) : stem);
    }
}

static size_t folder_length(const char *path)
{
    return (size_t)(ncc_file_base(path) - path);
}

/* By folder, then by name. */
static int compare_by_folder(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    const size_t nx = folder_length(x), ny = folder_length(y);
    const int order = memcmp(x, y, nx < ny ? nx : ny);
    return order ? order : nx != ny ? (nx < ny ? -1 : 1) : strcmp(x + nx, y + ny);
}

/* A folder of a model with several inputs: one sample. Its first `n` files are `path`. */
static void add_folder(struct builder *b, const char *const *path, int n)
{
    const struct dataset *set = b->set;
    const char *folder = ncc_arena_copy(b->arena, path[0], folder_length(path[0]) - 1);
    if (n != set->n_inputs) {
        ncc_data_problem(&b->problems, folder, "a sample's folder needs one file for each input", NULL,
                         "%d files, %d inputs", n, set->n_inputs);
        return;
    }
    for (int i = 0; i < n; i++) {
        struct recognized file;
        if (!ncc_data_recognize(path[i], b->format, &set->inputs[i], b->arena, &b->problems, &file))
            continue;
        if (file.n != 1)
            ncc_data_problem(&b->problems, path[i], "a file in a sample's folder may hold only one sample", NULL,
                             "it holds %d", file.n);
        add_source(b, &file.first);
    }
    NCC_PUSH(b->arena, &b->names, ncc_arena_printf(b->arena, "%s", ncc_file_base(folder)));
}

static void add_folders(struct builder *b, struct paths *list)
{
    if (list->n == 1 && strcmp(list->v[0], b->path) == 0) {
        ncc_data_problem(&b->problems, b->path, "a model with several inputs needs folders of samples",
                         "make a folder for each sample, with one file for each input", "a file");
        return;
    }
    qsort(list->v, (size_t)list->n, sizeof *list->v, compare_by_folder);
    for (int from = 0, to; from < list->n; from = to) {
        const size_t length = folder_length(list->v[from]);
        for (to = from + 1; to < list->n; to++)
            if (folder_length(list->v[to]) != length || memcmp(list->v[from], list->v[to], length) != 0)
                break;
        add_folder(b, list->v + from, to - from);
    }
}

/* Leaves out of a folder's list what the format does not take. */
static void leave_out(struct builder *b, struct paths *list)
{
    const char *first = NULL;
    int kept = 0;
    if (list->n == 1 && strcmp(list->v[0], b->path) == 0)
        return;
    for (int i = 0; i < list->n; i++) {
        if (ncc_data_takes_part(list->v[i], b->format))
            list->v[kept++] = list->v[i];
        else if (!first)
            first = list->v[i];
    }
    if (first && kept > 0)
        ncc_diag_note(b->problems.diags, (struct place){.file = b->path}, "files with other extensions are left out",
                      NULL, "%d, the first is %s", list->n - kept, first);
    if (kept == 0)
        ncc_data_problem(&b->problems, b->path, "there are no samples",
                         "samples are jpg, png, bmp, ppm, pgm, npy, bin or raw files; --dataset-format narrows that",
                         "%d files, none with a sample's extension", list->n);
    list->n = kept;
}

struct named {
    const char *name, *file;
};

static int compare_names(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->file, y->file);
}

static void check_names(struct builder *b)
{
    const int n = b->names.n;
    struct named *sorted = NCC_NEW(b->arena, struct named, n);
    for (int i = 0; i < n; i++)
        sorted[i] = (struct named){b->names.v[i], b->sources.v[i * b->set->n_inputs].path};
    if (n > 1)
        qsort(sorted, (size_t)n, sizeof *sorted, compare_names);
    for (int i = 1; i < n; i++)
        if (strcmp(sorted[i - 1].name, sorted[i].name) == 0)
            ncc_data_problem(&b->problems, sorted[i].file, "two samples have the same name",
                             "rename one: results are stored by name", "'%s' is also %s", sorted[i].name,
                             sorted[i - 1].file);
}

static void note_transposed(const struct builder *b)
{
    if (b->n_transposed > 0)
        ncc_diag_note(b->problems.diags, (struct place){.file = b->transposed},
                      "channels come last in the array: it is transposed to n, c, h, w", NULL, "%d samples like this",
                      b->n_transposed);
}

static bool inputs_are_usable(const struct input_spec *inputs, int n_inputs, const char *path, struct diags *d)
{
    bool good = n_inputs > 0;
    if (!good)
        ncc_diag_error(d, FAULT_INPUT, (struct place){.file = path}, "the model has no inputs to be given samples",
                       NULL, NULL);
    for (int i = 0; i < n_inputs; i++)
        good &= input_is_usable(&inputs[i], d);
    return good;
}

bool ncc_data_open(const char *path, enum sample_format format, const struct input_spec *inputs, int n_inputs,
                   struct arena *a, struct diags *d, struct dataset *out)
{
    struct builder b = {.path = path, .format = format, .arena = a, .set = out, .problems = {.diags = d}};
    struct paths list;
    *out = (struct dataset){0};
    if (!inputs_are_usable(inputs, n_inputs, path, d) || !ncc_file_list(path, a, d, &list))
        return false;
    struct input_spec *own = NCC_NEW(a, struct input_spec, n_inputs);
    memcpy(own, inputs, (size_t)n_inputs * sizeof *own);
    out->inputs = own;
    out->n_inputs = n_inputs;

    leave_out(&b, &list);
    if (n_inputs == 1)
        for (int i = 0; i < list.n; i++)
            add_file(&b, list.v[i]);
    else if (list.n > 0)
        add_folders(&b, &list);
    if (b.problems.n == 0)
        check_names(&b);
    ncc_data_problems_end(&b.problems);
    note_transposed(&b);
    out->n = b.names.n;
    out->name = b.names.v;
    out->source = b.sources.v;
    return b.problems.n == 0;
}
