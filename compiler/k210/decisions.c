/* What was decided while something was tried, so that it is not searched for again when it is built.
 *
 * Choices nest: each way of one makes choices of its own, and the way that wins is built a second time. Searching again
 * there would double the work with every level. So a choice writes what it decided into a list, with what the choices inside
 * the winning way decided behind it, and the second time they are read back in the same order:
 *
 *     | own way | those of its choices, in the order they were met | what comes next ...
 *     start     '- kept
 *
 * Building does the same each time, as undoing an attempt leaves no trace. Choices that are tried otherwise (ncc_lower_begin)
 * write down all they do and meet the same again.
 */
#include "compiler/k210/lower.h"

#include <assert.h>
#include <string.h>

enum { MAX_DECISIONS = 1024 };

void ncc_lower_decisions_new(struct lowering *l, struct arena *a)
{
    l->decisions = (struct decisions){.v = NCC_NEW(a, struct decision, MAX_DECISIONS)};
}

bool ncc_lower_recalled(struct lowering *l, struct decision *d)
{
    struct decisions *s = &l->decisions;
    assert(!s->replaying || s->at < s->end);
    if (!s->replaying || s->at == s->end)
        return false;
    *d = s->v[s->at++];
    return true;
}

struct search_log ncc_lower_search(struct lowering *l)
{
    const struct search_log log = {l->decisions.n, 0};
    l->decisions.n++;
    return log;
}

/* Where a trial writes: behind what is kept. */
static int base_of(const struct search_log *log)
{
    return log->start + 1 + (log->kept > 0 ? log->kept : 0);
}

void ncc_lower_search_next(struct lowering *l, const struct search_log *log)
{
    l->decisions.n = base_of(log);
}

void ncc_lower_search_keep(struct lowering *l, struct search_log *log)
{
    struct decisions *s = &l->decisions;
    const int from = base_of(log), n = s->n - from;
    log->kept = s->n <= MAX_DECISIONS ? n : -1;
    if (log->kept > 0)
        memmove(s->v + log->start + 1, s->v + from, (size_t)n * sizeof *s->v);
}

void ncc_lower_search_end(struct lowering *l, const struct search_log *log, struct decision d)
{
    struct decisions *s = &l->decisions;
    s->n = base_of(log);
    if (log->start < MAX_DECISIONS)
        s->v[log->start] = d;
}

void ncc_lower_replay(struct lowering *l, const struct search_log *log)
{
    struct decisions *s = &l->decisions;
    if (log->kept < 0 || s->n > MAX_DECISIONS)
        return; /* too many: they are searched for again */
    s->at = log->start + 1;
    s->end = s->n;
    s->replaying = true;
}

void ncc_lower_replayed(struct lowering *l)
{
    assert(!l->decisions.replaying || l->decisions.at == l->decisions.end);
    l->decisions.replaying = false;
}
