/* What the tests of the Caffe importer share: nets written as text, their weights as a caffemodel beside it. */
#ifndef NCC_TESTS_IMPORT_CAFFE_SUPPORT_H
#define NCC_TESTS_IMPORT_CAFFE_SUPPORT_H

#include "support.h"

#include <caffe.pb-c.h>

/* CAFFE_NET, which the including file defines, keeps the files of two programs apart. */
#define TEXT_PATH   NCC_BINARY_DIR "/tests/import/" CAFFE_NET ".prototxt"
#define BINARY_PATH NCC_BINARY_DIR "/tests/import/" CAFFE_NET ".caffemodel"

enum { MAX_BLOBS = 6 };

/* The weights of one layer: how many numbers each blob has. They follow const_pattern(i, number of the blob). */
struct layer_blobs {
    const char *name;
    int n[MAX_BLOBS]; /* ends with 0 */
};

static inline void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline float weight(int i, int blob)
{
    return const_pattern(i, blob);
}

/* Variances must be positive: blobs 1 of layers that are called bn are. */
static inline float weight_of(const char *layer, int i, int blob)
{
    const bool is_norm = strncmp(layer, "bn", 2) == 0;
    return is_norm && blob > 0 ? fabsf(weight(i, blob)) + 0.25f : weight(i, blob);
}

/* Packs layers until one without a name; the bytes are to be freed. */
static inline uint8_t *pack_weights(const struct layer_blobs *layers, size_t *size)
{
    static float numbers[16][MOST];
    static Caffe__Blob blob[16], *blobs[16];
    static Caffe__LayerWeights layer[8], *list[8];
    Caffe__Weights all = CAFFE__WEIGHTS__INIT;
    size_t n_blobs = 0;
    for (; layers[all.n_layer].name; all.n_layer++) {
        const struct layer_blobs *from = &layers[all.n_layer];
        Caffe__LayerWeights *to = list[all.n_layer] = &layer[all.n_layer];
        caffe__layer_weights__init(to);
        to->name = (char *)from->name;
        to->blobs = &blobs[n_blobs];
        for (int k = 0; k < MAX_BLOBS && from->n[k]; k++, n_blobs++) {
            caffe__blob__init(blobs[n_blobs] = &blob[n_blobs]);
            for (int i = 0; i < from->n[k]; i++)
                numbers[n_blobs][i] = weight_of(from->name, i, k);
            blob[n_blobs].n_data = (size_t)from->n[k];
            blob[n_blobs].data = numbers[n_blobs];
            to->n_blobs++;
        }
    }
    all.layer = list;
    *size = caffe__weights__get_packed_size(&all);
    uint8_t *packed = malloc(*size + 1);
    caffe__weights__pack(&all, packed);
    return packed;
}

/* Writes both files; without blobs (NULL) there is no caffemodel. */
static inline void write_files(const char *text_path, const char *binary_path, const char *text,
                               const struct layer_blobs *blobs)
{
    write_bytes(text_path, text, strlen(text));
    unlink(binary_path);
    if (!blobs)
        return;
    size_t size;
    uint8_t *packed = pack_weights(blobs, &size);
    write_bytes(binary_path, packed, size);
    free(packed);
}

static inline void write_net(const char *text, const struct layer_blobs *blobs)
{
    write_files(TEXT_PATH, BINARY_PATH, text, blobs);
}

static inline void load_net(struct loaded *l, const char *text, const struct layer_blobs *blobs,
                            const struct import_options *options)
{
    write_net(text, blobs);
    load_file(l, TEXT_PATH, options);
}

#endif
