/* What the layers of version 3 read and write. */
#include "kmodel/kmodel_v3.h"
#include "kpu/layout.h"

static struct ncc_km_range floats(uint32_t start, uint64_t n)
{
    return (struct ncc_km_range){NCC_KM_MAIN, NCC_KM_F32, start, (uint32_t)(n * sizeof(float))};
}

static struct ncc_km_range codes(uint32_t start, uint64_t n)
{
    return (struct ncc_km_range){NCC_KM_MAIN, NCC_KM_U8, start, (uint32_t)n};
}

static struct ncc_km_range lines(int64_t line, int64_t n)
{
    return (struct ncc_km_range){NCC_KM_KPU, NCC_KM_U8, (uint32_t)(line * NCC_KPU_LINE_SIZE),
                                 (uint32_t)(n * NCC_KPU_LINE_SIZE)};
}

static uint64_t count(struct ncc_km3_map m)
{
    return (uint64_t)m.w * m.h * m.c;
}

static void one_to_one(struct ncc_km3_access *out, struct ncc_km_range from, struct ncc_km_range to)
{
    out->read[out->n_read++] = from;
    out->write[out->n_write++] = to;
}

static void two_to_one(struct ncc_km3_access *out, struct ncc_km_range a, struct ncc_km_range b, struct ncc_km_range to)
{
    out->read[out->n_read++] = a;
    one_to_one(out, b, to);
}

static void of_conv(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer, struct ncc_km3_access *out)
{
    const struct ncc_km3_k210_conv *const op = layer->body;
    struct ncc_km3_conv conv;
    if (ncc_kmodel_v3_conv(km, layer, &conv) != NULL)
        return;
    const struct ncc_kpu_shape *const s = &conv.shape;
    one_to_one(out, lines(conv.regs.image_src_addr, ncc_kpu_in_lines(s)),
               lines(conv.regs.image_dst_addr, ncc_kpu_out_lines(s)));
    if (op->flags & NCC_KM3_MAIN_OUT)
        out->write[out->n_write++] =
            codes(op->main_out, (uint64_t)s->out_c * (uint64_t)ncc_kpu_out_h(s) * (uint64_t)ncc_kpu_out_w(s));
}

static void of_concat(const struct ncc_km3_concat *op, uint32_t datatype, struct ncc_km3_access *out)
{
    const struct ncc_km3_part *const part = (const struct ncc_km3_part *)(const void *)(op + 1);
    uint32_t size = 0;
    for (uint32_t i = 0; i < op->n; i++)
        size += part[i].size;
    out->write[out->n_write++] = (struct ncc_km_range){NCC_KM_MAIN, datatype, op->out, size};
}

#define OF(name, call)                                                                                                 \
    case NCC_KM3_##name: {                                                                                             \
        const struct ncc_km3_##name *const op = layer->body;                                                           \
        call;                                                                                                          \
        return;                                                                                                        \
    }
void ncc_kmodel_v3_access(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer, struct ncc_km3_access *out)
{
    *out = (struct ncc_km3_access){0};
    switch (layer->type) {
        OF(add, two_to_one(out, floats(op->a, op->n), floats(op->b, op->n), floats(op->out, op->n)))
        OF(quantized_add, two_to_one(out, codes(op->a, op->n), codes(op->b, op->n), codes(op->out, op->n)))
        OF(global_average_pool2d,
           one_to_one(out, floats(op->in, (uint64_t)op->kernel_size * op->channels), floats(op->out, op->channels)))
        OF(quantized_max_pool2d, one_to_one(out, codes(op->in, count(op->in_map)), codes(op->out, count(op->out_map))))
        OF(average_pool2d, one_to_one(out, floats(op->in, count(op->in_map)), floats(op->out, count(op->out_map))))
        OF(quantize, one_to_one(out, floats(op->in, op->n), codes(op->out, op->n)))
        OF(dequantize, one_to_one(out, codes(op->in, op->n), floats(op->out, op->n)))
        OF(requantize, one_to_one(out, codes(op->in, op->n), codes(op->out, op->n)))
        OF(l2_normalization, one_to_one(out, floats(op->in, op->channels), floats(op->out, op->channels)))
        OF(softmax, one_to_one(out, floats(op->in, op->channels), floats(op->out, op->channels)))
        OF(concat, of_concat(op, NCC_KM_F32, out))
        OF(quantized_concat, of_concat((const struct ncc_km3_concat *)(const void *)op, NCC_KM_U8, out))
        OF(fully_connected, one_to_one(out, floats(op->in, op->in_c), floats(op->out, op->out_c)))
        OF(tensorflow_flatten, one_to_one(out, floats(op->in, count(op->map)), floats(op->out, count(op->map))))
        OF(resize_nearest_neighbor, one_to_one(out, floats(op->in, count(op->in_map)),
                                               floats(op->out, (uint64_t)op->out_w * op->out_h * op->in_map.c)))
        OF(quantized_resize_nearest_neighbor,
           one_to_one(out, codes(op->in, count(op->in_map)),
                      codes(op->out, (uint64_t)op->out_w * op->out_h * op->in_map.c)))
        OF(channelwise_dequantize, one_to_one(out, codes(op->in, (uint64_t)op->channels * op->channel_size),
                                              floats(op->out, (uint64_t)op->channels * op->channel_size)))
        OF(logistic, one_to_one(out, floats(op->in, op->n), floats(op->out, op->n)))
        OF(k210_add_padding,
           one_to_one(out, codes(op->in, op->channels), lines(op->out_line, ncc_kpu_lines((int)op->channels, 4, 4))))
        OF(k210_remove_padding,
           one_to_one(out, codes(op->in, (uint64_t)op->channels * 16), codes(op->out, op->channels)))
        OF(k210_upload, one_to_one(out, codes(op->in, count(op->map)),
                                   lines(op->out_line, ncc_kpu_lines((int)op->map.c, (int)op->map.h, (int)op->map.w))))
    case NCC_KM3_k210_conv:
        of_conv(km, layer, out);
        return;
    default:
        return;
    }
}
