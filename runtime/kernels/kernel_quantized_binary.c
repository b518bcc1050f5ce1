#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

struct operands {
    const struct ncc_km_quantized_binary *op;
    const uint8_t *a, *b;
    uint8_t *out;
};

/* Division truncates. By 0 it gives -1, as the chip's CPU does (the field's runtime traps elsewhere). */
static int32_t divide(int32_t a, int32_t b)
{
    return b == 0 ? -1 : ncc_kernel_wrap(((int64_t)a + b / 2) / b);
}

/* The operator is chosen once per row. The sums of bytes and offsets are kept in 64 bits and cut to 32 afterwards. */
#define ROW(expression)                                                                                                \
    for (size_t i = 0; i < row->n; i++) {                                                                              \
        const int32_t qa = ncc_kernel_wrap((int64_t)a[i * row->a_step] + a_offset);                                    \
        const int32_t qb = ncc_kernel_wrap((int64_t)b[i * row->b_step] + b_offset);                                    \
        const int32_t x = ncc_kernel_rescale(qa, a_scale), y = ncc_kernel_rescale(qb, b_scale);                        \
        out[i] = ncc_kernel_requantize((expression), out_scale, out_offset);                                           \
    }                                                                                                                  \
    break

static void visit(const void *ctx, const struct ncc_broadcast_row *row)
{
    const struct operands *const t = ctx;
    const uint8_t *const a = t->a + row->a, *const b = t->b + row->b;
    uint8_t *const out = t->out + row->out;
    const int32_t a_offset = t->op->a_offset, b_offset = t->op->b_offset, out_offset = t->op->out_offset;
    const struct ncc_kernel_scale a_scale = ncc_kernel_scale(t->op->a_mul, t->op->a_shift);
    const struct ncc_kernel_scale b_scale = ncc_kernel_scale(t->op->b_mul, t->op->b_shift);
    const struct ncc_kernel_scale out_scale = ncc_kernel_scale(t->op->out_mul, t->op->out_shift);
    switch (t->op->op) {
    case NCC_KM_BINARY_ADD:
        ROW(ncc_kernel_wrap((int64_t)x + y));
    case NCC_KM_BINARY_SUB:
        ROW(ncc_kernel_wrap((int64_t)x - y));
    case NCC_KM_BINARY_MUL:
        ROW(ncc_kernel_wrap((int64_t)x * y));
    case NCC_KM_BINARY_DIV:
        ROW(divide(x, y));
    case NCC_KM_BINARY_MIN:
        ROW(y < x ? y : x);
    default:
        ROW(x < y ? y : x);
    }
}

void ncc_kernel_quantized_binary(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_quantized_binary *const op = body;
    const struct operands t = {op, ncc_kernel_in(memory, &op->a), ncc_kernel_in(memory, &op->b),
                               ncc_kernel_out(memory, &op->out)};
    ncc_broadcast(op->a_shape, op->b_shape, op->out_shape, visit, &t);
}
