/* Writes a kmodel v3 file front to back; the header and the table of layers are filled in behind the front. */
#include "kmodel/kmodel_v3.h"
#include "kmodel/sink.h"
#include "kpu/limits.h"

#include <string.h>

static size_t table_off(const struct ncc_kmodel_v3_writer *w)
{
    return sizeof w->header + w->header.n_outputs * sizeof(struct ncc_km3_output);
}

void ncc_kmodel_v3_write_begin(struct ncc_kmodel_v3_writer *w, uint8_t *buf, size_t cap, uint32_t n_layers,
                               uint32_t main_mem_size, const struct ncc_km3_output *outputs, uint32_t n_outputs)
{
    *w = (struct ncc_kmodel_v3_writer){.sink = {buf, cap, 0, false}};
    w->header = (struct ncc_km3_header){.version = NCC_KM3_VERSION,
                                        .flags = NCC_KM3_8_BIT,
                                        .n_layers = n_layers,
                                        .first_line = NCC_KPU_RAM_LINES,
                                        .main_mem_size = main_mem_size + ncc_km_gap(main_mem_size, NCC_KM_BODY_ALIGN),
                                        .n_outputs = n_outputs};
    if (main_mem_size > UINT32_MAX - NCC_KM_BODY_ALIGN || n_layers > UINT32_MAX / sizeof(struct ncc_km3_entry) ||
        n_outputs > UINT32_MAX / sizeof *outputs) {
        w->sink.failed = true;
        return;
    }
    ncc_km_put_zeros(&w->sink, sizeof w->header);
    ncc_km_put(&w->sink, outputs, n_outputs * sizeof *outputs);
    ncc_km_put_zeros(&w->sink, n_layers * sizeof(struct ncc_km3_entry));
}

void ncc_kmodel_v3_write_16_bit(struct ncc_kmodel_v3_writer *w)
{
    w->header.flags &= ~(uint32_t)NCC_KM3_8_BIT;
}

static void finish_body(struct ncc_kmodel_v3_writer *w, uint32_t type, size_t body_off)
{
    ncc_km_put_zeros(&w->sink, ncc_km_gap(w->sink.pos, NCC_KM_BODY_ALIGN));
    if (w->n_written >= w->header.n_layers)
        w->sink.failed = true;
    const struct ncc_km3_entry row = {.type = type, .body_size = (uint32_t)(w->sink.pos - body_off)};
    ncc_km_patch(&w->sink, table_off(w) + w->n_written * sizeof row, &row, sizeof row);
    w->n_written++;
}

static void uses_line(struct ncc_kmodel_v3_writer *w, int64_t line)
{
    if (line < w->header.first_line)
        w->header.first_line = (uint32_t)line;
}

void ncc_kmodel_v3_write_layer(struct ncc_kmodel_v3_writer *w, uint32_t type, const void *body, size_t body_size,
                               const void *payload1, size_t size1, const void *payload2, size_t size2)
{
    const bool fits = ncc_kmodel_v3_has_payload(type) || size1 + size2 == 0;
    if (body == NULL || body_size == 0 || body_size != ncc_kmodel_v3_body_size(type) || !fits ||
        type == NCC_KM3_k210_conv) {
        w->sink.failed = true;
        return;
    }
    if (type == NCC_KM3_k210_upload)
        uses_line(w, ((const struct ncc_km3_k210_upload *)body)->out_line);
    if (type == NCC_KM3_k210_add_padding)
        uses_line(w, ((const struct ncc_km3_k210_add_padding *)body)->out_line);
    const size_t body_off = w->sink.pos;
    ncc_km_put(&w->sink, body, body_size);
    ncc_km_put(&w->sink, payload1, size1);
    ncc_km_put(&w->sink, payload2, size2);
    finish_body(w, type, body_off);
}

/* The blocks in the order of the published files, each behind as many zeros as its alignment asks for. */
void ncc_kmodel_v3_write_conv(struct ncc_kmodel_v3_writer *w, const uint32_t *main_out, const uint64_t words[12],
                              const uint64_t *bn, size_t n_bn, const uint8_t *act, const uint8_t *weights,
                              size_t weights_size)
{
    enum { WORDS, WEIGHTS, BN, ACT, BLOCKS };
    struct ncc_kpu_regs regs;
    uint64_t clean[NCC_KPU_WORDS];
    ncc_kpu_unpack(words, &regs);
    regs.int_en = regs.send_data_out = 0;
    regs.bwsx_base_addr = regs.active_addr = regs.para_start_addr = 0;
    if (ncc_kpu_pack(&regs, clean) != NULL)
        w->sink.failed = true;
    uses_line(w, regs.image_src_addr < regs.image_dst_addr ? regs.image_src_addr : regs.image_dst_addr);
    const struct {
        const void *data;
        size_t size;
        uint32_t align;
    } block[BLOCKS] = {
        [WORDS] = {clean, sizeof clean, sizeof *clean},
        [WEIGHTS] = {weights, weights_size, NCC_KM3_BLOB_ALIGN},
        [BN] = {bn, n_bn * sizeof *bn, NCC_KM3_BLOB_ALIGN},
        [ACT] = {act, NCC_KM_ACT_SIZE, NCC_KPU_ACT_ALIGN},
    };
    const size_t body_off = w->sink.pos;
    size_t at = body_off + sizeof(struct ncc_km3_k210_conv);
    uint32_t off[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        at += ncc_km_gap(at, block[i].align);
        off[i] = (uint32_t)at;
        at += block[i].size;
    }
    const struct ncc_km3_k210_conv body = {main_out != NULL ? NCC_KM3_MAIN_OUT : 0,
                                           main_out != NULL ? *main_out : 0,
                                           off[WORDS],
                                           off[WEIGHTS],
                                           off[BN],
                                           off[ACT]};
    ncc_km_put(&w->sink, &body, sizeof body);
    for (int i = 0; i < BLOCKS; i++) {
        ncc_km_put_zeros(&w->sink, ncc_km_gap(w->sink.pos, block[i].align));
        ncc_km_put(&w->sink, block[i].data, block[i].size);
    }
    finish_body(w, NCC_KM3_k210_conv, body_off);
}

size_t ncc_kmodel_v3_write_end(struct ncc_kmodel_v3_writer *w)
{
    if (w->sink.failed || w->n_written != w->header.n_layers)
        return 0;
    ncc_km_patch(&w->sink, 0, &w->header, sizeof w->header);
    return w->sink.pos;
}
