/* kmodel v5: a reader of its container (doc/kmodel.md part C), for looking, not for running.
 *
 *     header, then modules back to back; a module: header, memory pools, functions, sections
 *
 * What a module of type "k210" does is known (the operations below); a "stackvm" module holds byte code whose function
 * numbers changed between releases while the version of the file stayed 5, so that is left alone.
 *
 * Freestanding, little-endian, nothing is allocated.
 */
#ifndef NCC_KMODEL_KMODEL_V5_H
#define NCC_KMODEL_KMODEL_V5_H

#include "kmodel/kmodel.h"

#define NCC_KM5_VERSION 5u

struct ncc_km5_header {
    uint32_t identifier, version, header_size, flags;
    uint32_t alignment, n_modules, entry_module, entry_function;
};
struct ncc_km5_module_header {
    char type[16]; /* filled with 0 */
    uint32_t version, header_size, size;
    uint32_t n_pools, n_shared_pools, n_sections, n_functions, reserved;
};
struct ncc_km5_pool {
    uint8_t location, reserved[3];
    uint32_t size;
};
struct ncc_km5_function_header {
    uint32_t header_size, size;
    uint32_t input_pool_size, output_pool_size;
    uint32_t n_inputs, n_outputs;
    uint32_t entrypoint, text_size; /* in the section .text */
};
struct ncc_km5_range {
    uint8_t location, datatype;
    uint16_t shared_module;
    uint32_t start, size;
};
struct ncc_km5_section_header {
    char name[16];
    uint32_t flags; /* bit 0: part of .rdata, at body_start; else body_start is the padding that follows this header */
    uint32_t body_start, body_size, reserved;
};

enum ncc_km5_location {
    NCC_KM5_INPUT,
    NCC_KM5_OUTPUT,
    NCC_KM5_RDATA,
    NCC_KM5_DATA,
    NCC_KM5_SHARED_DATA,
    NCC_KM5_KPU = 64
};

struct ncc_kmodel_v5 {
    const uint8_t *data;
    size_t size;
    const struct ncc_km5_header *header;
};

/* Walks over everything and makes sure that all of it lies inside the file. NULL, or the text of what is wrong. `data`
 * must be 4-byte aligned. */
const char *ncc_kmodel_v5_open(const void *data, size_t size, struct ncc_kmodel_v5 *out);

/* Part i of an opened file; i below the count of the header above it. */
struct ncc_km5_module {
    const struct ncc_km5_module_header *header;
    const struct ncc_km5_pool *pools;
    size_t functions_off, sections_off, end_off; /* in the file */
};
struct ncc_km5_module ncc_kmodel_v5_module(const struct ncc_kmodel_v5 *km, uint32_t i);

struct ncc_km5_function {
    const struct ncc_km5_function_header *header;
    const struct ncc_km5_range *inputs, *outputs;
    const uint32_t *input_shapes, *output_shapes; /* one after another, each its rank, then its dimensions */
};
struct ncc_km5_function ncc_kmodel_v5_function(const struct ncc_kmodel_v5 *km, const struct ncc_km5_module *m,
                                               uint32_t i);

struct ncc_km5_section {
    const struct ncc_km5_section_header *header;
    const uint8_t *body; /* NULL when it is part of .rdata */
};
struct ncc_km5_section ncc_kmodel_v5_section(const struct ncc_kmodel_v5 *km, const struct ncc_km5_module *m,
                                             uint32_t i);

/* ---- The text of a k210 module: packed, without alignment ---- */

enum ncc_km5_k210_op { NCC_KM5_UPLOAD, NCC_KM5_DOWNLOAD, NCC_KM5_CONV2D, NCC_KM5_COPY, NCC_KM5_N_K210_OPS };

struct ncc_km5_k210_node {
    enum ncc_km5_k210_op op;
    struct ncc_km5_range in, out; /* of a conv2d, all 0 */
    uint32_t shape[4];            /* of what is moved; of a conv2d, [0] is the number of batches */
    uint64_t words[12];           /* of a conv2d */
};

/* Reads the operation at *off of `text` and moves *off behind it. False: the end, or (with *off below size) no known
 * operation. */
bool ncc_kmodel_v5_k210_next(const uint8_t *text, size_t size, size_t *off, struct ncc_km5_k210_node *out);

#endif
