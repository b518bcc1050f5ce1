/* Kernels of kmodel v4 that limit their float results on the way: a relu or clip behind one costs nothing. */
#ifndef NCC_OPS_CLAMPS_H
#define NCC_OPS_CLAMPS_H

#include "compiler/ir/graph.h"

static inline bool ncc_op_clamps(enum op op)
{
    switch ((int)op) {
    case OP_conv2d:
    case OP_matmul:
    case OP_max_pool:
    case OP_avg_pool:
    case OP_add:
    case OP_sub:
    case OP_mul:
    case OP_div:
    case OP_maximum:
    case OP_minimum:
        return true;
    default:
        return false;
    }
}

#endif
