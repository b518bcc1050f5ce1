/* Who lies where, and how long: one picture for each memory.
 *
 *     address |  +-----+        a rectangle is a buffer: from the step that writes it first
 *             |  |     +----+   to the one that reads it last, as high as its bytes
 *             |  +-----+    |
 *             +-------------+--- step
 */
#include "compiler/report/html.h"
#include "kpu/limits.h"

enum { LEFT = 70, TOP = 10, WIDTH = 1000, HEIGHT = 320, BOTTOM = 24, RIGHT = 10 };

/* Neighbours in time get different colours, and the same buffer the same colour in every run. */
static int hue_of(int i)
{
    return i * 47 % 360;
}

static void put_buffer(struct page *p, const struct report_buffer *b, int i, int n_steps, int64_t top)
{
    const double step = (double)WIDTH / n_steps, byte = (double)HEIGHT / (double)top;
    const double height = (double)b->size * byte;
    ncc_page_put(
        p,
        "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"hsl(%d,45%%,62%%)\"><title>%s: %lld bytes "
        "at %lld, steps %d to %d</title></rect>\n",
        LEFT + b->birth * step, TOP + HEIGHT - (double)b->addr * byte - height, (b->death - b->birth + 1) * step,
        height, hue_of(i), ncc_page_escape(p, b->name), (long long)b->size, (long long)b->addr, b->birth, b->death);
}

/* A line across at an address, with the number of KiB. */
static void put_level(struct page *p, int64_t address, int64_t top, const char *color)
{
    const double y = TOP + HEIGHT - (double)address * HEIGHT / (double)top;
    ncc_page_put(p,
                 "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-dasharray=\"4 3\"/>"
                 "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f KiB</text>\n",
                 LEFT, LEFT + WIDTH, y, y, color, LEFT - 6, y + 4, (double)address / 1024);
}

static void put_memory(struct page *p, const struct report *r, enum memory mem, const char *title,
                       const struct plan_memory *m)
{
    if (m->peak == 0 || r->n_steps == 0)
        return;
    ncc_page_put(p,
                 "<h2>%s over the %d steps of a run</h2>\n<p class=\"soft\">peak %.1f KiB; no placement in this order "
                 "can need less "
                 "than %.1f KiB. Point at a buffer for its name.</p>\n<svg viewBox=\"0 0 %d %d\" role=\"img\">\n",
                 title, r->n_steps, (double)m->peak / 1024, (double)m->bound / 1024, LEFT + WIDTH + RIGHT,
                 TOP + HEIGHT + BOTTOM);
    for (int i = 0; i < r->buffers.n; i++)
        if (r->buffers.v[i].mem == mem)
            put_buffer(p, &r->buffers.v[i], i, r->n_steps, m->peak);
    put_level(p, 0, m->peak, "#999");
    put_level(p, m->peak, m->peak, "#c33");
    if (m->bound < m->peak * 9 / 10 && m->bound > m->peak / 10)
        put_level(p, m->bound, m->peak, "#393");
    ncc_page_put(
        p, "<text x=\"%d\" y=\"%d\">step 0</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">step %d</text>\n</svg>\n",
        LEFT, TOP + HEIGHT + 16, LEFT + WIDTH, TOP + HEIGHT + 16, r->n_steps - 1);
}

void ncc_page_memory(struct page *p, const struct report *r)
{
    put_memory(p, r, MEM_KPU, "KPU RAM", &r->kpu);
    put_memory(p, r, MEM_MAIN, "Main memory", &r->main);
}
