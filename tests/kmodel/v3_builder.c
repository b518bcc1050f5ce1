#include "v3_builder.h"

#include "kpu/arith.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint32_t v3_main(struct v3 *b, size_t size)
{
    const uint32_t start = b->main_size;
    b->main_size += (uint32_t)(size + 7) / 8 * 8;
    return start;
}

uint32_t v3_output(struct v3 *b, size_t size)
{
    assert_true(b->n_outputs < V3_MAX);
    const uint32_t start = v3_main(b, size);
    b->outputs[b->n_outputs++] = (struct ncc_km3_output){start, (uint32_t)size};
    return start;
}

void v3_add(struct v3 *b, uint32_t type, const void *body, size_t body_size, const void *payload1, size_t size1,
            const void *payload2, size_t size2)
{
    assert_true(b->n_layers < V3_MAX && body_size <= sizeof b->layers[0].body.bytes);
    struct v3_layer *const layer = &b->layers[b->n_layers++];
    *layer = (struct v3_layer){
        .type = type, .body_size = body_size, .payload = {payload1, payload2}, .payload_size = {size1, size2}};
    memcpy(layer->body.bytes, body, body_size);
}

void v3_add_conv(struct v3 *b, struct ncc_kpu_shape shape, int src_line, int dst_line, bool to_main)
{
    assert_true(b->n_layers < V3_MAX);
    struct v3_layer *const layer = &b->layers[b->n_layers++];
    *layer = (struct v3_layer){
        .type = NCC_KM3_k210_conv, .shape = shape, .src_line = src_line, .dst_line = dst_line, .to_main = to_main};
    if (to_main)
        layer->main_out = v3_output(b, (size_t)(shape.out_c * ncc_kpu_out_h(&shape) * ncc_kpu_out_w(&shape)));
}

static void write_conv(struct ncc_kmodel_v3_writer *w, const struct v3_layer *layer, bool wide)
{
    enum { MAX_C = 64, MAX_WEIGHTS = 4096 };
    uint64_t words[12], bn[MAX_C];
    uint8_t act[NCC_KM_ACT_SIZE], weights[MAX_WEIGHTS];
    struct ncc_kpu_regs regs;
    struct ncc_kpu_table table = {.seg = {{NCC_KPU_ACC_MIN, 0, 0, 7}}};
    const int64_t weights_size = ncc_kpu_n_weights(&layer->shape) * (wide ? 2 : 1);
    assert_true(layer->shape.out_c <= MAX_C && weights_size <= MAX_WEIGHTS);
    for (int i = 1; i < NCC_KPU_SEGMENTS; i++)
        table.seg[i] = (struct ncc_kpu_segment){i == 1 ? 0 : NCC_KPU_ACC_MAX - 16 + i, i == 1, 0, 0};
    ncc_kpu_table_pack(&table, act);
    for (int i = 0; i < layer->shape.out_c; i++)
        bn[i] = UINT64_C(0x0F00000000001000); /* times 4096 / 2^15 */
    for (int i = 0; i < weights_size; i++)
        weights[i] = (uint8_t)(wide ? i / 2 * 7 >> (i % 2 ? 8 : 0) : i);
    (wide ? ncc_kpu_derive_16 : ncc_kpu_derive)(&layer->shape, layer->src_line, layer->dst_line, 3, 5, &regs);
    assert_null(ncc_kpu_pack(&regs, words));
    ncc_kmodel_v3_write_conv(w, layer->to_main ? &layer->main_out : NULL, words, bn, (size_t)layer->shape.out_c, act,
                             weights, (size_t)weights_size);
}

static size_t write(const struct v3 *b, uint8_t *buf, size_t cap)
{
    struct ncc_kmodel_v3_writer w;
    ncc_kmodel_v3_write_begin(&w, buf, cap, b->n_layers, b->main_size, b->outputs, b->n_outputs);
    if (b->wide)
        ncc_kmodel_v3_write_16_bit(&w);
    for (uint32_t i = 0; i < b->n_layers; i++) {
        const struct v3_layer *const layer = &b->layers[i];
        if (layer->type == NCC_KM3_k210_conv)
            write_conv(&w, layer, b->wide);
        else
            ncc_kmodel_v3_write_layer(&w, layer->type, layer->body.words, layer->body_size, layer->payload[0],
                                      layer->payload_size[0], layer->payload[1], layer->payload_size[1]);
    }
    return ncc_kmodel_v3_write_end(&w);
}

uint8_t *v3_file(const struct v3 *b, size_t *size)
{
    *size = write(b, NULL, 0);
    assert_true(*size > 0);
    uint8_t *const file = malloc(*size);
    assert_non_null(file);
    assert_int_equal(write(b, file, *size), *size);
    return file;
}
