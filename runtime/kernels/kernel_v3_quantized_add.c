#include "runtime/kernels/kernel_v3.h"

/* Damaged models may hold any factors: products wrap instead of being undefined. */
static int64_t product(int64_t a, int32_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)(int64_t)b);
}

static int64_t sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* v / 2^shift: to the nearest for positive numbers; doc/kmodel.md has the odd rule for negative ones. */
static int64_t carry(int64_t v, int32_t shift)
{
    if (shift == 0)
        return v;
    const int64_t t = v >> (shift - 1), half = t >> 1;
    return (t & 1) == 0 ? half : t < 0 ? half - 1 : half + 1;
}

static uint8_t add_codes(const struct ncc_km3_quantized_add *op, uint8_t qa, uint8_t qb)
{
    const int64_t a = product((int64_t)qa + op->a_offset, op->a_mul);
    const int64_t b = product((int64_t)qb + op->b_offset, op->b_mul);
    const int64_t v = op->a_shift == op->b_shift ? sum(a, b) >> op->a_shift : sum(a >> op->a_shift, b >> op->b_shift);
    const int64_t q = sum(carry(product(v, op->out_mul), op->out_shift), op->out_offset);
    return (uint8_t)(q < 0 ? 0 : q > 255 ? 255 : q);
}

void ncc_kernel_v3_quantized_add(const void *body, uint8_t *main)
{
    const struct ncc_km3_quantized_add *const op = body;
    const uint8_t *const a = main + op->a, *const b = main + op->b;
    uint8_t *const out = main + op->out;
    const size_t n = op->n;
    for (size_t i = 0; i < n; i++)
        out[i] = add_codes(op, a[i], b[i]);
}
