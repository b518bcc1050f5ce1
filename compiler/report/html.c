/* The report as one HTML page: no script, no font, no picture comes from elsewhere. */
#include "compiler/report/html.h"

#include "compiler/report/report.h"
#include "kpu/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- text that grows ---- */

static void reserve(struct page *p, size_t more)
{
    if (p->size + more < p->cap)
        return;
    const size_t cap = (p->size + more) * 2 + 4096;
    char *text = NCC_NEW(p->arena, char, cap);
    memcpy(text, p->text, p->size);
    p->text = text;
    p->cap = cap;
}

void ncc_page_put(struct page *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = ncc_arena_vprintf(p->arena, format, args);
    va_end(args);
    const size_t n = strlen(text);
    reserve(p, n);
    memcpy(p->text + p->size, text, n + 1);
    p->size += n;
}

const char *ncc_page_escape(struct page *p, const char *text)
{
    size_t n = 1;
    for (const char *c = text; *c; c++)
        n += 6;
    char *out = NCC_NEW(p->arena, char, n), *to = out;
    for (; *text; text++) {
        const char *as = *text == '&'   ? "&amp;"
                         : *text == '<' ? "&lt;"
                         : *text == '>' ? "&gt;"
                         : *text == '"' ? "&quot;"
                                        : NULL;
        const size_t length = as ? strlen(as) : 1;
        memcpy(to, as ? as : text, length);
        to += length;
    }
    *to = 0;
    return out;
}

/* ---- parts ---- */

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    ":root{--kpu:#2b7a78;--cpu:#c8553d;--copy:#e0a030;--line:#ddd;--soft:#666}\n"
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em;color:#222}\n"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin:2em 0 .5em}\n"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25em .6em;border-bottom:1px solid "
    "var(--line);vertical-align:top}\n"
    "th{font-weight:600;color:var(--soft)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".wrap{overflow-x:auto}.soft,.why{overflow-wrap:anywhere}td.f{white-space:nowrap}.why,.soft{color:var(--soft);font-"
    "size:.92em}\n"
    ".tag{display:inline-block;min-width:2.6em;text-align:center;border-radius:.3em;padding:0 .4em;color:#fff;"
    "background:#888;font-size:.9em}\n"
    ".kpu{background:var(--kpu)}.cpu{background:var(--cpu)}.copy{background:var(--copy)}\n"
    ".bar{height:.8em;min-width:1px;border-radius:.15em}.track{width:14em}\n"
    ".sum{display:flex;height:1.6em;border-radius:.3em;overflow:hidden;margin:.4em 0}.sum div{height:100%}\n"
    "svg{width:100%;height:auto;background:#fafafa;border:1px solid var(--line)}\n"
    "svg rect{stroke:#fff;stroke-width:.5}svg text{font:11px system-ui,sans-serif;fill:#555}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.2em;margin:0}dt{color:var(--soft)}dd{margin:0}\n"
    "</style>\n";

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
    ncc_page_put(&p, "%s<title>%s</title></head><body>\n<h1>%s</h1>\n<p class=\"soft\">compiled by ncc %s</p>\n", head,
                 ncc_page_escape(&p, r->model), ncc_page_escape(&p, r->model), ncc_version());
    put_summary(&p, r);
    ncc_page_memory(&p, r);
    put_layers(&p, r);
    put_sources(&p, r);
    ncc_page_put(&p, "</body></html>\n");
    return p.text;
}
