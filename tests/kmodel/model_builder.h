/* Builds small kmodels in memory for tests, through the writer. */
#ifndef TESTS_MODEL_BUILDER_H
#define TESTS_MODEL_BUILDER_H

#include "kmodel/kmodel.h"

enum { MB_MAX = 16 };

struct mb_node {
    uint32_t opcode;
    union { /* as large as any body, and aligned for it */
        uint8_t bytes[256];
        uint64_t align;
    } body;
    size_t body_size;
    const void *payload[2];
    size_t payload_size[2];
};

struct mb {
    struct ncc_km_range inputs[MB_MAX], outputs[MB_MAX];
    int32_t input_shapes[MB_MAX][4];
    uint32_t n_inputs, n_outputs, n_nodes;
    struct mb_node nodes[MB_MAX];
    uint8_t constants[4096];
    uint32_t constants_size, main_size;
};

/* A new tensor of n elements in main memory, 8-byte aligned; one with the given data among the constants. */
struct ncc_km_range mb_main(struct mb *b, uint32_t datatype, size_t n);
struct ncc_km_range mb_const(struct mb *b, uint32_t datatype, const void *data, size_t n);

/* The same tensor as an input of the model (with its shape), as an output. */
struct ncc_km_range mb_input(struct mb *b, uint32_t datatype, const int32_t shape[4]);
struct ncc_km_range mb_output(struct mb *b, uint32_t datatype, size_t n);

/* Payloads must live until mb_file(). */
void mb_add(struct mb *b, uint32_t opcode, const void *body, size_t body_size, const void *payload1, size_t size1,
            const void *payload2, size_t size2);

/* The file in a block of exactly its size, to be freed. */
uint8_t *mb_file(const struct mb *b, size_t *size);

size_t mb_elements(const int32_t shape[4]);

/* Opens and runs a file without device on a work block of exactly the size it asks for, and gives that block, to be
 * freed; fails the test unless it succeeds. */
uint8_t *mb_run(const uint8_t *file, size_t size, const void *const *inputs);

/* Random numbers from NCC_SEED (default 1); mb_seed() tells it for messages. */
uint64_t mb_seed(void);
void mb_reseed(void);
uint32_t mb_random(void);
int mb_between(int low, int high); /* both inclusive */
float mb_float(void);              /* -4 .. 4 */
void mb_fill_f32(float *out, size_t n);
void mb_fill_u8(uint8_t *out, size_t n);

#endif
