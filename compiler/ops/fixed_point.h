/* Fixed point as TFLite's integer kernels compute it: a real factor is a number of 31 bits and a power of two, and
 * products are rounded after both.
 *
 * Facts from tensorflow/lite/kernels/internal/{common,quantization_util}.h and gemmlowp's fixedpoint.h. A "Q5" here is
 * an int32_t with 5 bits before the point, the sign not counted: its value is raw / 2^26. Sums wrap as on the machine.
 */
#ifndef NCC_OPS_FIXED_POINT_H
#define NCC_OPS_FIXED_POINT_H

#include <stdint.h>

/* mul / 2^31 * 2^shift; mul 0 or 2^30 .. 2^31 - 1 (with its sign), shift -31 .. */
struct fx {
    int32_t mul;
    int shift;
};

/* The nearest one; below 2^-32 it is 0. */
struct fx ncc_fx_of(double real);

/* a * b / 2^31, half up; the only product that does not fit is the largest number. */
static inline int32_t ncc_fx_high(int32_t a, int32_t b)
{
    const uint64_t nudged = (uint64_t)((int64_t)a * b + (INT64_C(1) << 30));
    return a == INT32_MIN && b == INT32_MIN ? INT32_MAX : (int32_t)(uint32_t)(nudged >> 31);
}

/* x / 2^n, half away from zero; n 0 .. 31. */
static inline int32_t ncc_fx_divide(int32_t x, int n)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << n) - 1), rest = x & mask, threshold = (mask >> 1) + (x < 0);
    return (x >> n) + (rest > threshold);
}

/* x times the factor, rounded twice. */
static inline int32_t ncc_fx_times(int32_t x, struct fx m)
{
    const int left = m.shift > 0 ? m.shift & 31 : 0, right = m.shift > 0 ? 0 : -m.shift;
    return ncc_fx_divide(ncc_fx_high((int32_t)((uint32_t)x << left), m.mul), right);
}

/* Sums of 64 bits (behind activations of 16): the factor has 15 bits, and there is one rounding, half up. */
static inline int32_t ncc_fx_times_wide(int64_t x, struct fx m)
{
    const int64_t factor = m.mul < 0x7FFF0000 ? (m.mul + (1 << 15)) >> 16 : 0x7FFF;
    const int shift = m.shift < 14 ? 15 - m.shift : 1;
    return (int32_t)(((uint64_t)x * (uint64_t)factor + (UINT64_C(1) << (shift - 1))) >> shift);
}

/* exp(x) in Q0 of x <= 0 in Q`bits`, bits 4 or 5. */
int32_t ncc_fx_exp(int32_t x, int bits);
/* 1 / (1 + x) in Q0 of x in Q0, 0 <= x < 1. */
int32_t ncc_fx_one_over_one_plus(int32_t x);
/* 1 / x for x > 0 in Q`bits`: the result in Q0 is 2^-*exponent of it. */
int32_t ncc_fx_reciprocal(int32_t x, int bits, int *exponent);
/* Of x in Q4, in Q0. */
int32_t ncc_fx_logistic(int32_t x);
int32_t ncc_fx_tanh(int32_t x);
/* 1 / sqrt(x) as a factor, x >= 0; 0 counts as 1. */
struct fx ncc_fx_inverse_sqrt(int32_t x);

#endif
