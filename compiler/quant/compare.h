/* How near two tensors are. */
#ifndef NCC_QUANT_COMPARE_H
#define NCC_QUANT_COMPARE_H

#include "compiler/ir/graph.h"
#include "compiler/ops/axis.h"

#include <stddef.h>

/* Signal to noise in dB: 10 log10(sum of want^2 / sum of (got - want)^2). Equal tensors: INFINITY; nothing but zeros
 * wanted and something else got: -INFINITY. */
double ncc_sqnr_db(const float *want, const float *got, size_t n);

/* Cosine of the angle between them, -1..1. Two zero tensors: 1; one of them zero: 0. */
double ncc_cosine(const float *a, const float *b, size_t n);

/* Largest absolute difference. */
double ncc_max_difference(const float *a, const float *b, size_t n);

/* The softmax that makes v, whose elements reshapes may have arranged otherwise, as its result is seen along its axis;
 * n = 0: there is none. */
struct along ncc_softmax_of(const struct value *v);

/* The softmax in front of which an output is compared: the one that makes it, unless what is to be compared with it is
 * of type `got` and that is codes, which tell too little of what is in front. */
struct along ncc_compared_softmax(const struct value *output, enum dtype got);

/* What stands in front of a softmax, from its result p, which is seen along the axis of the softmax: logarithms, less
 * their mean along the axis, as a softmax gives the same whatever is added to all. Probabilities below 1e-30 count as
 * that. x may be p. (Behind a softmax a comparison sees little but the few samples of which the model is not sure.) */
void ncc_before_softmax(const float *p, struct along s, float *x);

#endif
