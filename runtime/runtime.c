/* Opens a model, which checks everything, and runs its nodes in order. The header is the manual. */
#include <ncc/runtime.h>

#include "kmodel/kmodel.h"
#include "runtime/device.h"
#include "runtime/kernels/kernel.h"
#include "runtime/run_kpu.h"

#include <string.h>

enum { WORK_ALIGN = 8 };

static size_t work_size(const struct ncc_kmodel *km)
{
    const size_t size = (size_t)km->header->main_mem_size;
    const size_t rounded = (size + WORK_ALIGN - 1) / WORK_ALIGN * WORK_ALIGN;
    return rounded == 0 ? WORK_ALIGN : rounded;
}

/* The file of an open model; opening it again only does sums. */
static struct ncc_kmodel file_of(const struct ncc_model *m)
{
    struct ncc_kmodel km;
    ncc_kmodel_open(m->file, m->file_size, &km);
    return km;
}

size_t ncc_model_work_size(const void *model, size_t size)
{
    struct ncc_kmodel km;
    return ncc_kmodel_open(model, size, &km) ? 0 : work_size(&km);
}

static bool needs_device(const struct ncc_kmodel *km)
{
    for (uint32_t i = 0; i < km->header->n_inputs; i++)
        if (km->inputs[i].memory_type == NCC_KM_KPU)
            return true;
    struct ncc_kmodel_node node = {0};
    while (ncc_kmodel_next(km, &node))
        if (node.opcode == NCC_KM_OP_kpu_upload || node.opcode == NCC_KM_OP_kpu_conv2d)
            return true;
    return false;
}

/* A file whose parts were not found has no node to blame: the status tells all there is to say. */
static enum ncc_status open_file(struct ncc_model *m, struct ncc_kmodel *km)
{
    const enum ncc_status status = ncc_kmodel_open(m->file, m->file_size, km);
    if (status && status != NCC_BAD_ARGUMENT && status != NCC_MISALIGNED)
        m->fault = (struct ncc_fault){-1, 0, "header", ncc_status_text(status)};
    if (status)
        return status;
    struct ncc_km_fault where;
    if (ncc_kmodel_check(km, &where) == NCC_OK)
        return NCC_OK;
    if (where.node == NCC_KM_NO_NODE) {
        m->fault = (struct ncc_fault){-1, 0, "header", where.text};
    } else {
        const char *const name = ncc_kmodel_op_name(where.opcode);
        m->fault = (struct ncc_fault){(int32_t)where.node, where.opcode, name ? name : "unknown", where.text};
    }
    return NCC_MALFORMED;
}

enum ncc_status ncc_model_open(struct ncc_model *m, const void *model, size_t size, void *work, size_t work_size_given,
                               const struct ncc_device *device)
{
    if (m == NULL)
        return NCC_BAD_ARGUMENT;
    *m = (struct ncc_model){.file = model, .file_size = size, .work = work, .device = device};
    m->fault = (struct ncc_fault){-1, 0, "", ""};
    struct ncc_kmodel km;
    const enum ncc_status status = open_file(m, &km);
    if (status)
        return status;
    if (work == NULL)
        return NCC_BAD_ARGUMENT;
    if ((uintptr_t)work % WORK_ALIGN != 0)
        return NCC_MISALIGNED;
    if (work_size_given < work_size(&km))
        return NCC_NO_FIT;
    return device == NULL && needs_device(&km) ? NCC_NO_DEVICE : NCC_OK;
}

const struct ncc_fault *ncc_model_fault(const struct ncc_model *m)
{
    return &m->fault;
}

uint32_t ncc_model_n_inputs(const struct ncc_model *m)
{
    return file_of(m).header->n_inputs;
}

uint32_t ncc_model_n_outputs(const struct ncc_model *m)
{
    return file_of(m).header->n_outputs;
}

struct ncc_model_tensor ncc_model_input(const struct ncc_model *m, uint32_t i)
{
    const struct ncc_kmodel km = file_of(m);
    const struct ncc_km_range *const r = &km.inputs[i];
    const int32_t *const shape = km.input_shapes[i];
    struct ncc_model_tensor t = {.element = (enum ncc_element)r->datatype, .size = r->size};
    memcpy(t.shape, shape, sizeof t.shape);
    t.in_kpu = r->memory_type == NCC_KM_KPU;
    if (t.in_kpu) /* the range has the size of the KPU's layout, the caller gives packed bytes */
        t.size = (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2] * (size_t)shape[3];
    return t;
}

struct ncc_model_tensor ncc_model_output(const struct ncc_model *m, uint32_t i)
{
    const struct ncc_km_range r = file_of(m).outputs[i];
    return (struct ncc_model_tensor){.element = (enum ncc_element)r.datatype, .size = r.size};
}

static struct ncc_kernel_memory memory_of(const struct ncc_model *m, const struct ncc_kmodel *km)
{
    return (struct ncc_kernel_memory){km->constants, m->work};
}

const void *ncc_model_output_data(const struct ncc_model *m, uint32_t i)
{
    const struct ncc_kmodel km = file_of(m);
    const struct ncc_kernel_memory memory = memory_of(m, &km);
    return ncc_kernel_in(&memory, &km.outputs[i]);
}

void ncc_model_observe(struct ncc_model *m, ncc_node_observer *observer, void *ctx)
{
    m->observer = observer;
    m->observer_ctx = ctx;
}

static enum ncc_status load_inputs(const struct ncc_model *m, const struct ncc_kmodel *km, const void *const *inputs)
{
    for (uint32_t i = 0; i < km->header->n_inputs; i++) {
        const struct ncc_km_range *const r = &km->inputs[i];
        if (inputs == NULL || inputs[i] == NULL)
            return NCC_BAD_ARGUMENT;
        if (r->memory_type == NCC_KM_MAIN) {
            memcpy((uint8_t *)m->work + r->start, inputs[i], r->size);
            continue;
        }
        const enum ncc_status status = ncc_run_upload(m->device, r->start, inputs[i], km->input_shapes[i]);
        if (status)
            return status;
    }
    return NCC_OK;
}

#define NCC_KERNEL(name, instructions, per, source)                                                                    \
    case NCC_KM_OP_##name:                                                                                             \
        ncc_kernel_##name(node->body, memory);                                                                         \
        return NCC_OK;
#define NCC_DEVICE_KERNEL(name, instructions, per, source)
static enum ncc_status run_node(const struct ncc_device *device, const struct ncc_kmodel_node *node,
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

static void tell_observer(const struct ncc_model *m, const struct ncc_kmodel_node *node)
{
    const struct ncc_km_range *const r = result_of(node);
    struct ncc_node_event event = {.node = node->index, .opcode = node->opcode, .op = ncc_kmodel_op_name(node->opcode)};
    event.element = (enum ncc_element)r->datatype;
    if (r->memory_type == NCC_KM_MAIN && r->size > 0) {
        event.data = (const uint8_t *)m->work + r->start;
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
    m->observer(m->observer_ctx, &event);
}

enum ncc_status ncc_model_run(struct ncc_model *m, const void *const *inputs)
{
    const struct ncc_kmodel km = file_of(m);
    const struct ncc_kernel_memory memory = memory_of(m, &km);
    enum ncc_status status = load_inputs(m, &km, inputs);
    struct ncc_kmodel_node node = {0};
    while (!status && ncc_kmodel_next(&km, &node)) {
        status = run_node(m->device, &node, &memory);
        if (!status && m->observer != NULL)
            tell_observer(m, &node);
    }
    return status;
}
