/* Finds the parts of a kmodel v3 file. Nothing is trusted: all offsets are 64-bit sums held against the size of the
 * file. */
#include "kmodel/kmodel_v3.h"

enum { FILE_ALIGN = 8, BODY_ALIGN = 4, MAY_MISS = 8 };

bool ncc_kmodel_v3_is(const void *data, size_t size)
{
    const uint32_t *const head = data;
    return size >= 3 * sizeof *head && head[0] == NCC_KM3_VERSION && head[1] <= NCC_KM3_8_BIT && head[2] == 0;
}

static uint32_t bytes_present(const struct ncc_kmodel_v3 *km, uint64_t off, uint32_t declared)
{
    const uint64_t left = off < km->size ? km->size - off : 0;
    return left < declared ? (uint32_t)left : declared;
}

/* Of the last body the end may be missing, of no other anything. */
static enum ncc_status check_bodies(const struct ncc_kmodel_v3 *km)
{
    uint64_t off = km->bodies_off;
    for (uint32_t i = 0; i < km->header->n_layers; i++) {
        const struct ncc_km3_entry entry = km->layers[i];
        const uint32_t present = bytes_present(km, off, entry.body_size), missing = entry.body_size - present;
        const uint32_t fixed = ncc_kmodel_v3_body_size(entry.type);
        if (off % BODY_ALIGN != 0 || entry.body_size < fixed)
            return NCC_MALFORMED;
        if (missing >= MAY_MISS || present < fixed || (missing > 0 && i + 1 < km->header->n_layers))
            return NCC_TRUNCATED;
        off += entry.body_size;
    }
    return NCC_OK;
}

enum ncc_status ncc_kmodel_v3_open(const void *data, size_t size, struct ncc_kmodel_v3 *out)
{
    if (data == NULL)
        return NCC_BAD_ARGUMENT;
    if ((uintptr_t)data % FILE_ALIGN != 0)
        return NCC_MISALIGNED;
    if (!ncc_kmodel_v3_is(data, size))
        return NCC_NOT_KMODEL;
    const struct ncc_km3_header *const header = data;
    if (size < sizeof *header)
        return NCC_TRUNCATED;
    const uint64_t outputs_off = sizeof *header;
    const uint64_t layers_off = outputs_off + (uint64_t)header->n_outputs * sizeof(struct ncc_km3_output);
    const uint64_t bodies_off = layers_off + (uint64_t)header->n_layers * sizeof(struct ncc_km3_entry);
    if (bodies_off > size)
        return NCC_TRUNCATED;
    const uint8_t *const bytes = data;
    *out = (struct ncc_kmodel_v3){
        .data = bytes,
        .size = size,
        .header = header,
        .outputs = (const struct ncc_km3_output *)(const void *)(bytes + outputs_off),
        .layers = (const struct ncc_km3_entry *)(const void *)(bytes + layers_off),
        .bodies_off = (size_t)bodies_off,
    };
    return check_bodies(out);
}

bool ncc_kmodel_v3_next(const struct ncc_kmodel_v3 *km, struct ncc_km3_layer *layer)
{
    const uint32_t i = layer->next;
    if (i >= km->header->n_layers)
        return false;
    const size_t off = i == 0 ? km->bodies_off : layer->next_off;
    const struct ncc_km3_entry entry = km->layers[i];
    *layer = (struct ncc_km3_layer){
        .index = i,
        .type = entry.type,
        .body = km->data + off,
        .body_size = bytes_present(km, off, entry.body_size),
        .body_off = off,
        .next = i + 1,
        .next_off = off + entry.body_size,
    };
    return true;
}

static bool is_inside(const struct ncc_km3_layer *layer, uint32_t off, uint64_t size)
{
    return off >= layer->body_off && off + size <= layer->body_off + layer->body_size;
}

const char *ncc_kmodel_v3_conv(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer,
                               struct ncc_km3_conv *out)
{
    const struct ncc_km3_k210_conv *const op = layer->body;
    *out = (struct ncc_km3_conv){0};
    if (!is_inside(layer, op->words_off, NCC_KPU_WORDS * sizeof(uint64_t)))
        return "the words of the layer do not lie inside its body";
    if (op->words_off % 8 != 0 || op->bn_off % 8 != 0 || op->act_off % 8 != 0)
        return "the parameters of the layer are not 8-byte aligned";
    out->words = (const uint64_t *)(const void *)(km->data + op->words_off);
    ncc_kpu_unpack(out->words, &out->regs);
    const char *const text = ncc_kpu_shape_of(&out->regs, &out->shape);
    if (text != NULL)
        return text;
    out->n_bn = (uint32_t)out->shape.out_c;
    out->weight_size = km->header->flags & NCC_KM3_8_BIT ? 1 : 2;
    out->weights_size = (uint32_t)(ncc_kpu_n_weights(&out->shape) * out->weight_size); /* at most 18 * 2^20 */
    if (!is_inside(layer, op->weights_off, out->weights_size) || !is_inside(layer, op->act_off, NCC_KM_ACT_SIZE) ||
        !is_inside(layer, op->bn_off, out->n_bn * sizeof(uint64_t)))
        return "the parameters of the layer do not lie inside its body";
    out->weights = km->data + op->weights_off;
    out->act = km->data + op->act_off;
    out->bn = (const uint64_t *)(const void *)(km->data + op->bn_off);
    return NULL;
}

struct ncc_km3_input ncc_kmodel_v3_input(const struct ncc_kmodel_v3 *km)
{
    struct ncc_km3_layer first = {0};
    ncc_kmodel_v3_next(km, &first);
    if (first.type == NCC_KM3_fully_connected) {
        const struct ncc_km3_fully_connected *const op = first.body;
        return (struct ncc_km3_input){false, op->in, 1, 1, (int32_t)op->in_c};
    }
    struct ncc_km3_conv conv;
    ncc_kmodel_v3_conv(km, &first, &conv);
    return (struct ncc_km3_input){true, (uint32_t)conv.regs.image_src_addr, conv.shape.in_c, conv.shape.in_h,
                                  conv.shape.in_w};
}
