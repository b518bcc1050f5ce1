/* Two operands of up to four dimensions, cut into rows in which each moves by a fixed step. */
#ifndef NCC_RUNTIME_BROADCAST_H
#define NCC_RUNTIME_BROADCAST_H

#include <stddef.h>
#include <stdint.h>

/* Element steps of an operand per dimension of the output: 0 where the operand is broadcast. */
void ncc_broadcast_steps(const int32_t shape[4], const int32_t out_shape[4], size_t steps[4]);

/* The row of elements in which operands a and b advance by a_step and b_step (0 or 1). Offsets in elements. */
struct ncc_broadcast_row {
    size_t a, b, out, n;
    size_t a_step, b_step;
};
typedef void ncc_broadcast_visit(const void *ctx, const struct ncc_broadcast_row *row);

/* Calls visit for all rows of the output; for all of it at once when nothing is broadcast. */
void ncc_broadcast(const int32_t a_shape[4], const int32_t b_shape[4], const int32_t out_shape[4],
                   ncc_broadcast_visit *visit, const void *ctx);

#endif
