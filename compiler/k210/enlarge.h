/* Maps twice as large in both directions, made by the KPU alone (enlarge.c). */
#ifndef NCC_K210_ENLARGE_H
#define NCC_K210_ENLARGE_H

#include "compiler/k210/lower.h"

/* What stands between the pixels of the small map. Phases: those of three others, which follow it in channels of the same
 * canvas: right of its pixels, below, and both. */
enum enlarge { ENLARGE_REPEAT, ENLARGE_ZEROS, ENLARGE_PHASES };

/* A canvas of twice the height and width (columns behind those are junk), whose window is x's, doubled: pixel (y, x) shows
 * pixel (y / 2, x / 2), or zero where y or x is odd, or pixel (y / 2, x / 2) of phase (y mod 2, x mod 2). Codes pass
 * unchanged. Channel c of x (of each phase) lies at slot[c], which has room for x's channels. NULL, and why: it does not fit. */
struct value *ncc_lower_enlarge(struct lowering *l, const char *name, struct value *x, enum enlarge between, int *slot,
                                const char **why);

/* How a node makes maps larger: resizing; depth_to_space; or a transposed convolution of each channel by itself with a 1x1
 * kernel of one, which sets pixels apart. */
struct enlarging {
    int factor; /* a power of two, alike in both directions; 0: it does not, or otherwise */
    enum enlarge between;
    enum smooth {
        SMOOTH_NOT,
        SMOOTH_CENTRES, /* bilinear between the centres of pixels: output o is at (o + 1/2) / factor - 1/2 */
        SMOOTH_CORNERS  /* at o / factor; the last outputs may be missing */
    } smooth;
    bool first_row, first_column; /* to the nearest pixel by 2, and the first output is there once more: 2 n + 1 of n */
};
struct enlarging ncc_lower_enlarging(const struct node *n);

#endif
