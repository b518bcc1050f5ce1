/* Single elements of packed tensors of any type, and 16-bit floats. For the plain forms of
 * operators and for the text form; loops that must be fast know their type. */
#ifndef NCC_IR_ELEMENT_H
#define NCC_IR_ELEMENT_H

#include "compiler/ir/type.h"

/* IEEE binary16. Rounding is to nearest even; too large values become infinite. */
float ncc_element_from_half(uint16_t bits);
uint16_t ncc_element_to_half(float x);

static inline bool ncc_element_is_float(enum dtype t) { return t == DT_F32 || t == DT_F16; }

/* Element i as a real number. */
double ncc_element_real(enum dtype t, const void *data, int64_t i);
/* Element i of an integer type without loss; floats are truncated towards zero. */
int64_t ncc_element_int(enum dtype t, const void *data, int64_t i);

/* Stores a real number: integer types truncate towards zero and saturate, NaN becomes 0. */
void ncc_element_set_real(enum dtype t, void *data, int64_t i, double x);
/* Stores an integer: smaller integer types keep the low bits, bool becomes 0 or 1. */
void ncc_element_set_int(enum dtype t, void *data, int64_t i, int64_t x);

/* The smallest and largest number of an integer type; bool is 0 and 1. */
int64_t ncc_element_min(enum dtype t);
int64_t ncc_element_max(enum dtype t);

#endif
