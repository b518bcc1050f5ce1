/* Inside of compiler/data only: where data lie, reading a part of a file, and telling of many problems. */
#ifndef NCC_DATA_SOURCE_H
#define NCC_DATA_SOURCE_H

#include "compiler/data/dataset.h"
#include "compiler/data/npy.h"

struct data_source {
    const char *path;
    bool is_picture;       /* else an array of numbers: */
    bool channels_last;    /* h, w, c in the file */
    enum number_type type; /* NUMBER_U8 stands for bytes of a picture */
    uint64_t at;           /* byte offset of the first element */
};

/* Tells the first ten errors of many; the end tells how many there were more. */
struct problems {
    struct diags *diags;
    int n;
};
void ncc_data_problem(struct problems *p, const char *file, const char *rule, const char *remedy, const char *found,
                      ...) __attribute__((format(printf, 5, 6)));
void ncc_data_problems_end(const struct problems *p);

#endif
