/* Maps twice as large in both directions, made by the KPU alone (enlarge.c). */
#ifndef NCC_K210_ENLARGE_H
#define NCC_K210_ENLARGE_H

#include "compiler/k210/lower.h"

/* What stands between the pixels of the small map. */
enum enlarge { ENLARGE_REPEAT, ENLARGE_ZEROS };

/* A canvas of twice the height and width (columns behind those are junk), whose window is x's, doubled: pixel (y, x) shows
 * pixel (y / 2, x / 2), or zero where y or x is odd. Codes pass unchanged. Channel c of x lies at slot[c], which has
 * room for x's channels. NULL, and why: it does not fit. */
struct value *ncc_lower_enlarge(struct lowering *l, const char *name, struct value *x, enum enlarge between, int *slot,
                                const char **why);

/* By what power of two a node enlarges maps without computing anything, or 0: resizing to the nearest pixel; a transposed
 * convolution of each channel by itself with a 1x1 kernel of one, which sets pixels apart. */
int ncc_lower_enlarges(const struct node *n, enum enlarge *between);

#endif
