#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

struct operands {
    const struct ncc_km_binary *op;
    const float *a, *b;
    float *out;
};

/* The operator is chosen once per row, not once per element. */
#define ROW(expression)                                                                                                \
    for (size_t i = 0; i < row->n; i++) {                                                                              \
        const float x = a[i * row->a_step], y = b[i * row->b_step];                                                    \
        out[i] = ncc_kernel_clamp(expression, act);                                                                    \
    }                                                                                                                  \
    break

static void visit(const void *ctx, const struct ncc_broadcast_row *row)
{
    const struct operands *const t = ctx;
    const float *const a = t->a + row->a, *const b = t->b + row->b;
    float *const out = t->out + row->out;
    const struct ncc_km_clamp act = t->op->act;
    switch (t->op->op) {
    case NCC_KM_BINARY_ADD:
        ROW(x + y);
    case NCC_KM_BINARY_SUB:
        ROW(x - y);
    case NCC_KM_BINARY_MUL:
        ROW(x * y);
    default:
        ROW(ncc_kernel_binary_f32(t->op->op, x, y));
    }
}

void ncc_kernel_binary(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_binary *const op = body;
    const struct operands t = {op, ncc_kernel_in(memory, &op->a), ncc_kernel_in(memory, &op->b),
                               ncc_kernel_out(memory, &op->out)};
    ncc_broadcast(op->a_shape, op->b_shape, op->out_shape, visit, &t);
}
