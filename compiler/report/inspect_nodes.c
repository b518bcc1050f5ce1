/* A kmodel of version 3 or 4: the same report that a compilation ends with, so that both are printed alike. */
#include "compiler/report/inspect.h"
#include "kpu/disasm.h"

#include <string.h>

/* ---- opening ---- */

static const char *open_v3(struct bytes file, enum ncc_firmware firmware, struct kmodel_view *out,
                           struct ncc_km_fault *fault, struct arena *a)
{
    struct ncc_kmodel_v3 km;
    const enum ncc_status status = ncc_kmodel_v3_open(file.data, file.size, &km);
    if (status)
        return ncc_arena_printf(a, "kmodel version 3: %s", ncc_status_text(status));
    if (ncc_kmodel_v3_check(&km, fault))
        return fault->text;
    *out = ncc_report_view_v3(&km, ncc_report_runtime(firmware, 3), a);
    return NULL;
}

const char *ncc_inspect_open(struct bytes file, enum ncc_firmware firmware, struct kmodel_view *out,
                             struct ncc_km_fault *fault, struct arena *a)
{
    *fault = (struct ncc_km_fault){.node = NCC_KM_NO_NODE};
    if (ncc_kmodel_v3_is(file.data, file.size))
        return open_v3(file, firmware, out, fault, a);
    struct ncc_kmodel km;
    const enum ncc_status status = ncc_kmodel_open(file.data, file.size, &km);
    if (status)
        return ncc_status_text(status);
    if (ncc_kmodel_check(&km, fault))
        return fault->text;
    *out = ncc_report_view_v4(&km, ncc_report_runtime(firmware, 4), a);
    return NULL;
}

/* ---- the report ---- */

static const char *text_of(struct shape s, struct arena *a)
{
    char text[80];
    return ncc_arena_printf(a, "%s", ncc_shape_text(s, text));
}

static void add_layer(struct report *r, struct shape in, struct shape out, struct report_layer l, struct arena *a)
{
    l.in_shape = text_of(in, a);
    l.out_shape = text_of(out, a);
    NCC_PUSH(a, &r->layers, l);
}

const char *ncc_inspect_layer_text(const struct ncc_kpu_shape *s, struct arena *a)
{
    const char *pool = s->pool == NCC_KPU_POOL_NONE ? NULL : ncc_kpu_pool_info(s->pool)->name;
    return ncc_arena_printf(a, "conv %dx%d%s%s%s", s->kernel, s->kernel, s->depthwise ? " depthwise" : "",
                            pool ? ", " : "", pool ? pool : "");
}

static void add_node(struct report *r, const struct kmodel_node *k, int i, struct arena *a)
{
    struct report_layer l = {.name = ncc_arena_printf(a, "node %d", i), .op = k->op};
    r->kpu_us += k->kpu_us;
    r->cpu_us += k->cpu_us;
    r->copy_us += k->upload_us + k->download_us;
    if (k->kpu_us > 0) {
        l.on = "kpu";
        l.op = ncc_inspect_layer_text(&k->layer, a);
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
    add_layer(r, k->in, k->out, l, a);
    if (k->download_us > 0) {
        const struct report_layer copy = {.name = l.name, .op = "kpu_download", .on = "copy", .est_us = k->download_us};
        add_layer(r, k->out, k->out, copy, a);
    }
}

static const char *dtype_of(const struct ncc_km_range *r)
{
    return r->datatype == NCC_KM_F32 ? "f32" : "u8";
}

/* The runtime packs an input that lies in KPU RAM into its layout. */
static void add_input(struct report *r, const struct kmodel_view *km, int i, struct arena *a)
{
    const struct shape shape = km->input_shapes[i];
    const int *s = shape.dim;
    const struct ncc_km_range *range = &km->inputs[i];
    const char *name = ncc_arena_printf(a, "input %d", i);
    NCC_PUSH(a, &r->inputs, ((struct report_tensor){.name = name, .dtype = dtype_of(range), .shape = shape}));
    r->input_bytes += ncc_shape_count(shape) * (int64_t)ncc_report_element_size(range);
    if (range->memory_type != NCC_KM_KPU)
        return;
    const double us = s[0] * ncc_kpu_upload_us(s[1], s[2], s[3], r->runtime);
    r->copy_us += us;
    add_layer(r, shape, shape, (struct report_layer){.name = name, .op = "kpu_upload", .on = "copy", .est_us = us}, a);
}

/* The file has no shapes of outputs: that of the node which wrote it last. */
static void add_output(struct report *r, const struct kmodel_view *km, int i, struct arena *a)
{
    const struct ncc_km_range *range = &km->outputs[i];
    const int n = (int)(range->size / ncc_report_element_size(range));
    struct shape shape = ncc_shape_make(1, &n);
    for (int k = 0; k < km->n_nodes; k++) {
        const struct kmodel_node *node = &km->nodes[k];
        const struct ncc_km_range *to = &node->write[node->n_write - 1];
        if (to->memory_type == range->memory_type && to->start == range->start && to->size == range->size)
            shape = node->out;
    }
    const char *name = ncc_arena_printf(a, "output %d", i);
    NCC_PUSH(a, &r->outputs, ((struct report_tensor){.name = name, .dtype = dtype_of(range), .shape = shape}));
}

struct report ncc_inspect_report(const struct kmodel_view *km, const char *name, int64_t file_bytes,
                                 enum ncc_firmware firmware, struct arena *a)
{
    struct report r = {.model = name,
                       .kmodel_version = km->version,
                       .file_bytes = file_bytes,
                       .resident_bytes = file_bytes,
                       .main_memory_bytes = km->main_mem_size,
                       .runtime = ncc_report_runtime(firmware, km->version)};
    ncc_board_find(NULL, a, &r.board);
    for (int i = 0; i < km->n_inputs; i++)
        add_input(&r, km, i, a);
    for (int i = 0; i < km->n_nodes; i++)
        add_node(&r, &km->nodes[i], i, a);
    for (int i = 0; i < km->n_outputs; i++)
        add_output(&r, km, i, a);
    const struct kmodel_flow flow = ncc_report_kmodel_flow(km, a);
    r.crossings = flow.crossings;
    r.kpu = (struct plan_memory){flow.kpu_peak, flow.kpu_bound, flow.kpu_peak == flow.kpu_bound};
    r.main = (struct plan_memory){km->main_mem_size, flow.main_bound, km->main_mem_size == flow.main_bound};
    return r;
}

/* ---- text ---- */

static void print_place(const char *what, int i, const struct ncc_km_range *r, FILE *out)
{
    static const char *const memories[] = {
        [NCC_KM_CONST] = "constants", [NCC_KM_MAIN] = "main memory", [NCC_KM_KPU] = "KPU RAM"};
    fprintf(out, "%-16s %s, bytes %u to %u\n", i == 0 ? what : "", memories[r->memory_type], (unsigned)r->start,
            (unsigned)(r->start + r->size));
}

void ncc_inspect_print_words(const uint64_t words[12], int weight_size, const uint8_t *act, FILE *out)
{
    char text[NCC_KPU_DISASM_SIZE];
    ncc_kpu_disasm(words, weight_size, text, sizeof text);
    fputs(text, out);
    if (!act)
        return;
    struct ncc_kpu_table table;
    ncc_kpu_table_unpack(act, &table);
    ncc_kpu_disasm_table(&table, text, sizeof text);
    fputs(text, out);
}

void ncc_inspect_print(const struct inspecting *in, const struct kmodel_view *km, const char *name, int64_t file_bytes)
{
    FILE *out = in->out;
    const struct report r = ncc_inspect_report(km, name, file_bytes, in->options->firmware, in->arena);
    if (in->options->json) {
        fputs(ncc_report_json(&r, in->arena), out);
        return;
    }
    fprintf(out, "%s: kmodel version %d for the %s, %d nodes\n\n", name, km->version, km->target, km->n_nodes);
    if (km->constants_size)
        fprintf(out, "%-16s %lld bytes in the file\n", "constants", (long long)km->constants_size);
    for (int i = 0; i < km->n_inputs; i++)
        print_place("inputs in", i, &km->inputs[i], out);
    for (int i = 0; i < km->n_outputs; i++)
        print_place("outputs in", i, &km->outputs[i], out);
    ncc_report_text(&r, true, out);
    for (int i = 0; i < km->n_nodes && in->options->disasm; i++)
        if (km->nodes[i].words) {
            fprintf(out, "\nnode %d: ", i);
            ncc_inspect_print_words(km->nodes[i].words, km->nodes[i].weight_size, km->nodes[i].act, out);
        }
}
