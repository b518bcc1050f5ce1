/* Opens a model, which checks everything, and runs its nodes in order. The header is the manual. What depends on the
 * version of the file is in format_v3.c and format_v4.c. */
#include <ncc/runtime.h>

#include "kmodel/kmodel_v3.h"
#include "runtime/format.h"

enum { WORK_ALIGN = 8 };

static const struct ncc_file_format *format_of(const void *file, size_t size)
{
    const bool can_be_read = file != NULL && (uintptr_t)file % sizeof(uint32_t) == 0;
    return can_be_read && ncc_kmodel_v3_is(file, size) ? &ncc_format_v3 : &ncc_format_v4;
}

static size_t work_size(size_t main_size)
{
    const size_t rounded = (main_size + WORK_ALIGN - 1) / WORK_ALIGN * WORK_ALIGN;
    return rounded == 0 ? WORK_ALIGN : rounded;
}

size_t ncc_model_work_size(const void *model, size_t size)
{
    size_t main_size;
    return format_of(model, size)->open(model, size, &main_size) ? 0 : work_size(main_size);
}

static struct ncc_fault fault_at(const struct ncc_file_format *format, const struct ncc_km_fault *where)
{
    if (where->node == NCC_KM_NO_NODE)
        return (struct ncc_fault){-1, 0, "header", where->text};
    const char *const name = format->op_name(where->opcode);
    return (struct ncc_fault){(int32_t)where->node, where->opcode, name ? name : "unknown", where->text};
}

/* A file whose parts were not found has no node to blame: the status tells all there is to say. */
static enum ncc_status open_file(struct ncc_model *m, size_t *main_size, bool *needs_device)
{
    enum ncc_status status = m->format->open(m->file, m->file_size, main_size);
    if (status && status != NCC_BAD_ARGUMENT && status != NCC_MISALIGNED)
        m->fault = (struct ncc_fault){-1, 0, "header", ncc_status_text(status)};
    if (status)
        return status;
    struct ncc_km_fault where;
    status = m->format->check(m->file, m->file_size, &where, needs_device);
    if (status)
        m->fault = fault_at(m->format, &where);
    return status;
}

enum ncc_status ncc_model_open(struct ncc_model *m, const void *model, size_t size, void *work, size_t work_size_given,
                               const struct ncc_device *device)
{
    if (m == NULL)
        return NCC_BAD_ARGUMENT;
    *m = (struct ncc_model){
        .file = model, .file_size = size, .work = work, .device = device, .format = format_of(model, size)};
    m->fault = (struct ncc_fault){-1, 0, "", ""};
    size_t main_size;
    bool needs_device;
    const enum ncc_status status = open_file(m, &main_size, &needs_device);
    if (status)
        return status;
    if (work == NULL)
        return NCC_BAD_ARGUMENT;
    if ((uintptr_t)work % WORK_ALIGN != 0)
        return NCC_MISALIGNED;
    if (work_size_given < work_size(main_size))
        return NCC_NO_FIT;
    return device == NULL && needs_device ? NCC_NO_DEVICE : NCC_OK;
}

const struct ncc_fault *ncc_model_fault(const struct ncc_model *m)
{
    return &m->fault;
}

uint32_t ncc_model_n_inputs(const struct ncc_model *m)
{
    return m->format->n_inputs(m);
}

uint32_t ncc_model_n_outputs(const struct ncc_model *m)
{
    return m->format->n_outputs(m);
}

struct ncc_model_tensor ncc_model_input(const struct ncc_model *m, uint32_t i)
{
    return m->format->input(m, i);
}

struct ncc_model_tensor ncc_model_output(const struct ncc_model *m, uint32_t i)
{
    return m->format->output(m, i);
}

const void *ncc_model_output_data(const struct ncc_model *m, uint32_t i)
{
    return m->format->output_data(m, i);
}

void ncc_model_observe(struct ncc_model *m, ncc_node_observer *observer, void *ctx)
{
    m->observer = observer;
    m->observer_ctx = ctx;
}

enum ncc_status ncc_model_run(struct ncc_model *m, const void *const *inputs)
{
    return m->format->run(m, inputs);
}
