/* Runs a kmodel (version 4) that is too large for RAM from where it is stored: flash, an SD card, a file.
 *
 * Only the front of the file (header, inputs, outputs, and the table of nodes, which says where each body lies) stays
 * in RAM. Bodies are read one after another in the order in which they run, each while the one before it runs, into two
 * buffers in turn. Results are those of ncc/runtime.h, bit for bit.
 *
 *     static enum ncc_status flash_read(void *ctx, size_t off, void *to, size_t size)
 *     {
 *         w25qxx_read_data(MODEL_AT + off, to, size);
 *         ncc_k210_publish(to, size);                    // the KPU reads weights past the cache
 *         return NCC_OK;
 *     }
 *     const struct ncc_source flash = {.size = MODEL_SIZE, .read = flash_read};
 *     static uint8_t work[WORK_SIZE] __attribute__((aligned(256)));
 *     struct ncc_stream s;
 *     if (ncc_stream_open(&s, &flash, work, sizeof work, ncc_k210_device()))
 *         return;                                        // ncc_stream_fault(&s) says why
 *     const void *inputs[] = { camera_planar_rgb };
 *     while (!ncc_stream_run(&s, inputs))
 *         use(ncc_stream_output_data(&s, 0));
 *
 * What WORK_SIZE must be, `ncc compile` prints ("streaming"), and ncc_stream_work_size() computes.
 *
 * Freestanding C99, like ncc/runtime.h: nothing is allocated, and the stored model is checked completely, body by body,
 * when it is opened. It must not change afterwards.
 */
#ifndef NCC_STREAM_H
#define NCC_STREAM_H

#include <ncc/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the file is. Both functions answer NCC_OK, or any other status, which ends the call that needed the bytes. */
struct ncc_source {
    void *ctx;   /* handed to the functions unchanged */
    size_t size; /* bytes of the file */
    /* Reads `size` bytes at offset `off` of the file to `to`; never beyond its end. May only start the transfer, if
     * there is a `wait`; at most two are under way at a time. */
    enum ncc_status (*read)(void *ctx, size_t off, void *to, size_t size);
    /* Returns when all reads that were started are complete. NULL: they are when `read` returns. */
    enum ncc_status (*wait)(void *ctx);
};

/* An open model. The caller provides the struct; its members are private. */
struct ncc_stream {
    struct ncc_source source;
    uint8_t *work;
    const struct ncc_device *device;
    uint32_t n_nodes;
    size_t front_size;                              /* header, inputs, input shapes, outputs */
    size_t constants_off, nodes_off, bodies_off;    /* in the file */
    size_t table_at, spans_at, main_at, slot_at[2]; /* in work */
    size_t end_at;
    ncc_node_observer *observer;
    void *observer_ctx;
    struct ncc_fault fault;
};

/* Bytes of work memory: the front of the file, working memory, and the two largest bodies that are needed one after the
 * other (each with the constants its node reads). A multiple of 8. 0: not a model that can be streamed, or a read
 * failed. Reads the table of nodes and the beginning of every body. */
size_t ncc_stream_work_size(const struct ncc_source *source);

/* Prepares `s`. `work` lies at a multiple of 256 and is kept, as are the functions of the source and the device (NULL
 * if the model has no node for the KPU). Reads the whole file once and checks it. NCC_NOT_KMODEL, NCC_UNSUPPORTED
 * (version, or an output that is a constant), NCC_TRUNCATED, NCC_MALFORMED: the model is at fault, and
 * ncc_stream_fault() tells where. NCC_MISALIGNED, NCC_NO_FIT, NCC_NO_DEVICE, NCC_BAD_ARGUMENT: the call is. Else what
 * the source answered. */
enum ncc_status ncc_stream_open(struct ncc_stream *s, const struct ncc_source *source, void *work, size_t work_size,
                                const struct ncc_device *device);
const struct ncc_fault *ncc_stream_fault(const struct ncc_stream *s);

/* As their namesakes in ncc/runtime.h. */
uint32_t ncc_stream_n_inputs(const struct ncc_stream *s);
uint32_t ncc_stream_n_outputs(const struct ncc_stream *s);
struct ncc_model_tensor ncc_stream_input(const struct ncc_stream *s, uint32_t i);
struct ncc_model_tensor ncc_stream_output(const struct ncc_stream *s, uint32_t i);
void ncc_stream_observe(struct ncc_stream *s, ncc_node_observer *observer, void *ctx);

/* Runs the model once. Fails only when the device or the source does, or when an input is NULL. */
enum ncc_status ncc_stream_run(struct ncc_stream *s, const void *const *inputs);

/* Output i of the last run, inside the work memory, valid until the next run. */
const void *ncc_stream_output_data(const struct ncc_stream *s, uint32_t i);

#ifdef __cplusplus
}
#endif
#endif
