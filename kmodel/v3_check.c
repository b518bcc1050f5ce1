/* Checks a whole file of version 3: outputs, the input, then every layer by its type. */
#include "kmodel/check_range.h"
#include "kmodel/kmodel_v3.h"
#include "kpu/arith.h"
#include "kpu/layout.h"

#define LARGEST UINT64_C(0x7FFFFFFF) /* elements of a tensor */

/* n elements of main memory at `start`. */
static const char *check_elements(const struct ncc_kmodel_v3 *km, uint32_t start, uint64_t n, uint32_t element_size)
{
    REQUIRE(n >= 1, "a tensor is empty");
    REQUIRE(n <= LARGEST, "a tensor has 2^31 elements or more");
    REQUIRE(start % element_size == 0, "a float tensor does not start at a multiple of 4");
    REQUIRE(start + n * element_size <= km->header->main_mem_size, "a tensor lies outside main memory");
    return NULL;
}

static const char *check_floats(const struct ncc_kmodel_v3 *km, uint32_t start, uint64_t n)
{
    return check_elements(km, start, n, sizeof(float));
}

static const char *check_bytes(const struct ncc_kmodel_v3 *km, uint32_t start, uint64_t n)
{
    return check_elements(km, start, n, 1);
}

static const char *check_payload(const struct ncc_km3_layer *layer, uint64_t size)
{
    const uint32_t fixed = ncc_kmodel_v3_body_size(layer->type);
    REQUIRE(size <= layer->body_size - fixed, "the body is shorter than its weights, scales or lists need");
    return NULL;
}

/* Dimensions are small enough for the kernels' sums. */
static const char *check_map(struct ncc_km3_map m, uint64_t *n)
{
    enum { LIMIT = 1 << 20 };
    REQUIRE(m.w >= 1 && m.h >= 1 && m.c >= 1, "a dimension is less than 1");
    REQUIRE(m.w <= LIMIT && m.h <= LIMIT && m.c <= LIMIT, "a dimension is larger than 2^20");
    *n = (uint64_t)m.w * m.h * m.c;
    return NULL;
}

static const char *check_kpu_map(uint32_t line, struct ncc_km3_map m)
{
    uint64_t n;
    REQUIRE_CHECK(check_map(m, &n));
    REQUIRE(n <= NCC_KPU_RAM_SIZE, "a tensor is larger than KPU RAM");
    REQUIRE((int64_t)line + ncc_kpu_lines((int)m.c, (int)m.h, (int)m.w) <= NCC_KPU_RAM_LINES,
            "a tensor lies outside KPU RAM");
    return NULL;
}

/* ---- one function per layer ---- */

static const char *check_add(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_add *const op = layer->body;
    REQUIRE_CHECK(check_floats(km, op->a, op->n));
    REQUIRE_CHECK(check_floats(km, op->b, op->n));
    return check_floats(km, op->out, op->n);
}

static bool is_shift(int32_t shift)
{
    return shift >= 0 && shift <= NCC_KM_MAX_SHIFT;
}

static const char *check_quantized_add(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_quantized_add *const op = layer->body;
    REQUIRE(is_shift(op->a_shift) && is_shift(op->b_shift) && is_shift(op->out_shift), "a shift is out of range");
    REQUIRE_CHECK(check_bytes(km, op->a, op->n));
    REQUIRE_CHECK(check_bytes(km, op->b, op->n));
    return check_bytes(km, op->out, op->n);
}

static const char *check_global_average_pool2d(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_global_average_pool2d *const op = layer->body;
    REQUIRE(op->kernel_size >= 1, "the maps are empty");
    REQUIRE_CHECK(check_floats(km, op->in, (uint64_t)op->kernel_size * op->channels));
    return check_floats(km, op->out, op->channels);
}

/* Elements of the input from its first to the last that is read. With windows that stay away from the lower right edge,
 * as when a pool is used to cut out a part, the maps may end beyond the memory. */
static uint64_t elements_read(const struct ncc_km3_quantized_max_pool2d *op)
{
    const uint64_t below = (uint64_t)(op->out_map.h - 1) * op->stride_h + op->kernel_h;
    const uint64_t right = (uint64_t)(op->out_map.w - 1) * op->stride_w + op->kernel_w;
    const uint64_t rows = below <= op->pad_h ? 0 : below - op->pad_h,
                   columns = right <= op->pad_w ? 0 : right - op->pad_w;
    const uint64_t h = rows < op->in_map.h ? rows : op->in_map.h, w = columns < op->in_map.w ? columns : op->in_map.w;
    if (h == 0 || w == 0)
        return 1;
    return (uint64_t)(op->in_map.c - 1) * op->in_map.h * op->in_map.w + (h - 1) * op->in_map.w + w;
}

/* Both pools begin alike. */
static const char *check_pool(const struct ncc_kmodel_v3 *km, const struct ncc_km3_quantized_max_pool2d *op,
                              uint32_t element_size)
{
    enum { LIMIT = 32767 };
    uint64_t n_in, n_out;
    REQUIRE_CHECK(check_map(op->in_map, &n_in));
    REQUIRE_CHECK(check_map(op->out_map, &n_out));
    REQUIRE(op->in_map.c == op->out_map.c, "a pool changes the number of channels");
    REQUIRE(op->kernel_w >= 1 && op->kernel_h >= 1 && op->kernel_w <= LIMIT && op->kernel_h <= LIMIT,
            "a window size is out of range");
    REQUIRE(op->stride_w >= 1 && op->stride_h >= 1 && op->stride_w <= LIMIT && op->stride_h <= LIMIT,
            "a stride is out of range");
    REQUIRE(op->pad_w <= LIMIT && op->pad_h <= LIMIT, "a padding is out of range");
    REQUIRE_CHECK(check_elements(km, op->in, elements_read(op), element_size));
    return check_elements(km, op->out, n_out, element_size);
}

static const char *check_quantized_max_pool2d(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    return check_pool(km, layer->body, 1);
}

static const char *check_average_pool2d(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    return check_pool(km, layer->body, sizeof(float));
}

static const char *check_quantize(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_quantize *const op = layer->body;
    REQUIRE_CHECK(check_floats(km, op->in, op->n));
    return check_bytes(km, op->out, op->n);
}

static const char *check_dequantize(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_dequantize *const op = layer->body;
    REQUIRE_CHECK(check_bytes(km, op->in, op->n));
    return check_floats(km, op->out, op->n);
}

static const char *check_requantize(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_requantize *const op = layer->body;
    REQUIRE_CHECK(check_bytes(km, op->in, op->n));
    return check_bytes(km, op->out, op->n);
}

/* What maps n floats to n floats: in, out, n follow the flags. */
static const char *check_float_row(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_logistic *const op = layer->body;
    REQUIRE_CHECK(check_floats(km, op->in, op->n));
    return check_floats(km, op->out, op->n);
}
#define check_l2_normalization check_float_row
#define check_softmax          check_float_row
#define check_logistic         check_float_row

static const char *check_concat(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_concat *const op = layer->body;
    uint64_t size = 0;
    REQUIRE_CHECK(check_payload(layer, (uint64_t)op->n * sizeof(struct ncc_km3_part)));
    const struct ncc_km3_part *const part = (const struct ncc_km3_part *)(const void *)(op + 1);
    for (uint32_t i = 0; i < op->n; i++) {
        REQUIRE_CHECK(check_bytes(km, part[i].start, part[i].size));
        size += part[i].size;
    }
    return check_bytes(km, op->out, size);
}
#define check_quantized_concat check_concat

static const char *check_fully_connected(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_fully_connected *const op = layer->body;
    REQUIRE(op->act < NCC_KM3_N_ACTIVATIONS, "an unknown activation");
    REQUIRE_CHECK(check_floats(km, op->in, op->in_c));
    REQUIRE_CHECK(check_floats(km, op->out, op->out_c));
    return check_payload(layer, ((uint64_t)op->in_c + 1) * op->out_c * sizeof(float)); /* factors below 2^31 */
}

static const char *check_tensorflow_flatten(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_tensorflow_flatten *const op = layer->body;
    uint64_t n;
    REQUIRE_CHECK(check_map(op->map, &n));
    REQUIRE_CHECK(check_floats(km, op->in, n));
    return check_floats(km, op->out, n);
}

/* Both resizes have the same members. */
static const char *check_resize(const struct ncc_kmodel_v3 *km, const struct ncc_km3_resize_nearest_neighbor *op,
                                uint32_t element_size)
{
    const struct ncc_km3_map out_map = {op->out_w, op->out_h, op->in_map.c};
    uint64_t n_in, n_out;
    REQUIRE_CHECK(check_map(op->in_map, &n_in));
    REQUIRE_CHECK(check_map(out_map, &n_out));
    REQUIRE_CHECK(check_elements(km, op->in, n_in, element_size));
    return check_elements(km, op->out, n_out, element_size);
}

static const char *check_resize_nearest_neighbor(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    return check_resize(km, layer->body, sizeof(float));
}

static const char *check_quantized_resize_nearest_neighbor(const struct ncc_kmodel_v3 *km,
                                                           const struct ncc_km3_layer *layer)
{
    return check_resize(km, layer->body, 1);
}

static const char *check_channelwise_dequantize(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_channelwise_dequantize *const op = layer->body;
    const uint64_t n = (uint64_t)op->channels * op->channel_size;
    REQUIRE_CHECK(check_bytes(km, op->in, n));
    REQUIRE_CHECK(check_floats(km, op->out, n));
    return check_payload(layer, (uint64_t)op->channels * sizeof(struct ncc_km3_scale));
}

static const char *check_k210_conv(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_k210_conv *const op = layer->body;
    struct ncc_km3_conv conv;
    struct ncc_kpu_table table;
    REQUIRE_CHECK(ncc_kmodel_v3_conv(km, layer, &conv));
    REQUIRE_CHECK((conv.weight_size == 1 ? ncc_kpu_regs_check : ncc_kpu_regs_check_16)(&conv.regs));
    ncc_kpu_table_unpack(conv.act, &table);
    REQUIRE_CHECK(ncc_kpu_table_check(&table));
    if ((op->flags & NCC_KM3_MAIN_OUT) == 0)
        return NULL;
    return check_bytes(km, op->main_out,
                       (uint64_t)conv.shape.out_c * (uint64_t)ncc_kpu_out_h(&conv.shape) *
                           (uint64_t)ncc_kpu_out_w(&conv.shape));
}

static const char *check_k210_add_padding(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_k210_add_padding *const op = layer->body;
    REQUIRE_CHECK(check_bytes(km, op->in, op->channels));
    return check_kpu_map(op->out_line, (struct ncc_km3_map){4, 4, op->channels});
}

static const char *check_k210_remove_padding(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_k210_remove_padding *const op = layer->body;
    REQUIRE(op->channels >= 1, "a tensor is empty");
    REQUIRE_CHECK(check_bytes(km, op->in, (uint64_t)(op->channels - 1) * 16 + 1)); /* the last byte that is read */
    return check_bytes(km, op->out, op->channels);
}

static const char *check_k210_upload(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    const struct ncc_km3_k210_upload *const op = layer->body;
    REQUIRE_CHECK(check_kpu_map(op->out_line, op->map));
    return check_bytes(km, op->in, (uint64_t)op->map.w * op->map.h * op->map.c);
}

/* ---- all ---- */

#define NCC_KM3_LAYER(number, name, size, payload)                                                                     \
    case number:                                                                                                       \
        return check_##name(km, layer);
#define NCC_KM3_OTHER(number, name)                                                                                    \
    case number:                                                                                                       \
        return "a layer that no released runtime carries out";
static const char *check_layer(const struct ncc_kmodel_v3 *km, const struct ncc_km3_layer *layer)
{
    switch (layer->type) {
#include "kmodel/layers_v3.def"
    default:
        return "an unknown layer";
    }
}
#undef NCC_KM3_LAYER
#undef NCC_KM3_OTHER

static const char *check_ends(const struct ncc_kmodel_v3 *km)
{
    const uint32_t n = km->header->n_layers;
    REQUIRE(n > 0, "there are no layers, so there is no input");
    REQUIRE(km->layers[0].type == NCC_KM3_k210_conv || km->layers[0].type == NCC_KM3_fully_connected,
            "the first layer is neither k210_conv nor fully_connected, so there is no input");
    for (uint32_t i = 0; i < km->header->n_outputs; i++) {
        REQUIRE(km->outputs[i].size % sizeof(float) == 0, "an output is not a whole number of floats");
        REQUIRE_CHECK(check_floats(km, km->outputs[i].start, km->outputs[i].size / sizeof(float)));
    }
    return NULL;
}

enum ncc_status ncc_kmodel_v3_check(const struct ncc_kmodel_v3 *km, struct ncc_km_fault *where)
{
    *where = (struct ncc_km_fault){.node = NCC_KM_NO_NODE, .text = check_ends(km)};
    struct ncc_km3_layer layer = {0};
    while (where->text == NULL && ncc_kmodel_v3_next(km, &layer))
        *where = (struct ncc_km_fault){.node = layer.index, .opcode = layer.type, .text = check_layer(km, &layer)};
    if (where->text != NULL)
        return NCC_MALFORMED;
    *where = (struct ncc_km_fault){.node = NCC_KM_NO_NODE};
    return NCC_OK;
}
