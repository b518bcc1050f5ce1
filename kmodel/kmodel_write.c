/* Writes a kmodel v4 file front to back; only the node table is filled in behind the front. */
#include "kmodel/kmodel.h"

#include <string.h>

/* Reserves `size` bytes and tells where they are; NULL while counting and after a failure. */
static uint8_t *take(struct ncc_kmodel_writer *w, size_t size)
{
    if (w->failed || size > UINT32_MAX - w->pos) {
        w->failed = true;
        return NULL;
    }
    const size_t off = w->pos;
    w->pos += size;
    if (w->buf == NULL)
        return NULL;
    if (w->pos > w->cap) {
        w->failed = true;
        return NULL;
    }
    return w->buf + off;
}

static void put(struct ncc_kmodel_writer *w, const void *data, size_t size)
{
    uint8_t *const to = take(w, size);
    if (to == NULL || size == 0)
        return;
    if (data == NULL)
        w->failed = true;
    else
        memcpy(to, data, size);
}

static void put_zeros(struct ncc_kmodel_writer *w, size_t size)
{
    uint8_t *const to = take(w, size);
    if (to != NULL && size > 0)
        memset(to, 0, size);
}

/* Distance from the file offset `pos` to the next multiple of `alignment`. */
static uint32_t gap(size_t pos, uint32_t alignment)
{
    const uint32_t over = (uint32_t)(pos % alignment);
    return over == 0 ? 0 : alignment - over;
}

static uint32_t round_up_8(uint32_t size)
{
    return size + gap(size, NCC_KM_BODY_ALIGN);
}

void ncc_kmodel_write_begin(struct ncc_kmodel_writer *w, uint8_t *buf, size_t cap, const struct ncc_kmodel_head *head)
{
    *w = (struct ncc_kmodel_writer){.buf = buf, .cap = cap, .n_nodes = head->n_nodes};
    /* Rounding these up must not wrap, and nothing near 4 GiB can become a file anyway. */
    if (head->constants_size > UINT32_MAX - NCC_KM_BODY_ALIGN || head->main_mem_size > UINT32_MAX - NCC_KM_BODY_ALIGN ||
        head->n_nodes > UINT32_MAX / sizeof(struct ncc_km_node) ||
        head->n_inputs > UINT32_MAX / sizeof(struct ncc_km_range) ||
        head->n_outputs > UINT32_MAX / sizeof(struct ncc_km_range)) {
        w->failed = true;
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
    put(w, &header, sizeof header);
    put(w, head->inputs, head->n_inputs * sizeof(struct ncc_km_range));
    put(w, head->input_shapes, head->n_inputs * sizeof(int32_t[4]));
    put(w, head->outputs, head->n_outputs * sizeof(struct ncc_km_range));
    put(w, head->constants, head->constants_size);
    put_zeros(w, gap(head->constants_size, NCC_KM_BODY_ALIGN));
    w->nodes_off = w->pos;
    put_zeros(w, head->n_nodes * sizeof(struct ncc_km_node));
}

/* Pads the body that began at body_off and fills in its row of the table. */
static void finish_body(struct ncc_kmodel_writer *w, uint32_t opcode, size_t body_off)
{
    put_zeros(w, gap(w->pos, NCC_KM_BODY_ALIGN));
    if (w->n_written >= w->n_nodes)
        w->failed = true;
    if (!w->failed && w->buf != NULL) {
        const struct ncc_km_node row = {.opcode = opcode, .body_size = (uint32_t)(w->pos - body_off)};
        memcpy(w->buf + w->nodes_off + w->n_written * sizeof row, &row, sizeof row);
    }
    w->n_written++;
}

void ncc_kmodel_write_node(struct ncc_kmodel_writer *w, uint32_t opcode, const void *body, size_t body_size,
                           const void *payload1, size_t size1, const void *payload2, size_t size2)
{
    const bool fits = ncc_kmodel_op_has_payload(opcode) || size1 + size2 == 0;
    if (body == NULL || body_size == 0 || body_size != ncc_kmodel_op_body_size(opcode) || !fits ||
        opcode == NCC_KM_OP_kpu_conv2d)
        w->failed = true;
    const size_t body_off = w->pos;
    put(w, body, body_size);
    put(w, payload1, size1);
    put(w, payload2, size2);
    finish_body(w, opcode, body_off);
}

/* The skip counts stand in the upper halves of words 4 (bn), 7 (act) and 5 (weights), where the addresses will be. */
static void set_upper_half(uint64_t *word, uint32_t value)
{
    *word = (*word & UINT32_MAX) | (uint64_t)value << 32;
}

void ncc_kmodel_write_kpu_conv2d(struct ncc_kmodel_writer *w, const struct ncc_km_range *main_out, int32_t batches,
                                 const uint64_t words[12], const uint64_t *bn, size_t n_bn, const uint8_t *act,
                                 const uint8_t *weights, size_t weights_size)
{
    struct ncc_km_kpu_conv2d body = {.batches = batches};
    if (main_out != NULL)
        body.main_out = *main_out;
    memcpy(body.words, words, sizeof body.words);
    body.words[0] &= ~(uint64_t)1;                                         /* int_en */
    body.words[11] = (body.words[11] & ~(uint64_t)1) | (main_out != NULL); /* send_data_out */

    const size_t body_off = w->pos;
    const uint32_t bn_skip = gap(body_off + sizeof body, NCC_KM_BLOB_ALIGN);
    const size_t bn_end = body_off + sizeof body + bn_skip + n_bn * sizeof *bn;
    const uint32_t act_skip = gap(bn_end, NCC_KM_BLOB_ALIGN);
    const uint32_t weights_skip = gap(bn_end + act_skip + NCC_KM_ACT_SIZE, NCC_KM_BLOB_ALIGN);
    set_upper_half(&body.words[4], bn_skip);
    set_upper_half(&body.words[7], act_skip);
    set_upper_half(&body.words[5], weights_skip);

    put(w, &body, sizeof body);
    put_zeros(w, bn_skip);
    put(w, bn, n_bn * sizeof *bn);
    put_zeros(w, act_skip);
    put(w, act, NCC_KM_ACT_SIZE);
    put_zeros(w, weights_skip);
    put(w, weights, weights_size);
    finish_body(w, NCC_KM_OP_kpu_conv2d, body_off);
}

size_t ncc_kmodel_write_end(struct ncc_kmodel_writer *w)
{
    return w->failed || w->n_written != w->n_nodes ? 0 : w->pos;
}
