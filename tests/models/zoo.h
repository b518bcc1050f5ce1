/* Real models with their data: where they are, and reading them. */
#ifndef NCC_TESTS_MODELS_ZOO_H
#define NCC_TESTS_MODELS_ZOO_H

#include "compiler/base/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

enum { ZOO_MAX_INPUT = 3 * 320 * 320 };

/* A golden or labelled tensor: elements as floats, in the source's order. */
struct zoo_array {
    float *v;
    size_t n;
    bool bytes; /* they were uint8 */
};

/* A labelled set: pictures as planar bytes, one after another. */
struct zoo_labelled {
    int n, size;
    uint8_t *pictures;
    int *label;
};

/* What the stored pixels become before the model sees them: (pixel - mean) * scale. Not known when each plane has a
 * mean of its own. */
struct zoo_norm {
    bool known;
    double mean, scale;
};

/* The folder of NCC_ZOO, else the default; NULL: there is none. */
const char *zoo_folder(void);

/* A model is called <format>/<name>; without a format it is TFLite. */
bool zoo_is_packed(const char *model); /* its maps are n, h, w, c (TFLite), else n, c, h, w */
const char *zoo_model(struct arena *a, const char *model); /* its file */
const char *zoo_flat(struct arena *a, const char *model);  /* <format>__<name>, as folders and files are called */

/* golden/<format>__<name>/<file>; a missing file fails the test. */
cJSON *zoo_meta(const char *model);
struct zoo_array zoo_golden(struct arena *a, const char *model, const char *file);
struct zoo_array zoo_npy(struct arena *a, const char *path);
struct zoo_norm zoo_norm(const cJSON *meta);
/* How near a second program comes to the stored outputs: the least cosine of any output, 1 where none was asked. */
double zoo_agreement(const cJSON *meta);

/* Elements of h x w x c into c x h x w, or back. */
void zoo_planar(const float *hwc, int h, int w, int c, float *chw);
void zoo_packed(const float *chw, int h, int w, int c, float *hwc);

/* Bytes of a folder's .bin files (packed h x w x 3), made planar and written to folder `to`, which is made. */
void zoo_make_planar(struct arena *a, const char *from, const char *to, int h, int w);

/* datasets/<name>: the files named in y_labels.csv that are there, 300 at most; signed ones with 128 added to each
 * byte. */
struct zoo_labelled zoo_load_labelled(struct arena *a, const char *name, int h, int w, int c);
struct zoo_labelled zoo_load_signed(struct arena *a, const char *name, int h, int w, int c);
struct zoo_labelled zoo_load_digits(struct arena *a);
/* Square grey pictures of side `from`, bilinear to side `to`, on n_planes equal planes. */
struct zoo_labelled zoo_enlarge(struct arena *a, struct zoo_labelled s, int from, int to, int n_planes);

void zoo_make_folder(const char *path);
void zoo_write(const char *path, const void *data, size_t size);

#endif
