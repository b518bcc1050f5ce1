/* Which rows (or columns) a convolution reads around the pixel where the KPU computes it.
 *
 * The KPU knows 3 taps per dimension, at -1, 0 and +1. A convolution of any kernel, dilation and padding becomes one
 * 3-tap layer over the input and *shifted copies* of it as further channels: copy a holds s_a(r) = x(r + a), so that
 * copy a read with tap d is x at offset a + d. One dimension at a time; two dimensions multiply.
 *
 *     kernel 5, same      offsets -2 -1 0 +1 +2     copies -1, 0, +1
 *     kernel 3, TF SAME stride 2 on an even size    the window of the output would start at an odd pixel, which no
 *                         corner code picks; moved by one: offsets 0 +1 +2, copies 0, +1
 *     kernel 1            offset 0; or -1 or +1, which moves the output's window
 *
 * A copy loses what is pushed over the edge and is filled with zero at the other side, hence
 *     copy a > 0 may be read with tap -1 only where no pixel is computed at position 0,
 *     copy a < 0 may be read with tap +1 only where no pixel is computed at the last position.
 *
 * Checked in tests/k210/test_taps.c against the plain definition, borders included.
 */
#ifndef NCC_K210_TAPS_H
#define NCC_K210_TAPS_H

#include <stdbool.h>

#define NCC_MAX_COPIES 4
#define NCC_MAX_TAPS   32 /* kernel size per dimension */

/* One dimension of a tensor on its canvas, and what is asked for. */
struct axis {
    int canvas;      /* size of the canvas */
    int start, size; /* the window: pixels start .. start + size - 1 mean something */
    bool zero_out;   /* outside the window the canvas holds real zero */
    int kernel, dilation, stride;
    int pad;         /* zeros before the first pixel */
    int n_out;       /* outputs wanted: output i reads pixels i * stride - pad + j * dilation, j < kernel */
    int pool;        /* stride of the layer's pool or pick code: 1, 2 or 4 */
    int phase;       /* bit p: position p modulo `pool` may hold output 0 */
    int n_pooled;    /* outputs behind the pool; n_out itself where a code only picks (pool == stride) or pool is 1 */
};

struct taps {
    int first;                /* canvas position of output 0, before the pool */
    int n_copies;
    int copy[NCC_MAX_COPIES]; /* ascending; 0 alone: no copies are needed */
    struct tap {
        int copy; /* index into copy[] */
        int tap;  /* -1, 0, +1 */
    } of[NCC_MAX_TAPS]; /* of[j]: how kernel row j is read */
    bool only_centre;         /* every tap is 0: a 1x1 layer does in this dimension */
};

/* The cheapest way, or false when there is none: the outputs do not fit the canvas, or zero is needed where the
 * canvas holds something else. `why` (when not NULL) then points to a text. */
bool ncc_taps_choose(const struct axis *a, struct taps *out, const char **why);

#endif
