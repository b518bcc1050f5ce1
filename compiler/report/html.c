/* The report on a compilation as one HTML page. */
#include "compiler/report/html.h"

#include "compiler/report/report.h"
#include "kpu/limits.h"

#include <string.h>

static double total_us(const struct report *r)
{
    return r->kpu_us + r->copy_us + r->cpu_us;
}

static void put_part(struct page *p, const char *kind, double us, double total)
{
    if (us > 0)
        ncc_page_put(p, "<div class=\"%s\" style=\"width:%.2f%%\" title=\"%s %.3f ms\"></div>", kind, 100 * us / total,
                     kind, us / 1e3);
}

static void put_tensors(struct page *p, const char *what, const struct report_tensor *v, int n)
{
    for (int i = 0; i < n; i++) {
        char text[80];
        ncc_page_put(p, "<dt>%s</dt><dd>%s, %s %s", what, ncc_page_escape(p, v[i].name), v[i].dtype,
                     ncc_shape_text(v[i].shape, text));
        if (v[i].scale > 0)
            ncc_page_put(p, ", real = (code &minus; %g) &times; %.6g", v[i].zero_point, v[i].scale);
        ncc_page_put(p, "</dd>\n");
    }
}

static double kib(int64_t bytes)
{
    return (double)bytes / 1024;
}

static void put_summary(struct page *p, const struct report *r)
{
    const double total = total_us(r);
    ncc_page_put(p,
                 "<h2>Summary</h2>\n<p><b>%.2f ms</b> estimated with the %s runtime at 400 MHz: KPU %.2f, copies %.2f, "
                 "CPU %.2f; %d KPU layers, %d CPU kernels, %d crossings</p>\n<div class=\"sum\">",
                 total / 1e3, ncc_kpu_costs(r->runtime)->name, r->kpu_us / 1e3, r->copy_us / 1e3, r->cpu_us / 1e3,
                 r->kpu_layers, r->cpu_kernels, r->crossings);
    put_part(p, "kpu", r->kpu_us, total);
    put_part(p, "copy", r->copy_us, total);
    put_part(p, "cpu", r->cpu_us, total);
    ncc_page_put(p, "</div>\n<dl>\n");
    put_tensors(p, "input", r->inputs.v, r->inputs.n);
    put_tensors(p, "output", r->outputs.v, r->outputs.n);
    if (r->input_text)
        ncc_page_put(p, "<dt>firmware</dt><dd>%s</dd>\n", ncc_page_escape(p, r->input_text));
    if (r->data_text)
        ncc_page_put(p, "<dt>samples</dt><dd>%s</dd>\n", ncc_page_escape(p, r->data_text));
    ncc_page_put(p, "<dt>model</dt><dd>%.1f KiB, kmodel version %d</dd>\n", kib(r->file_bytes), r->kmodel_version);
    ncc_page_put(p, "<dt>working memory</dt><dd>%.1f KiB</dd>\n", kib(r->main_memory_bytes));
    ncc_page_put(p, "<dt>KPU RAM</dt><dd>%.1f KiB of %d KiB, lower bound %.1f KiB</dd>\n", kib(r->kpu.peak),
                 NCC_KPU_RAM_SIZE / 1024, kib(r->kpu.bound));
    ncc_page_put(p, "<dt>general RAM</dt><dd>%.1f KiB of %.0f KiB on %s</dd>\n</dl>\n", kib(ncc_report_ram(r)),
                 kib(r->board.bytes), ncc_page_escape(p, r->board.name));
}

static void put_layers(struct page *p, const struct report *r)
{
    double most = 1e-9;
    for (int i = 0; i < r->layers.n; i++)
        most = r->layers.v[i].est_us > most ? r->layers.v[i].est_us : most;
    ncc_page_put(p,
                 "<h2>Layers</h2>\n<div class=\"wrap\"><table><tr><th class=\"n\">#</th><th>on</th><th>operation</th>"
                 "<th>in</th><th>out</th><th>codes</th><th class=\"n\">&micro;s</th><th></th></tr>\n");
    for (int i = 0; i < r->layers.n; i++) {
        const struct report_layer *l = &r->layers.v[i];
        ncc_page_put(p,
                     "<tr id=\"l%d\"><td class=\"n\">%d</td><td><span class=\"tag %s\">%s</span></td><td>%s"
                     "<div class=\"soft\">%s</div>",
                     i, i, l->on, l->on, ncc_page_escape(p, l->op), ncc_page_escape(p, l->name));
        if (l->reason && l->est_us > 0)
            ncc_page_put(p, "<div class=\"why\">on the CPU because: %s</div>", ncc_page_escape(p, l->reason));
        ncc_page_put(p, "</td><td class=\"f\">%s</td><td class=\"f\">%s</td><td class=\"soft f\">", l->in_shape,
                     l->out_shape);
        if (l->n_scales == 1)
            ncc_page_put(p, "(q &minus; %g) &times; %.4g", l->zero_point, l->scale);
        else if (l->n_scales > 1)
            ncc_page_put(p, "a scale per channel");
        ncc_page_put(p,
                     "</td><td class=\"n\">%.1f</td><td class=\"track\"><div class=\"bar %s\" style=\"width:%.1f%%\">"
                     "</div></td></tr>\n",
                     l->est_us, l->on, 100 * l->est_us / most);
    }
    ncc_page_put(p, "</table></div>\n");
}

static const char *tag_of(const char *on)
{
    return strcmp(on, "kpu") == 0                                                                ? "kpu"
           : strcmp(on, "free") == 0 || strcmp(on, "folded") == 0 || strcmp(on, "left out") == 0 ? ""
                                                                                                 : "cpu";
}

static void put_sources(struct page *p, const struct report *r)
{
    if (!r->sources.n)
        return;
    ncc_page_put(p,
                 "<h2>What became of the model's %d nodes</h2>\n<div class=\"wrap\"><table><tr><th>node</th><th>on</th>"
                 "<th>as</th><th>layers</th><th class=\"n\">&micro;s</th></tr>\n",
                 r->sources.n);
    for (int i = 0; i < r->sources.n; i++) {
        const struct report_source *s = &r->sources.v[i];
        ncc_page_put(p, "<tr><td>%s<div class=\"soft\">%s</div></td><td><span class=\"tag %s\">%s</span></td><td>%s",
                     ncc_page_escape(p, s->name), ncc_page_escape(p, s->op), tag_of(s->on), s->on,
                     ncc_page_escape(p, s->as));
        if (*s->with)
            ncc_page_put(p, "<div class=\"soft\">in one layer with %s</div>", ncc_page_escape(p, s->with));
        if (s->reason)
            ncc_page_put(p, "<div class=\"why\">on the CPU because: %s</div>", ncc_page_escape(p, s->reason));
        ncc_page_put(p, "</td><td>");
        for (int k = 0; k < s->n_layers; k++)
            ncc_page_put(p, "%s<a href=\"#l%d\">%d</a>", k ? " " : "", s->layers[k], s->layers[k]);
        ncc_page_put(p, "</td><td class=\"n\">%.1f</td></tr>\n", s->est_us);
    }
    ncc_page_put(p, "</table></div>\n");
}

char *ncc_report_html(const struct report *r, struct arena *a)
{
    struct page p = {.arena = a, .text = ""};
    ncc_page_begin(&p, r->model);
    ncc_page_put(&p, "<p class=\"soft\">compiled by ncc %s</p>\n", ncc_version());
    put_summary(&p, r);
    ncc_page_memory(&p, r);
    put_layers(&p, r);
    put_sources(&p, r);
    ncc_page_end(&p);
    return p.text;
}
