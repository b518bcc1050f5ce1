/* A kmodel of version 5: its modules, functions and sections, and what the K210's module does. Byte code is only
 * measured: the numbers of its functions changed between releases while the version of the file stayed 5. */
#include "compiler/report/inspect.h"
#include "compiler/report/json.h"

#include <string.h>

static const char *const byte_code_text =
    "the byte code of stackvm is not decoded: the numbers of its functions differ between releases of nncase";

/* ---- names ---- */

static const char *location_name(int location)
{
    switch (location) {
    case NCC_KM5_INPUT:
        return "input";
    case NCC_KM5_OUTPUT:
        return "output";
    case NCC_KM5_RDATA:
        return "rdata";
    case NCC_KM5_DATA:
        return "data";
    case NCC_KM5_SHARED_DATA:
        return "shared data";
    case NCC_KM5_KPU:
        return "KPU RAM";
    default:
        return "unknown memory";
    }
}

static const char *dtype_name(int datatype)
{
    static const char *const names[] = {"i8",  "i16", "i32", "i64", "u8",  "u16",
                                        "u32", "u64", "f16", "f32", "f64", "bf16"};
    const int n = sizeof names / sizeof names[0];
    return datatype < n ? names[datatype] : "unknown type";
}

/* At most 16 bytes, which need not end with 0. */
static const char *name_of(const char name[16], struct arena *a)
{
    return ncc_arena_printf(a, "%.16s", name);
}

/* "1x3x224x224" of rank and dimensions; moves on to the next shape. */
static const char *shape_of(const uint32_t **shape, struct arena *a)
{
    const uint32_t rank = *(*shape)++;
    const char *text = rank ? "" : "scalar";
    for (uint32_t i = 0; i < rank; i++)
        text = ncc_arena_printf(a, "%s%s%u", text, i ? "x" : "", (unsigned)*(*shape)++);
    return text;
}

/* ---- what a function of the K210's module does ---- */

static struct ncc_kpu_shape layer_of(const struct ncc_km5_k210_node *n)
{
    struct ncc_kpu_regs regs;
    struct ncc_kpu_shape s = {0};
    ncc_kpu_unpack(n->words, &regs);
    return ncc_kpu_shape_of(&regs, &s) ? (struct ncc_kpu_shape){0} : s;
}

static struct shape shape_4(const uint32_t s[4])
{
    enum { LIMIT = 1 << 24 }; /* nonsense, but printable */
    int d[4];
    for (int i = 0; i < 4; i++)
        d[i] = (int)(s[i] < LIMIT ? s[i] : LIMIT);
    return ncc_shape_4(d[0], d[1], d[2], d[3]);
}

static const char *text_of(struct shape s, struct arena *a)
{
    char text[80];
    return ncc_arena_printf(a, "%s", ncc_shape_text(s, text));
}

static void add_conv(struct report *r, struct report_layer *l, const struct ncc_km5_k210_node *n, struct arena *a)
{
    const struct ncc_kpu_shape s = layer_of(n);
    const double batches = n->shape[0];
    l->on = "kpu";
    if (s.in_c == 0) {
        l->op = "conv with words that are no layer";
        l->in_shape = l->out_shape = "";
        return;
    }
    l->op = ncc_inspect_layer_text(&s, a);
    l->in_shape = text_of(ncc_shape_4((int)batches, s.in_c, s.in_h, s.in_w), a);
    l->out_shape = text_of(ncc_shape_4((int)batches, s.out_c, ncc_kpu_out_h(&s), ncc_kpu_out_w(&s)), a);
    l->est_us = batches * ncc_kpu_layer_us(&s, r->runtime);
    r->kpu_us += l->est_us;
    r->kpu_layers++;
}

static void add_move(struct report *r, struct report_layer *l, const struct ncc_km5_k210_node *n, struct arena *a)
{
    const struct shape s = shape_4(n->shape);
    const int *d = s.dim;
    l->on = "copy";
    l->in_shape = l->out_shape = text_of(s, a);
    if (n->op == NCC_KM5_UPLOAD) {
        l->op = "kpu_upload";
        l->est_us = d[0] * ncc_kpu_upload_us(d[1], d[2], d[3], r->runtime);
    } else if (n->op == NCC_KM5_DOWNLOAD) {
        l->op = "kpu_download";
        l->est_us = d[0] * ncc_kpu_download_us(d[1], d[2], d[3], r->runtime);
    } else {
        l->op = "copy";
    }
    r->copy_us += l->est_us;
}

/* The bytes of a function, or none when they lie outside of the module's text. */
static struct bytes text_in(const struct ncc_kmodel_v5 *km, const struct ncc_km5_module *m,
                            const struct ncc_km5_function *f)
{
    for (uint32_t i = 0; i < m->header->n_sections; i++) {
        const struct ncc_km5_section s = ncc_kmodel_v5_section(km, m, i);
        const uint64_t end = (uint64_t)f->header->entrypoint + f->header->text_size;
        if (s.body && strncmp(s.header->name, ".text", sizeof s.header->name) == 0 && end <= s.header->body_size)
            return (struct bytes){s.body + f->header->entrypoint, f->header->text_size};
    }
    return (struct bytes){(const uint8_t *)"", 0};
}

static bool is_k210(const struct ncc_km5_module *m)
{
    return strncmp(m->header->type, "k210", sizeof m->header->type) == 0;
}

static void add_function(struct report *r, const struct ncc_kmodel_v5 *km, const struct ncc_km5_module *m, uint32_t i,
                         struct arena *a)
{
    const struct ncc_km5_function f = ncc_kmodel_v5_function(km, m, i);
    const struct bytes text = text_in(km, m, &f);
    struct ncc_km5_k210_node node;
    size_t off = 0;
    for (int k = 0; ncc_kmodel_v5_k210_next(text.data, text.size, &off, &node); k++) {
        struct report_layer l = {.name = ncc_arena_printf(a, "function %u, %d", (unsigned)i, k)};
        (node.op == NCC_KM5_CONV2D ? add_conv : add_move)(r, &l, &node, a);
        NCC_PUSH(a, &r->layers, l);
    }
    if (off < text.size)
        NCC_PUSH(a, &r->layers,
                 ((struct report_layer){.name = ncc_arena_printf(a, "function %u", (unsigned)i),
                                        .op = ncc_arena_printf(a, "%zu bytes of unknown operations", text.size - off),
                                        .on = "cpu",
                                        .in_shape = "",
                                        .out_shape = ""}));
}

static struct report report_of(const struct ncc_kmodel_v5 *km, const char *name, enum ncc_firmware firmware,
                               struct arena *a)
{
    struct report r = {.model = name, .file_bytes = (int64_t)km->size, .runtime = ncc_report_runtime(firmware, 5)};
    for (uint32_t i = 0; i < km->header->n_modules; i++) {
        const struct ncc_km5_module m = ncc_kmodel_v5_module(km, i);
        for (uint32_t k = 0; k < m.header->n_functions && is_k210(&m); k++)
            add_function(&r, km, &m, k, a);
    }
    return r;
}

/* ---- text ---- */

static void print_tensors(const char *what, const struct ncc_km5_range *r, const uint32_t *shapes, uint32_t n,
                          const struct inspecting *in)
{
    for (uint32_t i = 0; i < n; i++)
        fprintf(in->out, "        %s %u: %s %s in %s, bytes %u to %llu\n", what, (unsigned)i, dtype_name(r[i].datatype),
                shape_of(&shapes, in->arena), location_name(r[i].location), (unsigned)r[i].start,
                (unsigned long long)r[i].start + r[i].size);
}

static void print_module(const struct inspecting *in, const struct ncc_kmodel_v5 *km, uint32_t index)
{
    const struct ncc_km5_module m = ncc_kmodel_v5_module(km, index);
    FILE *out = in->out;
    fprintf(out, "\nmodule %u: %s, version %u, %u bytes%s\n", (unsigned)index, name_of(m.header->type, in->arena),
            (unsigned)m.header->version, (unsigned)m.header->size,
            index == km->header->entry_module ? ", the entry" : "");
    for (uint32_t i = 0; i < m.header->n_pools; i++)
        fprintf(out, "    memory: %u bytes of %s\n", (unsigned)m.pools[i].size, location_name(m.pools[i].location));
    for (uint32_t i = 0; i < m.header->n_sections; i++) {
        const struct ncc_km5_section s = ncc_kmodel_v5_section(km, &m, i);
        fprintf(out, "    section %s: %u bytes%s\n", name_of(s.header->name, in->arena), (unsigned)s.header->body_size,
                s.body ? "" : " inside of .rdata");
    }
    for (uint32_t i = 0; i < m.header->n_functions; i++) {
        const struct ncc_km5_function f = ncc_kmodel_v5_function(km, &m, i);
        fprintf(out, "    function %u: %u bytes of code at %u; pools of %u bytes in, %u out\n", (unsigned)i,
                (unsigned)f.header->text_size, (unsigned)f.header->entrypoint, (unsigned)f.header->input_pool_size,
                (unsigned)f.header->output_pool_size);
        print_tensors("input", f.inputs, f.input_shapes, f.header->n_inputs, in);
        print_tensors("output", f.outputs, f.output_shapes, f.header->n_outputs, in);
    }
    if (strncmp(m.header->type, "stackvm", sizeof m.header->type) == 0)
        fprintf(out, "    %s\n", byte_code_text);
}

static void print_all_words(const struct inspecting *in, const struct ncc_kmodel_v5 *km)
{
    for (uint32_t i = 0; i < km->header->n_modules; i++) {
        const struct ncc_km5_module m = ncc_kmodel_v5_module(km, i);
        for (uint32_t k = 0; k < m.header->n_functions && is_k210(&m); k++) {
            const struct ncc_km5_function f = ncc_kmodel_v5_function(km, &m, k);
            const struct bytes text = text_in(km, &m, &f);
            struct ncc_km5_k210_node node;
            size_t off = 0;
            while (ncc_kmodel_v5_k210_next(text.data, text.size, &off, &node))
                if (node.op == NCC_KM5_CONV2D) {
                    fprintf(in->out, "\nfunction %u: ", (unsigned)k);
                    ncc_inspect_print_words(node.words, 1, NULL, in->out);
                }
        }
    }
}

static void print_text(const struct inspecting *in, const struct ncc_kmodel_v5 *km, const struct report *r)
{
    FILE *out = in->out;
    fprintf(out, "%s: kmodel version 5, %u modules\n", r->model, (unsigned)km->header->n_modules);
    for (uint32_t i = 0; i < km->header->n_modules; i++)
        print_module(in, km, i);
    if (r->layers.n) {
        ncc_report_text_layers(r, out);
        fprintf(out, "%-16s %d KPU layers, %.2f ms, copies %.2f ms; what stackvm does is not in it\n", "estimated time",
                r->kpu_layers, r->kpu_us / 1e3, r->copy_us / 1e3);
    }
    if (in->options->disasm)
        print_all_words(in, km);
}

/* ---- JSON ---- */

static cJSON *tensors_json(const struct ncc_km5_range *r, const uint32_t *shapes, uint32_t n, struct arena *a)
{
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; i < n; i++) {
        cJSON *t = cJSON_CreateObject();
        cJSON_AddStringToObject(t, "dtype", dtype_name(r[i].datatype));
        cJSON_AddStringToObject(t, "shape", shape_of(&shapes, a));
        cJSON_AddStringToObject(t, "location", location_name(r[i].location));
        cJSON_AddNumberToObject(t, "start", r[i].start);
        cJSON_AddNumberToObject(t, "bytes", r[i].size);
        cJSON_AddItemToArray(list, t);
    }
    return list;
}

static cJSON *module_json(const struct ncc_kmodel_v5 *km, uint32_t index, struct arena *a)
{
    const struct ncc_km5_module m = ncc_kmodel_v5_module(km, index);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "type", name_of(m.header->type, a));
    cJSON_AddNumberToObject(o, "bytes", m.header->size);
    cJSON *sections = cJSON_AddArrayToObject(o, "sections");
    for (uint32_t i = 0; i < m.header->n_sections; i++) {
        const struct ncc_km5_section s = ncc_kmodel_v5_section(km, &m, i);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", name_of(s.header->name, a));
        cJSON_AddNumberToObject(item, "bytes", s.header->body_size);
        cJSON_AddItemToArray(sections, item);
    }
    cJSON *functions = cJSON_AddArrayToObject(o, "functions");
    for (uint32_t i = 0; i < m.header->n_functions; i++) {
        const struct ncc_km5_function f = ncc_kmodel_v5_function(km, &m, i);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "code_bytes", f.header->text_size);
        cJSON_AddItemToObject(item, "inputs", tensors_json(f.inputs, f.input_shapes, f.header->n_inputs, a));
        cJSON_AddItemToObject(item, "outputs", tensors_json(f.outputs, f.output_shapes, f.header->n_outputs, a));
        cJSON_AddItemToArray(functions, item);
    }
    return o;
}

static void print_json(const struct inspecting *in, const struct ncc_kmodel_v5 *km, const struct report *r)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "version", ncc_version());
    cJSON_AddStringToObject(root, "model", r->model);
    cJSON_AddNumberToObject(root, "kmodel_version", NCC_KM5_VERSION);
    cJSON_AddNumberToObject(root, "file_bytes", (double)km->size);
    cJSON *modules = cJSON_AddArrayToObject(root, "modules");
    for (uint32_t i = 0; i < km->header->n_modules; i++)
        cJSON_AddItemToArray(modules, module_json(km, i, in->arena));
    ncc_report_json_layers(root, r);
    cJSON_AddStringToObject(root, "not_known", byte_code_text);
    char *text = cJSON_Print(root);
    fprintf(in->out, "%s\n", text ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(root);
}

void ncc_inspect_print_v5(const struct inspecting *in, const struct ncc_kmodel_v5 *km, const char *name)
{
    const struct report r = report_of(km, name, in->options->firmware, in->arena);
    if (in->options->json)
        print_json(in, km, &r);
    else
        print_text(in, km, &r);
}
