/* What is supported: made from the operators' descriptors and the hardware rules. */
#include "compiler/ir/op.h"
#include "compiler/k210/rules.h"

#include <ncc/compiler.h>

#include <string.h>

static bool in_a_model(const struct op_desc *d)
{
    return !(d->flags & OP_KPU) && (d->tflite || d->onnx || d->caffe);
}

static const char *or_dash(const char *names)
{
    return names ? names : "-";
}

/* "A,B" as "A, B". */
static void put_names(FILE *out, const char *names)
{
    for (const char *c = or_dash(names); *c; c++)
        fputs(*c == ',' ? ", " : (char[]){*c, 0}, out);
}

static void print_text(FILE *out, const struct op_desc *d, const struct rule *rules)
{
    fprintf(out, "%-20s %s\n", d->name, d->doc);
    static const char *const formats[] = {"tflite", "onnx", "caffe"};
    const char *const names[] = {d->tflite, d->onnx, d->caffe};
    for (int i = 0; i < 3; i++) {
        if (!names[i])
            continue;
        fprintf(out, "    %-8s ", formats[i]);
        put_names(out, names[i]);
        fputc('\n', out);
    }
    fprintf(out, "    %s\n", !rules ? "on the CPU" : rules[0].text ? "on the KPU, if" : "on the KPU");
    for (const struct rule *r = rules; r && r->text; r++)
        fprintf(out, "        %s\n", r->text);
}

static void print_markdown(FILE *out, const struct op_desc *d, const struct rule *rules)
{
    fprintf(out, "| %s | %s | ", d->name, d->doc);
    put_names(out, d->tflite);
    fputs(" | ", out);
    put_names(out, d->onnx);
    fputs(" | ", out);
    put_names(out, d->caffe);
    fputs(rules ? " | " : " | no |\n", out);
    if (!rules)
        return;
    if (!rules[0].text)
        fputs("yes", out);
    for (const struct rule *r = rules; r->text; r++)
        fprintf(out, "%s%s", r == rules ? "" : "; ", r->text);
    fputs(" |\n", out);
}

void ncc_print_ops(FILE *out, bool markdown)
{
    if (markdown)
        fputs("# Operators\n\nMade by `ncc ops --markdown`. The last column says when an operator can run on the KPU; "
              "whether it does is decided\nby estimated time. Everything else runs on the CPU.\n\n"
              "| operator | meaning | TFLite | ONNX | Caffe | KPU |\n| --- | --- | --- | --- | --- | --- |\n",
              out);
    for (int i = 0; i < N_OPS; i++) {
        const struct op_desc *d = ncc_op_desc((enum op)i);
        if (!in_a_model(d))
            continue;
        (markdown ? print_markdown : print_text)(out, d, ncc_k210_rules((enum op)i));
    }
}
