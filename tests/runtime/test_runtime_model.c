/* The calls of ncc/runtime.h: memory, arguments, descriptions, tracing, faults; and what the device is asked for. */
#include "model_builder.h"

#include "kpu/arith.h"
#include "kpu/layer.h"
#include "runtime/device.h"

#include <ncc/runtime.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* y = exp(-x) over 7 floats */
static uint8_t *exp_model(size_t *size)
{
    const int32_t shape[4] = {1, 1, 1, 7};
    struct mb b = {0};
    struct ncc_km_unary op = {.op = NCC_KM_UNARY_NEG};
    op.in = mb_input(&b, NCC_KM_F32, shape);
    op.out = mb_main(&b, NCC_KM_F32, 7);
    mb_add(&b, NCC_KM_OP_unary, &op, sizeof op, NULL, 0, NULL, 0);
    op.op = NCC_KM_UNARY_EXP;
    op.in = op.out;
    op.out = mb_output(&b, NCC_KM_F32, 7);
    mb_add(&b, NCC_KM_OP_unary, &op, sizeof op, NULL, 0, NULL, 0);
    return mb_file(&b, size);
}

static void work_memory(void **state)
{
    (void)state;
    size_t size;
    uint8_t *const file = exp_model(&size);
    const size_t work_size = ncc_model_work_size(file, size);
    uint8_t *const work = malloc(work_size);
    struct ncc_model m;
    assert_int_equal(work_size, 3 * 32);
    assert_int_equal(ncc_model_open(&m, file, size, work, work_size, NULL), NCC_OK);
    assert_string_equal(ncc_model_fault(&m)->text, "");
    assert_int_equal(ncc_model_open(&m, file, size, work, work_size - 1, NULL), NCC_NO_FIT);
    assert_int_equal(ncc_model_open(&m, file, size, work + 1, work_size, NULL), NCC_MISALIGNED);
    assert_int_equal(ncc_model_open(&m, file, size, NULL, work_size, NULL), NCC_BAD_ARGUMENT);
    assert_int_equal(ncc_model_open(&m, NULL, size, work, work_size, NULL), NCC_BAD_ARGUMENT);
    assert_int_equal(ncc_model_open(NULL, file, size, work, work_size, NULL), NCC_BAD_ARGUMENT);
    assert_int_equal(ncc_model_open(&m, file, 100, work, work_size, NULL), NCC_TRUNCATED);
    assert_string_equal(ncc_model_fault(&m)->text, ncc_status_text(NCC_TRUNCATED));
    assert_int_equal(ncc_model_work_size(file, 100), 0);
    free(work);
    free(file);
}

struct trace {
    int n;
    float last;
};

static void observe(void *ctx, const struct ncc_node_event *event)
{
    struct trace *const t = ctx;
    assert_int_equal(event->node, t->n);
    assert_string_equal(event->op, "unary");
    assert_int_equal(event->opcode, NCC_KM_OP_unary);
    assert_int_equal(event->size, 28);
    assert_int_equal(event->element, NCC_F32);
    t->last = ((const float *)event->data)[6];
    t->n++;
}

static void running(void **state)
{
    (void)state;
    size_t size;
    uint8_t *const file = exp_model(&size);
    const size_t work_size = ncc_model_work_size(file, size);
    uint8_t *const work = malloc(work_size);
    struct ncc_model m;
    assert_int_equal(ncc_model_open(&m, file, size, work, work_size, NULL), NCC_OK);
    assert_int_equal(ncc_model_n_inputs(&m), 1);
    assert_int_equal(ncc_model_n_outputs(&m), 1);
    const struct ncc_model_tensor in = ncc_model_input(&m, 0), out = ncc_model_output(&m, 0);
    assert_true(in.size == 28 && in.element == NCC_F32 && in.shape[3] == 7 && !in.in_kpu);
    assert_true(out.size == 28 && out.element == NCC_F32);

    uint8_t unaligned[29] = {0}; /* inputs may lie anywhere */
    struct trace trace = {0, 0};
    ncc_model_observe(&m, observe, &trace);
    assert_int_equal(ncc_model_run(&m, (const void *[]){unaligned + 1}), NCC_OK);
    assert_int_equal(trace.n, 2);
    assert_true(trace.last == 1.0f);
    for (int i = 0; i < 7; i++)
        assert_true(((const float *)ncc_model_output_data(&m, 0))[i] == 1.0f);
    assert_int_equal(ncc_model_run(&m, (const void *[]){NULL}), NCC_BAD_ARGUMENT);
    assert_int_equal(ncc_model_run(&m, NULL), NCC_BAD_ARGUMENT);
    free(work);
    free(file);
}

static void faults_name_the_node(void **state)
{
    (void)state;
    size_t size;
    uint8_t *const file = exp_model(&size);
    uint8_t work[96] __attribute__((aligned(8)));
    struct ncc_kmodel km;
    struct ncc_kmodel_node node = {0};
    struct ncc_model m;
    assert_int_equal(ncc_kmodel_open(file, size, &km), NCC_OK);
    ncc_kmodel_next(&km, &node);
    ncc_kmodel_next(&km, &node);
    file[node.body_off + 32] = 99; /* the operator of node 1 */
    assert_int_equal(ncc_model_open(&m, file, size, work, sizeof work, NULL), NCC_MALFORMED);
    assert_int_equal(ncc_model_fault(&m)->node, 1);
    assert_int_equal(ncc_model_fault(&m)->opcode, NCC_KM_OP_unary);
    assert_string_equal(ncc_model_fault(&m)->op, "unary");
    assert_string_equal(ncc_model_fault(&m)->text, "an unknown unary operator");
    free(file);
}

/* A device that only writes down what it is asked for. */
struct log {
    int uploads, layers, downloads;
    uint32_t upload_off[8], download_off[8];
    uint64_t words[8][12];
    enum ncc_status answer;
};

static enum ncc_status log_upload(void *ctx, uint32_t kpu_off, const uint8_t *nchw, int c, int h, int w)
{
    struct log *const log = ctx;
    assert_true(c == 4 && h == 8 && w == 8 && nchw[0] == log->uploads + 1);
    log->upload_off[log->uploads++] = kpu_off;
    return log->answer;
}

static enum ncc_status log_layer(void *ctx, const uint64_t words[12], const uint8_t *weights, size_t weights_size,
                                 int weight_bits, const uint64_t *bn, size_t n_bn, const uint8_t *act)
{
    struct log *const log = ctx;
    assert_true(weights_size == 16 && weight_bits == 8 && weights[3] == 13 && n_bn == 4 && bn[2] == 102 && act[7] == 0x08);
    memcpy(log->words[log->layers++], words, sizeof log->words[0]);
    return log->answer;
}

static enum ncc_status log_download(void *ctx, uint8_t *nchw, uint32_t kpu_off, int c, int h, int w)
{
    struct log *const log = ctx;
    assert_true(c == 4 && h == 8 && w == 8);
    memset(nchw, 0x40 + log->downloads, 256);
    log->download_off[log->downloads++] = kpu_off;
    return log->answer;
}

/* An input of 2 images of 4 x 8 x 8 (8 lines each) at line 16, a layer to line 100, and its copy in main memory. */
static size_t layer_model(uint8_t *file, size_t cap)
{
    const int32_t shape[1][4] = {{2, 4, 8, 8}};
    const struct ncc_km_range in = {NCC_KM_KPU, NCC_KM_U8, 16 * 64, 1024}, out = {NCC_KM_MAIN, NCC_KM_U8, 0, 512};
    const struct ncc_kmodel_head head = {1, 1, 1, &in, &out, shape, NULL, 0, 512};
    const struct ncc_kpu_shape layer = {4, 8, 8, 4, 1, false, NCC_KPU_POOL_NONE};
    const uint64_t bn[4] = {100, 101, 102, 103};
    uint8_t weights[16], act[144];
    struct ncc_kpu_regs regs;
    struct ncc_kpu_table table = {0};
    uint64_t words[12];
    for (int i = 0; i < 16; i++) {
        weights[i] = (uint8_t)(10 + i);
        table.seg[i].x_start = i == 0 ? NCC_KPU_ACC_MIN : NCC_KPU_ACC_MAX - 16 + i;
    }
    ncc_kpu_table_pack(&table, act);
    ncc_kpu_derive(&layer, 16, 100, 0, 0, &regs);
    assert_null(ncc_kpu_pack(&regs, words));
    struct ncc_kmodel_writer w;
    ncc_kmodel_write_begin(&w, file, cap, &head);
    ncc_kmodel_write_kpu_conv2d(&w, &out, 2, words, bn, 4, act, weights, sizeof weights);
    return ncc_kmodel_write_end(&w);
}

static void device_calls(void **state)
{
    (void)state;
    static uint8_t file[2048] __attribute__((aligned(256)));
    static uint8_t work[512] __attribute__((aligned(8))), input[512];
    struct log log = {0};
    const struct ncc_device device = {&log, log_upload, log_layer, log_download};
    struct ncc_model m;
    const size_t size = layer_model(file, sizeof file);
    assert_true(size > 0);
    assert_int_equal(ncc_model_open(&m, file, size, work, sizeof work, NULL), NCC_NO_DEVICE);
    assert_int_equal(ncc_model_open(&m, file, size, work, sizeof work, &device), NCC_OK);
    assert_true(ncc_model_input(&m, 0).in_kpu && ncc_model_input(&m, 0).size == 512);
    input[0] = 1;
    input[256] = 2;
    assert_int_equal(ncc_model_run(&m, (const void *[]){input}), NCC_OK);
    assert_true(log.uploads == 2 && log.layers == 2 && log.downloads == 2);
    assert_true(log.upload_off[0] == 16 * 64 && log.upload_off[1] == 24 * 64);
    assert_true((log.words[0][1] & 0x7FFF) == 16 && (log.words[1][1] & 0x7FFF) == 24);
    assert_true((log.words[0][1] >> 32 & 0x7FFF) == 100 && (log.words[1][1] >> 32 & 0x7FFF) == 108);
    assert_true(log.download_off[0] == 100 * 64 && log.download_off[1] == 108 * 64);
    const uint8_t *const out = ncc_model_output_data(&m, 0);
    assert_true(out == work && out[0] == 0x40 && out[256] == 0x41);

    log = (struct log){.answer = NCC_DEVICE_FAILED};
    assert_int_equal(ncc_model_run(&m, (const void *[]){input}), NCC_DEVICE_FAILED);
    assert_true(log.uploads == 1 && log.layers == 0);
}

/* kernels.def has a row for every operation, in the same order, and a cost of our own for every kernel of the CPU. */
static void rows_of_kernels(void **state)
{
    (void)state;
    static const char *const ops[] = {
#define NCC_KM_OP(number, name, size, payload) #name,
#include "kmodel/opcodes.def"
#undef NCC_KM_OP
    };
    static const struct {
        const char *name;
        double cost;
    } rows[] =
        {
#define NCC_KERNEL(name, instructions, per, source)        {#name, instructions},
#define NCC_DEVICE_KERNEL(name, instructions, per, source) {#name, instructions},
#include "runtime/kernels.def"
#undef NCC_KERNEL
#undef NCC_DEVICE_KERNEL
        },
      own[] = {
#define NCC_KERNEL(name, instructions, per, source)
#define NCC_DEVICE_KERNEL(name, instructions, per, source)
#define NCC_KERNEL_OWN(name, instructions) {#name, instructions},
#include "runtime/kernels.def"
#undef NCC_KERNEL
#undef NCC_DEVICE_KERNEL
#undef NCC_KERNEL_OWN
      };
    enum { N = sizeof ops / sizeof *ops, N_OWN = sizeof own / sizeof *own };
    assert_int_equal(sizeof rows / sizeof *rows, N);
    assert_int_equal(N_OWN, N - 2); /* all but upload and the layer itself */
    for (int i = 0; i < N; i++) {
        assert_string_equal(rows[i].name, ops[i]);
        assert_true(rows[i].cost > 0);
        if (i < N_OWN)
            assert_true(strcmp(own[i].name, ops[i]) == 0 && own[i].cost > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_memory),  cmocka_unit_test(running),         cmocka_unit_test(faults_name_the_node),
        cmocka_unit_test(device_calls), cmocka_unit_test(rows_of_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
