/* What the writer writes the reader reads, and published files written again from their parts stay what they were. */
#include "model_builder.h"

#include "kpu/layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file of one node of every kind, each body filled with its own pattern, payloads of odd lengths. */
static void every_operation(void **state)
{
    (void)state;
    static const struct {
        uint32_t opcode, size;
        bool payload;
    } ops[] = {
#define NCC_KM_OP(number, name, size, payload) {number, size, payload},
#include "kmodel/opcodes.def"
#undef NCC_KM_OP
    };
    enum { N = sizeof ops / sizeof *ops };
    static uint8_t bodies[N][256], payload[40], constants[13] = {1, 2, 3};
    mb_reseed();
    mb_fill_u8(&bodies[0][0], sizeof bodies);
    mb_fill_u8(payload, sizeof payload);
    const struct ncc_km_range in = {NCC_KM_MAIN, NCC_KM_U8, 8, 24}, out[2] = {{1, 0, 16, 4}, {1, 1, 20, 4}};
    const int32_t shape[1][4] = {{1, 2, 3, 4}};
    const struct ncc_kmodel_head head = {N - 1, 1, 2, &in, out, shape, constants, sizeof constants, 1001};
    uint8_t *file = NULL;
    size_t size = 0;
    for (int pass = 0; pass < 2; pass++) { /* count, then write into exactly so much */
        struct ncc_kmodel_writer w;
        ncc_kmodel_write_begin(&w, file, size, &head);
        for (int i = 0; i < N - 1; i++) /* the last one is kpu_conv2d, which has its own call */
            ncc_kmodel_write_node(&w, ops[i].opcode, bodies[i], ops[i].size, payload, ops[i].payload ? 17 : 0,
                                  payload + 17, ops[i].payload ? 5 : 0);
        const size_t written = ncc_kmodel_write_end(&w);
        assert_true(written > 0 && (pass == 0 || written == size));
        size = written;
        if (pass == 0)
            file = malloc(size);
    }
    struct ncc_kmodel km;
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_OK);
    assert_int_equal(km.header->main_mem_size, 1008);
    assert_int_equal(km.header->constants_size, 16);
    assert_memory_equal(km.constants, constants, sizeof constants);
    assert_memory_equal(km.inputs, &in, sizeof in);
    assert_memory_equal(km.outputs, out, sizeof out);
    assert_memory_equal(km.input_shapes, shape, sizeof shape);
    struct ncc_kmodel_node node = {0};
    while (ncc_kmodel_next(&km, &node)) {
        uint32_t payload_size;
        const uint8_t *const got = ncc_kmodel_payload(&node, &payload_size);
        assert_int_equal(node.opcode, ops[node.index].opcode);
        assert_int_equal(node.body_off % 8, 0);
        assert_memory_equal(node.body, bodies[node.index], ops[node.index].size);
        const uint32_t used = ops[node.index].payload ? 22 : 0;
        assert_memory_equal(got, payload, used);
        for (uint32_t i = used; i < payload_size; i++)
            assert_int_equal(got[i], 0);
        assert_true(payload_size - used < 8);
    }
    assert_int_equal(node.index, N - 2);
    assert_int_equal(node.body_off + node.body_size, size);
    free(file);
}

static void kpu_layer(void **state)
{
    (void)state;
    const struct ncc_kpu_shape shape = {3, 8, 8, 5, 3, false, NCC_KPU_POOL_NONE};
    struct ncc_kpu_regs regs;
    uint64_t words[12], bn[5] = {1, 2, 3, 4, 5};
    uint8_t act[144], weights[135];
    mb_reseed();
    mb_fill_u8(act, sizeof act);
    mb_fill_u8(weights, sizeof weights);
    ncc_kpu_derive(&shape, 0, 100, 3, 5, &regs);
    assert_null(ncc_kpu_pack(&regs, words));
    words[0] |= 1; /* int_en and addresses are the chip's affair, and not stored */
    words[4] |= UINT64_C(0x40001234) << 32;
    const struct ncc_km_range main_out = {NCC_KM_MAIN, NCC_KM_U8, 0, 320};
    const struct ncc_kmodel_head head = {.n_nodes = 2, .main_mem_size = 320};
    static uint8_t file[8192] __attribute__((aligned(8)));
    struct ncc_kmodel_writer w;
    ncc_kmodel_write_begin(&w, file, sizeof file, &head);
    ncc_kmodel_write_kpu_conv2d(&w, &main_out, 1, words, bn, 5, act, weights, sizeof weights);
    ncc_kmodel_write_kpu_conv2d(&w, NULL, 1, words, bn, 5, act, weights, sizeof weights);
    const size_t size = ncc_kmodel_write_end(&w);
    struct ncc_kmodel km;
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_OK);
    struct ncc_kmodel_node node = {0};
    while (ncc_kmodel_next(&km, &node)) {
        struct ncc_km_kpu_parts parts;
        const struct ncc_km_kpu_conv2d *const op = node.body;
        assert_true(ncc_kmodel_kpu_parts(&node, &parts));
        assert_true(parts.bn_off % 256 == 0 && parts.act_off % 256 == 0 && parts.weights_off % 256 == 0);
        assert_int_equal(parts.n_bn, 5);
        assert_int_equal(parts.weights_size, sizeof weights);
        assert_memory_equal(parts.bn, bn, sizeof bn);
        assert_memory_equal(parts.act, act, sizeof act);
        assert_memory_equal(parts.weights, weights, sizeof weights);
        assert_int_equal(op->words[0] & 1, 0);
        assert_int_equal(op->words[11] & 1, node.index == 0);
        assert_int_equal(op->main_out.size, node.index == 0 ? 320 : 0);
        assert_int_equal(op->reserved, 0);
    }
}

static void misuse_is_answered_with_0(void **state)
{
    (void)state;
    const struct ncc_km_unary op = {.op = 0};
    const struct ncc_kmodel_head head = {.n_nodes = 1};
    uint8_t file[256] __attribute__((aligned(8)));
    struct ncc_kmodel_writer w;

    ncc_kmodel_write_begin(&w, NULL, 0, &head); /* too few nodes */
    assert_int_equal(ncc_kmodel_write_end(&w), 0);

    ncc_kmodel_write_begin(&w, NULL, 0, &head); /* too many */
    ncc_kmodel_write_node(&w, NCC_KM_OP_unary, &op, sizeof op, NULL, 0, NULL, 0);
    ncc_kmodel_write_node(&w, NCC_KM_OP_unary, &op, sizeof op, NULL, 0, NULL, 0);
    assert_int_equal(ncc_kmodel_write_end(&w), 0);

    ncc_kmodel_write_begin(&w, NULL, 0, &head); /* wrong size of the body */
    ncc_kmodel_write_node(&w, NCC_KM_OP_unary, &op, sizeof op - 4, NULL, 0, NULL, 0);
    assert_int_equal(ncc_kmodel_write_end(&w), 0);

    ncc_kmodel_write_begin(&w, NULL, 0, &head); /* a payload where there is none */
    ncc_kmodel_write_node(&w, NCC_KM_OP_unary, &op, sizeof op, &op, 4, NULL, 0);
    assert_int_equal(ncc_kmodel_write_end(&w), 0);

    ncc_kmodel_write_begin(&w, NULL, 0, &head); /* no such operation */
    ncc_kmodel_write_node(&w, 0x999, &op, sizeof op, NULL, 0, NULL, 0);
    assert_int_equal(ncc_kmodel_write_end(&w), 0);

    for (size_t cap = 0; cap < 96; cap++) { /* every buffer that is too small: 40 + 8 + 40 bytes are needed */
        ncc_kmodel_write_begin(&w, file, cap, &head);
        ncc_kmodel_write_node(&w, NCC_KM_OP_unary, &op, sizeof op, NULL, 0, NULL, 0);
        assert_int_equal(ncc_kmodel_write_end(&w), cap < 88 ? 0 : 88);
    }
}

/* ---- Published files ---- */

/* The file at the start of a zeroed block with room for the padding that some files lack. */
static uint8_t *load(const char *name, size_t *size)
{
    const char *const zoo = getenv("NCC_ZOO");
    char path[512];
    snprintf(path, sizeof path, "%s/kmodel/%s.kmodel", zoo != NULL ? zoo : NCC_SOURCE_DIR "/../shared/zoo", name);
    FILE *const f = fopen(path, "rb");
    if (f == NULL) {
        print_message("skipped: %s is missing\n", path);
        return NULL;
    }
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *const data = calloc(1, *size + 8);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

/* Writes all nodes of km with `w`. */
static void write_again(const struct ncc_kmodel *km, struct ncc_kmodel_writer *w)
{
    struct ncc_kmodel_node node = {0};
    while (ncc_kmodel_next(km, &node)) {
        uint32_t size;
        const void *const payload = ncc_kmodel_payload(&node, &size);
        if (node.opcode != NCC_KM_OP_kpu_conv2d) {
            const bool has = ncc_kmodel_op_has_payload(node.opcode); /* else it is padding, maybe garbage */
            ncc_kmodel_write_node(w, node.opcode, node.body, ncc_kmodel_op_body_size(node.opcode), payload,
                                  has ? size : 0, NULL, 0);
            continue;
        }
        const struct ncc_km_kpu_conv2d *const op = node.body;
        struct ncc_km_kpu_parts p;
        assert_true(ncc_kmodel_kpu_parts(&node, &p));
        ncc_kmodel_write_kpu_conv2d(w, op->main_out.size > 0 ? &op->main_out : NULL, op->batches, op->words,
                                    (const uint64_t *)(const void *)p.bn, p.n_bn, p.act, p.weights, p.weights_size);
    }
}

/* Two layers are the same but for the garbage in `reserved` and between their blocks, and for the skips. */
static void compare_layers(const struct ncc_kmodel_node *a, const struct ncc_kmodel_node *b)
{
    struct ncc_km_kpu_parts pa, pb;
    struct ncc_km_kpu_conv2d oa = *(const struct ncc_km_kpu_conv2d *)a->body;
    struct ncc_km_kpu_conv2d ob = *(const struct ncc_km_kpu_conv2d *)b->body;
    assert_true(ncc_kmodel_kpu_parts(a, &pa) && ncc_kmodel_kpu_parts(b, &pb));
    assert_true(pa.n_bn == pb.n_bn && pa.weights_size == pb.weights_size);
    assert_memory_equal(pa.bn, pb.bn, pa.n_bn * 8);
    assert_memory_equal(pa.act, pb.act, 144);
    assert_memory_equal(pa.weights, pb.weights, pa.weights_size);
    oa.reserved = ob.reserved = 0;
    static const int address_words[] = {4, 5, 7};
    for (int i = 0; i < 3; i++) {
        oa.words[address_words[i]] &= UINT32_MAX;
        ob.words[address_words[i]] &= UINT32_MAX;
    }
    assert_memory_equal(&oa, &ob, sizeof oa);
}

static void compare_files(const struct ncc_kmodel *a, const struct ncc_kmodel *b)
{
    struct ncc_km_header ha = *a->header;
    ha.reserved = 0;
    assert_memory_equal(&ha, b->header, sizeof ha);
    const size_t front = (size_t)((const uint8_t *)a->nodes - a->data) - sizeof ha;
    assert_memory_equal(a->data + sizeof ha, b->data + sizeof ha, front);
    struct ncc_kmodel_node na = {0}, nb = {0};
    while (ncc_kmodel_next(a, &na)) {
        assert_true(ncc_kmodel_next(b, &nb));
        assert_int_equal(na.opcode, nb.opcode);
        if (na.opcode == NCC_KM_OP_kpu_conv2d) {
            compare_layers(&na, &nb);
        } else {
            const uint32_t fixed = ncc_kmodel_op_body_size(na.opcode);
            const uint32_t size = ncc_kmodel_op_has_payload(na.opcode) ? na.body_size : fixed;
            assert_true((na.body_size + 7) / 8 == (nb.body_size + 7) / 8);
            assert_memory_equal(na.body, nb.body, size);
        }
    }
}

static void rewrite(const char *name, bool identical)
{
    size_t size = 0;
    uint8_t *const file = load(name, &size);
    if (file == NULL)
        skip();
    struct ncc_kmodel km, again;
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_OK);
    const struct ncc_kmodel_head head = {
        km.header->n_nodes, km.header->n_inputs,       km.header->n_outputs,    km.inputs, km.outputs, km.input_shapes,
        km.constants,       km.header->constants_size, km.header->main_mem_size};
    struct ncc_kmodel_writer w;
    ncc_kmodel_write_begin(&w, NULL, 0, &head);
    write_again(&km, &w);
    const size_t again_size = ncc_kmodel_write_end(&w);
    uint8_t *const out = malloc(again_size);
    ncc_kmodel_write_begin(&w, out, again_size, &head);
    write_again(&km, &w);
    assert_int_equal(ncc_kmodel_write_end(&w), again_size);
    assert_int_equal(ncc_kmodel_open(out, again_size, &again), NCC_OK);
    compare_files(&km, &again);
    if (identical) { /* even all blocks lie at the same offsets */
        assert_memory_equal(km.nodes, again.nodes, km.header->n_nodes * sizeof(struct ncc_km_node));
        assert_true(size <= again_size ? again_size - size < 8 : size - again_size <= 16);
    }
    free(out);
    free(file);
}

/* The oldest files align the bn words to 8 only: those are not laid out as ours. */
#define REWRITE(id, name, identical)                                                                                   \
    static void id(void **state)                                                                                       \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        rewrite(name, identical);                                                                                      \
    }
REWRITE(iris, "nncase_iris_r0_v4", true)
REWRITE(mobilenet, "canmv_mb-0.25_v4", true)
REWRITE(rfb, "nncase_RFB-320_r0_v4", true)
REWRITE(model5, "nncase_model5_v4", true)
REWRITE(slim, "nncase_slim-320_v4", true)
REWRITE(landmark, "nncase_ulffd_landmark_r0_v4", true)
REWRITE(yolo, "nncase_yolo_v4", false)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation),
        cmocka_unit_test(kpu_layer),
        cmocka_unit_test(misuse_is_answered_with_0),
        cmocka_unit_test(iris),
        cmocka_unit_test(mobilenet),
        cmocka_unit_test(rfb),
        cmocka_unit_test(model5),
        cmocka_unit_test(slim),
        cmocka_unit_test(landmark),
        cmocka_unit_test(yolo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
