/* Finer codes for layers of few channels that end in a clip, such as a ReLU6: each channel becomes several, which carry
 * the value in slices.
 *
 *     clip(z, 0, m) = clip(z, 0, m/K) + clip(z - m/K, 0, m/K) + ...         for instance, K = 2, m = 6:
 *
 *     conv A, C outputs                     conv A', 2 C outputs: weights twice, bias and bias - 3
 *     clip 0..6                     ->      clip 0..3
 *     conv B, C inputs                      conv B', 2 C inputs: weights twice
 *
 * A code of the result is worth an K-th of what it was, and ends of slices are exact. Nothing else changes: it is
 * an identity in real numbers. Where channels are few their rounding errors hardly average out, and in even parts of a
 * picture all pixels have the same error; that is how the first layers of small networks can make most of the error of
 * the result. There the additional channels cost next to nothing. Depthwise layers become regular ones, which at so
 * few channels take some microseconds.
 */
#ifndef NCC_QUANT_SLICES_H
#define NCC_QUANT_SLICES_H

#include "compiler/ir/op.h"

/* On the canonical graph. */
bool ncc_quant_slice(struct graph *g);

#endif
