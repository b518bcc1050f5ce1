/* Which format a file has, by its content. */
#include "compiler/import/caffe.h"
#include "compiler/import/import.h"
#include "compiler/import/onnx.h"
#include "compiler/import/tflite.h"

#include <string.h>

static bool starts_with(struct bytes file, const char *magic, size_t n)
{
    return file.size >= n && memcmp(file.data, magic, n) == 0;
}

static bool is_tflite(struct bytes file)
{
    return ncc_fb_has_identifier(file, "TFL3");
}

static bool is_caffe(struct bytes file)
{
    return ncc_caffe_is_text(file) || ncc_caffe_probe(file);
}

typedef struct graph *importer(struct bytes bytes, const char *path, const struct import_options *options,
                               struct arena *arena, struct diags *d);

static const struct {
    const char *name;
    bool (*recognise)(struct bytes file);
    importer *import;
} formats[] = {
    [MODEL_TFLITE] = {"TFLite", is_tflite, ncc_tflite_import},
    [MODEL_ONNX] = {"ONNX", ncc_onnx_probe, ncc_onnx_import},
    [MODEL_CAFFE] = {"Caffe", is_caffe, ncc_caffe_import},
};

static enum model_format recognise(struct bytes file)
{
    for (int i = MODEL_TFLITE; i <= MODEL_CAFFE; i++)
        if (formats[i].recognise(file))
            return (enum model_format)i;
    return ncc_tflite_probe(file) ? MODEL_TFLITE : MODEL_AUTO;
}

/* Files that people try, and what to do with them. */
static const char *remedy_for(struct bytes file)
{
    if (starts_with(file, "\x89HDF", 4))
        return "this is a Keras file: convert it with tf.lite.TFLiteConverter.from_keras_model";
    if (starts_with(file, "LDMK", 4) || starts_with(file, "\3\0\0\0", 4))
        return "this is a kmodel, compiled already: give the model that it was made from; ncc inspect shows what is in it";
    if (starts_with(file, "PK", 2))
        return "this is an archive (Keras, PyTorch or kfpkg): export the model to TFLite or ONNX";
    return "give a .tflite or .onnx file, or the .prototxt or .caffemodel of a Caffe net";
}

struct graph *ncc_import(const char *path, enum model_format format, const struct import_options *options,
                         struct arena *arena, struct diags *d)
{
    static const struct import_options none = {0};
    const size_t limit = (size_t)1 << 30;
    const struct place where = {.file = path};
    struct bytes file;
    if (!ncc_file_read(path, limit, arena, d, &file))
        return NULL;
    if (format == MODEL_AUTO)
        format = recognise(file);
    if (format == MODEL_AUTO) {
        ncc_diag_error(d, FAULT_INPUT, where, "the file is not a model of a known format", remedy_for(file), NULL);
        return NULL;
    }
    if (!formats[format].recognise(file))
        ncc_diag_note(d, where,
                      ncc_arena_printf(arena, "the file does not say that it is a model in %s; it is read as one",
                                       formats[format].name),
                      NULL, NULL);
    return formats[format].import(file, path, options ? options : &none, arena, d);
}
