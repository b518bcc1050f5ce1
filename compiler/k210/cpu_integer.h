/* CPU nodes in integers: the quantized kernels of kmodel v4 (doc/kmodel.md B.3). */
#ifndef NCC_K210_CPU_INTEGER_H
#define NCC_K210_CPU_INTEGER_H

#include "compiler/ir/op.h"

/* Has this float node an integer kernel, besides table lookups for unary ones? add, sub, mul, maximum and minimum of
 * two maps; conv2d and matmul with constant weights. */
bool ncc_cpu_integer_possible(const struct node *n);

/* Puts q_binary, q_conv2d, q_matmul or lookup in the place of a node whose non-constant inputs are u8 and whose
 * output has a quant. False: an error was reported. */
bool ncc_cpu_integer_make(struct graph *g, struct node *n);

#endif
