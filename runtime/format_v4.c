/* kmodel v4: a list of nodes over three memories (doc/kmodel.md part B). */
#include "runtime/format.h"
#include "runtime/run_node.h"

/* The file of an open model; opening it again only does sums. */
static struct ncc_kmodel file_of(const struct ncc_model *m)
{
    struct ncc_kmodel km;
    ncc_kmodel_open(m->file, m->file_size, &km);
    return km;
}

static enum ncc_status open(const void *file, size_t size, size_t *main_size)
{
    struct ncc_kmodel km;
    const enum ncc_status status = ncc_kmodel_open(file, size, &km);
    *main_size = status ? 0 : km.header->main_mem_size;
    return status;
}

static bool needs_device(const struct ncc_kmodel *km)
{
    for (uint32_t i = 0; i < km->header->n_inputs; i++)
        if (km->inputs[i].memory_type == NCC_KM_KPU)
            return true;
    for (uint32_t i = 0; i < km->header->n_nodes; i++)
        if (ncc_run_needs_device(km->nodes[i].opcode))
            return true;
    return false;
}

static enum ncc_status check(const void *file, size_t size, struct ncc_km_fault *where, bool *device)
{
    struct ncc_kmodel km;
    ncc_kmodel_open(file, size, &km);
    *device = needs_device(&km);
    return ncc_kmodel_check(&km, where);
}

static uint32_t n_inputs(const struct ncc_model *m)
{
    return file_of(m).header->n_inputs;
}

static uint32_t n_outputs(const struct ncc_model *m)
{
    return file_of(m).header->n_outputs;
}

static struct ncc_model_tensor input(const struct ncc_model *m, uint32_t i)
{
    const struct ncc_kmodel km = file_of(m);
    return ncc_run_describe_input(&km, i);
}

static struct ncc_model_tensor output(const struct ncc_model *m, uint32_t i)
{
    const struct ncc_kmodel km = file_of(m);
    return ncc_run_describe_output(&km, i);
}

static struct ncc_kernel_memory memory_of(const struct ncc_model *m, const struct ncc_kmodel *km)
{
    return (struct ncc_kernel_memory){.constants = km->constants, .main = m->work};
}

static const void *output_data(const struct ncc_model *m, uint32_t i)
{
    const struct ncc_kmodel km = file_of(m);
    const struct ncc_kernel_memory memory = memory_of(m, &km);
    return ncc_kernel_in(&memory, &km.outputs[i]);
}

static enum ncc_status run(struct ncc_model *m, const void *const *inputs)
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

const struct ncc_file_format ncc_format_v4 = {
    .open = open,
    .check = check,
    .op_name = ncc_kmodel_op_name,
    .n_inputs = n_inputs,
    .n_outputs = n_outputs,
    .input = input,
    .output = output,
    .output_data = output_data,
    .run = run,
};
