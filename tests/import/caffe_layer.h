/* Nets of one Caffe layer: running them on a pattern, and what they must give. */
#ifndef NCC_TESTS_IMPORT_CAFFE_LAYER_H
#define NCC_TESTS_IMPORT_CAFFE_LAYER_H

#include "expect_caffe.h"

#include <sys/stat.h>

#define C                 4
#define H                 5
#define W                 6
#define INPUT(name, dims) "input: \"" name "\" input_shape { " dims " } "
#define MAP_INPUT         INPUT("x", "dim: 1 dim: 4 dim: 5 dim: 6")
#define LAYER(type, more) "layer { name: \"l\" type: \"" type "\" bottom: \"x\" top: \"y\" " more " }"
#define NET(type, more)   MAP_INPUT LAYER(type, more)

static inline struct map test_map(int c, int h, int w, int input)
{
    struct map m = {c, h, w, {0}};
    for (int i = 0; i < c * h * w; i++)
        m.v[i] = input_pattern(i, input);
    return m;
}

/* The last nets of each program stay, as seeds for fuzz/. */
static inline void keep_net(const char *text, const struct layer_blobs *blobs)
{
    enum { N_KEPT = 128 };
    static const struct layer_blobs none[] = {{0}};
    static const char folder[] = NCC_BINARY_DIR "/tests/import/caffe";
    static int n;
    char paths[2][300];
    mkdir(folder, 0777);
    snprintf(paths[0], sizeof paths[0], "%s/" CAFFE_NET "%03d.prototxt", folder, n % N_KEPT);
    snprintf(paths[1], sizeof paths[1], "%s/" CAFFE_NET "%03d.caffemodel", folder, n % N_KEPT);
    write_files(paths[0], paths[1], text, blobs ? blobs : none);
    n++;
}

/* Loads the net and runs it on the pattern; the outputs are to be freed, up to NULL. */
static inline void run_net(struct loaded *l, const char *text, const struct layer_blobs *blobs, float **out)
{
    static float x[3][MOST];
    const float *in[3] = {x[0], x[1], x[2]};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < MOST; i++)
            x[k][i] = input_pattern(i, k);
    load_net(l, text, blobs, NULL);
    keep_net(text, blobs);
    expect_graph(l, text);
    run_graph(l->g, EVAL_FAST, in, out);
}

static inline void expect_same(const char *what, const float *want, const float *got, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabsf(want[i] - got[i]) <= 2e-5f * fmaxf(1, fabsf(want[i]))))
            fail_msg("%s: element %d is %g instead of %g", what, i, (double)got[i], (double)want[i]);
}

static inline void expect_shape(const struct loaded *l, int k, const char *shape)
{
    char text[80];
    assert_string_equal(ncc_shape_text(l->g->outputs.v[k].value->shape, text), shape);
}

/* The only output is this map. */
static inline void expect_map(const char *text, const struct layer_blobs *blobs, const struct map *want)
{
    struct loaded l;
    float *out[4];
    char shape[80], expected[80];
    run_net(&l, text, blobs, out);
    snprintf(expected, sizeof expected, "1x%dx%dx%d", want->c, want->h, want->w);
    ncc_shape_text(l.g->outputs.v[0].value->shape, shape);
    if (strcmp(shape, expected))
        fail_msg("%s: %s instead of %s", text, shape, expected);
    expect_same(text, want->v, out[0], want->c * want->h * want->w);
    free(out[0]);
    unload(&l);
}

#endif
