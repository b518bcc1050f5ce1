/* ncc_inspect: which kind of file is it? */
#include "compiler/report/inspect.h"

#include "compiler/base/package.h"

#include <cjson/cJSON.h>

#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 64 << 20 };

/* ---- one kmodel ---- */

static bool refuse(const struct inspecting *in, const char *name, const struct ncc_km_fault *fault, const char *op,
                   const char *wrong)
{
    struct place where = {.file = name};
    if (fault && fault->node != NCC_KM_NO_NODE) {
        where.node = ncc_arena_printf(in->arena, "%u", (unsigned)fault->node);
        where.op = op;
    }
    ncc_diag_error(in->diags, FAULT_INPUT, where, wrong, NULL, NULL);
    return false;
}

/* The 2018 compiler's files begin with the number 1, then flags (8-bit weights). */
static bool is_version_1(struct bytes file)
{
    uint32_t head[2] = {0};
    memcpy(head, file.data, file.size < sizeof head ? file.size : sizeof head);
    return head[0] == 1 && head[1] <= 1;
}

static bool is_kmodel(struct bytes file)
{
    uint32_t identifier = 0;
    memcpy(&identifier, file.data, file.size < sizeof identifier ? file.size : sizeof identifier);
    return identifier == NCC_KM_IDENTIFIER || ncc_kmodel_v3_is(file.data, file.size);
}

static bool refuse_other(const struct inspecting *in, struct bytes file, const char *name)
{
    ncc_diag_error(in->diags, FAULT_INPUT, (struct place){.file = name},
                   is_version_1(file)
                       ? "it looks like a model of version 1, of the vendor's compiler of 2018, whose layout is not known"
                       : ncc_status_text(NCC_NOT_KMODEL),
                   "give a .kmodel or .kfpkg file; of a source model ncc check tells what runs where", NULL);
    return false;
}

static bool inspect_kmodel(const struct inspecting *in, struct bytes file, const char *name)
{
    struct ncc_kmodel_v5 v5;
    struct kmodel_view view;
    struct ncc_km_fault fault;
    uint32_t head[2] = {0};
    if (!is_kmodel(file))
        return refuse_other(in, file, name);
    memcpy(head, file.data, file.size < sizeof head ? file.size : sizeof head);
    if (head[0] == NCC_KM_IDENTIFIER && head[1] == NCC_KM5_VERSION) {
        const char *wrong = ncc_kmodel_v5_open(file.data, file.size, &v5);
        if (wrong)
            return refuse(in, name, NULL, NULL, ncc_arena_printf(in->arena, "kmodel version 5: %s", wrong));
        ncc_inspect_print_v5(in, &v5, name);
        return true;
    }
    const char *wrong = ncc_inspect_open(file, in->options->firmware, &view, &fault, in->arena);
    if (wrong)
        return refuse(in, name, &fault,
                      ncc_kmodel_v3_is(file.data, file.size) ? ncc_kmodel_v3_name(fault.opcode)
                                                             : ncc_kmodel_op_name(fault.opcode),
                      wrong);
    ncc_inspect_print(in, &view, name, (int64_t)file.size);
    return true;
}

/* ---- packages ---- */

/* flash-list.json as it stands: it is short, and often not quite JSON. */
static void print_list(const struct package_entry *e, FILE *out)
{
    const char *text = (const char *)e->data.data;
    fprintf(out, "\n%s:\n%s%s", e->name, text, text[0] && text[strlen(text) - 1] == '\n' ? "" : "\n");
}

static void print_entries_json(const struct inspecting *in, const struct package *p)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < p->n; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", p->v[i].name);
        cJSON_AddNumberToObject(o, "bytes", (double)p->v[i].data.size);
        cJSON_AddItemToArray(list, o);
    }
    char *text = cJSON_Print(list);
    fprintf(in->out, "{\"entries\": %s, \"kmodels\": [", text ? text : "[]");
    cJSON_free(text);
    cJSON_Delete(list);
}

static void print_entries(const struct inspecting *in, const struct package *p, const char *path)
{
    if (in->options->json) {
        print_entries_json(in, p);
        return;
    }
    fprintf(in->out, "%s: package of %d files\n\n", path, p->n);
    for (int i = 0; i < p->n; i++)
        fprintf(in->out, "%-40s %10zu bytes%s\n", p->v[i].name, p->v[i].data.size,
                is_kmodel(p->v[i].data) ? ", kmodel" : "");
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->v[i].name, "flash-list.json") == 0)
            print_list(&p->v[i], in->out);
}

static bool inspect_package(const struct inspecting *in, const struct package *p, const char *path)
{
    bool good = true;
    int n = 0;
    print_entries(in, p, path);
    for (int i = 0; i < p->n; i++) {
        if (!is_kmodel(p->v[i].data))
            continue;
        fputs(!in->options->json ? "\n" : n++ ? ", " : "", in->out);
        good = inspect_kmodel(in, p->v[i].data, ncc_arena_printf(in->arena, "%s in %s", p->v[i].name, path)) && good;
    }
    if (in->options->json)
        fputs("]}\n", in->out);
    return good;
}

/* ---- files ---- */

static bool inspect_file(const struct inspecting *in, const char *path)
{
    struct bytes file;
    struct package package;
    if (!ncc_file_read(path, MAX_FILE, in->arena, in->diags, &file))
        return false;
    if (!ncc_package_is(file))
        return inspect_kmodel(in, file, path);
    return ncc_package_read(path, file, MAX_FILE, in->arena, in->diags, &package) &&
           inspect_package(in, &package, path);
}

static enum ncc_exit out_of_memory(const char *path, struct arena *a, FILE *err)
{
    fprintf(err, "%s: error: there is not enough memory\n", path);
    ncc_arena_release(a);
    return NCC_EXIT_INTERNAL;
}

enum ncc_exit ncc_inspect(const char *path, const struct ncc_inspect_options *options, FILE *out, FILE *err)
{
    struct exit exit = {0};
    struct diags diags;
    struct arena arena = ncc_arena_make(&exit);
    if (setjmp(exit.env))
        return out_of_memory(path, &arena, err);
    ncc_diag_init(&diags, &arena);
    const struct inspecting in = {options, &arena, &diags, out};
    const bool good = inspect_file(&in, path);
    ncc_diag_print(&diags, err);
    ncc_arena_release(&arena);
    return good ? NCC_EXIT_DONE : NCC_EXIT_INPUT;
}

bool ncc_estimate(const void *model, size_t size, enum ncc_firmware firmware, struct ncc_estimate *out)
{
    struct exit exit = {0};
    struct kmodel_view view;
    struct ncc_km_fault fault;
    struct arena arena = ncc_arena_make(&exit);
    const struct bytes file = {model, size};
    if (setjmp(exit.env) || ncc_inspect_open(file, firmware, &view, &fault, &arena) != NULL) {
        ncc_arena_release(&arena);
        return false;
    }
    const struct report r = ncc_inspect_report(&view, "", (int64_t)size, firmware, &arena);
    *out = (struct ncc_estimate){r.kpu_us, r.copy_us, r.cpu_us, ncc_kpu_costs(r.runtime)->name};
    ncc_arena_release(&arena);
    return true;
}

/* ---- for who runs them ---- */

/* The first kmodel of a package, or the file itself. */
static bool find_kmodel(const char *path, struct bytes *file, struct arena *a, struct diags *d)
{
    struct package package;
    if (!ncc_package_is(*file))
        return true;
    if (!ncc_package_read(path, *file, MAX_FILE, a, d, &package))
        return false;
    for (int i = 0; i < package.n; i++)
        if (is_kmodel(package.v[i].data)) {
            *file = package.v[i].data;
            return true;
        }
    ncc_diag_error(d, FAULT_INPUT, (struct place){.file = path}, "there is no kmodel in the package", NULL, NULL);
    return false;
}

void *ncc_kmodel_load(const char *path, size_t *size, FILE *err)
{
    struct exit exit = {0};
    struct diags diags;
    struct bytes file;
    struct arena arena = ncc_arena_make(&exit);
    if (setjmp(exit.env)) {
        out_of_memory(path, &arena, err);
        return NULL;
    }
    ncc_diag_init(&diags, &arena);
    void *data = NULL;
    if (ncc_file_read(path, MAX_FILE, &arena, &diags, &file) && find_kmodel(path, &file, &arena, &diags)) {
        data = malloc(file.size + 1); /* aligned for the runtime, and never of size 0 */
        if (data)
            memcpy(data, file.data, file.size);
        else
            fprintf(err, "%s: error: there is not enough memory\n", path);
        *size = file.size;
    }
    ncc_diag_print(&diags, err);
    ncc_arena_release(&arena);
    return data;
}

bool ncc_kmodel_recognise(const char *path)
{
    uint32_t head[3] = {0};
    FILE *f = fopen(path, "rb");
    const size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    const struct bytes file = {(const uint8_t *)head, n};
    return n == sizeof head && (is_kmodel(file) || ncc_package_is(file));
}
