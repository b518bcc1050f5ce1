/* The arithmetic of the integer CPU kernels (doc/kmodel.md B.3). */
#ifndef NCC_OPS_FIXED_H
#define NCC_OPS_FIXED_H

#include <stdint.h>

/* v * mul / 2^shift, rounded half up, as a 32-bit number. */
static inline int32_t ncc_fixed_scale(int32_t v, int32_t mul, int shift)
{
    int64_t product = (int64_t)v * mul;
    if (shift > 0)
        product = shift > 62 ? 0 : (product + (INT64_C(1) << (shift - 1))) >> shift;
    return (int32_t)product;
}

static inline uint8_t ncc_fixed_code(int64_t q)
{
    return (uint8_t)(q < 0 ? 0 : q > 255 ? 255 : q);
}

#endif
