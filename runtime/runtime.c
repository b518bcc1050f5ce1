/* Opens a model, which checks everything, and runs its nodes in order. The header is the manual. */
#include <ncc/runtime.h>

#include "kmodel/kmodel.h"
#include "runtime/device.h"
#include "runtime/run_node.h"

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
        if (ncc_run_needs_device(node.opcode))
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
    m->fault = ncc_run_fault(&where);
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
    return ncc_run_describe_input(&km, i);
}

struct ncc_model_tensor ncc_model_output(const struct ncc_model *m, uint32_t i)
{
    const struct ncc_kmodel km = file_of(m);
    return ncc_run_describe_output(&km, i);
}

static struct ncc_kernel_memory memory_of(const struct ncc_model *m, const struct ncc_kmodel *km)
{
    return (struct ncc_kernel_memory){.constants = km->constants, .main = m->work};
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

enum ncc_status ncc_model_run(struct ncc_model *m, const void *const *inputs)
{
    const struct ncc_kmodel km = file_of(m);
    const struct ncc_kernel_memory memory = memory_of(m, &km);
    enum ncc_status status = ncc_run_inputs(m->device, &km, m->work, inputs);
    struct ncc_kmodel_node node = {0};
    while (!status && ncc_kmodel_next(&km, &node)) {
        status = ncc_run_node(m->device, &node, &memory);
        if (!status && m->observer != NULL)
            ncc_run_tell(m->observer, m->observer_ctx, &node, m->work);
    }
    return status;
}
