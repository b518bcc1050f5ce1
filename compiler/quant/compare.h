/* How near two tensors are. */
#ifndef NCC_QUANT_COMPARE_H
#define NCC_QUANT_COMPARE_H

#include <stddef.h>

/* Signal to noise in dB: 10 log10(sum of want^2 / sum of (got - want)^2). Equal tensors: INFINITY; nothing but zeros
 * wanted and something else got: -INFINITY. */
double ncc_sqnr_db(const float *want, const float *got, size_t n);

/* Cosine of the angle between them, -1..1. Two zero tensors: 1; one of them zero: 0. */
double ncc_cosine(const float *a, const float *b, size_t n);

/* Largest absolute difference. */
double ncc_max_difference(const float *a, const float *b, size_t n);

#endif
