/* Reads a kmodel into the same report that a compilation ends with, so that both are printed alike. */
#include <ncc/inspect.h>

#include "compiler/base/file.h"
#include "compiler/report/kmodel_flow.h"
#include "compiler/report/report.h"
#include "kpu/disasm.h"
#include "kpu/timing.h"

#include <string.h>

enum { MAX_FILE = 64 << 20 };

struct inspection {
    struct exit exit;
    struct arena arena;
    struct diags diags;
    struct ncc_kmodel km;
    struct kmodel_node *nodes;
    struct kmodel_flow flow;
    struct report report;
};

static void close_inspection(struct inspection *in)
{
    ncc_arena_release(&in->arena);
}

/* ---- opening ---- */

static const char *version_text(struct bytes file)
{
    uint32_t head[2] = {0};
    memcpy(head, file.data, file.size < sizeof head ? file.size : sizeof head);
    if (head[0] == 3)
        return "it is a kmodel of version 3, and only version 4 is read";
    if (head[0] == NCC_KM_IDENTIFIER && head[1] == 5)
        return "it is a kmodel of version 5, and only version 4 is read";
    return NULL;
}

/* The sentence that says why the file is none; sets the node at fault. */
static const char *open_kmodel(struct bytes file, struct ncc_kmodel *km, struct ncc_km_fault *fault)
{
    *fault = (struct ncc_km_fault){.node = NCC_KM_NO_NODE};
    const enum ncc_status status = ncc_kmodel_open(file.data, file.size, km);
    if (status)
        return version_text(file) ? version_text(file) : ncc_status_text(status);
    return ncc_kmodel_check(km, fault) ? fault->text : NULL;
}

static bool open_file(struct inspection *in, const char *path)
{
    struct bytes file;
    struct ncc_km_fault fault;
    if (!ncc_file_read(path, MAX_FILE, &in->arena, &in->diags, &file))
        return false;
    const char *wrong = open_kmodel(file, &in->km, &fault);
    if (!wrong)
        return true;
    struct place where = {.file = path};
    if (fault.node != NCC_KM_NO_NODE) {
        where.node = ncc_arena_printf(&in->arena, "%u", (unsigned)fault.node);
        where.op = ncc_kmodel_op_name(fault.opcode);
    }
    ncc_diag_error(&in->diags, FAULT_INPUT, where, wrong, NULL, NULL);
    return false;
}

/* ---- the report ---- */

static void describe_nodes(struct inspection *in)
{
    in->nodes = NCC_NEW(&in->arena, struct kmodel_node, in->km.header->n_nodes);
    struct ncc_kmodel_node node = {0};
    while (ncc_kmodel_next(&in->km, &node))
        in->nodes[node.index] = ncc_report_kmodel_node(&node, in->report.runtime, &in->arena);
    in->flow = ncc_report_kmodel_flow(&in->km, in->nodes, &in->arena);
}

static const char *text_of(struct shape s, struct arena *a)
{
    char text[80];
    return ncc_arena_printf(a, "%s", ncc_shape_text(s, text));
}

static void add_layer(struct inspection *in, const struct kmodel_node *k, struct report_layer l)
{
    struct report *r = &in->report;
    l.in_shape = text_of(k->in, &in->arena);
    l.out_shape = text_of(k->out, &in->arena);
    NCC_PUSH(&in->arena, &r->layers, l);
}

static const char *conv_text(const struct ncc_kpu_shape *s, struct arena *a)
{
    const char *pool = s->pool == NCC_KPU_POOL_NONE ? NULL : ncc_kpu_pool_info(s->pool)->name;
    return ncc_arena_printf(a, "conv %dx%d%s%s%s", s->kernel, s->kernel, s->depthwise ? " depthwise" : "",
                            pool ? ", " : "", pool ? pool : "");
}

static void add_node(struct inspection *in, int i)
{
    const struct kmodel_node *k = &in->nodes[i];
    struct report *r = &in->report;
    struct report_layer l = {.name = ncc_arena_printf(&in->arena, "node %d", i), .op = k->op};
    r->kpu_us += k->kpu_us;
    r->cpu_us += k->cpu_us;
    r->copy_us += k->upload_us + k->download_us;
    if (k->kpu_us > 0) {
        l.on = "kpu";
        l.op = conv_text(&k->layer, &in->arena);
        l.est_us = k->kpu_us;
        r->kpu_layers++;
    } else if (k->upload_us > 0) {
        l.on = "copy";
        l.est_us = k->upload_us;
    } else {
        l.on = "cpu";
        l.est_us = k->cpu_us;
        r->cpu_kernels++;
    }
    add_layer(in, k, l);
    if (k->download_us > 0) {
        const struct kmodel_node copy = {.in = k->out, .out = k->out};
        add_layer(in, &copy,
                  (struct report_layer){.name = l.name, .op = "kpu_download", .on = "copy", .est_us = k->download_us});
    }
}

/* The runtime packs an input that lies in KPU RAM into its layout. */
static void add_input(struct inspection *in, uint32_t i)
{
    const int32_t *s = in->km.input_shapes[i];
    const struct shape shape = ncc_shape_4(s[0], s[1], s[2], s[3]);
    struct report *r = &in->report;
    const char *name = ncc_arena_printf(&in->arena, "input %u", (unsigned)i);
    const struct ncc_km_range *range = &in->km.inputs[i];
    const int64_t size = ncc_shape_count(shape) * (int64_t)ncc_report_element_size(range);
    NCC_PUSH(
        &in->arena, &r->inputs,
        ((struct report_tensor){.name = name, .dtype = range->datatype == NCC_KM_F32 ? "f32" : "u8", .shape = shape}));
    r->input_bytes += size;
    if (range->memory_type != NCC_KM_KPU)
        return;
    const double us = s[0] * ncc_kpu_upload_us(s[1], s[2], s[3], r->runtime);
    r->copy_us += us;
    const struct kmodel_node copy = {.in = shape, .out = shape};
    add_layer(in, &copy, (struct report_layer){.name = name, .op = "kpu_upload", .on = "copy", .est_us = us});
}

/* The file has no shapes of outputs: that of the node which wrote it last. */
static void add_output(struct inspection *in, uint32_t i)
{
    const struct ncc_km_range *range = &in->km.outputs[i];
    const int n = (int)(range->size / ncc_report_element_size(range));
    struct shape shape = ncc_shape_make(1, &n);
    for (uint32_t k = 0; k < in->km.header->n_nodes; k++) {
        const struct kmodel_node *node = &in->nodes[k];
        const struct ncc_km_range *to = &node->write[node->n_write - 1];
        if (to->memory_type == range->memory_type && to->start == range->start && to->size == range->size)
            shape = node->out;
    }
    NCC_PUSH(&in->arena, &in->report.outputs,
             ((struct report_tensor){.name = ncc_arena_printf(&in->arena, "output %u", (unsigned)i),
                                     .dtype = range->datatype == NCC_KM_F32 ? "f32" : "u8",
                                     .shape = shape}));
}

static void fill_report(struct inspection *in, const char *path, enum ncc_firmware firmware)
{
    const struct ncc_km_header *h = in->km.header;
    struct report *r = &in->report;
    *r = (struct report){.model = path,
                         .file_bytes = (int64_t)in->km.size,
                         .main_memory_bytes = h->main_mem_size,
                         .runtime = ncc_report_runtime(firmware, (int)h->version)};
    describe_nodes(in);
    for (uint32_t i = 0; i < h->n_inputs; i++)
        add_input(in, i);
    for (uint32_t i = 0; i < h->n_nodes; i++)
        add_node(in, (int)i);
    for (uint32_t i = 0; i < h->n_outputs; i++)
        add_output(in, i);
    r->crossings = in->flow.crossings;
    r->kpu = (struct plan_memory){in->flow.kpu_peak, in->flow.kpu_bound, in->flow.kpu_peak == in->flow.kpu_bound};
    r->main = (struct plan_memory){h->main_mem_size, in->flow.main_bound, h->main_mem_size == in->flow.main_bound};
}

/* ---- text ---- */

static void print_place(const char *what, uint32_t i, const struct ncc_km_range *r, FILE *out)
{
    static const char *const memories[] = {
        [NCC_KM_CONST] = "constants", [NCC_KM_MAIN] = "main memory", [NCC_KM_KPU] = "KPU RAM"};
    fprintf(out, "%-16s %s, bytes %u to %u\n", i == 0 ? what : "", memories[r->memory_type], (unsigned)r->start,
            (unsigned)(r->start + r->size));
}

static void print_text(const struct inspection *in, FILE *out)
{
    const struct ncc_km_header *h = in->km.header;
    fprintf(out, "%s: kmodel version %u for the %s, %u nodes\n\n", in->report.model, (unsigned)h->version,
            h->target == NCC_KM_TARGET_K210 ? "K210" : "CPU", (unsigned)h->n_nodes);
    fprintf(out, "%-16s %u bytes in the file\n", "constants", (unsigned)h->constants_size);
    for (uint32_t i = 0; i < h->n_inputs; i++)
        print_place("inputs in", i, &in->km.inputs[i], out);
    for (uint32_t i = 0; i < h->n_outputs; i++)
        print_place("outputs in", i, &in->km.outputs[i], out);
    ncc_report_text(&in->report, true, out);
}

static void print_disassembly(const struct inspection *in, FILE *out)
{
    char text[NCC_KPU_DISASM_SIZE];
    struct ncc_kmodel_node node = {0};
    while (ncc_kmodel_next(&in->km, &node)) {
        if (node.opcode != NCC_KM_OP_kpu_conv2d)
            continue;
        const struct ncc_km_kpu_conv2d *op = node.body;
        struct ncc_km_kpu_parts parts;
        struct ncc_kpu_table table;
        ncc_kpu_disasm(op->words, text, sizeof text);
        fprintf(out, "\nnode %u: %s", (unsigned)node.index, text);
        if (!ncc_kmodel_kpu_parts(&node, &parts))
            continue;
        ncc_kpu_table_unpack(parts.act, &table);
        ncc_kpu_disasm_table(&table, text, sizeof text);
        fputs(text, out);
    }
}

enum ncc_exit ncc_inspect(const char *path, const struct ncc_inspect_options *options, FILE *out, FILE *err)
{
    struct inspection in = {0};
    in.arena = ncc_arena_make(&in.exit);
    if (setjmp(in.exit.env)) {
        fprintf(err, "%s: error: there is not enough memory\n", path);
        close_inspection(&in);
        return NCC_EXIT_INTERNAL;
    }
    ncc_diag_init(&in.diags, &in.arena);
    const bool good = open_file(&in, path);
    if (good) {
        fill_report(&in, path, options->firmware);
        if (options->json)
            fputs(ncc_report_json(&in.report, &in.arena), out);
        else
            print_text(&in, out);
        if (options->disasm && !options->json)
            print_disassembly(&in, out);
    }
    ncc_diag_print(&in.diags, err);
    close_inspection(&in);
    return good ? NCC_EXIT_DONE : NCC_EXIT_INPUT;
}

bool ncc_estimate(const void *model, size_t size, enum ncc_firmware firmware, struct ncc_estimate *out)
{
    struct inspection in = {0};
    struct ncc_km_fault fault;
    in.arena = ncc_arena_make(&in.exit);
    if (open_kmodel((struct bytes){model, size}, &in.km, &fault) != NULL || setjmp(in.exit.env)) {
        close_inspection(&in);
        return false;
    }
    fill_report(&in, "", firmware);
    *out = (struct ncc_estimate){in.report.kpu_us, in.report.copy_us, in.report.cpu_us,
                                 ncc_kpu_costs(in.report.runtime)->name};
    close_inspection(&in);
    return true;
}
