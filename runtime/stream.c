/* Runs a model whose bodies are read when they are needed. The header is the manual.
 *
 * Work memory, and what of the file is where:
 *
 *     | front | node table | spans | main memory | slot 0 | slot 1 |
 *       header, inputs,      one per                bodies of the nodes 0, 2, 4 ... and 1, 3, 5 ...
 *       shapes, outputs      node
 *
 * A slot holds a body at the same offset modulo 256 as the file, so that layers find their blocks aligned, and behind
 * it the constants that the node reads: one span of the file's constants, from its first to its last.
 */
#include <ncc/stream.h>

#include "runtime/device.h"
#include "runtime/run_node.h"

#include <string.h>

enum { WORK_ALIGN = 256, WORD = 8, MAX_RANGES = 3 };

struct span { /* bytes of the constants */
    uint32_t begin, size;
};

struct layout {
    struct ncc_kmodel_offsets at;
    uint32_t n_nodes;
    size_t main_size, slot_size[2];
};

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static enum ncc_status wait_for(const struct ncc_source *source)
{
    return source->wait == NULL ? NCC_OK : source->wait(source->ctx);
}

static enum ncc_status fetch(const struct ncc_source *source, size_t off, void *to, size_t size)
{
    if (off > source->size || size > source->size - off)
        return NCC_TRUNCATED;
    const enum ncc_status status = source->read(source->ctx, off, to, size);
    return status ? status : wait_for(source);
}

/* ---- what a node reads of the constants ---- */

/* How many ranges stand at the beginning of a body, and whether `n` more follow its fixed part (concat). */
static uint32_t n_ranges(uint32_t opcode)
{
    switch (opcode) {
    case NCC_KM_OP_binary:
    case NCC_KM_OP_quantized_binary:
    case NCC_KM_OP_matmul:
    case NCC_KM_OP_quantized_matmul:
    case NCC_KM_OP_table_lookup1d:
        return 3;
    case NCC_KM_OP_concat:
    case NCC_KM_OP_kpu_conv2d:
        return 1;
    default:
        return 2;
    }
}

/* Ranges that do not lie inside the constants are left to the check. */
static void widen(struct span *s, const struct ncc_km_range *r, uint32_t constants_size)
{
    if (r->memory_type != NCC_KM_CONST || r->size == 0 || r->start > constants_size ||
        r->size > constants_size - r->start)
        return;
    const uint32_t begin = r->start / WORD * WORD, end = r->start + r->size;
    const uint32_t old_end = s->begin + s->size;
    if (s->size == 0)
        *s = (struct span){begin, end - begin};
    else {
        s->begin = begin < s->begin ? begin : s->begin;
        s->size = (end > old_end ? end : old_end) - s->begin;
    }
}

/* The span of the node whose body is at `off` of the file. Reads its ranges. */
static enum ncc_status find_span(const struct ncc_source *source, const struct ncc_km_node *node, size_t off,
                                 uint32_t constants_size, struct span *out)
{
    struct ncc_km_range r[MAX_RANGES];
    const uint32_t n = n_ranges(node->opcode);
    *out = (struct span){0, 0};
    if (constants_size == 0 || ncc_kmodel_op_body_size(node->opcode) < n * sizeof *r)
        return NCC_OK; /* nothing to read, or an unknown operation, which the check reports */
    enum ncc_status status = fetch(source, off, r, n * sizeof *r);
    for (uint32_t i = 0; i < n && !status; i++)
        widen(out, &r[i], constants_size);
    if (status || node->opcode != NCC_KM_OP_concat)
        return status;
    struct ncc_km_concat concat;
    status = fetch(source, off, &concat, sizeof concat);
    const uint32_t most = (node->body_size - (uint32_t)sizeof concat) / (uint32_t)sizeof *r;
    for (uint32_t i = 0; i < concat.n && i < most && !status; i++) {
        status = fetch(source, off + sizeof concat + i * sizeof *r, r, sizeof *r);
        if (!status)
            widen(out, r, constants_size);
    }
    return status;
}

/* ---- layout ---- */

static uint32_t present(size_t size, size_t off, uint32_t declared)
{
    const size_t left = off < size ? size - off : 0;
    return left < declared ? (uint32_t)left : declared;
}

/* Bytes of a slot for a body at file offset `off` and a span. */
static size_t slot_bytes(size_t off, uint32_t body_size, const struct span *s)
{
    return up(off % WORK_ALIGN + body_size, WORD) + up(s->size, WORD);
}

/* Walks over the table of nodes in the file, without keeping it. */
static enum ncc_status measure_slots(const struct ncc_source *source, const struct ncc_km_header *header,
                                     struct layout *l)
{
    size_t off = l->at.bodies;
    for (uint32_t i = 0; i < l->n_nodes; i++) {
        struct ncc_km_node node;
        struct span span;
        enum ncc_status status = fetch(source, l->at.nodes + i * sizeof node, &node, sizeof node);
        if (status)
            return status;
        const uint32_t body_size = present(source->size, off, node.body_size);
        if (body_size < ncc_kmodel_op_body_size(node.opcode))
            return NCC_TRUNCATED;
        status = find_span(source, &node, off, header->constants_size, &span);
        if (status)
            return status;
        const size_t bytes = slot_bytes(off, body_size, &span);
        if (bytes > l->slot_size[i % 2])
            l->slot_size[i % 2] = bytes;
        off += node.body_size;
    }
    return NCC_OK;
}

static enum ncc_status measure(const struct ncc_source *source, struct layout *l)
{
    struct ncc_km_header header;
    if (source == NULL || source->read == NULL)
        return NCC_BAD_ARGUMENT;
    if (source->size < sizeof header)
        return NCC_TRUNCATED;
    enum ncc_status status = fetch(source, 0, &header, sizeof header);
    if (!status)
        status = ncc_kmodel_find(&header, sizeof header, source->size, &l->at);
    if (status)
        return status;
    l->n_nodes = header.n_nodes;
    l->main_size = up(header.main_mem_size, WORD);
    l->slot_size[0] = l->slot_size[1] = 0;
    return measure_slots(source, &header, l);
}

static void lay_out(struct ncc_stream *s, const struct layout *l)
{
    s->n_nodes = l->n_nodes;
    s->front_size = l->at.constants;
    s->constants_off = l->at.constants;
    s->nodes_off = l->at.nodes;
    s->bodies_off = l->at.bodies;
    s->table_at = up(s->front_size, WORD);
    s->spans_at = s->table_at + l->n_nodes * sizeof(struct ncc_km_node);
    s->main_at = s->spans_at + l->n_nodes * sizeof(struct span);
    s->slot_at[0] = up(s->main_at + l->main_size, WORK_ALIGN);
    s->slot_at[1] = up(s->slot_at[0] + l->slot_size[0], WORK_ALIGN);
    s->end_at = s->slot_at[1] + l->slot_size[1];
}

size_t ncc_stream_work_size(const struct ncc_source *source)
{
    struct layout l;
    struct ncc_stream s;
    if (measure(source, &l))
        return 0;
    lay_out(&s, &l);
    return s.end_at;
}

/* ---- the parts that stay ---- */

static struct ncc_kmodel file_of(const struct ncc_stream *s)
{
    const struct ncc_km_header *const header = (const void *)s->work;
    const struct ncc_kmodel_offsets at = {
        .inputs = sizeof *header,
        .shapes = sizeof *header + header->n_inputs * sizeof(struct ncc_km_range),
        .outputs = s->front_size - header->n_outputs * sizeof(struct ncc_km_range),
        .constants = s->constants_off,
        .nodes = s->nodes_off,
        .bodies = s->bodies_off,
    };
    struct ncc_kmodel km = {.size = s->source.size, .nodes = (const void *)(s->work + s->table_at)};
    ncc_kmodel_ends(s->work, &at, &km);
    return km;
}

static struct span *spans_of(const struct ncc_stream *s)
{
    return (struct span *)(void *)(s->work + s->spans_at);
}

static uint8_t *slot_of(const struct ncc_stream *s, uint32_t node)
{
    return s->work + s->slot_at[node % 2];
}

/* Starts reading a body and its constants. */
static enum ncc_status start(const struct ncc_stream *s, const struct ncc_kmodel_node *node)
{
    const struct span span = spans_of(s)[node->index];
    uint8_t *const body = slot_of(s, node->index) + node->body_off % WORK_ALIGN;
    const enum ncc_status status = s->source.read(s->source.ctx, node->body_off, body, node->body_size);
    if (status || span.size == 0)
        return status;
    return s->source.read(s->source.ctx, s->constants_off + span.begin, body + up(node->body_size, WORD), span.size);
}

/* A body that has been read, and the base from which ranges of the constants count. */
static struct ncc_kernel_memory arrived(const struct ncc_stream *s, struct ncc_kmodel_node *node)
{
    uint8_t *const body = slot_of(s, node->index) + node->body_off % WORK_ALIGN;
    node->body = body;
    return (struct ncc_kernel_memory){
        .constants = body + up(node->body_size, WORD),
        .constants_begin = spans_of(s)[node->index].begin,
        .main = s->work + s->main_at,
    };
}

/* ---- opening ---- */

static enum ncc_status say(struct ncc_stream *s, enum ncc_status status)
{
    if (status == NCC_NOT_KMODEL || status == NCC_UNSUPPORTED || status == NCC_TRUNCATED || status == NCC_MALFORMED)
        if (*s->fault.text == 0)
            s->fault = (struct ncc_fault){-1, 0, "header", ncc_status_text(status)};
    return status;
}

static enum ncc_status read_front(struct ncc_stream *s, struct ncc_kmodel *km)
{
    enum ncc_status status = fetch(&s->source, 0, s->work, s->front_size);
    if (!status)
        status = fetch(&s->source, s->nodes_off, s->work + s->table_at, s->n_nodes * sizeof(struct ncc_km_node));
    if (status)
        return status;
    *km = file_of(s);
    return ncc_kmodel_check_sizes(km);
}

static enum ncc_status check_ends(struct ncc_stream *s, const struct ncc_kmodel *km)
{
    const struct ncc_km_fault where = {.node = NCC_KM_NO_NODE, .text = ncc_kmodel_check_ends(km)};
    if (where.text != NULL) {
        s->fault = ncc_run_fault(&where);
        return NCC_MALFORMED;
    }
    for (uint32_t i = 0; i < km->header->n_inputs; i++)
        if (km->inputs[i].memory_type == NCC_KM_KPU && s->device == NULL)
            return NCC_NO_DEVICE;
    for (uint32_t i = 0; i < km->header->n_outputs; i++)
        if (km->outputs[i].memory_type == NCC_KM_CONST) {
            s->fault = (struct ncc_fault){-1, 0, "header", "an output is a constant, which does not stay in memory"};
            return NCC_UNSUPPORTED;
        }
    return NCC_OK;
}

static enum ncc_status check_node(struct ncc_stream *s, const struct ncc_kmodel *km, struct ncc_kmodel_node *node)
{
    enum ncc_status status = start(s, node);
    if (!status)
        status = wait_for(&s->source);
    if (status)
        return status;
    arrived(s, node);
    const struct ncc_km_fault where = {node->index, node->opcode, ncc_kmodel_check_node(km, node)};
    if (where.text != NULL) {
        s->fault = ncc_run_fault(&where);
        return NCC_MALFORMED;
    }
    return s->device == NULL && ncc_run_needs_device(node->opcode) ? NCC_NO_DEVICE : NCC_OK;
}

/* Finds the span of every node, then reads and checks it. */
static enum ncc_status check_nodes(struct ncc_stream *s, const struct ncc_kmodel *km)
{
    struct ncc_kmodel_node node = {0};
    enum ncc_status status = NCC_OK;
    while (!status && ncc_kmodel_next(km, &node)) {
        status = find_span(&s->source, &km->nodes[node.index], node.body_off, km->header->constants_size,
                           &spans_of(s)[node.index]);
        if (!status)
            status = check_node(s, km, &node);
    }
    return status;
}

enum ncc_status ncc_stream_open(struct ncc_stream *s, const struct ncc_source *source, void *work, size_t work_size,
                                const struct ncc_device *device)
{
    struct layout l;
    struct ncc_kmodel km;
    if (s == NULL)
        return NCC_BAD_ARGUMENT;
    *s = (struct ncc_stream){.work = work, .device = device, .fault = {-1, 0, "", ""}};
    enum ncc_status status = measure(source, &l);
    if (status)
        return say(s, status);
    if (work == NULL)
        return NCC_BAD_ARGUMENT;
    if ((uintptr_t)work % WORK_ALIGN != 0)
        return NCC_MISALIGNED;
    s->source = *source;
    lay_out(s, &l);
    if (work_size < s->end_at)
        return NCC_NO_FIT;
    status = read_front(s, &km);
    if (!status)
        status = check_ends(s, &km);
    if (!status)
        status = check_nodes(s, &km);
    return say(s, status);
}

const struct ncc_fault *ncc_stream_fault(const struct ncc_stream *s)
{
    return &s->fault;
}

/* ---- asking and running ---- */

uint32_t ncc_stream_n_inputs(const struct ncc_stream *s)
{
    return file_of(s).header->n_inputs;
}

uint32_t ncc_stream_n_outputs(const struct ncc_stream *s)
{
    return file_of(s).header->n_outputs;
}

struct ncc_model_tensor ncc_stream_input(const struct ncc_stream *s, uint32_t i)
{
    const struct ncc_kmodel km = file_of(s);
    return ncc_run_describe_input(&km, i);
}

struct ncc_model_tensor ncc_stream_output(const struct ncc_stream *s, uint32_t i)
{
    const struct ncc_kmodel km = file_of(s);
    return ncc_run_describe_output(&km, i);
}

const void *ncc_stream_output_data(const struct ncc_stream *s, uint32_t i)
{
    return s->work + s->main_at + file_of(s).outputs[i].start;
}

void ncc_stream_observe(struct ncc_stream *s, ncc_node_observer *observer, void *ctx)
{
    s->observer = observer;
    s->observer_ctx = ctx;
}

enum ncc_status ncc_stream_run(struct ncc_stream *s, const void *const *inputs)
{
    const struct ncc_kmodel km = file_of(s);
    uint8_t *const main = s->work + s->main_at;
    struct ncc_kmodel_node node = {0}, next = {0};
    enum ncc_status status = ncc_run_inputs(s->device, &km, main, inputs);
    bool more = ncc_kmodel_next(&km, &next);
    if (!status && more)
        status = start(s, &next);
    while (!status && more) {
        status = wait_for(&s->source);
        node = next;
        more = ncc_kmodel_next(&km, &next);
        if (!status && more)
            status = start(s, &next); /* into the other slot, while this one runs */
        if (status)
            break;
        const struct ncc_kernel_memory memory = arrived(s, &node);
        status = ncc_run_node(s->device, &node, &memory);
        if (!status && s->observer != NULL)
            ncc_run_tell(s->observer, s->observer_ctx, &node, main);
    }
    const enum ncc_status ended = wait_for(&s->source); /* no read may outlive the call */
    return status ? status : ended;
}
