#include "runtime/kernels/kernel.h"

/* Half away from zero, as the field's runtime rounds on a host (on the chip it rounds most elements half to even). */
static uint8_t quantize(float x, float scale, float zero_point)
{
    const float q = x * scale + zero_point;
    if (!(q > 0.0f)) /* also NaN */
        return 0;
    if (q >= 255.0f)
        return 255;
    const int32_t whole = (int32_t)q;
    return (uint8_t)(whole + (q - (float)whole >= 0.5f)); /* the difference is exact, as q + 0.5 would not be */
}

void ncc_kernel_quantize(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_quantize *const op = body;
    const float *const in = ncc_kernel_in(memory, &op->in);
    uint8_t *const out = ncc_kernel_out(memory, &op->out);
    /* Copies, as a store to bytes may change anything as far as the compiler knows. */
    const float scale = op->scale, zero_point = (float)op->zero_point;
    const size_t n = op->out.size;
    for (size_t i = 0; i < n; i++)
        out[i] = quantize(in[i], scale, zero_point);
}
