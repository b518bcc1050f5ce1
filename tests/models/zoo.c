#include "tests/models/zoo.h"

#include "compiler/data/npy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

const char *zoo_folder(void)
{
    const char *folder = getenv("NCC_ZOO");
    if (!folder)
        folder = NCC_SOURCE_DIR "/../shared/zoo";
    return access(folder, R_OK) == 0 ? folder : NULL;
}

static struct bytes read_file(struct arena *a, const char *path)
{
    struct diags d;
    struct bytes file;
    ncc_diag_init(&d, a);
    if (!ncc_file_read(path, (size_t)1 << 28, a, &d, &file))
        fail_msg("%s cannot be read", path);
    return file;
}

bool zoo_is_packed(const char *model)
{
    return !strchr(model, '/') || strncmp(model, "tflite/", 7) == 0;
}

const char *zoo_model(struct arena *a, const char *model)
{
    const char *slash = strchr(model, '/');
    if (!slash)
        return ncc_arena_printf(a, "%s/tflite/%s.tflite", zoo_folder(), model);
    const int length = (int)(slash - model);
    const bool is_caffe = strncmp(model, "caffe/", 6) == 0;
    return ncc_arena_printf(a, "%s/%s.%.*s%s", zoo_folder(), model, length, model, is_caffe ? "model" : "");
}

const char *zoo_flat(struct arena *a, const char *model)
{
    const char *slash = strchr(model, '/');
    if (!slash)
        return ncc_arena_printf(a, "tflite__%s", model);
    return ncc_arena_printf(a, "%.*s__%s", (int)(slash - model), model, slash + 1);
}

cJSON *zoo_meta(const char *model)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    const struct bytes file =
        read_file(&a, ncc_arena_printf(&a, "%s/golden/%s/meta.json", zoo_folder(), zoo_flat(&a, model)));
    cJSON *meta = cJSON_ParseWithLength((const char *)file.data, file.size);
    ncc_arena_release(&a);
    assert_non_null(meta);
    return meta;
}

struct zoo_array zoo_npy(struct arena *a, const char *path)
{
    const struct bytes file = read_file(a, path);
    struct npy h;
    char error[NCC_NPY_ERROR];
    if (!ncc_npy_parse(file.data, file.size, file.size, &h, error))
        fail_msg("%s: %s", path, error);
    struct zoo_array r = {NCC_NEW(a, float, h.n), h.n, h.type == NUMBER_U8};
    ncc_npy_convert(h.type, file.data + h.data, h.n, r.v);
    return r;
}

struct zoo_array zoo_golden(struct arena *a, const char *model, const char *file)
{
    return zoo_npy(a, ncc_arena_printf(a, "%s/golden/%s/%s", zoo_folder(), zoo_flat(a, model), file));
}

struct zoo_norm zoo_norm(const cJSON *meta)
{
    const cJSON *input = cJSON_GetArrayItem(cJSON_GetObjectItem(meta, "inputs"), 0);
    const cJSON *how = cJSON_GetObjectItem(input, "preprocess");
    if (!cJSON_IsObject(how) || !cJSON_IsNumber(cJSON_GetObjectItem(how, "mean")))
        return (struct zoo_norm){false, 0, 1};
    return (struct zoo_norm){true, cJSON_GetObjectItem(how, "mean")->valuedouble,
                             cJSON_GetObjectItem(how, "scale")->valuedouble};
}

double zoo_agreement(const cJSON *meta)
{
    double least = 1;
    const cJSON *program, *output;
    cJSON_ArrayForEach(program, cJSON_GetObjectItem(meta, "oracles"))
        cJSON_ArrayForEach(output, cJSON_GetObjectItem(program, "vs_primary")) {
            const cJSON *cosine = cJSON_GetObjectItem(output, "cos");
            if (cJSON_IsNumber(cosine))
                least = fmin(least, cosine->valuedouble);
        }
    return least;
}

void zoo_planar(const float *hwc, int h, int w, int c, float *chw)
{
    for (int k = 0; k < c; k++)
        for (int i = 0; i < h * w; i++)
            chw[k * h * w + i] = hwc[i * c + k];
}

void zoo_packed(const float *chw, int h, int w, int c, float *hwc)
{
    for (int k = 0; k < c; k++)
        for (int i = 0; i < h * w; i++)
            hwc[i * c + k] = chw[k * h * w + i];
}

static void planar_bytes(const uint8_t *hwc, int pixels, int c, uint8_t *chw)
{
    for (int k = 0; k < c; k++)
        for (int i = 0; i < pixels; i++)
            chw[k * pixels + i] = hwc[i * c + k];
}

void zoo_make_folder(const char *path)
{
    if (mkdir(path, 0777) && access(path, W_OK))
        fail_msg("%s cannot be made", path);
}

void zoo_write(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f))
        fail_msg("%s cannot be written", path);
}

void zoo_make_planar(struct arena *a, const char *from, const char *to, int h, int w)
{
    struct diags d;
    struct paths files;
    ncc_diag_init(&d, a);
    zoo_make_folder(to);
    assert_true(ncc_file_list(from, a, &d, &files));
    for (int i = 0; i < files.n; i++) {
        const struct bytes file = read_file(a, files.v[i]);
        if (strcmp(ncc_file_extension(files.v[i]), "bin") || file.size != (size_t)h * (size_t)w * 3)
            continue;
        uint8_t *planar = NCC_NEW(a, uint8_t, file.size);
        planar_bytes(file.data, h * w, 3, planar);
        zoo_write(ncc_arena_printf(a, "%s/%s", to, ncc_file_base(files.v[i])), planar, file.size);
    }
}

struct zoo_labelled zoo_load_labelled(struct arena *a, const char *name, int h, int w, int c)
{
    struct zoo_labelled s = {.size = h * w * c};
    const char *folder = ncc_arena_printf(a, "%s/datasets/%s", zoo_folder(), name);
    const struct bytes list = read_file(a, ncc_arena_printf(a, "%s/y_labels.csv", folder));
    s.pictures = NCC_NEW(a, uint8_t, (size_t)s.size * 300);
    s.label = NCC_NEW(a, int, 300);
    char *text = ncc_arena_copy(a, (const char *)list.data, list.size), *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line && s.n < 300; line = strtok_r(NULL, "\r\n", &rest)) {
        char *comma = strchr(line, ',');
        if (!comma)
            continue;
        *comma = 0;
        const char *path = ncc_arena_printf(a, "%s/%s", folder, line);
        if (access(path, R_OK))
            continue;
        const struct bytes file = read_file(a, path);
        assert_int_equal(file.size, s.size);
        planar_bytes(file.data, h * w, c, s.pictures + (size_t)s.n * (size_t)s.size);
        s.label[s.n++] = atoi(strrchr(comma + 1, ',') + 1);
    }
    return s;
}

struct zoo_labelled zoo_load_signed(struct arena *a, const char *name, int h, int w, int c)
{
    struct zoo_labelled s = zoo_load_labelled(a, name, h, w, c);
    for (size_t i = 0; i < (size_t)s.n * (size_t)s.size; i++)
        s.pictures[i] ^= 0x80;
    return s;
}

struct zoo_labelled zoo_load_digits(struct arena *a)
{
    const struct zoo_array x = zoo_npy(a, ncc_arena_printf(a, "%s/datasets/mnist/images_u8.npy", zoo_folder()));
    const struct zoo_array y = zoo_npy(a, ncc_arena_printf(a, "%s/datasets/mnist/labels.npy", zoo_folder()));
    struct zoo_labelled s = {(int)y.n, 28 * 28, NCC_NEW(a, uint8_t, x.n), NCC_NEW(a, int, y.n)};
    assert_int_equal(x.n, y.n * 28 * 28);
    for (size_t i = 0; i < x.n; i++)
        s.pictures[i] = (uint8_t)x.v[i];
    for (size_t i = 0; i < y.n; i++)
        s.label[i] = (int)y.v[i];
    return s;
}

/* Between pixel centres; at the edge the outermost pixel. */
static double pixel_at(const uint8_t *picture, int side, double y, double x)
{
    y = fmin(fmax(y, 0), side - 1);
    x = fmin(fmax(x, 0), side - 1);
    const int y0 = (int)y, x0 = (int)x, y1 = y0 + 1 < side ? y0 + 1 : y0, x1 = x0 + 1 < side ? x0 + 1 : x0;
    const double up = picture[y0 * side + x0] * (1 - (x - x0)) + picture[y0 * side + x1] * (x - x0);
    const double low = picture[y1 * side + x0] * (1 - (x - x0)) + picture[y1 * side + x1] * (x - x0);
    return up * (1 - (y - y0)) + low * (y - y0);
}

struct zoo_labelled zoo_enlarge(struct arena *a, struct zoo_labelled s, int from, int to, int n_planes)
{
    struct zoo_labelled large = s;
    large.size = n_planes * to * to;
    large.pictures = NCC_NEW(a, uint8_t, (size_t)s.n * (size_t)large.size);
    uint8_t *p = large.pictures;
    for (int i = 0; i < s.n; i++)
        for (int k = 0; k < n_planes; k++)
            for (int y = 0; y < to; y++)
                for (int x = 0; x < to; x++)
                    *p++ = (uint8_t)rint(pixel_at(s.pictures + (size_t)i * (size_t)s.size, from,
                                                  (y + 0.5) * from / to - 0.5, (x + 0.5) * from / to - 0.5));
    return large;
}
