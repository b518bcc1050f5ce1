/* Finds the parts of a kmodel v4 file. Nothing is trusted: all offsets are 64-bit sums held against the size of the
 * file. */
#include "kmodel/kmodel.h"

#define NCC_STATUS_CASE(name, text)                                                                                    \
    case name:                                                                                                         \
        return text;
const char *ncc_status_text(enum ncc_status status)
{
    switch (status) {
        NCC_STATUS_LIST(NCC_STATUS_CASE)
    case NCC_N_STATUS:
        break;
    }
    return "not a status";
}
#undef NCC_STATUS_CASE

static bool is_aligned(const void *p, uintptr_t alignment)
{
    return (uintptr_t)p % alignment == 0;
}

/* What is in the file of a body that declares `declared` bytes. */
static uint32_t bytes_present(const struct ncc_kmodel *km, uint64_t off, uint32_t declared)
{
    const uint64_t left = off < km->size ? km->size - off : 0;
    return left < declared ? (uint32_t)left : declared;
}

enum ncc_status ncc_kmodel_check_sizes(const struct ncc_kmodel *km)
{
    uint64_t off = km->bodies_off;
    for (uint32_t i = 0; i < km->header->n_nodes; i++) {
        const struct ncc_km_node node = km->nodes[i];
        const uint32_t present = bytes_present(km, off, node.body_size);
        const uint32_t missing = node.body_size - present;
        const uint32_t fixed = ncc_kmodel_op_body_size(node.opcode);
        if (off % NCC_KM_BODY_ALIGN != 0 || node.body_size < fixed)
            return NCC_MALFORMED;
        if (missing >= NCC_KM_BODY_ALIGN || present < fixed || (missing > 0 && i + 1 < km->header->n_nodes))
            return NCC_TRUNCATED;
        off += node.body_size;
    }
    return NCC_OK;
}

/* A file of version 3 begins with its version, flags and architecture (doc/kmodel.md A.1), and has no identifier. */
static bool is_version_3(const void *data, size_t size)
{
    const uint32_t *const head = data;
    return size >= 3 * sizeof *head && head[0] == 3 && head[1] <= 1 && head[2] == 0;
}

static enum ncc_status check_header(const void *data, size_t size)
{
    const struct ncc_km_header *const header = data;
    if (is_version_3(data, size))
        return NCC_UNSUPPORTED;
    if (size < sizeof header->identifier || header->identifier != NCC_KM_IDENTIFIER)
        return NCC_NOT_KMODEL;
    if (size < sizeof *header)
        return NCC_TRUNCATED;
    if (header->version != NCC_KM_VERSION || header->target > NCC_KM_TARGET_K210)
        return NCC_UNSUPPORTED;
    return NCC_OK;
}

/* All offsets are 64-bit sums, and 32-bit counts cannot overflow them. */
enum ncc_status ncc_kmodel_find(const void *data, size_t available, size_t size, struct ncc_kmodel_offsets *out)
{
    const enum ncc_status status = check_header(data, available);
    if (status)
        return status;
    const struct ncc_km_header *const header = data;
    const uint64_t shapes = sizeof *header + (uint64_t)header->n_inputs * sizeof(struct ncc_km_range);
    const uint64_t outputs = shapes + (uint64_t)header->n_inputs * sizeof(int32_t[4]);
    const uint64_t constants = outputs + (uint64_t)header->n_outputs * sizeof(struct ncc_km_range);
    const uint64_t nodes = constants + header->constants_size;
    const uint64_t bodies = nodes + (uint64_t)header->n_nodes * sizeof(struct ncc_km_node);
    if (bodies > size)
        return NCC_TRUNCATED;
    if (nodes % sizeof(uint32_t) != 0)
        return NCC_MALFORMED;
    *out = (struct ncc_kmodel_offsets){sizeof *header,    (size_t)shapes, (size_t)outputs,
                                       (size_t)constants, (size_t)nodes,  (size_t)bodies};
    return NCC_OK;
}

void ncc_kmodel_ends(const void *front, const struct ncc_kmodel_offsets *at, struct ncc_kmodel *out)
{
    const uint8_t *const bytes = front;
    out->header = front;
    out->inputs = (const struct ncc_km_range *)(const void *)(bytes + at->inputs);
    out->outputs = (const struct ncc_km_range *)(const void *)(bytes + at->outputs);
    out->input_shapes = (const int32_t(*)[4])(const void *)(bytes + at->shapes);
    out->bodies_off = at->bodies;
}

enum ncc_status ncc_kmodel_open(const void *data, size_t size, struct ncc_kmodel *out)
{
    if (data == NULL)
        return NCC_BAD_ARGUMENT;
    if (!is_aligned(data, NCC_KM_BODY_ALIGN))
        return NCC_MISALIGNED;
    struct ncc_kmodel_offsets at;
    const enum ncc_status status = ncc_kmodel_find(data, size, size, &at);
    if (status)
        return status;
    const uint8_t *const bytes = data;
    *out = (struct ncc_kmodel){
        .data = bytes,
        .size = size,
        .constants = bytes + at.constants,
        .nodes = (const struct ncc_km_node *)(const void *)(bytes + at.nodes),
    };
    ncc_kmodel_ends(data, &at, out);
    return ncc_kmodel_check_sizes(out);
}

bool ncc_kmodel_next(const struct ncc_kmodel *km, struct ncc_kmodel_node *node)
{
    const uint32_t i = node->next;
    if (i >= km->header->n_nodes)
        return false;
    const size_t off = i == 0 ? km->bodies_off : node->next_off;
    const struct ncc_km_node entry = km->nodes[i];
    *node = (struct ncc_kmodel_node){
        .index = i,
        .opcode = entry.opcode,
        .body = km->data == NULL ? NULL : km->data + off,
        .body_size = bytes_present(km, off, entry.body_size),
        .body_off = off,
        .next = i + 1,
        .next_off = off + entry.body_size,
    };
    return true;
}

const void *ncc_kmodel_payload(const struct ncc_kmodel_node *node, uint32_t *size)
{
    const uint32_t fixed = ncc_kmodel_op_body_size(node->opcode);
    *size = node->body_size - fixed;
    return (const uint8_t *)node->body + fixed;
}
