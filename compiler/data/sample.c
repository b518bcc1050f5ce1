/* Loading a sample. Runs in several threads at once, so all memory is of the one load. */
#include "compiler/data/picture.h"
#include "compiler/data/resample.h"
#include "compiler/data/source.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

struct job {
    const struct input_spec *input;
    const struct data_source *source;
    char *error;
    struct exit out;
    struct arena scratch;
    struct picture picture;
};

static bool refuse(const struct job *j, const char *why)
{
    snprintf(j->error, NCC_DATA_ERROR, "%s", why);
    return false;
}

static bool read_part(const struct job *j, uint64_t at, void *to, size_t size)
{
    const int error = ncc_file_read_part(j->source->path, at, to, size);
    return error == 0 || refuse(j, strerror(error));
}

size_t ncc_data_size(const struct input_spec *input)
{
    size_t size = 1;
    for (int i = 0; i < input->n_dims; i++)
        size *= (size_t)input->dim[i];
    return size;
}

static bool holds_bytes(const struct data_source *source)
{
    return source->is_picture || source->type == NUMBER_U8;
}

static bool load_picture(struct job *j, uint8_t *to)
{
    enum { MAX_FILE = 512 << 20 };
    struct stat info;
    const int c = j->input->dim[1], h = j->input->dim[2], w = j->input->dim[3];
    if (stat(j->source->path, &info) != 0 || info.st_size > MAX_FILE)
        return refuse(j, "the file has gone or is larger than 512 MiB");
    const size_t size = (size_t)info.st_size;
    uint8_t *file = NCC_NEW(&j->scratch, uint8_t, size);
    if (!read_part(j, 0, file, size) || !ncc_picture_decode((struct bytes){file, size}, c, &j->picture, j->error))
        return false;
    ncc_resample(j->picture.pixels, c, j->picture.h, j->picture.w, to, h, w, &j->scratch);
    if (c == 3 && j->input->order == ORDER_BGR)
        for (size_t i = 0, plane = (size_t)h * (size_t)w; i < plane; i++) {
            const uint8_t red = to[i];
            to[i] = to[2 * plane + i];
            to[2 * plane + i] = red;
        }
    return true;
}

/* From h, w, c to c, h, w; items of item_size bytes. */
static void move_channels_first(const uint8_t *from, int c, size_t plane, size_t item_size, uint8_t *to)
{
    for (int k = 0; k < c; k++)
        for (size_t i = 0; i < plane; i++)
            memcpy(to + ((size_t)k * plane + i) * item_size, from + (i * (size_t)c + (size_t)k) * item_size, item_size);
}

/* The elements as they are in the file, but in the order of the input. */
static const uint8_t *load_items(struct job *j)
{
    const size_t n = ncc_data_size(j->input), item_size = ncc_npy_type_size(j->source->type);
    uint8_t *items = ncc_arena_alloc(&j->scratch, n, item_size, 16);
    if (!read_part(j, j->source->at, items, n * item_size))
        return NULL;
    if (!j->source->channels_last)
        return items;
    uint8_t *planar = ncc_arena_alloc(&j->scratch, n, item_size, 16);
    move_channels_first(items, j->input->dim[1], (size_t)j->input->dim[2] * (size_t)j->input->dim[3], item_size,
                        planar);
    return planar;
}

static bool load_bytes(struct job *j, uint8_t *to)
{
    if (j->source->is_picture)
        return load_picture(j, to);
    const uint8_t *items = load_items(j);
    if (items)
        memcpy(to, items, ncc_data_size(j->input));
    return items != NULL;
}

static bool load_numbers(struct job *j, float *to)
{
    const size_t n = ncc_data_size(j->input);
    const uint8_t *items = load_items(j);
    if (!items)
        return false;
    ncc_npy_convert(j->source->type, items, n, to);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(to[i])) {
            snprintf(j->error, NCC_DATA_ERROR, "element %zu is not a finite number", i);
            return false;
        }
    return true;
}

/* Whether mean and std hold for what a source has. */
static bool has_norm(const struct input_spec *input, const struct data_source *source)
{
    return input->has_norm && (!input->bytes_only || holds_bytes(source));
}

/* What the model takes for n numbers of a channel; false: not all are finite. */
static bool normalise(const struct job *j, int channel, size_t n, float *x)
{
    const struct ncc_channel_norm *by = &j->input->by_channel;
    const float mean = by->n ? by->mean[channel] : j->input->mean, std = by->n ? by->std[channel] : j->input->std;
    bool finite = true;
    for (size_t i = 0; i < n && has_norm(j->input, j->source); i++) {
        x[i] = (x[i] - mean) / std;
        finite = finite && isfinite(x[i]);
    }
    return finite;
}

/* Bytes by a table of what each of the 256 becomes. */
static bool normalise_bytes(const struct job *j, int channel, size_t n, const uint8_t *bytes, float *x)
{
    float table[256];
    for (int k = 0; k < 256; k++)
        table[k] = (float)k / 255.0f;
    const bool finite = normalise(j, channel, 256, table);
    for (size_t i = 0; i < n; i++)
        x[i] = table[bytes[i]];
    return finite;
}

static bool load_for_model(struct job *j, void *to)
{
    const size_t n = ncc_data_size(j->input), n_channels = j->input->by_channel.n ? (size_t)j->input->by_channel.n : 1;
    const bool has_bytes = holds_bytes(j->source);
    uint8_t *bytes = has_bytes ? NCC_NEW(&j->scratch, uint8_t, n) : NULL;
    float *x = to;
    if (has_bytes ? !load_bytes(j, bytes) : !load_numbers(j, x))
        return false;
    for (size_t c = 0, each = n / n_channels; c < n_channels; c++) {
        const bool finite = has_bytes ? normalise_bytes(j, (int)c, each, bytes + c * each, x + c * each)
                                      : normalise(j, (int)c, each, x + c * each);
        if (!finite)
            return refuse(j, "mean and std lead to values that are not finite");
    }
    return true;
}

static bool load_for_firmware(struct job *j, void *to)
{
    const size_t n = ncc_data_size(j->input);
    uint8_t *q = to;
    if (holds_bytes(j->source))
        return load_bytes(j, q);
    if (!has_norm(j->input, j->source))
        return refuse(j, "floats have no bytes unless mean and std are given");
    float *x = NCC_NEW(&j->scratch, float, n);
    if (!load_numbers(j, x))
        return false;
    for (size_t i = 0; i < n; i++)
        q[i] = (uint8_t)(fminf(fmaxf(x[i], 0.0f), 1.0f) * 255.0f + 0.5f);
    return true;
}

static void finish(struct job *j)
{
    ncc_arena_release(&j->scratch);
    ncc_picture_free(&j->picture);
}

static bool run(const struct dataset *set, int sample, int input, char *error, bool (*load)(struct job *, void *),
                void *to)
{
    struct job j = {
        .input = &set->inputs[input], .source = &set->source[sample * set->n_inputs + input], .error = error};
    j.scratch = ncc_arena_make(&j.out);
    if (setjmp(j.out.env)) {
        finish(&j);
        return refuse(&j, "there is not enough memory");
    }
    const bool good = load(&j, to);
    finish(&j);
    return good;
}

bool ncc_data_load(const struct dataset *set, int sample, int input, float *to, char error[static NCC_DATA_ERROR])
{
    return run(set, sample, input, error, load_for_model, to);
}

bool ncc_data_load_u8(const struct dataset *set, int sample, int input, uint8_t *to, char error[static NCC_DATA_ERROR])
{
    return run(set, sample, input, error, load_for_firmware, to);
}

bool ncc_data_has_bytes(const struct dataset *set, int sample, int input)
{
    const struct data_source *source = &set->source[sample * set->n_inputs + input];
    return holds_bytes(source) || has_norm(&set->inputs[input], source);
}

const char *ncc_data_file(const struct dataset *set, int sample, int input)
{
    return set->source[sample * set->n_inputs + input].path;
}
