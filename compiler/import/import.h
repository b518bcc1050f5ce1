/* From a trained model's file to the graph.
 *
 *     struct graph *g = ncc_import("digits.tflite", MODEL_AUTO, NULL, &arena, &diags);
 *     if (!g)
 *         ncc_diag_print(&diags, stderr);
 *
 * What comes out verifies, has batch 1 and static shapes, and is NCHW:
 *
 * - A graph input of rank 4 that the model has as [N, H, W, C] is N x C x H x W in the graph, with the same
 *   name; one with H = W = 1 keeps its shape (the order of the elements is the same). A model that is NCHW
 *   itself inside the file (its inputs go straight into transpositions to NHWC) keeps its order.
 *   Inputs of other ranks are as in the model.
 * - Graph outputs of rank 4 are N x C x H x W, others are as in the model, element for element.
 *
 * Caffe: the path is that of the prototxt or of the caffemodel; the other file is looked for beside it. The prototxt's
 * net wins, and weights are matched by the names of the layers.
 *
 * In between there are transpositions only where the model depends on the order of the elements (a reshape
 * that mixes channels and pixels) or contains one itself.
 */
#ifndef NCC_IMPORT_IMPORT_H
#define NCC_IMPORT_IMPORT_H

#include "compiler/ir/graph.h"

enum model_format { MODEL_AUTO, MODEL_TFLITE, MODEL_ONNX, MODEL_CAFFE };

/* Zeroed: everything as the model says. */
struct import_options {
    /* Shapes of graph inputs, instead of the model's own; rank 4 in the order of the graph's input (NCHW).
     * The only way to give a size to a dimension that the model leaves open, except the batch. */
    const struct shape_override {
        const char *name;
        struct shape shape;
    } *shapes;
    int n_shapes;
    /* Tensors of the model, by name, that become the graph's inputs and outputs, in this order, instead of the
     * model's own. What does not lie between them is not imported and need not be supported. */
    const char *const *input_tensors;
    int n_input_tensors;
    const char *const *output_tensors;
    int n_output_tensors;
    bool native_outputs; /* outputs of rank 4 keep the model's own order, too */
    bool keep_batch;     /* ONNX: the batch stays as the model has it; for tests of single operators */
    const char *caffe_prototxt; /* the net to a caffemodel; NULL: a file beside it with its stem, or the net inside it */
};

/* Reads a model. MODEL_AUTO recognises the format by the file's content. `options` may be NULL; nothing of it
 * is kept. The file's bytes stay in the arena, and constants point into them where they can.
 *
 * NULL: at least one error was added to `d`. Operators that are not supported are all listed before giving up.
 * Nothing in the file is trusted, and the work is bounded by a multiple of its size. */
struct graph *ncc_import(const char *path, enum model_format format, const struct import_options *options,
                         struct arena *arena, struct diags *d);

#endif
