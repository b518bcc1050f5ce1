/* Whether two graphs mean the same: both are evaluated on random inputs. */
#ifndef NCC_TESTS_PASS_SAME_H
#define NCC_TESTS_PASS_SAME_H

#include "compiler/ir/op.h"

/* The seed from NCC_SEED, else `otherwise`. */
uint64_t same_seed(uint64_t otherwise);

/* A small generator; its state is the seed. Uniform integers in 0 .. n - 1. */
int same_random(uint64_t *state, int n);

/* Evaluates both on n_samples random inputs and compares all outputs: names, shapes, and elements to
 * `tolerance` of the output's largest. False: `why` (300 bytes) says what differs. */
bool same_meaning(const struct graph *a, const struct graph *b, int n_samples, uint64_t seed, double tolerance,
                  char *why);

#endif
