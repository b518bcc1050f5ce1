#include "compiler/data/source.h"

enum { MAX_TOLD = 10 };

void ncc_data_problem(struct problems *p, const char *file, const char *rule, const char *remedy, const char *found,
                      ...)
{
    if (p->n++ >= MAX_TOLD)
        return;
    va_list args;
    va_start(args, found);
    const char *text = ncc_arena_vprintf(p->diags->arena, found, args);
    va_end(args);
    ncc_diag_error(p->diags, FAULT_INPUT, (struct place){.file = file}, rule, remedy, "%s", text);
}

void ncc_data_problems_end(const struct problems *p)
{
    if (p->n > MAX_TOLD)
        ncc_diag_error(p->diags, FAULT_INPUT, (struct place){0}, "more samples have problems", NULL, "%d more",
                       p->n - MAX_TOLD);
}
