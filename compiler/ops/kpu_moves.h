/* Where operators that move what is in KPU RAM take it from: kpu_slice, kpu_recanvas, kpu_view, kpu_concat, and
 * kpu_conv with one-hot weights. */
#ifndef NCC_OPS_KPU_MOVES_H
#define NCC_OPS_KPU_MOVES_H

#include "compiler/ir/graph.h"

/* Is n one of these? */
bool ncc_kpu_moves(const struct node *n);

struct kpu_pixel {
    struct value *v; /* a canvas */
    int c, y, x;
};

/* The pixel of an input of p's node that p shows; where that lies beyond the canvas, or in a slot that no channel has,
 * the nearest one. Of a pool any pixel that it sees; of a sum one operand, a difference of codes only where none is a
 * code itself. False: it is a zero that comes from nowhere; p is then a pixel of the first channel. */
bool ncc_kpu_moved_from(struct kpu_pixel *p);

/* Has a kpu_conv with one-hot weights a channel with none? */
bool ncc_kpu_copies_nothing(const struct node *copy);

#endif
