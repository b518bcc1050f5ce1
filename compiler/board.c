#include "compiler/board.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, MIB = 1024 * KIB };

/* Of the 6 MiB of general RAM. Firmware differs between builds: kpu.memtest() and utils.heap_free() in MaixPy, or the
 * linker's map, tell what there really is, and NAME=BYTES takes it. doc/boards.md has the sources in full. */
const struct board ncc_boards[] = {
    {"bare-metal", 59 * (int64_t)MIB / 10, "6 MiB less about 0.1 MiB for a program on the standalone SDK"},
    {"freertos", 55 * (int64_t)MIB / 10, "Sipeed: 5.5 MB are idle beside an image buffer"},
    {"maixpy", 3460 * (int64_t)KIB, "kpu.memtest() of MaixPy 0.4: 3460 KB of system heap"},
    {"maixpy-minimum", 4608 * (int64_t)KIB, "6 MiB less 1 MiB of firmware and 512 KiB of garbage-collected heap"},
    {"maixduino", 5000000, "Sipeed: about 5 MB for a model under Arduino"},
};
const int ncc_n_boards = sizeof ncc_boards / sizeof ncc_boards[0];

static bool read_own(const char *text, struct arena *a, struct board *out)
{
    const char *const equals = strchr(text, '=');
    if (!equals || equals == text || equals[1] < '0' || equals[1] > '9')
        return false;
    char *end;
    const long long bytes = strtoll(equals + 1, &end, 10);
    if (*end || bytes < 1 || bytes == LLONG_MAX)
        return false;
    *out = (struct board){ncc_arena_printf(a, "%.*s", (int)(equals - text), text), bytes, NULL};
    return true;
}

bool ncc_board_find(const char *text, struct arena *a, struct board *out)
{
    if (!text) {
        *out = ncc_boards[0];
        return true;
    }
    for (int i = 0; i < ncc_n_boards; i++)
        if (!strcmp(text, ncc_boards[i].name)) {
            *out = ncc_boards[i];
            return true;
        }
    return read_own(text, a, out);
}

const char *ncc_board_names(struct arena *a)
{
    const char *names = ncc_boards[0].name;
    for (int i = 1; i < ncc_n_boards; i++)
        names = ncc_arena_printf(a, "%s, %s", names, ncc_boards[i].name);
    return names;
}
