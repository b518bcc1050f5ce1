/* kmodel v3: a list of layers over main memory and KPU RAM, with one input (doc/kmodel.md part A). */
#include "kpu/layout.h"
#include "runtime/device.h"
#include "runtime/format.h"
#include "runtime/kernels/kernel_v3.h"

#include <string.h>

static struct ncc_kmodel_v3 file_of(const struct ncc_model *m)
{
    struct ncc_kmodel_v3 km;
    ncc_kmodel_v3_open(m->file, m->file_size, &km);
    return km;
}

static enum ncc_status open(const void *file, size_t size, size_t *main_size)
{
    struct ncc_kmodel_v3 km;
    const enum ncc_status status = ncc_kmodel_v3_open(file, size, &km);
    *main_size = status ? 0 : km.header->main_mem_size;
    return status;
}

static bool needs_device(const struct ncc_kmodel_v3 *km)
{
    for (uint32_t i = 0; i < km->header->n_layers; i++) {
        const uint32_t type = km->layers[i].type;
        if (type == NCC_KM3_k210_conv || type == NCC_KM3_k210_add_padding || type == NCC_KM3_k210_upload)
            return true;
    }
    return false;
}

static enum ncc_status check(const void *file, size_t size, struct ncc_km_fault *where, bool *device)
{
    struct ncc_kmodel_v3 km;
    ncc_kmodel_v3_open(file, size, &km);
    *device = needs_device(&km);
    return ncc_kmodel_v3_check(&km, where);
}

/* ---- ends ---- */

static uint32_t n_inputs(const struct ncc_model *m)
{
    (void)m;
    return 1;
}

static uint32_t n_outputs(const struct ncc_model *m)
{
    return file_of(m).header->n_outputs;
}

static struct ncc_model_tensor input(const struct ncc_model *m, uint32_t i)
{
    (void)i;
    const struct ncc_kmodel_v3 km = file_of(m);
    const struct ncc_km3_input in = ncc_kmodel_v3_input(&km);
    const size_t n = (size_t)in.c * (size_t)in.h * (size_t)in.w;
    return (struct ncc_model_tensor){.element = in.in_kpu ? NCC_U8 : NCC_F32,
                                     .size = in.in_kpu ? n : n * sizeof(float),
                                     .shape = {1, in.c, in.h, in.w},
                                     .in_kpu = in.in_kpu};
}

/* The format has no element types of outputs; its compilers end with floats. */
static struct ncc_model_tensor output(const struct ncc_model *m, uint32_t i)
{
    return (struct ncc_model_tensor){.element = NCC_F32, .size = file_of(m).outputs[i].size};
}

static const void *output_data(const struct ncc_model *m, uint32_t i)
{
    return (const uint8_t *)m->work + file_of(m).outputs[i].start;
}

static enum ncc_status load_input(const struct ncc_model *m, const struct ncc_kmodel_v3 *km, const void *const *inputs)
{
    const struct ncc_km3_input in = ncc_kmodel_v3_input(km);
    if (inputs == NULL || inputs[0] == NULL)
        return NCC_BAD_ARGUMENT;
    if (in.in_kpu)
        return m->device->upload(m->device->ctx, in.start * NCC_KPU_LINE_SIZE, inputs[0], in.c, in.h, in.w);
    memcpy((uint8_t *)m->work + in.start, inputs[0], (size_t)in.w * sizeof(float));
    return NCC_OK;
}

/* ---- layers around the KPU ---- */

static enum ncc_status run_conv(const struct ncc_model *m, const struct ncc_kmodel_v3 *km,
                                const struct ncc_km3_layer *layer)
{
    const struct ncc_device *const device = m->device;
    const struct ncc_km3_k210_conv *const op = layer->body;
    struct ncc_km3_conv conv;
    if (ncc_kmodel_v3_conv(km, layer, &conv) != NULL)
        return NCC_MALFORMED;
    const enum ncc_status status = device->run_layer(device->ctx, conv.words, conv.weights, conv.weights_size,
                                                     8 * conv.weight_size, conv.bn, conv.n_bn, conv.act);
    if (status || (op->flags & NCC_KM3_MAIN_OUT) == 0)
        return status;
    return device->download(device->ctx, (uint8_t *)m->work + op->main_out,
                            (uint32_t)conv.regs.image_dst_addr * NCC_KPU_LINE_SIZE, conv.shape.out_c,
                            ncc_kpu_out_h(&conv.shape), ncc_kpu_out_w(&conv.shape));
}

/* Four maps of 4 x 4 share a line, so they go up four at a time; what is not element (0, 0) does not matter. */
static enum ncc_status run_add_padding(const struct ncc_model *m, const struct ncc_km3_k210_add_padding *op)
{
    enum { GROUP = 4, SIDE = 4, MAP = SIDE * SIDE };
    const uint8_t *const in = (const uint8_t *)m->work + op->in;
    uint32_t kpu_off = op->out_line * NCC_KPU_LINE_SIZE;
    for (uint32_t c = 0; c < op->channels; c += GROUP) {
        const uint32_t n = op->channels - c < GROUP ? op->channels - c : GROUP;
        uint8_t maps[GROUP * MAP] = {0};
        for (uint32_t i = 0; i < n; i++)
            maps[i * MAP] = in[c + i];
        const enum ncc_status status = m->device->upload(m->device->ctx, kpu_off, maps, (int)n, SIDE, SIDE);
        if (status)
            return status;
        kpu_off += SIDE * NCC_KPU_LINE_SIZE;
    }
    return NCC_OK;
}

static enum ncc_status run_upload(const struct ncc_model *m, const struct ncc_km3_k210_upload *op)
{
    return m->device->upload(m->device->ctx, op->out_line * NCC_KPU_LINE_SIZE, (const uint8_t *)m->work + op->in,
                             (int)op->map.c, (int)op->map.h, (int)op->map.w);
}

#define NCC_KERNEL_V3(name, instructions, per, source)                                                                 \
    case NCC_KM3_##name:                                                                                               \
        ncc_kernel_v3_##name(layer->body, m->work);                                                                    \
        return NCC_OK;
#define NCC_DEVICE_KERNEL_V3(name)
static enum ncc_status run_layer(const struct ncc_model *m, const struct ncc_kmodel_v3 *km,
                                 const struct ncc_km3_layer *layer)
{
    switch (layer->type) {
#include "runtime/kernels_v3.def"
    case NCC_KM3_k210_add_padding:
        return run_add_padding(m, layer->body);
    case NCC_KM3_k210_upload:
        return run_upload(m, layer->body);
    default:
        return run_conv(m, km, layer);
    }
}
#undef NCC_KERNEL_V3
#undef NCC_DEVICE_KERNEL_V3

/* ---- telling the observer ---- */

/* The map that a layer leaves in KPU RAM; h is 0 when there is none. */
static struct ncc_km3_map map_of(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    struct ncc_km3_conv conv;
    switch (layer->type) {
    case NCC_KM3_k210_upload:
        return ((const struct ncc_km3_k210_upload *)layer->body)->map;
    case NCC_KM3_k210_add_padding:
        return (struct ncc_km3_map){4, 4, ((const struct ncc_km3_k210_add_padding *)layer->body)->channels};
    case NCC_KM3_k210_conv:
        ncc_kmodel_v3_conv(km, layer, &conv);
        return (struct ncc_km3_map){(uint32_t)ncc_kpu_out_w(&conv.shape), (uint32_t)ncc_kpu_out_h(&conv.shape),
                                    (uint32_t)conv.shape.out_c};
    default:
        return (struct ncc_km3_map){0, 0, 0};
    }
}

static void tell_observer(const struct ncc_model *m, const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    struct ncc_node_event event = {.node = layer->index, .opcode = layer->type, .op = ncc_kmodel_v3_name(layer->type)};
    struct ncc_km3_access access;
    ncc_kmodel_v3_access(km, layer, &access);
    for (int i = 0; i < access.n_write; i++) {
        const struct ncc_km_range *const r = &access.write[i];
        event.element = (enum ncc_element)r->datatype;
        if (r->memory_type == NCC_KM_KPU) {
            const struct ncc_km3_map map = map_of(km, layer);
            event.kpu_off = r->start;
            memcpy(event.kpu_shape, (const int32_t[4]){1, (int32_t)map.c, (int32_t)map.h, (int32_t)map.w},
                   sizeof event.kpu_shape);
        } else {
            event.data = (const uint8_t *)m->work + r->start;
            event.size = r->size;
        }
    }
    m->observer(m->observer_ctx, &event);
}

static enum ncc_status run(struct ncc_model *m, const void *const *inputs)
{
    const struct ncc_kmodel_v3 km = file_of(m);
    enum ncc_status status = load_input(m, &km, inputs);
    struct ncc_km3_layer layer = {0};
    while (!status && ncc_kmodel_v3_next(&km, &layer)) {
        status = run_layer(m, &km, &layer);
        if (!status && m->observer != NULL)
            tell_observer(m, &km, &layer);
    }
    return status;
}

const struct ncc_file_format ncc_format_v3 = {
    .open = open,
    .check = check,
    .op_name = ncc_kmodel_v3_name,
    .n_inputs = n_inputs,
    .n_outputs = n_outputs,
    .input = input,
    .output = output,
    .output_data = output_data,
    .run = run,
};
