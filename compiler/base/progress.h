/* A progress bar on stderr when that is a terminal, nothing otherwise. */
#ifndef NCC_BASE_PROGRESS_H
#define NCC_BASE_PROGRESS_H

#include <stdbool.h>

struct progress {
    const char *what;
    int total;
    int done;      /* may be raised from several threads through ncc_progress_step */
    bool on;
};

struct progress ncc_progress_begin(const char *what, int total, bool quiet);
void ncc_progress_step(struct progress *p); /* thread-safe */
void ncc_progress_end(struct progress *p);  /* clears the line */

#endif
