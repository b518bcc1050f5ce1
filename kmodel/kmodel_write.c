/* Writes a kmodel v4 file front to back; only the node table is filled in behind the front. */
#include "kmodel/sink.h"
#include "kpu/limits.h"

#include <string.h>

static uint32_t round_up_8(uint32_t size)
{
    return size + ncc_km_gap(size, NCC_KM_BODY_ALIGN);
}

void ncc_kmodel_write_begin(struct ncc_kmodel_writer *w, uint8_t *buf, size_t cap, const struct ncc_kmodel_head *head)
{
    *w = (struct ncc_kmodel_writer){.sink = {buf, cap, 0, false}, .n_nodes = head->n_nodes};
    /* Rounding these up must not wrap, and nothing near 4 GiB can become a file anyway. */
    if (head->constants_size > UINT32_MAX - NCC_KM_BODY_ALIGN || head->main_mem_size > UINT32_MAX - NCC_KM_BODY_ALIGN ||
        head->n_nodes > UINT32_MAX / sizeof(struct ncc_km_node) ||
        head->n_inputs > UINT32_MAX / sizeof(struct ncc_km_range) ||
        head->n_outputs > UINT32_MAX / sizeof(struct ncc_km_range)) {
        w->sink.failed = true;
        return;
    }
    const struct ncc_km_header header = {
        .identifier = NCC_KM_IDENTIFIER,
        .version = NCC_KM_VERSION,
        .target = NCC_KM_TARGET_K210,
        .constants_size = round_up_8(head->constants_size),
        .main_mem_size = round_up_8(head->main_mem_size),
        .n_nodes = head->n_nodes,
        .n_inputs = head->n_inputs,
        .n_outputs = head->n_outputs,
    };
    ncc_km_put(&w->sink, &header, sizeof header);
    ncc_km_put(&w->sink, head->inputs, head->n_inputs * sizeof(struct ncc_km_range));
    ncc_km_put(&w->sink, head->input_shapes, head->n_inputs * sizeof(int32_t[4]));
    ncc_km_put(&w->sink, head->outputs, head->n_outputs * sizeof(struct ncc_km_range));
    ncc_km_put(&w->sink, head->constants, head->constants_size);
    ncc_km_put_zeros(&w->sink, ncc_km_gap(head->constants_size, NCC_KM_BODY_ALIGN));
    w->nodes_off = w->sink.pos;
    ncc_km_put_zeros(&w->sink, head->n_nodes * sizeof(struct ncc_km_node));
}

/* Pads the body that began at body_off and fills in its row of the table. */
static void finish_body(struct ncc_kmodel_writer *w, uint32_t opcode, size_t body_off)
{
    ncc_km_put_zeros(&w->sink, ncc_km_gap(w->sink.pos, NCC_KM_BODY_ALIGN));
    if (w->n_written >= w->n_nodes)
        w->sink.failed = true;
    const struct ncc_km_node row = {.opcode = opcode, .body_size = (uint32_t)(w->sink.pos - body_off)};
    ncc_km_patch(&w->sink, w->nodes_off + w->n_written * sizeof row, &row, sizeof row);
    w->n_written++;
}

void ncc_kmodel_write_node(struct ncc_kmodel_writer *w, uint32_t opcode, const void *body, size_t body_size,
                           const void *payload1, size_t size1, const void *payload2, size_t size2)
{
    const bool fits = ncc_kmodel_op_has_payload(opcode) || size1 + size2 == 0;
    if (body == NULL || body_size == 0 || body_size != ncc_kmodel_op_body_size(opcode) || !fits ||
        opcode == NCC_KM_OP_kpu_conv2d)
        w->sink.failed = true;
    const size_t body_off = w->sink.pos;
    ncc_km_put(&w->sink, body, body_size);
    ncc_km_put(&w->sink, payload1, size1);
    ncc_km_put(&w->sink, payload2, size2);
    finish_body(w, opcode, body_off);
}

/* The skip counts stand in the upper halves of words 4 (bn), 7 (act) and 5 (weights), where the addresses will be. */
static void set_upper_half(uint64_t *word, uint32_t value)
{
    *word = (*word & UINT32_MAX) | (uint64_t)value << 32;
}

/* Firmware of version 4 copies by CPU and clears the flag. So of a plane that the DMA could not count it is left out.
 */
static bool sends(const struct ncc_km_range *main_out, int32_t batches, size_t n_channels)
{
    return main_out != NULL && main_out->size <= (uint64_t)batches * n_channels * NCC_KPU_MAX_DMA_PLANE;
}

void ncc_kmodel_write_kpu_conv2d(struct ncc_kmodel_writer *w, const struct ncc_km_range *main_out, int32_t batches,
                                 const uint64_t words[12], const uint64_t *bn, size_t n_bn, const uint8_t *act,
                                 const uint8_t *weights, size_t weights_size)
{
    struct ncc_km_kpu_conv2d body = {.batches = batches};
    if (main_out != NULL)
        body.main_out = *main_out;
    memcpy(body.words, words, sizeof body.words);
    body.words[0] &= ~(uint64_t)1;                                                     /* int_en */
    body.words[11] = (body.words[11] & ~(uint64_t)1) | sends(main_out, batches, n_bn); /* send_data_out */

    const size_t body_off = w->sink.pos;
    const uint32_t bn_skip = ncc_km_gap(body_off + sizeof body, NCC_KM_BLOB_ALIGN);
    const size_t bn_end = body_off + sizeof body + bn_skip + n_bn * sizeof *bn;
    const uint32_t act_skip = ncc_km_gap(bn_end, NCC_KM_BLOB_ALIGN);
    const uint32_t weights_skip = ncc_km_gap(bn_end + act_skip + NCC_KM_ACT_SIZE, NCC_KM_BLOB_ALIGN);
    set_upper_half(&body.words[4], bn_skip);
    set_upper_half(&body.words[7], act_skip);
    set_upper_half(&body.words[5], weights_skip);

    ncc_km_put(&w->sink, &body, sizeof body);
    ncc_km_put_zeros(&w->sink, bn_skip);
    ncc_km_put(&w->sink, bn, n_bn * sizeof *bn);
    ncc_km_put_zeros(&w->sink, act_skip);
    ncc_km_put(&w->sink, act, NCC_KM_ACT_SIZE);
    ncc_km_put_zeros(&w->sink, weights_skip);
    ncc_km_put(&w->sink, weights, weights_size);
    finish_body(w, NCC_KM_OP_kpu_conv2d, body_off);
}

size_t ncc_kmodel_write_end(struct ncc_kmodel_writer *w)
{
    return w->sink.failed || w->n_written != w->n_nodes ? 0 : w->sink.pos;
}
