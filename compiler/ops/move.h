/* Moving elements of any type between strided arrays: what all operators that only move are made of. */
#ifndef NCC_OPS_MOVE_H
#define NCC_OPS_MOVE_H

#include "compiler/ir/op.h"

/* A box of elements: at index (i0, i1, ..), to[sum i_k * to_stride[k]] = from[sum i_k * from_stride[k]].
 * Strides count elements and may be negative or 0. */
struct move {
    int rank;
    int dim[NCC_MAX_RANK];
    int64_t to_stride[NCC_MAX_RANK], from_stride[NCC_MAX_RANK];
};

void ncc_move(const struct move *m, size_t element_size, void *to, const void *from);

/* Strides of a packed tensor. */
void ncc_move_strides(struct shape s, int64_t stride[NCC_MAX_RANK]);

#endif
