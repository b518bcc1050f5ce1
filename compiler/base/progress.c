/* One line that is drawn again whenever the percentage changes. */
#include "compiler/base/progress.h"

#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 30 };

static void draw(const struct progress *p, int done)
{
    char bar[BAR_WIDTH + 1];
    const int filled = (int)((long long)done * BAR_WIDTH / p->total);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r%s [%s] %d/%d", p->what, bar, done, p->total);
    fflush(stderr);
}

struct progress ncc_progress_begin(const char *what, int total, bool quiet)
{
    const struct progress p = {.what = what, .total = total, .on = !quiet && total > 0 && isatty(STDERR_FILENO)};
    if (p.on)
        draw(&p, 0);
    return p;
}

void ncc_progress_step(struct progress *p)
{
    const int done = __atomic_add_fetch(&p->done, 1, __ATOMIC_RELAXED);
    if (!p->on || done > p->total)
        return;
    const long long percent = 100LL * done / p->total;
    if (percent != 100LL * (done - 1) / p->total)
        draw(p, done);
}

void ncc_progress_end(struct progress *p)
{
    if (p->on)
        fputs("\r\033[K", stderr);
    p->on = false;
}
