#include "compiler/ir/element.h"

#include <math.h>

float ncc_element_from_half(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float sign = bits >> 15 ? -1.0f : 1.0f;
    if (exponent == 31)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexpf((float)fraction, -24);
    return sign * ldexpf((float)(fraction + 1024), exponent - 25);
}

uint16_t ncc_element_to_half(float x)
{
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    const float magnitude = fabsf(x);
    if (isnan(x))
        return (uint16_t)(sign | 0x7E00);
    if (magnitude >= 65520.0f) /* halfway between the largest number and the next */
        return (uint16_t)(sign | 0x7C00);
    if (magnitude < ldexpf(1.0f, -14)) /* subnormal; a carry into 1024 is the smallest normal number */
        return (uint16_t)(sign | (uint16_t)lrintf(ldexpf(magnitude, 24)));
    int exponent;
    frexpf(magnitude, &exponent); /* magnitude = m * 2^exponent, 0.5 <= m < 1 */
    const int fraction = (int)lrintf(ldexpf(magnitude, 11 - exponent)); /* 1024..2048, hidden bit included */
    return (uint16_t)(sign | (uint16_t)(((exponent + 14) << 10) + fraction - 1024));
}

double ncc_element_real(enum dtype t, const void *data, int64_t i)
{
    switch (t) {
    case DT_F32: return (double)((const float *)data)[i];
    case DT_F16: return (double)ncc_element_from_half(((const uint16_t *)data)[i]);
    default: return (double)ncc_element_int(t, data, i);
    }
}

int64_t ncc_element_int(enum dtype t, const void *data, int64_t i)
{
    switch (t) {
    case DT_U8: return ((const uint8_t *)data)[i];
    case DT_BOOL: return ((const uint8_t *)data)[i] != 0;
    case DT_I8: return ((const int8_t *)data)[i];
    case DT_I16: return ((const int16_t *)data)[i];
    case DT_I32: return ((const int32_t *)data)[i];
    case DT_I64: return ((const int64_t *)data)[i];
    default: break;
    }
    int64_t x;
    ncc_element_set_real(DT_I64, &x, 0, ncc_element_real(t, data, i));
    return x;
}

int64_t ncc_element_min(enum dtype t)
{
    switch (t) {
    case DT_I8: return INT8_MIN;
    case DT_I16: return INT16_MIN;
    case DT_I32: return INT32_MIN;
    case DT_I64: return INT64_MIN;
    default: return 0;
    }
}

int64_t ncc_element_max(enum dtype t)
{
    switch (t) {
    case DT_U8: return UINT8_MAX;
    case DT_I8: return INT8_MAX;
    case DT_I16: return INT16_MAX;
    case DT_I32: return INT32_MAX;
    case DT_I64: return INT64_MAX;
    default: return 1;
    }
}

void ncc_element_set_real(enum dtype t, void *data, int64_t i, double x)
{
    if (t == DT_F32) {
        ((float *)data)[i] = (float)x;
    } else if (t == DT_F16) {
        ((uint16_t *)data)[i] = ncc_element_to_half((float)x);
    } else if (t == DT_BOOL) {
        ((uint8_t *)data)[i] = x != 0;
    } else if (isnan(x)) {
        ncc_element_set_int(t, data, i, 0);
    } else if (x <= (double)ncc_element_min(t)) {
        ncc_element_set_int(t, data, i, ncc_element_min(t));
    } else if (x >= (double)ncc_element_max(t)) {
        ncc_element_set_int(t, data, i, ncc_element_max(t));
    } else {
        ncc_element_set_int(t, data, i, (int64_t)x);
    }
}

void ncc_element_set_int(enum dtype t, void *data, int64_t i, int64_t x)
{
    switch (t) {
    case DT_F32: ((float *)data)[i] = (float)x; break;
    case DT_F16: ((uint16_t *)data)[i] = ncc_element_to_half((float)x); break;
    case DT_BOOL: ((uint8_t *)data)[i] = x != 0; break;
    case DT_U8: ((uint8_t *)data)[i] = (uint8_t)x; break;
    case DT_I8: ((int8_t *)data)[i] = (int8_t)x; break;
    case DT_I16: ((int16_t *)data)[i] = (int16_t)x; break;
    case DT_I32: ((int32_t *)data)[i] = (int32_t)x; break;
    default: ((int64_t *)data)[i] = x; break;
    }
}
