/* What is supported: made from the importers' tables, the operators' descriptors and the hardware rules. */
#include "compiler/ir/op.h"
#include "compiler/k210/rules.h"

#include <ncc/compiler.h>

#include <stdlib.h>
#include <string.h>

/* ---- what the formats have ---- */

static const char *const tflite_names[] = {
#define TF_OP(code, name, ...) #name,
#define TF_CUSTOM(name, ...) #name,
#define TF_NAME(code, name)
#include "compiler/import/tflite_ops.def"
#undef TF_OP
#undef TF_CUSTOM
#undef TF_NAME
};

static const char *const onnx_names[] = {
#define OX_ROW(name, ...) #name,
#include "compiler/import/onnx_ops.def"
#undef OX_ROW
};

static const char *const caffe_names[] = {
#define CF_OP(type, ...) #type,
#define CF_NAME(type, shapes, remedy)
#define CF_SOURCE(type)
#define CF_DROP(type)
#include "compiler/import/caffe_ops.def"
#undef CF_OP
#undef CF_NAME
#undef CF_SOURCE
#undef CF_DROP
};

#define COUNT(names) ((int)(sizeof(names) / sizeof *(names)))

static const struct format {
    const char *key; /* in limits.def */
    const char *title;
    const char *const *names;
    int n;
    size_t claims; /* where a descriptor has its names in this format */
} formats[] = {
    {"tflite", "TFLite", tflite_names, COUNT(tflite_names), offsetof(struct op_desc, tflite)},
    {"onnx", "ONNX", onnx_names, COUNT(onnx_names), offsetof(struct op_desc, onnx)},
    {"caffe", "Caffe", caffe_names, COUNT(caffe_names), offsetof(struct op_desc, caffe)},
};
enum { N_FORMATS = sizeof formats / sizeof formats[0] };

static const char *limit_of(const struct format *f, const char *name)
{
    static const char *const limits[][3] = {
#define LIMIT(format, operator, text) {#format, #operator, text },
#include "compiler/import/limits.def"
#undef LIMIT
    };
    for (int i = 0; i < COUNT(limits); i++)
        if (!strcmp(limits[i][0], f->key) && !strcmp(limits[i][1], name))
            return limits[i][2];
    return NULL;
}

/* Comma separated; or NULL. */
static const char *claims_of(const struct format *f, const struct op_desc *d)
{
    return *(const char *const *)((const char *)d + f->claims);
}

static bool claims(const struct format *f, const struct op_desc *d, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = claims_of(f, d); at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == 0))
            return true;
    }
    return false;
}

static bool in_a_model(const struct op_desc *d)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (!(d->flags & OP_KPU) && claims_of(&formats[i], d))
            return true;
    return false;
}

/* ---- text ---- */

/* "A,B" as "A, B". */
static void put_names(FILE *out, const char *names)
{
    for (const char *c = names; *c; c++)
        fputs(*c == ',' ? ", " : (char[]){*c, 0}, out);
}

static void print_text(FILE *out, const struct op_desc *d, const struct rule *rules)
{
    fprintf(out, "%-20s %s\n", d->name, d->doc);
    for (int i = 0; i < N_FORMATS; i++) {
        if (!claims_of(&formats[i], d))
            continue;
        fprintf(out, "    %s: ", formats[i].title);
        put_names(out, claims_of(&formats[i], d));
        fputc('\n', out);
    }
    fprintf(out, "    on the %s%s\n", rules ? "KPU or the CPU" : "CPU",
            rules && rules[0].text ? "; on the KPU only if" : "");
    for (const struct rule *r = rules; r && r->text; r++)
        fprintf(out, "        %s\n", r->text);
}

/* ---- Markdown ---- */

static void print_operators(FILE *out)
{
    fputs("## The operators of the graph\n\n"
          "What a model is made of once it is read. The last column says when an operator can run on the KPU; whether "
          "it does "
          "is\ndecided by estimated time. Everything else runs on the CPU.\n\n"
          "| operator | meaning | KPU |\n| --- | --- | --- |\n",
          out);
    for (int i = 0; i < N_OPS; i++) {
        const struct op_desc *d = ncc_op_desc((enum op)i);
        const struct rule *rules = ncc_k210_rules((enum op)i);
        if (!in_a_model(d))
            continue;
        fprintf(out, "| %s | %s | ", d->name, d->doc);
        if (!rules || !rules[0].text)
            fputs(rules ? "yes" : "no", out);
        for (const struct rule *r = rules; r && r->text; r++)
            fprintf(out, "%s%s", r == rules ? "" : "; ", r->text);
        fputs(" |\n", out);
    }
}

/* An operator of a format: what becomes of it, and whether any of that can run on the KPU. */
static void print_row(FILE *out, const struct format *f, const char *name)
{
    const char *limit = limit_of(f, name);
    bool on_kpu = false, any = false;
    fprintf(out, "| %s | ", name);
    for (int i = 0; i < N_OPS; i++) {
        const struct op_desc *d = ncc_op_desc((enum op)i);
        if ((d->flags & OP_KPU) || !claims(f, d, name))
            continue;
        fprintf(out, "%s%s", any ? ", " : "", d->name);
        any = true;
        on_kpu |= ncc_k210_rules((enum op)i) != NULL;
    }
    fprintf(out, "%s | %s | %s |\n", any ? "" : "-", on_kpu ? "KPU, CPU" : any ? "CPU" : "-", limit ? limit : "");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_format(FILE *out, const struct format *f)
{
    const char *sorted[256];
    const int n = f->n < COUNT(sorted) ? f->n : COUNT(sorted);
    memcpy(sorted, f->names, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_name);
    fprintf(out, "\n## %s\n\n| operator | becomes | runs on | limits |\n| --- | --- | --- | --- |\n", f->title);
    for (int i = 0; i < n; i++)
        print_row(out, f, sorted[i]);
}

static void print_markdown(FILE *out)
{
    fputs("# Operators\n\nMade by `ncc ops --markdown`.\n\n", out);
    print_operators(out);
    for (int i = 0; i < N_FORMATS; i++)
        print_format(out, &formats[i]);
}

void ncc_print_ops(FILE *out, bool markdown)
{
    if (markdown) {
        print_markdown(out);
        return;
    }
    for (int i = 0; i < N_OPS; i++)
        if (in_a_model(ncc_op_desc((enum op)i)))
            print_text(out, ncc_op_desc((enum op)i), ncc_k210_rules((enum op)i));
}
