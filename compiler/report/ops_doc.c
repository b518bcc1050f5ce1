/* What is supported: made from the operators' descriptors and the hardware rules. */
#include "compiler/ir/op.h"
#include "compiler/k210/rules.h"

#include <ncc/compiler.h>

#include <stddef.h>

/* The formats that are read. */
static const struct {
    const char *name;
    size_t names; /* where the descriptor has the operator's names */
} formats[] = {{"TFLite", offsetof(struct op_desc, tflite)}, {"Caffe", offsetof(struct op_desc, caffe)}};
enum { N_FORMATS = sizeof formats / sizeof formats[0] };

static const char *names_in(const struct op_desc *d, int format)
{
    return *(const char *const *)((const char *)d + formats[format].names);
}

static bool in_a_model(const struct op_desc *d)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (!(d->flags & OP_KPU) && names_in(d, i))
            return true;
    return false;
}

/* "A,B" as "A, B". */
static void put_names(FILE *out, const char *names)
{
    for (const char *c = names ? names : "-"; *c; c++)
        fputs(*c == ',' ? ", " : (char[]){*c, 0}, out);
}

static void print_text(FILE *out, const struct op_desc *d, const struct rule *rules)
{
    fprintf(out, "%-20s %s\n", d->name, d->doc);
    for (int i = 0; i < N_FORMATS; i++) {
        if (!names_in(d, i))
            continue;
        fprintf(out, "    %s: ", formats[i].name);
        put_names(out, names_in(d, i));
        fputc('\n', out);
    }
    fprintf(out, "    on the %s%s\n", rules ? "KPU or the CPU" : "CPU",
            rules && rules[0].text ? "; on the KPU only if" : "");
    for (const struct rule *r = rules; r && r->text; r++)
        fprintf(out, "        %s\n", r->text);
}

static void print_head(FILE *out)
{
    fputs("# Operators\n\nMade by `ncc ops --markdown`. The last column says when an operator can run on the KPU; "
          "whether it "
          "does is decided\nby estimated time. Everything else runs on the CPU.\n\n| operator | meaning |",
          out);
    for (int i = 0; i < N_FORMATS; i++)
        fprintf(out, " %s |", formats[i].name);
    fputs(" KPU |\n| --- | --- |", out);
    for (int i = 0; i <= N_FORMATS; i++)
        fputs(" --- |", out);
    fputc('\n', out);
}

static void print_row(FILE *out, const struct op_desc *d, const struct rule *rules)
{
    fprintf(out, "| %s | %s | ", d->name, d->doc);
    for (int i = 0; i < N_FORMATS; i++) {
        put_names(out, names_in(d, i));
        fputs(" | ", out);
    }
    if (!rules || !rules[0].text)
        fputs(rules ? "yes" : "no", out);
    for (const struct rule *r = rules; r && r->text; r++)
        fprintf(out, "%s%s", r == rules ? "" : "; ", r->text);
    fputs(" |\n", out);
}

void ncc_print_ops(FILE *out, bool markdown)
{
    if (markdown)
        print_head(out);
    for (int i = 0; i < N_OPS; i++) {
        const struct op_desc *d = ncc_op_desc((enum op)i);
        if (in_a_model(d))
            (markdown ? print_row : print_text)(out, d, ncc_k210_rules((enum op)i));
    }
}
