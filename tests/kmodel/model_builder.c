#include "model_builder.h"

#include <ncc/runtime.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t element_size(uint32_t datatype)
{
    return datatype == NCC_KM_F32 ? 4 : 1;
}

struct ncc_km_range mb_main(struct mb *b, uint32_t datatype, size_t n)
{
    const struct ncc_km_range r = {NCC_KM_MAIN, datatype, b->main_size, (uint32_t)n * element_size(datatype)};
    b->main_size += (r.size + 7) / 8 * 8;
    return r;
}

struct ncc_km_range mb_const(struct mb *b, uint32_t datatype, const void *data, size_t n)
{
    const struct ncc_km_range r = {NCC_KM_CONST, datatype, b->constants_size, (uint32_t)n * element_size(datatype)};
    b->constants_size += (r.size + 7) / 8 * 8;
    assert_true(b->constants_size <= sizeof b->constants);
    memcpy(b->constants + r.start, data, r.size);
    return r;
}

struct ncc_km_range mb_input(struct mb *b, uint32_t datatype, const int32_t shape[4])
{
    assert_true(b->n_inputs < MB_MAX);
    memcpy(b->input_shapes[b->n_inputs], shape, sizeof b->input_shapes[0]);
    return b->inputs[b->n_inputs++] = mb_main(b, datatype, mb_elements(shape));
}

struct ncc_km_range mb_output(struct mb *b, uint32_t datatype, size_t n)
{
    assert_true(b->n_outputs < MB_MAX);
    return b->outputs[b->n_outputs++] = mb_main(b, datatype, n);
}

void mb_add(struct mb *b, uint32_t opcode, const void *body, size_t body_size, const void *payload1, size_t size1,
            const void *payload2, size_t size2)
{
    assert_true(b->n_nodes < MB_MAX && body_size <= sizeof b->nodes[0].body.bytes);
    struct mb_node *const node = &b->nodes[b->n_nodes++];
    *node = (struct mb_node){
        .opcode = opcode, .body_size = body_size, .payload = {payload1, payload2}, .payload_size = {size1, size2}};
    memcpy(node->body.bytes, body, body_size);
}

static size_t write(const struct mb *b, uint8_t *buf, size_t cap)
{
    const struct ncc_kmodel_head head = {
        .n_nodes = b->n_nodes,
        .n_inputs = b->n_inputs,
        .n_outputs = b->n_outputs,
        .inputs = b->inputs,
        .outputs = b->outputs,
        .input_shapes = (const int32_t(*)[4])b->input_shapes,
        .constants = b->constants,
        .constants_size = b->constants_size,
        .main_mem_size = b->main_size,
    };
    struct ncc_kmodel_writer w;
    ncc_kmodel_write_begin(&w, buf, cap, &head);
    for (uint32_t i = 0; i < b->n_nodes; i++) {
        const struct mb_node *const n = &b->nodes[i];
        ncc_kmodel_write_node(&w, n->opcode, n->body.bytes, n->body_size, n->payload[0], n->payload_size[0],
                              n->payload[1], n->payload_size[1]);
    }
    return ncc_kmodel_write_end(&w);
}

uint8_t *mb_file(const struct mb *b, size_t *size)
{
    *size = write(b, NULL, 0);
    assert_true(*size > 0);
    uint8_t *const file = malloc(*size);
    assert_non_null(file);
    assert_int_equal(write(b, file, *size), *size);
    return file;
}

size_t mb_elements(const int32_t shape[4])
{
    return (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2] * (size_t)shape[3];
}

uint8_t *mb_run(const uint8_t *file, size_t size, const void *const *inputs)
{
    const size_t work_size = ncc_model_work_size(file, size);
    uint8_t *const work = malloc(work_size);
    assert_non_null(work);
    memset(work, 0xA5, work_size);
    struct ncc_model m;
    const enum ncc_status status = ncc_model_open(&m, file, size, work, work_size, NULL);
    if (status)
        fail_msg("%s: %s: %s (NCC_SEED=%llu)", ncc_status_text(status), m.fault.op, m.fault.text,
                 (unsigned long long)mb_seed());
    assert_int_equal(ncc_model_run(&m, inputs), NCC_OK);
    return work;
}

static uint64_t state = 1;

uint64_t mb_seed(void)
{
    const char *const text = getenv("NCC_SEED");
    return text != NULL ? strtoull(text, NULL, 0) : 1;
}

void mb_reseed(void)
{
    state = mb_seed() * 2 + 1;
}

/* Multiplicative congruential, the upper half of the state. */
uint32_t mb_random(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 32);
}

int mb_between(int low, int high)
{
    return low + (int)(mb_random() % (uint32_t)(high - low + 1));
}

float mb_float(void)
{
    return (float)((int32_t)mb_random()) * (4.0f / 2147483648.0f);
}

void mb_fill_f32(float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = mb_float();
}

void mb_fill_u8(uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)mb_random();
}
