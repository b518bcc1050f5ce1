#include "compiler/data/recognize.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum kind { KIND_OTHER, KIND_PICTURE, KIND_NPY, KIND_RAW };

static enum kind kind_of_extension(const char *path)
{
    static const struct {
        const char *extension;
        enum kind kind;
    } rows[] = {
        {"jpg", KIND_PICTURE}, {"jpeg", KIND_PICTURE}, {"png", KIND_PICTURE},
        {"bmp", KIND_PICTURE}, {"ppm", KIND_PICTURE},  {"pgm", KIND_PICTURE},
        {"npy", KIND_NPY},     {"bin", KIND_RAW},      {"raw", KIND_RAW},
    };
    const char *extension = ncc_file_extension(path);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcasecmp(extension, rows[i].extension) == 0)
            return rows[i].kind;
    return KIND_OTHER;
}

bool ncc_data_takes_part(const char *path, enum sample_format format)
{
    const enum kind kind = kind_of_extension(path);
    switch (format) {
    case SAMPLES_IMAGE:
        return kind == KIND_PICTURE;
    case SAMPLES_NPY:
        return kind == KIND_NPY;
    case SAMPLES_RAW:
        return true;
    case SAMPLES_AUTO:
        break;
    }
    return kind != KIND_OTHER;
}

static enum kind choose_kind(const char *path, enum sample_format format)
{
    switch (format) {
    case SAMPLES_IMAGE:
        return KIND_PICTURE;
    case SAMPLES_NPY:
        return KIND_NPY;
    case SAMPLES_RAW:
        return KIND_RAW;
    case SAMPLES_AUTO:
        break;
    }
    const enum kind kind = kind_of_extension(path);
    return kind == KIND_OTHER ? KIND_RAW : kind;
}

const char *ncc_data_shape_text(const struct input_spec *input, struct arena *a)
{
    const char *text = "";
    for (int i = 0; i < input->n_dims; i++)
        text = ncc_arena_printf(a, i > 0 ? "%sx%d" : "%s%d", text, input->dim[i]);
    return *text ? text : "a single number";
}

static bool recognize_picture(const char *path, const struct input_spec *input, struct arena *scratch,
                              struct problems *problems, struct recognized *out)
{
    if (input->n_dims != 4 || input->dim[0] != 1 || (input->dim[1] != 1 && input->dim[1] != 3)) {
        ncc_data_problem(problems, path, "a picture needs an input of 1x1xHxW or 1x3xHxW", "give raw or .npy files",
                         "input '%s' is %s", input->name, ncc_data_shape_text(input, scratch));
        return false;
    }
    *out = (struct recognized){.first = {.path = path, .is_picture = true}, .n = 1};
    return true;
}

static bool recognize_raw(const char *path, uint64_t size, const struct input_spec *input, struct arena *scratch,
                          struct problems *problems, struct recognized *out)
{
    const uint64_t n = ncc_data_size(input);
    if (size != n && size != n * sizeof(float)) {
        ncc_data_problem(problems, path, "the size of the file does not fit the input", NULL,
                         "%llu bytes; input '%s' of %s takes %llu as uint8 or %llu as float32",
                         (unsigned long long)size, input->name, ncc_data_shape_text(input, scratch),
                         (unsigned long long)n, (unsigned long long)(n * sizeof(float)));
        return false;
    }
    const enum number_type type = size == n ? NUMBER_U8 : NUMBER_F32;
    *out = (struct recognized){.first = {.path = path, .type = type}, .n = 1};
    return true;
}

/* The dimensions of one sample: those of the input without the leading 1, in the file's order. */
struct sample_shape {
    int n_dims;
    int dim[NCC_DATA_MAX_DIMS];
};

static bool ends_with(const struct npy *npy, const struct sample_shape *shape)
{
    const int leading = npy->n_dims - shape->n_dims;
    if (leading < 0 || leading > 1)
        return false;
    for (int i = 0; i < shape->n_dims; i++)
        if (npy->dim[leading + i] != shape->dim[i])
            return false;
    return true;
}

static bool match_shape(const struct npy *npy, const struct input_spec *input, struct recognized *out)
{
    const int skipped = input->n_dims > 1 && input->dim[0] == 1;
    struct sample_shape shape = {.n_dims = input->n_dims - skipped};
    for (int i = 0; i < shape.n_dims; i++)
        shape.dim[i] = input->dim[i + skipped];
    if (ends_with(npy, &shape))
        return true;
    if (input->n_dims != 4 || !skipped)
        return false;
    const int c = input->dim[1], h = input->dim[2], w = input->dim[3];
    if (c == 1 && ends_with(npy, &(struct sample_shape){2, {h, w}}))
        return true;
    out->first.channels_last = ends_with(npy, &(struct sample_shape){3, {h, w, c}});
    return out->first.channels_last;
}

static const char *npy_shape_text(const struct npy *npy, struct arena *a)
{
    const char *text = "";
    for (int i = 0; i < npy->n_dims; i++)
        text = ncc_arena_printf(a, i > 0 ? "%sx%lld" : "%s%lld", text, (long long)npy->dim[i]);
    return *text ? text : "a single number";
}

static bool recognize_npy(const char *path, uint64_t size, const struct input_spec *input, struct arena *scratch,
                          struct problems *problems, struct recognized *out)
{
    enum { MAX_SAMPLES = 1000000 };
    char error[NCC_NPY_ERROR];
    struct npy npy;
    const size_t head_size = size < NCC_NPY_MAX_HEADER ? (size_t)size : NCC_NPY_MAX_HEADER;
    uint8_t *head = NCC_NEW(scratch, uint8_t, head_size);
    const int code = ncc_file_read_part(path, 0, head, head_size);
    if (code || !ncc_npy_parse(head, head_size, size, &npy, error)) {
        ncc_data_problem(problems, path, "the .npy file cannot be read", NULL, "%s", code ? strerror(code) : error);
        return false;
    }
    *out = (struct recognized){.first = {.path = path, .type = npy.type, .at = npy.data}, .n = 1};
    if (!match_shape(&npy, input, out) || npy.n == 0) {
        ncc_data_problem(problems, path, "the shape of the array does not fit the input", NULL, "%s; input '%s' is %s",
                         npy_shape_text(&npy, scratch), input->name, ncc_data_shape_text(input, scratch));
        return false;
    }
    if (npy.n / ncc_data_size(input) > MAX_SAMPLES) {
        ncc_data_problem(problems, path, "the file holds more than a million samples", NULL, "%s",
                         npy_shape_text(&npy, scratch));
        return false;
    }
    out->n = (int)(npy.n / ncc_data_size(input));
    out->step = ncc_data_size(input) * ncc_npy_type_size(npy.type);
    return true;
}

bool ncc_data_recognize(const char *path, enum sample_format format, const struct input_spec *input,
                        struct arena *scratch, struct problems *problems, struct recognized *out)
{
    struct stat info;
    const enum kind kind = choose_kind(path, format);
    if (kind == KIND_PICTURE)
        return recognize_picture(path, input, scratch, problems, out);
    if (stat(path, &info) != 0) {
        ncc_data_problem(problems, path, "the file cannot be read", NULL, "it has gone");
        return false;
    }
    const uint64_t size = (uint64_t)info.st_size;
    return kind == KIND_NPY ? recognize_npy(path, size, input, scratch, problems, out)
                            : recognize_raw(path, size, input, scratch, problems, out);
}
