/* Copies of a tensor along an axis, as concatenations. */
#ifndef NCC_K210_REPEAT_H
#define NCC_K210_REPEAT_H

#include "compiler/ir/graph.h"

/* `count` copies side by side. Where runs are short, twice as many as before each time: it is their number that counts. */
struct value *ncc_k210_repeated(struct graph *g, const char *name, struct value *v, int axis, int count);

#endif
