/* kmodel v4: the file as C structs, a reader, a check and a writer (doc/kmodel.md part B).
 *
 *     0            struct ncc_km_header
 *     40           struct ncc_km_range  inputs[I]
 *     40+16I       int32_t              input_shapes[I][4]     n, c, h, w
 *     40+32I       struct ncc_km_range  outputs[O]
 *     40+32I+16O   uint8_t              constants[]
 *     ..           struct ncc_km_node   nodes[N]               opcode, body size
 *     ..           bodies, each starting and ending at a multiple of 8 of the file offset
 *
 * Everything is little-endian and so must the machine be: structs are laid over the file. All members are 4 bytes
 * wide (but for the layer words, which are 8 and lie at multiples of 8), so there is no padding; layout.c proves it.
 *
 * Freestanding: no memory is allocated; all pointers handed out point into the caller's file.
 */
#ifndef NCC_KMODEL_KMODEL_H
#define NCC_KMODEL_KMODEL_H

#include <ncc/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "kmodel files are little-endian, and this code lays structs over them"
#endif

#define NCC_KM_IDENTIFIER 0x4B4D444Cu /* file bytes "LDMK" */
#define NCC_KM_VERSION    4u
#define NCC_KM_BODY_ALIGN 8u   /* of the file offset */
#define NCC_KM_BLOB_ALIGN 256u /* of bn words, activation table and weights, of the file offset */
#define NCC_KM_ACT_SIZE   144u /* bytes of an activation table */

/* ---- Numbers of the file ---- */

enum ncc_km_target { NCC_KM_TARGET_CPU = 0, NCC_KM_TARGET_K210 = 1 };
enum ncc_km_memory { NCC_KM_CONST = 0, NCC_KM_MAIN = 1, NCC_KM_KPU = 2 };
enum ncc_km_datatype { NCC_KM_F32 = 0, NCC_KM_U8 = 1 };
enum ncc_km_reduce_op { NCC_KM_REDUCE_MEAN, NCC_KM_REDUCE_MIN, NCC_KM_REDUCE_MAX, NCC_KM_REDUCE_SUM, NCC_KM_N_REDUCE };
enum ncc_km_binary_op {
    NCC_KM_BINARY_ADD,
    NCC_KM_BINARY_SUB,
    NCC_KM_BINARY_MUL,
    NCC_KM_BINARY_DIV,
    NCC_KM_BINARY_MIN,
    NCC_KM_BINARY_MAX,
    NCC_KM_N_BINARY
};
enum ncc_km_unary_op {
    NCC_KM_UNARY_ABS,
    NCC_KM_UNARY_CEIL,
    NCC_KM_UNARY_COS,
    NCC_KM_UNARY_EXP,
    NCC_KM_UNARY_FLOOR,
    NCC_KM_UNARY_LOG,
    NCC_KM_UNARY_NEG,
    NCC_KM_UNARY_RSQRT,
    NCC_KM_UNARY_SIN,
    NCC_KM_UNARY_SQUARE,
    NCC_KM_N_UNARY
};
enum ncc_km_resize_mode { NCC_KM_RESIZE_BILINEAR, NCC_KM_RESIZE_NEAREST, NCC_KM_N_RESIZE };

/* Byte code of nnil_unary_method: one byte each, run once per element on a stack of floats. */
enum ncc_km_nnil {
    NCC_KM_NNIL_NOP = 0x00,
    NCC_KM_NNIL_DUP = 0x01,
    NCC_KM_NNIL_POP = 0x02,
    NCC_KM_NNIL_LDA_0 = 0x03,  /* push the element */
    NCC_KM_NNIL_LDC_0 = 0x04,  /* push 0 */
    NCC_KM_NNIL_LDC_1 = 0x05,  /* push 1 */
    NCC_KM_NNIL_LDC_R4 = 0x06, /* push the float in the next four bytes, which are not aligned */
    NCC_KM_NNIL_UNARY = 0x20,  /* 0x20 + enum ncc_km_unary_op */
    NCC_KM_NNIL_BINARY = 0x40, /* 0x40 + enum ncc_km_binary_op; b is popped first */
    NCC_KM_NNIL_CLAMP = 0x80,  /* pops high, low, v */
    NCC_KM_NNIL_RET = 0xA0,    /* the top is the result */
    NCC_KM_NNIL_STACK = 64     /* depth of the stack */
};

#define NCC_KM_OP(number, name, size, payload) NCC_KM_OP_##name = number,
enum ncc_km_opcode {
#include "kmodel/opcodes.def"
};
#undef NCC_KM_OP

/* ---- Header ---- */

struct ncc_km_header {
    uint32_t identifier, version, flags, target;
    uint32_t constants_size; /* bytes, a multiple of 8 */
    uint32_t main_mem_size;  /* bytes to allocate */
    uint32_t n_nodes, n_inputs, n_outputs;
    uint32_t reserved; /* garbage in files of nncase */
};

/* A place in one of the three memories. start and size in bytes; the size is the true one, without alignment. For KPU
 * RAM start is a multiple of 64 and size that of the KPU's layout, all batches (ncc_kpu_layout). */
struct ncc_km_range {
    uint32_t memory_type, datatype, start, size;
};

struct ncc_km_node {
    uint32_t opcode, body_size; /* the size includes the padding to a multiple of 8 */
};

/* ---- Bodies. The comments name the payload that follows the struct. ---- */

struct ncc_km_padding {
    int32_t before, after;
};
struct ncc_km_clamp { /* -FLT_MAX, FLT_MAX: no activation */
    float min, max;
};
/* A sliding window: conv2d, reduce_window2d and their kin all hold these members in this order. */
struct ncc_km_window {
    struct ncc_km_padding pad_h, pad_w;
    int32_t filter_h, filter_w, stride_h, stride_w, dilation_h, dilation_w;
};

struct ncc_km_binary {
    struct ncc_km_range a, b, out;
    uint32_t op;
    int32_t a_shape[4], b_shape[4], out_shape[4];
    struct ncc_km_clamp act;
};

struct ncc_km_concat { /* struct ncc_km_range in[n]; int32_t dims[n] */
    struct ncc_km_range out;
    uint32_t inner_size; /* bytes */
    uint32_t outer_size;
    uint32_t n;
};

struct ncc_km_conv2d { /* float weights[oc][ic/groups][fh][fw], bias[oc] */
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    int32_t groups, out_channels;
    struct ncc_km_window window;
    struct ncc_km_clamp act;
};

/* The scale of v4 is in quanta per unit: q = x * scale + zero_point. */
struct ncc_km_dequantize {
    struct ncc_km_range in, out;
    int32_t zero_point;
    float scale;
};

struct ncc_km_matmul { /* float bias[b_cols] */
    struct ncc_km_range a, b, out;
    int32_t a_rows, a_cols, b_cols;
    struct ncc_km_clamp act;
};

struct ncc_km_pad {
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    struct ncc_km_padding pads[4]; /* negative ones crop */
    uint32_t value_type;
    uint8_t value[4];
};

struct ncc_km_quantize {
    struct ncc_km_range in, out;
    int32_t zero_point;
    float scale;
};

struct ncc_km_reduce {
    struct ncc_km_range in, out;
    uint32_t op;
    int32_t in_shape[4], out_shape[4]; /* reduced dimensions are 1 */
    float init;
};

struct ncc_km_reduce_window2d {
    struct ncc_km_range in, out;
    uint32_t op;
    int32_t in_shape[4];
    struct ncc_km_window window;
    float init;
    struct ncc_km_clamp act;
};

struct ncc_km_memory_copy {
    struct ncc_km_range in, out;
};

struct ncc_km_resize_image {
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    int32_t out_h, out_w;
    uint32_t mode;
    uint8_t align_corners, reserved[3];
};

struct ncc_km_softmax {
    struct ncc_km_range in, out;
    int32_t inner_size, outer_size; /* elements */
    float beta;
};

struct ncc_km_transpose {
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    int32_t perm[4]; /* out_shape[i] = in_shape[perm[i]] */
};

struct ncc_km_strided_slice {
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    int32_t begin[4], end[4], strides[4];
    uint32_t begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask; /* not used at run time */
};

struct ncc_km_unary {
    struct ncc_km_range in, out;
    uint32_t op;
};

struct ncc_km_quantized_conv2d { /* int32_t bias[oc]; uint8_t weights[oc][ic/groups][fh][fw] */
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    int32_t groups, out_channels;
    struct ncc_km_window window;
    int32_t in_offset, filter_offset, out_mul, out_shift, out_offset;
};

struct ncc_km_quantized_matmul { /* int32_t bias[b_cols] */
    struct ncc_km_range a, b, out;
    int32_t a_rows, a_cols, b_cols;
    int32_t a_offset, b_offset, out_mul, out_shift, out_offset;
};

struct ncc_km_quantized_binary {
    struct ncc_km_range a, b, out;
    uint32_t op;
    int32_t a_shape[4], b_shape[4], out_shape[4];
    int32_t a_offset, a_mul, a_shift, b_offset, b_mul, b_shift, out_offset, out_mul, out_shift;
};

struct ncc_km_table_lookup1d {
    struct ncc_km_range in, table, out;
};

struct ncc_km_conv2d_transpose { /* float weights[g][oc/g][ic/g][fh][fw], bias[oc] */
    struct ncc_km_range in, out;
    int32_t in_shape[4], out_shape[4];
    int32_t groups;
    struct ncc_km_window window;
    struct ncc_km_clamp act;
};

struct ncc_km_nnil_unary_method { /* byte code */
    struct ncc_km_range in, out;
};

/* The five cpu_ operations take n, h, w, c. */
struct ncc_km_cpu_conv2d { /* float weights[oc][fh][fw][ic], bias[oc] */
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    int32_t out_channels;
    struct ncc_km_window window;
    struct ncc_km_clamp act;
};

struct ncc_km_cpu_depthwise_conv2d { /* float weights[c][fh][fw], bias[c] */
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    struct ncc_km_window window;
    struct ncc_km_clamp act;
};

struct ncc_km_cpu_reduce_window2d {
    struct ncc_km_range in, out;
    uint32_t op;
    int32_t in_shape[4];
    struct ncc_km_window window;
    float init;
    struct ncc_km_clamp act;
};

struct ncc_km_cpu_quantized_conv2d { /* uint8_t weights[oc][fh][fw][ic]; int32_t bias[oc], not aligned */
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    int32_t out_channels;
    struct ncc_km_window window;
    int32_t in_offset, filter_offset, out_mul, out_shift, out_offset;
};

struct ncc_km_cpu_quantized_depthwise_conv2d { /* uint8_t weights[c][fh][fw]; int32_t bias[c], not aligned */
    struct ncc_km_range in, out;
    int32_t in_shape[4];
    struct ncc_km_window window;
    int32_t in_offset, filter_offset, out_mul, out_shift, out_offset;
};

struct ncc_km_kpu_upload {
    struct ncc_km_range in, out; /* main memory to KPU RAM */
    int32_t in_shape[4];
};

/* Payload: skip, bn words, skip, activation table, skip, weights. The skip counts stand in the address fields of the
 * words (doc/kmodel.md section B.4); ncc_kmodel_kpu_parts() finds the blocks. */
struct ncc_km_kpu_conv2d {
    struct ncc_km_range main_out; /* all 0: there is none */
    int32_t batches;
    uint32_t reserved; /* garbage in files of nncase */
    uint64_t words[12];
};

/* ---- Reader ---- */

/* The name of an opcode as in opcodes.def; NULL: there is none of that number. */
const char *ncc_kmodel_op_name(uint32_t opcode);

/* Bytes of the fixed part of its body, 0 for unknown opcodes, and whether a payload may follow. */
uint32_t ncc_kmodel_op_body_size(uint32_t opcode);
bool ncc_kmodel_op_has_payload(uint32_t opcode);

struct ncc_kmodel {
    const uint8_t *data;
    size_t size;
    const struct ncc_km_header *header;
    const struct ncc_km_range *inputs, *outputs;
    const int32_t (*input_shapes)[4];
    const uint8_t *constants;
    const struct ncc_km_node *nodes;
    size_t bodies_off; /* file offset of the first body */
};

/* Finds the parts of the `size` bytes at `data` (8-byte aligned), and makes sure that all of them lie inside and that
 * bodies are aligned; a body is at least as long as its opcode's fixed part. Says nothing about what they contain:
 * that is ncc_kmodel_check(). The padding of the last body (up to 7 bytes) may be missing, and anything may follow.
 * NCC_BAD_ARGUMENT, NCC_MISALIGNED, NCC_NOT_KMODEL, NCC_UNSUPPORTED (version, target), NCC_TRUNCATED,
 * NCC_MALFORMED (alignment, or a body too short for its opcode). An unknown opcode is no fault here. */
enum ncc_status ncc_kmodel_open(const void *data, size_t size, struct ncc_kmodel *out);

/* ---- Reader of a file of which only the front is in memory: what ncc_kmodel_open() is made of ---- */

struct ncc_kmodel_offsets { /* in the file */
    size_t inputs, shapes, outputs, constants, nodes, bodies;
};
/* From the header, at `data` (`available` bytes, 4-byte aligned), of a file of `size` bytes. The statuses of ncc_kmodel_open(). */
enum ncc_status ncc_kmodel_find(const void *data, size_t available, size_t size, struct ncc_kmodel_offsets *out);

/* Sets header, inputs, outputs, input_shapes and bodies_off from the bytes in front of the constants. */
void ncc_kmodel_ends(const void *front, const struct ncc_kmodel_offsets *at, struct ncc_kmodel *out);

/* The last part of ncc_kmodel_open(): with `nodes` and `size` set, makes sure that all bodies lie inside the file and are
 * long enough. The padding of the last body may be missing. */
enum ncc_status ncc_kmodel_check_sizes(const struct ncc_kmodel *km);

/* Walks over the nodes:
 *
 *     struct ncc_kmodel_node node = {0};
 *     while (ncc_kmodel_next(&km, &node))
 *         if (node.opcode == NCC_KM_OP_unary)
 *             f((const struct ncc_km_unary *)node.body);
 */
struct ncc_kmodel_node {
    uint32_t index;
    uint32_t opcode;
    const void *body;   /* 8-byte aligned; NULL if km->data is */
    uint32_t body_size; /* what is in the file, so the last one may be up to 7 less than it declares */
    size_t body_off;    /* in the file */
    uint32_t next;      /* private: number and offset of the node that follows */
    size_t next_off;
};
bool ncc_kmodel_next(const struct ncc_kmodel *km, struct ncc_kmodel_node *node);

/* What follows the fixed part of a node's body, and how many bytes of it are in the file. */
const void *ncc_kmodel_payload(const struct ncc_kmodel_node *node, uint32_t *size);

/* The blocks of a kpu_conv2d; sizes follow from its layer words. False: they do not lie inside the body. */
struct ncc_km_kpu_parts {
    const uint8_t *bn; /* n_bn words of 8 bytes; only a checked model promises 8-byte alignment */
    const uint8_t *act;
    const uint8_t *weights;
    uint32_t n_bn, weights_size;
    size_t bn_off, act_off, weights_off; /* in the file */
};
bool ncc_kmodel_kpu_parts(const struct ncc_kmodel_node *node, struct ncc_km_kpu_parts *out);

/* ---- Check ---- */

#define NCC_KM_NO_NODE UINT32_MAX

struct ncc_km_fault {
    uint32_t node;    /* NCC_KM_NO_NODE: header, inputs, outputs */
    uint32_t opcode;  /* 0 without node */
    const char *text; /* a sentence without full stop, static; NULL: no fault */
};

/* Checks all that running relies on: opcodes and body sizes, every range inside its memory and of exactly the size
 * its shape and type give, shapes and windows that agree, payload sizes, float alignment, permutations, slices, byte
 * code (ends, stack never under or over), shifts, and the twelve words of every layer (ncc_kpu_regs_check) for all its
 * batches. A model that passes can be run without further checks; in particular no kernel reads or writes outside the
 * constants, the main memory (main_mem_size bytes), the 2 MiB of KPU RAM and its own body.
 * NCC_OK, or NCC_MALFORMED and the first fault in *where. */
enum ncc_status ncc_kmodel_check(const struct ncc_kmodel *km, struct ncc_km_fault *where);

/* Its parts: inputs and outputs; one node. NULL, or the sentence. */
const char *ncc_kmodel_check_ends(const struct ncc_kmodel *km);
const char *ncc_kmodel_check_node(const struct ncc_kmodel *km, const struct ncc_kmodel_node *node);

/* ---- Writer ----
 *
 *     struct ncc_kmodel_writer w;
 *     ncc_kmodel_write_begin(&w, buf, cap, &head);                 // buf NULL: only counts
 *     ncc_kmodel_write_node(&w, NCC_KM_OP_unary, &body, sizeof body, NULL, 0, NULL, 0);
 *     ...
 *     size_t size = ncc_kmodel_write_end(&w);                      // 0: something was wrong
 *
 * Errors are remembered and answered by ncc_kmodel_write_end(), so the calls between need no tests. The size is the
 * same with and without a buffer. The writer does not judge contents; run ncc_kmodel_check() over the result.
 */
struct ncc_kmodel_head {
    uint32_t n_nodes; /* exactly so many nodes must follow */
    uint32_t n_inputs, n_outputs;
    const struct ncc_km_range *inputs, *outputs;
    const int32_t (*input_shapes)[4];
    const uint8_t *constants; /* may be NULL while counting */
    uint32_t constants_size;  /* any; stored rounded up to a multiple of 8, filled with 0 */
    uint32_t main_mem_size;   /* stored rounded up to a multiple of 8 */
};

struct ncc_km_sink { /* private */
    uint8_t *buf;
    size_t cap, pos;
    bool failed;
};
struct ncc_kmodel_writer { /* private */
    struct ncc_km_sink sink;
    size_t nodes_off;
    uint32_t n_nodes, n_written;
};

void ncc_kmodel_write_begin(struct ncc_kmodel_writer *w, uint8_t *buf, size_t cap, const struct ncc_kmodel_head *head);

/* A node other than kpu_conv2d: the fixed part (body_size must be that of the opcode), then up to two payload blocks
 * (NULL with size 0: none), then padding to 8. The blocks' pointers may be NULL while counting. */
void ncc_kmodel_write_node(struct ncc_kmodel_writer *w, uint32_t opcode, const void *body, size_t body_size,
                           const void *payload1, size_t size1, const void *payload2, size_t size2);

/* A KPU layer. main_out NULL: the result stays in KPU RAM. words: as for the chip, image addresses final, the three
 * address fields ignored; int_en is written as 0 and send_data_out as 1 exactly if there is a main_out of at most
 * 65536 elements a channel. bn (n_bn
 * words), act (144 bytes) and weights are placed at multiples of 256 of the file offset, the skip counts go into the
 * words, everything between is 0. */
void ncc_kmodel_write_kpu_conv2d(struct ncc_kmodel_writer *w, const struct ncc_km_range *main_out, int32_t batches,
                                 const uint64_t words[12], const uint64_t *bn, size_t n_bn, const uint8_t *act,
                                 const uint8_t *weights, size_t weights_size);

/* The size of the file, with the padding of its last body; 0 if a call was wrong (other number of nodes than
 * announced, unknown opcode, wrong body size), the buffer too small, or the file 4 GiB or more. */
size_t ncc_kmodel_write_end(struct ncc_kmodel_writer *w);

#endif
