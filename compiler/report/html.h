/* The parts of HTML reports: no script, no font, no picture comes from elsewhere. Inside of compiler/report only. */
#ifndef NCC_REPORT_HTML_H
#define NCC_REPORT_HTML_H

#include "compiler/report/report.h"

struct page {
    struct arena *arena;
    char *text; /* ends with 0 */
    size_t size, cap;
};

/* Style, title and headline. A page starts as {.arena = ..., .text = ""}. */
void ncc_page_begin(struct page *p, const char *title);
void ncc_page_end(struct page *p);

void ncc_page_put(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Text that may stand in HTML, also between double quotes. */
const char *ncc_page_escape(struct page *p, const char *text);

/* Pictures of both memories: addresses over steps. */
void ncc_page_memory(struct page *p, const struct report *r);

#endif
