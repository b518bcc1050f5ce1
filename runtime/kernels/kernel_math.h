/* Scalar arithmetic that several kernels share. */
#ifndef NCC_RUNTIME_KERNEL_MATH_H
#define NCC_RUNTIME_KERNEL_MATH_H

#include "kmodel/kmodel.h"

#include <math.h>
#include <stdint.h>

/* Of two values that compare neither way (NaN), min and max give the first. */
static inline float ncc_kernel_binary_f32(uint32_t op, float a, float b)
{
    switch (op) {
    case NCC_KM_BINARY_ADD:
        return a + b;
    case NCC_KM_BINARY_SUB:
        return a - b;
    case NCC_KM_BINARY_MUL:
        return a * b;
    case NCC_KM_BINARY_DIV:
        return a / b;
    case NCC_KM_BINARY_MIN:
        return b < a ? b : a;
    default:
        return a < b ? b : a;
    }
}

static inline float ncc_kernel_unary_f32(uint32_t op, float x)
{
    switch (op) {
    case NCC_KM_UNARY_ABS:
        return fabsf(x);
    case NCC_KM_UNARY_CEIL:
        return ceilf(x);
    case NCC_KM_UNARY_COS:
        return cosf(x);
    case NCC_KM_UNARY_EXP:
        return expf(x);
    case NCC_KM_UNARY_FLOOR:
        return floorf(x);
    case NCC_KM_UNARY_LOG:
        return logf(x);
    case NCC_KM_UNARY_NEG:
        return -x;
    case NCC_KM_UNARY_RSQRT:
        return 1.0f / sqrtf(x);
    case NCC_KM_UNARY_SIN:
        return sinf(x);
    default:
        return x * x;
    }
}

/* The integer kernels compute in 32 bits that wrap around. Files of a compiler never get there; a damaged one shall
 * give a wrong result and no undefined behaviour. */
static inline int32_t ncc_kernel_wrap(int64_t v)
{
    return (int32_t)(uint32_t)(uint64_t)v;
}

/* v * mul / 2^shift, rounded half up ("mcs" in doc/kmodel.md); shift 0..62. */
struct ncc_kernel_scale {
    int64_t half; /* of the unit that is shifted out */
    int32_t mul, shift;
};

static inline struct ncc_kernel_scale ncc_kernel_scale(int32_t mul, int32_t shift)
{
    return (struct ncc_kernel_scale){shift > 0 ? INT64_C(1) << (shift - 1) : 0, mul, shift};
}

static inline int32_t ncc_kernel_rescale(int32_t v, struct ncc_kernel_scale s)
{
    return ncc_kernel_wrap(((int64_t)v * s.mul + s.half) >> s.shift);
}

/* To a code: rounded half away from zero, as the field's runtime rounds on a host (on the chip it rounds most elements
 * half to even). */
static inline uint8_t ncc_kernel_saturate(float q)
{
    if (!(q > 0.0f)) /* also NaN */
        return 0;
    if (q >= 255.0f)
        return 255;
    const int32_t whole = (int32_t)q;
    return (uint8_t)(whole + (q - (float)whole >= 0.5f)); /* the difference is exact, as q + 0.5 would not be */
}

/* The end of every integer kernel: scale, add the zero point, saturate. */
static inline uint8_t ncc_kernel_requantize(int32_t v, struct ncc_kernel_scale s, int32_t offset)
{
    const int32_t q = ncc_kernel_wrap((int64_t)ncc_kernel_rescale(v, s) + offset);
    return (uint8_t)(q < 0 ? 0 : q > 255 ? 255 : q);
}

/* One step of a reduction: the value so far and the next element. Mean adds, too. */
static inline float ncc_kernel_reduce_f32(uint32_t op, float value, float x)
{
    switch (op) {
    case NCC_KM_REDUCE_MIN:
        return x < value ? x : value;
    case NCC_KM_REDUCE_MAX:
        return value < x ? x : value;
    default:
        return value + x;
    }
}

#endif
