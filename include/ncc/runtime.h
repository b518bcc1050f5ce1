/* Opens and runs a kmodel (version 4 or 3) on the K210 or on anything that behaves like its KPU.
 *
 * Freestanding C99: nothing is allocated, printed or kept in globals. Needs memcpy, memmove, memset and the float
 * functions of math.h from the C library. Nothing in a model is trusted: every length, address, shape and register
 * field is checked by ncc_model_open(), so that running needs no checks, and a damaged model is refused with
 * the node and the reason.
 *
 * One complete calling sequence (here with a picture of 3 x 240 x 320 bytes as the only input):
 *
 *     static uint8_t work[WORK_SIZE] __attribute__((aligned(8)));     // or malloc(ncc_model_work_size(...))
 *     const struct ncc_device *kpu = ncc_k210_device();               // ncc/k210.h; on a host ncc_sim_device(sim)
 *     struct ncc_model model;
 *
 *     ncc_k210_publish(file, file_size);                              // on the chip only
 *     enum ncc_status status = ncc_model_open(&model, file, file_size, work, sizeof work, kpu);
 *     if (status) {
 *         const struct ncc_fault *fault = ncc_model_fault(&model);
 *         printf("%s: node %d (%s): %s\n", ncc_status_text(status), (int)fault->node, fault->op, fault->text);
 *         return;
 *     }
 *     for (;;) {
 *         const void *inputs[] = { camera_planar_rgb };
 *         if (ncc_model_run(&model, inputs))
 *             break;
 *         const float *scores = ncc_model_output_data(&model, 0);
 *         size_t n_scores = ncc_model_output(&model, 0).size / sizeof *scores;
 *         ...
 *     }
 *
 * There is nothing to close. Models may be opened side by side, each with its own work memory; they share the
 * KPU RAM, whose contents need not survive from one run to the next, so runs must not overlap in time.
 */
#ifndef NCC_RUNTIME_H
#define NCC_RUNTIME_H

#include <ncc/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ncc_file_format; /* private */
struct ncc_device; /* a port to a KPU: ncc_k210_device(), ncc_sim_device(), or your own (runtime/device.h) */

/* The type of the elements of an input or output. The numbers are those of the file. */
enum ncc_element { NCC_F32 = 0, NCC_U8 = 1 };

/* An input or output as the caller sees it. Elements are packed without padding, little-endian, in n, c, h, w order.
 * The formats store no shapes of outputs: there `shape` is all 0. Version 3 stores no element types of them either: they
 * are taken to be floats, as its compilers make them. */
struct ncc_model_tensor {
    enum ncc_element element;
    size_t size;      /* bytes */
    int32_t shape[4]; /* n, c, h, w, filled with 1 from the left */
    bool in_kpu;      /* an input that goes straight to KPU RAM */
};

/* Where and why a model was refused. */
struct ncc_fault {
    int32_t node;     /* number of the node in the file, from 0; -1: the header, the inputs or the outputs */
    uint32_t opcode;  /* of that node, else 0 */
    const char *op;   /* its name; "header" when node is -1; "" when there is no fault */
    const char *text; /* what is wrong, a static string; "" when there is no fault */
};

/* What a node has just done; see ncc_model_observe(). */
struct ncc_node_event {
    uint32_t node, opcode;
    const char *op;
    enum ncc_element element;
    const void *data;     /* the node's result in main memory, valid during the call; NULL: it is only in KPU RAM */
    size_t size;          /* bytes of data, 0 without */
    uint32_t kpu_off;     /* for uploads and KPU layers: byte offset of the result in KPU RAM, and its shape; */
    int32_t kpu_shape[4]; /* 0 for other nodes. Batches lie one after another (doc/kpu.md section 3) */
};
typedef void ncc_node_observer(void *ctx, const struct ncc_node_event *event);

/* An open model. The caller provides the struct; its members are private. */
struct ncc_model {
    const void *file;
    size_t file_size;
    void *work;
    const struct ncc_device *device;
    const struct ncc_file_format *format;
    ncc_node_observer *observer;
    void *observer_ctx;
    struct ncc_fault fault;
};

/* Bytes of work memory that the model needs; always a multiple of 8, and at least 8. 0: not a model that this runtime
 * opens. Looks at the header and the sizes of the nodes only, so a model with an answer here may still be refused by
 * ncc_model_open(). `model` must be 8-byte aligned. */
size_t ncc_model_work_size(const void *model, size_t size);

/* Prepares `m` to run the model whose file is the `size` bytes at `model`.
 *
 * model   8-byte aligned; on the chip at a multiple of 256, and published (ncc_k210_publish), because the KPU reads
 *         weights and tables from the file itself.
 * work    8-byte aligned, at least ncc_model_work_size() bytes; it need not be cleared.
 * device  may be NULL if the model has no node for the KPU.
 * All three are kept, not copied: they must outlive `m`, and the file must not change. Nothing is written to them
 * before ncc_model_run().
 *
 * The file may lack the padding of its last node (up to 7 bytes) and may be followed by other data.
 * NCC_NOT_KMODEL, NCC_UNSUPPORTED, NCC_TRUNCATED, NCC_MALFORMED: the model is at fault, ncc_model_fault() tells where.
 * NCC_MISALIGNED, NCC_NO_FIT, NCC_NO_DEVICE, NCC_BAD_ARGUMENT: the call is. After a failure `m` may only be asked for
 * its fault. Time: one pass over the nodes, without their weights. */
enum ncc_status ncc_model_open(struct ncc_model *m, const void *model, size_t size, void *work, size_t work_size,
                               const struct ncc_device *device);

/* Why the last ncc_model_open() of `m` failed; op and text are "" when it succeeded or only its arguments were bad. */
const struct ncc_fault *ncc_model_fault(const struct ncc_model *m);

/* Counts and descriptions. `i` must be less than the count. */
uint32_t ncc_model_n_inputs(const struct ncc_model *m);
uint32_t ncc_model_n_outputs(const struct ncc_model *m);
struct ncc_model_tensor ncc_model_input(const struct ncc_model *m, uint32_t i);
struct ncc_model_tensor ncc_model_output(const struct ncc_model *m, uint32_t i);

/* Runs the model once, start to end. inputs[i] points to ncc_model_input(m, i).size bytes, of any alignment, which
 * are read and not changed. Fails only when the device does, or when an input is NULL. */
enum ncc_status ncc_model_run(struct ncc_model *m, const void *const *inputs);

/* Output i of the last run: ncc_model_output(m, i).size bytes inside the work memory (or, for an output that does not
 * depend on the input, inside the file), aligned for its element. Valid until the next run. */
const void *ncc_model_output_data(const struct ncc_model *m, uint32_t i);

/* From now on calls `observer` after every node of a run; NULL: no longer. For tracing and for comparing layers. */
void ncc_model_observe(struct ncc_model *m, ncc_node_observer *observer, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
