/* kmodel v3: the file as C structs, a reader, a check and a writer (doc/kmodel.md part A).
 *
 *     0        struct ncc_km3_header
 *     28       struct ncc_km3_output  outputs[O]     in main memory
 *     28+8O    struct ncc_km3_entry   layers[L]      type, body size
 *     ..       bodies, each starting at a multiple of 4 and ending at a multiple of 8 of the file offset
 *
 * A layer reads and writes main memory at byte offsets, or KPU RAM at line numbers. There is always one input, implied
 * by the first layer: a picture for k210_conv, floats for fully_connected.
 *
 * Freestanding, little-endian, nothing is allocated; like kmodel/kmodel.h, which is for version 4.
 */
#ifndef NCC_KMODEL_KMODEL_V3_H
#define NCC_KMODEL_KMODEL_V3_H

#include "kmodel/kmodel.h"
#include "kpu/layer.h"

#define NCC_KM3_VERSION    3u
#define NCC_KM3_8_BIT      1u   /* header flag: weights of one byte; without it they have two */
#define NCC_KM3_MAIN_OUT   1u   /* layer flag: the output is in main memory */
#define NCC_KM3_BLOB_ALIGN 128u /* of weights and bn words, of the file offset; activation tables 256 */

#define NCC_KM3_LAYER(number, name, size, payload) NCC_KM3_##name = number,
#define NCC_KM3_OTHER(number, name)                NCC_KM3_##name = number,
enum ncc_km3_type {
#include "kmodel/layers_v3.def"
};
#undef NCC_KM3_LAYER
#undef NCC_KM3_OTHER

enum ncc_km3_activation { NCC_KM3_LINEAR, NCC_KM3_RELU, NCC_KM3_RELU6, NCC_KM3_N_ACTIVATIONS };

struct ncc_km3_header {
    uint32_t version, flags, architecture;
    uint32_t n_layers;
    uint32_t first_line;    /* the lowest line of KPU RAM that is used, 32768 without KPU layers; not needed to run */
    uint32_t main_mem_size; /* bytes to allocate */
    uint32_t n_outputs;
};
struct ncc_km3_output {
    uint32_t start, size; /* bytes in main memory */
};
struct ncc_km3_entry {
    uint32_t type, body_size; /* what follows the fixed part counts, and padding too */
};

/* ---- Bodies. Addresses are byte offsets in main memory unless they are called lines. ---- */

struct ncc_km3_map {
    uint32_t w, h, c;
};

struct ncc_km3_add {
    uint32_t flags, a, b, out, n;
};
struct ncc_km3_quantized_add {
    uint32_t flags, a, b, out, n;
    int32_t a_offset, a_mul, a_shift, b_offset, b_mul, b_shift, out_offset, out_mul, out_shift;
};
struct ncc_km3_global_average_pool2d { /* f32 c x kernel_size to c */
    uint32_t flags, in, out, kernel_size, channels;
};
/* A window that may hang over the edges; what lies beyond does not count. */
struct ncc_km3_quantized_max_pool2d {
    uint32_t flags, in, out;
    struct ncc_km3_map in_map, out_map;
    uint32_t kernel_w, kernel_h, stride_w, stride_h, pad_w, pad_h;
};
struct ncc_km3_average_pool2d { /* f32; the runtime ignores the activation */
    uint32_t flags, in, out;
    struct ncc_km3_map in_map, out_map;
    uint32_t kernel_w, kernel_h, stride_w, stride_h, pad_w, pad_h, act;
};
/* real = code * scale + bias */
struct ncc_km3_quantize {
    uint32_t flags, in, out, n;
    float scale, bias;
};
struct ncc_km3_dequantize {
    uint32_t flags, in, out, n;
    float scale, bias;
};
struct ncc_km3_requantize {
    uint32_t flags, in, out, n;
    uint8_t table[256];
};
struct ncc_km3_l2_normalization {
    uint32_t flags, in, out, channels;
};
struct ncc_km3_softmax {
    uint32_t flags, in, out, channels;
};
struct ncc_km3_part {
    uint32_t start, size; /* bytes in main memory */
};
struct ncc_km3_concat { /* struct ncc_km3_part in[n] */
    uint32_t flags, out, n;
};
struct ncc_km3_quantized_concat {
    uint32_t flags, out, n;
};
struct ncc_km3_fully_connected { /* float weights[out_c][in_c], bias[out_c] */
    uint32_t flags, in, out, in_c, out_c, act;
};
struct ncc_km3_tensorflow_flatten { /* f32: c, h, w to h, w, c */
    uint32_t flags, in, out;
    struct ncc_km3_map map;
};
struct ncc_km3_resize_nearest_neighbor { /* align_corners is ignored */
    uint32_t flags, in, out;
    struct ncc_km3_map in_map;
    uint32_t out_w, out_h, align_corners;
};
struct ncc_km3_quantized_resize_nearest_neighbor {
    uint32_t flags, in, out;
    struct ncc_km3_map in_map;
    uint32_t out_w, out_h, align_corners;
};
struct ncc_km3_scale {
    float scale, bias;
};
struct ncc_km3_channelwise_dequantize { /* struct ncc_km3_scale of_channel[channels] */
    uint32_t flags, in, out, channels, channel_size;
};
struct ncc_km3_logistic {
    uint32_t flags, in, out, n;
};
/* Payload: the twelve words, weights, bn words, activation table, at these offsets in the file. */
struct ncc_km3_k210_conv {
    uint32_t flags, main_out, words_off, weights_off, bn_off, act_off;
};
/* n bytes become the maps of n x 4 x 4 whose element (c, 0, 0) is byte c; the others stay as they are. */
struct ncc_km3_k210_add_padding {
    uint32_t flags, in, out_line, channels;
};
/* out[c] = in[16 * c]: the element (c, 0, 0) of packed maps of 4 x 4 in main memory. */
struct ncc_km3_k210_remove_padding {
    uint32_t flags, in, out, channels;
};
struct ncc_km3_k210_upload {
    uint32_t flags, in, out_line;
    struct ncc_km3_map map;
};

/* ---- Reader ---- */

/* Is this a file of version 3? It has no identifier, so version, flags and architecture tell. */
bool ncc_kmodel_v3_is(const void *data, size_t size);

/* The name of a layer type as in layers_v3.def; NULL: there is none of that number. */
const char *ncc_kmodel_v3_name(uint32_t type);

/* Bytes of the fixed part of its body, and whether a payload may follow; 0 for what no runtime carries out. */
uint32_t ncc_kmodel_v3_body_size(uint32_t type);
bool ncc_kmodel_v3_has_payload(uint32_t type);

struct ncc_kmodel_v3 {
    const uint8_t *data;
    size_t size;
    const struct ncc_km3_header *header;
    const struct ncc_km3_output *outputs;
    const struct ncc_km3_entry *layers;
    size_t bodies_off; /* file offset of the first body */
};

/* Finds the parts, as ncc_kmodel_open() does, with the same answers. The end of the last body (up to 7 bytes) may be
 * missing, and anything may follow. An unknown type is no fault here. */
enum ncc_status ncc_kmodel_v3_open(const void *data, size_t size, struct ncc_kmodel_v3 *out);

/* Walks over the layers:  struct ncc_km3_layer layer = {0}; while (ncc_kmodel_v3_next(&km, &layer)) ... */
struct ncc_km3_layer {
    uint32_t index, type;
    const void *body;   /* 4-byte aligned */
    uint32_t body_size; /* what is in the file */
    size_t body_off;    /* in the file */
    uint32_t next;      /* private */
    size_t next_off;
};
bool ncc_kmodel_v3_next(const struct ncc_kmodel_v3 *km, struct ncc_km3_layer *layer);

/* The blocks of a k210_conv and what its words say. Finds them only if they lie inside the body, the words, bn words
 * and table at multiples of 8, and the words describe a layer; else the text of what is wrong. Their contents are not
 * looked at. */
struct ncc_km3_conv {
    const uint64_t *words;
    struct ncc_kpu_regs regs;
    struct ncc_kpu_shape shape;
    const uint8_t *weights, *act;
    const uint64_t *bn;
    uint32_t weights_size; /* bytes */
    int weight_size;       /* of each: 1 or 2 */
    uint32_t n_bn;
};
const char *ncc_kmodel_v3_conv(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer,
                               struct ncc_km3_conv *out);

/* The input: u8 c x h x w to line `start` of KPU RAM, or w floats (c = h = 1) to byte `start` of main memory. For a
 * checked model. */
struct ncc_km3_input {
    bool in_kpu;
    uint32_t start;
    int32_t c, h, w;
};
struct ncc_km3_input ncc_kmodel_v3_input(const struct ncc_kmodel_v3 *km);

/* What a layer of a checked model reads and writes, as the ranges that version 4 has. A concat reads its parts, which
 * are not here but in its payload. */
struct ncc_km3_access {
    struct ncc_km_range read[2], write[2]; /* of a k210_conv, write[0] is in KPU RAM */
    int n_read, n_write;
};
void ncc_kmodel_v3_access(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer,
                          struct ncc_km3_access *out);

/* ---- Check ---- */

/* Checks all that running relies on, as ncc_kmodel_check() does for version 4, and with the same promise. */
enum ncc_status ncc_kmodel_v3_check(const struct ncc_kmodel_v3 *km, struct ncc_km_fault *where);

/* ---- Writer: used like that of version 4 (kmodel.h), with the same treatment of errors ---- */

struct ncc_kmodel_v3_writer { /* private */
    struct ncc_km_sink sink;
    struct ncc_km3_header header;
    uint32_t n_written;
};

/* Exactly n_layers layers must follow. main_mem_size is stored rounded up to a multiple of 8. */
void ncc_kmodel_v3_write_begin(struct ncc_kmodel_v3_writer *w, uint8_t *buf, size_t cap, uint32_t n_layers,
                               uint32_t main_mem_size, const struct ncc_km3_output *outputs, uint32_t n_outputs);

/* Between begin and end, any time: weights have 16 bits each, of all layers, since the file says it once. */
void ncc_kmodel_v3_write_16_bit(struct ncc_kmodel_v3_writer *w);

/* A layer other than k210_conv: the fixed part, then up to two payload blocks, then padding to 8. */
void ncc_kmodel_v3_write_layer(struct ncc_kmodel_v3_writer *w, uint32_t type, const void *body, size_t body_size,
                               const void *payload1, size_t size1, const void *payload2, size_t size2);

/* A k210_conv whose result also goes to byte *main_out of main memory unless that is NULL. int_en, send_data_out and
 * the parameter addresses in the words are cleared; the runtime sets them. */
void ncc_kmodel_v3_write_conv(struct ncc_kmodel_v3_writer *w, const uint32_t *main_out, const uint64_t words[12],
                              const uint64_t *bn, size_t n_bn, const uint8_t *act, const uint8_t *weights,
                              size_t weights_size);

size_t ncc_kmodel_v3_write_end(struct ncc_kmodel_v3_writer *w);

#endif
