/* Which pixels a resize takes, along one dimension: for importers, to tell whether it is what a model means. */
#ifndef NCC_OPS_RESIZE_H
#define NCC_OPS_RESIZE_H

#include "compiler/ops/attrs.h"

/* Between pixels `first` and `second`, `part` of the way. */
struct resize_between {
    int first, second;
    float part;
};

/* The input pixel of output pixel `at`, when in pixels become out. */
int ncc_resize_nearest(const struct resize_attrs *p, int in, int out, int at);
struct resize_between ncc_resize_between(const struct resize_attrs *p, int in, int out, int at);

#endif
