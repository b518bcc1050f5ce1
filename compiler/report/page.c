/* HTML that grows, and what every page begins with. */
#include "compiler/report/html.h"

#include <ncc/compiler.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
    "a{color:var(--kpu)}td.reason{min-width:18em}td.name{overflow-wrap:anywhere;min-width:14em}svg "
    "rect.hit{fill:transparent;stroke:none}svg "
    ".own{fill:#8fbcbb}svg .bad{fill:var(--cpu)}svg .exact{fill:#fff;stroke:#9bb;stroke-dasharray:3 2}\n"
    "svg .total{fill:none;stroke:#333;stroke-width:1.5}svg .dot{fill:#333}svg "
    ".effect{fill:#fff;stroke:#743fa8;stroke-width:1.5}svg "
    ".rank{fill:#fff;font-weight:600;font-size:9px}\n"
    "tr.worst td:first-child{box-shadow:inset 3px 0 var(--cpu)}tr:target{background:#fff4d6}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.2em;margin:0}dt{color:var(--soft)}dd{margin:0}\n"
    "</style>\n";

void ncc_page_begin(struct page *p, const char *title)
{
    const char *text = ncc_page_escape(p, title);
    ncc_page_put(p, "%s<title>%s</title></head><body>\n<h1>%s</h1>\n", head, text, text);
}

void ncc_page_end(struct page *p)
{
    ncc_page_put(p, "</body></html>\n");
}
