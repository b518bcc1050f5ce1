#include "compiler/data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int ncc_data_read_part(const char *path, uint64_t at, void *to, size_t size)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno;
    int error = 0;
    for (size_t done = 0; done < size && !error;) {
        const ssize_t got = pread(file, (char *)to + done, size - done, (off_t)(at + done));
        if (got > 0)
            done += (size_t)got;
        else if (got == 0)
            error = EIO;
        else if (errno != EINTR)
            error = errno;
    }
    close(file);
    return error;
}

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
