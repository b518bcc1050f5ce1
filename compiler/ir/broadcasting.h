/* Element-wise operators in plain loops, and the broadcasting that their fast forms use. */
#ifndef NCC_IR_BROADCASTING_H
#define NCC_IR_BROADCASTING_H

#include "compiler/ir/op.h"

void ncc_elementwise_unary(const struct eval_args *a, float (*f)(const void *attrs, float x));
/* f32 through `f`, integers through `f_int` (NULL: f32 only). */
void ncc_elementwise_binary(const struct eval_args *a, float (*f)(const void *attrs, float x, float y),
                            int64_t (*f_int)(int64_t x, int64_t y));

/* The element of an operand that stands over element `flat` of the result: dimensions are
 * aligned at the last one, and a dimension of 1 serves all indices. */
int64_t ncc_broadcast_index(struct shape operand, struct shape out, int64_t flat);

/* Two operands laid over a result, in as few dimensions as possible:
 *
 *     1x8x60x80 and 1x8x1x1: dim = {8, 4800}, a = {4800, 1}, b = {1, 0}
 *
 * The last dimension of each operand has stride 1 or 0. rank is at least 1. */
struct broadcast {
    int rank;
    int64_t dim[NCC_MAX_RANK], a[NCC_MAX_RANK], b[NCC_MAX_RANK];
};
struct broadcast ncc_broadcast_make(struct shape a, struct shape b, struct shape out);

/* Offsets of row `row` (all dimensions but the last) of both operands. */
void ncc_broadcast_row(const struct broadcast *b, int64_t row, int64_t *a_off, int64_t *b_off);

#endif
