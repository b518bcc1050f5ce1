/* Inside of compiler/data only: what a file is. */
#ifndef NCC_DATA_RECOGNIZE_H
#define NCC_DATA_RECOGNIZE_H

#include "compiler/data/source.h"

/* True if a folder's file takes part in a data set of that format: its extension says so. */
bool ncc_data_takes_part(const char *path, enum sample_format format);

/* What a file holds for an input: n samples, of which number i begins i * step bytes behind first.at. */
struct recognized {
    struct data_source first;
    int n;
    uint64_t step;
};

/* False: told in `problems`. */
bool ncc_data_recognize(const char *path, enum sample_format format, const struct input_spec *input,
                        struct arena *scratch, struct problems *problems, struct recognized *out);

/* "1x3x240x320" */
const char *ncc_data_shape_text(const struct input_spec *input, struct arena *a);

#endif
