#include "compiler/report/report.h"

#include "kpu/limits.h"

#include <math.h>
#include <string.h>

static double kib(int64_t bytes)
{
    return (double)bytes / 1024;
}

void ncc_report_text_layers(const struct report *r, FILE *out)
{
    fprintf(out, "\n%-4s %-36s %-28s %-16s %-16s %10s\n", "on", "layer", "operation", "in", "out", "us");
    for (int i = 0; i < r->layers.n; i++) {
        const struct report_layer *l = &r->layers.v[i];
        fprintf(out, "%-4s %-36.36s %-28s %-16s %-16s %10.1f\n", l->on, l->name, l->op, l->in_shape, l->out_shape,
                l->est_us);
        if (l->reason && l->est_us > 0)
            fprintf(out, "     on the CPU because: %s\n", l->reason);
    }
    fputc('\n', out);
}

static void print_sources(const struct report *r, FILE *out)
{
    if (!r->sources.n)
        return;
    fprintf(out, "%-8s %-36s %-24s %-40s %10s\n", "on", "source node", "operator", "as", "us");
    for (int i = 0; i < r->sources.n; i++) {
        const struct report_source *s = &r->sources.v[i];
        fprintf(out, "%-8s %-36.36s %-24.24s %-40s %10.1f\n", s->on, s->name, s->op, s->as, s->est_us);
        if (*s->with)
            fprintf(out, "         in one layer with: %s\n", s->with);
        if (s->reason)
            fprintf(out, "         on the CPU because: %s\n", s->reason);
    }
    fputc('\n', out);
}

static void print_tensors(const char *title, const struct report_tensor *v, int n, FILE *out)
{
    for (int i = 0; i < n; i++) {
        char text[80];
        fprintf(out, "%-16s %s, %s %s", title, v[i].name, v[i].dtype, ncc_shape_text(v[i].shape, text));
        if (v[i].scale > 0)
            fprintf(out, ", real = (code - %g) * %.6g", v[i].zero_point, v[i].scale);
        fputc('\n', out);
    }
}

static void print_precision(const struct report_precision *p, FILE *out)
{
    if (!p->n_samples)
        return;
    fprintf(out, "%-16s ", "precision");
    if (isinf(p->db))
        fputs("exact", out);
    else
        fprintf(out, "%.1f dB signal to noise of the worst output%s", p->db,
                p->before_softmax ? ", in front of its softmax" : "");
    fprintf(out, ", on %d sample%s\n", p->n_samples, p->n_samples == 1 ? "" : "s");
    if (p->n_float)
        fprintf(out, "%-16s the %s %d of %d nodes stay in floating point for it\n", "", p->head ? "first" : "last",
                p->n_float, p->n_nodes);
    if (p->reason)
        fprintf(out, "%-16s least precise: %.60s, %.1f dB alone: %s; ncc eval shows what costs the outputs most\n", "",
                p->layer, p->layer_db, p->reason);
}

void ncc_report_text(const struct report *r, bool verbose, FILE *out)
{
    if (verbose) {
        ncc_report_text_layers(r, out);
        print_sources(r, out);
    }
    print_tensors("input", r->inputs.v, r->inputs.n, out);
    print_tensors("output", r->outputs.v, r->outputs.n, out);
    if (r->input_text)
        fprintf(out, "%-16s %s\n", "firmware", r->input_text);
    if (r->data_text)
        fprintf(out, "%-16s %s\n", "samples", r->data_text);
    fprintf(out, "%-16s %.1f KiB\n", "model", kib(r->file_bytes));
    fprintf(out, "%-16s %.1f KiB%s\n", "working memory", kib(r->main_memory_bytes),
            r->main.optimal ? "" : " (perhaps not the least possible)");
    fprintf(out, "%-16s %.1f KiB of %d KiB, lower bound %.1f KiB%s\n", "KPU RAM", kib(r->kpu.peak),
            NCC_KPU_RAM_SIZE / 1024, kib(r->kpu.bound), r->kpu.optimal ? ", optimal" : "");
    fprintf(out, "%-16s fits: %.1f KiB of %.0f KiB on %s (%s, working memory and input)\n", "general RAM",
            kib(ncc_report_ram(r)), kib(r->board.bytes), r->board.name,
            r->streamed ? "what is read of the model at a time" : "model");
    if (r->streamed)
        fprintf(out, "%-16s %lld bytes of work memory for ncc_stream_open()\n", "streaming",
                (long long)r->stream_bytes);
    for (int i = 0; i < r->bands.n; i++) {
        const struct report_bands *b = &r->bands.v[i];
        if (b->ranges)
            fprintf(out, "%-16s '%s' to '%s' in %d ranges of channels\n", "ranges", b->first, b->last, b->ranges);
        else
            fprintf(out, "%-16s '%s' to '%s' in %d x %d pieces (rows x columns)\n", "bands", b->first, b->last,
                    b->rows, b->cols);
    }
    for (int i = 0; i < r->spills.n; i++)
        fprintf(out, "%-16s '%s', %.1f KiB, waits in main memory\n", "spilled", r->spills.v[i].name,
                kib(r->spills.v[i].bytes));
    if (r->bands.n)
        fprintf(out, "%-16s %.1f %% more multiply-adds than in one piece\n", "", 100 * r->bands_extra);
    print_precision(&r->precision, out);
    fprintf(out, "%-16s %d KPU layers, %d CPU kernels, %d crossings\n", "plan", r->kpu_layers, r->cpu_kernels,
            r->crossings);
    fprintf(out, "%-16s %.2f ms with the %s runtime: KPU %.2f, copies %.2f, CPU %.2f\n", "estimated time",
            (r->kpu_us + r->copy_us + r->cpu_us) / 1e3, ncc_kpu_costs(r->runtime)->name, r->kpu_us / 1e3,
            r->copy_us / 1e3, r->cpu_us / 1e3);
}
