/* Builds small kmodels of version 3 for tests: layers are collected, then written. */
#ifndef TESTS_V3_BUILDER_H
#define TESTS_V3_BUILDER_H

#include "kmodel/kmodel_v3.h"

enum { V3_MAX = 32 };

struct v3_layer {
    uint32_t type;
    union {
        uint8_t bytes[280];
        uint32_t words[70];
    } body;
    size_t body_size;
    const void *payload[2];
    size_t payload_size[2];
    struct ncc_kpu_shape shape; /* of a k210_conv */
    int src_line, dst_line;
    uint32_t main_out;
    bool to_main;
};

struct v3 {
    struct v3_layer layers[V3_MAX];
    uint32_t n_layers;
    struct ncc_km3_output outputs[V3_MAX];
    uint32_t n_outputs;
    uint32_t main_size;
    bool wide; /* weights of 16 bits */
};

/* n bytes of main memory, from a multiple of 8. */
uint32_t v3_main(struct v3 *b, size_t size);
/* The same as an output of the model. */
uint32_t v3_output(struct v3 *b, size_t size);
/* Body structs are copied; payloads must stay. */
void v3_add(struct v3 *b, uint32_t type, const void *body, size_t body_size, const void *payload1, size_t size1,
            const void *payload2, size_t size2);
/* A layer that passes codes through a 1x1 or depthwise 3x3 convolution with weights made of their index (7 times that,
 * of 16 bits); to_main: its result is an output of the model. */
void v3_add_conv(struct v3 *b, struct ncc_kpu_shape shape, int src_line, int dst_line, bool to_main);

/* The file, in a block of exactly its size, to be freed. */
uint8_t *v3_file(const struct v3 *b, size_t *size);

#endif
