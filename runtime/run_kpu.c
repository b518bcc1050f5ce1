#include "runtime/run_kpu.h"
#include "kpu/layer.h"
#include "kpu/layout.h"

#include <string.h>

static size_t image_size(const int32_t shape[4])
{
    return (size_t)shape[1] * (size_t)shape[2] * (size_t)shape[3];
}

static uint32_t kpu_image_size(const int32_t shape[4])
{
    return (uint32_t)ncc_kpu_bytes(shape[1], shape[2], shape[3]);
}

enum ncc_status ncc_run_upload(const struct ncc_device *device, uint32_t kpu_off, const uint8_t *from,
                               const int32_t shape[4])
{
    for (int32_t n = 0; n < shape[0]; n++) {
        const enum ncc_status status = device->upload(device->ctx, kpu_off, from, shape[1], shape[2], shape[3]);
        if (status)
            return status;
        from += image_size(shape);
        kpu_off += kpu_image_size(shape);
    }
    return NCC_OK;
}

enum ncc_status ncc_run_download(const struct ncc_device *device, uint8_t *to, uint32_t kpu_off, const int32_t shape[4])
{
    for (int32_t n = 0; n < shape[0]; n++) {
        const enum ncc_status status = device->download(device->ctx, to, kpu_off, shape[1], shape[2], shape[3]);
        if (status)
            return status;
        to += image_size(shape);
        kpu_off += kpu_image_size(shape);
    }
    return NCC_OK;
}

static struct ncc_kpu_shape layer_shape(const uint64_t words[12])
{
    struct ncc_kpu_regs regs;
    struct ncc_kpu_shape shape;
    ncc_kpu_unpack(words, &regs);
    ncc_kpu_shape_of(&regs, &shape);
    return shape;
}

void ncc_run_kpu_result(const struct ncc_km_kpu_conv2d *op, uint32_t *kpu_off, int32_t shape[4])
{
    const struct ncc_kpu_shape layer = layer_shape(op->words);
    struct ncc_kpu_regs regs;
    ncc_kpu_unpack(op->words, &regs);
    *kpu_off = (uint32_t)regs.image_dst_addr * NCC_KPU_LINE_SIZE;
    shape[0] = op->batches;
    shape[1] = layer.out_c;
    shape[2] = ncc_kpu_out_h(&layer);
    shape[3] = ncc_kpu_out_w(&layer);
}

/* Moves input and output on to the next batch. The check has seen the last batch, so nothing overflows its field. */
static void advance(uint64_t words[12], const struct ncc_kpu_shape *layer)
{
    struct ncc_kpu_regs regs;
    ncc_kpu_unpack(words, &regs);
    regs.image_src_addr += ncc_kpu_in_lines(layer);
    regs.image_dst_addr += ncc_kpu_out_lines(layer);
    ncc_kpu_pack(&regs, words);
}

enum ncc_status ncc_run_kpu_conv2d(const struct ncc_device *device, const struct ncc_kmodel_node *node,
                                   uint8_t *main_mem)
{
    const struct ncc_km_kpu_conv2d *const op = node->body;
    struct ncc_km_kpu_parts parts;
    if (!ncc_kmodel_kpu_parts(node, &parts))
        return NCC_MALFORMED;
    const struct ncc_kpu_shape layer = layer_shape(op->words);
    uint64_t words[12];
    memcpy(words, op->words, sizeof words);
    for (int32_t n = 0; n < op->batches; n++) {
        if (n > 0)
            advance(words, &layer);
        const enum ncc_status status =
            device->run_layer(device->ctx, words, parts.weights, parts.weights_size, 8,
                              (const uint64_t *)(const void *)parts.bn, parts.n_bn, parts.act);
        if (status)
            return status;
    }
    if (op->main_out.size == 0)
        return NCC_OK;
    uint32_t kpu_off;
    int32_t shape[4];
    ncc_run_kpu_result(op, &kpu_off, shape);
    return ncc_run_download(device, main_mem + op->main_out.start, kpu_off, shape);
}
