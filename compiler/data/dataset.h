/* Sample inputs for calibration, evaluation and inference: pictures, raw files, .npy files.
 *
 *     struct dataset set;
 *     const char *text;
 *     if (!ncc_data_open("photos", SAMPLES_AUTO, inputs, n_inputs, &arena, &diags, &set) ||
 *         !ncc_data_describe(&set, true, NULL, &arena, &diags, &text))
 *         return false;                       // everything that is wrong is in diags
 *     puts(text);                             // 20 samples, 3x240x320, min -1, max 0.992, picture
 *     float *x = NCC_NEW(&arena, float, ncc_data_size(&inputs[0]));
 *     char error[NCC_DATA_ERROR];
 *     for (int s = 0; s < set.n; s++)
 *         if (!ncc_data_load(&set, s, 0, x, error)) ...
 *
 * What a sample is:
 * - For a model with one input, each file is a sample, named by its stem. A folder is read recursively, in byte
 *   order of the paths. Hidden files are left out. Equal names are an error, because outputs are named by them.
 * - For a model with several inputs, each folder that directly holds files is a sample, named by the last part of
 *   its path. It holds one file for each input, in byte order of their names.
 *
 * What a file is:
 * - A picture: jpg, jpeg, png, bmp, ppm, pgm. For inputs of shape 1 x C x H x W with C = 1 (grey) or 3. It is
 *   converted to C channels, resampled to H x W (resample.h) and rounded to bytes; transparency and the orientation
 *   that a camera noted are ignored. The model gets byte / 255.
 * - A raw file: the elements in NCHW order and nothing else, float32 little-endian or uint8; its size tells which.
 *   Floats are taken as they are, bytes as those of a picture.
 * - An .npy file of one of the types in npy.h; |u1 counts as the bytes of a picture. Its shape is the input's, of which
 *   a leading 1 may be missing; for 1 x 1 x H x W it may also be H x W. If only n, h, w, c fits, it is transposed
 *   and a note says so. With one more leading dimension N > 1 it holds N samples, named stem_0000, stem_0001, ...
 *
 * With has_norm the model gets (x - mean) / std of these, for files of all kinds; with bytes_only for pictures and
 * bytes, while floats are what the model takes.
 *
 * A dataset holds names and places, not the data: every load reads its file. Loads are thread-safe, as long as
 * nobody changes the files.
 */
#ifndef NCC_DATA_DATASET_H
#define NCC_DATA_DATASET_H

#include "compiler/base/diag.h"

#include <ncc/compiler.h>

enum sample_format {
    SAMPLES_AUTO,  /* by extension: those of pictures, .npy, .bin and .raw; in a folder, others are left out, and
                      a single file with another one is raw */
    SAMPLES_IMAGE, /* only pictures; in a folder, files with other extensions are left out */
    SAMPLES_RAW,   /* every file, whatever its extension */
    SAMPLES_NPY,   /* only .npy; in a folder, files with other extensions are left out */
};

enum channel_order { ORDER_RGB, ORDER_BGR };

enum { NCC_DATA_MAX_DIMS = 6 };

/* An input of the model. */
struct input_spec {
    const char *name;
    int n_dims;
    int dim[NCC_DATA_MAX_DIMS]; /* n, c, h, w for a picture, with n = 1 */
    bool is_u8; /* the firmware feeds bytes, from which the model's floats are ((byte / 255) - mean) / std */
    bool has_norm;
    bool bytes_only;          /* mean and std say what bytes mean to the model, and nothing of floats */
    float mean, std;          /* std is not 0 */
    struct ncc_channel_norm by_channel; /* in place of these, where n > 0: of dim[1]; not for is_u8 */
    enum channel_order order; /* in which the model wants the channels of a picture */
};

/* Number of elements of an input. */
size_t ncc_data_size(const struct input_spec *input);

struct data_source; /* where the data of one input of one sample lie */

struct dataset {
    int n;             /* samples, at least 1 */
    const char **name; /* of each, unique, without folder or extension: for the names of output files */
    int n_inputs;
    const struct input_spec *inputs;
    const struct data_source *source; /* [sample][input] */
};

/* Finds the samples at `path`, a folder or a file. Checks names, sizes and the headers of .npy files, but does not yet
 * decode pictures. False if anything is wrong; up to ten problems are told one by one, of the others the
 * number. `inputs` is copied; its names are not. What `out` points to lives in the arena. */
bool ncc_data_open(const char *path, enum sample_format format, const struct input_spec *inputs, int n_inputs,
                   struct arena *a, struct diags *d, struct dataset *out);

/* Room for the text of an error, with the NUL. */
enum { NCC_DATA_ERROR = 200 };

/* Writes the values of an input as the model wants them, in NCHW order: ncc_data_size() floats, all finite. False if
 * the file cannot be read or decoded or has a value that is not finite: `error` says why, and `to` is undefined.
 * Thread-safe. */
bool ncc_data_load(const struct dataset *set, int sample, int input, float *to, char error[static NCC_DATA_ERROR]);

/* True if the firmware's bytes follow from the sample alone: pictures, files of bytes, and with has_norm for all kinds also floats,
 * of which byte / 255 is what the file holds. Other floats must be loaded and quantised as the model's input is. */
bool ncc_data_has_bytes(const struct dataset *set, int sample, int input);

/* The bytes that a firmware feeds: planar, ncc_data_size() of them. Floats are rounded and limited to 0..255.
 * Only where ncc_data_has_bytes(); otherwise false as for other errors. Thread-safe. */
bool ncc_data_load_u8(const struct dataset *set, int sample, int input, uint8_t *to, char error[static NCC_DATA_ERROR]);

/* The file that holds the data, for messages. */
const char *ncc_data_file(const struct dataset *set, int sample, int input);

/* Loads everything once, on all cores, and sums it up in a line such as "20 samples, 3x240x320, min -1, max 0.992,
 * picture" (several inputs: "20 samples; a: 3x240x320, ...; b: ..."). False if a sample does not load: up to ten
 * problems are told one by one. Warns of floats that no byte stands for where the input is_u8 and has_norm.
 * With `calibrating` also warns when samples are few (below 10), or values cannot be right: all equal, or
 * outside of [-1000, 1000]. Where `keep` is not NULL, the values stay in keep[sample * n_inputs + input], buffers of
 * the caller. */
bool ncc_data_describe(const struct dataset *set, bool calibrating, float *const *keep, struct arena *a,
                       struct diags *d, const char **text);

#endif
