/* The operators for which kmodel v3 has CPU kernels (doc/kmodel.md A.2). */
#include "compiler/k210/k210.h"

bool ncc_k210_v3_has_kernel(enum op op)
{
    switch ((int)op) {
    case OP_add:
    case OP_avg_pool:
    case OP_concat:
    case OP_matmul:
    case OP_max_pool:
    case OP_pad:
    case OP_reduce:
    case OP_reshape:
    case OP_resize:
    case OP_sigmoid:
    case OP_slice:
    case OP_softmax:
    case OP_split:
    case OP_transpose:
        return true;
    default:
        return false;
    }
}
