/* Sample inputs from files, in the form that a model takes: pictures, raw tensors, .npy (doc/samples in ncc(1)).
 *
 *     struct ncc_sample_input in = {.rank = 4, .dim = {1, 3, 240, 320}, .is_u8 = true};
 *     struct ncc_samples *s = ncc_samples_open("pictures/", NCC_SAMPLES_AUTO, &in, 1, stderr);
 *     uint8_t picture[3 * 240 * 320];
 *     for (int i = 0; s && i < ncc_samples_count(s); i++)
 *         if (ncc_samples_load(s, i, 0, picture))
 *             use(ncc_samples_name(s, i), picture);
 *     ncc_samples_close(s);
 */
#ifndef NCC_SAMPLES_H
#define NCC_SAMPLES_H

#include <ncc/compiler.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ncc_sample_input {
    const char *name;  /* for messages; may be NULL */
    int rank, dim[6];  /* n (1), c, h, w, or whatever the model has */
    bool is_u8;        /* uint8: a picture's bytes; else float32: pictures scaled to [0, 1], then (x - mean) / std */
    bool has_norm;
    float mean, std;
    struct ncc_channel_norm by_channel; /* with has_norm: in place of mean and std, where n > 0; float inputs only */
    bool bgr;
};

struct ncc_samples;

/* Opens a folder (read recursively, sorted) or a file. What is wrong with it is printed to `err`, all at once, and NULL
 * is the answer. For a uint8 input, files of floats are wrong unless has_norm: no bytes follow from them. `err` and
 * the names in `inputs` must live until the samples are closed. */
struct ncc_samples *ncc_samples_open(const char *path, enum ncc_samples_format format,
                                     const struct ncc_sample_input *inputs, int n_inputs, FILE *err);
void ncc_samples_close(struct ncc_samples *s);

int ncc_samples_count(const struct ncc_samples *s);
const char *ncc_samples_name(const struct ncc_samples *s, int sample); /* file stem, for naming outputs */

/* Fills `to` with the packed tensor, uint8 or float32 by is_u8. False: the reason was printed. May be called from
 * several threads. */
bool ncc_samples_load(const struct ncc_samples *s, int sample, int input, void *to);

/* Calls body(ctx, sample, thread) for every sample, spread over all cores; 0 <= thread < ncc_samples_threads(). Shows a
 * progress bar named `what` when stderr is a terminal and not `quiet`. */
void ncc_samples_each(const struct ncc_samples *s, const char *what, bool quiet,
                      void (*body)(void *ctx, int sample, int thread), void *ctx);
int ncc_samples_threads(void);

/* Write bytes, or a tensor as a .npy file: whole or not at all. False: the reason was printed. */
bool ncc_raw_save(const char *path, const void *data, size_t size, FILE *err);
bool ncc_npy_save(const char *path, bool is_u8, int rank, const int *dims, const void *data, FILE *err);

#ifdef __cplusplus
}
#endif
#endif
