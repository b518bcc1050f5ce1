/* The view of a kmodel v3. */
#include "compiler/k210/cost.h"
#include "compiler/report/kmodel_node.h"
#include "kpu/layout.h"

#include <string.h>

static struct shape of_map(struct ncc_km3_map m)
{
    return ncc_shape_4(1, (int)m.c, (int)m.h, (int)m.w);
}

static struct shape flat(const struct ncc_km_range *r)
{
    const int n = (int)(r->size / ncc_report_element_size(r));
    return ncc_shape_make(1, &n);
}

static void find_ranges(struct kmodel_node *k, const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer,
                        struct arena *a)
{
    struct ncc_km3_access access;
    ncc_kmodel_v3_access(km, layer, &access);
    memcpy(k->write, access.write, sizeof k->write);
    k->n_write = access.n_write;
    k->n_read = access.n_read;
    if (layer->type == NCC_KM3_concat || layer->type == NCC_KM3_quantized_concat) {
        const struct ncc_km3_concat *op = layer->body;
        const struct ncc_km3_part *part = (const struct ncc_km3_part *)(const void *)(op + 1);
        k->n_read = (int)op->n;
        k->read = NCC_NEW(a, struct ncc_km_range, k->n_read);
        for (int i = 0; i < k->n_read; i++)
            k->read[i] = (struct ncc_km_range){NCC_KM_MAIN, access.write[0].datatype, part[i].start, part[i].size};
        return;
    }
    k->read = NCC_NEW(a, struct ncc_km_range, k->n_read);
    memcpy(k->read, access.read, (size_t)k->n_read * sizeof *k->read);
}

/* Shapes that the body tells; the others stay flat. */
static void find_shapes(struct kmodel_node *k, const struct ncc_km3_layer *layer)
{
#define SHAPES(name, in_shape, out_shape)                                                                              \
    case NCC_KM3_##name: {                                                                                             \
        const struct ncc_km3_##name *op = layer->body;                                                                 \
        k->in = in_shape;                                                                                              \
        k->out = out_shape;                                                                                            \
        return;                                                                                                        \
    }
    k->in = flat(&k->read[0]);
    k->out = flat(&k->write[0]);
    switch (layer->type) {
        SHAPES(quantized_max_pool2d, of_map(op->in_map), of_map(op->out_map))
        SHAPES(average_pool2d, of_map(op->in_map), of_map(op->out_map))
        SHAPES(tensorflow_flatten, of_map(op->map), k->out)
        SHAPES(resize_nearest_neighbor, of_map(op->in_map),
               ncc_shape_4(1, (int)op->in_map.c, (int)op->out_h, (int)op->out_w))
        SHAPES(quantized_resize_nearest_neighbor, of_map(op->in_map),
               ncc_shape_4(1, (int)op->in_map.c, (int)op->out_h, (int)op->out_w))
        SHAPES(global_average_pool2d, ncc_shape_make(2, (int[]){(int)op->channels, (int)op->kernel_size}), k->out)
        SHAPES(k210_upload, of_map(op->map), k->in)
        SHAPES(k210_add_padding, k->in, ncc_shape_4(1, (int)op->channels, NCC_KPU_MIN_H, NCC_KPU_MIN_W))
        SHAPES(k210_remove_padding, ncc_shape_4(1, (int)op->channels, NCC_KPU_MIN_H, NCC_KPU_MIN_W), k->out)
    case NCC_KM3_k210_conv:
        k->in = ncc_shape_4(1, k->layer.in_c, k->layer.in_h, k->layer.in_w);
        k->out = ncc_shape_4(1, k->layer.out_c, ncc_kpu_out_h(&k->layer), ncc_kpu_out_w(&k->layer));
        return;
    default:
        return;
    }
#undef SHAPES
}

/* ---- time ---- */

struct price {
    double instructions;
    enum cost_per per;
};

#define NCC_KERNEL_V3(name, instructions, per, source)                                                                 \
    case NCC_KM3_##name:                                                                                               \
        return (struct price){instructions, COST_PER_##per};
#define NCC_DEVICE_KERNEL_V3(name)
static struct price price_of(uint32_t type)
{
    switch (type) {
#include "runtime/kernels_v3.def"
    default:
        return (struct price){0, COST_PER_OUT};
    }
}
#undef NCC_KERNEL_V3
#undef NCC_DEVICE_KERNEL_V3

static double work_per_element(const struct ncc_km3_layer *layer)
{
    switch (layer->type) {
    case NCC_KM3_fully_connected:
        return ((const struct ncc_km3_fully_connected *)layer->body)->in_c;
    case NCC_KM3_quantized_max_pool2d:
    case NCC_KM3_average_pool2d: { /* both begin alike */
        const struct ncc_km3_quantized_max_pool2d *op = layer->body;
        return (double)op->kernel_w * op->kernel_h;
    }
    default:
        return 1;
    }
}

/* What is copied one by one. */
static double runs(const struct ncc_km3_layer *layer)
{
    const bool many = layer->type == NCC_KM3_concat || layer->type == NCC_KM3_quantized_concat;
    return many ? ((const struct ncc_km3_concat *)layer->body)->n : 0;
}

static double kernel_us(const struct kmodel_node *k, const struct ncc_km3_layer *layer)
{
    const struct price price = price_of(layer->type);
    double n = (double)ncc_shape_count(k->out);
    if (price.per == COST_PER_IN)
        n = (double)ncc_shape_count(k->in);
    else if (price.per == COST_PER_BYTE)
        n = k->write[0].size;
    else
        n *= work_per_element(layer);
    return ncc_cost_instructions_us(n * price.instructions + NCC_COST_RUN_INSTRUCTIONS * runs(layer));
}

static void find_times(struct kmodel_node *k, const struct ncc_km3_layer *layer, enum ncc_kpu_runtime runtime)
{
    const int *in = k->in.dim, *out = k->out.dim;
    switch (layer->type) {
    case NCC_KM3_k210_conv:
        k->kpu_us = (ncc_kpu_layer_clocks(&k->layer, k->weight_size) + ncc_kpu_costs(runtime)->layer_clocks) /
                    (NCC_KPU_CLOCK_HZ * 1e-6);
        if (k->n_write == 2)
            k->download_us = ncc_kpu_download_us(out[1], out[2], out[3], runtime);
        break;
    case NCC_KM3_k210_upload:
        k->upload_us = ncc_kpu_upload_us(in[1], in[2], in[3], runtime);
        break;
    case NCC_KM3_k210_add_padding: /* one byte of every map */
        k->upload_us = ncc_kpu_upload_us(in[0], 1, 1, runtime);
        break;
    default:
        k->cpu_us = kernel_us(k, layer);
    }
}

static void find_layer(struct kmodel_node *k, const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    struct ncc_km3_conv conv;
    if (layer->type != NCC_KM3_k210_conv || ncc_kmodel_v3_conv(km, layer, &conv) != NULL)
        return;
    k->layer = conv.shape;
    k->words = conv.words;
    k->act = conv.act;
    k->weight_size = conv.weight_size;
}

/* ---- ends ---- */

static void find_ends(struct kmodel_view *v, const struct ncc_kmodel_v3 *km, struct arena *a)
{
    const struct ncc_km3_input in = ncc_kmodel_v3_input(km);
    struct ncc_km_range *input = NCC_NEW(a, struct ncc_km_range, 1);
    *input = in.in_kpu ? (struct ncc_km_range){NCC_KM_KPU, NCC_KM_U8, in.start * NCC_KPU_LINE_SIZE,
                                               (uint32_t)ncc_kpu_bytes(in.c, in.h, in.w)}
                       : (struct ncc_km_range){NCC_KM_MAIN, NCC_KM_F32, in.start, (uint32_t)in.w * 4};
    v->inputs = input;
    v->input_shapes = NCC_NEW(a, struct shape, 1);
    v->input_shapes[0] = ncc_shape_4(1, in.c, in.h, in.w);
    v->n_inputs = 1;
    v->n_outputs = (int)km->header->n_outputs;
    struct ncc_km_range *outputs = NCC_NEW(a, struct ncc_km_range, v->n_outputs);
    for (int i = 0; i < v->n_outputs; i++)
        outputs[i] = (struct ncc_km_range){NCC_KM_MAIN, NCC_KM_F32, km->outputs[i].start, km->outputs[i].size};
    v->outputs = outputs;
}

struct kmodel_view ncc_report_view_v3(const struct ncc_kmodel_v3 *km, enum ncc_kpu_runtime runtime, struct arena *a)
{
    const struct ncc_km3_header *h = km->header;
    struct kmodel_view v = {.version = NCC_KM3_VERSION,
                            .target = "K210",
                            .nodes = NCC_NEW(a, struct kmodel_node, h->n_layers),
                            .n_nodes = (int)h->n_layers,
                            .main_mem_size = h->main_mem_size};
    find_ends(&v, km, a);
    struct ncc_km3_layer layer = {0};
    while (ncc_kmodel_v3_next(km, &layer)) {
        struct kmodel_node *k = &v.nodes[layer.index];
        k->op = ncc_kmodel_v3_name(layer.type);
        find_layer(k, km, &layer);
        find_ranges(k, km, &layer, a);
        find_shapes(k, &layer);
        find_times(k, &layer, runtime);
    }
    return v;
}
