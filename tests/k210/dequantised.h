/* What an integer network is held against: its float graph with the weights that the codes stand for. What is left
 * between the two are roundings, of which there are bounds:
 *
 *     arbitrary nets    how far the roundings can carry, propagated through the real weights (struct spread)
 *     one operation     n roundings on the longest path: at most 0.5 + n codes, on average 0.3 * sqrt(n); or what these
 *                       roundings do at best, where an operation amplifies differences
 */
#ifndef NCC_TESTS_K210_DEQUANTISED_H
#define NCC_TESTS_K210_DEQUANTISED_H

#include "tests/k210/compiled.h"

/* Error of a value in real units: in the worst case, and as a root of mean squares if roundings are independent. */
struct spread {
    double most, rms;
    double table_most, table_mean; /* what the worst table on the way errs in codes, as its maker says (test_act_table
                                      holds him to it): at least 1/2 and 1/4, which are perfect rounding */
};

/* Every layer of g, which is lowered and has quants, gets the weights of its integer layer, each of which must be
 * within half a code of the real one. Biases stay; but where means of the input are known, the layer gives back what
 * the weights' rounding takes from its mean, and so does this. Returns the spreads by value id. */
struct spread *dequantise_weights(struct net *n, struct graph *g);

/* By value id of an integer graph: roundings on the longest path to it. One for each layer that computes, one more
 * where its pool takes means, one for each kernel that makes codes. */
int *count_roundings(const struct graph *codes, struct arena *a);

/* All values of the real graph when every result that c->codes rounds is rounded to its codes, to the nearest and with
 * nothing else lost: what the same roundings do at best. */
struct tensor *evaluate_rounded(struct net *n, const struct compiled *c, uint64_t seed);

/* Differences in codes of v; results beyond the codes' ends count as if they were at the end. */
struct code_errors {
    double most, mean, bias; /* largest, mean of the absolute, mean */
    int64_t n;
};
struct code_errors compare_codes(const struct value *v, const struct tensor *want, const float *got);
struct code_errors add_errors(struct code_errors a, struct code_errors b); /* of both together */

#endif
