#include "runtime/run_node.h"

#include "runtime/run_kpu.h"

#include <string.h>

#define NCC_KERNEL(name, instructions, per, source)                                                                    \
    case NCC_KM_OP_##name:                                                                                             \
        ncc_kernel_##name(node->body, memory);                                                                         \
        return NCC_OK;
#define NCC_DEVICE_KERNEL(name, instructions, per, source)
enum ncc_status ncc_run_node(const struct ncc_device *device, const struct ncc_kmodel_node *node,
                             const struct ncc_kernel_memory *memory)
{
    switch (node->opcode) {
#include "runtime/kernels.def"
    case NCC_KM_OP_kpu_upload: {
        const struct ncc_km_kpu_upload *const op = node->body;
        return ncc_run_upload(device, op->out.start, ncc_kernel_in(memory, &op->in), op->in_shape);
    }
    default:
        return ncc_run_kpu_conv2d(device, node, memory->main);
    }
}
#undef NCC_KERNEL
#undef NCC_DEVICE_KERNEL

bool ncc_run_needs_device(uint32_t opcode)
{
    return opcode == NCC_KM_OP_kpu_upload || opcode == NCC_KM_OP_kpu_conv2d;
}

enum ncc_status ncc_run_inputs(const struct ncc_device *device, const struct ncc_kmodel *km, void *main,
                               const void *const *inputs)
{
    for (uint32_t i = 0; i < km->header->n_inputs; i++) {
        const struct ncc_km_range *const r = &km->inputs[i];
        if (inputs == NULL || inputs[i] == NULL)
            return NCC_BAD_ARGUMENT;
        if (r->memory_type == NCC_KM_MAIN) {
            memcpy((uint8_t *)main + r->start, inputs[i], r->size);
            continue;
        }
        const enum ncc_status status = ncc_run_upload(device, r->start, inputs[i], km->input_shapes[i]);
        if (status)
            return status;
    }
    return NCC_OK;
}

struct ncc_model_tensor ncc_run_describe_input(const struct ncc_kmodel *km, uint32_t i)
{
    const struct ncc_km_range *const r = &km->inputs[i];
    const int32_t *const shape = km->input_shapes[i];
    struct ncc_model_tensor t = {.element = (enum ncc_element)r->datatype, .size = r->size};
    memcpy(t.shape, shape, sizeof t.shape);
    t.in_kpu = r->memory_type == NCC_KM_KPU;
    if (t.in_kpu) /* the range has the size of the KPU's layout, the caller gives packed bytes */
        t.size = (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2] * (size_t)shape[3];
    return t;
}

struct ncc_model_tensor ncc_run_describe_output(const struct ncc_kmodel *km, uint32_t i)
{
    const struct ncc_km_range *const r = &km->outputs[i];
    return (struct ncc_model_tensor){.element = (enum ncc_element)r->datatype, .size = r->size};
}

/* The range that a node of the CPU writes. In most bodies it follows one input. */
static const struct ncc_km_range *result_of(const struct ncc_kmodel_node *node)
{
    const struct ncc_km_range *const ranges = node->body;
    switch (node->opcode) {
    case NCC_KM_OP_concat:
    case NCC_KM_OP_kpu_conv2d:
        return &ranges[0];
    case NCC_KM_OP_binary:
    case NCC_KM_OP_quantized_binary:
    case NCC_KM_OP_matmul:
    case NCC_KM_OP_quantized_matmul:
    case NCC_KM_OP_table_lookup1d:
        return &ranges[2];
    default:
        return &ranges[1];
    }
}

void ncc_run_tell(ncc_node_observer *observer, void *ctx, const struct ncc_kmodel_node *node, const void *main)
{
    const struct ncc_km_range *const r = result_of(node);
    struct ncc_node_event event = {.node = node->index, .opcode = node->opcode, .op = ncc_kmodel_op_name(node->opcode)};
    event.element = (enum ncc_element)r->datatype;
    if (r->memory_type == NCC_KM_MAIN && r->size > 0) {
        event.data = (const uint8_t *)main + r->start;
        event.size = r->size;
    }
    if (node->opcode == NCC_KM_OP_kpu_upload) {
        event.kpu_off = r->start;
        memcpy(event.kpu_shape, ((const struct ncc_km_kpu_upload *)node->body)->in_shape, sizeof event.kpu_shape);
    }
    if (node->opcode == NCC_KM_OP_kpu_conv2d) {
        event.element = NCC_U8;
        ncc_run_kpu_result(node->body, &event.kpu_off, event.kpu_shape);
    }
    observer(ctx, &event);
}

struct ncc_fault ncc_run_fault(const struct ncc_km_fault *where)
{
    if (where->node == NCC_KM_NO_NODE)
        return (struct ncc_fault){-1, 0, "header", where->text};
    const char *const name = ncc_kmodel_op_name(where->opcode);
    return (struct ncc_fault){(int32_t)where->node, where->opcode, name ? name : "unknown", where->text};
}
