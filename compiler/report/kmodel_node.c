/* The view of a kmodel v4. */
#include "compiler/report/kmodel_node.h"

#include "compiler/k210/cost.h"
#include "kpu/layout.h"
#include "kpu/timing.h"

#include <string.h>

size_t ncc_report_element_size(const struct ncc_km_range *r)
{
    return r->datatype == NCC_KM_F32 ? sizeof(float) : 1;
}

/* ---- what it reads and writes ---- */

static void set_read(struct kmodel_node *k, const struct ncc_km_range *from, int n, struct arena *a)
{
    k->read = NCC_NEW(a, struct ncc_km_range, n);
    memcpy(k->read, from, (size_t)n * sizeof *from);
    k->n_read = n;
}

static void set_ranges(struct kmodel_node *k, const struct ncc_km_range *ranges, int n_read, struct arena *a)
{
    set_read(k, ranges, n_read, a);
    k->write[k->n_write++] = ranges[n_read];
}

static struct ncc_km_range kpu_range(int64_t line, int64_t lines)
{
    return (struct ncc_km_range){NCC_KM_KPU, NCC_KM_U8, (uint32_t)(line * NCC_KPU_LINE_SIZE),
                                 (uint32_t)(lines * NCC_KPU_LINE_SIZE)};
}

static void set_layer_ranges(struct kmodel_node *k, const struct ncc_km_kpu_conv2d *op, struct arena *a)
{
    struct ncc_kpu_regs regs;
    ncc_kpu_unpack(op->words, &regs);
    ncc_kpu_shape_of(&regs, &k->layer);
    const struct ncc_km_range in = kpu_range(regs.image_src_addr, ncc_kpu_in_lines(&k->layer) * op->batches);
    set_read(k, &in, 1, a);
    k->write[k->n_write++] = kpu_range(regs.image_dst_addr, ncc_kpu_out_lines(&k->layer) * op->batches);
    if (op->main_out.size > 0)
        k->write[k->n_write++] = op->main_out;
}

static void find_ranges(struct kmodel_node *k, const struct ncc_kmodel_node *node, struct arena *a)
{
    switch (node->opcode) {
    case NCC_KM_OP_concat: {
        const struct ncc_km_concat *op = node->body;
        uint32_t size;
        set_read(k, ncc_kmodel_payload(node, &size), (int)op->n, a);
        k->write[k->n_write++] = op->out;
        break;
    }
    case NCC_KM_OP_binary:
    case NCC_KM_OP_quantized_binary:
    case NCC_KM_OP_matmul:
    case NCC_KM_OP_quantized_matmul:
    case NCC_KM_OP_table_lookup1d:
        set_ranges(k, node->body, 2, a);
        break;
    case NCC_KM_OP_kpu_conv2d:
        set_layer_ranges(k, node->body, a);
        break;
    default:
        set_ranges(k, node->body, 1, a);
    }
}

/* ---- shapes ---- */

static struct shape flat(const struct ncc_km_range *r)
{
    const int n = (int)(r->size / ncc_report_element_size(r));
    return ncc_shape_make(1, &n);
}

static struct shape of_four(const int32_t dim[4])
{
    return ncc_shape_4(dim[0], dim[1], dim[2], dim[3]);
}

static int slides(int size, struct ncc_km_padding pad, int filter, int stride, int dilation)
{
    return (size + pad.before + pad.after - ((filter - 1) * dilation + 1)) / stride + 1;
}

static struct shape slide(struct shape in, int out_c, const struct ncc_km_window *w)
{
    return ncc_shape_4(in.dim[0], out_c, slides(in.dim[2], w->pad_h, w->filter_h, w->stride_h, w->dilation_h),
                       slides(in.dim[3], w->pad_w, w->filter_w, w->stride_w, w->dilation_w));
}

/* The cpu_ operations take n, h, w, c. */
static struct shape slide_nhwc(struct shape in, int out_c, const struct ncc_km_window *w)
{
    const struct shape planar = ncc_shape_4(in.dim[0], in.dim[3], in.dim[1], in.dim[2]);
    const struct shape out = slide(planar, out_c, w);
    return ncc_shape_4(out.dim[0], out.dim[2], out.dim[3], out.dim[1]);
}

static struct shape padded(const struct ncc_km_pad *op)
{
    struct shape s = of_four(op->in_shape);
    for (int i = 0; i < 4; i++)
        s.dim[i] += op->pads[i].before + op->pads[i].after;
    return s;
}

static struct shape transposed(const struct ncc_km_transpose *op)
{
    struct shape s = of_four(op->in_shape);
    for (int i = 0; i < 4; i++)
        s.dim[i] = op->in_shape[op->perm[i]];
    return s;
}

static struct shape sliced(const struct ncc_km_strided_slice *op)
{
    struct shape s = of_four(op->in_shape);
    for (int i = 0; i < 4; i++) {
        const int step = op->strides[i], span = op->end[i] - op->begin[i];
        s.dim[i] = step > 0 ? (span + step - 1) / step : (span + step + 1) / step;
    }
    return s;
}

/* Operations with a sliding window. */
static bool window_shapes(struct kmodel_node *k, const struct ncc_kmodel_node *node)
{
#define WINDOW(name, sliding, channels)                                                                                \
    case NCC_KM_OP_##name: {                                                                                           \
        const struct ncc_km_##name *op = node->body;                                                                   \
        k->in = of_four(op->in_shape);                                                                                 \
        k->out = sliding(k->in, channels, &op->window);                                                                \
        return true;                                                                                                   \
    }
    switch (node->opcode) {
        WINDOW(conv2d, slide, op->out_channels)
        WINDOW(quantized_conv2d, slide, op->out_channels)
        WINDOW(reduce_window2d, slide, op->in_shape[1])
        WINDOW(cpu_conv2d, slide_nhwc, op->out_channels)
        WINDOW(cpu_quantized_conv2d, slide_nhwc, op->out_channels)
        WINDOW(cpu_depthwise_conv2d, slide_nhwc, op->in_shape[3])
        WINDOW(cpu_quantized_depthwise_conv2d, slide_nhwc, op->in_shape[3])
        WINDOW(cpu_reduce_window2d, slide_nhwc, op->in_shape[3])
    default:
        return false;
    }
#undef WINDOW
}

/* Operations whose bodies hold the shapes, or from whose bodies they follow. */
static bool body_shapes(struct kmodel_node *k, const struct ncc_kmodel_node *node)
{
#define SHAPES(name, in_shape, out_shape)                                                                              \
    case NCC_KM_OP_##name: {                                                                                           \
        const struct ncc_km_##name *op = node->body;                                                                   \
        k->in = in_shape;                                                                                              \
        k->out = out_shape;                                                                                            \
        return true;                                                                                                   \
    }
    switch (node->opcode) {
        SHAPES(binary, of_four(op->a_shape), of_four(op->out_shape))
        SHAPES(quantized_binary, of_four(op->a_shape), of_four(op->out_shape))
        SHAPES(reduce, of_four(op->in_shape), of_four(op->out_shape))
        SHAPES(conv2d_transpose, of_four(op->in_shape), of_four(op->out_shape))
        SHAPES(matmul, ncc_shape_make(2, (int[]){op->a_rows, op->a_cols}),
               ncc_shape_make(2, (int[]){op->a_rows, op->b_cols}))
        SHAPES(quantized_matmul, ncc_shape_make(2, (int[]){op->a_rows, op->a_cols}),
               ncc_shape_make(2, (int[]){op->a_rows, op->b_cols}))
        SHAPES(pad, of_four(op->in_shape), padded(op))
        SHAPES(transpose, of_four(op->in_shape), transposed(op))
        SHAPES(strided_slice, of_four(op->in_shape), sliced(op))
        SHAPES(resize_image, of_four(op->in_shape), ncc_shape_4(op->in_shape[0], op->in_shape[1], op->out_h, op->out_w))
        SHAPES(softmax, ncc_shape_make(2, (int[]){op->outer_size, op->inner_size}), k->in)
        SHAPES(kpu_upload, of_four(op->in_shape), k->in)
        SHAPES(kpu_conv2d, ncc_shape_4(op->batches, k->layer.in_c, k->layer.in_h, k->layer.in_w),
               ncc_shape_4(op->batches, k->layer.out_c, ncc_kpu_out_h(&k->layer), ncc_kpu_out_w(&k->layer)))
    default:
        return false;
    }
#undef SHAPES
}

static void find_shapes(struct kmodel_node *k, const struct ncc_kmodel_node *node)
{
    if (window_shapes(k, node) || body_shapes(k, node))
        return;
    k->in = flat(&k->read[0]);
    k->out = flat(&k->write[0]);
}

/* ---- time ---- */

#define NCC_KERNEL(name, instructions, per, source)                                                                    \
    case NCC_KM_OP_##name:                                                                                             \
        return COST_##name;
#define NCC_DEVICE_KERNEL(name, instructions, per, source)
static enum cost_kernel kernel_of(uint32_t opcode)
{
    switch (opcode) {
#include "runtime/kernels.def"
    default:
        return COST_none; /* nodes of the device */
    }
}
#undef NCC_KERNEL
#undef NCC_DEVICE_KERNEL

/* Multiply-adds, or elements under windows, for one element of the result. */
static double work_per_element(const struct kmodel_node *k, const struct ncc_kmodel_node *node)
{
#define TAPS(name, channels)                                                                                           \
    case NCC_KM_OP_##name: {                                                                                           \
        const struct ncc_km_##name *op = node->body;                                                                   \
        return (double)op->window.filter_h * op->window.filter_w * (channels);                                         \
    }
    switch (node->opcode) {
        TAPS(conv2d, op->in_shape[1] / op->groups)
        TAPS(quantized_conv2d, op->in_shape[1] / op->groups)
        TAPS(cpu_conv2d, op->in_shape[3])
        TAPS(cpu_quantized_conv2d, op->in_shape[3])
        TAPS(cpu_depthwise_conv2d, 1)
        TAPS(cpu_quantized_depthwise_conv2d, 1)
        TAPS(reduce_window2d, 1)
        TAPS(cpu_reduce_window2d, 1)
    case NCC_KM_OP_conv2d_transpose: { /* every element of the input goes to filter x channels places */
        const struct ncc_km_conv2d_transpose *op = node->body;
        const double scattered = (double)op->window.filter_h * op->window.filter_w * op->out_shape[1] / op->groups;
        return scattered * (double)ncc_shape_count(k->in) / (double)ncc_shape_count(k->out);
    }
    case NCC_KM_OP_matmul:
    case NCC_KM_OP_quantized_matmul:
        return k->in.dim[1];
    default:
        return 1;
    }
#undef TAPS
}

static bool broadcasts(const struct ncc_kmodel_node *node)
{
    if (node->opcode != NCC_KM_OP_binary && node->opcode != NCC_KM_OP_quantized_binary)
        return false;
    const struct ncc_km_binary *op = node->body; /* both begin alike */
    return memcmp(op->a_shape, op->b_shape, sizeof op->a_shape) != 0;
}

/* What is copied one by one. */
static double runs(const struct ncc_kmodel_node *node)
{
    const struct ncc_km_concat *op = node->opcode == NCC_KM_OP_concat ? node->body : NULL;
    return op ? (double)op->outer_size * op->n : 0;
}

static double kernel_us(const struct kmodel_node *k, const struct ncc_kmodel_node *node, enum ncc_kpu_runtime runtime)
{
    const enum cost_kernel kernel = kernel_of(node->opcode);
    const enum cost_per per = ncc_cost_per(kernel);
    double n = (double)ncc_shape_count(k->out);
    if (per == COST_PER_IN)
        n = (double)ncc_shape_count(k->in);
    else if (per == COST_PER_BYTE)
        n = k->write[0].size;
    else if (per != COST_PER_OUT)
        n *= work_per_element(k, node);
    return ncc_cost_instructions_us(n * ncc_cost_instructions(kernel, broadcasts(node), runtime) +
                                    NCC_COST_RUN_INSTRUCTIONS * runs(node));
}

static void find_times(struct kmodel_node *k, const struct ncc_kmodel_node *node, enum ncc_kpu_runtime runtime)
{
    const int *in = k->in.dim, *out = k->out.dim;
    if (node->opcode == NCC_KM_OP_kpu_upload) {
        k->upload_us = in[0] * ncc_kpu_upload_us(in[1], in[2], in[3], runtime);
    } else if (node->opcode == NCC_KM_OP_kpu_conv2d) {
        k->kpu_us = in[0] * ncc_kpu_layer_us(&k->layer, runtime);
        if (k->n_write == 2)
            k->download_us = out[0] * ncc_kpu_download_us(out[1], out[2], out[3], runtime);
    } else {
        k->cpu_us = kernel_us(k, node, runtime);
    }
}

static void find_words(struct kmodel_node *k, const struct ncc_kmodel_node *node)
{
    struct ncc_km_kpu_parts parts;
    if (node->opcode != NCC_KM_OP_kpu_conv2d || !ncc_kmodel_kpu_parts(node, &parts))
        return;
    k->words = ((const struct ncc_km_kpu_conv2d *)node->body)->words;
    k->act = parts.act;
    k->weight_size = 1;
}

struct kmodel_view ncc_report_view_v4(const struct ncc_kmodel *km, enum ncc_kpu_runtime runtime, struct arena *a)
{
    const struct ncc_km_header *h = km->header;
    struct kmodel_view v = {.version = (int)h->version,
                            .target = h->target == NCC_KM_TARGET_K210 ? "K210" : "CPU",
                            .nodes = NCC_NEW(a, struct kmodel_node, h->n_nodes),
                            .n_nodes = (int)h->n_nodes,
                            .inputs = km->inputs,
                            .outputs = km->outputs,
                            .input_shapes = NCC_NEW(a, struct shape, h->n_inputs),
                            .n_inputs = (int)h->n_inputs,
                            .n_outputs = (int)h->n_outputs,
                            .constants_size = h->constants_size,
                            .main_mem_size = h->main_mem_size};
    for (int i = 0; i < v.n_inputs; i++)
        v.input_shapes[i] = of_four(km->input_shapes[i]);
    struct ncc_kmodel_node node = {0};
    while (ncc_kmodel_next(km, &node)) {
        struct kmodel_node *k = &v.nodes[node.index];
        k->op = ncc_kmodel_op_name(node.opcode);
        find_ranges(k, &node, a);
        find_shapes(k, &node);
        find_times(k, &node, runtime);
        find_words(k, &node);
    }
    return v;
}
