/* A Caffe net: text, and protobuf-c packs the weights. */
#include "bench/synthetic_model.h"

#include "bench/measure.h"

#include <caffe.pb-c.h>

#include <stdio.h>
#include <stdlib.h>

static char *make_text(int n, int width)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    fprintf(f, "input: \"t0\" input_shape { dim: 1 dim: %d }\n", width);
    for (int i = 0; i < n; i++)
        fprintf(f,
                "layer { name: \"l%d\" type: \"InnerProduct\" bottom: \"t%d\" top: \"t%d\"\n"
                "  inner_product_param { num_output: %d bias_term: false } }\n",
                i, i, i + 1, width);
    fclose(f);
    return text;
}

/* All layers share one array of weights, and the memory of one message each. */
uint8_t *bench_caffe_make(int n, int width, size_t *size, char **text)
{
    Caffe__Weights all = CAFFE__WEIGHTS__INIT;
    Caffe__Blob blob = CAFFE__BLOB__INIT, *blobs[] = {&blob};
    Caffe__LayerWeights *layers = calloc((size_t)n, sizeof *layers), **list = calloc((size_t)n, sizeof(void *));
    char(*names)[16] = calloc((size_t)n, sizeof *names);
    uint8_t *packed = NULL;
    float *weights = bench_floats((size_t)width * (size_t)width);
    blob.n_data = (size_t)width * (size_t)width;
    blob.data = weights;
    for (int i = 0; layers && list && names && i < n; i++) {
        caffe__layer_weights__init(&layers[i]);
        snprintf(names[i], sizeof names[i], "l%d", i);
        layers[i].name = names[i];
        layers[i].n_blobs = 1;
        layers[i].blobs = blobs;
        list[i] = &layers[i];
        all.n_layer++;
    }
    all.layer = list;
    *size = caffe__weights__get_packed_size(&all);
    *text = make_text(n, width);
    if (all.n_layer == (size_t)n && *text)
        packed = malloc(*size + 1);
    if (packed)
        caffe__weights__pack(&all, packed);
    free(weights);
    free(names);
    free(list);
    free(layers);
    return packed;
}
